"""What a run promises, each promise for any books: every property with organizations and invoices of its own."""

from __future__ import annotations

import logging
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, event, text

from invoice_pipelines.overdue import (
    AlreadyRunning,
    last_execution,
    missing_notifications,
    notifications_without_reason,
    notify_overdue,
)
from invoice_pipelines_tests.conftest import TestDatabase
from invoice_pipelines_tests.integration.overdue.conftest import SETTLED, OverdueDesk, WantedInvoice, open_desk
from invoice_pipelines_tests.support.sizes import example_count

TODAY = date(2026, 3, 29)  # a day on which clocks go forward in Europe
NOON = datetime(2026, 3, 29, 12, tzinfo=UTC)

LEVELS = st.lists(st.integers(1, 40), min_size=1, max_size=3, unique=True).map(sorted)
DUE_DATES = st.one_of(
    st.integers(-3, 45).map(lambda days: TODAY - timedelta(days=days)),
    st.dates(date(2000, 1, 1), date(2030, 1, 1)),
)
INVOICES = st.lists(st.builds(WantedInvoice, DUE_DATES, st.sampled_from(sorted(SETTLED))), max_size=25)
OPEN_AND_LATE = st.integers(1, 45).map(lambda days: WantedInvoice(TODAY - timedelta(days=days)))
MAYBE_BAD = st.builds(lambda invoice, bad: WantedInvoice(invoice.due_date, is_bad=bad), OPEN_AND_LATE, st.booleans())

of_any_books = settings(max_examples=example_count(15))


@pytest.fixture
def database(shared_database: TestDatabase) -> TestDatabase:
    return shared_database


def reached(invoice: WantedInvoice, levels: list[int], as_of: date = TODAY) -> list[int]:
    """The levels that an invoice has reached, by the words of the rule."""
    if not invoice.is_open:
        return []
    return [level for level in levels if (as_of - invoice.due_date).days >= level]


class EndedMidway(Exception):
    pass


def stop_after(batches: int) -> Any:
    """Ends a run with an exception after so many batches."""

    def on_progress(progress: Any) -> None:
        if progress.figures["batches"] >= batches:
            raise EndedMidway

    return on_progress


@given(invoices=INVOICES, levels=LEVELS, days_back=st.integers(0, 20))
@of_any_books
def test_overdue_query_correctness(
    database: TestDatabase, invoices: list[WantedInvoice], levels: list[int], days_back: int
) -> None:
    """Exactly the invoices that were due before the day, and are open, have a notification of each level reached."""
    desk = open_desk(database, overdue_levels=levels)
    ids = desk.add(invoices)
    as_of = TODAY - timedelta(days=days_back)
    report = desk.run(now=NOON, as_of=as_of, batch_size=7)
    expected = {
        (i, level) for i, invoice in zip(ids, invoices, strict=True) for level in reached(invoice, levels, as_of)
    }
    assert Counter(desk.told()) == Counter(expected)
    assert report.overdue_count == sum(1 for invoice in invoices if invoice.is_open and invoice.due_date < as_of)
    with desk.scope() as connection:
        assert missing_notifications(connection, levels=tuple(levels), as_of=as_of).kept
        assert notifications_without_reason(connection).kept


@given(
    moment=st.integers(0, 4 * 365 * 86400).map(
        lambda seconds: datetime(2024, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    ),
    days=st.integers(1, 4000),
    zone=st.sampled_from(
        ["Pacific/Auckland", "Europe/Berlin", "Pacific/Honolulu", "America/Sao_Paulo", "Asia/Kolkata"]
    ),
)
@example(moment=datetime(2026, 3, 29, 0, 59, 59, tzinfo=UTC), days=1, zone="Europe/Berlin")
@example(moment=datetime(2026, 3, 29, 22, 0, tzinfo=UTC), days=1, zone="Europe/Berlin")
@example(moment=datetime(2026, 10, 25, 22, 59, 59, tzinfo=UTC), days=1, zone="Europe/Berlin")
@example(moment=datetime(2026, 10, 25, 23, 0, tzinfo=UTC), days=1, zone="Europe/Berlin")
@example(moment=datetime(2026, 9, 27, 10, 59, 59, tzinfo=UTC), days=1, zone="Pacific/Auckland")
@example(moment=datetime(2026, 4, 5, 12, 0, tzinfo=UTC), days=1, zone="Pacific/Auckland")
@example(moment=datetime(2026, 5, 31, 23, 30, tzinfo=UTC), days=1, zone="Pacific/Honolulu")
@of_any_books
def test_days_overdue(database: TestDatabase, moment: datetime, days: int, zone: str) -> None:
    """Days are those of a calendar on the wall of the organization, however long each of them was: in Berlin 29 March
    2026 has 23 hours and 25 October has 25, in Auckland 27 September and 5 April.
    """
    desk = open_desk(database, time_zone=zone)
    wall = moment.astimezone(ZoneInfo(zone)).date()
    due_today, late = desk.add([WantedInvoice(wall), WantedInvoice(wall - timedelta(days=days))])
    report = desk.run(now=moment)
    notification = desk.one()
    assert report.as_of == wall
    assert (notification.invoice_id, notification.days_overdue, notification.as_of) == (late, days, wall)
    assert due_today not in {invoice for invoice, _ in desk.told()}


@given(invoices=INVOICES, levels=LEVELS, batch_sizes=st.lists(st.integers(1, 30), min_size=2, max_size=4))
@of_any_books
def test_creation_and_deduplication(
    database: TestDatabase, invoices: list[WantedInvoice], levels: list[int], batch_sizes: list[int]
) -> None:
    """However often, in whatever batches, and by how many at once it is run: one notification per invoice and level."""
    desk = open_desk(database, overdue_levels=levels, overdue_channels=["email"])
    desk.add(invoices)

    def run(batch_size: int) -> int:
        try:
            return desk.run(now=NOON, batch_size=batch_size).created_count
        except AlreadyRunning:
            return 0

    with ThreadPoolExecutor(len(batch_sizes)) as pool:
        created = sum(pool.map(run, batch_sizes))
    expected = sum(len(reached(invoice, levels)) for invoice in invoices)
    assert created == len(desk.notifications()) == expected
    assert desk.run(now=NOON).created_count == 0
    assert len(desk.notifications()) == expected
    sent = desk.work_items()
    assert len(sent) == len(set(sent)) == sum(1 for invoice in invoices if reached(invoice, levels))


@given(invoices=st.lists(OPEN_AND_LATE, max_size=40), batch_size=st.integers(1, 45), same_day=st.booleans())
@of_any_books
def test_batch_completeness(
    database: TestDatabase, invoices: list[WantedInvoice], batch_size: int, same_day: bool
) -> None:
    """No invoice falls between two batches, also where many are due on one day."""
    desk = open_desk(database)
    if same_day:
        invoices = [WantedInvoice(TODAY - timedelta(days=1))] * len(invoices)
    ids = desk.add(invoices)
    report = desk.run(now=NOON, batch_size=batch_size)
    assert Counter(desk.told()) == Counter((invoice_id, 1) for invoice_id in ids)
    desk.settle("paid", *ids)
    assert (report.created_count, desk.run(now=NOON, batch_size=batch_size).closed_count) == (len(ids), len(ids))
    assert desk.told() == []


@given(invoices=st.lists(MAYBE_BAD, max_size=40), batch_size=st.integers(1, 45))
@of_any_books
def test_error_isolation(database: TestDatabase, invoices: list[WantedInvoice], batch_size: int) -> None:
    """A bad invoice is named with the reason and skipped; every other one gets its notification in the same run."""
    desk = open_desk(database)
    ids = desk.add(invoices)
    report = desk.run(now=NOON, batch_size=batch_size)
    bad = {i: f"INV-{n}" for n, (i, invoice) in enumerate(zip(ids, invoices, strict=True), 1) if invoice.is_bad}
    assert Counter(desk.told()) == Counter((i, 1) for i in ids if i not in bad)
    assert report.status == ("PARTIAL" if bad else "SUCCESS")
    assert report.error_count == len(bad)
    assert {error["invoice_number"] for error in report.errors} == set(bad.values())
    assert all("customer_name" in error["reason"] for error in report.errors)
    for invoice_id in bad:
        desk.mend(invoice_id)
    assert desk.run(now=NOON).created_count == len(bad)


@given(invoices=INVOICES, bad=st.lists(MAYBE_BAD, max_size=5), batch_size=st.integers(1, 30))
@of_any_books
def test_execution_log_completeness(
    database: TestDatabase, invoices: list[WantedInvoice], bad: list[WantedInvoice], batch_size: int
) -> None:
    """Each run has one row that says what it did, in the table, in the view and in the total alike."""
    desk = open_desk(database)
    desk.add(invoices + bad)
    reports = [desk.run(now=NOON, batch_size=batch_size) for _ in range(2)]
    rows = desk.log_rows()
    assert [row.id for row in rows] == [report.id for report in reports]
    for row, report in zip(rows, reports, strict=True):
        assert row.status == report.status == ("PARTIAL" if report.error_count else "SUCCESS")
        assert row.start_time <= row.end_time
        assert report.duration_seconds is not None
        assert row.duration_seconds == report.duration_seconds >= 0
        assert row.processed_count == row.created_count + row.error_count
        assert (row.batch_size, row.as_of, row.job_name) == (batch_size, TODAY, "overdue_notifications")
        assert len(row.errors) == row.error_count
    assert rows[0].created_count == len(desk.notifications())
    with desk.scope() as connection:
        assert last_execution(connection) == reports[-1]


@given(invoices=st.lists(OPEN_AND_LATE, min_size=1, max_size=30), batch_size=st.integers(1, 10), at=st.integers(1, 4))
@of_any_books
def test_session_and_transaction_handling(
    database: TestDatabase, invoices: list[WantedInvoice], batch_size: int, at: int
) -> None:
    """Each batch is committed by itself, with its count in the log: a run that ends in the middle keeps what it did."""
    desk = open_desk(database)
    desk.add(invoices)
    batches = -(-len(invoices) // batch_size)
    seen = []

    def look(progress: Any) -> None:
        (row,) = desk.log_rows()  # from another session, while the run is under way
        seen.append((row.status, row.created_count, len(desk.notifications())))
        if progress.figures["batches"] == at:
            raise EndedMidway

    if at <= batches:
        with pytest.raises(EndedMidway):
            desk.run(now=NOON, batch_size=batch_size, on_progress=look)
    else:
        desk.run(now=NOON, batch_size=batch_size, on_progress=look)
    done = [min(batch_size * (n + 1), len(invoices)) for n in range(min(at, batches))]
    assert seen == [("RUNNING", count, count) for count in done]
    (row,) = desk.log_rows()
    assert (row.status, row.created_count) == ("FAILED" if at <= batches else "SUCCESS", len(desk.notifications()))


@given(
    invoices=st.lists(MAYBE_BAD, max_size=12), ending=st.sampled_from(["success", "exception", "refused", "at work"])
)
@of_any_books
def test_resource_cleanup(database: TestDatabase, invoices: list[WantedInvoice], ending: str) -> None:
    """However a run ends, it leaves no lock, no open transaction and no connection that is not in the pool."""
    desk = open_desk(database)
    desk.add([*invoices, WantedInvoice(TODAY - timedelta(days=5))])
    if ending == "success":
        desk.run(now=NOON)
    elif ending == "exception":
        with pytest.raises(EndedMidway):
            desk.run(now=NOON, on_progress=stop_after(1))
    elif ending == "refused":
        with pytest.raises(Exception, match="after today"):
            desk.run(now=NOON, as_of=TODAY + timedelta(days=1))
    else:

        def second(progress: Any) -> None:
            with pytest.raises(AlreadyRunning):
                desk.run(now=NOON)

        desk.run(now=NOON, on_progress=second)
        assert len(desk.log_rows()) == 1, "the second did nothing"
    assert desk.engine.pool.checkedout() == 0  # type: ignore[attr-defined]
    with desk.superuser.connect() as connection:
        left = connection.execute(
            text(
                """select (select count(*) from pg_locks l where l.locktype = 'advisory' and l.database = d.oid),
                          (select count(*) from pg_stat_activity a
                           where a.datid = d.oid and a.usename = 'invoice_pipelines_app' and a.state like 'idle in %')
                   from pg_database d where d.datname = current_database()"""
            )
        ).one()
    assert tuple(left) == (0, 0)
    assert desk.run(now=NOON).status in ("SUCCESS", "PARTIAL")


class Counted:
    """Counts the statements that an engine sends."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.statements: list[str] = []

    def __enter__(self) -> Counted:
        event.listen(self.engine, "before_cursor_execute", self._count)
        return self

    def __exit__(self, *_: object) -> None:
        event.remove(self.engine, "before_cursor_execute", self._count)

    def _count(self, _c: object, _cursor: object, statement: str, *_: object) -> None:
        self.statements.append(statement)


@given(invoices=st.integers(0, 60), batch_size=st.integers(1, 30), channels=st.sampled_from([[], ["email", "sms"]]))
@of_any_books
def test_batch_query_efficiency(database: TestDatabase, invoices: int, batch_size: int, channels: list[str]) -> None:
    """A batch takes one statement, and a run five besides, however many invoices there are; seven in all, if nobody is
    to be told after each batch.
    """
    desk = open_desk(database, overdue_channels=channels)
    desk.add([WantedInvoice(TODAY - timedelta(days=1 + n % 5)) for n in range(invoices)])
    organization = desk.context()
    with Counted(desk.engine) as counted:
        notify_overdue(organization, now=NOON, batch_size=batch_size, progress_seconds=0)
    batches = invoices // batch_size + 1 + 1  # the last one finds too few; and one finds nothing to close
    assert len(counted.statements) == batches + 5
    desk.add([WantedInvoice(TODAY - timedelta(days=1 + n % 5)) for n in range(invoices)])
    with Counted(desk.engine) as counted:
        notify_overdue(organization, now=NOON, batch_size=batch_size)
    assert len(counted.statements) == 7
    assert len(desk.told()) == 2 * invoices


@given(
    invoices=st.lists(OPEN_AND_LATE, min_size=1, max_size=60),
    levels=LEVELS,
    batch_size=st.integers(1, 40),
    progress_seconds=st.sampled_from([0, 60]),
)
@of_any_books
def test_batch_size_adherence(
    database: TestDatabase, invoices: list[WantedInvoice], levels: list[int], batch_size: int, progress_seconds: int
) -> None:
    """A transaction makes as many notifications as configured, over all levels; only the last makes fewer."""
    desk = open_desk(database, overdue_levels=levels)
    desk.add(invoices)
    desk.run(now=NOON, batch_size=batch_size, progress_seconds=progress_seconds)
    # created_at is the time of the transaction
    sizes = [
        row[0] for row in desk.rows("select count(*) from overdue.notification group by created_at order by created_at")
    ]
    assert all(size == batch_size for size in sizes[:-1])
    assert sum(sizes) == sum(len(reached(invoice, levels)) for invoice in invoices)
    assert not sizes or 1 <= sizes[-1] <= batch_size


@given(invoices=st.lists(MAYBE_BAD, min_size=1, max_size=30), ends=st.lists(st.integers(1, 3), min_size=1, max_size=4))
@of_any_books
def test_resilience(database: TestDatabase, invoices: list[WantedInvoice], ends: list[int]) -> None:
    """Failed runs stop nothing: the next one does what they left, and the log keeps them apart."""
    desk = open_desk(database, overdue_channels=["email"])
    ids = desk.add(invoices)
    failed = 0
    for end in ends:
        try:
            desk.run(now=NOON, batch_size=4, on_progress=stop_after(end))
        except EndedMidway:
            failed += 1
    good = [i for i, invoice in zip(ids, invoices, strict=True) if not invoice.is_bad]
    report = desk.run(now=NOON, batch_size=4)
    assert report.status == ("SUCCESS" if len(good) == len(ids) else "PARTIAL")
    assert Counter(desk.told()) == Counter((i, 1) for i in good)
    assert len(set(desk.work_items())) == len(desk.work_items()) == len(good)
    rows = desk.log_rows()
    assert [row.status for row in rows].count("FAILED") == failed
    assert sum(row.created_count for row in rows) == len(good)
    assert all(row.errors[-1]["reason"] for row in rows if row.status == "FAILED")


@given(invoices=st.lists(MAYBE_BAD, max_size=8), fails=st.booleans())
@of_any_books
def test_log_levels(
    database: TestDatabase, caplog: pytest.LogCaptureFixture, invoices: list[WantedInvoice], fails: bool
) -> None:
    """INFO for a run that went well, WARNING for each bad invoice and a partial run, ERROR for one that failed, DEBUG
    for batches; and no line names a customer.
    """
    desk = open_desk(database)
    desk.add(invoices)
    fails = fails and bool(invoices)
    caplog.clear()
    with caplog.at_level(logging.DEBUG, logger="invoice_pipelines.overdue"):
        if fails:
            with pytest.raises(EndedMidway):
                desk.run(now=NOON, on_progress=stop_after(1))
        else:
            desk.run(now=NOON)
    bad = sum(invoice.is_bad for invoice in invoices)
    levels = Counter(record.levelname for record in caplog.records)
    assert levels["ERROR"] == fails
    assert levels["WARNING"] == bad + (1 if bad and not fails else 0)
    assert levels["INFO"] == (2 if not bad and not fails else 1)
    assert levels["DEBUG"] == bool(invoices)
    assert "Buyer AG" not in caplog.text


def test_a_run_of_an_organization_changes_nothing_of_another(desk: OverdueDesk, database: TestDatabase) -> None:
    other = open_desk(database)
    other.add([other.late(3)])
    desk.add([desk.late(3)])
    desk.run()
    assert (len(desk.told()), other.told(), other.log_rows()) == (1, [], [])
