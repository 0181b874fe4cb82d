"""A decision that is taken back: values, status and what was learned are as before it, and the record tells of both."""

from __future__ import annotations

import threading
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from invoice_pipelines.intake.exports.exporting import choose_exports
from invoice_pipelines.intake.received_invoices import retry_failed
from invoice_pipelines.intake.review.decisions import Boxed, Seen
from invoice_pipelines.intake.review.errors import NotThere, NotUndoable, ReviewConflict, ReviewError
from invoice_pipelines.intake.review.show import review_state, show_document
from invoice_pipelines.intake.stages.stages import export_invoices, validate_invoices
from invoice_pipelines.intake.states import Status
from invoice_pipelines_tests.integration.intake.conftest import IntakeDesk
from invoice_pipelines_tests.integration.intake.review.pages import page_of
from invoice_pipelines_tests.support.intake.review.lane import (
    accept,
    codes,
    correct,
    judged,
    look,
    on_paper,
    reject,
    take_back,
    uploaded,
)
from invoice_pipelines_tests.support.intake.validation.specimens import UBL

NO_NUMBER = [("IP-REQ-01", "number")]


def row_of(desk: IntakeDesk, invoice: UUID) -> dict[str, Any]:
    """All that an invoice says, without what counts its steps."""
    (row,) = desk.rows("select * from intake.received_invoice where id = :id", id=invoice)
    return {
        name: value for name, value in row._mapping.items() if name not in ("processing_version", "last_processed_at")
    }


def layout(desk: IntakeDesk) -> list[Any]:
    return desk.rows("select * from intake.supplier_layout order by field")


def record(desk: IntakeDesk, invoice: UUID) -> list[tuple[str, int | None]]:
    rows = desk.rows(
        "select decision, undoes from intake.review_decision where received_invoice_id = :id order by decision_number",
        id=invoice,
    )
    return [tuple(row) for row in rows]


def test_an_accepted_value_is_in_doubt_again(desk: IntakeDesk) -> None:
    invoice = judged(desk, on_paper(gross_amount=0.8, number=0.3))
    before, waited = row_of(desk, invoice), codes(desk, invoice)
    accept(desk, invoice)
    assert desk.status(invoice) == "VALIDATED"
    undone = take_back(desk, invoice, by="Bert")
    assert (undone.status, [(one.code, one.field) for one in undone.reasons]) == (Status.PARSED, waited)
    assert (row_of(desk, invoice), codes(desk, invoice)) == (before, waited)
    assert record(desk, invoice) == [("accepted", None), ("accepted", None), ("undone", 1)]
    (by, reason) = desk.rows("select decided_by, reason from intake.review_decision where decision = 'undone'")[0]
    assert (by, reason) == ("Bert", "a slip")
    # A worker that still had it in its queue comes to the same.
    validate_invoices(desk.intake())
    assert (row_of(desk, invoice), codes(desk, invoice)) == (before, waited)
    assert accept(desk, invoice).status is Status.VALIDATED


def test_corrected_values_lines_and_taxes_are_as_they_were_read(desk: IntakeDesk) -> None:
    wrong = {"gross_amount": Decimal("191.00"), "payable_amount": None}
    invoice = judged(desk, on_paper(changes=wrong))
    before = row_of(desk, invoice)
    taxes = desk.rows("select * from intake.received_invoice_tax")
    correct(desk, invoice, gross_amount="119.00", tax_breakdowns="19 % 100.00 19.00")
    assert row_of(desk, invoice)["gross_amount"] == Decimal("119.00")
    take_back(desk, invoice)
    assert row_of(desk, invoice) == before
    assert desk.rows("select * from intake.received_invoice_tax") == taxes
    assert show(desk, invoice).decisions[-1].entry.undoes == 1


def test_a_rejection_is_taken_back_and_no_reason_of_it_is_left(desk: IntakeDesk) -> None:
    invoice = judged(desk, on_paper(gross_amount=0.8))
    reject(desk, invoice, "not for us")
    assert take_back(desk, invoice).status is Status.PARSED
    assert codes(desk, invoice) == [("LOW_CONFIDENCE", "gross_amount")]


def test_an_e_invoice_waits_again_with_its_xml(desk: IntakeDesk) -> None:
    def arrives(number: str, iban: str) -> UUID:
        account = (
            "<cac:PaymentMeans><cbc:PaymentMeansCode>58</cbc:PaymentMeansCode><cac:PayeeFinancialAccount>"
            f"<cbc:ID>{iban}</cbc:ID></cac:PayeeFinancialAccount></cac:PaymentMeans><cac:TaxTotal>"
        )
        invoice = UBL.replace("<cbc:ID>2026-001<", f"<cbc:ID>{number}<").replace("<cac:TaxTotal>", account)
        return uploaded(desk, invoice.encode(), f"{number}.xml")

    arrives("N-1", "DE02120300000000202051")
    invoice = arrives("N-2", "DE89370400440532013000")
    before = row_of(desk, invoice)
    accept(desk, invoice)
    assert desk.one("select xml is null from intake.received_invoice where id = :id", id=invoice)
    assert take_back(desk, invoice).status is Status.PARSED
    assert row_of(desk, invoice) == before
    assert codes(desk, invoice) == [("IP-IBAN-02", "iban")]
    assert accept(desk, invoice).status is Status.VALIDATED


def test_several_are_taken_back_one_after_the_other_the_last_one_first(desk: IntakeDesk) -> None:
    invoice = judged(desk, on_paper(number=0.5, issue_date=0.5))
    states = [row_of(desk, invoice)]
    correct(desk, invoice, number="R-2")
    states.append(row_of(desk, invoice))
    correct(desk, invoice, issue_date="2026-03-02")
    assert desk.status(invoice) == "VALIDATED"
    take_back(desk, invoice)
    assert row_of(desk, invoice) == states[1]
    assert codes(desk, invoice) == [("LOW_CONFIDENCE", "issue_date")]
    take_back(desk, invoice)
    assert row_of(desk, invoice) == states[0]
    with pytest.raises(NotUndoable) as refused:
        take_back(desk, invoice)
    assert refused.value.code == "NOTHING_TO_UNDO"
    assert correct(desk, invoice, number="R-3", issue_date="2026-03-03").status is Status.VALIDATED
    assert take_back(desk, invoice).status is Status.PARSED
    assert record(desk, invoice)[-1] == ("undone", 5)


def test_what_a_decision_taught_is_forgotten_and_the_next_document_waits_again(desk: IntakeDesk) -> None:
    first = uploaded(desk, page_of("HW-77", "1000.00"))
    correct(desk, first, number="HW-77")
    assert take_back(desk, first).learned == ("number",)
    assert layout(desk) == []
    assert codes(desk, uploaded(desk, page_of("HW-78", "2500.00"))) == NO_NUMBER


def test_what_others_taught_before_and_since_stays(desk: IntakeDesk) -> None:
    invoices = [uploaded(desk, page_of(f"HW-{number}", "1000.00", day=number)) for number in (1, 2, 3)]
    for number, invoice in enumerate(invoices, start=1):
        correct(desk, invoice, number=f"HW-{number}")
    (taught,) = layout(desk)
    assert (taught.times_confirmed, taught.received_invoice_id) == (3, invoices[2])
    take_back(desk, invoices[0])
    (left,) = layout(desk)
    assert (left.times_confirmed, left.received_invoice_id, left.place) == (2, invoices[2], taught.place)
    take_back(desk, invoices[2])
    (left,) = layout(desk)
    assert (left.times_confirmed, left.received_invoice_id) == (1, invoices[1])


def test_a_place_that_replaced_another_gives_way_to_it_again(desk: IntakeDesk) -> None:
    first, second = (uploaded(desk, page_of(f"HW-{number}", "1000.00", day=number)) for number in (1, 2))
    correct(desk, first, number="HW-1")
    (known,) = layout(desk)
    correct(desk, second, number=Boxed(1, (340.0, 240.0, 560.0, 250.0)))
    (other,) = layout(desk)
    assert other.place != known.place
    take_back(desk, second)
    assert [row.place for row in layout(desk)] == [known.place]


def test_what_was_learned_before_each_teaching_was_kept_is_not_lost(desk: IntakeDesk) -> None:
    first, second = (uploaded(desk, page_of(f"HW-{number}", "1000.00", day=number)) for number in (1, 2))
    correct(desk, first, number="HW-1")
    desk.behind("delete from intake.supplier_teaching where organization_id = :organization")
    desk.behind("update intake.supplier_layout set times_confirmed = 7 where organization_id = :organization")
    correct(desk, second, number="HW-2")
    assert layout(desk)[0].times_confirmed == 8
    take_back(desk, second)
    (left,) = layout(desk)
    assert (left.times_confirmed, left.received_invoice_id) == (7, first)


def test_once_it_is_exported_a_decision_stays(desk: IntakeDesk) -> None:
    invoice = judged(desk, on_paper(gross_amount=0.8))
    accept(desk, invoice)
    with desk.scope() as connection:
        choose_exports(connection, [invoice], ["CSV"], "test")
    with pytest.raises(NotUndoable) as refused:
        take_back(desk, invoice)
    assert refused.value.code == "IN_PENDING_EXPORT"
    export_invoices(desk.intake())
    assert not show(desk, invoice).can_be_undone
    with pytest.raises(NotUndoable) as refused:
        take_back(desk, invoice)
    assert (refused.value.code, desk.status(invoice)) == ("ALREADY_EXPORTED", "EXPORTED")
    assert desk.rows("select * from intake.review_undo") == []


def test_what_was_taken_back_in_time_is_not_exported(desk: IntakeDesk) -> None:
    invoice = judged(desk, on_paper(gross_amount=0.8))
    accept(desk, invoice)
    take_back(desk, invoice)
    assert export_invoices(desk.intake()).exports == ()
    assert desk.status(invoice) == "PARSED"


def test_what_was_read_again_since_has_no_way_back(desk: IntakeDesk) -> None:
    invoice = judged(desk, on_paper(gross_amount=0.8))
    reject(desk, invoice, "not for us")
    with desk.scope() as connection:
        retry_failed(connection, [invoice])
    with pytest.raises(NotUndoable) as refused:
        take_back(desk, invoice)
    assert refused.value.code == "CHANGED_SINCE"


def test_a_stale_or_unknown_state_is_refused(desk: IntakeDesk) -> None:
    invoice = judged(desk, on_paper(gross_amount=0.8))
    waiting = look(desk, invoice).seen
    accept(desk, invoice)
    with pytest.raises(ReviewConflict):
        take_back(desk, invoice, waiting)
    with pytest.raises(NotThere):
        take_back(desk, uuid4(), Seen(1, 0, ""))
    assert desk.status(invoice) == "VALIDATED"


def test_of_two_who_take_it_back_at_once_one_does(desk: IntakeDesk) -> None:
    invoice = judged(desk, on_paper(gross_amount=0.8))
    accept(desk, invoice)
    with desk.scope() as connection:
        seen = review_state(connection, invoice)
    outcomes: list[str] = []

    def one(by: str) -> None:
        try:
            outcomes.append(str(take_back(desk, invoice, seen, by).status))
        except ReviewError as error:
            outcomes.append(error.code)

    threads = [threading.Thread(target=one, args=(name,)) for name in ("Ada", "Bert", "Cleo")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["PARSED", "REVIEW_CONFLICT", "REVIEW_CONFLICT"]
    assert record(desk, invoice) == [("accepted", None), ("undone", 1)]


def test_decisions_and_undos_of_the_same_number_never_wait_in_a_circle(desk: IntakeDesk) -> None:
    invoices = [judged(desk, on_paper("R-1", gross_amount=0.8, issue_date=0.5)) for _ in range(3)]
    unexpected: list[BaseException] = []

    def change(invoice: UUID) -> None:
        for _ in range(8):
            try:
                correct(desk, invoice, issue_date="2026-03-02")
                take_back(desk, invoice)
            except ReviewError:
                pass
            except Exception as error:  # noqa: BLE001 (told by the test)
                unexpected.append(error)

    threads = [threading.Thread(target=change, args=(invoice,)) for invoice in invoices * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert unexpected == []


def test_the_document_says_whether_its_decision_can_be_taken_back(desk: IntakeDesk) -> None:
    invoice = judged(desk, on_paper(gross_amount=0.8))
    assert not show(desk, invoice).can_be_undone
    accept(desk, invoice)
    shown = show(desk, invoice)
    assert (shown.can_be_undone, shown.status, shown.reasons) == (True, Status.VALIDATED, ())
    assert {value.field: value.value for value in shown.values}["gross_amount"] == "119.00"
    take_back(desk, invoice)
    assert not show(desk, invoice).can_be_undone


def show(desk: IntakeDesk, invoice: UUID) -> Any:
    with desk.scope() as connection:
        return show_document(connection, invoice)
