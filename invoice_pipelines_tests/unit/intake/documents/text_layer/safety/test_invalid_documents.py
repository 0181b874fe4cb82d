"""Drafts, cancelled invoices, specimens and what says that it is no invoice wait, though they are titled as one; an
invoice on which such words stand in a sentence or beside an amount is one.
"""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO

import pytest
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

from invoice_pipelines.intake.documents.text_layer import find_fields, read_text_layer
from invoice_pipelines.intake.documents.text_layer.page.words import Page
from invoice_pipelines_tests.support.intake.documents.text_layer.drawing import words_of
from invoice_pipelines_tests.support.sizes import size
from invoice_pipelines_tests.unit.intake.documents.text_layer.random_invoices import invoice, receipt
from invoice_pipelines_tests.unit.intake.documents.text_layer.wordings import WORDINGS

SAID = {
    "de": "ENTWURF; Rechnungsentwurf; STORNIERT; Storniert am 20.02.2024; Dies ist keine Rechnung; Keine Rechnung im "
    "Sinne des UStG; Vorläufige Rechnung; Berechtigt nicht zum Vorsteuerabzug.",
    "en": "DRAFT; VOID; CANCELLED; Cancelled on 2024-02-20; Provisional invoice; This is not a VAT invoice; "
    "Please note: this is not a tax invoice.; SPECIMEN",
    "fr": "BROUILLON; PROJET DE FACTURE; ANNULÉE; Ceci n'est pas une facture; Ce document ne vaut pas facture.",
    "es": "BORRADOR; ANULADA; Factura provisional; Esto no es una factura",
    "it": "BOZZA; Annullata; Questa non è una fattura; FAC SIMILE",
    "nl": "CONCEPT; Voorlopige factuur; Geannuleerd; Dit is geen factuur",
    "pl": "Projekt faktury; ANULOWANO; To nie jest faktura",
    "cs": "KONCEPT; Stornováno; Toto není daňový doklad",
}
HARMLESS = {
    "de": "KOPIE; Bezahlt; Entwurf Logo 3 250,00; Der Auftrag kann bis morgen storniert werden.; Ungültig ohne Stempel",
    "en": "COPY; PAID; Draft of a contract 2 250.00; Orders may be cancelled within 14 days.; VOID -3.50",
    "fr": "DUPLICATA; PAYÉE; La commande peut être annulée; Brouillon de contrat 2 250,00",
}


def with_line(page: Page, text: str, top: float) -> list[Page]:
    return [replace(page, words=(*page.words, *words_of(text, 60, top)))]


@pytest.mark.parametrize(("language", "said"), [(one, text) for one, all_ in SAID.items() for text in all_.split("; ")])
def test_a_paper_that_says_it_is_no_valid_invoice_waits(language: str, said: str) -> None:
    for seed in range(size(1, 20)):
        page = invoice(language, seed).pages[0]
        lowest = max(word.box[3] for word in page.words)
        for top in (10.0, lowest + 14):
            (found,) = find_fields(with_line(page, said, top)).discrepancies
            assert found.message.startswith("It may not be a valid invoice"), found
            assert found.message_de.startswith("Der Beleg ist vielleicht keine gültige Rechnung")


@pytest.mark.parametrize("language", HARMLESS)
def test_an_invoice_that_uses_such_words_is_one(language: str) -> None:
    for seed in range(size(3, 50)):
        page = invoice(language, seed).pages[0]
        lowest = max(word.box[3] for word in page.words)
        for text in HARMLESS[language].split("; "):
            assert find_fields(with_line(page, text, lowest + 14)).discrepancies == (), text


def test_no_made_up_document_is_taken_for_invalid() -> None:
    for seed in range(size(2, 100)):
        assert find_fields(receipt(seed).pages).discrepancies == ()
        for language in WORDINGS:
            assert find_fields(invoice(language, seed).pages).discrepancies == ()


@pytest.mark.parametrize(("mark", "is_invalid"), [("ENTWURF", True), ("STORNIERT", True), ("KOPIE", False)])
def test_a_mark_across_the_page_is_read(mark: str, is_invalid: bool) -> None:
    buffer = BytesIO()
    canvas = Canvas(buffer, pagesize=A4)
    for number, text in enumerate(
        [
            "Elektro Weber GmbH",
            "Rechnung",
            "Rechnungsnummer: 2024-0815",
            "Rechnungsdatum: 17.02.2024",
            "Nettobetrag 100,00 EUR",
            "MwSt. 19 % 19,00 EUR",
            "Gesamtbetrag 119,00 EUR",
        ]
    ):
        canvas.drawString(60, 780 - 20 * number, text)
    canvas.translate(150, 300)
    canvas.rotate(45)
    canvas.setFont("Helvetica", 60)
    canvas.drawString(0, 0, mark)
    canvas.save()
    reading = read_text_layer(buffer.getvalue())
    assert (reading.number, str(reading.gross_amount)) == ("2024-0815", "119.00")
    assert bool(reading.discrepancies) == is_invalid
    assert all(mark in found.message for found in reading.discrepancies)
