"""Holds where the business terms of EN 16931 stand in UBL 2.1 (CEN/TS 16931-3-2): Invoice and CreditNote."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lxml import etree

from invoice_pipelines.intake.documents.node import Binding, Node, or_none
from invoice_pipelines.intake.reading import (
    Address,
    AllowanceCharge,
    Contact,
    Delivery,
    Format,
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

INVOICE = "{urn:oasis:names:specification:ubl:schema:xsd:Invoice-2}Invoice"
CREDIT_NOTE = "{urn:oasis:names:specification:ubl:schema:xsd:CreditNote-2}CreditNote"

# Paths never use "|": libxml2 compares all found nodes with each other, which a sender could make last for hours.
_UBL = Binding(
    {
        "cac": "urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2",
        "cbc": "urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2",
    }
)
# UBL has no place for BT-21; the binding writes it in front of the text: "#AAI#Delivered in two parts".
_NOTE = re.compile(r"#([A-Z]{3})#(.*)", re.DOTALL)


def read_ubl(root: etree._Element, warnings: list[str]) -> Reading:
    """Read an Invoice or a CreditNote. Adds remarks to `warnings`; `raw` and `xml` are left to the caller."""
    at = Node(root, _UBL, warnings)
    currency = at.text("cbc:DocumentCurrencyCode")
    tax_currency = at.text("cbc:TaxCurrencyCode")
    tax_total, tax_total_in_tax_currency = _tax_totals(at, currency, tax_currency)
    # A credit note has its due date at the payment means, which repeat it for each account.
    due_dates = tuple(
        dict.fromkeys(at.days("cbc:DueDate", "BT-9") or at.days("cac:PaymentMeans/cbc:PaymentDueDate", "BT-9"))
    )
    sepa = "cac:PartyIdentification/cbc:ID[@schemeID='SEPA']"
    creditor_identifier = at.text("cac:PayeeParty/" + sepa) or at.text("cac:AccountingSupplierParty/cac:Party/" + sepa)
    return Reading(
        source=Source.XML,
        format=Format.UBL,
        number=at.text("cbc:ID"),
        issue_date=at.day("cbc:IssueDate", "BT-2"),
        type_code=at.text("cbc:InvoiceTypeCode") or at.text("cbc:CreditNoteTypeCode"),
        currency=currency,
        tax_currency=tax_currency,
        tax_point_date=at.day("cbc:TaxPointDate", "BT-7"),
        tax_point_code=at.text("cac:InvoicePeriod/cbc:DescriptionCode"),
        due_date=due_dates[0] if due_dates else None,
        due_dates=due_dates,
        buyer_reference=at.text("cbc:BuyerReference"),
        project_reference=(
            at.text("cac:ProjectReference/cbc:ID")
            or at.text("cac:AdditionalDocumentReference[cbc:DocumentTypeCode='50']/cbc:ID")
        ),
        contract_reference=at.text("cac:ContractDocumentReference/cbc:ID"),
        order_reference=at.text("cac:OrderReference/cbc:ID"),
        sales_order_reference=at.text("cac:OrderReference/cbc:SalesOrderID"),
        receiving_advice_reference=at.text("cac:ReceiptDocumentReference/cbc:ID"),
        despatch_advice_reference=at.text("cac:DespatchDocumentReference/cbc:ID"),
        tender_reference=at.text("cac:OriginatorDocumentReference/cbc:ID"),
        object_identifier=at.identifier("cac:AdditionalDocumentReference[cbc:DocumentTypeCode='130']/cbc:ID"),
        accounting_reference=at.text("cbc:AccountingCost"),
        payment_terms=at.prose("cac:PaymentTerms/cbc:Note"),
        notes=tuple(_note(text) for text in at.texts("cbc:Note")),
        business_process=at.text("cbc:ProfileID"),
        specification_identifier=at.text("cbc:CustomizationID"),
        preceding_invoices=tuple(_preceding_invoices(at)),
        seller=_party(at.node("cac:AccountingSupplierParty/cac:Party")) or Party(),
        buyer=_party(at.node("cac:AccountingCustomerParty/cac:Party")) or Party(),
        payee=_party(at.node("cac:PayeeParty"), named_by="cac:PartyName/cbc:Name"),
        tax_representative=_party(at.node("cac:TaxRepresentativeParty"), named_by="cac:PartyName/cbc:Name"),
        delivery=_delivery(at.node("cac:Delivery")),
        period=_period(at.node("cac:InvoicePeriod"), "BT-73", "BT-74"),
        payments=tuple(_payment(node, creditor_identifier) for node in at.nodes("cac:PaymentMeans")),
        allowances_charges=tuple(_allowance_charge(node) for node in at.nodes("cac:AllowanceCharge", "allowance")),
        line_total=at.decimal("cac:LegalMonetaryTotal/cbc:LineExtensionAmount", "BT-106"),
        allowance_total=at.decimal("cac:LegalMonetaryTotal/cbc:AllowanceTotalAmount", "BT-107"),
        charge_total=at.decimal("cac:LegalMonetaryTotal/cbc:ChargeTotalAmount", "BT-108"),
        net_amount=at.decimal("cac:LegalMonetaryTotal/cbc:TaxExclusiveAmount", "BT-109"),
        tax_amount=tax_total.decimal("cbc:TaxAmount", "BT-110") if tax_total else None,
        tax_amount_in_tax_currency=(
            tax_total_in_tax_currency.decimal("cbc:TaxAmount", "BT-111") if tax_total_in_tax_currency else None
        ),
        gross_amount=at.decimal("cac:LegalMonetaryTotal/cbc:TaxInclusiveAmount", "BT-112"),
        prepaid_amount=at.decimal("cac:LegalMonetaryTotal/cbc:PrepaidAmount", "BT-113"),
        rounding_amount=at.decimal("cac:LegalMonetaryTotal/cbc:PayableRoundingAmount", "BT-114"),
        payable_amount=at.decimal("cac:LegalMonetaryTotal/cbc:PayableAmount", "BT-115"),
        tax_breakdowns=tuple(
            _tax_breakdown(node) for node in (tax_total.nodes("cac:TaxSubtotal") if tax_total else ())
        ),
        supporting_documents=tuple(_supporting_documents(at, is_credit_note=root.tag == CREDIT_NOTE)),
        lines=tuple(_line(node) for node in at.nodes("*[self::cac:InvoiceLine or self::cac:CreditNoteLine]", "line")),
    )


def _tax_totals(at: Node, currency: str | None, tax_currency: str | None) -> tuple[Node | None, Node | None]:
    """The totals in the invoice currency (BT-110, with the breakdown) and in the tax currency (BT-111)."""
    totals = list(at.nodes("cac:TaxTotal"))
    in_tax_currency = None
    if tax_currency and tax_currency != currency:
        in_tax_currency = next(
            (total for total in totals if total.text("cbc:TaxAmount/@currencyID") == tax_currency), None
        )
    others = [total for total in totals if total is not in_tax_currency]
    in_currency = next((total for total in others if total.text("cbc:TaxAmount/@currencyID") == currency), None)
    return in_currency or next(iter(others), None), in_tax_currency


def _note(text: str) -> Note:
    match = _NOTE.fullmatch(text)
    return Note(match[2].strip(), match[1]) if match else Note(text)


def _preceding_invoices(at: Node) -> Iterator[PrecedingInvoice]:
    for node in at.nodes("cac:BillingReference/cac:InvoiceDocumentReference"):
        if number := node.text("cbc:ID"):
            yield PrecedingInvoice(number, node.day("cbc:IssueDate", "BT-26"))


def _party(at: Node | None, named_by: str = "cac:PartyLegalEntity/cbc:RegistrationName") -> Party | None:
    if at is None:
        return None
    vat_id, tax_id = _tax_registrations(at)
    trading_name = at.text("cac:PartyName/cbc:Name")
    name = at.text(named_by)
    return or_none(
        Party(
            name=name,
            trading_name=trading_name if "PartyName" not in named_by else None,
            identifiers=at.identifiers("cac:PartyIdentification/cbc:ID[not(@schemeID='SEPA')]"),
            legal_registration=at.identifier("cac:PartyLegalEntity/cbc:CompanyID"),
            vat_id=vat_id,
            tax_id=tax_id,
            legal_information=at.text("cac:PartyLegalEntity/cbc:CompanyLegalForm"),
            electronic_address=at.identifier("cbc:EndpointID"),
            address=_address(at.node("cac:PostalAddress")),
            contact=_contact(at.node("cac:Contact")),
        )
    )


def _tax_registrations(at: Node) -> tuple[str | None, str | None]:
    """BT-31 and BT-32: told apart by the tax scheme, of which only VAT has a fixed name."""
    vat_id = tax_id = None
    for node in at.nodes("cac:PartyTaxScheme"):
        if (node.text("cac:TaxScheme/cbc:ID") or "").upper() == "VAT":
            vat_id = vat_id or node.text("cbc:CompanyID")
        else:
            tax_id = tax_id or node.text("cbc:CompanyID")
    return vat_id, tax_id


def _contact(at: Node | None) -> Contact | None:
    if at is None:
        return None
    return or_none(
        Contact(
            name=at.text("cbc:Name"),
            phone=at.text("cbc:Telephone"),
            email=at.text("cbc:ElectronicMail"),
        )
    )


def _address(at: Node | None) -> Address | None:
    if at is None:
        return None
    return or_none(
        Address(
            line_one=at.text("cbc:StreetName"),
            line_two=at.text("cbc:AdditionalStreetName"),
            line_three=at.text("cac:AddressLine/cbc:Line"),
            city=at.text("cbc:CityName"),
            post_code=at.text("cbc:PostalZone"),
            subdivision=at.text("cbc:CountrySubentity"),
            country_code=at.text("cac:Country/cbc:IdentificationCode"),
        )
    )


def _delivery(at: Node | None) -> Delivery | None:
    if at is None:
        return None
    return or_none(
        Delivery(
            name=at.text("cac:DeliveryParty/cac:PartyName/cbc:Name"),
            location=at.identifier("cac:DeliveryLocation/cbc:ID"),
            date=at.day("cbc:ActualDeliveryDate", "BT-72"),
            address=_address(at.node("cac:DeliveryLocation/cac:Address")),
        )
    )


def _period(at: Node | None, start: str, end: str) -> Period | None:
    if at is None:
        return None
    return or_none(Period(start=at.day("cbc:StartDate", start), end=at.day("cbc:EndDate", end)))


def _payment(at: Node, creditor_identifier: str | None) -> Payment:
    account = at.text("cac:PayeeFinancialAccount/cbc:ID")
    return Payment(
        means_code=at.text("cbc:PaymentMeansCode"),
        means_text=at.text("cbc:PaymentMeansCode/@name"),
        remittance_information=at.text("cbc:PaymentID"),
        accounts=(
            PaymentAccount(
                account_id=account,
                name=at.text("cac:PayeeFinancialAccount/cbc:Name"),
                bic=at.text("cac:PayeeFinancialAccount/cac:FinancialInstitutionBranch/cbc:ID"),
            ),
        )
        if account
        else (),
        card_number=at.text("cac:CardAccount/cbc:PrimaryAccountNumberID"),
        card_holder=at.text("cac:CardAccount/cbc:HolderName"),
        mandate_reference=at.text("cac:PaymentMandate/cbc:ID"),
        creditor_identifier=creditor_identifier,
        debited_account=at.text("cac:PaymentMandate/cac:PayerFinancialAccount/cbc:ID"),
    )


def _allowance_charge(at: Node) -> AllowanceCharge:
    return AllowanceCharge(
        is_charge=at.is_true("cbc:ChargeIndicator", "Charge indicator"),
        amount=at.decimal("cbc:Amount", "Amount"),
        base_amount=at.decimal("cbc:BaseAmount", "Base amount"),
        percentage=at.decimal("cbc:MultiplierFactorNumeric", "Percentage"),
        tax_category=at.text("cac:TaxCategory/cbc:ID"),
        tax_rate=at.decimal("cac:TaxCategory/cbc:Percent", "VAT rate"),
        reason=at.text("cbc:AllowanceChargeReason"),
        reason_code=at.text("cbc:AllowanceChargeReasonCode"),
    )


def _tax_breakdown(at: Node) -> TaxBreakdown:
    return TaxBreakdown(
        taxable_amount=at.decimal("cbc:TaxableAmount", "BT-116"),
        tax_amount=at.decimal("cbc:TaxAmount", "BT-117"),
        category=at.text("cac:TaxCategory/cbc:ID"),
        rate=at.decimal("cac:TaxCategory/cbc:Percent", "BT-119"),
        exemption_reason=at.text("cac:TaxCategory/cbc:TaxExemptionReason"),
        exemption_reason_code=at.text("cac:TaxCategory/cbc:TaxExemptionReasonCode"),
    )


def _supporting_documents(at: Node, is_credit_note: bool) -> Iterator[SupportingDocument]:
    # Two kinds of reference share the element with BG-24: the invoiced object, and the project of a credit note.
    other_kinds = ("130", "50") if is_credit_note else ("130",)
    for node in at.nodes("cac:AdditionalDocumentReference"):
        if node.text("cbc:DocumentTypeCode") not in other_kinds:
            yield SupportingDocument(
                reference=node.text("cbc:ID"),
                description=node.text("cbc:DocumentDescription"),
                location=node.text("cac:Attachment/cac:ExternalReference/cbc:URI"),
                media_type=node.text("cac:Attachment/cbc:EmbeddedDocumentBinaryObject/@mimeCode"),
                file_name=node.text("cac:Attachment/cbc:EmbeddedDocumentBinaryObject/@filename"),
            )


def _line(at: Node) -> Line:
    quantity = "*[self::cbc:InvoicedQuantity or self::cbc:CreditedQuantity]"
    return Line(
        identifier=at.text("cbc:ID"),
        note=at.prose("cbc:Note"),
        object_identifier=at.identifier("cac:DocumentReference[cbc:DocumentTypeCode='130']/cbc:ID"),
        quantity=at.decimal(quantity, "BT-129"),
        unit=at.text(quantity + "/@unitCode"),
        net_amount=at.decimal("cbc:LineExtensionAmount", "BT-131"),
        order_line_reference=at.text("cac:OrderLineReference/cbc:LineID"),
        accounting_reference=at.text("cbc:AccountingCost"),
        period=_period(at.node("cac:InvoicePeriod"), "BT-134", "BT-135"),
        allowances_charges=tuple(_allowance_charge(node) for node in at.nodes("cac:AllowanceCharge")),
        unit_price=at.decimal("cac:Price/cbc:PriceAmount", "BT-146"),
        price_discount=at.decimal("cac:Price/cac:AllowanceCharge/cbc:Amount", "BT-147"),
        gross_price=at.decimal("cac:Price/cac:AllowanceCharge/cbc:BaseAmount", "BT-148"),
        price_base_quantity=at.decimal("cac:Price/cbc:BaseQuantity", "BT-149"),
        price_base_unit=at.text("cac:Price/cbc:BaseQuantity/@unitCode"),
        tax_category=at.text("cac:Item/cac:ClassifiedTaxCategory/cbc:ID"),
        tax_rate=at.decimal("cac:Item/cac:ClassifiedTaxCategory/cbc:Percent", "BT-152"),
        name=at.text("cac:Item/cbc:Name"),
        description=at.prose("cac:Item/cbc:Description"),
        seller_item_id=at.text("cac:Item/cac:SellersItemIdentification/cbc:ID"),
        buyer_item_id=at.text("cac:Item/cac:BuyersItemIdentification/cbc:ID"),
        standard_item_id=at.identifier("cac:Item/cac:StandardItemIdentification/cbc:ID"),
        classifications=at.identifiers(
            "cac:Item/cac:CommodityClassification/cbc:ItemClassificationCode", scheme="@listID"
        ),
        origin_country=at.text("cac:Item/cac:OriginCountry/cbc:IdentificationCode"),
        attributes=tuple(
            (name, node.text("cbc:Value") or "")
            for node in at.nodes("cac:Item/cac:AdditionalItemProperty")
            if (name := node.text("cbc:Name"))
        ),
    )
