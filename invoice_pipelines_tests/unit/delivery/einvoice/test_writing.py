"""What the XML says where there is a choice, and that no text can break it."""

from __future__ import annotations

import timeit
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from invoice_pipelines.billing import IssuedInvoice, Party
from invoice_pipelines.delivery.einvoice import Seller, write_xml
from invoice_pipelines.delivery.values import E_INVOICES, DocumentFormat
from invoice_pipelines.einvoice.identifiers import is_leitweg_id, is_valid_iban
from invoice_pipelines.intake.documents import read_document
from invoice_pipelines.intake.reading import Reading
from invoice_pipelines.organizations import Address, Organization, OrganizationSettings
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
FORMATS = pytest.mark.parametrize("format", E_INVOICES)


def read(invoice: IssuedInvoice, format: DocumentFormat, seller: Seller = SELLER) -> Reading:
    """What our reader finds in what is written, which must break no rule."""
    xml = write_xml(invoice, seller, format)
    assert rules(xml, TODAY) == set()
    return read_document(xml)


def party(base: Party, **changed: Any) -> Party:
    return replace(base, **changed)


@FORMATS
@pytest.mark.parametrize(
    ("iban", "currency", "means", "bic"),
    [
        ("DE02 1203 0000 0000 2020 51", "EUR", "58", "BYLADEM1001"),
        ("DE02120300000000202051", "USD", "30", "BYLADEM1001"),  # SEPA is in euro only
        ("AT611904300234573201", "EUR", "58", None),  # another account than the BIC is of
        ("TR330006100519786457841326", "EUR", "30", None),  # outside SEPA
        ("0532013000", "EUR", "30", None),
    ],
)
def test_an_invoice_names_the_account_of_its_seller_and_how_to_pay_to_it(
    format: DocumentFormat, iban: str, currency: str, means: str, bic: str | None
) -> None:
    invoice = sample_invoice(currency=currency, seller=party(SELLER_PARTY, iban=iban))
    (payment,) = read(invoice, format).payments
    (account,) = payment.accounts
    assert (payment.means_code, payment.remittance_information) == (means, "INV-2026-000042")
    assert (account.account_id, account.name, account.bic) == ("".join(iban.split()), SELLER.account_name, bic)


@FORMATS
def test_a_credit_note_is_set_off_and_names_no_account_that_its_amount_could_be_paid_to(format: DocumentFormat) -> None:
    reading = read(sample_credit_note(), format, replace(SELLER, payment_terms=None))
    (payment,) = reading.payments
    assert (payment.means_code, payment.accounts, payment.remittance_information) == ("97", (), None)
    assert (reading.due_date, reading.payment_terms) == (None, "Set off against invoice INV-2026-000042.")
    assert (reading.type_code, reading.gross_amount) == ("381", Decimal("11.90"))
    (preceding,) = reading.preceding_invoices
    assert (preceding.number, preceding.issue_date) == ("INV-2026-000042", date(2026, 3, 2))


def test_without_an_account_the_means_of_payment_are_left_open() -> None:
    invoice = sample_invoice(seller=party(SELLER_PARTY, iban=None))
    (payment,) = read(invoice, DocumentFormat.ZUGFERD).payments
    assert (payment.means_code, payment.accounts) == ("1", ())


@FORMATS
@pytest.mark.parametrize(
    ("reference", "email", "vat_id", "address"),
    [
        ("04011000-12345-03", "a@b.example", "DE136695976", ("04011000-12345-03", "0204")),
        ("04011000-12345-04", "a@b.example", "DE136695976", ("a@b.example", "EM")),  # wrong check digits
        ("Einkauf", None, "DE 136 695 976", ("DE136695976", "9930")),
        ("Einkauf", " ", "FR40303265045", ("FR40303265045", "9957")),
    ],
)
def test_the_electronic_address_of_the_buyer_is_a_leitweg_id_else_an_email_else_a_vat_id(
    format: DocumentFormat, reference: str, email: str | None, vat_id: str, address: tuple[str, str]
) -> None:
    buyer = party(BUYER, buyer_reference=reference, email=email, vat_id=vat_id, country_code=vat_id[:2])
    found = read(sample_invoice(buyer=buyer), format).buyer.electronic_address
    assert found is not None
    assert (found.value, found.scheme) == address


def test_the_electronic_address_of_the_seller_is_that_of_the_contact_else_the_vat_id() -> None:
    invoice = sample_invoice()
    for seller, address in ((SELLER, ("anna@nordwind.example", "EM")), (Seller(), ("DE123456788", "9930"))):
        found = read(invoice, DocumentFormat.ZUGFERD, seller).seller.electronic_address
        assert found is not None
        assert (found.value, found.scheme) == address


@FORMATS
def test_an_intra_community_supply_says_that_it_went_to_the_buyer(format: DocumentFormat) -> None:
    delivery = read(sample_invoice(sample_line(category="K", rate="0")), format).delivery
    assert delivery is not None
    assert delivery.address is not None
    assert (delivery.address.country_code, delivery.address.city) == ("AT", "Wien")
    elsewhere = read(sample_invoice(sample_line(category="AE", rate="0")), format).delivery
    assert elsewhere is not None
    assert elsewhere.address is None


@FORMATS
@pytest.mark.parametrize(("category", "code"), [("AE", "VATEX-EU-AE"), ("K", "VATEX-EU-IC"), ("G", "VATEX-EU-G")])
def test_a_category_that_has_one_reason_only_says_its_code(format: DocumentFormat, category: str, code: str) -> None:
    (tax,) = read(sample_invoice(sample_line(category=category, rate="0")), format).tax_breakdowns
    assert tax.exemption_reason
    assert tax.exemption_reason_code == code


@FORMATS
def test_who_has_no_vat_id_is_identified_by_the_tax_number(format: DocumentFormat) -> None:
    reading = read(sample_invoice(seller=party(SELLER_PARTY, vat_id=None)), format)
    assert (reading.seller.vat_id, reading.seller.tax_id) == (None, "60/123/45678")
    assert [identifier.value for identifier in reading.seller.identifiers] == ["60/123/45678"]


@FORMATS
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (sample_line("3", "0.335"), []),
        (sample_line("1.5", "88.50", discount="12.5"), [(False, "16.59", "132.75", "12.5")]),
        (sample_line("2", "5", discount="100"), [(False, "10.00", "10.00", "100")]),
        (sample_line("-2", "50", discount="10"), [(False, "-10.00", "-100.00", "10")]),
        (sample_line("1", "0.01", discount="10"), []),  # 0.009 is 0.01 again
        # the last of several credit notes, which takes up what rounding left
        (sample_line("1", "0.335", net_amount=Decimal("0.33")), [(False, "0.01", None, None)]),
        (sample_line("1", "0.0049", net_amount=Decimal("4.90")), [(True, "4.90", None, None)]),
        (
            sample_line("1", "100", discount="10", net_amount=Decimal("90.05")),
            [(False, "10.00", "100.00", "10"), (True, "0.05", None, None)],
        ),
    ],
)
def test_allowances_and_charges_lead_from_the_price_to_the_net_amount(
    format: DocumentFormat, line: Any, expected: list[tuple[bool, str, str | None, str | None]]
) -> None:
    invoice = sample_invoice(line, sample_line("100", "10"))
    (entry, _) = read(invoice, format).lines
    assert entry.net_amount == line.net_amount
    assert [(each.is_charge, each.amount, each.base_amount, each.percentage) for each in entry.allowances_charges] == [
        (is_charge, Decimal(amount), base and Decimal(base), percent and Decimal(percent))
        for is_charge, amount, base, percent in expected
    ]


@FORMATS
def test_the_discount_on_the_whole_is_an_allowance_per_rate(format: DocumentFormat) -> None:
    invoice = sample_invoice(sample_line("1", "100"), sample_line("1", "50", rate="7"), discount_percent="2.5")
    allowances = read(invoice, format).allowances_charges
    assert [(each.tax_rate, each.amount, each.base_amount, each.percentage) for each in allowances] == [
        (19, Decimal("2.50"), 100, Decimal("2.5")),
        (7, Decimal("1.25"), 50, Decimal("2.5")),
    ]
    assert {(each.reason, each.reason_code, each.is_charge) for each in allowances} == {("Discount", "95", False)}


def test_an_allowance_that_is_not_its_percentage_stands_alone() -> None:
    invoice = sample_credit_note(sample_line("1", "100"), discount_percent="10")
    (tax,) = invoice.taxes
    odd = replace(tax, allowance_amount=Decimal("10.10"), taxable_amount=Decimal("89.90"), tax_amount=Decimal("17.08"))
    invoice = sample_credit_note(sample_line("1", "100"), discount_percent="10", taxes=(odd,))
    for format in E_INVOICES:
        (allowance,) = read(invoice, format).allowances_charges
        assert (allowance.amount, allowance.base_amount, allowance.percentage) == (Decimal("10.10"), None, None)


@FORMATS
def test_yen_have_no_decimals_and_what_that_rounds_is_said(format: DocumentFormat) -> None:
    line = sample_line("1.5", "99", category="Z", rate="0", net_amount=Decimal(149))
    reading = read(sample_invoice(line, digits="1", currency="JPY"), format)
    assert (reading.currency, reading.gross_amount) == ("JPY", 149)
    ((rounding,),) = (entry.allowances_charges for entry in reading.lines)
    assert (rounding.is_charge, rounding.amount, rounding.reason) == (True, Decimal("0.50"), "Rounding")


def test_amounts_of_three_decimals_are_written_with_two_where_that_changes_nothing() -> None:
    line = sample_line("1", "10.500", category="Z", rate="0", net_amount=Decimal("10.500"))
    invoice = sample_invoice(line, digits="0.001", currency="KWD")
    assert b">10.50</ram:LineTotalAmount>" in write_xml(invoice, SELLER, DocumentFormat.ZUGFERD)


@FORMATS
@pytest.mark.parametrize("note", ["Order #12 and #13", "#REG#not a code", "# 1\n## 2", "#"])
def test_a_number_sign_in_a_note_is_no_subject_code(format: DocumentFormat, note: str) -> None:
    (read_note,) = read(sample_invoice(note=note), format).notes
    assert read_note.text == note


@FORMATS
def test_ubl_says_that_there_is_no_order_of_the_buyer_where_only_the_seller_has_a_number(
    format: DocumentFormat,
) -> None:
    reading = read(sample_invoice(purchase_order_reference=None), format)
    assert reading.sales_order_reference == "O-4711"
    assert reading.order_reference == ("NA" if format is DocumentFormat.XRECHNUNG_UBL else None)
    assert read(sample_invoice(purchase_order_reference=None, order_number=None), format).order_reference is None


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
    everywhere = party(
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
    root = etree.fromstring(write_xml(invoice, seller, format))
    names = {etree.QName(element).localname for element in root.iter()}
    plain = etree.fromstring(write_xml(sample_invoice(), SELLER, format))
    assert names <= {etree.QName(element).localname for element in plain.iter()} | {
        "Description",
        "SellerAssignedID",
        "ProprietaryID",
        "SellersItemIdentification",
        "Note",
        "IncludedNote",
        "Content",
    }


@FORMATS
def test_the_same_invoice_is_the_same_bytes(format: DocumentFormat) -> None:
    assert write_xml(sample_invoice(), SELLER, format) == write_xml(sample_invoice(), SELLER, format)


@pytest.mark.slow
@pytest.mark.alone
@FORMATS
def test_an_invoice_of_five_lines_is_written_in_well_below_a_millisecond(format: DocumentFormat) -> None:
    """So that writing it is no part of what making a page costs. It takes 0.3 ms."""
    invoice = sample_invoice(*(sample_line("2", "9.99", discount="5", description="Lamp & more") for _ in range(5)))
    fastest = min(timeit.repeat(lambda: write_xml(invoice, SELLER, format), number=100, repeat=5)) / 100
    assert fastest < 0.001


def test_what_the_organization_set_is_what_its_invoices_say() -> None:
    organization = Organization(
        id=uuid4(),
        slug="nordwind",
        name="Nordwind Handel GmbH & Co. KG",
        country_code="DE",
        time_zone=None,
        currency="EUR",
        vat_id=None,
        tax_number=None,
        iban="DE02120300000000202051",
        address=Address(),
        settings=OrganizationSettings.model_validate(
            {
                "documents": {
                    "contact_name": "Anna Beispiel",
                    "contact_phone": "+49 421 123456",
                    "contact_email": "anna@nordwind.example",
                    "bic": "BYLADEM1001",
                    "legal_text": "Amtsgericht Bremen, HRB 12345",
                }
            }
        ),
    )
    assert Seller.of(organization, SELLER.payment_terms) == SELLER


@pytest.mark.parametrize("number", ["04011000-12345-03", "991-03730-19", "991-33333TEST-33", " 04011000-12345-03 "])
def test_leitweg_ids_are_known(number: str) -> None:
    assert is_leitweg_id(number)


@pytest.mark.parametrize("number", ["", "Einkauf", "04011000-12345-04", "17-12345-03", "04011000", "PO-12-34"])
def test_other_references_are_none(number: str) -> None:
    assert not is_leitweg_id(number)


@pytest.mark.parametrize(
    ("account", "is_valid"),
    [("DE02120300000000202051", True), ("DE02120300000000202052", False), ("DE0", False), ("", False)],
)
def test_check_digits_of_ibans(account: str, is_valid: bool) -> None:
    assert is_valid_iban(account) is is_valid


@FORMATS
def test_the_supply_is_dated_and_has_the_periods_of_the_order_and_its_lines(format: DocumentFormat) -> None:
    january, week = (date(2026, 1, 1), date(2026, 1, 31)), (date(2026, 1, 5), date(2026, 1, 11))
    lines = sample_line(period_start=week[0], period_end=week[1]), sample_line()
    for make in (sample_invoice, sample_credit_note):
        reading = read(make(*lines, period_start=january[0], period_end=january[1]), format)
        assert reading.delivery is not None
        assert reading.delivery.date == date(2026, 2, 27)
        assert reading.period is not None
        assert (reading.period.start, reading.period.end) == january
        first, second = reading.lines
        assert first.period is not None
        assert (first.period.start, first.period.end) == week
        assert second.period is None


IN_DOLLARS = {
    "currency": "USD",
    "tax_currency": "EUR",
    "tax_amount_in_tax_currency": Decimal("1.76"),
    "exchange_rate": Decimal("1.0823"),
    "exchange_rate_base": "EUR",
    "exchange_rate_date": date(2026, 2, 27),
    "exchange_rate_source": "ECB",
}


@FORMATS
def test_vat_is_stated_in_the_currency_of_the_seller_too(format: DocumentFormat) -> None:
    for make in (sample_invoice, sample_credit_note):
        reading = read(make(**IN_DOLLARS), format)
        assert (reading.currency, reading.tax_amount) == ("USD", Decimal("1.90"))
        assert (reading.tax_currency, reading.tax_amount_in_tax_currency) == ("EUR", Decimal("1.76"))
    exempt = IN_DOLLARS | {"tax_amount_in_tax_currency": Decimal(0)}
    assert read(sample_invoice(sample_line(category="G", rate="0"), **exempt), format).tax_currency is None
