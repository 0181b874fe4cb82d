"""What stands below a total and makes another one of it, under words that no vocabulary has: deposits, outlays, what is
withheld. Neither the total nor the amount to pay passes as if it were not there; a discount for early payment does.
"""

from __future__ import annotations

from decimal import Decimal
from random import Random

import pytest

from invoice_pipelines.intake.documents.text_layer import find_fields
from invoice_pipelines.intake.documents.text_layer.calibration import calibrated
from invoice_pipelines.intake.reading import Reading
from invoice_pipelines.organizations import ReviewThresholds
from invoice_pipelines_tests.support.intake.documents.text_layer.drawing import page_of
from invoice_pipelines_tests.support.sizes import size

CENT = Decimal("0.01")
# By language: head, words for net amount, tax and total, and for a total that follows.
WORDINGS = {
    "de": (
        ["Elektro Weber GmbH", "Rechnung", "Rechnungsnummer: 2024-0815", "Rechnungsdatum: 17.02.2024"],
        ("Nettobetrag", "MwSt. {} %", ["Gesamtbetrag", "Warenwert brutto", "Summe"]),
        ["Gesamtsumme", "Endbetrag", "Summe", "Auszahlung", "Rest"],
    ),
    "en": (
        ["Webster Electrical Ltd", "INVOICE", "Invoice number: 2024-0815", "Invoice date: 17 February 2024"],
        ("Net", "VAT {}%", ["Total", "Total incl. VAT"]),
        ["Total", "Grand total", "Settlement", "Remainder"],
    ),
    "fr": (
        ["Dupont Électricité SARL", "FACTURE", "Facture n° 2024-0815", "Date de facture : 17/02/2024"],
        ("Total HT", "TVA {} %", ["Total TTC", "Total"]),
        ["Total", "Total général", "Solde final"],
    ),
    "es": (
        ["Construcciones Ruiz S.L.", "FACTURA", "Factura nº: 2024-0815", "Fecha de factura: 17/02/2024"],
        ("Base imponible", "IVA {}%", ["Total", "Total factura"]),
        ["Total", "Líquido", "Total general"],
    ),
}
UNKNOWN = ["Kaution", "Pfandgut", "Outlays", "Retenue", "Fianza", "Einbehalt 5 %", "CIS 20%", "Débours", "Suplidos"]


def read(language: str, rows: list[tuple[str, Decimal]]) -> Reading:
    head = [(text, None) for text in WORDINGS[language][0]]
    decimal = {"en": lambda text: text}.get(language, lambda text: text.replace(".", ","))
    return calibrated(find_fields([page_of([*head, *((name, decimal(f"{value:.2f}")) for name, value in rows)], 400)]))


def is_sure(reading: Reading, field: str) -> bool:
    place = reading.provenance.get(field)
    return place is not None and place.confidence >= getattr(ReviewThresholds(), field)


def totals(language: str, rng: Random) -> list[tuple[str, Decimal]]:
    _, (net_word, tax_word, total_words), _ = WORDINGS[language]
    net, rate = Decimal(rng.randrange(5000, 500000)) * CENT, rng.choice([10, 19, 20, 21])
    tax = (net * rate / 100).quantize(CENT)
    return [(net_word, net), (tax_word.format(rate), tax), (rng.choice(total_words), net + tax)]


@pytest.mark.parametrize("language", WORDINGS)
def test_what_is_added_or_withheld_below_a_total_is_asked_for(language: str) -> None:
    for seed in range(size(20, 500)):
        rng = Random(f"{language}-{seed}")
        rows = totals(language, rng)
        total = rows[-1][1]
        sign = rng.choice([1, -1])
        parts = [
            (Decimal(rng.randrange(100, int(total * 30))) * CENT).quantize(CENT) for _ in range(rng.choice([1, 1, 2]))
        ]
        last = total + sign * sum(parts)
        printed = rng.choice([1, sign])  # what is withheld has its sign or has none
        below = [(rng.choice(UNKNOWN), printed * part) for part in parts]
        reading = read(language, [*rows, *below, (rng.choice(WORDINGS[language][2]), last)])
        waits = not is_sure(reading, "gross_amount")
        waits |= reading.payable_amount is not None and not is_sure(reading, "payable_amount")
        assert waits or reading.gross_amount == last, (seed, rows, below, last)


@pytest.mark.parametrize("discount", ["2 % Skonto bis 24.02.2024", "abzgl. Skonto 2 %"])
def test_a_discount_for_early_payment_below_a_total_changes_nothing(discount: str) -> None:
    for seed in range(size(10, 200)):
        rows = totals("de", Random(seed))
        total = rows[-1][1]
        less = (total * 2 / 100).quantize(CENT)
        reading = read("de", [*rows, (discount, less), ("Betrag mit Skonto", total - less)])
        assert is_sure(reading, "gross_amount")
        assert reading.gross_amount == total
        assert reading.payable_amount is None


@pytest.mark.parametrize("credit", [" CR", "CR", " Cr", "-"])
def test_an_amount_in_credit_is_below_zero(credit: str) -> None:
    rows = [("Net", "1,000.00"), ("VAT 20%", "200.00"), ("Total", "1,200.00"), ("Payments received", "1,500.00")]
    head = [(text, None) for text in WORDINGS["en"][0]]
    reading = find_fields([page_of([*head, *rows, ("Balance", f"300.00{credit}")], 400)])
    assert (reading.gross_amount, reading.prepaid_amount, reading.payable_amount) == (1200, 1500, -300)
    in_credit = find_fields([page_of([*head, *((name, f"{amount}{credit}") for name, amount in rows[:3])], 400)])
    assert in_credit.gross_amount == -1200
