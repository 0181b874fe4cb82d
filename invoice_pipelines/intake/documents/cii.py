"""Holds where the business terms of EN 16931 stand in UN/CEFACT CII D16B and D22B (CEN/TS 16931-3-3).

Factur-X and ZUGFeRD 2.x are CII. So, under older names, is ZUGFeRD 1.0: see `zugferd1`.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from lxml import etree

from invoice_pipelines.intake.documents.node import Binding, Node, or_none
from invoice_pipelines.intake.reading import (
    Address,
    AllowanceCharge,
    Contact,
    Delivery,
    Format,
    Identifier,
    Line,
    Note,
    Party,
    Payment,
    PaymentAccount,
    Period,
    PrecedingInvoice,
    Reading,
    Source,
    SupportingDocument,
    TaxBreakdown,
)

INVOICE = "{urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100}CrossIndustryInvoice"
RAM = "urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100"
RSM = "urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100"
UDT = "urn:un:unece:uncefact:data:standard:UnqualifiedDataType:100"

_CII = Binding({"rsm": RSM, "ram": RAM, "udt": UDT})

_TRADE = "rsm:SupplyChainTradeTransaction/"
_AGREEMENT = _TRADE + "ram:ApplicableHeaderTradeAgreement/"
_DELIVERY = _TRADE + "ram:ApplicableHeaderTradeDelivery/"
_SETTLEMENT = _TRADE + "ram:ApplicableHeaderTradeSettlement/"
_SUMMATION = _SETTLEMENT + "ram:SpecifiedTradeSettlementHeaderMonetarySummation/"


def read_cii(root: etree._Element, warnings: list[str], format: Format = Format.CII) -> Reading:
    """Read a CrossIndustryInvoice. Adds remarks to `warnings`; `raw` and `xml` are left to the caller."""
    at = Node(root, _CII, warnings)
    currency = at.text(_SETTLEMENT + "ram:InvoiceCurrencyCode")
    tax_currency = at.text(_SETTLEMENT + "ram:TaxCurrencyCode")
    tax_total, tax_total_in_tax_currency = _tax_totals(at, currency, tax_currency)
    due_dates = tuple(
        dict.fromkeys(at.days(_SETTLEMENT + "ram:SpecifiedTradePaymentTerms/ram:DueDateDateTime", "BT-9"))
    )
    return Reading(
        source=Source.XML,
        format=format,
        number=at.text("rsm:ExchangedDocument/ram:ID"),
        issue_date=at.day("rsm:ExchangedDocument/ram:IssueDateTime", "BT-2"),
        type_code=at.text("rsm:ExchangedDocument/ram:TypeCode"),
        currency=currency,
        tax_currency=tax_currency,
        tax_point_date=at.day(_SETTLEMENT + "ram:ApplicableTradeTax/ram:TaxPointDate", "BT-7"),
        tax_point_code=at.text(_SETTLEMENT + "ram:ApplicableTradeTax/ram:DueDateTypeCode"),
        due_date=due_dates[0] if due_dates else None,
        due_dates=due_dates,
        buyer_reference=at.text(_AGREEMENT + "ram:BuyerReference"),
        project_reference=at.text(_AGREEMENT + "ram:SpecifiedProcuringProject/ram:ID"),
        contract_reference=at.text(_AGREEMENT + "ram:ContractReferencedDocument/ram:IssuerAssignedID"),
        order_reference=at.text(_AGREEMENT + "ram:BuyerOrderReferencedDocument/ram:IssuerAssignedID"),
        sales_order_reference=at.text(_AGREEMENT + "ram:SellerOrderReferencedDocument/ram:IssuerAssignedID"),
        receiving_advice_reference=at.text(_DELIVERY + "ram:ReceivingAdviceReferencedDocument/ram:IssuerAssignedID"),
        despatch_advice_reference=at.text(_DELIVERY + "ram:DespatchAdviceReferencedDocument/ram:IssuerAssignedID"),
        tender_reference=at.text(
            _AGREEMENT + "ram:AdditionalReferencedDocument[ram:TypeCode='50']/ram:IssuerAssignedID"
        ),
        object_identifier=_object_identifier(at, _AGREEMENT + "ram:AdditionalReferencedDocument[ram:TypeCode='130']"),
        accounting_reference=at.text(_SETTLEMENT + "ram:ReceivableSpecifiedTradeAccountingAccount/ram:ID"),
        payment_terms=at.prose(_SETTLEMENT + "ram:SpecifiedTradePaymentTerms/ram:Description"),
        notes=tuple(_notes(at)),
        business_process=at.text(
            "rsm:ExchangedDocumentContext/ram:BusinessProcessSpecifiedDocumentContextParameter/ram:ID"
        ),
        specification_identifier=at.text(
            "rsm:ExchangedDocumentContext/ram:GuidelineSpecifiedDocumentContextParameter/ram:ID"
        ),
        preceding_invoices=tuple(_preceding_invoices(at)),
        seller=_party(at.node(_AGREEMENT + "ram:SellerTradeParty")) or Party(),
        buyer=_party(at.node(_AGREEMENT + "ram:BuyerTradeParty")) or Party(),
        payee=_party(at.node(_SETTLEMENT + "ram:PayeeTradeParty")),
        tax_representative=_party(at.node(_AGREEMENT + "ram:SellerTaxRepresentativeTradeParty")),
        delivery=_delivery(at),
        period=_period(at.node(_SETTLEMENT + "ram:BillingSpecifiedPeriod"), "BT-73", "BT-74"),
        payments=tuple(_payments(at)),
        allowances_charges=tuple(_allowances_charges(at)),
        line_total=at.decimal(_SUMMATION + "ram:LineTotalAmount", "BT-106"),
        allowance_total=at.decimal(_SUMMATION + "ram:AllowanceTotalAmount", "BT-107"),
        charge_total=at.decimal(_SUMMATION + "ram:ChargeTotalAmount", "BT-108"),
        net_amount=at.decimal(_SUMMATION + "ram:TaxBasisTotalAmount", "BT-109"),
        tax_amount=tax_total.decimal(".", "BT-110") if tax_total else None,
        tax_amount_in_tax_currency=(
            tax_total_in_tax_currency.decimal(".", "BT-111") if tax_total_in_tax_currency else None
        ),
        gross_amount=at.decimal(_SUMMATION + "ram:GrandTotalAmount", "BT-112"),
        prepaid_amount=at.decimal(_SUMMATION + "ram:TotalPrepaidAmount", "BT-113"),
        rounding_amount=at.decimal(_SUMMATION + "ram:RoundingAmount", "BT-114"),
        payable_amount=at.decimal(_SUMMATION + "ram:DuePayableAmount", "BT-115"),
        tax_breakdowns=tuple(_tax_breakdown(node) for node in at.nodes(_SETTLEMENT + "ram:ApplicableTradeTax")),
        supporting_documents=tuple(_supporting_documents(at)),
        lines=tuple(_line(node) for node in at.nodes(_TRADE + "ram:IncludedSupplyChainTradeLineItem", "line")),
    )


def _tax_totals(at: Node, currency: str | None, tax_currency: str | None) -> tuple[Node | None, Node | None]:
    """The tax totals in the invoice currency (BT-110) and in the tax currency (BT-111)."""
    totals = list(at.nodes(_SUMMATION + "ram:TaxTotalAmount"))
    in_tax_currency = None
    if tax_currency and tax_currency != currency:
        in_tax_currency = next((total for total in totals if total.text("@currencyID") == tax_currency), None)
    others = [total for total in totals if total is not in_tax_currency]
    in_currency = next((total for total in others if total.text("@currencyID") == currency), None)
    return in_currency or next(iter(others), None), in_tax_currency


def _notes(at: Node) -> Iterator[Note]:
    for node in at.nodes("rsm:ExchangedDocument/ram:IncludedNote"):
        if text := node.prose("ram:Content"):
            yield Note(text, node.text("ram:SubjectCode"))


def _preceding_invoices(at: Node) -> Iterator[PrecedingInvoice]:
    for node in at.nodes(_SETTLEMENT + "ram:InvoiceReferencedDocument"):
        if number := node.text("ram:IssuerAssignedID"):
            yield PrecedingInvoice(number, node.day("ram:FormattedIssueDateTime", "BT-26"))


def _object_identifier(at: Node, path: str) -> Identifier | None:
    document = at.node(path)
    value = document.text("ram:IssuerAssignedID") if document else None
    return Identifier(value, document.text("ram:ReferenceTypeCode")) if document and value else None


def _party(at: Node | None) -> Party | None:
    if at is None:
        return None
    return or_none(
        Party(
            name=at.text("ram:Name"),
            trading_name=at.text("ram:SpecifiedLegalOrganization/ram:TradingBusinessName"),
            identifiers=at.identifiers("ram:ID") + at.identifiers("ram:GlobalID"),
            legal_registration=at.identifier("ram:SpecifiedLegalOrganization/ram:ID"),
            vat_id=at.text("ram:SpecifiedTaxRegistration/ram:ID[@schemeID='VA']"),
            tax_id=at.text("ram:SpecifiedTaxRegistration/ram:ID[@schemeID='FC']"),
            legal_information=at.text("ram:Description"),
            electronic_address=at.identifier("ram:URIUniversalCommunication/ram:URIID"),
            address=_address(at.node("ram:PostalTradeAddress")),
            contact=_contact(at.node("ram:DefinedTradeContact")),
        )
    )


def _contact(at: Node | None) -> Contact | None:
    if at is None:
        return None
    return or_none(
        Contact(
            name=at.text("ram:PersonName") or at.text("ram:DepartmentName"),
            phone=at.text("ram:TelephoneUniversalCommunication/ram:CompleteNumber"),
            email=at.text("ram:EmailURIUniversalCommunication/ram:URIID"),
        )
    )


def _address(at: Node | None) -> Address | None:
    if at is None:
        return None
    return or_none(
        Address(
            line_one=at.text("ram:LineOne"),
            line_two=at.text("ram:LineTwo"),
            line_three=at.text("ram:LineThree"),
            city=at.text("ram:CityName"),
            post_code=at.text("ram:PostcodeCode"),
            subdivision=at.text("ram:CountrySubDivisionName"),
            country_code=at.text("ram:CountryID"),
        )
    )


def _delivery(at: Node) -> Delivery | None:
    place = _DELIVERY + "ram:ShipToTradeParty/"
    return or_none(
        Delivery(
            name=at.text(place + "ram:Name"),
            location=at.identifier(place + "ram:GlobalID") or at.identifier(place + "ram:ID"),
            date=at.day(_DELIVERY + "ram:ActualDeliverySupplyChainEvent/ram:OccurrenceDateTime", "BT-72"),
            address=_address(at.node(place + "ram:PostalTradeAddress")),
        )
    )


def _period(at: Node | None, start: str, end: str) -> Period | None:
    if at is None:
        return None
    return or_none(Period(start=at.day("ram:StartDateTime", start), end=at.day("ram:EndDateTime", end)))


def _payments(at: Node) -> Iterator[Payment]:
    # These three stand once, above the means; in the model they belong to each payment.
    remittance_information = at.text(_SETTLEMENT + "ram:PaymentReference")
    mandate_reference = at.text(_SETTLEMENT + "ram:SpecifiedTradePaymentTerms/ram:DirectDebitMandateID")
    creditor_identifier = at.text(_SETTLEMENT + "ram:CreditorReferenceID")
    means = list(at.nodes(_SETTLEMENT + "ram:SpecifiedTradeSettlementPaymentMeans"))
    for node in means:
        yield Payment(
            means_code=node.text("ram:TypeCode"),
            means_text=node.text("ram:Information"),
            remittance_information=remittance_information,
            accounts=tuple(_account(node)),
            card_number=node.text("ram:ApplicableTradeSettlementFinancialCard/ram:ID"),
            card_holder=node.text("ram:ApplicableTradeSettlementFinancialCard/ram:CardholderName"),
            mandate_reference=mandate_reference,
            creditor_identifier=creditor_identifier,
            debited_account=node.text("ram:PayerPartyDebtorFinancialAccount/ram:IBANID"),
        )
    if not means and (remittance_information or mandate_reference or creditor_identifier):
        yield Payment(
            remittance_information=remittance_information,
            mandate_reference=mandate_reference,
            creditor_identifier=creditor_identifier,
        )


def _account(at: Node) -> Iterator[PaymentAccount]:
    account = at.node("ram:PayeePartyCreditorFinancialAccount")
    number = (account.text("ram:IBANID") or account.text("ram:ProprietaryID")) if account else None
    if account and number:
        yield PaymentAccount(
            account_id=number,
            name=account.text("ram:AccountName"),
            bic=at.text("ram:PayeeSpecifiedCreditorFinancialInstitution/ram:BICID"),
        )


def _allowances_charges(at: Node) -> Iterator[AllowanceCharge]:
    for node in at.nodes(_SETTLEMENT + "ram:SpecifiedTradeAllowanceCharge", "allowance or charge"):
        yield _allowance_charge(node)
    # EXTENDED and ZUGFeRD 1.0 write freight apart from other charges; BT-108 counts it in.
    for node in at.nodes(_SETTLEMENT + "ram:SpecifiedLogisticsServiceCharge", "logistics charge"):
        yield AllowanceCharge(
            is_charge=True,
            amount=node.decimal("ram:AppliedAmount", "BT-99"),
            tax_category=node.text("ram:AppliedTradeTax/ram:CategoryCode"),
            tax_rate=node.decimal("ram:AppliedTradeTax/ram:RateApplicablePercent", "BT-103"),
            reason=node.text("ram:Description"),
        )


def _allowance_charge(at: Node) -> AllowanceCharge:
    return AllowanceCharge(
        is_charge=at.is_true("ram:ChargeIndicator", "Charge indicator"),
        amount=at.decimal("ram:ActualAmount", "Amount"),
        base_amount=at.decimal("ram:BasisAmount", "Base amount"),
        percentage=at.decimal("ram:CalculationPercent", "Percentage"),
        tax_category=at.text("ram:CategoryTradeTax/ram:CategoryCode"),
        tax_rate=at.decimal("ram:CategoryTradeTax/ram:RateApplicablePercent", "VAT rate"),
        reason=at.text("ram:Reason"),
        reason_code=at.text("ram:ReasonCode"),
    )


def _tax_breakdown(at: Node) -> TaxBreakdown:
    return TaxBreakdown(
        taxable_amount=at.decimal("ram:BasisAmount", "BT-116"),
        tax_amount=at.decimal("ram:CalculatedAmount", "BT-117"),
        category=at.text("ram:CategoryCode"),
        rate=at.decimal("ram:RateApplicablePercent", "BT-119"),
        exemption_reason=at.text("ram:ExemptionReason"),
        exemption_reason_code=at.text("ram:ExemptionReasonCode"),
    )


def _supporting_documents(at: Node) -> Iterator[SupportingDocument]:
    # The same element also holds the tender (50) and the invoiced object (130).
    for node in at.nodes(_AGREEMENT + "ram:AdditionalReferencedDocument[not(ram:TypeCode='50' or ram:TypeCode='130')]"):
        yield SupportingDocument(
            reference=node.text("ram:IssuerAssignedID"),
            description=node.text("ram:Name"),
            location=node.text("ram:URIID"),
            media_type=node.text("ram:AttachmentBinaryObject/@mimeCode"),
            file_name=node.text("ram:AttachmentBinaryObject/@filename"),
        )


def _line(at: Node) -> Line:
    document = "ram:AssociatedDocumentLineDocument/"
    product = "ram:SpecifiedTradeProduct/"
    agreement = "ram:SpecifiedLineTradeAgreement/"
    quantity = "ram:SpecifiedLineTradeDelivery/ram:BilledQuantity"
    settlement = "ram:SpecifiedLineTradeSettlement/"
    price = agreement + "ram:NetPriceProductTradePrice/"
    return Line(
        identifier=at.text(document + "ram:LineID"),
        parent_identifier=at.text(document + "ram:ParentLineID"),
        kind=at.text(document + "ram:LineStatusReasonCode"),
        note=at.prose(document + "ram:IncludedNote/ram:Content"),
        object_identifier=_object_identifier(at, settlement + "ram:AdditionalReferencedDocument[ram:TypeCode='130']"),
        quantity=at.decimal(quantity, "BT-129"),
        unit=at.text(quantity + "/@unitCode"),
        net_amount=at.decimal(
            settlement + "ram:SpecifiedTradeSettlementLineMonetarySummation/ram:LineTotalAmount", "BT-131"
        ),
        order_line_reference=at.text(agreement + "ram:BuyerOrderReferencedDocument/ram:LineID"),
        accounting_reference=at.text(settlement + "ram:ReceivableSpecifiedTradeAccountingAccount/ram:ID"),
        period=_period(at.node(settlement + "ram:BillingSpecifiedPeriod"), "BT-134", "BT-135"),
        allowances_charges=tuple(
            _allowance_charge(node) for node in at.nodes(settlement + "ram:SpecifiedTradeAllowanceCharge")
        ),
        unit_price=at.decimal(price + "ram:ChargeAmount", "BT-146"),
        price_discount=_price_discount(at),
        gross_price=at.decimal(agreement + "ram:GrossPriceProductTradePrice/ram:ChargeAmount", "BT-148"),
        price_base_quantity=at.decimal(price + "ram:BasisQuantity", "BT-149"),
        price_base_unit=at.text(price + "ram:BasisQuantity/@unitCode"),
        tax_category=at.text(settlement + "ram:ApplicableTradeTax/ram:CategoryCode"),
        tax_rate=at.decimal(settlement + "ram:ApplicableTradeTax/ram:RateApplicablePercent", "BT-152"),
        name=at.text(product + "ram:Name"),
        description=at.prose(product + "ram:Description"),
        seller_item_id=at.text(product + "ram:SellerAssignedID"),
        buyer_item_id=at.text(product + "ram:BuyerAssignedID"),
        standard_item_id=at.identifier(product + "ram:GlobalID"),
        classifications=at.identifiers(product + "ram:DesignatedProductClassification/ram:ClassCode", scheme="@listID"),
        origin_country=at.text(product + "ram:OriginTradeCountry/ram:ID"),
        attributes=tuple(
            (name, node.text("ram:Value") or "")
            for node in at.nodes(product + "ram:ApplicableProductCharacteristic")
            if (name := node.text("ram:Description"))
        ),
    )


def _price_discount(at: Node) -> Decimal | None:
    """BT-147. EXTENDED and ZUGFeRD 1.0 allow several steps (10 %, then 5 %), which together lead to the net price."""
    discounts = at.nodes(
        "ram:SpecifiedLineTradeAgreement/ram:GrossPriceProductTradePrice/ram:AppliedTradeAllowanceCharge"
        "[not(normalize-space(ram:ChargeIndicator)='true')]"
    )
    amounts = [node.decimal("ram:ActualAmount", "BT-147") for node in discounts]
    known = [amount for amount in amounts if amount is not None]
    return sum(known, Decimal(0)) if known and len(known) == len(amounts) else None
