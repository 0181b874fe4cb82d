"""One evening of 10,000 organizations with 100 invoices each: how many runs of Dagster that takes, and how long.

The runs are those that the schedule asks for, done in this process one after the other, with Dagster's records in
PostgreSQL. What the queue and the start of a process cost comes on top: about 10 s a run (see docs/overdue.md).
"""

from __future__ import annotations

import time
from datetime import UTC, datetime

import dagster as dg
import pytest
from sqlalchemy import text

from invoice_pipelines.settings import load_settings
from invoice_pipelines_tests.integration.defs.conftest import DagsterHouse
from invoice_pipelines_tests.integration.defs.overdue.conftest import ReceivablesHouse
from invoice_pipelines_tests.support.sizes import size

ORGANIZATIONS = size(250, 10_000)
INVOICES = 100

FILL = (
    """insert into billing.customer (organization_id, customer_number, name, country_code)
       select id, 'C-1', 'Buyer AG', 'DE' from organizations.organization""",
    # Ten of a hundred are overdue since long; in each tenth organization another one since yesterday.
    """insert into billing.invoice (organization_id, id, document_kind, customer_id, issue_date, due_date, currency,
           line_amount, allowance_amount, net_amount, tax_amount, gross_amount, amount_paid, amount_credited, status,
           language, seller, buyer)
       select o.id, gen_random_uuid(), 'invoice', c.id, d.due_date - 14, d.due_date, 'EUR', 100, 0, 100, 19, 119, 0, 0,
              'issued', 'de', '{"name": "Seller GmbH"}', '{"name": "Buyer AG"}'
       from (select id, row_number() over (order by slug) as place from organizations.organization) o
       join billing.customer c on c.organization_id = o.id
       cross join generate_series(1, :invoices) n
       cross join lateral (
           select (now() at time zone 'Europe/Berlin')::date
                  + case when n <= 10 then -3 * n when n = 11 then (o.place % 10)::int - 1 else n end as due_date) d""",
    """insert into billing.invoice_number (organization_id, series, period, number, invoice_number, invoice_id,
                                           issue_date)
       select organization_id, 'invoice', '2026', row_number() over (partition by organization_id order by id),
              'INV-' || row_number() over (partition by organization_id order by id), id, issue_date
       from billing.invoice""",
    # What was overdue before is noticed; notifications as runs would have made them.
    """insert into overdue.notification (organization_id, invoice_id, level, as_of, days_overdue, invoice_number,
           customer_id, customer_name, amount_due, currency, due_date, execution_id)
       select i.organization_id, i.id, 1, i.due_date + 1, 1, n.invoice_number, i.customer_id, 'Buyer AG', i.amount_due,
              i.currency, i.due_date, gen_random_uuid()
       from billing.invoice i
       join billing.invoice_number n on n.organization_id = i.organization_id and n.invoice_id = i.id
       where i.due_date < (now() at time zone 'Europe/Berlin')::date - 1""",
)


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_an_evening_of_10_000_organizations_takes_a_bounded_number_of_runs(
    lasting_house: DagsterHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    books = ReceivablesHouse(lasting_house, monkeypatch)
    lasting_house.add_many(ORGANIZATIONS)
    lasting_house.behind("update organizations.organization set created_at = now() - interval '30 days'")
    lasting_house.keep_partitions_in_step()
    for statement in FILL:
        without_triggers(books, statement, **({"invoices": INVOICES} if ":invoices" in statement else {}))
    schedule = books.schedule()
    midnight = books.now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    lasting_house.break_organization("org-00007")
    before = value(books, "select count(*) from overdue.notification")
    runs, failed = evening(books, schedule, midnight)
    assert (runs, failed) == (-(-ORGANIZATIONS // load_settings().sweep_size), 1)
    assert value(books, "select count(*) from overdue.notification") - before == ORGANIZATIONS // 10
    assert value(books, "select count(*) from overdue.job_execution_log") == ORGANIZATIONS - 1
    assert set(books.left_for()) <= {"org-00007"}, "the broken one is tried again when it has rested"


def evening(books: ReceivablesHouse, schedule: dg.ScheduleDefinition, midnight: datetime) -> tuple[int, int]:
    """Does all that the schedule asks for; returns how many runs these were and how many failed."""
    started = time.monotonic()
    tick = books.tick(schedule, midnight)
    ticked = time.monotonic()
    results = [result for request in tick.run_requests if (result := books.begun(request)) is not None]
    ended = time.monotonic()
    again = books.tick(schedule, midnight)
    idle = time.monotonic() - ended
    print(
        f"\n{ORGANIZATIONS} organizations: {len(results)} runs; tick {ticked - started:.2f} s, "
        f"runs {ended - ticked:.1f} s, {1000 * (ended - ticked) / ORGANIZATIONS:.1f} ms per organization, longest run "
        f"{max(seconds(books, result) for result in results):.1f} s; a tick with nothing left {idle:.2f} s"
    )
    assert len(again.run_requests) == sum(not result.success for result in results)
    return len(results), sum(not result.success for result in results)


def seconds(books: ReceivablesHouse, result: dg.ExecuteInProcessResult) -> float:
    record = books.house.instance.get_run_record_by_id(result.run_id)
    assert record is not None
    return (record.end_time or 0) - (record.start_time or 0)


def without_triggers(books: ReceivablesHouse, statement: str, **values: int) -> None:
    """A change that billing would not make: invoices from nowhere, and days that pass."""
    with books.house.database.superuser.begin() as connection:
        connection.execute(text("set local session_replication_role = replica"))
        connection.execute(text(statement), values)


def value(books: ReceivablesHouse, statement: str) -> int:
    with books.house.database.superuser.connect() as connection:
        return int(connection.execute(text(statement)).scalar_one())
