"""Where the XML of a hybrid PDF and its pages differ, the XML leads and the reading says so."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from invoice_pipelines.einvoice.model import Party, Payment, PaymentAccount
from invoice_pipelines.intake.documents import read_document
from invoice_pipelines.intake.documents.hybrid import differences_of_pages, texts_of_pages
from invoice_pipelines.intake.documents.limits import Limits
from invoice_pipelines.intake.reading import Format, Reading, Source
from invoice_pipelines_tests.conftest import CORPUS
from invoice_pipelines_tests.support.intake.documents.text_layer.drawing import draw
from invoice_pipelines_tests.unit.intake.documents.text_layer import layouts

XML = Reading(source=Source.XML, format=Format.CII)
AS_PRINTED = replace(
    XML,
    number="RE-2024-0815",
    issue_date=date(2024, 3, 15),
    currency="EUR",
    net_amount=Decimal("262.5"),
    tax_amount=Decimal("49.88"),
    gross_amount=Decimal("312.38"),
    seller=Party(name="Nordlicht Energie GmbH", vat_id="DE136695976"),
    payments=(Payment(accounts=(PaymentAccount("DE02120300000000202051"),)),),
)


def warnings(reading: Reading, data: bytes = layouts.GERMAN_LABELS_LEFT) -> tuple[str, ...]:
    with texts_of_pages(data) as texts:
        return tuple(found.message for found in differences_of_pages(data, reading, texts, Limits()))


def test_what_is_printed_as_the_xml_says_is_no_difference() -> None:
    assert warnings(AS_PRINTED) == ()


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"number": "RE-2024-0816"}, "invoice number is RE-2024-0816, but the page shows RE-2024-0815"),
        ({"issue_date": date(2024, 3, 16)}, "issue date is 2024-03-16, but the page shows 2024-03-15"),
        ({"gross_amount": Decimal("412.38")}, "total with VAT is 412.38, but the page shows 312.38"),
        ({"net_amount": Decimal("362.50")}, "net amount is 362.50, but the page shows 262.50"),
        ({"tax_amount": Decimal("18.38")}, "VAT amount is 18.38, but the page shows 49.88"),
        ({"seller": Party(vat_id="DE811569869")}, "seller's VAT id is DE811569869, but the page shows DE136695976"),
        (
            {"payments": (Payment(accounts=(PaymentAccount("DE89370400440532013000"),)),)},
            "IBAN is DE89370400440532013000, but the page shows DE02120300000000202051",
        ),
    ],
)
def test_a_difference_is_a_warning_that_names_both_values(other: dict[str, object], words: str) -> None:
    (warning,) = warnings(replace(AS_PRINTED, **other))
    assert words in warning
    assert warning.startswith("The XML leads")


def test_a_difference_is_told_in_german_with_german_amounts_and_dates() -> None:
    other = replace(AS_PRINTED, gross_amount=Decimal("12829.69"), issue_date=date(2024, 3, 16))
    with texts_of_pages(layouts.GERMAN_LABELS_LEFT) as texts:
        found = differences_of_pages(layouts.GERMAN_LABELS_LEFT, other, texts, Limits())
    german = " ".join(difference.message_de for difference in found)
    assert "12.829,69, auf der Seite steht 312,38" in german
    assert "16.03.2024, auf der Seite steht 15.03.2024" in german


@pytest.mark.parametrize(
    ("printed", "payable", "remarks"),
    [
        ("Wir berechnen EUR 529,87 wie besprochen.", None, 1),
        ("Noch zu zahlen: EUR 529,87 bis zum Monatsende.", Decimal("529.87"), 0),
    ],
)
def test_a_total_that_no_page_shows_is_a_difference_unless_the_amount_due_is_printed(
    printed: str, payable: Decimal | None, remarks: int
) -> None:
    page = draw([(40, 100, "Rechnung RE-7"), (40, 130, f"vielen Dank. {printed}")])
    reading = replace(XML, number="RE-7", gross_amount=Decimal("12829.69"), payable_amount=payable)
    found = warnings(reading, page)
    assert len(found) == remarks
    assert all("total with VAT is 12829.69, but no page shows that amount" in message for message in found)


def test_what_only_the_xml_has_is_no_difference() -> None:
    letter = draw([(60, 60, "Anlage zu unserer elektronischen Rechnung, siehe dort. Vielen Dank für Ihren Auftrag.")])
    assert warnings(AS_PRINTED, letter) == ()


def test_a_credit_note_may_be_printed_with_or_without_a_sign() -> None:
    assert warnings(replace(XML, gross_amount=Decimal("120.00"), number="CN-77"), layouts.CREDIT_NOTE) == ()


@pytest.mark.parametrize("data", [b"", b"%PDF-1.4 broken", draw([])])
def test_a_picture_that_cannot_be_read_says_nothing(data: bytes) -> None:
    assert warnings(AS_PRINTED, data) == ()


@pytest.mark.corpus
@pytest.mark.skipif(not CORPUS.exists(), reason="the shared corpus of real documents is not there")
def test_the_official_examples_show_what_their_xml_says_and_older_files_do_not() -> None:
    official = sorted((CORPUS / "zugferd-2.4").rglob("*.pdf"))
    assert official
    for path in official:
        assert read_document(path.read_bytes()).discrepancies == (), path
    (path,) = (CORPUS / "zugferd-corpus").rglob("MustangGnuaccountingBeispielRE-20150613_503.pdf")
    reading = read_document(path.read_bytes())
    assert reading.gross_amount == Decimal("571.04")
    assert any(
        "total with VAT is 571.04, but the page shows 406.82" in found.message for found in reading.discrepancies
    )
