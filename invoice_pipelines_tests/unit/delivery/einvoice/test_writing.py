"""What the XML says where there is a choice, and that no text can break it."""

from __future__ import annotations

import timeit
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from invoice_pipelines.billing import IssuedInvoice
from invoice_pipelines.delivery.einvoice import Seller, write_xml
from invoice_pipelines.delivery.rendering.samples import DOCUMENTS, sample_organization
from invoice_pipelines.delivery.values import DocumentFormat
from invoice_pipelines.einvoice.identifiers import is_leitweg_id, is_valid_iban
from invoice_pipelines.einvoice.model import Identifier, Period
from invoice_pipelines.intake.documents import read_document
from invoice_pipelines.intake.reading import Reading
from invoice_pipelines_tests.support.delivery.einvoice.judge import rules
from invoice_pipelines_tests.support.sizes import example_count
from invoice_pipelines_tests.unit.delivery.einvoice.samples import (
    BUYER,
    SELLER,
    SELLER_PARTY,
    sample_credit_note,
    sample_invoice,
    sample_line,
)

TODAY = date(2026, 3, 20)
UBL = DocumentFormat.XRECHNUNG_UBL
FORMATS = pytest.mark.parametrize("format", [DocumentFormat.XRECHNUNG_CII, UBL])
"""Both syntaxes, under the stricter rules. That ZUGFeRD says the same as XRechnung in CII, `test_golden` holds."""


def read(invoice: IssuedInvoice, format: DocumentFormat, seller: Seller = SELLER) -> Reading:
    """What our reader finds in what is written, which must break no rule."""
    xml = write_xml(invoice, seller, format)
    assert rules(xml, TODAY) == set()
    return read_document(xml)


def from_account(iban: str | None, currency: str = "EUR") -> IssuedInvoice:
    return sample_invoice(currency=currency, seller=replace(SELLER_PARTY, iban=iban))


def payment(reading: Reading) -> tuple[object, ...]:
    (found,) = reading.payments
    return found.means_code, *((account.account_id, account.name, account.bic) for account in found.accounts)


def to_buyer(reference: str, email: str | None, vat_id: str) -> IssuedInvoice:
    buyer = replace(BUYER, buyer_reference=reference, email=email, vat_id=vat_id, country_code=vat_id[:2])
    return sample_invoice(buyer=buyer)


def buyers_address(reading: Reading) -> Identifier | None:
    return reading.buyer.electronic_address


def at_rate_0(category: str, **changed: Any) -> IssuedInvoice:
    return sample_invoice(sample_line(category=category, rate="0"), **changed)


def place_of_delivery(reading: Reading) -> tuple[object, ...] | None:
    assert reading.delivery is not None
    address = reading.delivery.address
    return None if address is None else (address.country_code, address.city)


def exemption(reading: Reading) -> tuple[bool, str | None]:
    (tax,) = reading.tax_breakdowns
    return bool(tax.exemption_reason), tax.exemption_reason_code


def adjustments(reading: Reading) -> list[tuple[object, ...]]:
    """Of the first line."""
    found = reading.lines[0].allowances_charges
    return [(each.is_charge, each.amount, each.base_amount, each.percentage) for each in found]


def allowances(reading: Reading) -> list[tuple[object, ...]]:
    """On the whole."""
    assert {(each.reason, each.reason_code, each.is_charge) for each in reading.allowances_charges} == {
        ("Discount", "95", False)
    }
    return [(each.tax_rate, each.amount, each.base_amount, each.percentage) for each in reading.allowances_charges]


def currencies(reading: Reading) -> tuple[object, ...]:
    return reading.currency, reading.tax_amount, reading.tax_currency, reading.tax_amount_in_tax_currency


def periods(reading: Reading) -> tuple[object, ...]:
    assert reading.delivery is not None
    return reading.delivery.date, reading.period, *(line.period for line in reading.lines)


def with_line(*arguments: Any, **changed: Any) -> IssuedInvoice:
    return sample_invoice(sample_line(*arguments, **changed), sample_line("100", "10"))


def odd_allowance() -> IssuedInvoice:
    (tax,) = sample_credit_note(sample_line("1", "100"), discount_percent="10").taxes
    odd = replace(tax, allowance_amount=Decimal("10.10"), taxable_amount=Decimal("89.90"), tax_amount=Decimal("17.08"))
    return sample_credit_note(sample_line("1", "100"), discount_percent="10", taxes=(odd,))


D = Decimal
JANUARY, WEEK = Period(date(2026, 1, 1), date(2026, 1, 31)), Period(date(2026, 1, 5), date(2026, 1, 11))
IN_JANUARY: dict[str, Any] = {"period_start": JANUARY.start, "period_end": JANUARY.end}
IN_WEEK = (sample_line(period_start=WEEK.start, period_end=WEEK.end), sample_line())
IN_DOLLARS: dict[str, Any] = {
    "currency": "USD",
    "tax_currency": "EUR",
    "tax_amount_in_tax_currency": D("1.76"),
    "exchange_rate": D("1.0823"),
    "exchange_rate_base": "EUR",
    "exchange_rate_date": date(2026, 2, 27),
    "exchange_rate_source": "ECB",
}
ACCOUNT = ("DE02120300000000202051", SELLER.account_name, "BYLADEM1001")
CASES: dict[str, tuple[IssuedInvoice, Callable[[Reading], object], object]] = {
    "account": (from_account("DE02 1203 0000 0000 2020 51"), payment, ("58", ACCOUNT)),
    "account, not in euro as SEPA is": (from_account(ACCOUNT[0], "USD"), payment, ("30", ACCOUNT)),
    "account that the BIC is not of": (
        from_account("AT611904300234573201"),
        payment,
        ("58", ("AT611904300234573201", SELLER.account_name, None)),
    ),
    "account outside SEPA": (
        from_account("TR330006100519786457841326"),
        payment,
        ("30", ("TR330006100519786457841326", SELLER.account_name, None)),
    ),
    "account without IBAN": (from_account("0532013000"), payment, ("30", ("0532013000", SELLER.account_name, None))),
    "reference of the payment": (sample_invoice(), lambda r: r.payments[0].remittance_information, "INV-2026-000042"),
    "buyer with Leitweg-ID": (
        to_buyer("04011000-12345-03", "a@b.example", "DE136695976"),
        buyers_address,
        Identifier("04011000-12345-03", "0204"),
    ),
    "buyer with wrong check digits of one": (
        to_buyer("04011000-12345-04", "a@b.example", "DE136695976"),
        buyers_address,
        Identifier("a@b.example", "EM"),
    ),
    "buyer without email": (
        to_buyer("Einkauf", None, "DE 136 695 976"),
        buyers_address,
        Identifier("DE136695976", "9930"),
    ),
    "buyer with an empty email": (
        to_buyer("Einkauf", " ", "FR40303265045"),
        buyers_address,
        Identifier("FR40303265045", "9957"),
    ),
    "address of the seller": (
        sample_invoice(),
        lambda r: r.seller.electronic_address,
        Identifier("anna@nordwind.example", "EM"),
    ),
    "seller without VAT id": (
        sample_invoice(seller=replace(SELLER_PARTY, vat_id=None)),
        lambda r: (r.seller.vat_id, r.seller.tax_id, [each.value for each in r.seller.identifiers]),
        (None, "60/123/45678", ["60/123/45678"]),
    ),
    "intra-community supply": (at_rate_0("K"), place_of_delivery, ("AT", "Wien")),
    "no such supply": (at_rate_0("AE"), place_of_delivery, None),
    "only reason of AE": (at_rate_0("AE"), exemption, (True, "VATEX-EU-AE")),
    "only reason of K": (at_rate_0("K"), exemption, (True, "VATEX-EU-IC")),
    "only reason of G": (at_rate_0("G"), exemption, (True, "VATEX-EU-G")),
    "no adjustment": (with_line("3", "0.335"), adjustments, []),
    "discount": (
        with_line("1.5", "88.50", discount="12.5"),
        adjustments,
        [(False, D("16.59"), D("132.75"), D("12.5"))],
    ),
    "discount of all": (with_line("2", "5", discount="100"), adjustments, [(False, 10, 10, 100)]),
    "discount on what comes back": (with_line("-2", "50", discount="10"), adjustments, [(False, -10, -100, 10)]),
    "discount of nothing": (with_line("1", "0.01", discount="10"), adjustments, []),  # 0.009 is 0.01 again
    # the last of several credit notes, which takes up what rounding left
    "rounding": (with_line("1", "0.335", net_amount=D("0.33")), adjustments, [(False, D("0.01"), None, None)]),
    "rounding up": (with_line("1", "0.0049", net_amount=D("4.90")), adjustments, [(True, D("4.90"), None, None)]),
    "discount and rounding": (
        with_line("1", "100", discount="10", net_amount=D("90.05")),
        adjustments,
        [(False, 10, 100, 10), (True, D("0.05"), None, None)],
    ),
    "yen, which have no decimals": (
        sample_invoice(sample_line("1.5", "99", "Z", "0", net_amount=D(149)), digits="1", currency="JPY"),
        lambda r: [r.gross_amount, *((each.amount, each.reason) for each in r.lines[0].allowances_charges)],
        [149, (D("0.50"), "Rounding")],
    ),
    "discount on the whole": (
        sample_invoice(sample_line("1", "100"), sample_line("1", "50", rate="7"), discount_percent="2.5"),
        allowances,
        [(19, D("2.50"), 100, D("2.5")), (7, D("1.25"), 50, D("2.5"))],
    ),
    "discount that is not its percentage": (odd_allowance(), allowances, [(19, D("10.10"), None, None)]),
    **{
        f"note {note!r}": (sample_invoice(note=note), lambda r: r.notes[0].text, note)  # no code of a subject
        for note in ("Order #12 and #13", "#REG#not a code", "# 1\n## 2", "#")
    },
    "no order at all": (
        sample_invoice(purchase_order_reference=None, order_number=None),
        lambda r: r.order_reference,
        None,
    ),
    "periods": (sample_invoice(*IN_WEEK, **IN_JANUARY), periods, (date(2026, 2, 27), JANUARY, WEEK, None)),
    "periods of a credit note": (
        sample_credit_note(*IN_WEEK, **IN_JANUARY),
        periods,
        (date(2026, 2, 27), JANUARY, WEEK, None),
    ),
    "dollars": (sample_invoice(**IN_DOLLARS), currencies, ("USD", D("1.90"), "EUR", D("1.76"))),
    "dollars that are credited": (sample_credit_note(**IN_DOLLARS), currencies, ("USD", D("1.90"), "EUR", D("1.76"))),
    "dollars without VAT": (
        at_rate_0("G", **IN_DOLLARS | {"tax_amount_in_tax_currency": D(0)}),
        currencies,
        ("USD", 0, None, None),
    ),
}


@FORMATS
@pytest.mark.parametrize("case", CASES)
def test_what_is_written_is_read_again(case: str, format: DocumentFormat) -> None:
    invoice, found_in, expected = CASES[case]
    assert found_in(read(invoice, format)) == expected


@FORMATS
def test_a_credit_note_is_set_off_and_names_no_account_that_its_amount_could_be_paid_to(format: DocumentFormat) -> None:
    reading = read(sample_credit_note(), format, replace(SELLER, payment_terms=None))
    (found,) = reading.payments
    assert (found.means_code, found.accounts, found.remittance_information) == ("97", (), None)
    assert (reading.due_date, reading.payment_terms) == (None, "Set off against invoice INV-2026-000042.")
    assert (reading.type_code, reading.gross_amount) == ("381", Decimal("11.90"))
    (preceding,) = reading.preceding_invoices
    assert (preceding.number, preceding.issue_date) == ("INV-2026-000042", date(2026, 3, 2))


def test_without_account_and_contact_zugferd_leaves_means_open_and_knows_the_seller_by_vat_id() -> None:
    reading = read(from_account(None), DocumentFormat.ZUGFERD, Seller())
    assert (payment(reading), reading.seller.electronic_address) == (("1",), Identifier("DE123456788", "9930"))


def test_amounts_of_three_decimals_are_written_with_two_where_that_changes_nothing() -> None:
    line = sample_line("1", "10.500", category="Z", rate="0", net_amount=Decimal("10.500"))
    invoice = sample_invoice(line, digits="0.001", currency="KWD")
    assert b">10.50</ram:LineTotalAmount>" in write_xml(invoice, SELLER, DocumentFormat.ZUGFERD)


@FORMATS
def test_ubl_says_that_there_is_no_order_of_the_buyer_where_only_the_seller_has_a_number(
    format: DocumentFormat,
) -> None:
    reading = read(sample_invoice(purchase_order_reference=None), format)
    assert (reading.sales_order_reference, reading.order_reference) == ("O-4711", "NA" if format is UBL else None)


@FORMATS
def test_a_cash_discount_keeps_the_notation_of_xrechnung(format: DocumentFormat) -> None:
    terms = "Zahlbar in 30 Tagen.\n#SKONTO#TAGE=14#PROZENT=2.00#"
    xml = write_xml(sample_invoice(), replace(SELLER, payment_terms=terms), format)
    assert f"{terms}\n</".encode() in xml
    assert rules(xml, TODAY) == set()


@FORMATS
@settings(max_examples=example_count(25))
@given(text=st.text(min_size=1), others=st.text())
def test_no_text_breaks_the_document(format: DocumentFormat, text: str, others: str) -> None:
    """Whatever a text is, also what no database would hold: the XML can be read, and says the same in all places."""
    everywhere = replace(
        BUYER, name=text, street=text, city=others, customer_number=others, buyer_reference=text, email=others
    )
    invoice = sample_invoice(
        sample_line(description=text, sku=others, unit_code=text),
        buyer=everywhere,
        note=others,
        order_number=text,
        currency=others,
        purchase_order_reference=others,
    )
    seller = Seller(text, others, text, others, text, others, text)
    xml = write_xml(invoice, seller, format)
    assert write_xml(invoice, seller, format) == xml
    names = {etree.QName(element).localname for element in etree.fromstring(xml).iter()}
    plain = etree.fromstring(write_xml(sample_invoice(), SELLER, format))
    assert names <= {etree.QName(element).localname for element in plain.iter()} | {
        *("Description", "SellerAssignedID", "ProprietaryID", "SellersItemIdentification"),
        *("Note", "IncludedNote", "Content"),
    }


@pytest.mark.slow
@pytest.mark.alone
@FORMATS
def test_an_invoice_of_five_lines_is_written_in_well_below_a_millisecond(format: DocumentFormat) -> None:
    """So that writing it is no part of what making a page costs. It takes 0.3 ms."""
    invoice = sample_invoice(*(sample_line("2", "9.99", discount="5", description="Lamp & more") for _ in range(5)))
    fastest = min(timeit.repeat(lambda: write_xml(invoice, SELLER, format), number=100, repeat=5)) / 100
    assert fastest < 0.001


def test_what_the_organization_set_is_what_its_invoices_say() -> None:
    organization = sample_organization()
    assert Seller.of(organization, "At once.") == Seller(
        contact_name=DOCUMENTS.contact_name,
        contact_phone=DOCUMENTS.contact_phone,
        contact_email=DOCUMENTS.contact_email,
        bic=DOCUMENTS.bic,
        account_name=organization.name,
        payment_terms="At once.",
        legal_text=DOCUMENTS.legal_text,
        iban=organization.iban,
    )


@pytest.mark.parametrize(
    ("check", "valid", "others"),
    [
        (
            is_leitweg_id,
            ["04011000-12345-03", "991-03730-19", "991-33333TEST-33", " 04011000-12345-03 "],
            ["", "Einkauf", "04011000-12345-04", "17-12345-03", "04011000", "PO-12-34"],
        ),
        (is_valid_iban, ["DE02120300000000202051"], ["DE02120300000000202052", "DE0", ""]),
    ],
    ids=["Leitweg-ID", "IBAN"],
)
def test_identifiers_are_known_by_their_check_digits(
    check: Callable[[str], bool], valid: list[str], others: list[str]
) -> None:
    assert [text for text in valid + others if check(text)] == valid
