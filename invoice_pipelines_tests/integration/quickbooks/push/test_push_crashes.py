"""Whatever is lost on the way, and whoever dies: each invoice is in QuickBooks once, and mapped once."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from uuid import UUID

import pytest

from invoice_pipelines.quickbooks.api.request_ids import operation_request_id
from invoice_pipelines.quickbooks.push import resending, sending
from invoice_pipelines.workshop.sandbox.quickbooks import Fault
from invoice_pipelines_tests.support.quickbooks.pushing import CUSTOMER, INVOICE, House, Opener


def batches(house: House, entity: str = "Invoice") -> list[tuple[str, bytes]]:
    """Request id and body of each batch that had such an entity in it."""
    return [
        (call.request_id, call.body)
        for call in house.sandbox.calls(house.realm, "batch")
        if f'"{entity}"'.encode() in call.body
    ]


def sent_without_answer(house: House, fault: Fault = Fault.LOSE_ANSWER) -> UUID:
    """An invoice that was sent as often as a turn does that."""
    invoice = house.issue()
    house.push(CUSTOMER)
    house.sandbox.faults.inject(fault, operation="batch", times=resending.SENT_AT_ONCE)
    assert house.push().created == 0
    return invoice


def test_an_answer_lost_after_the_invoice_was_made_is_asked_for_again_and_makes_no_second_one(
    house: House,
) -> None:
    invoice = sent_without_answer(house)
    assert house.mappings() == 0
    assert len(house.invoices()) == 1
    house.again()
    report = house.push()

    assert report.resent == 1
    assert len(house.invoices()) == 1
    assert house.mapping(invoice).quickbooks_id == house.invoices()[0]["Id"]
    assert len(set(batches(house))) == 1
    assert house.entry(invoice).status == "succeeded"


def test_a_forgotten_request_is_looked_up_and_adopted_on_a_full_match_only(house: House) -> None:
    invoice = sent_without_answer(house)
    forget(house)

    house.push()

    assert house.writes("create")[-1][0] == "Invoice"
    assert len(house.invoices()) == 1
    assert house.mapping(invoice).quickbooks_id == house.invoices()[0]["Id"]
    assert "ADOPTED" in house.codes()


def test_a_forgotten_request_that_did_nothing_is_made_anew(house: House) -> None:
    invoice = sent_without_answer(house, Fault.DROP)
    forget(house)

    house.push()

    assert [there["Id"] for there in house.invoices()] == [house.mapping(invoice).quickbooks_id]
    assert "ADOPTED" not in house.codes()


def test_an_invoice_with_our_mark_that_is_otherwise_different_is_for_a_person(house: House) -> None:
    sent_without_answer(house)
    (there,) = house.invoices()
    other = house.there.customer("Somebody else")
    house.there.edit("Invoice", there["Id"], CustomerRef={"value": other["Id"]})
    forget(house)

    house.push()

    assert len(house.invoices()) == 1
    assert house.mappings() == 0
    assert house.conflicts() == ["looks_like_ours"]


def forget(house: House) -> None:
    """QuickBooks has forgotten the request ids, and it is long ago for us too."""
    house.again()
    house.sandbox.clock.shift(timedelta(hours=25))
    house.desk.behind("update quickbooks.sent_batch set created_at = created_at - interval '25 hours'")


def test_a_number_that_is_taken_by_our_own_invoice_is_adopted(house: House) -> None:
    invoice = house.issue()
    house.push()
    house.desk.behind("delete from quickbooks.mapping where entity_type = 'invoice'")
    house.desk.behind("delete from quickbooks.sent_batch")
    house.desk.rows("select work.enqueue('quickbooks_push_invoice', array[:id])", id=str(invoice))

    house.push()

    assert len(house.invoices()) == 1
    assert house.mapping(invoice).quickbooks_id == house.invoices()[0]["Id"]


def test_a_number_that_is_taken_by_a_foreign_invoice_is_for_a_person_and_ours_is_not_renumbered(
    house: House,
) -> None:
    invoice = house.issue()
    number = house.desk.value("select invoice_number from billing.issued_invoice where id = :id", id=invoice)
    other = house.there.customer("Somebody else")
    house.there.create(
        "Invoice",
        DocNumber=number,
        CustomerRef={"value": other["Id"]},
        Line=[
            {
                "Amount": 1,
                "DetailType": "SalesItemLineDetail",
                "SalesItemLineDetail": {"TaxCodeRef": {"value": "1"}},
            }
        ],
    )

    report = house.push()

    assert report.failed == 1
    assert len(house.invoices()) == 1
    assert house.conflicts() == ["number_in_use"]
    assert number in report.failures[0].message
    assert house.entry(invoice).error_code == "NUMBER_IN_USE"


def test_a_batch_without_an_answer_in_time_is_sent_again_byte_for_byte_and_new_ones_are_smaller(
    house: House,
) -> None:
    house.issue_many(80)
    house.push(CUSTOMER)
    patient = house.settings.model_copy(update={"quickbooks_timeout_seconds": 1.0, "quickbooks_parallel_calls": 1})
    house.sandbox.faults.inject(Fault.TIME_OUT, operation="batch", entity=None)
    impatient = House(house.desk, house.sandbox, patient, house.realm)

    report = impatient.push()

    assert report.created == 80
    assert len(house.invoices()) == house.mappings() == 80
    sent = batches(house)
    assert sent[0] == sent[1]
    sizes = [len(json.loads(body)["BatchItemRequest"]) for _, body in sent]
    assert sizes[:2] == [30, 30]
    assert sizes[2] == 20  # half, and grown by the first answer
    assert sizes[3] == 25


def test_a_death_between_the_answer_and_the_commit_leaves_one_invoice(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoices = house.issue_many(3)
    house.push(CUSTOMER)
    with monkeypatch.context() as patch:
        patch.setattr(sending, "record", interrupted)
        with pytest.raises(KeyboardInterrupt):
            house.push()
    assert len(house.invoices()) == 3
    assert house.mappings() == 0
    house.again()

    house.push()

    assert len(house.invoices()) == 3
    assert {house.mapping(invoice).quickbooks_id for invoice in invoices} == {i["Id"] for i in house.invoices()}


def interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def test_an_invoice_that_is_queued_twice_is_sent_once_by_two_workers(house: House) -> None:
    invoices = house.issue_many(20)
    house.push(CUSTOMER)
    for _ in range(2):
        house.desk.rows(
            "select work.create_job('quickbooks_push_invoice', cast(:ids as text[]), '{}', 'anna')",
            ids=[str(invoice) for invoice in invoices],
        )
    workers = [threading.Thread(target=house.push) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    house.again()
    house.push()

    assert len(house.invoices()) == house.mappings() == 20
    assert len(house.writes("create")) == 21  # with the customer
    assert {status for status, _ in house.entries()} == {"succeeded"}


def test_what_was_stored_is_sent_as_it_was_after_a_new_version_writes_documents_otherwise(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoice = sent_without_answer(house)
    house.again()
    monkeypatch.setattr(
        "invoice_pipelines.quickbooks.push.composing.invoice_document", lambda *_, **__: {"Other": True}
    )

    house.push()

    assert len(set(batches(house))) == 1
    assert house.mappings() == 1
    void = operation_request_id("9130001", INVOICE, "void", UUID("01890000-0000-7000-8000-000000000001"), 0)
    assert void == "10cd7f66-81d9-50e8-9183-cb669c8f846e"
    house.void(invoice)
    house.push()
    assert [call.request_id for call in house.sandbox.calls(house.realm, "void")] == [
        operation_request_id("9130001", INVOICE, "void", invoice, 0)
    ]


def test_a_company_that_counts_by_itself_gets_no_number_and_its_own_is_kept(opened: Opener) -> None:
    house = opened(custom_txn_numbers=False)
    invoice = sent_without_answer(house)
    forget(house)

    house.push()

    (there,) = house.invoices()
    assert b"DocNumber" not in batches(house)[0][1]
    assert house.mapping(invoice).snapshot["number"] == there["DocNumber"] == "1001"
    assert "ADOPTED" in house.codes()


def test_a_part_of_a_batch_that_is_throttled_goes_again_alone_under_another_request(house: House) -> None:
    house.issue_many(5)
    house.push(CUSTOMER)
    house.sandbox.faults.inject(Fault.ITEM, entity="Invoice", operation="create", code="3001", times=2)

    report = house.push()

    assert (report.created, report.failed, report.retried) == (5, 0, 0)
    assert len(house.invoices()) == house.mappings() == 5
    (first, first_body), (second, second_body) = batches(house)
    assert first != second
    assert [len(json.loads(body)["BatchItemRequest"]) for body in (first_body, second_body)] == [5, 2]


def test_each_part_of_a_batch_has_its_own_outcome(house: House) -> None:
    house.issue_many(30)
    house.push(CUSTOMER)
    house.sandbox.faults.inject(Fault.ITEM, contains="3", operation="create", entity="Invoice", code="6000")
    house.sandbox.faults.inject(Fault.ITEM, contains="7", operation="create", entity="Invoice", code="10000")
    house.sandbox.faults.inject(Fault.ITEM, contains="9", operation="create", entity="Invoice", code="2050")

    report = house.push()

    assert (report.created, report.failed) == (28, 2)
    assert len(house.invoices()) == house.mappings() == 28
    assert {failure.code for failure in report.failures} == {"QBO_6000", "QBO_2050"}


@pytest.mark.parametrize("fault", [Fault.ITEM_MISSING, Fault.ITEM_WITHOUT_ID])
def test_a_part_without_an_answer_is_never_taken_for_done_nor_done_twice(house: House, fault: Fault) -> None:
    house.issue_many(6)
    house.push(CUSTOMER)
    house.sandbox.faults.inject(fault, entity="Invoice", times=None, contains="4")

    report = house.push()

    assert report.created == 6
    assert len(house.invoices()) == house.mappings() == 6


@pytest.mark.parametrize(
    "fault",
    [
        Fault.LOSE_ANSWER,
        Fault.APPLIED_AND_REFUSED,
        *(
            pytest.param(each, marks=pytest.mark.slow)
            for each in (
                Fault.DROP,
                Fault.TRUNCATED,
                Fault.UNAUTHORIZED,
                Fault.CUT,
                Fault.EMPTY,
                Fault.NOT_JSON,
                Fault.XML_ERROR,
                Fault.BAD_GATEWAY,
                Fault.UNAVAILABLE,
                Fault.GATEWAY_TIME_OUT,
                Fault.REFUSED,
                Fault.REFUSED_WITH_200,
                Fault.TWO_ERRORS,
            )
        ),
    ],
)
def test_no_shape_of_a_failure_loses_or_doubles_an_invoice_or_its_void(house: House, fault: Fault) -> None:
    kept, cancelled = house.issue(), house.issue()
    for operation in ("batch", "void", "read"):
        house.sandbox.faults.inject(fault, operation=operation, times=1 if fault is Fault.UNAUTHORIZED else 2)
    for _ in range(2):
        house.push()
        house.again()
    house.void(cancelled)
    for _ in range(2):
        house.push()
        house.again()

    assert len(house.invoices()) == house.mappings() == 2
    assert [house.mapping(each).state for each in (kept, cancelled)] == ["active", "void"]
    assert sorted(there["TotalAmt"] for there in house.invoices()) == [0, house.total_of(kept)]
