"""Invoices made for these tests: a consistent `Reading` strategy, and one small e-invoice in each syntax."""

from __future__ import annotations

from datetime import date
from decimal import ROUND_HALF_UP, Decimal

from hypothesis import strategies as st

from invoice_pipelines.einvoice.model import AllowanceCharge, Line, Party, TaxBreakdown
from invoice_pipelines.einvoice.rules.verdict import Violation
from invoice_pipelines.intake.reading import Format, Reading, Source
from invoice_pipelines.intake.validation.content import Expectations, content_violations

TODAY = date(2026, 3, 31)
CENT = Decimal("0.01")

amounts = st.decimals(min_value="-9999.99", max_value="9999.99", places=2, allow_nan=False)
rates = st.sampled_from([Decimal(0), Decimal(7), Decimal("9.5"), Decimal(19), Decimal(25)])


@st.composite
def consistent_readings(draw: st.DrawFn, source: Source = Source.XML) -> Reading:
    """An invoice in which every sum ties: lines, allowances and charges, VAT rounded per rate, prepayment, rounding."""
    lines = draw(st.lists(st.tuples(amounts, rates), min_size=1, max_size=8))
    items = draw(st.lists(st.tuples(st.booleans(), amounts.map(abs), rates), max_size=3))
    prepaid = draw(st.none() | amounts)
    rounding = draw(st.none() | st.decimals(min_value="-0.99", max_value="0.99", places=2))

    bases: dict[Decimal, Decimal] = {}
    for amount, rate in lines:
        bases[rate] = bases.get(rate, Decimal(0)) + amount
    for is_charge, amount, rate in items:
        bases[rate] = bases.get(rate, Decimal(0)) + (amount if is_charge else -amount)
    breakdowns = tuple(
        TaxBreakdown(base, (base * rate / 100).quantize(CENT, ROUND_HALF_UP), "S" if rate else "Z", rate)
        for rate, base in bases.items()
    )
    line_total = sum((amount for amount, _ in lines), Decimal(0))
    allowances = sum((amount for is_charge, amount, _ in items if not is_charge), Decimal(0))
    charges = sum((amount for is_charge, amount, _ in items if is_charge), Decimal(0))
    net = line_total - allowances + charges
    tax = sum((part.tax_amount or Decimal(0) for part in breakdowns), Decimal(0))
    return Reading(
        source=source,
        format=Format.UBL if source is Source.XML else Format.PDF,
        number="R-1",
        issue_date=date(2026, 3, 1),
        due_date=date(2026, 3, 31),
        type_code="380",
        currency="EUR",
        seller=Party(name="Muster GmbH", vat_id="DE136695976"),
        allowances_charges=tuple(
            AllowanceCharge(is_charge, amount, tax_rate=rate) for is_charge, amount, rate in items
        ),
        lines=tuple(
            Line(str(number), quantity=Decimal(1), unit_price=amount, net_amount=amount, tax_rate=rate)
            for number, (amount, rate) in enumerate(lines, 1)
        ),
        line_total=line_total,
        allowance_total=allowances if allowances else None,
        charge_total=charges if charges else None,
        net_amount=net,
        tax_amount=tax,
        gross_amount=net + tax,
        prepaid_amount=prepaid,
        rounding_amount=rounding,
        payable_amount=net + tax - (prepaid or 0) + (rounding or 0),
        tax_breakdowns=breakdowns,
    )


SIMPLE = Reading(
    source=Source.XML,
    format=Format.UBL,
    number="2026-001",
    issue_date=date(2026, 3, 1),
    due_date=date(2026, 3, 31),
    type_code="380",
    currency="EUR",
    seller=Party(name="Muster GmbH", vat_id="DE136695976"),
    lines=(Line("1", quantity=Decimal(2), unit_price=Decimal(50), net_amount=Decimal("100.00")),),
    line_total=Decimal("100.00"),
    net_amount=Decimal("100.00"),
    tax_amount=Decimal("19.00"),
    gross_amount=Decimal("119.00"),
    payable_amount=Decimal("119.00"),
    tax_breakdowns=(TaxBreakdown(Decimal("100.00"), Decimal("19.00"), "S", Decimal(19)),),
)


def violations_of(reading: Reading, expectations: Expectations | None = None) -> dict[str, Violation]:
    """What the own rules say of a reading, by rule id."""
    found = content_violations(reading, expectations or Expectations(today=TODAY))
    return {violation.rule: violation for violation in found}


UBL = """<?xml version="1.0" encoding="UTF-8"?>
<Invoice xmlns="urn:oasis:names:specification:ubl:schema:xsd:Invoice-2"
 xmlns:cac="urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2"
 xmlns:cbc="urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2">
  <cbc:CustomizationID>urn:cen.eu:en16931:2017</cbc:CustomizationID>
  <cbc:ID>2026-001</cbc:ID>
  <cbc:IssueDate>2026-03-01</cbc:IssueDate>
  <cbc:DueDate>2026-03-31</cbc:DueDate>
  <cbc:InvoiceTypeCode>380</cbc:InvoiceTypeCode>
  <cbc:DocumentCurrencyCode>EUR</cbc:DocumentCurrencyCode>
  <cac:AccountingSupplierParty><cac:Party>
    <cac:PostalAddress><cac:Country><cbc:IdentificationCode>DE</cbc:IdentificationCode></cac:Country></cac:PostalAddress>
    <cac:PartyTaxScheme><cbc:CompanyID>DE136695976</cbc:CompanyID>
      <cac:TaxScheme><cbc:ID>VAT</cbc:ID></cac:TaxScheme></cac:PartyTaxScheme>
    <cac:PartyLegalEntity><cbc:RegistrationName>Muster GmbH</cbc:RegistrationName></cac:PartyLegalEntity>
  </cac:Party></cac:AccountingSupplierParty>
  <cac:AccountingCustomerParty><cac:Party>
    <cac:PostalAddress><cac:Country><cbc:IdentificationCode>DE</cbc:IdentificationCode></cac:Country></cac:PostalAddress>
    <cac:PartyLegalEntity><cbc:RegistrationName>Kunde AG</cbc:RegistrationName></cac:PartyLegalEntity>
  </cac:Party></cac:AccountingCustomerParty>
  <cac:TaxTotal><cbc:TaxAmount currencyID="EUR">19.00</cbc:TaxAmount>
    <cac:TaxSubtotal>
      <cbc:TaxableAmount currencyID="EUR">100.00</cbc:TaxableAmount>
      <cbc:TaxAmount currencyID="EUR">19.00</cbc:TaxAmount>
      <cac:TaxCategory><cbc:ID>S</cbc:ID><cbc:Percent>19</cbc:Percent>
        <cac:TaxScheme><cbc:ID>VAT</cbc:ID></cac:TaxScheme></cac:TaxCategory>
    </cac:TaxSubtotal>
  </cac:TaxTotal>
  <cac:LegalMonetaryTotal>
    <cbc:LineExtensionAmount currencyID="EUR">100.00</cbc:LineExtensionAmount>
    <cbc:TaxExclusiveAmount currencyID="EUR">100.00</cbc:TaxExclusiveAmount>
    <cbc:TaxInclusiveAmount currencyID="EUR">119.00</cbc:TaxInclusiveAmount>
    <cbc:PayableAmount currencyID="EUR">119.00</cbc:PayableAmount>
  </cac:LegalMonetaryTotal>
  <cac:InvoiceLine>
    <cbc:ID>1</cbc:ID>
    <cbc:InvoicedQuantity unitCode="C62">2</cbc:InvoicedQuantity>
    <cbc:LineExtensionAmount currencyID="EUR">100.00</cbc:LineExtensionAmount>
    <cac:Item><cbc:Name>Schrauben</cbc:Name>
      <cac:ClassifiedTaxCategory><cbc:ID>S</cbc:ID><cbc:Percent>19</cbc:Percent>
        <cac:TaxScheme><cbc:ID>VAT</cbc:ID></cac:TaxScheme></cac:ClassifiedTaxCategory></cac:Item>
    <cac:Price><cbc:PriceAmount currencyID="EUR">50.00</cbc:PriceAmount></cac:Price>
  </cac:InvoiceLine>
</Invoice>
"""

CII = """<?xml version="1.0" encoding="UTF-8"?>
<rsm:CrossIndustryInvoice xmlns:rsm="urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100"
 xmlns:ram="urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100"
 xmlns:udt="urn:un:unece:uncefact:data:standard:UnqualifiedDataType:100">
  <rsm:ExchangedDocumentContext><ram:GuidelineSpecifiedDocumentContextParameter>
    <ram:ID>urn:cen.eu:en16931:2017</ram:ID></ram:GuidelineSpecifiedDocumentContextParameter>
  </rsm:ExchangedDocumentContext>
  <rsm:ExchangedDocument>
    <ram:ID>2026-001</ram:ID><ram:TypeCode>380</ram:TypeCode>
    <ram:IssueDateTime><udt:DateTimeString format="102">20260301</udt:DateTimeString></ram:IssueDateTime>
  </rsm:ExchangedDocument>
  <rsm:SupplyChainTradeTransaction>
    <ram:IncludedSupplyChainTradeLineItem>
      <ram:AssociatedDocumentLineDocument><ram:LineID>1</ram:LineID></ram:AssociatedDocumentLineDocument>
      <ram:SpecifiedTradeProduct><ram:Name>Schrauben</ram:Name></ram:SpecifiedTradeProduct>
      <ram:SpecifiedLineTradeAgreement><ram:NetPriceProductTradePrice>
        <ram:ChargeAmount>50.00</ram:ChargeAmount></ram:NetPriceProductTradePrice></ram:SpecifiedLineTradeAgreement>
      <ram:SpecifiedLineTradeDelivery>
        <ram:BilledQuantity unitCode="C62">2</ram:BilledQuantity></ram:SpecifiedLineTradeDelivery>
      <ram:SpecifiedLineTradeSettlement>
        <ram:ApplicableTradeTax><ram:TypeCode>VAT</ram:TypeCode><ram:CategoryCode>S</ram:CategoryCode>
          <ram:RateApplicablePercent>19</ram:RateApplicablePercent></ram:ApplicableTradeTax>
        <ram:SpecifiedTradeSettlementLineMonetarySummation><ram:LineTotalAmount>100.00</ram:LineTotalAmount>
        </ram:SpecifiedTradeSettlementLineMonetarySummation>
      </ram:SpecifiedLineTradeSettlement>
    </ram:IncludedSupplyChainTradeLineItem>
    <ram:ApplicableHeaderTradeAgreement>
      <ram:SellerTradeParty><ram:Name>Muster GmbH</ram:Name>
        <ram:PostalTradeAddress><ram:CountryID>DE</ram:CountryID></ram:PostalTradeAddress>
        <ram:SpecifiedTaxRegistration><ram:ID schemeID="VA">DE136695976</ram:ID></ram:SpecifiedTaxRegistration>
      </ram:SellerTradeParty>
      <ram:BuyerTradeParty><ram:Name>Kunde AG</ram:Name>
        <ram:PostalTradeAddress><ram:CountryID>DE</ram:CountryID></ram:PostalTradeAddress></ram:BuyerTradeParty>
    </ram:ApplicableHeaderTradeAgreement>
    <ram:ApplicableHeaderTradeDelivery/>
    <ram:ApplicableHeaderTradeSettlement>
      <ram:InvoiceCurrencyCode>EUR</ram:InvoiceCurrencyCode>
      <ram:ApplicableTradeTax><ram:CalculatedAmount>19.00</ram:CalculatedAmount><ram:TypeCode>VAT</ram:TypeCode>
        <ram:BasisAmount>100.00</ram:BasisAmount><ram:CategoryCode>S</ram:CategoryCode>
        <ram:RateApplicablePercent>19</ram:RateApplicablePercent></ram:ApplicableTradeTax>
      <ram:SpecifiedTradePaymentTerms>
        <ram:DueDateDateTime><udt:DateTimeString format="102">20260331</udt:DateTimeString></ram:DueDateDateTime>
      </ram:SpecifiedTradePaymentTerms>
      <ram:SpecifiedTradeSettlementHeaderMonetarySummation>
        <ram:LineTotalAmount>100.00</ram:LineTotalAmount><ram:TaxBasisTotalAmount>100.00</ram:TaxBasisTotalAmount>
        <ram:TaxTotalAmount currencyID="EUR">19.00</ram:TaxTotalAmount>
        <ram:GrandTotalAmount>119.00</ram:GrandTotalAmount><ram:DuePayableAmount>119.00</ram:DuePayableAmount>
      </ram:SpecifiedTradeSettlementHeaderMonetarySummation>
    </ram:ApplicableHeaderTradeSettlement>
  </rsm:SupplyChainTradeTransaction>
</rsm:CrossIndustryInvoice>
"""
