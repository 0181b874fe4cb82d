"""Simplified invoices whose seller is not sure: they pass without it, and the same receipt does not pass twice."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from invoice_pipelines.einvoice.model import Party
from invoice_pipelines.intake.documents import Aids, read_document
from invoice_pipelines.intake.documents.recipient import Recipient
from invoice_pipelines.intake.exports.formats import choose_validated
from invoice_pipelines.intake.lists import Sought, list_received
from invoice_pipelines.intake.reading import Provenance, Reading
from invoice_pipelines.intake.review.decisions import Confirmed, ask_for_seller
from invoice_pipelines.intake.review.errors import ReviewError
from invoice_pipelines.intake.review.reasons import Judgement
from invoice_pipelines.intake.review.show import show_document
from invoice_pipelines.intake.stages.judging import judge_reading
from invoice_pipelines.intake.stages.stages import export_invoices, validate_invoices
from invoice_pipelines.intake.stages.validating import judge_parsed
from invoice_pipelines.intake.validation.content import Expectations
from invoice_pipelines_tests.integration.intake.conftest import IntakeDesk
from invoice_pipelines_tests.support.intake.documents.text_layer.drawing import draw
from invoice_pipelines_tests.support.intake.review.lane import (
    STANDARD,
    accept,
    codes,
    correct,
    judged,
    on_paper,
    take_back,
)
from invoice_pipelines_tests.support.intake.validation.specimens import UBL
from invoice_pipelines_tests.support.waiting import wait_for_blocked

CAFE = Party(name="Café Pendel")
MISREAD = Party(name="Cafe Pendol")
E_INVOICE = read_document(UBL.encode(), "invoice.xml")


def receipt(number: str | None = "0381", seller: Party = CAFE, *, sure: bool = False, **changes: Any) -> Reading:
    """Paid, over 119.00 EUR, to nobody by name; sure of all but who the seller is."""
    confidence = 0.99 if sure else 0.7
    reading = on_paper(seller_name=confidence, seller_vat_id=confidence)
    return replace(reading, **{"number": number, "seller": seller, "due_date": None, "buyer": Party(), **changes})


def unsure_number(reading: Reading) -> Reading:
    return replace(
        reading, provenance={**reading.provenance, "number": replace(reading.provenance["number"], confidence=0.6)}
    )


def row(desk: IntakeDesk, invoice_id: UUID) -> Any:
    (found,) = desk.rows("select * from intake.received_invoice where id = :id", id=invoice_id)
    return found


def status(desk: IntakeDesk, reading: Reading) -> str:
    return str(row(desk, judged(desk, reading)).status)


def remarks(desk: IntakeDesk, invoice_id: UUID) -> dict[str, str]:
    rows = desk.rows(
        "select rule, location, message from public.invoice_violations where received_invoice_id = :id", id=invoice_id
    )
    return {one.location: one.message for one in rows if one.rule == "IP-READ-02"}


def test_a_receipt_passes_without_its_unsure_seller_and_says_so(desk: IntakeDesk) -> None:
    invoice = judged(desk, receipt(seller=Party(name="Café Pendel", vat_id="DE136695977", tax_id="123/456/78901")))
    found = row(desk, invoice)
    assert found.status == "VALIDATED"
    assert (found.seller_name, found.seller_vat_id, found.seller_tax_id) == (None, None, None)
    assert found.unconfirmed_seller == "Café Pendel"
    assert found.invoice_number == "0381"
    assert "Pendel" not in str(found.reading_json.get("seller"))
    told = remarks(desk, invoice)
    assert set(told) == {"seller.name", "seller.vat_id"}
    assert "Café Pendel was read with confidence 0.70, below 0.80" in told["seller.name"]
    assert "§ 33 UStDV" in told["seller.name"]
    assert "left out" in told["seller.name"]
    assert desk.rows("select from intake.supplier_teaching") == []


def test_what_is_sure_of_a_seller_is_kept(desk: IntakeDesk) -> None:
    named = receipt(seller=Party(name="Café Pendel", vat_id="DE136695977"))
    named = replace(
        named, provenance={**named.provenance, "seller.name": replace(named.provenance["seller.name"], confidence=0.9)}
    )
    found = row(desk, judged(desk, named))
    assert (found.status, found.seller_name, found.seller_vat_id) == ("VALIDATED", "Café Pendel", None)
    known = receipt("0382", Party(name="Room Number", vat_id="DE136695976"), gross_amount=Decimal(107))
    known = receipt("0382", Party(name="Room Number", vat_id="DE136695976"), issue_date=date(2026, 3, 9))
    known = replace(
        known,
        provenance={**known.provenance, "seller.vat_id": replace(known.provenance["seller.vat_id"], confidence=0.99)},
    )
    found = row(desk, judged(desk, known))
    assert (found.status, found.seller_name, found.seller_vat_id) == ("VALIDATED", None, "DE136695976")


UNTAXED: dict[str, Any] = {"net_amount": None, "tax_amount": None, "tax_breakdowns": ()}
TO_BE_ASKED = {
    "names a buyer, which may be the seller": {"buyer": Party(name="Desk")},
    "names a buyer by VAT id": {"buyer": Party(vat_id="DE129273398")},
    "is to be paid": {"due_date": date(2026, 3, 31)},
    "takes money back": {"type_code": "381"},
    "above the limit": {**UNTAXED, "gross_amount": Decimal("250.01"), "payable_amount": Decimal("250.01")},
    "no currency": {"currency": None},
    "no seller read at all": {"seller": Party()},
}  # fmt: skip


@pytest.mark.parametrize("changes", TO_BE_ASKED.values(), ids=TO_BE_ASKED.keys())
def test_who_made_it_is_asked_for_where_it_matters(desk: IntakeDesk, changes: dict[str, Any]) -> None:
    invoice = judged(desk, receipt(**changes))
    assert ("seller.name") in {field for _, field in codes(desk, invoice)}


def test_a_vat_id_in_doubt_does_not_make_a_total_a_small_one(desk: IntakeDesk) -> None:
    total = {"gross_amount": Decimal("357.00"), "payable_amount": Decimal("357.00")}
    austrian = receipt(seller=Party(name="Café Pendel", vat_id="ATU13585627"), **UNTAXED, **total)
    assert row(desk, judged(desk, austrian)).status == "PARSED"


def test_an_organization_that_asks_for_each_seller_sees_it(desk: IntakeDesk) -> None:
    invoice = judged(desk, receipt(), replace(STANDARD, asks_for_sellers=True))
    assert codes(desk, invoice) == [("LOW_CONFIDENCE", "seller.name")]


def test_what_waits_for_something_else_waits_for_its_seller_too_and_keeps_it_once_it_is_seen(desk: IntakeDesk) -> None:
    unsure = receipt()
    places = {**unsure.provenance, "issue_date": replace(unsure.provenance["issue_date"], confidence=0.3)}
    invoice = judged(desk, replace(unsure, provenance=places))
    assert {field for _, field in codes(desk, invoice)} == {"issue_date", "seller.name"}
    assert remarks(desk, invoice) == {}
    assert accept(desk, invoice).status == "VALIDATED"
    assert row(desk, invoice).seller_name == "Café Pendel"
    assert row(desk, invoice).unconfirmed_seller is None


def test_a_decision_that_leaves_the_seller_in_doubt_leaves_it_out_and_undone_it_is_there_again(
    desk: IntakeDesk,
) -> None:
    unsure = receipt()
    places = {**unsure.provenance, "issue_date": replace(unsure.provenance["issue_date"], confidence=0.3)}
    invoice = judged(desk, replace(unsure, provenance=places))
    assert correct(desk, invoice, issue_date=Confirmed()).status == "VALIDATED"
    assert row(desk, invoice).seller_name is None
    take_back(desk, invoice)
    assert row(desk, invoice).seller_name == "Café Pendel"
    assert row(desk, invoice).unconfirmed_seller is None


SAME = {
    "read alike": (receipt(), receipt()),
    "without numbers": (receipt(None), receipt(None)),
    "numbers left out": (unsure_number(receipt("0381")), unsure_number(receipt("0318"))),
    "seller misread": (receipt(), receipt(seller=MISREAD)),
    "seller misread, without numbers": (receipt(None), receipt(None, MISREAD)),
    "once without its number": (receipt(), receipt(None, MISREAD)),
    "once the number left out": (receipt(), unsure_number(receipt("0318", MISREAD))),
    "once the seller is sure": (receipt(), receipt(seller=Party(name="Café Pendel", vat_id="DE136695976"), sure=True)),
    "once all is sure, once nothing": (unsure_number(receipt("0318", MISREAD)), receipt(seller=CAFE, sure=True)),
    "once by its VAT id only": (
        receipt(seller=Party(vat_id="DE136695977")),
        receipt(None, Party(name="Café Pendel", vat_id="DE136695976"), sure=True),
    ),
    "once as an e-invoice": (receipt(None), E_INVOICE),
    "once as an e-invoice with its number": (receipt(E_INVOICE.number), E_INVOICE),
}  # fmt: skip


@pytest.mark.parametrize("turned", [False, True], ids=["", "turned"])
@pytest.mark.parametrize("pair", SAME.values(), ids=SAME.keys())
def test_the_same_receipt_does_not_pass_twice(desk: IntakeDesk, pair: tuple[Reading, Reading], turned: bool) -> None:
    first, second = reversed(pair) if turned else pair
    assert status(desk, first) == "VALIDATED"
    again = judged(desk, second)
    assert row(desk, again).status == "PARSED"
    assert {code for code, _ in codes(desk, again)} & {"IP-DUP-01", "IP-DUP-06"}


@pytest.mark.parametrize("turned", [False, True], ids=["", "turned"])
@pytest.mark.parametrize("pair", SAME.values(), ids=SAME.keys())
def test_nor_does_it_where_both_are_validated_together(
    desk: IntakeDesk, pair: tuple[Reading, Reading], turned: bool
) -> None:
    invoices = [desk.parsed(reading).id for reading in (reversed(pair) if turned else pair)]
    with desk.scope() as connection:
        judge_parsed(connection, invoices[::-1], STANDARD)
    assert [row(desk, invoice).status for invoice in invoices] == ["VALIDATED", "PARSED"]


def test_two_workers_at_once_pass_one_of_them(desk: IntakeDesk) -> None:
    first, second = unsure_number(receipt("0381")), unsure_number(receipt("0318", MISREAD))
    invoices = [desk.parsed(first).id]

    def validate_second() -> None:
        with desk.scope() as connection:
            judge_parsed(connection, invoices[1:], STANDARD)

    with desk.scope() as connection:
        judge_parsed(connection, invoices, STANDARD)
        invoices.append(desk.parsed(second).id)
        worker = threading.Thread(target=validate_second)
        worker.start()
        # Other totals, and what is sure of the same total, do not wait for this transaction.
        assert (
            status(
                desk,
                receipt(
                    "77",
                    gross_amount=Decimal(107),
                    payable_amount=Decimal(107),
                    net_amount=Decimal(100),
                    tax_amount=Decimal(7),
                    tax_breakdowns=(),
                ),
            )
            == "VALIDATED"
        )
        wait_for_blocked(connection)
    worker.join(timeout=30)
    assert [row(desk, invoice).status for invoice in invoices] == ["VALIDATED", "PARSED"]


def test_other_receipts_of_the_day_pass(desk: IntakeDesk) -> None:
    assert status(desk, receipt("0381")) == "VALIDATED"
    assert status(desk, receipt("0382")) == "VALIDATED"  # another number, and both are sure
    assert status(desk, receipt("0381", Party(name="Bäckerei Kamps"), issue_date=date(2026, 3, 2))) == "VALIDATED"
    assert status(desk, receipt(None, issue_date=date(2026, 3, 3))) == "VALIDATED"


def test_the_same_number_of_what_may_be_the_same_seller_on_another_day_is_for_a_person(desk: IntakeDesk) -> None:
    assert status(desk, receipt("17")) == "VALIDATED"
    later = judged(desk, receipt("17", issue_date=date(2026, 3, 20)))
    assert ("IP-DUP-01", "number") in codes(desk, later)
    # Tills begin anew each day: that can be accepted, while of a sure seller it is the same invoice.
    assert accept(desk, later).status == "VALIDATED"
    surely = judged(desk, receipt("17", sure=True, issue_date=date(2026, 3, 25)))
    assert row(desk, surely).status == "FAILED"


def test_a_surely_read_invoice_does_not_fail_as_the_duplicate_of_a_seller_in_doubt(desk: IntakeDesk) -> None:
    assert status(desk, receipt("17")) == "VALIDATED"
    assert status(desk, receipt("17", sure=True, issue_date=date(2026, 3, 25))) == "PARSED"


def test_places_of_what_is_left_out_are_kept_with_it(desk: IntakeDesk) -> None:
    seen = receipt()
    box = (10.0, 20.0, 90.0, 32.0)
    place = replace(seen.provenance["seller.name"], page=1, box=box, text="CAFÉ PENDEL")
    stored = row(desk, judged(desk, replace(seen, provenance={**seen.provenance, "seller.name": place}))).reading_json
    assert stored["withheld"]["seller.name"]["value"] == "Café Pendel"
    assert tuple(stored["withheld"]["seller.name"]["place"]["box"]) == box
    assert "seller.name" not in stored["provenance"]
    assert Provenance(**{**stored["withheld"]["seller.name"]["place"], "box": box}).text == "CAFÉ PENDEL"


@pytest.mark.parametrize(
    "written",
    [
        "Desk Möbelwerkstatt GmbH",
        "Desk Möbelwerkstatt GmbH, Grimmaische Straße 14, 04109 Leipzig",
        "Mit freundlichen Grüßen, DESK MÖBELWERKSTATT GmbH",
        "USt-IdNr. DE 811 569 869",
        "Steuernummer 231/123/45678",
    ],
)
def test_paper_that_names_the_organization_may_be_its_own_invoice(written: str) -> None:
    recipient = Recipient.of("Desk Möbelwerkstatt GmbH", "DE811569869", "231/123/45678", None, country="DE")
    lines = ["Kasse 3", "Grimmaische Straße 14", "04109 Leipzig", "Kassenbon", "Datum: 02.03.2026 17:27"]
    lines += ["SUMME EUR 11,90", "19 % MwSt. EUR 1,90", "Vielen Dank für Ihren Einkauf"]

    def judgement(*more: str) -> Judgement:
        page = draw([(50, 50 + 16 * at, line) for at, line in enumerate([*lines, *more])])
        reading = read_document(page, "receipt.pdf", aids=Aids(recipient=recipient))
        return judge_reading(reading, Expectations(date(2026, 5, 1), country="DE"), STANDARD).judgement

    assert judgement() is Judgement.VALID
    assert judgement(written) is Judgement.NEEDS_REVIEW


def test_what_is_left_out_is_found_and_shown_as_not_confirmed(desk: IntakeDesk) -> None:
    invoice = judged(desk, receipt())
    judged(desk, receipt("0382", Party(name="Kamps"), issue_date=date(2026, 3, 9)))
    with desk.scope() as connection:
        for sought in (Sought(seller="pendel"), Sought(words="PENDEL")):
            (found,) = list_received(connection, sought, after=None, limit=5)
            assert (found.id, found.seller_name, found.unconfirmed_seller) == (invoice, None, "Café Pendel")
        shown = {value.field: value for value in show_document(connection, invoice).values}
    assert (shown["seller.name"].value, shown["seller.name"].unconfirmed) == (None, "Café Pendel")
    place = shown["seller.name"].place
    assert place is not None
    assert place.confidence == 0.7


@pytest.mark.parametrize("exported", [False, True])
def test_a_seller_that_was_left_out_can_be_named_afterwards(desk: IntakeDesk, exported: bool) -> None:
    invoice = judged(desk, receipt())
    if exported:
        export_invoices(desk.intake())
    with desk.scope() as connection:
        asked = ask_for_seller(connection, invoice, STANDARD, decided_by="Ada")
    assert [(reason.code, reason.field) for reason in asked.reasons] == [("LOW_CONFIDENCE", "seller.name")]
    assert row(desk, invoice).seller_name == "Café Pendel"
    validate_invoices(desk.intake())  # what the queue still holds does not let it pass
    assert row(desk, invoice).status == "PARSED"
    assert correct(desk, invoice, seller__name="Café Pendel GmbH").status == "VALIDATED"
    (export,) = export_invoices(desk.intake()).exports
    assert "Café Pendel GmbH".encode() in (desk.folder / "exports" / export.files[0].path).read_bytes()
    assert (row(desk, invoice).status, row(desk, invoice).unconfirmed_seller) == ("EXPORTED", None)
    with desk.scope() as connection, pytest.raises(ReviewError, match="already known"):
        ask_for_seller(connection, invoice, STANDARD, decided_by="Ada")


def test_who_is_asked_for_is_not_undone_into_nothing(desk: IntakeDesk) -> None:
    invoice = judged(desk, receipt())
    with desk.scope() as connection:
        ask_for_seller(connection, invoice, STANDARD, decided_by="Ada")
    accept(desk, invoice)
    assert take_back(desk, invoice).status == "PARSED"
    assert codes(desk, invoice) == [("LOW_CONFIDENCE", "seller.name")]


def test_what_an_export_holds_is_not_asked_for(desk: IntakeDesk) -> None:
    invoice = judged(desk, receipt())
    with desk.scope() as connection:
        assert choose_validated(connection, "CSV", [invoice], "test")
    with desk.scope() as connection, pytest.raises(ReviewError, match="export that has begun"):
        ask_for_seller(connection, invoice, STANDARD, decided_by="Ada")


def test_what_is_left_out_is_in_no_export(desk: IntakeDesk) -> None:
    judged(desk, receipt())
    (export,) = export_invoices(desk.intake()).exports
    written = [(desk.folder / "exports" / file.path).read_bytes() for file in export.files]
    assert b"0381" in written[0]
    assert not any(b"Pendel" in data for data in written)
