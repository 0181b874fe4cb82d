"""Two machines with nothing in common but PostgreSQL, Redis and object storage, reached over a network."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from cryptography.fernet import Fernet
from dagster_graphql import DagsterGraphQLClient
from sqlalchemy import Engine, text

from invoice_pipelines.database import create_app_engine, create_login_engine
from invoice_pipelines.database.migrate import create_database
from invoice_pipelines.database.roles import APP
from invoice_pipelines_tests.conftest import PROJECT, TestDatabase
from invoice_pipelines_tests.support.delivery.press import open_press
from invoice_pipelines_tests.support.needs import need, needs_redis
from invoice_pipelines_tests.support.server import free_ports
from invoice_pipelines_tests.support.sizes import AT_FULL_SIZE, only_at_full_size, size
from invoice_pipelines_tests.support.waiting import seconds_until, wait_for
from invoice_pipelines_tests.system.work.machines import DATABASE, Machine, Network, network
from invoice_pipelines_tests.system.work.test_warm_workers import ABROAD, QUICK

need("dagster_celery", reason="the extra celery is not installed")
pytestmark = [
    pytest.mark.slow,
    needs_redis,
    pytest.mark.timeout(900),
]

DOCUMENT = (PROJECT / "examples/nordwind-handel/polder-bloemen-20260214.xml").read_text("utf-8")
KEYS = "INVOICE_PIPELINES_ENCRYPTION_KEYS"


def upload(machine: Machine, slug: str, number: str) -> str:
    """Its id."""
    path = machine.home / f"{number}.xml"
    path.write_text(DOCUMENT.replace("PB-260214", number), "utf-8")
    id_: str = json.loads(machine.run("upload", str(path), "--organization", slug, "--json"))["upload_id"]
    return id_


def test_what_one_machine_keeps_the_other_one_reads(tmp_path: Path) -> None:
    with network(tmp_path) as found:
        one, other = found.machines
        for name in (DATABASE, f"{DATABASE}_dagster"):
            create_database(found.ground.url("postgres"), name)
        one.run("db", "migrate")

        app_url, owner_url = found.ground.url(DATABASE, APP), found.ground.url(DATABASE)
        engine, superuser = create_app_engine(app_url), create_login_engine(owner_url)
        press = open_press(TestDatabase(engine, superuser, app_url, owner_url), tmp_path)
        press.shop.issue({})
        slug = press.shop.organization.slug
        number = press.rows("select invoice_number from billing.invoice_number")[0][0]

        for here, there in ((one, other), (other, one))[: size(1, 2)]:
            uploaded = upload(here, slug, f"from-{here.name}")
            there.run("intake", "process", uploaded, "--organization", slug)
        for machine in (one, other):
            machine.run("invoices", "pdf", number, "--organization", slug, "-o", str(machine.home / "made.pdf"))
        assert (one.home / "made.pdf").read_bytes() == (other.home / "made.pdf").read_bytes()
        assert press.rows("select count(*) from public.invoice_documents") == [(1,)]
        engine.dispose()
        superuser.dispose()

        one.run("webhooks", "add", "https://shop.example.com/events", "--organization", slug)
        assert "Encrypted 1 secrets" in other.run("webhooks", "rotate-keys")
        for machine in found.machines:
            assert not [file.name for file in machine.home.rglob("*") if file.suffix in (".key", ".csv")]

        assert f"Set {KEYS}" in other.run("worker", code=2, **{KEYS: ""})
        assert f"set {KEYS}" in other.run("worker", code=2, **{KEYS: Fernet.generate_key().decode()})
        elsewhere = {"INVOICE_PIPELINES_ORIGINALS": f"s3://invoices/{uuid4()}"}
        assert "INVOICE_PIPELINES_ORIGINALS is a place without the mark" in other.run("worker", code=2, **elsewhere)
        if AT_FULL_SIZE:  # its client tries for long
            away = {"AWS_ENDPOINT_URL": f"http://{found.ground.address}:9"}
            assert "INVOICE_PIPELINES_INBOX:" in other.run("worker", code=2, **away)
        ready = other.home / "ready"
        with other.running("worker", "--processes", "1", "--ready-file", str(ready)) as worker:
            wait_for("it takes runs", ready.exists, 120)
            worker.terminate()
            assert worker.wait(60) == 0, other.said()


@dataclass(frozen=True)
class TwoMachines:
    """Dagster on a machine of its own, and two others that may work; what is in PostgreSQL."""

    found: Network
    business: Engine
    records: Engine

    def rows(self, statement: str) -> list[Any]:
        return self._ask(self.business, statement)

    def rows_of_dagster(self, statement: str) -> list[Any]:
        return self._ask(self.records, statement)

    def held(self) -> list[Any]:
        """Sessions of runs that wait for a lock."""
        return self.rows(
            "select from pg_stat_activity where wait_event_type = 'Lock' and application_name like 'run %'"
        )

    @contextmanager
    def working(self, machine: Machine) -> Iterator[subprocess.Popen[bytes]]:
        """A worker on a machine, that takes runs by now."""
        ready = machine.home / "ready"
        with machine.running("worker", "--processes", "1", "--ready-file", str(ready)) as worker:
            wait_for("it takes runs", ready.exists, 120)
            yield worker

    @staticmethod
    def _ask(engine: Engine, statement: str) -> list[Any]:
        with engine.connect() as session:
            return list(session.execute(text(statement)))


@contextmanager
def installed(folder: Path) -> Iterator[TwoMachines]:
    with network(folder, 3) as found, ExitStack() as stack:
        dagster = found.machines[0]
        create_database(found.ground.url("postgres"), DATABASE)
        create_database(found.ground.url("postgres"), f"{DATABASE}_dagster")
        quick = {**QUICK, **free_ports()}
        for machine in found.machines:
            machine.environment.update(quick)
        dagster.environment["INVOICE_PIPELINES_WEBSERVER_HOST"] = dagster.address
        stack.enter_context(dagster.running("up"))
        wait_for("all has started", lambda: "Ctrl-C" in dagster.said(), 240)
        business = create_login_engine(found.ground.url(DATABASE))
        records = create_login_engine(found.ground.url(f"{DATABASE}_dagster"))
        stack.callback(business.dispose)
        stack.callback(records.dispose)
        yield TwoMachines(found, business, records)


REEXECUTE = """mutation($parent: String!) { launchRunReexecution(
  reexecutionParams: {parentRunId: $parent, strategy: FROM_FAILURE}) { __typename } }"""


@only_at_full_size
def test_a_run_whose_machine_died_goes_on_from_its_failed_step_on_another_one(tmp_path: Path) -> None:
    """By Dagster's own retry, and when a person re-executes it from failure."""
    with installed(tmp_path) as here:
        dagster, one, other = here.found.machines
        app_url, owner_url = here.found.ground.url(DATABASE, APP), here.found.ground.url(DATABASE)
        engine = create_app_engine(app_url)
        shop = open_press(TestDatabase(engine, here.business, app_url, owner_url), tmp_path).shop
        (order,) = shop.orders({})
        engine.dispose()
        port = int(dagster.environment["INVOICE_PIPELINES_WEBSERVER_PORT"])
        client = DagsterGraphQLClient(dagster.address, port_number=port)
        wanted = {"organization": shop.organization.slug, "sales_order_ids": [str(order)], "generate_pdf": True}
        with here.business.begin() as session, here.working(one) as worker:
            session.execute(text("lock table delivery.invoice_document in share mode"))
            config = {"ops": {"ask_for_invoices": {"config": wanted}}}
            failed = client.submit_job_execution("batch_invoice_orders", run_config=config)
            wait_for("the run is held", here.held)
            os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()

        def ended() -> list[tuple[str, str]]:
            """How runs of the job ended, and with which steps."""
            return [
                tuple(row)
                for row in here.rows_of_dagster(
                    """select status, (select string_agg(step_key, ' ' order by e.id) from event_logs e
                                       where e.run_id = r.run_id and dagster_event_type = 'STEP_SUCCESS')
                       from runs r where pipeline_name = 'batch_invoice_orders' order by id"""
                )
            ]

        begun, again = ("FAILURE", "ask_for_invoices issue_invoices"), ("SUCCESS", "make_documents send_messages")
        with here.working(other):
            wait_for("the retry has ended", lambda: ended() == [begun, again], 180)
            client._execute(REEXECUTE, {"parent": failed})
            wait_for("it was executed again", lambda: ended() == [begun, again, again], 120)
        assert here.rows("select count(*) from billing.issued_invoice") == [(1,)]
        assert here.rows("select count(*) from public.invoice_documents") == [(1,)]


@only_at_full_size
def test_a_worker_that_was_cut_off_for_two_minutes_finds_its_work_done_and_takes_more(tmp_path: Path) -> None:
    """From Redis and PostgreSQL at once. Dagster is on a machine of its own, and another worker on a third one."""
    with installed(tmp_path) as here, ExitStack() as stack:
        dagster, one, other = here.found.machines
        rows = here.rows
        dagster.run("organizations", "add", "acme", "--name", "acme", *ABROAD)

        def are_exported(count: int) -> bool:
            return rows("select status, count(*) from intake.received_invoice group by status") == [("EXPORTED", count)]

        stack.enter_context(here.working(one))
        time.sleep(12)  # for the partition
        upload(dagster, "acme", "first")
        wait_for("it is exported", lambda: are_exported(1), 120)

        with here.business.begin() as session:
            session.execute(text("lock table intake.verdict in access exclusive mode"))
            upload(dagster, "acme", "cut-off")
            wait_for("the run is held", here.held)
            one.cut_off(True)
            cut = time.monotonic()
            second = stack.enter_context(here.working(other))
            # The cut is between machines: PostgreSQL may not know yet that nobody waits there for its answer.
        wait_for("it is exported", lambda: are_exported(2), 180)
        print(f"exported {time.monotonic() - cut:.0f} s after the cut")
        time.sleep(max(0, cut + 120 - time.monotonic()))  # it is taken for lost by then
        before = rows("select count(*) from intake.status_change")
        one.cut_off(False)
        second.terminate()
        second.wait(60)
        time.sleep(20)  # for what it might still write
        assert rows("select count(*) from intake.status_change") == before
        upload(dagster, "acme", "back")
        print(f"the one that is back took {seconds_until('it takes runs again', lambda: are_exported(3), 180):.0f} s")
        ended = "select count(*) from runs where status not in ('SUCCESS', 'FAILURE', 'CANCELED')"
        wait_for("all runs have ended", lambda: here.rows_of_dagster(ended) == [(0,)], 120)
        twice = "select received_invoice_id from intake.export_invoice group by 1 having count(*) > 1"
        assert rows(twice) == []
