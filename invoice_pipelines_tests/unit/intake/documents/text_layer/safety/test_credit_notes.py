"""Credit notes are told from invoices, also where their title was misread or lost and something else says it; and their
number from that of the invoice that they belong to. Receipts that were paid by credit card are no credit notes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from random import Random

import pytest

from invoice_pipelines.intake.documents.text_layer import find_fields
from invoice_pipelines.intake.documents.text_layer.calibration import calibrated
from invoice_pipelines.intake.documents.text_layer.other_documents import CREDIT_NOTES
from invoice_pipelines.intake.reading import Reading
from invoice_pipelines.organizations import ReviewThresholds
from invoice_pipelines_tests.support.intake.documents.text_layer.drawing import page_of
from invoice_pipelines_tests.support.sizes import size

OWN, ORIGINAL = "2024-0815", "RE20230042"
# By language: seller, titles, words for its own number, words for the number of the invoice, date, amounts.
WORDINGS = {
    "de": (
        "Elektro Weber GmbH",
        ["Gutschrift", "Stornorechnung", "Rechnungskorrektur", "Kaufmännische Gutschrift"],
        ["Gutschriftsnummer", "Nummer", "Storno-Nr."],
        ["zu Rechnung Nr. {} vom 02.01.2024", "Ursprungsrechnung: {}", "Rechnungsnummer: {}"],
        "Rechnungsdatum 17.02.2024",
        ("Nettobetrag", "MwSt. 19 %", "Gesamtbetrag"),
    ),
    "en": (
        "Webster Electrical Ltd",
        ["Credit Note", "CREDIT MEMO", "Sales Credit Note", "Credit Note No."],
        ["Credit Note Number", "Number", "Document No."],
        ["Original invoice: {}", "Against invoice {}", "Invoice No.: {}"],
        "Date of issue 17 February 2024",
        ("Subtotal", "VAT 20%", "Total"),
    ),
    "fr": (
        "Dupont Électricité SARL",
        ["Avoir", "Note de crédit", "Facture d'avoir"],
        ["Avoir n°", "Numéro", "N° document"],
        ["Facture d'origine {}", "sur facture n° {}", "Facture n° {}"],
        "Date de facture 17/02/2024",
        ("Total HT", "TVA 20 %", "Total TTC"),
    ),
    "it": (
        "Bianchi Impianti S.r.l.",
        ["Nota di credito", "NOTA DI CREDITO", "Nota di accredito"],
        ["Nota di credito n.", "Numero"],
        ["Rif. fattura n. {}", "Storno fattura {}", "Fattura n. {}"],
        "Data fattura 17/02/2024",
        ("Imponibile", "IVA 22%", "Totale"),
    ),
    "nl": (
        "Van Dijk Techniek B.V.",
        ["Creditnota", "Creditfactuur", "CREDITNOTA"],
        ["Creditnota nr.", "Nummer"],
        ["Oorspronkelijke factuur {}", "betreft factuur {}", "Factuurnummer {}"],
        "Factuurdatum 17-02-2024",
        ("Subtotaal", "BTW 21%", "Totaal"),
    ),
}
RATES = {"de": 19, "en": 20, "fr": 20, "it": 22, "nl": 21}


def read(rows: Sequence[tuple[str, Decimal | None]], *, recognized: bool = False) -> Reading:
    page = page_of(rows, right=500)
    return calibrated(find_fields([replace(page, engine="rapidocr" if recognized else None)]))


def credit_note(rng: Random, title: str | None, language: str, original: str) -> list[tuple[str, Decimal | None]]:
    seller, _, own, _, issued, names = WORDINGS[language]
    net = Decimal(rng.randrange(1000, 300_000)) / 100
    tax = (net * RATES[language] / 100).quantize(Decimal("0.01"))
    sign = rng.choice([1, 1, -1])
    head = [seller, "12 High Street", "Buyer Ltd", "1 Market Road"]
    head += [title] if title else []
    rows: list[tuple[str, Decimal | None]] = [(text, None) for text in (*head, f"{rng.choice(own)} {OWN}", issued)]
    rows += [(original.format(ORIGINAL), None), ("Service", sign * net)]
    return rows + [(name, sign * amount) for name, amount in zip(names, (net, tax, net + tax), strict=True)]


def is_told(reading: Reading) -> bool:
    """Whether it is known, or a person is asked."""
    below_zero = reading.gross_amount is not None and reading.gross_amount < 0
    return reading.type_code in CREDIT_NOTES or below_zero or bool(reading.discrepancies)


def takes_the_original_for_its_own(reading: Reading) -> bool:
    if reading.number != ORIGINAL or reading.discrepancies:
        return False
    return reading.provenance["number"].confidence >= ReviewThresholds().number


@pytest.mark.parametrize("language", WORDINGS)
def test_credit_notes_are_told_with_their_own_number(language: str) -> None:
    wrong = []
    for seed in range(size(20, 500)):
        rng = Random(f"{language} {seed}")
        _, titles, _, originals, *_ = WORDINGS[language]
        reading = read(credit_note(rng, rng.choice(titles), language, rng.choice(originals)))
        if not is_told(reading) or takes_the_original_for_its_own(reading):
            wrong.append((seed, reading.type_code, reading.number))
    assert wrong == []


@pytest.mark.parametrize("language", WORDINGS)
def test_a_misread_title_or_none_at_all_is_made_up_for_by_the_invoice_it_belongs_to(language: str) -> None:
    wrong = []
    for seed in range(size(20, 500)):
        rng = Random(f"{language} {seed}")
        _, titles, _, originals, *_ = WORDINGS[language]
        title = list(rng.choice(titles))
        title[rng.randrange(len(title))] = rng.choice("xqE")
        shown = rng.choice(["".join(title), None])
        reading = read(credit_note(rng, shown, language, rng.choice(originals[:2])), recognized=True)
        if not is_told(reading):
            wrong.append((seed, shown, reading.type_code, reading.number))
    assert wrong == []


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param([("Credit Card", Decimal("12.00")), ("Approved", None)], id="how it was paid"),
        pytest.param([("Debit/Credit Card Sale", None), ("Total", Decimal("12.00"))], id="the slip of a card"),
        pytest.param([("Credit", Decimal("12.00"))], id="a line of payment"),
        pytest.param([("Store Credit", Decimal("0.00"))], id="a balance"),
        pytest.param([("No refunds. Credit notes within 14 days.", None)], id="terms"),
    ],
)
def test_a_receipt_is_no_credit_note(rows: list[tuple[str, Decimal | None]]) -> None:
    head: list[tuple[str, Decimal | None]] = [("FIVE CORNERS BURGERS", None), ("2 July 2022 12:33", None)]
    reading = read([*head, ("Burger", Decimal("12.00")), ("Total", Decimal("12.00")), *rows], recognized=True)
    assert reading.type_code not in CREDIT_NOTES
    assert reading.discrepancies == ()


def test_a_ticket_that_tells_of_cancellation_is_none() -> None:
    terms = "Storno ab dem 1. Geltungstag ausgeschlossen, zuvor gegen Gebühr."
    reading = read([("Online-Ticket", None), (terms, None), ("Rechnung Nr. 4711", None), ("Summe", Decimal("89.50"))])
    assert reading.type_code == "380"


def test_a_total_that_is_credited_asks_a_person() -> None:
    rows = [("Weber GmbH", None), ("Nummer 4711", None), ("Datum 17.02.2024", None)]
    reading = read([*rows, ("Gutschriftsbetrag", Decimal("119.00"))])
    (found,) = reading.discrepancies
    assert found.message == "It may be a credit note: it says 'Gutschriftsbetrag', and its title does not."
