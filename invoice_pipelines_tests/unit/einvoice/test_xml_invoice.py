"""What a person sees in the reading of an XML invoice, on samples written by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from invoice_pipelines.einvoice.errors import ReadingError
from invoice_pipelines.einvoice.model import (
    Address,
    AllowanceCharge,
    Contact,
    Delivery,
    Identifier,
    Line,
    Note,
    Party,
    Payment,
    PaymentAccount,
    Period,
    PrecedingInvoice,
    SupportingDocument,
    TaxBreakdown,
)
from invoice_pipelines.intake.documents import read_document
from invoice_pipelines.intake.reading import Format, Reading, Source
from invoice_pipelines_tests.support.intake.documents import samples

EXPECTED = Reading(
    source=Source.XML,
    format=Format.UBL,
    profile="XRECHNUNG",
    number="RE-2025/0815",
    issue_date=date(2025, 3, 31),
    type_code="380",
    currency="EUR",
    tax_currency="CZK",
    tax_point_date=date(2025, 3, 30),
    due_date=date(2025, 4, 30),
    due_dates=(date(2025, 4, 30),),
    buyer_reference="04011000-12345-34",
    project_reference="PR-9",
    contract_reference="CT-6",
    order_reference="PO-7",
    sales_order_reference="SO-8",
    receiving_advice_reference="RA-4",
    despatch_advice_reference="DN-3",
    tender_reference="LOT-5",
    object_identifier=Identifier("meter 9", "AAM"),
    accounting_reference="4400",
    payment_terms="#SKONTO#TAGE=7#PROZENT=2.00#\n30 days net",
    notes=(Note("Two parts,\nthe second in May.", "AAI"), Note("No code here.")),
    business_process="urn:fdc:peppol.eu:2017:poacc:billing:01:1.0",
    specification_identifier="urn:cen.eu:en16931:2017#compliant#urn:xeinkauf.de:kosit:xrechnung_3.0",
    preceding_invoices=(PrecedingInvoice("RE-2025/0700", date(2025, 2, 28)),),
    seller=Party(
        name="Lieferant GmbH",
        trading_name="Liefer & Co",
        identifiers=(Identifier("4000001123452", "0088"),),
        legal_registration=Identifier("HRB 1234", "0002"),
        vat_id="DE123456789",
        tax_id="201/113/40209",
        legal_information="Amtsgericht Köln",
        electronic_address=Identifier("rechnung@lieferant.example", "EM"),
        address=Address("Hafenstraße 1", "Haus B", "3. Stock", "Köln", "50667", "NRW", "DE"),
        contact=Contact("Frau Beispiel", "+49 221 1", "b@lieferant.example"),
    ),
    buyer=Party(
        name="Kupující s.r.o.",
        identifiers=(Identifier("K-77"),),
        vat_id="CZ12345678",
        address=Address(city="Praha", country_code="CZ"),
    ),
    payee=Party(name="Factoring AG"),
    tax_representative=Party(name="Daně a.s.", vat_id="CZ99999999"),
    delivery=Delivery(
        "Sklad",
        Identifier("8590000000000", "0088"),
        date(2025, 3, 29),
        Address(city="Brno", country_code="CZ"),
    ),
    period=Period(date(2025, 3, 1), date(2025, 3, 31)),
    payments=(
        Payment(
            means_code="58",
            means_text="SEPA",
            remittance_information="0815",
            accounts=(PaymentAccount("DE02 1203 0000 0000 2020 51", "Factoring", "BYLADEM1001"),),
            mandate_reference="M-1",
            creditor_identifier="DE98ZZZ09999999999",
            debited_account="CZ6508000000192000145399",
        ),
    ),
    allowances_charges=(
        AllowanceCharge(
            False, Decimal(10), Decimal(100), Decimal(10), "S", Decimal(19), reason="Discount", reason_code="95"
        ),
        AllowanceCharge(True, Decimal("5.5"), None, None, "S", Decimal(19), reason="Freight"),
    ),
    line_total=Decimal(100),
    allowance_total=Decimal(10),
    charge_total=Decimal("5.5"),
    net_amount=Decimal("95.5"),
    tax_amount=Decimal("18.15"),
    tax_amount_in_tax_currency=Decimal("453.63"),
    gross_amount=Decimal("113.65"),
    prepaid_amount=Decimal("13.6"),
    rounding_amount=Decimal("-0.05"),
    payable_amount=Decimal(100),
    tax_breakdowns=(
        TaxBreakdown(Decimal("95.5"), Decimal("18.15"), "S", Decimal(19)),
        TaxBreakdown(Decimal(0), Decimal(0), "E", Decimal(0), "Exempt", "VATEX-EU-132"),
    ),
    supporting_documents=(SupportingDocument("sheet", "Time sheet", None, "text/csv", "t.csv"),),
    lines=(
        Line(
            identifier="1",
            note="As agreed",
            object_identifier=Identifier("pump 3", "AAB"),
            quantity=Decimal("2.5"),
            unit="HUR",
            net_amount=Decimal(100),
            order_line_reference="10",
            accounting_reference="4401",
            period=Period(date(2025, 3, 1), date(2025, 3, 15)),
            allowances_charges=(AllowanceCharge(False, Decimal("12.5"), reason="Rebate"),),
            unit_price=Decimal(45),
            price_discount=Decimal(5),
            gross_price=Decimal(50),
            price_base_quantity=Decimal(1),
            price_base_unit="HUR",
            tax_category="S",
            tax_rate=Decimal(19),
            name="Repair",
            description="Repair of pump\nwith parts",
            seller_item_id="S-1",
            buyer_item_id="B-1",
            standard_item_id=Identifier("4012345001235", "0160"),
            classifications=(Identifier("72154", "STI"),),
            origin_country="AT",
            attributes=(("Colour", "blue"),),
        ),
    ),
)


@pytest.mark.parametrize(("sample", "syntax"), [(samples.UBL, Format.UBL), (samples.CII, Format.CII)])
def test_every_business_term_is_read_alike_from_both_syntaxes(sample: str, syntax: Format) -> None:
    reading = read_document(sample.encode())
    assert replace(reading, raw={}, xml=None) == replace(EXPECTED, format=syntax)


def test_amounts_keep_the_decimals_of_the_document() -> None:
    reading = read_document(samples.UBL.encode())
    assert [str(reading.prepaid_amount), str(reading.payable_amount), str(reading.line_total)] == [
        "13.6",
        "100",
        "100.00",
    ]


def test_the_iban_is_given_without_blanks() -> None:
    assert read_document(samples.CII.encode()).iban == "DE02120300000000202051"


def test_the_xml_is_kept_byte_for_byte() -> None:
    data = samples.CII.encode("utf-16")
    assert read_document(data).xml == data


def test_a_credit_note_has_its_own_elements_and_its_due_date_at_the_payment() -> None:
    reading = read_document(samples.CREDIT_NOTE.encode())
    assert (reading.format, reading.profile, reading.number, reading.type_code) == (Format.UBL, "PEPPOL", "GS-1", "381")
    assert (reading.issue_date, reading.due_date) == (date(2025, 5, 5), date(2025, 6, 4))
    assert reading.project_reference == "PR-1"
    assert reading.supporting_documents == ()
    assert [(line.quantity, line.unit, line.net_amount) for line in reading.lines] == [
        (Decimal(2), "C62", Decimal(200))
    ]
    assert reading.warnings == ()


def test_zugferd_1_is_read_like_its_successor() -> None:
    reading = read_document(samples.ZUGFERD1.encode())
    assert (reading.format, reading.profile, reading.number) == (Format.ZUGFERD1, "COMFORT", "471102")
    assert (reading.issue_date, reading.delivery) == (date(2013, 3, 5), Delivery(date=date(2013, 3, 4)))
    assert (reading.seller.name, reading.seller.vat_id, reading.buyer.name) == (
        "Lieferant GmbH",
        "DE123456789",
        "Kunden AG",
    )
    assert reading.order_reference == "PO-1"
    assert (reading.net_amount, reading.tax_amount) == (Decimal(204), Decimal("38.76"))
    assert (reading.gross_amount, reading.payable_amount) == (Decimal("242.76"), Decimal("242.76"))
    assert reading.tax_breakdowns == (TaxBreakdown(Decimal(204), Decimal("38.76"), "S", Decimal(19)),)
    assert reading.allowances_charges == (
        AllowanceCharge(True, Decimal(6), tax_category="S", tax_rate=Decimal(19), reason="Versand"),
    )
    (line,) = reading.lines
    assert (line.quantity, line.unit_price, line.net_amount, line.tax_rate) == (
        Decimal(20),
        Decimal("9.9"),
        Decimal(198),
        Decimal(19),
    )
    assert (line.name, line.seller_item_id, reading.iban) == ("Trennblätter A4", "TB100A4", "DE08700901001234567890")
    assert reading.raw["root"]["name"] == "rsm:CrossIndustryDocument"


@pytest.mark.parametrize(
    ("specification", "profile"),
    [
        ("urn:cen.eu:en16931:2017", "EN 16931"),
        ("urn:factur-x.eu:1p0:minimum", "MINIMUM"),
        ("urn:factur-x.eu:1p0:basicwl", "BASIC WL"),
        ("urn:cen.eu:en16931:2017#compliant#urn:factur-x.eu:1p0:basic", "BASIC"),
        ("urn:cen.eu:en16931:2017#compliant#urn:zugferd.de:2p0:basic", "BASIC"),
        ("urn:cen.eu:en16931:2017#conformant#urn:factur-x.eu:1p0:extended", "EXTENDED"),
        ("urn:cen.eu:en16931:2017#compliant#urn:xoev-de:kosit:standard:xrechnung_2.3", "XRECHNUNG"),
        ("urn:cen.eu:en16931:2017#compliant#urn:fdc:peppol.eu:2017:poacc:billing:3.0", "PEPPOL"),
        ("urn:cen.eu:en16931:2017#compliant#urn:fdc:nen.nl:nlcius:v1.0", "v1.0"),
    ],
)
def test_the_profile_is_named_after_the_specification_identifier(specification: str, profile: str) -> None:
    xml = samples.CII.replace("urn:cen.eu:en16931:2017#compliant#urn:xeinkauf.de:kosit:xrechnung_3.0", specification)
    reading = read_document(xml.encode())
    assert (reading.profile, reading.specification_identifier) == (profile, specification)


def test_a_missing_specification_identifier_is_accepted() -> None:
    xml = samples.UBL.replace("CustomizationID", "UBLVersionID")
    reading = read_document(xml.encode())
    assert (reading.profile, reading.specification_identifier, reading.number) == (None, None, "RE-2025/0815")


def test_what_cannot_be_understood_is_left_out_with_a_remark_that_names_it() -> None:
    xml = (
        samples.UBL.replace(">2025-04-30<", ">end of April<").replace(">113.65<", ">113,65<").replace(">2.5<", ">two<")
    )
    reading = read_document(xml.encode())
    assert (reading.due_date, reading.gross_amount, reading.lines[0].quantity) == (None, None, None)
    assert (reading.number, reading.payable_amount) == ("RE-2025/0815", Decimal(100))
    assert reading.warnings == (
        "BT-9 of the document is 'end of April', which is not a calendar date; it is left empty.",
        "BT-112 of the document is '113,65', which is not a decimal number; it is left empty.",
        "BT-129 of line 1 is 'two', which is not a decimal number; it is left empty.",
    )


def test_an_amount_that_occurs_twice_is_remarked() -> None:
    total = "<ram:DuePayableAmount>100</ram:DuePayableAmount>"
    reading = read_document(samples.CII.replace(total, total + total.replace("100", "900")).encode())
    assert reading.payable_amount == 100
    assert "BT-115 occurs 2 times" in reading.warnings[0]


def test_a_charge_indicator_that_says_neither_is_remarked() -> None:
    xml = samples.CII.replace("<udt:Indicator>true</udt:Indicator>", "<udt:Indicator/>")
    assert "neither true nor false" in read_document(xml.encode()).warnings[0]


def test_several_due_dates_are_all_kept_and_the_first_leads() -> None:
    start, end = "<ram:SpecifiedTradePaymentTerms>", "</ram:SpecifiedTradePaymentTerms>"
    day = "<ram:DueDateDateTime><udt:DateTimeString format='102'>20250410</udt:DateTimeString></ram:DueDateDateTime>"
    xml = samples.CII.replace(start, start + day + end + start, 1)
    reading = read_document(xml.encode())
    assert reading.due_dates == (date(2025, 4, 10), date(2025, 4, 30))
    assert reading.due_date == date(2025, 4, 10)
    assert reading.warnings == ()


def test_a_price_discount_in_steps_is_their_sum() -> None:
    end = "</ram:AppliedTradeAllowanceCharge>"
    step = "<ram:AppliedTradeAllowanceCharge><ram:ActualAmount>0.25</ram:ActualAmount>" + end
    surcharge = step.replace(
        "<ram:Act", "<ram:ChargeIndicator><udt:Indicator>true</udt:Indicator></ram:ChargeIndicator><ram:Act"
    )
    (line,) = read_document(samples.CII.replace(end, end + step + surcharge).encode()).lines
    assert line.price_discount == Decimal("5.25")


def test_parts_and_groups_of_an_extended_invoice_say_what_they_are() -> None:
    line_id = "<ram:LineID>1</ram:LineID>"
    xml = samples.CII.replace(
        line_id,
        line_id + "<ram:ParentLineID>01</ram:ParentLineID><ram:LineStatusReasonCode>GROUP</ram:LineStatusReasonCode>",
    )
    (line,) = read_document(xml.encode()).lines
    assert (line.identifier, line.parent_identifier, line.kind) == ("1", "01", "GROUP")


def test_a_total_without_currency_counts_as_one_in_the_invoice_currency() -> None:
    xml = samples.CII.replace('<ram:TaxTotalAmount currencyID="EUR">', "<ram:TaxTotalAmount>")
    reading = read_document(xml.encode())
    assert (reading.tax_amount, reading.tax_amount_in_tax_currency) == (Decimal("18.15"), Decimal("453.63"))


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "iso-8859-15", "cp1252"]
)
def test_every_usual_encoding_is_read(encoding: str) -> None:
    declared = encoding.removesuffix("-sig").removesuffix("-le").removesuffix("-be")
    xml = samples.CII.replace("UTF-8", declared).replace("ý", "y").replace("í", "i").replace("ě", "e")
    assert read_document(xml.encode(encoding)).seller.address == EXPECTED.seller.address


def test_blanks_before_the_declaration_are_forgiven_with_a_remark() -> None:
    reading = read_document(b"\r\n " + samples.UBL.encode())
    assert reading.number == "RE-2025/0815"
    assert reading.warnings == ("Blanks before the XML declaration, which XML forbids, were dropped.",)


def test_a_comment_inside_a_value_does_not_cut_it() -> None:
    xml = samples.UBL.replace("RE-2025/0815", "RE-2025<!-- year -->/0815")
    assert read_document(xml.encode()).number == "RE-2025/0815"


@pytest.mark.parametrize(
    "xml",
    [
        "<html><body/></html>",
        '<Order xmlns="urn:oasis:names:specification:ubl:schema:xsd:Order-2"/>',
        '<rsm:SCRDMCCBDACIOMessageStructure xmlns:rsm="urn:un:unece:uncefact:data:SCRDMCCBDACIOMessageStructure:100"/>',
        '<Invoice xmlns="urn:un:unece:uncefact:data:standard:CBFBUY:5"/>',
        "<Invoice/>",
    ],
)
def test_other_xml_is_not_taken_for_an_invoice(xml: str) -> None:
    with pytest.raises(ReadingError) as error:
        read_document(xml.encode())
    assert error.value.code == "NOT_AN_INVOICE"


def test_an_empty_invoice_is_read_as_one_without_values() -> None:
    reading = read_document(b'<Invoice xmlns="urn:oasis:names:specification:ubl:schema:xsd:Invoice-2"/>')
    assert replace(reading, raw={}, xml=None) == Reading(source=Source.XML, format=Format.UBL)
