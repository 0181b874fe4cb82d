"""Tables of VAT as receipts print them: which of the amounts is the tax, whatever order they come in."""

from __future__ import annotations

from decimal import Decimal

import pytest

from invoice_pipelines.intake.documents.text_layer.calibration import calibrated
from invoice_pipelines.intake.reading import Reading
from invoice_pipelines.organizations import ReviewThresholds
from invoice_pipelines_tests.unit.intake.documents.text_layer.totals.test_receipts import receipt

HEAD = "Gasthaus Nord GmbH; Rechnung Nr. 4711; 12.03.2024 18:20"


def sure(reading: Reading) -> bool:
    thresholds = ReviewThresholds()
    places = calibrated(reading).provenance
    return all(
        field in places and places[field].confidence >= getattr(thresholds, field)
        for field in ("net_amount", "tax_amount", "gross_amount")
    )


TABLES = {
    "base, tax and sum": ("Summe | 9,59; 19,00% | 8,06 | 1,53 | 9,59", "8.06", "1.53", "9.59"),
    "the tax before its name": ("Summe | 9,59; 1,53 MwSt. 19% | 9,59", "8.06", "1.53", "9.59"),
    "sum before base": (
        "Summe EUR | 13,15; MwSt-Satz | Brutto | Netto | MwSt; 1=19,00% | 10,70 | 8,99 | 1,71; "
        "2=7,00% | 2,45 | 2,29 | 0,16",
        "11.28",
        "1.87",
        "13.15",
    ),
    "tax before base, and a line of sums": (
        "Summe EUR | 10,35; MwSt | Netto; 19,00% | 0,97 | 5,11; 7,00% | 0,28 | 3,99; Summe MwSt EUR | 1,25 | 9,10",
        "9.10",
        "1.25",
        "10.35",
    ),
    "no base": ("Summe EUR | 7,79; Satz | Brutto | MwSt; incl. MwSt 19,00% | 7,79 | 1,24", "6.55", "1.24", "7.79"),
    "the base behind its words": (
        "Gesamtbetrag | 40,84; Ust. 7,00% aus Netto | 38,17 | 2,67",
        "38.17",
        "2.67",
        "40.84",
    ),
    "the rate heads the columns": (
        "Positionen | Preis | MwSt (D) 19%; Fahrkarte | 66,00 | 10,54; Platz | 0,50 | 0,08; Summe | 66,50 | 10,62; "
        "Betrag | 66,50",
        "55.88",
        "10.62",
        "66.50",
    ),
    "two taxes alone": (
        "Suppe | 4,00; Kaffee | 10,20; Enthaltene MwSt 7% | 0,26; Enthaltene MwSt 19% | 1,63; Summe | 14,20",
        "12.31",
        "1.89",
        "14.20",
    ),
    "a part without tax": (
        "Summe | 702,98; Steuer | Netto | MwSt | Brutto; 0,00% | 20,00 | 0,00 | 20,00; "
        "13,00% | 602,64 | 78,34 | 680,98; 25,00% | 1,60 | 0,40 | 2,00",
        "624.24",
        "78.74",
        "702.98",
    ),
    "rates without a percent sign": (
        "Summe EUR | 5,20; MwSt % | Netto | Brutto | MwSt; 7,00 | 4,86 | 5,20 | 0,34",
        "4.86",
        "0.34",
        "5.20",
    ),
    "rates of nothing": (
        "Total in EUR | 9,50; MwSt % | Netto | MwSt | Brutto; 0.00 | 0,00 | 0,00 | 0,00; 7.00 | 8,88 | 0,62 | 9,50",
        "8.88",
        "0.62",
        "9.50",
    ),
    "one rate twice": (
        "Summe | 9,28; 0,72 MwSt. 19% | 4,49; Netto | 3,77; 0,76 MwSt. 19% | 4,79; Netto | 4,03; Bar | 9,28",
        "7.80",
        "1.48",
        "9.28",
    ),
    "amounts below each other": (
        "Summe | 59,50; Umsatz 19% | 23,70; MwSt. 19% | 3,78; Netto 19% | 19,92; Umsatz 7% | 35,80; MwSt. 7% | 2,34; "
        "Netto 7% | 33,46; MwSt | 6,12",
        "53.38",
        "6.12",
        "59.50",
    ),
    "the tax on a line of its own": (
        "Gesamt EUR | 87,94; Per Kreditkarte EUR | 87,94; 16,00% MwSt. auf EUR | 75,81; EUR | 12,13",
        "75.81",
        "12.13",
        "87.94",
    ),
    "a net amount for each rate": (
        "Netto 19% | 8,32; Netto 7% | 0,00; Netto 7% | 197,29; MwSt 19% | 1,58; MwSt 7% | 13,81; Gesamtbetrag | 221,00",
        "205.61",
        "15.39",
        "221.00",
    ),
    "taxes under each other that are but one sum": (
        "Sous-total | 25,20; T.P.S. | 1,26; T.V.Q. | 2,51; Total | 28,97; TPS: 1,26 $ TVQ: 2,51 $",
        "25.20",
        "3.77",
        "28.97",
    ),
    "a second tax on the same goods": (
        "Ukupno: | 75,00; Vrsta poreza | Osnovica | Iznos; PDV 25% | 19,53 | 4,88; PP 3% | 19,53 | 0,59; "
        "PDV 13% | 44,25 | 5,75",
        "63.78",
        "11.22",
        "75.00",
    ),
}


@pytest.mark.parametrize("table", TABLES)
def test_a_table_of_tax_is_understood_in_any_order(table: str) -> None:
    text, *expected = TABLES[table]
    reading = receipt(f"{HEAD}; {text}")
    found = (reading.net_amount, reading.tax_amount, reading.gross_amount)
    assert found == tuple(map(Decimal, expected))


@pytest.mark.parametrize("table", ["sum before base", "tax before base, and a line of sums", "a part without tax"])
def test_a_table_that_makes_the_total_is_sure(table: str) -> None:
    assert sure(receipt(f"{HEAD}; {TABLES[table][0]}"))


@pytest.mark.parametrize(("tax", "proved"), [("1,88", True), ("1,98", False)])
def test_several_rates_that_make_a_sure_total_need_no_words(tax: str, proved: bool) -> None:
    rows = f"Alfa | 3,70; Beta | 6,80; Gamma | 9,50; Delta | 20,00; 13.00% | 16,30 | {tax}; 24.00% | 3,70 | 0,72"
    assert sure(receipt(f"{HEAD}; {rows}; Visa | 20,00")) is proved


@pytest.mark.parametrize(
    ("printed", "net"),
    [
        ("Summe (zzgl. MwSt.) | 100,00; 19% MwSt. | 19,00; Gesamtbetrag | 119,00", "100.00"),
        ("Zwischensumme (zzgl. 19% MwSt.) | 100,00; MwSt. | 19,00; Gesamtbetrag | 119,00", "100.00"),
        ("Netto zzgl. MwSt. 7% | 11,12; MwSt. 7% | 0,78; Gesamtbetrag | 11,90", "11.12"),
        ("Nettobetrag | 100,00; zzgl. 19% MwSt. | 19,00; Gesamtbetrag | 119,00", "100.00"),
    ],
)
def test_plus_tax_in_brackets_names_a_net_amount_and_without_them_the_tax(printed: str, net: str) -> None:
    reading = receipt(f"{HEAD}; {printed}")
    assert reading.net_amount == Decimal(net)
    assert reading.tax_amount == (reading.gross_amount or 0) - Decimal(net)


UNPROVED = {
    "a discount is no tax": "Ware | 50,00; Rabatt 10% | 5,00; Summe | 45,00",
    "a tip is no tax": "Speisen | 50,00; Service 10% | 5,00; Summe | 55,00",
    "a rate of another total": "Summe | 120,00; Satz | Netto | MwSt; 19% | 100,00 | 19,00",
    "a net amount of two rates was misread": "Netto 19% | 8,82; Netto 7% | 197,29; MwSt 19% | 1,58; MwSt 7% | 13,81; "
    "Gesamtbetrag | 221,00; Bezahlt | 221,00",
    "one part is missing": "Summe | 30,00; MwSt | Netto; 19,00% | 0,97 | 5,11; 7,00% | 0,28 | 3,99",
    "the net amount says otherwise": "Netto | 99,00; 19,00% MwSt | 100,00 | 19,00 | 119,00; Summe | 119,00",
    "the tax says otherwise": "19,00% | 100,00 | 19,00 | 119,00; MwSt gesamt | 20,00; Summe | 119,00",
}


@pytest.mark.parametrize("case", UNPROVED)
def test_what_does_not_make_the_total_or_is_denied_is_not_sure(case: str) -> None:
    reading = receipt(f"{HEAD}; {UNPROVED[case]}")
    taxed = reading.tax_amount is not None and reading.net_amount is not None
    assert not taxed or not sure(reading)


def test_where_nothing_is_left_to_pay_the_total_was_paid() -> None:
    paid = "Netto | 100,00; 19% MwSt. | 19,00; Gesamtbetrag | 119,00; Mastercard | 119,00; Offener Betrag | 0,00"
    reading = receipt(f"{HEAD}; {paid}")
    assert (reading.gross_amount, reading.prepaid_amount, reading.payable_amount) == (119, 119, 0)
    assert calibrated(reading).provenance["payable_amount"].confidence >= ReviewThresholds().payable_amount


def test_nothing_left_to_pay_says_nothing_where_a_larger_total_is_printed() -> None:
    tip = "Netto | 100,00; 19% MwSt. | 19,00; Gesamtbetrag | 119,00; Gesamtbetrag | 129,00; Offener Betrag | 0,00"
    assert receipt(f"{HEAD}; {tip}").prepaid_amount is None
