"""The push queue: long ones are drained in constant memory, taken up where they stopped, and stopped where asked."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from invoice_pipelines.database import organization_scope
from invoice_pipelines.quickbooks import pruning
from invoice_pipelines.quickbooks.api.faults import QuickBooksError
from invoice_pipelines.quickbooks.invoices.document import invoice_document
from invoice_pipelines.quickbooks.overview import InvoiceSync, invoice_sync
from invoice_pipelines.quickbooks.pruning import prune_sent
from invoice_pipelines.quickbooks.push.pushing import Pace
from invoice_pipelines.quickbooks.push.requests import ask_for_invoices, enqueue_backlog
from invoice_pipelines.work import Progress, Succeeded, cancel_job, claim, claim_entries, finish
from invoice_pipelines.workshop.sandbox.quickbooks import Fault
from invoice_pipelines_tests.conftest import TestDatabase
from invoice_pipelines_tests.support.quickbooks.pushing import CUSTOMER, INVOICE, ITEM, TAX_CODES, House
from invoice_pipelines_tests.support.sizes import size


def test_a_job_over_invoices_shows_its_progress_and_ends(house: House) -> None:
    invoices = house.issue_many(40)
    house.desk.behind("delete from work.batch_item where kind = 'quickbooks_push_invoice'")
    job = house.desk.value(
        "select work.create_job('quickbooks_push_invoice', cast(:ids as text[]), '{}', 'anna')",
        ids=[str(each) for each in [*invoices, uuid4()]],
    )
    seen: list[Progress] = []

    report = house.push(on_progress=seen.append)

    assert (report.created, report.failed, report.ended) == (40, 1, "empty")
    assert (seen[-1].done, seen[-1].due) == (41, 0)
    done = house.desk.job(job)
    assert (done.status, done.successful_items, done.failed_items) == ("completed_with_errors", 40, 1)


def test_a_job_over_invoices_that_wait_by_themselves_is_done_once_and_whole(house: House) -> None:
    invoices = house.issue_many(70)
    with house.desk.scope() as connection:
        job = ask_for_invoices(connection, [str(each) for each in invoices], created_by="anna")
    seen: list[Progress] = []

    report = house.push(on_progress=seen.append)

    assert (report.created, report.unchanged, report.retried, report.failed) == (70, 0, 0, 0)
    assert report.failures == ()
    assert (seen[-1].done, seen[-1].due) == (70, 0)
    done = house.desk.job(job)
    assert (done.status, done.successful_items) == ("completed", 70)
    assert house.desk.value("select count(*) from work.batch_item where status <> 'succeeded'") == 0


def test_what_waits_by_itself_is_pushed_later_if_the_job_over_it_is_cancelled(house: House) -> None:
    (invoice,) = house.issue_many(1)
    with house.desk.scope() as connection:
        job = ask_for_invoices(connection, [str(invoice)], created_by="anna")
        cancel_job(connection, job, cancelled_by="anna")
    assert house.push().created == 0
    house.again()
    assert house.push().created == 1


def test_what_changes_while_it_is_pushed_in_a_job_is_looked_at_again(house: House) -> None:
    (invoice,) = house.issue_many(1)
    with house.desk.scope() as connection:
        ask_for_invoices(connection, [str(invoice)], created_by="anna")
    with house.desk.scope() as connection:
        claimed = claim(connection, "quickbooks_push_invoice", lease=timedelta(minutes=1))
        assert claimed is not None
        automatic = claim_entries(connection, claimed.kind, [str(invoice)], lease=timedelta(minutes=1))
        assert automatic is not None
    house.void(invoice)
    with house.desk.scope() as connection:
        finish(connection, claimed, [Succeeded()])
        finish(connection, automatic, [Succeeded()])
    assert house.push().skipped == 1  # it was voided before it was sent


def test_a_tax_code_that_is_not_there_is_named(house: House) -> None:
    house.options(tax_codes={**TAX_CODES, "S:19.00": "77"})
    house.issue()
    house.push(CUSTOMER)
    (failure,) = house.push().failures
    assert (failure.code, failure.is_final) == ("TAX_CODE_NOT_THERE", True)
    assert "no tax code 77" in failure.message
    assert "customer" not in failure.message


def test_the_time_left_knows_how_many_batches_a_minute_takes() -> None:
    full = Pace(40, 60.0)
    for _ in range(40):
        full.answered(0.5)
    assert 59 <= full.seconds_for(10, 0.5) <= 62  # none of them may go before the first minute is over
    begun = Pace(40, 60.0)
    begun.answered(0.5)
    assert begun.seconds_for(1, 0.5) < 5


def test_the_backlog_of_a_company_that_is_connected_late_is_pushed_in_the_order_of_its_numbers(house: House) -> None:
    house.sandbox.switches.shuffled_batches = False
    house.issue_many(5)
    void = house.issue()
    house.void(void)
    house.desk.behind("delete from work.batch_item")
    with house.desk.scope() as connection:
        jobs = [enqueue_backlog(connection, entity) for entity in (CUSTOMER, ITEM, INVOICE)]

    house.push_all()

    assert [job is not None for job in jobs] == [True, False, True]
    numbers = [each["DocNumber"] for each in sorted(house.invoices(), key=lambda each: int(each["Id"]))]
    assert numbers == sorted(numbers)
    assert len(numbers) == house.mappings() == 5
    with house.desk.scope() as connection:
        assert enqueue_backlog(connection, INVOICE) is None


def test_without_a_connection_there_is_no_backlog(
    database: TestDatabase, make_organization: Callable[[str], UUID]
) -> None:

    organization_id = make_organization("plain")
    with (
        organization_scope(database.engine, organization_id) as connection,
        pytest.raises(QuickBooksError, match="not connected with QuickBooks"),
    ):
        enqueue_backlog(connection, INVOICE)


def test_a_paused_company_gives_everything_back_uncounted(house: House) -> None:
    invoice = house.issue()
    house.push(CUSTOMER)
    house.sandbox.faults.inject(Fault.REFUSED, operation="batch", code="6190", times=None)

    report = house.push()

    assert report.ended.startswith("paused")
    assert (report.failed, report.retried, report.released) == (0, 0, 1)
    assert house.entry(invoice).attempts == 0
    house.sandbox.faults.clear()
    calls = len(house.sandbox.calls(house.realm))
    assert house.push().ended.startswith("paused")
    assert len(house.sandbox.calls(house.realm)) == calls


def test_a_company_that_is_out_of_reach_is_not_asked_in_vain(house: House) -> None:
    house.issue_many(150)
    house.push(CUSTOMER)
    house.sandbox.faults.inject(Fault.DROP, times=None)
    for _ in range(3):
        assert house.push().ended.startswith("out of reach")
        house.again()
    open_batches = house.desk.value("select count(*) from quickbooks.sent_batch where status = 'sent'")
    assert open_batches <= house.settings.quickbooks_parallel_calls + 1
    house.sandbox.faults.clear()

    house.push()
    house.again()
    house.push()

    assert len(house.invoices()) == house.mappings() == 150


def test_an_entry_that_breaks_the_program_fails_alone(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    invoices = house.issue_many(5)
    house.push(CUSTOMER)

    def broken(invoice: dict[str, Any], **given: Any) -> dict[str, Any]:
        if invoice["id"] == str(invoices[2]):
            raise KeyError("surprise")
        return invoice_document(invoice, **given)

    monkeypatch.setattr("invoice_pipelines.quickbooks.push.composing.invoice_document", broken)

    report = house.push()

    assert (report.created, report.retried) == (4, 1)
    assert house.entry(invoices[2]).error_code == "UNEXPECTED_ERROR"


def test_a_push_ends_with_its_time_box_and_when_it_is_asked_to(house: House) -> None:
    house.issue_many(3)
    assert house.push(time_box=timedelta(0)).ended == "time box"
    assert house.push(should_stop=lambda: True).ended == "asked to stop"
    assert house.push().created == 3


@pytest.mark.slow
def test_a_long_queue_is_pushed_in_constant_memory_and_taken_up_where_it_stopped(house: House) -> None:
    count = size(1_500, 50_000)
    with house.desk.scope() as connection:
        connection.execute(
            text(
                """insert into billing.customer (organization_id, customer_number, name, country_code)
                   select organizations.current(), 'N' || n, 'Customer ' || n, 'DE'
                   from generate_series(1, :count) n"""
            ),
            {"count": count},
        )
    peaks: list[int] = []
    pushed = 0
    tracemalloc.start()
    for chunk in range(10):
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        stops = iter([False] * (count // 30 // 9 if chunk < 9 else count))
        report = house.push(CUSTOMER, time_box=timedelta(minutes=20), should_stop=lambda stops=stops: next(stops, True))
        peaks.append(tracemalloc.get_traced_memory()[1] - before)
        pushed += report.created
        house.sandbox.traffic.clear()
    tracemalloc.stop()

    assert pushed == house.mappings(CUSTOMER) == house.there.count("Customer") == count
    assert max(peaks[5:]) < max(peaks[:5]) * 1.5


def test_answered_batches_are_removed_and_nothing_is_sent_twice_after_that(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    (invoice,) = house.issue_many(1)
    house.push_all()
    house.issue_many(1)
    house.sandbox.faults.inject(Fault.LOSE_ANSWER, operation="batch", realm=house.realm, times=None)
    house.push()
    house.sandbox.faults.clear()
    assert prune_sent(house.desk.engine, house.desk.organization_id, datetime.now(UTC)) == 0, "they are of today"

    monkeypatch.setattr(pruning, "YOUNGEST", timedelta(0))
    assert prune_sent(house.desk.engine, house.desk.organization_id, datetime.now(UTC)) == 0, "so says PostgreSQL, too"
    house.desk.behind(
        "update quickbooks.sent_batch set created_at = created_at - interval '3 days' where status <> 'sent'"
    )
    assert prune_sent(house.desk.engine, house.desk.organization_id, datetime.now(UTC)) > 0

    assert [row[0] for row in house.desk.rows("select status from quickbooks.sent_batch")] == ["sent"]
    house.desk.rows("select work.enqueue('quickbooks_push_invoice', array[cast(:id as text)])", id=str(invoice))
    house.again()
    house.push()
    assert house.there.count("Invoice") == 2


def test_an_invoice_says_how_it_stands_there(house: House) -> None:
    (invoice,) = house.issue_many(1)

    def standing() -> InvoiceSync:
        with house.desk.scope() as connection:
            return invoice_sync(connection, invoice)

    assert standing() == InvoiceSync(None, None, None, True, None, None)
    house.push()
    there = standing()
    assert there.quickbooks_id is not None
    assert (there.state, there.is_waiting) == ("active", False)
    house.void(invoice)
    assert standing().is_waiting
    house.push()
    assert (standing().state, standing().quickbooks_id) == ("void", there.quickbooks_id)
