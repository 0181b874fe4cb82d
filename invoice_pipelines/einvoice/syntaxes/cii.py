"""Where the business terms of EN 16931 stand in UN/CEFACT CII D16B and D22B (CEN/TS 16931-3-3).

Factur-X and ZUGFeRD 2.x are CII. So, under older names, is ZUGFeRD 1.0: see `zugferd1`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from lxml import etree

from invoice_pipelines.einvoice import model
from invoice_pipelines.einvoice.identifiers import is_valid_iban
from invoice_pipelines.einvoice.reading.node import Binding, Node
from invoice_pipelines.einvoice.syntaxes.terms import (
    Amount,
    Attachment,
    Day,
    Field,
    Fixed,
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
from invoice_pipelines.einvoice.writing.xml_text import DECLARATION, escaped, money

INVOICE = "{urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100}CrossIndustryInvoice"
RAM = "urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100"
RSM = "urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100"
UDT = "urn:un:unece:uncefact:data:standard:UnqualifiedDataType:100"
_QDT = "urn:un:unece:uncefact:data:standard:QualifiedDataType:100"

_CII = Binding({"rsm": RSM, "ram": RAM, "udt": UDT})

_CONTEXT = "rsm:ExchangedDocumentContext/"
_DOCUMENT = "rsm:ExchangedDocument/"
_TRADE = "rsm:SupplyChainTradeTransaction/"
_AGREEMENT = _TRADE + "ram:ApplicableHeaderTradeAgreement/"
_DELIVERY = _TRADE + "ram:ApplicableHeaderTradeDelivery/"
_SETTLEMENT = _TRADE + "ram:ApplicableHeaderTradeSettlement/"
_SUMMATION = _SETTLEMENT + "ram:SpecifiedTradeSettlementHeaderMonetarySummation/"
_TERMS = _SETTLEMENT + "ram:SpecifiedTradePaymentTerms/"

_TENDER = "ram:AdditionalReferencedDocument[ram:TypeCode='50']"
_OBJECT = "ram:AdditionalReferencedDocument[ram:TypeCode='130']"
# The same element also holds the tender (50) and the invoiced object (130).
_SUPPORTING = "ram:AdditionalReferencedDocument[not(ram:TypeCode='50' or ram:TypeCode='130')]"
_PRICE_DISCOUNT = "ram:AppliedTradeAllowanceCharge[not(normalize-space(ram:ChargeIndicator)='true')]"

_VAT = "<ram:TypeCode>VAT</ram:TypeCode>"
_STYLE = Style(
    inside={
        # As a step of a path, this is the VAT of a line; that of the invoice (BG-23) is written apart.
        "ram:ApplicableTradeTax": (_VAT, ""),
        "ram:CategoryTradeTax": (_VAT, ""),
        "ram:SpecifiedProcuringProject": ("", "<ram:Name>Project reference</ram:Name>"),
        _TENDER: ("", "<ram:TypeCode>50</ram:TypeCode>"),
        _PRICE_DISCOUNT: ("<ram:ChargeIndicator><udt:Indicator>false</udt:Indicator></ram:ChargeIndicator>", ""),
    },
    days={"ram:FormattedIssueDateTime": "qdt:DateTimeString", "ram:TaxPointDate": "udt:DateString"},
    indicator="udt:Indicator",
)


@dataclass(frozen=True, slots=True)
class _Object(Field):
    """BT-18 and BT-128: an identifier with its scheme in an element of its own."""

    def take(self, at: Node) -> model.Identifier | None:
        document = at.node(self.path)
        value = document.text("ram:IssuerAssignedID") if document else None
        return model.Identifier(value, document.text("ram:ReferenceTypeCode")) if document and value else None

    def put(self, out: ElementWriter, value: model.Identifier) -> None:
        out.begin(self.path)
        out.text("ram:IssuerAssignedID", value.value)
        out.text("ram:TypeCode", "130")
        out.text("ram:ReferenceTypeCode", value.scheme or "")
        out.end()


class _PartyIds(Term):
    """BT-29, BT-46, BT-60: those that have a scheme stand in an element of another name."""

    def read(self, at: Node, values: dict[str, Any]) -> None:
        values["identifiers"] = at.identifiers("ram:ID") + at.identifiers("ram:GlobalID")

    def write(self, out: ElementWriter, group: model.Party) -> None:
        for identifier in sorted(group.identifiers, key=lambda each: each.scheme is not None):
            out.identifier("ram:GlobalID" if identifier.scheme else "ram:ID", identifier)


@dataclass(frozen=True, slots=True)
class _Location(Field):
    """BT-71, as `_PartyIds`."""

    def take(self, at: Node) -> model.Identifier | None:
        return at.identifier(self.path + "ram:GlobalID") or at.identifier(self.path + "ram:ID")

    def put(self, out: ElementWriter, value: model.Identifier) -> None:
        out.identifier(self.path + ("ram:GlobalID" if value.scheme else "ram:ID"), value)


@dataclass(frozen=True, slots=True)
class _Registration(Field):
    """BT-31, BT-32, BT-48, BT-63: each in a registration of its own, told apart by the scheme."""

    def take(self, at: Node) -> str | None:
        return at.text(f"ram:SpecifiedTaxRegistration/{self.path}")

    def put(self, out: ElementWriter, value: str) -> None:
        if escaped(value):
            out.begin("ram:SpecifiedTaxRegistration")
            out.text(self.path, value)
            out.end()


class _PriceDiscount(Price):
    """BT-147. EXTENDED and ZUGFeRD 1.0 allow several steps (10 %, then 5 %), which together lead to the net price."""

    __slots__ = ()

    def take(self, at: Node) -> Decimal | None:
        around, _, amount = self.path.rpartition("/")
        amounts = [node.decimal(amount, self.term) for node in at.nodes(around)]
        known = [each for each in amounts if each is not None]
        return sum(known, Decimal(0)) if known and len(known) == len(amounts) else None


class _PaymentHead(Term):
    """BT-90 and BT-83, which stand once, above the means of payment; in the model they belong to each."""

    def write(self, out: ElementWriter, group: model.Invoice) -> None:
        for name in ("creditor_identifier", "remittance_information"):
            out.text(_OF_ALL_PAYMENTS[name], _first(group.payments, name))


class _Payments(Term):
    """BG-16, with what stands above and below the means of payment."""

    def read(self, at: Node, values: dict[str, Any]) -> None:
        of_all: dict[str, Any] = {name: at.text(path) for name, path in _OF_ALL_PAYMENTS.items()}
        values["payments"] = tuple(_PAYMENT.read(node, of_all) for node in at.nodes(_MEANS))
        if not values["payments"] and any(of_all.values()):
            values["payments"] = (model.Payment(**of_all),)

    def write(self, out: ElementWriter, group: model.Invoice) -> None:
        of_all: dict[str, Any] = dict.fromkeys(_OF_ALL_PAYMENTS)
        if [replace(payment, **of_all) for payment in group.payments] == [model.Payment()] != list(group.payments):
            return  # all that is said of the payment stands above and below
        for payment in group.payments:
            out.begin(_MEANS)
            _PAYMENT.write(out, payment)
            out.end()


class _Account(Term):
    """BG-17. What is not an IBAN has an element of its own."""

    def read(self, at: Node, values: dict[str, Any]) -> None:
        account = _ACCOUNT.read(at)
        values["accounts"] = (account,) if account.account_id else ()

    def write(self, out: ElementWriter, group: model.Payment) -> None:
        for account in group.accounts:
            is_iban = is_valid_iban(account.account_id)
            out.text(f"{_PAYEE_ACCOUNT}/ram:IBANID", account.account_id if is_iban else "")
            out.text(f"{_PAYEE_ACCOUNT}/ram:AccountName", account.name or "")
            out.text(f"{_PAYEE_ACCOUNT}/ram:ProprietaryID", "" if is_iban else account.account_id)
            out.text(_BIC, account.bic or "")


class _AllowancesCharges(Term):
    """BG-20 and BG-21. EXTENDED and ZUGFeRD 1.0 write freight apart from other charges; BT-108 counts it in."""

    def read(self, at: Node, values: dict[str, Any]) -> None:
        values["allowances_charges"] = _ALLOWANCES_CHARGES.take(at) + tuple(
            model.AllowanceCharge(
                is_charge=True,
                amount=node.decimal("ram:AppliedAmount", "BT-99"),
                tax_category=node.text("ram:AppliedTradeTax/ram:CategoryCode"),
                tax_rate=node.decimal("ram:AppliedTradeTax/ram:RateApplicablePercent", "BT-103"),
                reason=node.text("ram:Description"),
            )
            for node in at.nodes(_SETTLEMENT + "ram:SpecifiedLogisticsServiceCharge", "logistics charge")
        )

    def write(self, out: ElementWriter, group: model.Invoice) -> None:
        _ALLOWANCES_CHARGES.put(out, group.allowances_charges)


class _TaxPoint(Term):
    """BT-7 and BT-8, which stand in the first part of the breakdown (CII-SR-461, CII-SR-462)."""

    def write(self, out: ElementWriter, group: model.TaxBreakdown) -> None:
        if group is out.invoice.tax_breakdowns[0]:
            if out.invoice.tax_point_date:
                out.day("ram:TaxPointDate", out.invoice.tax_point_date)
            out.text("ram:DueDateTypeCode", out.invoice.tax_point_code or "")


class _TaxPointOfAll(Term):
    """BT-7 and BT-8 of the invoice; written with the breakdown."""

    def read(self, at: Node, values: dict[str, Any]) -> None:
        values["tax_point_date"] = at.day(_SETTLEMENT + "ram:ApplicableTradeTax/ram:TaxPointDate", "BT-7")
        values["tax_point_code"] = at.text(_SETTLEMENT + "ram:ApplicableTradeTax/ram:DueDateTypeCode")


class _Terms(Term):
    """BT-20 and BT-9, and between them in the same element BT-89. Each further date has an element of its own."""

    def read(self, at: Node, values: dict[str, Any]) -> None:
        days = tuple(dict.fromkeys(at.days(_TERMS + "ram:DueDateDateTime", "BT-9")))
        values["due_dates"], values["due_date"] = days, next(iter(days), None)
        _DESCRIPTION.read(at, values)

    def write(self, out: ElementWriter, group: model.Invoice) -> None:
        _DESCRIPTION.write(out, group)
        first, *others = group.due_dates or (group.due_date,)
        if first:
            out.day(_TERMS + "ram:DueDateDateTime", first)
        out.text(_OF_ALL_PAYMENTS["mandate_reference"], _first(group.payments, "mandate_reference"))
        for day in others:
            if day:
                out.begin(_TERMS.rstrip("/"))
                out.day("ram:DueDateDateTime", day)
                out.end()


class _TaxTotals(Term):
    """The tax totals in the invoice currency (BT-110) and in the tax currency (BT-111)."""

    def read(self, at: Node, values: dict[str, Any]) -> None:
        total, in_tax_currency = tax_totals(list(at.nodes(_TAX_TOTAL)), "@currencyID", values)
        values["tax_amount"] = total.decimal(".", "BT-110") if total else None
        values["tax_amount_in_tax_currency"] = in_tax_currency.decimal(".", "BT-111") if in_tax_currency else None

    def write(self, out: ElementWriter, group: model.Invoice) -> None:
        for amount, currency in (
            (group.tax_amount, group.currency),
            (group.tax_amount_in_tax_currency, group.tax_currency),
        ):
            if amount is not None:
                out.leaf(_TAX_TOTAL, money(amount), f' currencyID="{escaped(currency)}"' if currency else "")


_MEANS = _SETTLEMENT + "ram:SpecifiedTradeSettlementPaymentMeans"
_TAX_TOTAL = _SUMMATION + "ram:TaxTotalAmount"
_DESCRIPTION = PaymentTerms("payment_terms", _TERMS + "ram:Description")
_OF_ALL_PAYMENTS = {
    "remittance_information": _SETTLEMENT + "ram:PaymentReference",
    "mandate_reference": _TERMS + "ram:DirectDebitMandateID",
    "creditor_identifier": _SETTLEMENT + "ram:CreditorReferenceID",
}
_PAYEE_ACCOUNT = "ram:PayeePartyCreditorFinancialAccount"
_BIC = "ram:PayeeSpecifiedCreditorFinancialInstitution/ram:BICID"

_CONTACT = Group(
    model.Contact,
    (
        Text("name", "ram:PersonName", "ram:DepartmentName"),
        Text("phone", "ram:TelephoneUniversalCommunication/ram:CompleteNumber"),
        Text("email", "ram:EmailURIUniversalCommunication/ram:URIID"),
    ),
)
_ADDRESS = Group(
    model.Address,
    (
        Text("post_code", "ram:PostcodeCode"),
        Text("line_one", "ram:LineOne"),
        Text("line_two", "ram:LineTwo"),
        Text("line_three", "ram:LineThree"),
        Text("city", "ram:CityName"),
        Text("country_code", "ram:CountryID"),
        Text("subdivision", "ram:CountrySubDivisionName"),
    ),
)
_PARTY = Group(
    model.Party,
    (
        _PartyIds(),
        Text("name", "ram:Name"),
        Text("legal_information", "ram:Description"),
        Id("legal_registration", "ram:SpecifiedLegalOrganization/ram:ID"),
        Text("trading_name", "ram:SpecifiedLegalOrganization/ram:TradingBusinessName"),
        Part("contact", "ram:DefinedTradeContact", _CONTACT),
        Part("address", "ram:PostalTradeAddress", _ADDRESS),
        Id("electronic_address", "ram:URIUniversalCommunication/ram:URIID"),
        _Registration("vat_id", "ram:ID[@schemeID='VA']"),
        _Registration("tax_id", "ram:ID[@schemeID='FC']"),
    ),
)
_PLACE = "ram:ShipToTradeParty/"
_GOODS = Group(
    model.Delivery,
    (
        _Location("location", _PLACE),
        Text("name", _PLACE + "ram:Name"),
        Part("address", _PLACE + "ram:PostalTradeAddress", _ADDRESS),
        Day("date", "ram:ActualDeliverySupplyChainEvent/ram:OccurrenceDateTime", "BT-72"),
    ),
)


def _period(start: str, end: str) -> Group[model.Period]:
    return Group(model.Period, (Day("start", "ram:StartDateTime", start), Day("end", "ram:EndDateTime", end)))


_ACCOUNT = Group(
    model.PaymentAccount,
    (
        Text("account_id", f"{_PAYEE_ACCOUNT}/ram:IBANID", f"{_PAYEE_ACCOUNT}/ram:ProprietaryID"),
        Text("name", f"{_PAYEE_ACCOUNT}/ram:AccountName"),
        Text("bic", _BIC),
    ),
)
_PAYMENT = Group(
    model.Payment,
    (
        Text("means_code", "ram:TypeCode"),
        Text("means_text", "ram:Information"),
        Text("card_number", "ram:ApplicableTradeSettlementFinancialCard/ram:ID"),
        Text("card_holder", "ram:ApplicableTradeSettlementFinancialCard/ram:CardholderName"),
        Text("debited_account", "ram:PayerPartyDebtorFinancialAccount/ram:IBANID"),
        _Account(),
    ),
)
_ALLOWANCE_CHARGE = Group(
    model.AllowanceCharge,
    (
        Indicator("is_charge", "ram:ChargeIndicator", "Charge indicator"),
        Number("percentage", "ram:CalculationPercent", "Percentage"),
        Amount("base_amount", "ram:BasisAmount", "Base amount"),
        Amount("amount", "ram:ActualAmount", "Amount"),
        Text("reason_code", "ram:ReasonCode"),
        Text("reason", "ram:Reason"),
        Text("tax_category", "ram:CategoryTradeTax/ram:CategoryCode"),
        Number("tax_rate", "ram:CategoryTradeTax/ram:RateApplicablePercent", "VAT rate"),
    ),
)
_ALLOWANCES_CHARGES = Parts(
    "allowances_charges", _SETTLEMENT + "ram:SpecifiedTradeAllowanceCharge", _ALLOWANCE_CHARGE, "allowance or charge"
)
_BREAKDOWN = Group(
    model.TaxBreakdown,
    (
        Amount("tax_amount", "ram:CalculatedAmount", "BT-117"),
        Fixed("ram:TypeCode", "VAT"),
        Text("exemption_reason", "ram:ExemptionReason"),
        Amount("taxable_amount", "ram:BasisAmount", "BT-116"),
        Text("category", "ram:CategoryCode"),
        Text("exemption_reason_code", "ram:ExemptionReasonCode"),
        _TaxPoint(),
        Number("rate", "ram:RateApplicablePercent", "BT-119"),
    ),
)
_PRECEDING = Group(
    model.PrecedingInvoice,
    (
        Text("number", "ram:IssuerAssignedID"),
        Day("issue_date", "ram:FormattedIssueDateTime", "BT-26"),
    ),
)
_SUPPORTING_DOCUMENT = Group(
    model.SupportingDocument,
    (
        Text("reference", "ram:IssuerAssignedID"),
        Text("location", "ram:URIID"),
        Fixed("ram:TypeCode", "916"),
        Text("description", "ram:Name"),
        Attachment("ram:AttachmentBinaryObject"),
    ),
)

_PRODUCT = "ram:SpecifiedTradeProduct/"
_LINE_DOCUMENT = "ram:AssociatedDocumentLineDocument/"
_LINE_AGREEMENT = "ram:SpecifiedLineTradeAgreement/"
_LINE_SETTLEMENT = "ram:SpecifiedLineTradeSettlement/"
_GROSS, _NET = (_LINE_AGREEMENT + f"ram:{which}PriceProductTradePrice/" for which in ("Gross", "Net"))
_LINE = Group(
    model.Line,
    (
        Text("identifier", _LINE_DOCUMENT + "ram:LineID"),
        Text("parent_identifier", _LINE_DOCUMENT + "ram:ParentLineID"),
        Text("kind", _LINE_DOCUMENT + "ram:LineStatusReasonCode"),
        Prose("note", _LINE_DOCUMENT + "ram:IncludedNote/ram:Content"),
        Id("standard_item_id", _PRODUCT + "ram:GlobalID"),
        Text("seller_item_id", _PRODUCT + "ram:SellerAssignedID"),
        Text("buyer_item_id", _PRODUCT + "ram:BuyerAssignedID"),
        Text("name", _PRODUCT + "ram:Name"),
        Prose("description", _PRODUCT + "ram:Description"),
        Pairs("attributes", _PRODUCT + "ram:ApplicableProductCharacteristic", "ram:Description", "ram:Value"),
        Ids("classifications", "ram:ClassCode", _PRODUCT + "ram:DesignatedProductClassification", "listID"),
        Text("origin_country", _PRODUCT + "ram:OriginTradeCountry/ram:ID"),
        Text("order_line_reference", _LINE_AGREEMENT + "ram:BuyerOrderReferencedDocument/ram:LineID"),
        Price("gross_price", _GROSS + "ram:ChargeAmount", "BT-148"),
        _PriceDiscount("price_discount", f"{_GROSS}{_PRICE_DISCOUNT}/ram:ActualAmount", "BT-147"),
        Price("unit_price", _NET + "ram:ChargeAmount", "BT-146"),
        Measure("price_base_quantity", _NET + "ram:BasisQuantity", "BT-149", "price_base_unit"),
        Measure("quantity", "ram:SpecifiedLineTradeDelivery/ram:BilledQuantity", "BT-129", "unit"),
        Text("tax_category", _LINE_SETTLEMENT + "ram:ApplicableTradeTax/ram:CategoryCode"),
        Number("tax_rate", _LINE_SETTLEMENT + "ram:ApplicableTradeTax/ram:RateApplicablePercent", "BT-152"),
        Part("period", _LINE_SETTLEMENT + "ram:BillingSpecifiedPeriod", _period("BT-134", "BT-135")),
        Parts("allowances_charges", _LINE_SETTLEMENT + "ram:SpecifiedTradeAllowanceCharge", _ALLOWANCE_CHARGE),
        Amount(
            "net_amount",
            _LINE_SETTLEMENT + "ram:SpecifiedTradeSettlementLineMonetarySummation/ram:LineTotalAmount",
            "BT-131",
        ),
        _Object("object_identifier", _LINE_SETTLEMENT + _OBJECT),
        Text("accounting_reference", _LINE_SETTLEMENT + "ram:ReceivableSpecifiedTradeAccountingAccount/ram:ID"),
    ),
)
_NOTE = Group(model.Note, (Prose("text", "ram:Content"), Text("subject_code", "ram:SubjectCode")))
_INVOICE = Group(
    model.Invoice,
    (
        Text("business_process", _CONTEXT + "ram:BusinessProcessSpecifiedDocumentContextParameter/ram:ID"),
        Text("specification_identifier", _CONTEXT + "ram:GuidelineSpecifiedDocumentContextParameter/ram:ID"),
        Text("number", _DOCUMENT + "ram:ID"),
        Text("type_code", _DOCUMENT + "ram:TypeCode"),
        Day("issue_date", _DOCUMENT + "ram:IssueDateTime", "BT-2"),
        Parts("notes", _DOCUMENT + "ram:IncludedNote", _NOTE, needed="text"),
        Parts("lines", _TRADE + "ram:IncludedSupplyChainTradeLineItem", _LINE, "line"),
        Text("buyer_reference", _AGREEMENT + "ram:BuyerReference"),
        Part("seller", _AGREEMENT + "ram:SellerTradeParty", _PARTY),
        Part("buyer", _AGREEMENT + "ram:BuyerTradeParty", _PARTY),
        Part("tax_representative", _AGREEMENT + "ram:SellerTaxRepresentativeTradeParty", _PARTY),
        Text("sales_order_reference", _AGREEMENT + "ram:SellerOrderReferencedDocument/ram:IssuerAssignedID"),
        Text("order_reference", _AGREEMENT + "ram:BuyerOrderReferencedDocument/ram:IssuerAssignedID"),
        Text("contract_reference", _AGREEMENT + "ram:ContractReferencedDocument/ram:IssuerAssignedID"),
        Parts("supporting_documents", _AGREEMENT + _SUPPORTING, _SUPPORTING_DOCUMENT),
        Text("tender_reference", f"{_AGREEMENT}{_TENDER}/ram:IssuerAssignedID"),
        _Object("object_identifier", _AGREEMENT + _OBJECT),
        Text("project_reference", _AGREEMENT + "ram:SpecifiedProcuringProject/ram:ID"),
        Part("delivery", _DELIVERY.rstrip("/"), _GOODS),
        Text("despatch_advice_reference", _DELIVERY + "ram:DespatchAdviceReferencedDocument/ram:IssuerAssignedID"),
        Text("receiving_advice_reference", _DELIVERY + "ram:ReceivingAdviceReferencedDocument/ram:IssuerAssignedID"),
        _PaymentHead(),
        Text("tax_currency", _SETTLEMENT + "ram:TaxCurrencyCode"),
        Text("currency", _SETTLEMENT + "ram:InvoiceCurrencyCode"),
        Part("payee", _SETTLEMENT + "ram:PayeeTradeParty", _PARTY),
        _Payments(),
        _TaxPointOfAll(),
        Parts("tax_breakdowns", _SETTLEMENT + "ram:ApplicableTradeTax", _BREAKDOWN),
        Part("period", _SETTLEMENT + "ram:BillingSpecifiedPeriod", _period("BT-73", "BT-74")),
        _AllowancesCharges(),
        _Terms(),
        Amount("line_total", _SUMMATION + "ram:LineTotalAmount", "BT-106"),
        Amount("charge_total", _SUMMATION + "ram:ChargeTotalAmount", "BT-108"),
        Amount("allowance_total", _SUMMATION + "ram:AllowanceTotalAmount", "BT-107"),
        Amount("net_amount", _SUMMATION + "ram:TaxBasisTotalAmount", "BT-109"),
        _TaxTotals(),
        Amount("rounding_amount", _SUMMATION + "ram:RoundingAmount", "BT-114"),
        Amount("gross_amount", _SUMMATION + "ram:GrandTotalAmount", "BT-112"),
        Amount("prepaid_amount", _SUMMATION + "ram:TotalPrepaidAmount", "BT-113"),
        Amount("payable_amount", _SUMMATION + "ram:DuePayableAmount", "BT-115"),
        Parts("preceding_invoices", _SETTLEMENT + "ram:InvoiceReferencedDocument", _PRECEDING, needed="number"),
        Text("accounting_reference", _SETTLEMENT + "ram:ReceivableSpecifiedTradeAccountingAccount/ram:ID"),
    ),
)


def read_cii(root: etree._Element, warnings: list[str]) -> model.Invoice:
    """Read a CrossIndustryInvoice. Adds remarks to `warnings`."""
    return _INVOICE.read(Node(root, _CII, warnings))


def write_cii(invoice: model.Invoice) -> str:
    """The XML of an invoice as a CrossIndustryInvoice."""
    out = ElementWriter(_STYLE, invoice)
    _INVOICE.write(out, invoice)
    return (
        f'{DECLARATION}<rsm:CrossIndustryInvoice xmlns:rsm="{RSM}" xmlns:qdt="{_QDT}" xmlns:ram="{RAM}"'
        f' xmlns:udt="{UDT}">{out.written()}\n</rsm:CrossIndustryInvoice>\n'
    )


def _first(payments: tuple[model.Payment, ...], name: str) -> str:
    return next(filter(None, (getattr(payment, name) for payment in payments)), "")
