"""Where the business terms of EN 16931 stand in UBL 2.1 (CEN/TS 16931-3-2): Invoice and CreditNote."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from lxml import etree

from invoice_pipelines.einvoice import model
from invoice_pipelines.einvoice.codes import CREDIT_NOTE_TYPES
from invoice_pipelines.einvoice.reading.node import Binding, Node
from invoice_pipelines.einvoice.syntaxes.terms import (
    Amount,
    Attachment,
    Day,
    Field,
    Group,
    Id,
    Ids,
    Indicator,
    Measure,
    Number,
    Pairs,
    Part,
    Parts,
    PaymentTerms,
    Price,
    Prose,
    Term,
    Text,
    tax_totals,
)
from invoice_pipelines.einvoice.writing.element_writer import ElementWriter, Style
from invoice_pipelines.einvoice.writing.xml_text import DECLARATION, clean, escaped, money

INVOICE = "{urn:oasis:names:specification:ubl:schema:xsd:Invoice-2}Invoice"
CREDIT_NOTE = "{urn:oasis:names:specification:ubl:schema:xsd:CreditNote-2}CreditNote"

_CAC = "urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2"
_CBC = "urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2"
# Paths never use "|": libxml2 compares all found nodes with each other, which a sender could make last for hours.
_UBL = Binding({"cac": _CAC, "cbc": _CBC})

_NO_ORDER_REFERENCE = "NA"
"""UBL has the seller's order number (BT-14) only beside the buyer's (BT-13); Peppol BIS Billing says to write this."""
# UBL has no place for BT-21; the binding writes it in front of the text: "#AAI#Delivered in two parts".
_NOTE = re.compile(r"#([A-Z]{3})#(.*)", re.DOTALL)
_GENERAL = "AAI"

_LINE = "*[self::cac:InvoiceLine or self::cac:CreditNoteLine]"
_QUANTITY = "*[self::cbc:InvoicedQuantity or self::cbc:CreditedQuantity]"
_OBJECT = "cac:AdditionalDocumentReference[cbc:DocumentTypeCode='130']"
_LINE_OBJECT = "cac:DocumentReference[cbc:DocumentTypeCode='130']"
_PROJECT = "cac:AdditionalDocumentReference[cbc:DocumentTypeCode='50']"
_SEPA = "SEPA"

_TAX_SCHEME = "<cac:TaxScheme><cbc:ID>VAT</cbc:ID></cac:TaxScheme>"
_INSIDE = {
    "cac:TaxCategory": ("", _TAX_SCHEME),
    "cac:ClassifiedTaxCategory": ("", _TAX_SCHEME),
    # As a step of a path, an allowance is the discount in a price (BT-147).
    "cac:AllowanceCharge": ("<cbc:ChargeIndicator>false</cbc:ChargeIndicator>", ""),
    _OBJECT: ("", "<cbc:DocumentTypeCode>130</cbc:DocumentTypeCode>"),
    _LINE_OBJECT: ("", "<cbc:DocumentTypeCode>130</cbc:DocumentTypeCode>"),
    _PROJECT: ("", "<cbc:DocumentTypeCode>50</cbc:DocumentTypeCode>"),
}
_STYLES = {
    kind: Style(
        inside=_INSIDE,
        names={_LINE: f"cac:{kind}Line", _QUANTITY: f"cbc:{quantity}Quantity"},
        amounts_have_currency=True,
    )
    for kind, quantity in (("Invoice", "Invoiced"), ("CreditNote", "Credited"))
}


class _TaxRegistrations(Term):
    """BT-31 and BT-32: told apart by the tax scheme, of which only VAT has a fixed name."""

    def read(self, at: Node, values: dict[str, Any]) -> None:
        vat_id = tax_id = None
        for node in at.nodes("cac:PartyTaxScheme"):
            if (node.text("cac:TaxScheme/cbc:ID") or "").upper() == "VAT":
                vat_id = vat_id or node.text("cbc:CompanyID")
            else:
                tax_id = tax_id or node.text("cbc:CompanyID")
        values |= {"vat_id": vat_id, "tax_id": tax_id}

    def write(self, out: ElementWriter, group: model.Party) -> None:
        for number, scheme in ((group.vat_id, "VAT"), (group.tax_id, "FC")):
            if number and clean(number):
                out.begin("cac:PartyTaxScheme")
                out.text("cbc:CompanyID", number)
                out.text("cac:TaxScheme/cbc:ID", scheme)
                out.end()


class _Account(Term):
    """BG-17. UBL has one account for each means of payment."""

    def read(self, at: Node, values: dict[str, Any]) -> None:
        values["accounts"] = (_ACCOUNT.read(at),) if at.text("cac:PayeeFinancialAccount/cbc:ID") else ()

    def write(self, out: ElementWriter, group: model.Payment) -> None:
        for account in group.accounts:
            _ACCOUNT.write(out, account)


class _CardNetwork(Term):
    """What the schema asks for of a card, and EN 16931 does not know."""

    def write(self, out: ElementWriter, group: model.Payment) -> None:
        if group.card_number or group.card_holder:
            out.text("cac:CardAccount/cbc:NetworkID", "NA")


class _PaymentDueDate(Term):
    """BT-9 of a credit note, which has its due date at the means of payment."""

    def write(self, out: ElementWriter, group: model.Payment) -> None:
        if _is_credit_note(out.invoice) and (day := _due_date(out.invoice)):
            out.day("cbc:PaymentDueDate", day)


class _DueDates(Term):
    """BT-9. The means of payment of a credit note repeat it for each account."""

    def read(self, at: Node, values: dict[str, Any]) -> None:
        days = at.days("cbc:DueDate", "BT-9") or at.days("cac:PaymentMeans/cbc:PaymentDueDate", "BT-9")
        values["due_dates"] = tuple(dict.fromkeys(days))
        values["due_date"] = days[0] if days else None

    def write(self, out: ElementWriter, group: model.Invoice) -> None:
        if not _is_credit_note(group) and (day := _due_date(group)):
            out.day("cbc:DueDate", day)


class _TaxTotals(Term):
    """The totals in the invoice currency (BT-110, with the breakdown) and in the tax currency (BT-111)."""

    def read(self, at: Node, values: dict[str, Any]) -> None:
        total, in_tax_currency = tax_totals(list(at.nodes("cac:TaxTotal")), "cbc:TaxAmount/@currencyID", values)
        if total:
            values["tax_amount"] = total.decimal("cbc:TaxAmount", "BT-110")
            values["tax_breakdowns"] = _BREAKDOWNS.take(total)
        if in_tax_currency:
            values["tax_amount_in_tax_currency"] = in_tax_currency.decimal("cbc:TaxAmount", "BT-111")

    def write(self, out: ElementWriter, group: model.Invoice) -> None:
        if group.tax_amount is not None or group.tax_breakdowns:
            out.begin("cac:TaxTotal")
            if group.tax_amount is not None:
                out.leaf("cbc:TaxAmount", money(group.tax_amount), out.currency)
            _BREAKDOWNS.put(out, group.tax_breakdowns)
            out.end()
        if group.tax_amount_in_tax_currency is not None:
            attribute = f' currencyID="{escaped(group.tax_currency or "")}"'
            out.begin("cac:TaxTotal")
            out.leaf("cbc:TaxAmount", money(group.tax_amount_in_tax_currency), attribute)
            out.end()


class _Notes(Term):
    """BG-1. A number sign would be read as that of a code (BR-CL-08), so a text that has one gets the general code."""

    def read(self, at: Node, values: dict[str, Any]) -> None:
        matches = ((text, _NOTE.fullmatch(text)) for text in at.texts("cbc:Note"))
        values["notes"] = tuple(
            model.Note(match[2].strip(), match[1]) if match else model.Note(text) for text, match in matches
        )

    def write(self, out: ElementWriter, group: model.Invoice) -> None:
        for note in group.notes:
            code = note.subject_code or (_GENERAL if "#" in note.text else None)
            text = clean(note.text)
            out.text("cbc:Note", f"#{code}#{text}" if code and text else text)


@dataclass(frozen=True, slots=True)
class _SupportingDocuments(Term):
    """BG-24. Two kinds of reference share its element: the invoiced object, and the project of a credit note."""

    other_kinds: tuple[str, ...]

    def read(self, at: Node, values: dict[str, Any]) -> None:
        values["supporting_documents"] = tuple(
            _DOCUMENT.read(node)
            for node in at.nodes("cac:AdditionalDocumentReference")
            if node.text("cbc:DocumentTypeCode") not in self.other_kinds
        )

    def write(self, out: ElementWriter, group: model.Invoice) -> None:
        for document in group.supporting_documents:
            out.begin("cac:AdditionalDocumentReference")
            _DOCUMENT.write(out, document)
            out.end()


class _Means(Term):
    """BT-81, and BT-82 as its attribute."""

    def read(self, at: Node, values: dict[str, Any]) -> None:
        values["means_code"] = at.text("cbc:PaymentMeansCode")
        values["means_text"] = at.text("cbc:PaymentMeansCode/@name")

    def write(self, out: ElementWriter, group: model.Payment) -> None:
        if group.means_code or group.means_text:
            attribute = f' name="{escaped(group.means_text)}"' if group.means_text else ""
            out.leaf("cbc:PaymentMeansCode", escaped(group.means_code or ""), attribute)


@dataclass(frozen=True, slots=True)
class _Project(Field):
    """BT-11. A credit note has no element for it and names it as an additional document."""

    def take(self, at: Node) -> str | None:
        return at.text(self.path) or at.text(f"{_PROJECT}/cbc:ID")

    def write(self, out: ElementWriter, group: model.Invoice) -> None:
        if group.project_reference:
            out.text(f"{_PROJECT}/cbc:ID" if _is_credit_note(group) else self.path, group.project_reference)


_CONTACT = Group(
    model.Contact,
    (
        Text("name", "cbc:Name"),
        Text("phone", "cbc:Telephone"),
        Text("email", "cbc:ElectronicMail"),
    ),
)
_ADDRESS = Group(
    model.Address,
    (
        Text("line_one", "cbc:StreetName"),
        Text("line_two", "cbc:AdditionalStreetName"),
        Text("city", "cbc:CityName"),
        Text("post_code", "cbc:PostalZone"),
        Text("subdivision", "cbc:CountrySubentity"),
        Text("line_three", "cac:AddressLine/cbc:Line"),
        Text("country_code", "cac:Country/cbc:IdentificationCode"),
    ),
)


def _party(*, trades: bool) -> Group[model.Party]:
    """Seller and buyer are called by the name in the register; payee and tax representative have but one name."""
    return Group(
        model.Party,
        (
            Id("electronic_address", "cbc:EndpointID"),
            Ids("identifiers", "cbc:ID[not(@schemeID='SEPA')]", "cac:PartyIdentification"),
            Text("trading_name" if trades else "name", "cac:PartyName/cbc:Name"),
            Part("address", "cac:PostalAddress", _ADDRESS),
            _TaxRegistrations(),
            *([Text("name", "cac:PartyLegalEntity/cbc:RegistrationName")] if trades else []),
            Id("legal_registration", "cac:PartyLegalEntity/cbc:CompanyID"),
            Text("legal_information", "cac:PartyLegalEntity/cbc:CompanyLegalForm"),
            Part("contact", "cac:Contact", _CONTACT),
        ),
    )


_TRADER, _OTHER_PARTY = _party(trades=True), _party(trades=False)
_DELIVERY = Group(
    model.Delivery,
    (
        Day("date", "cbc:ActualDeliveryDate", "BT-72"),
        Id("location", "cac:DeliveryLocation/cbc:ID"),
        Part("address", "cac:DeliveryLocation/cac:Address", _ADDRESS),
        Text("name", "cac:DeliveryParty/cac:PartyName/cbc:Name"),
    ),
)


def _period(start: str, end: str) -> Group[model.Period]:
    return Group(model.Period, (Day("start", "cbc:StartDate", start), Day("end", "cbc:EndDate", end)))


_ACCOUNT = Group(
    model.PaymentAccount,
    (
        Text("account_id", "cac:PayeeFinancialAccount/cbc:ID"),
        Text("name", "cac:PayeeFinancialAccount/cbc:Name"),
        Text("bic", "cac:PayeeFinancialAccount/cac:FinancialInstitutionBranch/cbc:ID"),
    ),
)
_PAYMENT = Group(
    model.Payment,
    (
        _Means(),
        _PaymentDueDate(),
        Text("remittance_information", "cbc:PaymentID"),
        Text("card_number", "cac:CardAccount/cbc:PrimaryAccountNumberID"),
        _CardNetwork(),
        Text("card_holder", "cac:CardAccount/cbc:HolderName"),
        _Account(),
        Text("mandate_reference", "cac:PaymentMandate/cbc:ID"),
        Text("debited_account", "cac:PaymentMandate/cac:PayerFinancialAccount/cbc:ID"),
    ),
)
_ALLOWANCE_CHARGE = Group(
    model.AllowanceCharge,
    (
        Indicator("is_charge", "cbc:ChargeIndicator", "Charge indicator"),
        Text("reason_code", "cbc:AllowanceChargeReasonCode"),
        Text("reason", "cbc:AllowanceChargeReason"),
        Number("percentage", "cbc:MultiplierFactorNumeric", "Percentage"),
        Amount("amount", "cbc:Amount", "Amount"),
        Amount("base_amount", "cbc:BaseAmount", "Base amount"),
        Text("tax_category", "cac:TaxCategory/cbc:ID"),
        Number("tax_rate", "cac:TaxCategory/cbc:Percent", "VAT rate"),
    ),
)
_BREAKDOWNS = Parts(
    "tax_breakdowns",
    "cac:TaxSubtotal",
    Group(
        model.TaxBreakdown,
        (
            Amount("taxable_amount", "cbc:TaxableAmount", "BT-116"),
            Amount("tax_amount", "cbc:TaxAmount", "BT-117"),
            Text("category", "cac:TaxCategory/cbc:ID"),
            Number("rate", "cac:TaxCategory/cbc:Percent", "BT-119"),
            Text("exemption_reason_code", "cac:TaxCategory/cbc:TaxExemptionReasonCode"),
            Text("exemption_reason", "cac:TaxCategory/cbc:TaxExemptionReason"),
        ),
    ),
)
_PRECEDING = Group(
    model.PrecedingInvoice,
    (
        Text("number", "cbc:ID"),
        Day("issue_date", "cbc:IssueDate", "BT-26"),
    ),
)
_DOCUMENT = Group(
    model.SupportingDocument,
    (
        Text("reference", "cbc:ID"),
        Text("description", "cbc:DocumentDescription"),
        Attachment("cac:Attachment/cbc:EmbeddedDocumentBinaryObject"),
        Text("location", "cac:Attachment/cac:ExternalReference/cbc:URI"),
    ),
)
_LINES = Group(
    model.Line,
    (
        Text("identifier", "cbc:ID"),
        Prose("note", "cbc:Note"),
        Measure("quantity", _QUANTITY, "BT-129", "unit"),
        Amount("net_amount", "cbc:LineExtensionAmount", "BT-131"),
        Text("accounting_reference", "cbc:AccountingCost"),
        Part("period", "cac:InvoicePeriod", _period("BT-134", "BT-135")),
        Text("order_line_reference", "cac:OrderLineReference/cbc:LineID"),
        Id("object_identifier", f"{_LINE_OBJECT}/cbc:ID"),
        Parts("allowances_charges", "cac:AllowanceCharge", _ALLOWANCE_CHARGE),
        Prose("description", "cac:Item/cbc:Description"),
        Text("name", "cac:Item/cbc:Name"),
        Text("buyer_item_id", "cac:Item/cac:BuyersItemIdentification/cbc:ID"),
        Text("seller_item_id", "cac:Item/cac:SellersItemIdentification/cbc:ID"),
        Id("standard_item_id", "cac:Item/cac:StandardItemIdentification/cbc:ID"),
        Text("origin_country", "cac:Item/cac:OriginCountry/cbc:IdentificationCode"),
        Ids("classifications", "cbc:ItemClassificationCode", "cac:Item/cac:CommodityClassification", "listID"),
        Text("tax_category", "cac:Item/cac:ClassifiedTaxCategory/cbc:ID"),
        Number("tax_rate", "cac:Item/cac:ClassifiedTaxCategory/cbc:Percent", "BT-152"),
        Pairs("attributes", "cac:Item/cac:AdditionalItemProperty", "cbc:Name", "cbc:Value"),
        Price("unit_price", "cac:Price/cbc:PriceAmount", "BT-146"),
        Measure("price_base_quantity", "cac:Price/cbc:BaseQuantity", "BT-149", "price_base_unit"),
        Price("price_discount", "cac:Price/cac:AllowanceCharge/cbc:Amount", "BT-147"),
        Price("gross_price", "cac:Price/cac:AllowanceCharge/cbc:BaseAmount", "BT-148"),
    ),
)

_TOTAL = "cac:LegalMonetaryTotal/cbc:"
_TAX_POINT = Day("tax_point_date", "cbc:TaxPointDate", "BT-7")
_TENDER = Text("tender_reference", "cac:OriginatorDocumentReference/cbc:ID")


def _document(*, is_credit_note: bool) -> Group[model.Invoice]:
    """The two kinds of document differ in the order of some terms, and in the name of one."""
    codes = ("cbc:InvoiceTypeCode", "cbc:CreditNoteTypeCode")
    type_code, other_code = reversed(codes) if is_credit_note else codes
    return Group(
        model.Invoice,
        (
            Text("specification_identifier", "cbc:CustomizationID"),
            Text("business_process", "cbc:ProfileID"),
            Text("number", "cbc:ID"),
            Day("issue_date", "cbc:IssueDate", "BT-2"),
            _DueDates(),
            *([_TAX_POINT] if is_credit_note else []),
            Text("type_code", type_code, other_code),
            _Notes(),
            *([] if is_credit_note else [_TAX_POINT]),
            Text("currency", "cbc:DocumentCurrencyCode"),
            Text("tax_currency", "cbc:TaxCurrencyCode"),
            Text("accounting_reference", "cbc:AccountingCost"),
            Text("buyer_reference", "cbc:BuyerReference"),
            Part("period", "cac:InvoicePeriod", _period("BT-73", "BT-74")),
            Text("tax_point_code", "cac:InvoicePeriod/cbc:DescriptionCode"),
            Text("order_reference", "cac:OrderReference/cbc:ID"),
            Text("sales_order_reference", "cac:OrderReference/cbc:SalesOrderID"),
            Parts(
                "preceding_invoices",
                "cac:BillingReference/cac:InvoiceDocumentReference",
                _PRECEDING,
                needed="number",
                apart=True,
            ),
            Text("despatch_advice_reference", "cac:DespatchDocumentReference/cbc:ID"),
            Text("receiving_advice_reference", "cac:ReceiptDocumentReference/cbc:ID"),
            *([] if is_credit_note else [_TENDER]),
            Text("contract_reference", "cac:ContractDocumentReference/cbc:ID"),
            Id("object_identifier", f"{_OBJECT}/cbc:ID"),
            _SupportingDocuments(("130", "50") if is_credit_note else ("130",)),
            _Project("project_reference", "cac:ProjectReference/cbc:ID"),
            *([_TENDER] if is_credit_note else []),
            Part("seller", "cac:AccountingSupplierParty/cac:Party", _TRADER),
            Part("buyer", "cac:AccountingCustomerParty/cac:Party", _TRADER),
            Part("payee", "cac:PayeeParty", _OTHER_PARTY),
            Part("tax_representative", "cac:TaxRepresentativeParty", _OTHER_PARTY),
            Part("delivery", "cac:Delivery", _DELIVERY),
            Parts("payments", "cac:PaymentMeans", _PAYMENT),
            PaymentTerms("payment_terms", "cac:PaymentTerms/cbc:Note"),
            Parts("allowances_charges", "cac:AllowanceCharge", _ALLOWANCE_CHARGE, "allowance"),
            _TaxTotals(),
            Amount("line_total", _TOTAL + "LineExtensionAmount", "BT-106"),
            Amount("net_amount", _TOTAL + "TaxExclusiveAmount", "BT-109"),
            Amount("gross_amount", _TOTAL + "TaxInclusiveAmount", "BT-112"),
            Amount("allowance_total", _TOTAL + "AllowanceTotalAmount", "BT-107"),
            Amount("charge_total", _TOTAL + "ChargeTotalAmount", "BT-108"),
            Amount("prepaid_amount", _TOTAL + "PrepaidAmount", "BT-113"),
            Amount("rounding_amount", _TOTAL + "PayableRoundingAmount", "BT-114"),
            Amount("payable_amount", _TOTAL + "PayableAmount", "BT-115"),
            Parts("lines", _LINE, _LINES, "line"),
        ),
    )


_DOCUMENTS = {"Invoice": _document(is_credit_note=False), "CreditNote": _document(is_credit_note=True)}


def read_ubl(root: etree._Element, warnings: list[str]) -> model.Invoice:
    """Read an Invoice or a CreditNote. Adds remarks to `warnings`."""
    at = Node(root, _UBL, warnings)
    invoice = _DOCUMENTS["CreditNote" if root.tag == CREDIT_NOTE else "Invoice"].read(at)
    sepa = f"cac:PartyIdentification/cbc:ID[@schemeID='{_SEPA}']"
    creditor = at.text("cac:PayeeParty/" + sepa) or at.text("cac:AccountingSupplierParty/cac:Party/" + sepa)
    if creditor is None:
        return invoice
    return replace(
        invoice, payments=tuple(replace(payment, creditor_identifier=creditor) for payment in invoice.payments)
    )


def write_ubl(invoice: model.Invoice) -> str:
    """The XML of an invoice: a CreditNote where its type says so."""
    kind = "CreditNote" if _is_credit_note(invoice) else "Invoice"
    out = ElementWriter(_STYLES[kind], invoice)
    _DOCUMENTS[kind].write(out, _as_ubl_has_it(invoice))
    return (
        f'{DECLARATION}<{kind} xmlns="urn:oasis:names:specification:ubl:schema:xsd:{kind}-2"'
        f' xmlns:cac="{_CAC}" xmlns:cbc="{_CBC}">{out.written()}\n</{kind}>\n'
    )


def _as_ubl_has_it(invoice: model.Invoice) -> model.Invoice:
    """The creditor's identifier (BT-90) stands among those of payee or seller."""
    creditor = next((payment.creditor_identifier for payment in invoice.payments if payment.creditor_identifier), None)
    if creditor:
        identifier = model.Identifier(creditor, _SEPA)
        if invoice.payee:
            payee = replace(invoice.payee, identifiers=(*invoice.payee.identifiers, identifier))
            invoice = replace(invoice, payee=payee)
        else:
            seller = replace(invoice.seller, identifiers=(*invoice.seller.identifiers, identifier))
            invoice = replace(invoice, seller=seller)
    if invoice.sales_order_reference and not invoice.order_reference:
        invoice = replace(invoice, order_reference=_NO_ORDER_REFERENCE)
    return invoice


def _is_credit_note(invoice: model.Invoice) -> bool:
    return invoice.type_code in CREDIT_NOTE_TYPES


def _due_date(invoice: model.Invoice) -> date | None:
    return invoice.due_date or next(iter(invoice.due_dates), None)
