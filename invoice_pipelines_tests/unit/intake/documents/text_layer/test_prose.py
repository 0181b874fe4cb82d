"""Texts that speak of invoices are not invoices; invoices with long conditions are."""

from __future__ import annotations

import pytest

from invoice_pipelines.einvoice.errors import ReadingError
from invoice_pipelines.intake.documents import read_document
from invoice_pipelines.intake.reading import Source
from invoice_pipelines_tests.conftest import CORPUS, PROJECT
from invoice_pipelines_tests.support.intake.documents.text_layer.drawing import draw

SPECIFICATION = (
    "BT-1 Invoice number: a unique identification of the invoice.",
    "The seller must give the invoice number BT-1 and the issue date 31.03.2025 of the invoice.",
    "An invoice total with VAT (BT-112) is the sum of BT-109 and BT-110.",
    "The buyer checks that the seller named in BG-4 is the one that delivered, and may reject the invoice.",
)
INVOICE = (
    "Rechnung",
    "Rechnungsnummer: RE-2025-77",
    "Rechnungsdatum: 31.03.2025",
    "Nettobetrag 100,00 EUR",
    "Umsatzsteuer 19 % 19,00 EUR",
    "Gesamtbetrag 119,00 EUR",
)
CONDITIONS = (
    "Für alle Lieferungen gelten ausschließlich unsere Allgemeinen Geschäftsbedingungen in der neuesten Fassung,",
    "auch wenn der Käufer eigene verwendet und wir ihnen nicht ausdrücklich widersprechen. Gerichtsstand ist Bremen.",
)


def page(lines: list[str]) -> list[tuple[float, float, str]]:
    return [(40, 40 + 12 * number, line) for number, line in enumerate(lines)]


@pytest.mark.parametrize("pages", [1, 12])
def test_a_specification_is_refused_with_the_reason(pages: int) -> None:
    text = page(
        [line for number in range(12) for line in (f"{number}. Semantics, version 1.{number:02}", *SPECIFICATION)]
    )
    with pytest.raises(ReadingError) as error:
        read_document(draw(*[text] * pages))
    assert error.value.code == "NOT_AN_INVOICE"
    assert "is a text, not an invoice" in error.value.message


def test_the_manual_of_this_project_is_refused() -> None:
    lines = (PROJECT / "docs" / "validation.md").read_text(encoding="utf-8").splitlines()[:600]  # ten pages
    pages = [page([line[:110] for line in lines[start : start + 60]]) for start in range(0, len(lines), 60)]
    with pytest.raises(ReadingError, match="is a text, not an invoice"):
        read_document(draw(*pages))


@pytest.mark.parametrize("pages", [1, 3])
def test_an_invoice_with_long_conditions_is_read(pages: int) -> None:
    reading = read_document(draw(page(list(INVOICE)), *[page([*CONDITIONS] * 25)] * pages))
    assert (reading.number, str(reading.gross_amount)) == ("RE-2025-77", "119.00")


@pytest.mark.corpus
@pytest.mark.skipif(not CORPUS.exists(), reason="the shared corpus of real documents is not there")
@pytest.mark.parametrize("name", ["de_2024_dm_*", "nl_2019_restaurant_mcdonalds_*", "uk_2019_misc*_slateford_*"])
def test_a_scanned_receipt_with_few_amounts_in_its_hidden_text_is_not_refused(name: str) -> None:
    receipt = next((CORPUS.parent / "receipts").rglob(f"{name}.pdf"))
    assert read_document(receipt.read_bytes()).source == Source.TEXT
