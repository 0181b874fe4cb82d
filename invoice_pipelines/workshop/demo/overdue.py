"""The overdue invoices of the demo: some are dated back, Dagster looks for them twice, and one is voided between.

The first time each is noticed once per level; the second time nothing is, and the voided one is closed.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, text

from invoice_pipelines.billing import void_invoice
from invoice_pipelines.cli.output import console, styled, table
from invoice_pipelines.cli.supervisor import ServiceError, Services
from invoice_pipelines.database import organization_scope
from invoice_pipelines.overdue import ExecutionReport, ExecutionStatus, last_execution
from invoice_pipelines.workshop.demo.orders import DUE_DAYS, Batch

DAYS_AGO = {"nordwind-handel": 45, "harbour-and-hill": 20, "maple-ridge": 0}
"""How long ago the invoices of each organization are dated. They are due after two weeks."""
LEVELS = {"nordwind-handel": (1, 14, 30), "harbour-and-hill": (1,), "maple-ridge": (1,)}
"""Days overdue at which the organizations want a notification."""
SECONDS_AT_MOST = 180.0


@dataclass(frozen=True, slots=True)
class Noticed:
    """What became of an organization's overdue invoices: its two runs, and the notifications at the end."""

    slug: str
    reports: tuple[ExecutionReport, ExecutionReport]
    open: int
    closed: int


def look_twice(services: Services, engine: Engine, batches: Sequence[Batch]) -> tuple[Noticed, ...]:
    """Lets Dagster look for overdue invoices, voids one, and lets it look again."""
    first = _look(services, engine, batches)
    _void_one(engine, next(batch for batch in batches if batch.slug == "harbour-and-hill"))
    second = _look(services, engine, batches)
    noticed = []
    for batch in batches:
        with organization_scope(engine, batch.organization_id) as connection:
            status = "select count(*) filter (where status <> 'closed'), count(*) filter (where status = 'closed')"
            opened, closed = connection.execute(text(f"{status} from public.notifications")).one()
        noticed.append(Noticed(batch.slug, (first[batch.slug], second[batch.slug]), opened, closed))
    return tuple(noticed)


def problems(noticed: Sequence[Noticed], batches: Sequence[Batch]) -> Iterator[str]:
    """What did not come out as the dates of the invoices demand, in words."""
    invoices = {batch.slug: sum(order.refused is None for order in batch.orders) for batch in batches}
    for found in noticed:
        levels = sum(level <= DAYS_AGO[found.slug] - DUE_DAYS for level in LEVELS[found.slug])
        expected = invoices[found.slug] * levels
        voided = 1 if found.slug == "harbour-and-hill" else 0
        first, second = found.reports
        for what, is_found, is_expected in (
            ("notifications of the first run", first.created_count, expected),
            ("notifications of the second run", second.created_count, 0),
            ("notifications that the second run closed", second.closed_count, voided),
            ("open notifications", found.open, expected - voided),
            ("closed notifications", found.closed, voided),
            ("errors", first.error_count + second.error_count, 0),
        ):
            if is_found != is_expected:
                yield f"{found.slug}: expected {is_expected} {what}, found {is_found}"


def show(noticed: Sequence[Noticed]) -> None:
    """Prints what was noticed by each run."""
    shown = table(None, "organization", "levels, days", "#overdue", "#first run made", "#second made", "#second closed")
    for found in noticed:
        first, second = found.reports
        shown.add_row(
            found.slug,
            ", ".join(map(str, LEVELS[found.slug])),
            str(first.overdue_count),
            str(first.created_count),
            str(second.created_count),
            str(second.closed_count),
        )
    console.print()
    console.print(styled("Overdue invoices", "bold"), "(one was voided between the two runs)")
    console.print(shown)


def _look(services: Services, engine: Engine, batches: Sequence[Batch]) -> Mapping[str, ExecutionReport]:
    """Starts a run over all organizations as a person does in the launchpad; what the log says of it."""
    since = datetime.now(UTC)
    config = {"ops": {"look_for_overdue_now": {"config": {"organizations": [batch.slug for batch in batches]}}}}
    launch = ["job", "launch", "-w", str(services.workspace), "-j", "overdue_now", "--config-json", json.dumps(config)]
    done = subprocess.run(
        [sys.executable, "-m", "dagster", *launch],
        env=services.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise ServiceError(f"the run for overdue invoices could not be started: {last}")
    deadline = since + timedelta(seconds=SECONDS_AT_MOST)
    while datetime.now(UTC) < deadline:
        services.check()
        ended: dict[str, ExecutionReport] = {}
        for batch in batches:
            with organization_scope(engine, batch.organization_id) as connection:
                last_run = last_execution(connection)
            if last_run and last_run.start_time > since and last_run.status is not ExecutionStatus.RUNNING:
                ended[batch.slug] = last_run
        if len(ended) == len(batches):
            return ended
        time.sleep(0.5)
    raise ServiceError(
        f"overdue invoices were not found after {SECONDS_AT_MOST:.0f} s; see {services.log_of('daemon')}"
    )


def _void_one(engine: Engine, batch: Batch) -> None:
    with organization_scope(engine, batch.organization_id) as connection:
        invoice_id = connection.execute(
            text("select id from billing.issued_invoice order by period, number limit 1")
        ).scalar_one()
        void_invoice(connection, invoice_id, reason="delivered to the wrong customer", voided_by="demo")
