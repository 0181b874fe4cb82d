"""What people do about invoices that wait: what it leads to, what is kept of it, and who wins."""

from __future__ import annotations

import dataclasses
import threading
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from invoice_pipelines.intake import promises
from invoice_pipelines.intake.reading import Source
from invoice_pipelines.intake.received_invoices import (
    InvoiceVersion,
    fail_given_up,
    find_stuck,
    mark_parsed,
    retry_failed,
)
from invoice_pipelines.intake.review.decisions import Absent, Confirmed, Seen, Typed, preview
from invoice_pipelines.intake.review.errors import ReviewConflict, ReviewError, WrongValues
from invoice_pipelines.intake.review.queue import backlog, list_reviews
from invoice_pipelines.intake.review.show import find_review, show_review
from invoice_pipelines.intake.stages.validating import judge_parsed
from invoice_pipelines.intake.states import Status
from invoice_pipelines.organizations import ReviewThresholds
from invoice_pipelines_tests.integration.intake.conftest import IntakeDesk, make_reading
from invoice_pipelines_tests.support.intake.review.lane import (
    STANDARD,
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

UNSURE = {"gross_amount": 0.8}


def again(desk: IntakeDesk, invoice_id: UUID, reading: Any) -> None:
    """The document is read again, and judged."""
    with desk.scope() as connection:
        retry_failed(connection, [invoice_id])
    with desk.scope() as connection:
        assert mark_parsed(connection, [(desk.version(invoice_id), reading)])
        judge_parsed(connection, [invoice_id], STANDARD)


def test_an_unsure_invoice_stays_parsed_and_is_not_exported(desk: IntakeDesk) -> None:
    invoice = judged(desk, on_paper(**UNSURE))
    assert desk.status(invoice) == "PARSED"
    assert codes(desk, invoice) == [("LOW_CONFIDENCE", "gross_amount")]
    assert desk.one("select count(*) from work.batch_item where kind = 'export_invoice'") == 0


def test_a_sure_one_passes_without_a_review(desk: IntakeDesk) -> None:
    invoice = judged(desk, on_paper())
    assert desk.status(invoice) == "VALIDATED"
    with pytest.raises(ReviewError, match="does not wait for a review: it is validated"):
        look(desk, invoice)


def test_accepting_validates_and_keeps_who_and_what(desk: IntakeDesk) -> None:
    invoice = judged(desk, on_paper(**UNSURE))
    assert accept(desk, invoice).status is Status.VALIDATED
    (row,) = desk.rows("select * from intake.review_decision where received_invoice_id = :id", id=invoice)
    assert (row.decision, row.field, row.old_value, row.new_value) == ("accepted", "gross_amount", "119.00", "119.00")
    assert (row.code, row.decided_by, row.processing_version) == ("LOW_CONFIDENCE", "Ada", 2)
    provenance = desk.one("select reading_json #> '{provenance,gross_amount}' from intake.received_invoice")
    assert (provenance["source"], provenance["confidence"]) == (Source.PERSON, 1.0)
    assert desk.rows("select * from intake.review_reason") == []
    assert desk.one("select count(*) from work.batch_item where kind = 'export_invoice'") == 1
    with desk.scope() as connection:
        assert promises.passed_without_verdict(connection).kept


def test_what_breaks_a_rule_cannot_be_accepted_and_nothing_of_the_attempt_is_kept(desk: IntakeDesk) -> None:
    invoice = judged(desk, on_paper(changes={"gross_amount": Decimal(120)}, number=0.5))
    with pytest.raises(ReviewError, match=r"IP-TOTAL-01: .* cannot be accepted"):
        accept(desk, invoice)
    assert desk.status(invoice) == "PARSED"
    assert desk.rows("select * from intake.review_decision") == []


def test_a_correction_validates_writes_the_columns_and_is_audited(desk: IntakeDesk) -> None:
    invoice = judged(desk, on_paper(changes={"gross_amount": Decimal("191.00"), "payable_amount": None}))
    assert correct(desk, invoice, gross_amount="119,00").status is Status.VALIDATED
    assert desk.one("select gross_amount from intake.received_invoice") == Decimal("119.00")
    assert desk.one("select reading_json ->> 'gross_amount' from intake.received_invoice") == "119.00"
    (row,) = desk.rows("select * from intake.review_decision")
    assert (row.decision, row.field, row.old_value, row.new_value) == (
        "corrected",
        "gross_amount",
        "191.00",
        "119.00",
    )


def test_a_correction_that_does_not_settle_everything_leaves_the_rest(desk: IntakeDesk) -> None:
    invoice = judged(desk, on_paper(number=0.5, issue_date=0.5))
    decided = correct(desk, invoice, number="R-2")
    assert decided.status is Status.PARSED
    assert [reason.field for reason in decided.reasons] == ["issue_date"]
    assert codes(desk, invoice) == [("LOW_CONFIDENCE", "issue_date")]
    assert correct(desk, invoice, issue_date="2026-03-02").status is Status.VALIDATED
    (row,) = desk.rows("select invoice_number, invoice_key, issue_date from intake.received_invoice")
    assert tuple(row) == ("R-2", "r-2", date(2026, 3, 2))


def test_several_fields_are_corrected_at_once(desk: IntakeDesk) -> None:
    invoice = judged(desk, on_paper(net_amount=0.3, tax_amount=0.3, gross_amount=0.3, payable_amount=0.3))
    decided = correct(
        desk,
        invoice,
        net_amount="200.00",
        tax_amount="38.00",
        gross_amount="238.00",
        payable_amount="238.00",
        tax_breakdowns="19 % 200.00 38.00",
    )
    assert decided.status is Status.VALIDATED
    (tax,) = desk.rows("select rate, taxable_amount, tax_amount from intake.received_invoice_tax")
    assert tuple(tax) == (Decimal(19), Decimal(200), Decimal(38))


def test_corrected_totals_ask_for_their_vat_by_rate(desk: IntakeDesk) -> None:
    invoice = judged(desk, on_paper(net_amount=0.3, tax_amount=0.3, gross_amount=0.3))
    decided = correct(
        desk, invoice, net_amount="200.00", tax_amount="38.00", gross_amount="238.00", payable_amount="238.00"
    )
    assert {(reason.code, reason.field) for reason in decided.reasons} == {
        ("IP-TAX-02", "tax_amount"),
        ("IP-TAX-03", "tax_breakdowns"),
    }
    assert correct(desk, invoice, tax_breakdowns=Absent()).status is Status.VALIDATED


def test_a_field_that_the_document_does_not_have_is_taken_out(desk: IntakeDesk) -> None:
    invoice = judged(desk, on_paper(changes={"payable_amount": Decimal(7)}))
    assert correct(desk, invoice, payable_amount=Absent()).status is Status.VALIDATED
    assert desk.one("select payable_amount from intake.received_invoice") is None


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"gross_amount": "1.234"}, "gross_amount: '1.234' may mean thousands or decimals"),
        ({"lines": "1"}, "'lines' cannot be corrected; these can: number"),
        ({"iban": "DE00"}, "iban: 'DE00' is not an IBAN"),
        ({}, "Nothing is corrected"),
    ],
)
def test_a_wrong_correction_is_refused_and_changes_nothing(
    desk: IntakeDesk, values: dict[str, str], message: str
) -> None:
    invoice = judged(desk, on_paper(**UNSURE))
    with pytest.raises(ReviewError, match=message):
        correct(desk, invoice, **values)
    assert desk.rows("select * from intake.review_decision") == []
    assert codes(desk, invoice) == [("LOW_CONFIDENCE", "gross_amount")]


def test_a_rejected_invoice_fails_with_the_persons_reason(desk: IntakeDesk) -> None:
    invoice = judged(desk, on_paper(**UNSURE))
    reject(desk, invoice, "not for us")
    assert desk.status(invoice) == "FAILED"
    assert desk.one("select code || ': ' || message from intake.processing_error") == (
        "REJECTED: Rejected by Ada: not for us"
    )
    assert desk.one("select decision || ' ' || reason from intake.review_decision") == "rejected not for us"
    assert desk.rows("select * from intake.review_reason") == []
    with desk.scope() as connection:
        assert promises.failures_without_reason(connection).kept


def test_a_rejection_needs_a_reason(desk: IntakeDesk) -> None:
    invoice = judged(desk, on_paper(**UNSURE))
    with pytest.raises(ReviewError, match="needs a reason"):
        reject(desk, invoice, " \n ")


def test_a_rejected_invoice_that_is_retried_waits_again(desk: IntakeDesk) -> None:
    invoice = judged(desk, on_paper("R-1", **UNSURE))
    reject(desk, invoice, "illegible")
    again(desk, invoice, on_paper("R-1", **UNSURE))
    assert codes(desk, invoice) == [("REJECTED", None), ("LOW_CONFIDENCE", "gross_amount")]


def test_a_retry_does_not_overrule_a_person_even_where_all_is_sure_now(desk: IntakeDesk) -> None:
    invoice = judged(desk, on_paper("R-1", **UNSURE))
    reject(desk, invoice, "not for us")
    again(desk, invoice, on_paper("R-1"))
    assert codes(desk, invoice) == [("REJECTED", None)]
    assert look(desk, invoice).reasons[0].message == "Rejected before: not for us"
    assert accept(desk, invoice).status is Status.VALIDATED


def test_what_people_decided_holds_when_the_document_is_read_again(desk: IntakeDesk) -> None:
    invoice = judged(desk, on_paper("R-1", number=0.5, issue_date=0.5, seller_name=0.1))
    correct(desk, invoice, number="R-17")
    accept(desk, invoice)
    assert desk.status(invoice) == "VALIDATED"
    desk.behind(
        "update intake.received_invoice set status = 'FAILED' where id = :id and organization_id = :organization",
        id=invoice,
    )
    again(desk, invoice, on_paper("R-1", number=0.5, issue_date=0.5, seller_name=0.1))
    assert desk.status(invoice) == "VALIDATED"
    assert desk.one("select invoice_number from intake.received_invoice") == "R-17"


def test_another_value_read_later_was_accepted_by_nobody(desk: IntakeDesk) -> None:
    invoice = judged(desk, on_paper("R-1", changes={"gross_amount": Decimal(120)}, number=0.5))
    correct(desk, invoice, number="R-2")
    reject(desk, invoice, "amounts")
    again(desk, invoice, on_paper("R-1", gross_amount=0.7, number=0.5))
    assert codes(desk, invoice) == [("REJECTED", None), ("LOW_CONFIDENCE", "gross_amount")]
    accept(desk, invoice)
    desk.behind(
        "update intake.received_invoice set status = 'FAILED' where id = :id and organization_id = :organization",
        id=invoice,
    )
    other = {"net_amount": Decimal(101), "gross_amount": Decimal(120), "payable_amount": Decimal(120)}
    again(desk, invoice, on_paper("R-1", changes={**other, "tax_breakdowns": ()}, gross_amount=0.7, number=0.5))
    assert codes(desk, invoice) == [("LOW_CONFIDENCE", "gross_amount")]


def test_an_e_invoice_is_not_corrected(desk: IntakeDesk) -> None:
    invoice = desk.parsed(make_reading(xml=b"<Invoice/>"))
    desk.behind(
        """insert into intake.review_reason (organization_id, received_invoice_id, position, processing_version, code,
                                             message, message_de, must_be_corrected)
           values (:organization, :id, 1, 2, 'IP-IBAN-02', 'Another IBAN.', 'Andere IBAN.', false)""",
        id=invoice.id,
    )
    with pytest.raises(ReviewError, match="e-invoice"):
        correct(desk, invoice.id, gross_amount="1.00")
    reject(desk, invoice.id, "fraud")
    assert desk.status(invoice.id) == "FAILED"


def test_nothing_is_decided_about_what_does_not_wait_or_does_not_exist(desk: IntakeDesk) -> None:
    fresh = desk.parsed(on_paper(**UNSURE))
    with pytest.raises(ReviewError, match="does not wait for a review: it is parsed"):
        accept(desk, fresh.id, Seen(1, 0, ""))
    with pytest.raises(ReviewError, match="There is no received invoice"):
        accept(desk, uuid4(), Seen(1, 0, ""))


def test_another_organization_sees_and_decides_nothing(desk: IntakeDesk, other_desk: IntakeDesk) -> None:
    invoice = judged(desk, on_paper(**UNSURE))
    seen = look(desk, invoice).seen
    for attempt in (
        lambda: look(other_desk, invoice),
        lambda: accept(other_desk, invoice, seen),
        lambda: correct(other_desk, invoice, seen, gross_amount="1.00"),
        lambda: reject(other_desk, invoice, "x", seen),
    ):
        with pytest.raises(ReviewError, match="no received invoice"):
            attempt()
    with other_desk.scope() as connection:
        assert list_reviews(connection) == []
        assert backlog(connection).invoices == 0
        with pytest.raises(ReviewError, match="No invoice"):
            find_review(connection, str(invoice)[-12:])
    assert other_desk.rows("select * from public.invoice_review_queue") == []
    assert desk.status(invoice) == "PARSED"


def test_decisions_cannot_be_changed_or_taken_back(desk: IntakeDesk) -> None:
    invoice = judged(desk, on_paper(**UNSURE))
    accept(desk, invoice)
    for statement in ("update intake.review_decision set decided_by = 'Eve'", "delete from intake.review_decision"):
        with desk.scope() as connection, pytest.raises(DBAPIError, match="permission denied"):
            connection.execute(text(statement))


@pytest.mark.parametrize("second", ["accept", "correct", "reject"])
def test_of_two_people_at_once_one_wins_and_the_other_is_told(desk: IntakeDesk, second: str) -> None:
    invoice = judged(desk, on_paper(number=0.5, issue_date=0.5))
    seen = look(desk, invoice).seen
    actions = {
        "accept": lambda: accept(desk, invoice, seen, by="Bob"),
        "correct": lambda: correct(desk, invoice, seen, by="Bob", issue_date="2026-03-03"),
        "reject": lambda: reject(desk, invoice, "no", seen, by="Bob"),
    }
    start = threading.Barrier(2)
    said: dict[str, object] = {}

    def act(name: str, action: Any) -> None:
        start.wait(timeout=10)
        try:
            said[name] = action()
        except ReviewConflict as error:
            said[name] = error

    both = [
        threading.Thread(target=act, args=("Ada", lambda: correct(desk, invoice, seen, number="R-9"))),
        threading.Thread(target=act, args=("Bob", actions[second])),
    ]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join(timeout=30)
    lost = [name for name, result in said.items() if isinstance(result, ReviewConflict)]
    assert len(lost) == 1, said
    winner = "Ada" if lost == ["Bob"] else "Bob"
    assert f"Somebody else decided first: {winner} " in str(said[lost[0]])
    assert {row[0] for row in desk.rows("select distinct decided_by from intake.review_decision")} == {winner}


def test_a_decision_on_an_older_state_is_refused(desk: IntakeDesk) -> None:
    invoice = judged(desk, on_paper("R-1", number=0.5, issue_date=0.5))
    seen = look(desk, invoice).seen
    correct(desk, invoice, number="R-2")
    with pytest.raises(ReviewConflict, match="Ada corrected"):
        accept(desk, invoice, seen)
    assert Seen.parse(str(look(desk, invoice).seen)) == look(desk, invoice).seen
    with pytest.raises(ReviewError, match="not the state of a review"):
        Seen.parse("now")


def test_a_reason_that_came_later_is_accepted_by_nobody_who_did_not_see_it(desk: IntakeDesk) -> None:
    invoice = judged(desk, on_paper("A-1", **UNSURE))
    seen = look(desk, invoice).seen
    judged(desk, on_paper("A-1"))
    with desk.scope() as connection:
        judge_parsed(connection, [invoice], STANDARD)
    for act in (lambda: accept(desk, invoice, seen), lambda: reject(desk, invoice, "x", seen)):
        with pytest.raises(ReviewConflict, match="The reasons have changed"):
            act()


def test_a_new_account_of_a_known_seller_waits_also_in_xml_and_is_known_once_accepted(desk: IntakeDesk) -> None:
    known, new = "DE02120300000000202051", "DE89370400440532013000"

    def arrives(number: str, iban: str) -> UUID:
        account = (
            "<cac:PaymentMeans><cbc:PaymentMeansCode>58</cbc:PaymentMeansCode><cac:PayeeFinancialAccount>"
            f"<cbc:ID>{iban}</cbc:ID></cac:PayeeFinancialAccount></cac:PaymentMeans><cac:TaxTotal>"
        )
        invoice = UBL.replace("<cbc:ID>2026-001<", f"<cbc:ID>{number}<").replace("<cac:TaxTotal>", account)
        return uploaded(desk, invoice.encode(), f"{number}.xml")

    assert desk.status(arrives("N-1", known)) == "VALIDATED"
    second = arrives("N-2", new)
    assert codes(desk, second) == [("IP-IBAN-02", "iban")]
    assert accept(desk, second).status is Status.VALIDATED
    assert desk.status(arrives("N-3", new)) == "VALIDATED"
    assert desk.rows("select * from intake.supplier_layout") == []


def test_the_same_invoice_in_review_does_not_make_a_second_one_fail(desk: IntakeDesk) -> None:
    """It would be lost where a person rejects the first one."""
    first = judged(desk, on_paper("A-1", **UNSURE))
    second = judged(desk, on_paper("A-1"))
    assert desk.status(second) == "VALIDATED"
    # Now the first one is the duplicate, and accepting does not help.
    decided = accept(desk, first)
    assert [reason.code for reason in decided.reasons] == ["IP-DUP-01"]
    with pytest.raises(ReviewError, match="IP-DUP-01"):
        accept(desk, first)
    reject(desk, first, "came twice")


def test_of_two_in_one_chunk_the_second_passes_where_the_first_waits(desk: IntakeDesk) -> None:
    first, second = desk.parsed(on_paper("A-1", **UNSURE)), desk.parsed(on_paper("A-1"))
    with desk.scope() as connection:
        judge_parsed(connection, [second.id, first.id], STANDARD)
    assert (desk.status(first.id), desk.status(second.id)) == ("PARSED", "VALIDATED")


def test_a_number_corrected_to_one_that_was_received_waits_on(desk: IntakeDesk) -> None:
    judged(desk, on_paper("A-1"))
    second = judged(desk, on_paper("A-7", number=0.5))
    decided = correct(desk, second, number="A-1")
    assert (decided.status, [reason.code for reason in decided.reasons]) == (Status.PARSED, ["IP-DUP-01"])
    assert correct(desk, second, number="A-2").status is Status.VALIDATED


def test_the_queue_is_listed_in_pages_the_oldest_first(desk: IntakeDesk) -> None:
    invoices = [judged(desk, on_paper(**UNSURE)) for _ in range(5)]
    judged(desk, on_paper())
    desk.behind(
        "alter table intake.received_invoice disable trigger user; "
        "update intake.received_invoice set last_processed_at = now() - interval '3 days' where id = :id; "
        "alter table intake.received_invoice enable trigger user".replace(":id", f"'{invoices[0]}'")
    )
    with desk.scope() as connection:
        listed = list_reviews(connection, limit=2)
        rest = list_reviews(connection, after=listed[-1].id, limit=10)
        total = backlog(connection)
    assert [one.id for one in (*listed, *rest)] == invoices
    assert listed[0].age >= timedelta(days=3)
    assert listed[0].reasons == ("LOW_CONFIDENCE gross_amount",)
    assert total.invoices == 5
    assert total.by_reason == {"LOW_CONFIDENCE": 5}
    assert total.oldest_age is not None
    assert total.oldest_age >= timedelta(days=3)
    queue = desk.rows("select id, reasons, waiting_since from public.invoice_review_queue order by id")
    assert [row.id for row in queue] == invoices


def test_what_waits_for_a_person_is_neither_stuck_nor_given_up(desk: IntakeDesk) -> None:
    invoice = judged(desk, on_paper(**UNSURE))
    with desk.scope() as connection:
        connection.execute(
            text(
                """update work.batch_item set status = 'failed', error_code = 'X', finished_at = now()
                   where subject_id = :id"""
            ),
            {"id": str(invoice)},
        )
        assert find_stuck(connection, timedelta(seconds=-1)) == []
        assert fail_given_up(connection) == []
    assert desk.status(invoice) == "PARSED"


def test_thresholds_are_those_of_the_organization(desk: IntakeDesk) -> None:
    strict = dataclasses.replace(STANDARD, thresholds=ReviewThresholds(currency=1.0))
    assert desk.status(judged(desk, on_paper(), strict)) == "PARSED"


def test_an_invoice_is_found_by_the_end_of_its_id(desk: IntakeDesk) -> None:
    invoice = judged(desk, on_paper(**UNSURE))
    with desk.scope() as connection:
        assert find_review(connection, str(invoice)[-8:]) == invoice
        assert find_review(connection, str(invoice).upper()) == invoice
        for wrong in ("x", "12", "%%%%", "ffffffff"):
            with pytest.raises(ReviewError):
                find_review(connection, wrong)


def test_reasons_of_an_earlier_life_do_not_count(desk: IntakeDesk) -> None:
    invoice = judged(desk, on_paper("R-1", **UNSURE))
    desk.behind(
        "update intake.received_invoice set status = 'FAILED' where id = :id and organization_id = :organization",
        id=invoice,
    )
    with desk.scope() as connection:
        retry_failed(connection, [invoice])
        mark_parsed(connection, [(InvoiceVersion(invoice, 4), on_paper("R-1"))])
        assert list_reviews(connection) == []
        with pytest.raises(ReviewError, match="does not wait"):
            show_review(connection, invoice)


def test_one_decision_corrects_some_fields_and_confirms_others(desk: IntakeDesk) -> None:
    invoice = judged(desk, on_paper(number=0.5, issue_date=0.5))
    decided = correct(desk, invoice, number="R-2", issue_date=Confirmed())
    assert decided.status is Status.VALIDATED
    rows = desk.rows("select decision, field, act from intake.review_decision order by decision_number")
    assert [tuple(row) for row in rows] == [("corrected", "number", 1), ("accepted", "issue_date", 1)]
    assert take_back(desk, invoice).status is Status.PARSED
    assert codes(desk, invoice) == [("LOW_CONFIDENCE", "number"), ("LOW_CONFIDENCE", "issue_date")]


def test_only_a_doubt_is_confirmed(desk: IntakeDesk) -> None:
    invoice = judged(desk, on_paper(changes={"gross_amount": Decimal(120)}, number=0.5))
    with pytest.raises(WrongValues) as refused:
        correct(desk, invoice, currency=Confirmed(), net_amount=Confirmed())
    assert "is not in doubt" in refused.value.by_field["currency"]
    broken = look(desk, invoice).reasons[0].field or "gross_amount"
    with pytest.raises(WrongValues, match="IP-TOTAL-01 cannot be confirmed"):
        correct(desk, invoice, **{broken: Confirmed()})
    assert desk.rows("select * from intake.review_decision") == []


def test_what_would_come_of_a_correction_is_told_and_nothing_kept(desk: IntakeDesk) -> None:
    invoice = judged(desk, on_paper(changes={"gross_amount": Decimal("191.00"), "payable_amount": None}))
    before = look(desk, invoice)

    def told(**values: str) -> Any:
        corrections = {field: Typed(value) for field, value in values.items()}
        with desk.scope() as connection:
            return preview(connection, invoice, corrections, STANDARD, decided_by="Ada")

    assert told(gross_amount="119.00").status is Status.VALIDATED
    assert [reason.code for reason in told(gross_amount="118.00").reasons] == ["IP-TOTAL-01"]
    with pytest.raises(WrongValues):
        told(gross_amount="much")
    after = look(desk, invoice)
    assert (after.seen, after.values, after.violations) == (before.seen, before.values, before.violations)
    assert desk.rows("select * from intake.review_decision") == []
    assert desk.one("select count(*) from work.batch_item where kind = 'export_invoice'") == 0
    passed = judged(desk, on_paper())
    with desk.scope() as connection, pytest.raises(ReviewError, match="does not wait"):
        preview(connection, passed, {"number": Typed("1")}, STANDARD, decided_by="Ada")
