"""What is read from invoices in different layouts, and what is left alone."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from invoice_pipelines.einvoice.errors import ReadingError
from invoice_pipelines.einvoice.model import TaxBreakdown
from invoice_pipelines.intake.documents.text_layer import read_text_layer
from invoice_pipelines.intake.reading import Reading
from invoice_pipelines_tests.support.intake.documents.text_layer.drawing import draw, rows
from invoice_pipelines_tests.unit.intake.documents.text_layer import layouts


def header(reading: Reading) -> dict[str, str]:
    found = {
        "number": reading.number,
        "type": reading.type_code,
        "issued": reading.issue_date,
        "due": reading.due_date,
        "delivered": reading.delivery.date if reading.delivery else None,
        "seller": reading.seller.name,
        "seller_vat": reading.seller.vat_id,
        "seller_tax": reading.seller.tax_id,
        "buyer": reading.buyer.name,
        "buyer_vat": reading.buyer.vat_id,
        "order": reading.order_reference,
        "buyer_reference": reading.buyer_reference,
        "currency": reading.currency,
        "net": reading.net_amount,
        "tax": reading.tax_amount,
        "gross": reading.gross_amount,
        "payable": reading.payable_amount,
        "iban": reading.iban,
    }
    return {name: str(value) for name, value in found.items() if value is not None}


CASES = {
    "german, labels left of values": (
        layouts.GERMAN_LABELS_LEFT,
        "number | RE-2024-0815; type | 380; issued | 2024-03-15; due | 2024-03-29; delivered | 2024-03-12; "
        "seller | Nordlicht Energie GmbH; seller_vat | DE136695976; seller_tax | 19/123/45678; "
        "buyer | Bäckerei Krume e.K.; order | 4500012345; currency | EUR; net | 262.50; tax | 49.88; "
        "gross | 312.38; iban | DE02120300000000202051",
    ),
    "german, labels above values": (
        layouts.GERMAN_LABELS_ABOVE,
        "number | 20240077; type | 380; issued | 2024-02-07; due | 2024-02-21; seller | Muster & Söhne OHG; "
        "seller_vat | DE136695976; buyer | Holzbau Tann GmbH & Co. KG; order | PO-5567; currency | EUR; "
        "net | 340.00; tax | 59.56; gross | 399.56; iban | DE02120300000000202051",
    ),
    "english, labels left of values": (
        layouts.ENGLISH_LABELS_LEFT,
        "number | BW-10233; type | 380; issued | 2024-01-05; due | 2024-02-04; "
        "seller | Brightwater Consulting Ltd; seller_vat | GB980780684; buyer | Acme Widgets plc; "
        "order | 7781; currency | GBP; net | 2070.50; tax | 414.10; gross | 2484.60; "
        "iban | GB33BUKB20201555555555",
    ),
    "english, seller and buyer side by side": (
        layouts.ENGLISH_TWO_COLUMNS,
        "number | 2024-33; type | 380; issued | 2024-04-30; due | 2024-05-30; seller | Quill & Co. LLP; "
        "seller_vat | GB980780684; buyer | Inkwell Publishing plc; buyer_vat | GB123456789; "
        "buyer_reference | JS/44; currency | GBP; net | 1000.00; tax | 200.00; gross | 1200.00; "
        "payable | 1200.00",
    ),
    "german, sums carried over to a second page": (
        layouts.GERMAN_MANY_PAGES,
        "number | GW-24-55; type | 380; issued | 2024-04-30; seller | Großhandel Weber GmbH; "
        "buyer | Imbiss Lang; currency | EUR; net | 500.00; tax | 35.00; gross | 535.00",
    ),
    "german, no tax because the buyer owes it": (
        layouts.GERMAN_REVERSE_CHARGE,
        "number | 2024/117; type | 380; issued | 2024-05-03; due | 2024-05-17; "
        "seller | Tischlerei Span e.K.; seller_vat | DE136695976; buyer | Alpenhaus AG; "
        "buyer_vat | ATU12345675; currency | EUR; net | 4800.00; tax | 0.00; gross | 4800.00",
    ),
    "german, part of it paid before": (
        layouts.GERMAN_FINAL_INVOICE,
        "number | SR-88; type | 380; issued | 2024-03-03; delivered | 2024-02-28; "
        "seller | Küchenstudio Herd GmbH; buyer | Eva Topf; currency | EUR; net | 10000.00; tax | 1900.00; "
        "gross | 11900.00; payable | 5950.00",
    ),
    "swiss, amounts with apostrophes": (
        layouts.SWISS,
        "number | R-558; type | 380; issued | 2024-06-01; due | 2024-06-30; seller | Uhrwerk AG; "
        "seller_vat | CHE116281271MWST; buyer | Beat Keller; currency | CHF; net | 1250.00; tax | 101.25; "
        "gross | 1351.25",
    ),
    "english credit note": (
        layouts.CREDIT_NOTE,
        "number | CN-77; type | 381; issued | 2024-05-02; seller | Northern Tools Ltd.; buyer | Acme Ltd; "
        "net | -100.00; tax | -20.00; gross | -120.00",
    ),
    "till receipt without a net total": (
        layouts.RECEIPT,
        "number | 887766; type | 380; issued | 2023-10-02; seller | Elektro Blitz KG; currency | EUR; "
        "net | 33.52; tax | 6.37; gross | 39.89",
    ),
}


@pytest.mark.parametrize("layout", CASES)
def test_the_header_is_read_whole_and_nothing_else_is_made_up(layout: str) -> None:
    data, expected = CASES[layout]
    assert header(read_text_layer(data)) == dict(term.split(" | ") for term in expected.split("; "))


def test_the_tax_of_several_rates_is_added_up() -> None:
    reading = read_text_layer(layouts.GERMAN_LABELS_ABOVE)
    assert reading.tax_breakdowns == (
        TaxBreakdown(Decimal("42.00"), Decimal("2.94"), rate=Decimal(7)),
        TaxBreakdown(Decimal("298.00"), Decimal("56.62"), rate=Decimal(19)),
    )


def test_lines_are_read_from_the_table() -> None:
    lines = read_text_layer(layouts.GERMAN_LABELS_LEFT).lines
    assert [(line.name, line.quantity, line.unit, line.unit_price, line.net_amount) for line in lines] == [
        ("Stromlieferung März", 1000, "kWh", Decimal("0.25"), Decimal("250.00")),
        ("Grundgebühr", 1, "Monat", Decimal("12.50"), Decimal("12.50")),
    ]


def test_lines_that_do_not_add_up_are_left_out() -> None:
    table = rows(
        100,
        (60, 200, -350, -500),
        "Bezeichnung | Menge | Einzelpreis | Gesamt; Nagel | 2 | 5,00 | 10,00; Hammer | 1 | 20,00 | 20,00",
    )
    totals = rows(160, (60, -500), "Nettobetrag | 100,00; MwSt 19 % | 19,00; Gesamtbetrag | 119,00")
    reading = read_text_layer(draw([(60, 60, "Rechnung Nr. 5"), *table, *totals]))
    assert str(reading.gross_amount) == "119.00"
    assert reading.lines == ()


def test_lines_go_on_after_the_sum_that_is_carried_to_the_next_page() -> None:
    columns = (60, 200, -350, -500)
    header = "Bezeichnung | Menge | Einzelpreis | Gesamt"
    first = rows(100, columns, f"{header}; Nagel | 2 | 5,00 | 10,00; Übertrag | | | 10,00")
    second = rows(60, columns, f"{header}; Übertrag | | | 10,00; Hammer | 1 | 20,00 | 20,00")
    totals = rows(160, (60, -500), "Nettobetrag | 30,00; MwSt 19 % | 5,70; Gesamtbetrag | 35,70")
    reading = read_text_layer(draw([(60, 60, "Rechnung Nr. 5"), *first], [*second, *totals]))
    assert [(line.name, line.net_amount) for line in reading.lines] == [("Nagel", 10), ("Hammer", 20)]
    assert reading.line_total is None
    assert str(reading.gross_amount) == "35.70"


@pytest.mark.parametrize(
    "town", ["Dublin D02 X285", "Toronto ON M5V 2T6", "Seattle WA 98101", "Leeds LS1 4AP", "24103 Kiel"]
)
def test_the_buyer_is_who_the_letter_is_addressed_to_wherever_the_post_code_stands(town: str) -> None:
    address = rows(140, (60,), f"Harbour & Hill Ltd; 12 Quay Street; {town}", step=13)
    letter = [(60, 40, "Lumen & Co Electric Ltd"), *address, (60, 240, "Invoice LC-1"), (60, 254, "Date: 2024-05-02")]
    assert read_text_layer(draw(letter)).buyer.name == "Harbour & Hill Ltd"


def test_totals_that_do_not_add_up_are_given_as_unsure_and_with_a_warning() -> None:
    totals = rows(200, (60, -540), "Nettobetrag | 100,00; MwSt 19% | 19,00; Gesamtbetrag | 120,00")
    reading = read_text_layer(draw([(60, 100, "Rechnung Nr. 77 vom 01.01.2024"), *totals]))
    for field in ("net_amount", "tax_amount", "gross_amount"):
        assert reading.provenance[field].confidence < 0.95
    assert any("add up" in warning for warning in reading.warnings)


def test_totals_printed_in_two_currencies_are_unsure() -> None:
    amounts = " | EUR | CHF; Net | 100.00 | 95.00; VAT 7.7% | 7.70 | 7.32; Total | 107.70 | 102.32"
    reading = read_text_layer(draw([(60, 80, "Invoice 5501"), *rows(200, (60, -440, -540), amounts)]))
    assert reading.provenance["gross_amount"].confidence < 0.95
    assert reading.provenance["currency"].confidence < 0.95


def test_of_several_deliveries_on_one_invoice_the_grand_total_is_taken() -> None:
    amounts = rows(
        150,
        (60, -540),
        "Lieferung 1 Nettobetrag | 100,00; MwSt 19% | 19,00; Summe | 119,00; "
        "Lieferung 2 Nettobetrag | 300,00; MwSt 19% | 57,00; Summe | 357,00; Gesamt netto | 400,00; "
        "Gesamt MwSt 19% | 76,00; Gesamtbetrag | 476,00",
    )
    reading = read_text_layer(draw([(60, 100, "Sammelrechnung Nr. 9001"), (60, 114, "vom 31.01.2024"), *amounts]))
    assert (reading.net_amount, reading.tax_amount, reading.gross_amount) == (400, 76, 476)
    assert reading.issue_date == date(2024, 1, 31)


def test_discounts_and_charges_do_not_pass_for_totals() -> None:
    amounts = rows(
        200,
        (60, -540),
        "Warenwert | 1.000,00; abzgl. 5 % Rabatt | -50,00; Versandkosten | 30,00; Netto gesamt | 980,00; "
        "19,00 % MwSt | 186,20; Rechnungsbetrag | 1.166,20; abzgl. 2% Skonto | 23,32; "
        "Betrag bei Skonto | 1.142,88",
    )
    reading = read_text_layer(draw([(60, 100, "Rechnung Nr. 33"), *amounts]))
    assert (reading.net_amount, reading.tax_amount) == (980, Decimal("186.20"))
    assert reading.gross_amount == Decimal("1166.20")
    assert reading.provenance["gross_amount"].confidence >= 0.95


def test_every_value_says_where_it_stands() -> None:
    reading = read_text_layer(layouts.GERMAN_MANY_PAGES)
    gross = reading.provenance["gross_amount"]
    assert (gross.page, gross.text) == (2, "535,00")
    assert gross.box is not None
    assert gross.box[2] == pytest.approx(540, abs=2)
    assert reading.provenance["number"].page == 1
    assert all(0 < found.confidence <= 1 for found in reading.provenance.values())


@pytest.mark.parametrize(
    ("dates", "currency", "issued", "sure"),
    [
        (("03/04/2024", "28/04/2024"), "€", date(2024, 4, 3), True),
        (("03/04/2024", "04/28/2024"), "$", date(2024, 3, 4), True),
        (("03/04/2024", "05/04/2024"), "£", date(2024, 4, 3), False),
        (("03/04/2024", "04/05/2024"), "$", date(2024, 3, 4), False),
    ],
)
def test_a_date_in_either_order_is_decided_by_the_document(
    dates: tuple[str, str], currency: str, issued: date, sure: bool
) -> None:
    labels = rows(100, (60, 200), f"Invoice No | A-1; Invoice date | {dates[0]}; Due date | {dates[1]}")
    reading = read_text_layer(draw([*labels, (60, 200, "Total"), (-300, 200, f"{currency}10.00")]))
    assert reading.issue_date == issued
    assert (reading.provenance["issue_date"].confidence > 0.9) is sure


def test_a_due_date_before_the_issue_date_is_not_believed() -> None:
    labels = rows(100, (60, 200), "Rechnungsnr. | A-1; Rechnungsdatum | 10.05.2024; Fällig am | 09.05.2024")
    assert read_text_layer(draw(labels)).due_date is None


@pytest.mark.parametrize(
    ("printed", "sure"), [("DE03 1203 0000 0000 2020 51", True), ("DE03 1203 0000 2020 51", False)]
)
def test_an_iban_with_wrong_check_digits_is_named_and_one_of_another_length_is_unsure(printed: str, sure: bool) -> None:
    reading = read_text_layer(draw([(60, 100, "Rechnung Nr. 5"), (60, 120, f"IBAN: {printed}")]))
    assert reading.iban == printed.replace(" ", "")
    assert (reading.provenance["payments[0].accounts[0].account_id"].confidence >= 0.9) is sure
    assert any(reading.iban in warning for warning in reading.warnings)


def test_a_letter_is_no_invoice() -> None:
    with pytest.raises(ReadingError) as error:
        read_text_layer(draw([(60, 50, "Liebe Anna,"), (60, 80, "vielen Dank für deinen Brief. Bis bald!")]))
    assert error.value.code == "NOT_AN_INVOICE"


def test_an_invoice_without_totals_has_none() -> None:
    reading = read_text_layer(draw([(60, 50, "Rechnung 55"), (60, 80, "Der Betrag folgt in den nächsten Tagen.")]))
    assert (reading.net_amount, reading.tax_amount, reading.gross_amount) == (None, None, None)


def test_numbers_of_others_are_not_the_number_of_the_invoice() -> None:
    decoys = rows(
        100,
        (60, 200),
        "Rechnung; Kundennummer | 10001; Bestellnummer | 10002; Lieferschein-Nr. | 10003; "
        "Auftragsnummer | 10004; Telefon | 10005; Steuernummer | 10/006/00000; "
        "Handelsregister | HRB 10007; Zu Rechnung Nr. | 10008",
    )
    assert read_text_layer(draw(decoys)).number is None
