"""Pulls read every change once, whatever happens in between, and send nothing back."""

from __future__ import annotations

import gc
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError

from invoice_pipelines.quickbooks.pull import reading
from invoice_pipelines.quickbooks.pull.pull import PullReport
from invoice_pipelines.quickbooks.values import EntityType
from invoice_pipelines.workshop.sandbox.quickbooks import Fault
from invoice_pipelines_tests.integration.quickbooks.both_sides import Sides
from invoice_pipelines_tests.support.sizes import size

CUSTOMER = EntityType.CUSTOMER


def names(sides: Sides) -> list[str]:
    return [row[0] for row in sides.rows("select name from billing.customer order by name")]


def test_first_pull_brings_all_customers_and_items(sides: Sides) -> None:
    customer = sides.there.customer(
        "Acme",
        PrimaryEmailAddr={"Address": "a@acme.example"},
        BillAddr={"Line1": "Way 1", "City": "Bonn", "PostalCode": "53111", "Country": "Germany"},
    )
    item = sides.there.item("Bolt", "1.25", Sku="B-1")
    reports = sides.pull()
    assert (reports[CUSTOMER].applied.created, reports[CUSTOMER].finished, reports[CUSTOMER].full) == (1, True, True)
    made = sides.customer(sides.ours(customer["Id"]))
    assert (made.customer_number, made.name, made.email) == (f"QB-{customer['Id']}", "Acme", "a@acme.example")
    assert (made.street, made.city, made.post_code, made.country_code) == ("Way 1", "Bonn", "53111", "DE")
    assert sides.item(sides.ours(item["Id"], "item")).sku == "B-1"
    assert sides.queued() == []  # what was read is not sent back


def test_an_item_without_sku_or_with_a_taken_one_gets_a_number_of_its_own(sides: Sides) -> None:
    sides.pull()
    sides.add_item(sku="TAKEN", name="Ours", is_active=True)
    mapped = sides.there.item("Mapped", 1, Sku="M")
    sides.pull()
    sides.there.edit("Item", mapped["Id"], Sku="TAKEN")
    plain = sides.there.item("Plain", 2)
    double = sides.there.item("Double", 3, Sku="M")
    sides.pull()
    assert sides.item(sides.ours(plain["Id"], "item")).sku == f"QB-{plain['Id']}"
    assert sides.item(sides.ours(mapped["Id"], "item")).sku == "M"
    assert sides.item(sides.ours(double["Id"], "item")).sku == f"QB-{double['Id']}"
    assert [conflict.kind for conflict in sides.conflicts("open")] == ["sku_taken"]
    before = sides.conflicts()
    sides.there.edit("Item", double["Id"], Description="now with text")
    sides.pull()
    assert sides.item(sides.ours(double["Id"], "item")).description == "now with text"
    assert sides.conflicts() == before
    assert sides.queued() == [str(sides.rows("select id from billing.item where sku = 'TAKEN'")[0][0])]


def test_a_poll_is_one_call(sides: Sides) -> None:
    sides.there.customer("Acme")
    sides.pull()
    sides.sandbox.traffic.clear()
    sides.pull()
    assert [seen.operation for seen in sides.sandbox.calls(sides.realm)] == ["cdc"]


def test_what_the_company_is_set_to_is_read_again_every_day(sides: Sides) -> None:
    sides.pull()
    sides.there.set_company(custom_txn_numbers=False)
    sides.pull()
    shown = "select (company ->> 'custom_txn_numbers')::boolean from quickbooks.connection"
    assert sides.value(shown)
    sides.rows("update quickbooks.connection set company_read_at = now() - interval '13 hours'")
    sides.pull()
    assert not sides.value(shown)


@pytest.mark.parametrize("order", ["full at once", "changes first"])
def test_more_than_a_thousand_changes_are_read_in_pages_and_none_is_lost(sides: Sides, order: str) -> None:
    if order == "changes first":
        sides.pull()
    sides.sandbox.seed(sides.realm, customers=1200, over=timedelta(minutes=4))
    sides.sandbox.traffic.clear()
    report = sides.pull("customer")[CUSTOMER]
    assert (report.applied.created, report.finished) == (1200, True)
    assert len(names(sides)) == 1200
    operations = [seen.operation for seen in sides.sandbox.calls(sides.realm)]
    assert operations.count("query") <= 4
    assert sides.queued() == []


def test_deletions_among_too_many_changes_are_found(sides: Sides) -> None:
    sides.sandbox.seed(sides.realm, customers=1, invoices=30, payments=30)
    gone, voided = (each["Id"] for each in sides.there.documents("Payment")[:2])
    sides.pull("payment")
    sides.there.delete("Payment", gone)
    sides.there.void("Payment", voided)
    sides.sandbox.seed(sides.realm, customers=1, invoices=1001, payments=1001, over=timedelta())
    report = sides.pull("payment")[EntityType.PAYMENT]
    assert (report.deleted, report.finished, report.full) == (1, True, False)
    states = sides.rows("select quickbooks_id, state from quickbooks.payment where state <> 'active'")
    assert dict(tuple(row) for row in states) == {gone: "deleted", voided: "void"}
    assert sides.value("select count(*) from quickbooks.payment") == 1031


def test_a_cursor_of_31_days_ago_leads_to_a_full_reading_and_a_new_cursor(sides: Sides) -> None:
    sides.there.customer("Old")
    sides.pull("customer")
    sides.sandbox.clock.shift(timedelta(days=31))
    sides.there.customer("New")
    report = sides.pull("customer")[CUSTOMER]
    assert (report.full, report.finished, names(sides)) == (True, True, ["New", "Old"])
    assert sides.pull("customer")[CUSTOMER].full is False


def test_rows_that_are_edited_while_pages_are_read_are_neither_skipped_nor_doubled(
    sides: Sides, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "LARGEST_PAGE", 5)
    made = []
    for number in range(23):
        made.append(sides.there.customer(f"C{number:02}"))
        sides.sandbox.clock.shift(timedelta(seconds=1))

    def edit(report: PullReport) -> None:
        if report.chunks in (1, 2, 3):
            sides.sandbox.clock.shift(timedelta(seconds=1))
            for each in made[report.chunks : report.chunks + 2]:
                sides.there.edit("Customer", each["Id"], Notes="touched")
            sides.there.edit("Customer", made[-report.chunks]["Id"], DisplayName=f"Edited {report.chunks}")

    sides.pull("customer", on_progress=edit)
    sides.pull("customer")
    expected = sorted(each["DisplayName"] for each in sides.there.documents("Customer"))
    assert names(sides) == expected
    assert len(expected) == 23


def test_rows_of_the_same_second_across_a_page_border_are_all_read_once(
    sides: Sides, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "LARGEST_PAGE", 7)
    monkeypatch.setattr(reading, "_OVERLAP_IN_A_SECOND", 2)
    sides.sandbox.clock.set(datetime.fromisoformat("2026-03-01T12:00:00+00:00"), stopped=True)
    for number in range(50):
        sides.there.customer(f"C{number:02}")
    report = sides.pull("customer")[CUSTOMER]
    assert (report.applied.created, len(names(sides))) == (50, 50)


@pytest.mark.parametrize("minutes", [-10, 10])
def test_our_clock_may_be_wrong_and_their_offset_change(sides: Sides, minutes: int) -> None:
    clock = sides.sandbox.clock
    clock.set(datetime.fromisoformat("2026-11-01T08:58:00+00:00") + timedelta(minutes=minutes))  # -07:00 becomes -08:00
    sides.there.customer("Before")
    sides.pull("customer")
    clock.shift(timedelta(minutes=4))
    after = sides.there.customer("After")
    sides.pull("customer")
    assert names(sides) == ["After", "Before"]
    clock.shift(timedelta(minutes=1))
    sides.there.edit("Customer", after["Id"], DisplayName="Later")
    sides.pull("customer")
    assert names(sides) == ["Before", "Later"]
    since = sides.value("select changed_since from quickbooks.pull where entity_type = 'customer'")
    assert abs(since - clock.now()) < timedelta(seconds=30)  # theirs, not ours


def test_what_is_made_inactive_there_is_inactive_here_and_not_deleted(sides: Sides) -> None:
    acme, gone = sides.there.customer("Acme"), sides.there.customer("Never seen")
    bolt = sides.there.item("Bolt", 1)
    sides.there.deactivate("Customer", gone["Id"])
    sides.pull()
    assert not sides.customer(sides.ours(gone["Id"])).is_active
    sides.there.deactivate("Customer", acme["Id"])
    sides.there.deactivate("Item", bolt["Id"])
    sides.pull()
    here, item = sides.customer(sides.ours(acme["Id"])), sides.item(sides.ours(bolt["Id"], "item"))
    assert (here.name, here.is_active) == ("Acme", False)
    assert (item.name, item.is_active) == ("Bolt", False)
    sides.there.reactivate("Customer", acme["Id"])
    sides.pull(full=True)
    assert sides.customer(sides.ours(acme["Id"])).is_active
    assert sides.conflicts() == []
    assert sides.queued() == []


def test_a_row_that_cannot_be_read_is_set_aside_and_the_others_pass(sides: Sides) -> None:
    made = [sides.there.customer(f"C{number:02}") for number in range(20)]
    sides.there.poison("Customer", made[13]["Id"])
    report = sides.pull("customer")[CUSTOMER]
    assert (report.applied.created, report.applied.quarantined, report.finished) == (19, 1, True)
    assert "C13" not in names(sides)
    (aside,) = sides.events("UNREADABLE")
    assert aside.severity == "error"
    sides.there.poison("Customer", made[13]["Id"], poisoned=False)
    sides.there.edit("Customer", made[13]["Id"], Notes="mended")
    assert sides.pull("customer")[CUSTOMER].applied.created == 1


def test_a_record_that_cannot_be_kept_waits_for_a_person_until_it_is_mended(sides: Sides) -> None:
    free, negative = sides.there.item("Free", 0), sides.there.item("Discount", 1)
    sides.pull()
    sides.there.edit("Item", negative["Id"], UnitPrice=-5)
    report = sides.pull("item")[EntityType.ITEM]
    assert report.applied.quarantined == 1
    (conflict,) = sides.conflicts("open")
    assert (conflict.kind, conflict.quickbooks_id) == ("unusable", negative["Id"])
    assert "price" in conflict.message
    sides.there.edit("Item", negative["Id"], UnitPrice=7)
    sides.pull("item")
    assert sides.conflicts("open") == []
    assert sides.item(sides.ours(negative["Id"], "item")).unit_price == 7
    assert sides.item(sides.ours(free["Id"], "item")).unit_price == 0


class _Killed(BaseException):
    """Stands for the end of a process."""


def test_a_pull_that_was_killed_goes_on_where_it_stopped(sides: Sides, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "LARGEST_PAGE", 30)
    sides.sandbox.seed(sides.realm, customers=300)
    starts = []

    def kill(report: PullReport) -> None:
        if report.chunks == 4:
            raise _Killed

    for _ in range(2):
        with pytest.raises(_Killed):
            sides.pull("customer", on_progress=kill)
        starts.append(len(names(sides)))
        row = sides.rows("select * from quickbooks.pull")[0]
        assert (row.finished_at, row.progress is not None) == (None, True)
    assert 90 < starts[0] <= 120 < starts[1] <= 240
    sides.sandbox.traffic.clear()
    report = sides.pull("customer", full=True)[CUSTOMER]
    assert (report.finished, len(names(sides))) == (True, 300)
    assert len(sides.sandbox.calls(sides.realm, "query")) <= 5
    row = sides.rows("select * from quickbooks.pull")[0]
    assert (row.progress, row.finished_at >= row.started_at) == (None, True)


def test_what_was_read_is_stored_with_how_far_the_reading_got_or_not_at_all(
    sides: Sides, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "LARGEST_PAGE", 10)
    sides.sandbox.seed(sides.realm, customers=25)
    with sides.superuser.begin() as connection:
        connection.exec_driver_sql(
            f"""alter table quickbooks.pull add constraint broken
                check (organization_id <> '{sides.organization_id}' or progress ->> 'at' is null) not valid"""
        )
    try:
        with pytest.raises(DBAPIError):
            sides.pull("customer")
        assert names(sides) == []
    finally:
        with sides.superuser.begin() as connection:
            connection.exec_driver_sql("alter table quickbooks.pull drop constraint broken")
    sides.pull("customer")
    assert len(names(sides)) == 25


def test_a_time_box_ends_a_pull_between_two_chunks(sides: Sides, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "LARGEST_PAGE", 10)
    sides.sandbox.seed(sides.realm, customers=35)
    report = sides.pull("customer", time_box=timedelta())[CUSTOMER]
    assert (report.finished, names(sides)) == (False, [])
    assert sides.pull("customer", time_box=timedelta(minutes=1))[CUSTOMER].finished


def test_two_pulls_at_once_double_nothing(sides: Sides, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "LARGEST_PAGE", 20)
    sides.sandbox.seed(sides.realm, customers=200)
    with ThreadPoolExecutor(3) as pool:
        reports = list(pool.map(lambda _: sides.pull("customer")[CUSTOMER], range(3)))
    assert any(report.finished for report in reports)
    assert len(names(sides)) == 200
    assert sum(report.applied.created for report in reports) == 200


def test_a_company_that_cannot_be_reached_any_more_ends_the_pull_and_nothing_is_lost(
    sides: Sides, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "LARGEST_PAGE", 10)
    sides.sandbox.seed(sides.realm, customers=35)
    sides.sandbox.faults.inject(Fault.REFUSED, realm=sides.realm, operation="query", nth=3, code="6190")
    report = sides.pull("customer")[CUSTOMER]
    assert (report.finished, report.stopped is not None, len(names(sides)) >= 18) == (False, True, True)


def test_a_chunk_is_a_fixed_number_of_statements(sides: Sides) -> None:
    counts = []
    engine = sides.engine
    for customers in (3, 60):
        statements: list[str] = []

        def note(connection, cursor, statement, *rest, statements=statements) -> None:
            statements.append(statement)

        other = sides.ground.sides()
        other.sandbox.seed(other.realm, customers=customers)
        event.listen(engine, "after_cursor_execute", note)
        try:
            assert other.pull("customer")[CUSTOMER].chunks == 1
        finally:
            event.remove(engine, "after_cursor_execute", note)
        counts.append(len(statements))
    assert counts[0] == counts[1]


@pytest.mark.slow
def test_fifty_thousand_records_are_read_in_flat_memory(sides: Sides) -> None:
    sides.sandbox.seed(sides.realm, customers=size(6_000, 50_000))
    peaks = []

    def measure(report: PullReport) -> None:
        if report.chunks % 2 == 0:
            peaks.append(tracemalloc.get_traced_memory()[1])
            gc.collect()  # among the objects of thousands of earlier tests it comes ever later by itself
            tracemalloc.reset_peak()

    tracemalloc.start()
    try:
        report = sides.pull("customer", on_progress=measure)[CUSTOMER]
    finally:
        tracemalloc.stop()
    assert (report.finished, report.applied.created) == (True, size(6_000, 50_000))
    assert max(peaks) < 1.5 * peaks[0]
    assert len(sides.sandbox.calls(sides.realm)) <= size(6_000, 50_000) // 1000 + 5
