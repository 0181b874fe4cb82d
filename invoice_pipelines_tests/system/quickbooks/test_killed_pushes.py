"""Workers are killed at random moments while they push and pull and answers are lost: nothing is lost or doubled."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest

from invoice_pipelines.settings import Settings
from invoice_pipelines.workshop.sandbox.quickbooks import Fault, Sandbox
from invoice_pipelines_tests.conftest import TestDatabase
from invoice_pipelines_tests.support.quickbooks.pushing import CUSTOMER, House, line, open_house
from invoice_pipelines_tests.support.sizes import size
from invoice_pipelines_tests.support.waiting import wait_for
from invoice_pipelines_tests.system.workers import worker_maker

pytestmark = pytest.mark.slow

TURNS = size(1, 5)
INVOICES, CUSTOMERS, KILLS = size(150, 2_000), size(100, 2_000), size(4, 30)
ENDS_WITHIN = size(20, 240)


@contextmanager
def workers(house: House, folder: Path, organizations: list[UUID]) -> Iterator[Callable[[], int]]:
    """Starts workers over organizations; each call gives the id of another process."""
    file = folder / "settings.json"
    given = house.settings.model_dump(mode="python", exclude_unset=True)
    plain = {
        name: value.get_secret_value() if hasattr(value, "get_secret_value") else str(value)
        for name, value in given.items()
        if value is not None
    }
    plain["DAGSTER_HOME"] = plain.pop("home", str(folder))
    file.write_text(json.dumps(plain | {"lease_seconds": "5"}))
    with worker_maker("quickbooks.push_worker", house.desk.url, file, *organizations) as start:
        yield start


def open_entries(house: House) -> int:
    return int(
        house.desk.value(
            """select (select count(*) from work.batch_item where status in ('pending', 'processing'))
                    + (select count(*) from quickbooks.sent_batch where status = 'sent')"""
        )
    )


def test_killed_workers_lose_and_double_no_invoice_and_no_edit(
    database: TestDatabase,
    sandbox: Sandbox,
    quickbooks_settings: Settings,
    connected: Callable[..., UUID],
    tmp_path: Path,
) -> None:
    house = open_house(database, sandbox, quickbooks_settings, connected)
    moments = random.Random(20261121)
    house.desk.rows(
        """insert into billing.customer (organization_id, customer_number, name, country_code)
           select organizations.current(), 'N' || n, 'Customer ' || n, 'DE'
           from generate_series(1, :n) n""",
        n=CUSTOMERS // 2,
    )
    there = [house.there.customer(f"Theirs {n}") for n in range(CUSTOMERS // 2)]
    invoices = house.issue_many(INVOICES)
    sandbox.faults.inject(Fault.LOSE_ANSWER, operation="batch", probability=0.15, seed=1, times=None)
    sandbox.faults.inject(Fault.DROP, operation="batch", probability=0.05, seed=2, times=None)

    with workers(house, tmp_path, [house.desk.organization_id]) as start:
        running = [start(), start()]
        for kill in range(KILLS):
            time.sleep(moments.uniform(0.05, 1.0))  # to be killed at any moment
            house.there.edit("Customer", there[kill]["Id"], PrimaryPhone={"FreeFormNumber": f"{kill}"})
            house.desk.rows(
                "update billing.customer set email = :e where customer_number = :n",
                e=f"e{kill}@n.example",
                n=f"N{kill + 1}",
            )
            victim = moments.randrange(2)
            os.kill(running[victim], signal.SIGKILL)
            running[victim] = start()
        sandbox.faults.clear()

        def has_ended() -> bool:
            house.desk.behind(
                "update work.batch_item set available_at = now() where status = 'pending' and available_at > now()"
            )
            return open_entries(house) == 0

        wait_for("the queue is not empty", has_ended, ENDS_WITHIN)
        sandbox.clock.shift(timedelta(seconds=3))
        wait_for(
            "not all that was edited there came",
            lambda: house.desk.value("select count(*) from billing.customer where phone is not null") == KILLS,
            ENDS_WITHIN,
        )
        for process in running:
            os.kill(process, signal.SIGKILL)

    assert len(house.invoices()) == len(invoices) == INVOICES
    assert house.mappings() == INVOICES
    assert {i["Id"] for i in house.invoices()} == {
        row[0] for row in house.desk.rows("select quickbooks_id from quickbooks.mapping where entity_type = 'invoice'")
    }
    ours = CUSTOMERS // 2 * 2 + 1
    assert house.there.count("Customer") == house.mappings(CUSTOMER) == ours
    assert house.desk.value("select count(*) from billing.customer") == ours
    by_name = {each["DisplayName"]: each for each in house.there.documents("Customer")}
    for kill in range(KILLS):
        assert by_name[f"Customer {kill + 1}"]["PrimaryEmailAddr"]["Address"] == f"e{kill}@n.example"
        assert by_name[f"Theirs {kill}"]["PrimaryPhone"]["FreeFormNumber"] == f"{kill}"
    assert house.conflicts() == []


def test_a_broken_company_keeps_no_other_waiting_and_its_backlog_drains_in_order(
    database: TestDatabase,
    sandbox: Sandbox,
    quickbooks_settings: Settings,
    connected: Callable[..., UUID],
    tmp_path: Path,
) -> None:
    houses = [
        open_house(database, sandbox, quickbooks_settings, connected, f"org-{n}", f"91300{n:02}")
        for n in range(size(4, 20))
    ]
    broken, others = houses[0], houses[1:]
    sandbox.switches.shuffled_batches = False
    for house in houses:
        house.issue(line())
        house.push_all()
    sandbox.faults.inject(Fault.UNAVAILABLE, realm=broken.realm, times=None)
    slowest = {True: 0.0, False: 0.0}

    with workers(broken, tmp_path, [house.desk.organization_id for house in houses]) as start:
        running = [start(), start()]
        for is_broken in (True, False):
            if not is_broken:
                sandbox.faults.clear()
                wait_for("the backlog did not drain", lambda: len(broken.invoices()) == TURNS + 1, ENDS_WITHIN)
            for turn in range(TURNS):
                if is_broken:
                    broken.issue(line(price=turn + 2))
                began = time.monotonic()
                for house in others:
                    house.issue(line())
                wait_for(
                    "another company waits",
                    lambda: all(open_entries(house) == 0 for house in others),
                    ENDS_WITHIN,
                )
                slowest[is_broken] = max(slowest[is_broken], time.monotonic() - began)
        for process in running:
            os.kill(process, signal.SIGKILL)

    assert slowest[True] < slowest[False] * 3 + 1
    in_order = [Decimal(i["TotalAmt"]) for i in sorted(broken.invoices(), key=lambda i: int(i["Id"]))][1:]
    assert in_order == sorted(in_order)
    assert len(in_order) == broken.mappings() - 1 == TURNS
    assert all(len(house.invoices()) == house.mappings() == 2 * TURNS + 1 for house in others)
