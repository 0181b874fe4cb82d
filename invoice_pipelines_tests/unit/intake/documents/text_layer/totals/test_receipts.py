"""What till receipts print: no net amount, cash and change, rounding, tax within the prices."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from invoice_pipelines.intake.documents.text_layer import find_fields
from invoice_pipelines.intake.documents.text_layer.page.words import Page, Word
from invoice_pipelines.intake.reading import Reading


def receipt(text: str) -> Reading:
    """A narrow receipt as an OCR engine reads it: lines end with `;`, and `|` divides what stands left from what stands
    flush right."""
    words: list[Word] = []
    lines = text.split("; ")
    for number, line in enumerate(lines):
        parts = line.split(" | ")
        for index, part in enumerate(parts):
            left = 20.0 + 330 * index / max(len(parts) - 1, 1)
            if index and index == len(parts) - 1:
                left = 380.0 - 5 * len(part) - 3 * part.count(" ")
            for word in part.split():
                words.append(Word(word, (left, 20 + 14 * number, left + 5 * len(word), 30 + 14 * number), 1, 0.99))
                left += 5 * len(word) + 3
    return find_fields([Page(1, 400, 60 + 14 * len(lines), tuple(words), engine="rapidocr 3")])


HEAD = "KEDAI BUKU MAJU SDN BHD; NO 2, JALAN PASAR; (GST ID : 000306020352); TAX INVOICE"
CASES = {
    "cash less change is the total": (
        f"{HEAD}; Date : 25/12/2018 8:13 PM; PEN | 3.10; GLUE | 30.80; TOTAL | RM33.90; CASH | RM50.00; "
        "CHANGE | RM16.10",
        "33.90",
        date(2018, 12, 25),
    ),
    "the rounded total was paid": (
        f"{HEAD}; 12/03/2018 18:20; RICE | 26.59; TOTAL SALES (INCLUSIVE GST) | RM 26.59; "
        "ROUNDING ADJUSTMENT | RM 0.01; ROUNDED TOTAL | RM 26.60; CASH | RM 50.00; CHANGE | RM 23.40; "
        "GST SUMMARY | AMOUNT(RM) | TAX(RM); S = 6% | 25.08 | 1.51",
        "26.60",
        date(2018, 3, 12),
    ),
    "net, tax and rounding make the total": (
        f"{HEAD}; Inv No.: 1204477 | Date: 14/02/2018 17:26; MEE GORENG | 106.10; Total (Excluding GST): | 106.10; "
        "GST payable: | 6.37; Total (Inclusive of GST): | 112.47; Rounding Adj: | -0.02; TOTAL: | 112.45",
        "112.45",
        date(2018, 2, 14),
    ),
    "paid by card": (
        f"{HEAD}; 18-02-2018 12:41; GIFT | 297.00; BOX | 30.00; Sub-total | 327.00; Total | 327.00; VISA | 327.00",
        "327.00",
        date(2018, 2, 18),
    ),
    "british": (
        "Greengrocer Ltd; BREAD | £2.50; SOAP | £49.04; TOTAL | £51.54; CASH | £60.00; CHANGE DUE | £8.46; "
        "19/07/16 12:05",
        "51.54",
        date(2016, 7, 19),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_total_and_date_of_a_receipt_are_read_and_the_total_is_sure(case: str) -> None:
    lines, total, day = CASES[case]
    reading = receipt(lines)
    assert (str(reading.gross_amount), reading.issue_date) == (total, day)
    assert reading.provenance["gross_amount"].confidence >= 0.95


def test_a_rounded_receipt_has_no_net_amount_that_would_not_tie() -> None:
    lines, *_ = CASES["net, tax and rounding make the total"]
    reading = receipt(lines)
    assert reading.net_amount is None
    assert (reading.tax_amount, reading.payable_amount) == (Decimal("6.37"), Decimal("112.45"))


def test_a_swiss_invoice_keeps_its_total_and_says_by_what_it_was_rounded() -> None:
    reading = receipt(
        "Uhrwerk AG; Rechnung Nr. 17 vom 01.06.2024; Total exkl. MWST | CHF 1'250.00; "
        "MWST 8.1% | CHF 101.25; Total inkl. MWST | CHF 1'351.25; Rundung | CHF 0.05; "
        "Gerundeter Betrag | CHF 1'351.30"
    )
    assert (reading.gross_amount, reading.payable_amount) == (Decimal("1351.25"), Decimal("1351.30"))
    assert reading.rounding_amount == Decimal("0.05")


def test_a_total_that_is_only_named_is_not_sure() -> None:
    reading = receipt(f"{HEAD}; Date : 25/12/2018; PEN | 3.10; TOTAL | RM33.90")
    assert reading.gross_amount == Decimal("33.90")
    assert reading.provenance["gross_amount"].confidence < 0.95


def test_a_total_that_cash_and_change_contradict_is_not_sure() -> None:
    reading = receipt(f"{HEAD}; Date : 25/12/2018; PEN | 3.10; TOTAL | 39.90; CASH | 50.00; CHANGE | 16.10")
    assert reading.provenance["gross_amount"].confidence < 0.95


def test_net_and_tax_that_do_not_make_the_total_that_was_paid_leave_it_unsure() -> None:
    reading = receipt(
        f"{HEAD}; Date : 25/12/2018; Net total | 100.00; GST 6% | 6.00; TOTAL | 160.00; CASH | 200.00; CHANGE | 40.00"
    )
    if reading.gross_amount is not None:
        assert reading.provenance["gross_amount"].confidence < 0.95


@pytest.mark.parametrize("row", ["8,06 | 1,53 | 9,59", "9,59 | 8,06 | 1,53", "1,53 | 9,59 | 8,06"])
def test_a_table_of_rates_is_understood_in_any_order_of_its_columns(row: str) -> None:
    reading = receipt(f"Backhaus Nord GmbH; Kassenbon 12.03.2024 18:20; Brot | 9,59; SUMME | 9,59; A 19,00% | {row}")
    assert (reading.net_amount, reading.tax_amount) == (Decimal("8.06"), Decimal("1.53"))
    assert reading.gross_amount == Decimal("9.59")
    assert reading.provenance["tax_amount"].confidence >= 0.95
    assert [part.rate for part in reading.tax_breakdowns] == [Decimal(19)]


def test_the_rates_of_a_table_add_up_to_the_total() -> None:
    reading = receipt(
        "Backhaus Nord GmbH; Kassenbon 12.03.2024 18:20; Brot | 12,84; Messer | 9,59; SUMME EUR | 22,43; "
        "A 19,00% | 9,59 | 8,06 | 1,53; B 7,00% | 12,84 | 12,00 | 0,84"
    )
    assert (reading.net_amount, reading.tax_amount) == (Decimal("20.06"), Decimal("2.37"))
    assert {part.rate: part.tax_amount for part in reading.tax_breakdowns} == {7: Decimal("0.84"), 19: Decimal("1.53")}


def test_the_total_of_one_rate_is_not_taken_for_that_of_the_receipt() -> None:
    reading = receipt(
        "Backhaus Nord GmbH; Kassenbon 12.03.2024 18:20; Brot | 12,84; Messer | 9,59; UKUPNO | 22,43; "
        "B 7,00% | 12,84 | 12,00 | 0,84"
    )
    assert reading.gross_amount is None or reading.provenance["gross_amount"].confidence < 0.95


def test_a_rate_that_makes_the_tax_of_the_total_is_that_of_the_receipt() -> None:
    reading = receipt("Gasthaus Nord GmbH; Kassenbon 12.03.2024 18:20; SUMME EUR | 9,59; inkl. 19% MwSt | 1,53")
    (part,) = reading.tax_breakdowns
    assert (part.rate, part.taxable_amount, part.tax_amount) == (19, Decimal("8.06"), Decimal("1.53"))


@pytest.mark.parametrize(
    ("lines", "seller"),
    [
        ("Joseph Pub; Sa 12.03.2024 18:20; TSE- Se 17", "Joseph Pub"),
        ("Frittenwerk GmbH; Kassenbon; 1 Sau 3,00", "Frittenwerk GmbH"),
        ("Gasthaus Nord; Betreiber Nordlicht AG; Sa 12.03.2024", "Gasthaus Nord"),
    ],
)
def test_a_saturday_is_no_company(lines: str, seller: str) -> None:
    assert receipt(f"{lines}; Suppe | 9,59; SUMME EUR | 9,59").seller.name == seller


def test_a_polish_receipt_is_understood() -> None:
    reading = receipt(
        "KAWIARNIA POLSKA Sp. z o.o.; ul. Długa 12, 00-238 Warszawa; PARAGON FISKALNY; nr wydruku 016887; "
        "26-02-2020 18:20; KAWA | 12,40 A; CIASTO | 15,00 A; SPRZEDAŻ OPODATKOWANA A | 27,40; "
        "PTU A 23% | 5,12; SUMA PLN | 27,40; KARTA | 27,40"
    )
    assert (reading.gross_amount, reading.tax_amount, reading.currency) == (Decimal("27.40"), Decimal("5.12"), "PLN")
    assert (reading.seller.name, reading.issue_date) == ("KAWIARNIA POLSKA Sp. z o.o.", date(2020, 2, 26))
    assert reading.provenance["gross_amount"].confidence >= 0.95


def test_a_czech_receipt_is_understood() -> None:
    reading = receipt(
        "Kavárna Mlýn s.r.o.; Náměstí Míru 109, Praha; DIČ: CZ25123891; Účtenka; Datum, Čas | 09.07.2024 20:04:51; "
        "Gambrinus | 116,00 Kč; Kuřecí řízek | 438,00 Kč; Celkem | 554,00 Kč; Hotovost | 554,00; Souhrn DPH; "
        "Sazba | DPH | Základ | Obrat; 1 21,00% | 20,13 | 95,87 | 116,00; 2 12,00% | 46,93 | 391,07 | 438,00"
    )
    assert (reading.gross_amount, reading.currency) == (Decimal("554.00"), "CZK")
    assert (reading.net_amount, reading.tax_amount) == (Decimal("486.94"), Decimal("67.06"))
    assert (reading.seller.vat_id, reading.seller.name) == ("CZ25123891", "Kavárna Mlýn s.r.o.")


def test_the_number_of_a_card_slip_is_not_that_of_the_invoice() -> None:
    slip = "Kundenbeleg; Beleg-Nr. 4573; Trace-Nr. 201024; VU-Nr. 601004439; Terminal-ID 64018361; Betrag EUR | 9,79"
    head = "Grillhaus Nord GmbH; Datum: 03.03.2024 18:56; Bestellnummer 183"
    total = "Gesamtsumme EUR | 9,79"
    assert receipt(f"{head}; Rechnungsnummer 4228183; {total}; {slip}").number == "4228183"
    assert receipt(f"{head}; {total}; {slip}").provenance["number"].confidence < 0.8
    assert receipt(f"{head}; Beleg-Nr. 4573; {total}").provenance["number"].confidence >= 0.8
