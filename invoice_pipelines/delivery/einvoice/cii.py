"""Holds how an issued invoice is written in UN/CEFACT CII (CEN/TS 16931-3-3), the syntax of ZUGFeRD and Factur-X."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from invoice_pipelines.billing import IssuedInvoice, IssuedInvoiceLine, IssuedInvoiceTax, Party
from invoice_pipelines.delivery.einvoice.derived import (
    Adjustment,
    ElectronicAddress,
    buyer_address,
    compact,
    document_allowance,
    exemption,
    line_adjustments,
    name_and_description,
    needs_deliver_to,
    payment_means,
    payment_terms,
    seller_address,
    seller_identifier,
)
from invoice_pipelines.delivery.einvoice.seller import Seller
from invoice_pipelines.einvoice.profiles import Profile
from invoice_pipelines.einvoice.writing.xml_text import (
    DECLARATION,
    compact_date,
    escaped,
    group,
    leaf,
    money,
    number,
    optional,
    price,
)

_OPENED = (
    DECLARATION + "<rsm:CrossIndustryInvoice"
    ' xmlns:rsm="urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100"'
    ' xmlns:qdt="urn:un:unece:uncefact:data:standard:QualifiedDataType:100"'
    ' xmlns:ram="urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100"'
    ' xmlns:udt="urn:un:unece:uncefact:data:standard:UnqualifiedDataType:100">\n'
)
_CLOSED = "\n</rsm:CrossIndustryInvoice>\n"


def cii(invoice: IssuedInvoice, seller: Seller, *, profile: Profile) -> bytes:
    """The invoice or credit note as a CrossIndustryInvoice. It keeps its rules where `lacking` names nothing."""
    parts = (
        group(
            "rsm:ExchangedDocumentContext",
            group("ram:BusinessProcessSpecifiedDocumentContextParameter", optional("ram:ID", profile.business_process)),
            group("ram:GuidelineSpecifiedDocumentContextParameter", leaf("ram:ID", profile.value)),
        ),
        group(
            "rsm:ExchangedDocument",
            leaf("ram:ID", invoice.invoice_number),
            leaf("ram:TypeCode", invoice.document_kind.type_code),
            f"<ram:IssueDateTime>{_day('udt', invoice.issue_date)}</ram:IssueDateTime>",
            group("ram:IncludedNote", optional("ram:Content", invoice.note)),
        ),
        "<rsm:SupplyChainTradeTransaction>",
        *(_line(line) for line in invoice.lines),
        _agreement(invoice, seller),
        _delivery(invoice),
        _settlement(invoice, seller),
        "</rsm:SupplyChainTradeTransaction>",
    )
    return (_OPENED + "\n".join(parts) + _CLOSED).encode()


def _line(line: IssuedInvoiceLine) -> str:
    name, description = name_and_description(line)
    return (
        "<ram:IncludedSupplyChainTradeLineItem><ram:AssociatedDocumentLineDocument>"
        f"<ram:LineID>{line.line_number}</ram:LineID></ram:AssociatedDocumentLineDocument>"
        f"<ram:SpecifiedTradeProduct>{optional('ram:SellerAssignedID', line.sku)}{leaf('ram:Name', name)}"
        f"{optional('ram:Description', description)}</ram:SpecifiedTradeProduct>"
        "<ram:SpecifiedLineTradeAgreement><ram:NetPriceProductTradePrice>"
        f"<ram:ChargeAmount>{price(line.unit_price)}</ram:ChargeAmount>"
        "</ram:NetPriceProductTradePrice></ram:SpecifiedLineTradeAgreement><ram:SpecifiedLineTradeDelivery>"
        f'<ram:BilledQuantity unitCode="{escaped(line.unit_code)}">{number(line.quantity)}</ram:BilledQuantity>'
        "</ram:SpecifiedLineTradeDelivery><ram:SpecifiedLineTradeSettlement><ram:ApplicableTradeTax>"
        f"{_category(line.tax_category, line.tax_rate)}</ram:ApplicableTradeTax>"
        f"{_period(line.period_start, line.period_end)}{''.join(map(_adjustment, line_adjustments(line)))}"
        "<ram:SpecifiedTradeSettlementLineMonetarySummation>"
        f"<ram:LineTotalAmount>{money(line.net_amount)}</ram:LineTotalAmount>"
        "</ram:SpecifiedTradeSettlementLineMonetarySummation>"
        "</ram:SpecifiedLineTradeSettlement></ram:IncludedSupplyChainTradeLineItem>"
    )


def _agreement(invoice: IssuedInvoice, seller: Seller) -> str:
    contact = group(
        "ram:DefinedTradeContact",
        optional("ram:PersonName", seller.contact_name),
        group("ram:TelephoneUniversalCommunication", optional("ram:CompleteNumber", seller.contact_phone)),
        group("ram:EmailURIUniversalCommunication", optional("ram:URIID", seller.contact_email)),
    )
    return group(
        "ram:ApplicableHeaderTradeAgreement",
        optional("ram:BuyerReference", invoice.buyer.buyer_reference),
        group(
            "ram:SellerTradeParty",
            optional("ram:ID", seller_identifier(invoice)),
            leaf("ram:Name", invoice.seller.name),
            optional("ram:Description", seller.legal_text),
            contact,
            _address(invoice.seller),
            _electronic(seller_address(invoice, seller)),
            _registration("VA", compact(invoice.seller.vat_id)),
            _registration("FC", invoice.seller.tax_number),
        ),
        group(
            "ram:BuyerTradeParty",
            optional("ram:ID", invoice.buyer.customer_number),
            leaf("ram:Name", invoice.buyer.name),
            _address(invoice.buyer),
            _electronic(buyer_address(invoice)),
            _registration("VA", compact(invoice.buyer.vat_id)),
        ),
        group("ram:SellerOrderReferencedDocument", optional("ram:IssuerAssignedID", invoice.order_number)),
        group("ram:BuyerOrderReferencedDocument", optional("ram:IssuerAssignedID", invoice.purchase_order_reference)),
    )


def _delivery(invoice: IssuedInvoice) -> str:
    place = group("ram:ShipToTradeParty", _address(invoice.buyer)) if needs_deliver_to(invoice) else ""
    day = (
        "<ram:ActualDeliverySupplyChainEvent><ram:OccurrenceDateTime>"
        f"{_day('udt', invoice.delivery_date)}"
        "</ram:OccurrenceDateTime></ram:ActualDeliverySupplyChainEvent>"
    )
    return group("ram:ApplicableHeaderTradeDelivery", place, day)


def _settlement(invoice: IssuedInvoice, seller: Seller) -> str:
    allowances = ((tax, document_allowance(invoice, tax)) for tax in invoice.taxes)
    return "\n".join(
        (
            "<ram:ApplicableHeaderTradeSettlement>",
            _payment(invoice, seller),
            *map(_tax, invoice.taxes),
            _period(invoice.period_start, invoice.period_end),
            *(_adjustment(allowance, tax) for tax, allowance in allowances if allowance is not None),
            _terms(invoice, seller),
            _summation(invoice),
            _corrected(invoice),
            "</ram:ApplicableHeaderTradeSettlement>",
        )
    )


def _payment(invoice: IssuedInvoice, seller: Seller) -> str:
    means = payment_means(invoice, seller)
    account = bank = ""
    if means.account_id is not None:
        account = group(
            "ram:PayeePartyCreditorFinancialAccount",
            optional("ram:IBANID", means.account_id if means.is_iban else None),
            optional("ram:AccountName", means.account_name),
            optional("ram:ProprietaryID", None if means.is_iban else means.account_id),
        )
        bank = group("ram:PayeeSpecifiedCreditorFinancialInstitution", optional("ram:BICID", means.bic))
    return (
        optional("ram:PaymentReference", means.reference)
        + optional("ram:TaxCurrencyCode", invoice.tax_currency if invoice.states_tax_in_tax_currency else None)
        + leaf("ram:InvoiceCurrencyCode", invoice.currency)
        + group("ram:SpecifiedTradeSettlementPaymentMeans", leaf("ram:TypeCode", means.code), account, bank)
    )


def _tax(tax: IssuedInvoiceTax) -> str:
    reason, code = exemption(tax)
    return (
        f"<ram:ApplicableTradeTax><ram:CalculatedAmount>{money(tax.tax_amount)}</ram:CalculatedAmount>"
        f"<ram:TypeCode>VAT</ram:TypeCode>{optional('ram:ExemptionReason', reason)}"
        f"<ram:BasisAmount>{money(tax.taxable_amount)}</ram:BasisAmount>{leaf('ram:CategoryCode', tax.tax_category)}"
        f"{optional('ram:ExemptionReasonCode', code)}"
        f"<ram:RateApplicablePercent>{number(tax.tax_rate)}</ram:RateApplicablePercent></ram:ApplicableTradeTax>"
    )


def _period(start: date | None, end: date | None) -> str:
    """BG-14 of the invoice, BG-26 of a line."""
    if start is None or end is None:
        return ""
    return (
        f"<ram:BillingSpecifiedPeriod><ram:StartDateTime>{_day('udt', start)}</ram:StartDateTime>"
        f"<ram:EndDateTime>{_day('udt', end)}</ram:EndDateTime></ram:BillingSpecifiedPeriod>"
    )


def _category(category: str, rate: Decimal) -> str:
    return (
        f"<ram:TypeCode>VAT</ram:TypeCode>{leaf('ram:CategoryCode', category)}"
        f"<ram:RateApplicablePercent>{number(rate)}</ram:RateApplicablePercent>"
    )


def _adjustment(adjustment: Adjustment, tax: IssuedInvoiceTax | None = None) -> str:
    """An allowance or charge: of the document with its `tax`, else of a line."""
    indicator = "true" if adjustment.is_charge else "false"
    percent = base = category = ""
    if adjustment.percent is not None and adjustment.base_amount is not None:
        percent = f"<ram:CalculationPercent>{number(adjustment.percent)}</ram:CalculationPercent>"
        base = f"<ram:BasisAmount>{money(adjustment.base_amount)}</ram:BasisAmount>"
    if tax is not None:
        category = f"<ram:CategoryTradeTax>{_category(tax.tax_category, tax.tax_rate)}</ram:CategoryTradeTax>"
    return (
        "<ram:SpecifiedTradeAllowanceCharge>"
        f"<ram:ChargeIndicator><udt:Indicator>{indicator}</udt:Indicator></ram:ChargeIndicator>{percent}{base}"
        f"<ram:ActualAmount>{money(adjustment.amount)}</ram:ActualAmount>"
        f"{optional('ram:ReasonCode', adjustment.reason_code)}{leaf('ram:Reason', adjustment.reason)}{category}"
        "</ram:SpecifiedTradeAllowanceCharge>"
    )


def _terms(invoice: IssuedInvoice, seller: Seller) -> str:
    terms, end = payment_terms(invoice, seller)
    due = ""
    if invoice.asks_for_payment:
        due = f"<ram:DueDateDateTime>{_day('udt', invoice.due_date)}</ram:DueDateDateTime>"
    return group("ram:SpecifiedTradePaymentTerms", optional("ram:Description", terms, end=end), due)


def _summation(invoice: IssuedInvoice) -> str:
    allowances = ""
    if invoice.allowance_amount:
        allowances = f"<ram:AllowanceTotalAmount>{money(invoice.allowance_amount)}</ram:AllowanceTotalAmount>"
    in_tax_currency = ""
    if invoice.states_tax_in_tax_currency and invoice.tax_amount_in_tax_currency is not None:
        in_tax_currency = (
            f'<ram:TaxTotalAmount currencyID="{escaped(invoice.tax_currency or "")}">'
            f"{money(invoice.tax_amount_in_tax_currency)}</ram:TaxTotalAmount>"
        )
    gross = money(invoice.gross_amount)
    return (
        "<ram:SpecifiedTradeSettlementHeaderMonetarySummation>"
        f"<ram:LineTotalAmount>{money(invoice.line_amount)}</ram:LineTotalAmount>{allowances}"
        f"<ram:TaxBasisTotalAmount>{money(invoice.net_amount)}</ram:TaxBasisTotalAmount>"
        f'<ram:TaxTotalAmount currencyID="{escaped(invoice.currency)}">{money(invoice.tax_amount)}</ram:TaxTotalAmount>'
        f"{in_tax_currency}"
        f"<ram:GrandTotalAmount>{gross}</ram:GrandTotalAmount><ram:DuePayableAmount>{gross}</ram:DuePayableAmount>"
        "</ram:SpecifiedTradeSettlementHeaderMonetarySummation>"
    )


def _corrected(invoice: IssuedInvoice) -> str:
    if invoice.corrected_invoice_number is None:
        return ""
    day = ""
    if invoice.corrected_invoice_date is not None:
        day = f"<ram:FormattedIssueDateTime>{_day('qdt', invoice.corrected_invoice_date)}</ram:FormattedIssueDateTime>"
    return group("ram:InvoiceReferencedDocument", leaf("ram:IssuerAssignedID", invoice.corrected_invoice_number), day)


def _address(party: Party) -> str:
    return group(
        "ram:PostalTradeAddress",
        optional("ram:PostcodeCode", party.post_code),
        optional("ram:LineOne", party.street),
        optional("ram:LineTwo", party.additional_street),
        optional("ram:CityName", party.city),
        leaf("ram:CountryID", party.country_code),
    )


def _electronic(address: ElectronicAddress | None) -> str:
    if address is None:
        return ""
    return (
        f'<ram:URIUniversalCommunication><ram:URIID schemeID="{address.scheme}">{escaped(address.value)}</ram:URIID>'
        "</ram:URIUniversalCommunication>"
    )


def _registration(scheme: str, number: str | None) -> str:
    written = escaped(number or "")
    if not written:
        return ""
    return (
        f'<ram:SpecifiedTaxRegistration><ram:ID schemeID="{scheme}">{written}</ram:ID></ram:SpecifiedTaxRegistration>'
    )


def _day(prefix: str, day: date) -> str:
    return f'<{prefix}:DateTimeString format="102">{compact_date(day)}</{prefix}:DateTimeString>'
