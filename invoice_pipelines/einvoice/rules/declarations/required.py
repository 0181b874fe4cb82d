"""EN 16931: what an invoice must say (BR-01 to BR-65), and that a group is not empty (BR-CO-18 to BR-CO-26).

Where the two syntaxes differ in what they take for "is there", that is how the official rules differ: an element
that is empty is there for some rules, and not for others.
"""

from __future__ import annotations

from collections.abc import Sequence

from invoice_pipelines.einvoice.rules.declarations.places import (
    CII_ALLOWANCE,
    CII_BUYER,
    CII_LINE,
    CII_LINE_ALLOWANCE,
    CII_REPRESENTATIVE,
    CII_SELLER,
    CII_TAX,
    CII_TOTALS,
    DELIVERY,
    LINE_TOTAL,
    SETTLEMENT,
    UBL_ALLOWANCE,
    UBL_BUYER,
    UBL_LINE,
    UBL_LINE_ALLOWANCE,
    UBL_REPRESENTATIVE,
    UBL_SELLER,
    UBL_SUBTOTAL,
    UBL_TOTALS,
    are_equal,
    both,
    everywhere,
    is_allowance,
    is_charge,
    is_only_vat,
    is_vat,
    is_vat_type,
    quoted,
    says_false,
    says_true,
    stated,
)
from invoice_pipelines.einvoice.rules.engine.declaration import (
    Asked,
    Declaration,
    Facts,
    Test,
    Where,
    all_of,
    any_of,
    declare,
    has,
    says,
)
from invoice_pipelines.einvoice.rules.engine.paths import path
from invoice_pipelines.einvoice.rules.engine.values import as_number, day_number, normalized, one, said
from invoice_pipelines.einvoice.rules.engine.walk import Node, View
from invoice_pipelines.einvoice.rules.verdict import Severity

_SOURCE = "EN 16931-1:2017+A1:2019, 6.4"


def _unless_absent(steps: str, test: Test) -> Test:
    """The test, which is asked first, or that there is no such element."""
    at = path(steps)
    return lambda node, view: test(node, view) or not at(node)


def _not_negative(steps: str) -> Test:
    """That one of the numbers is none below zero, which NaN is not; not so where there is none."""
    at = path(steps)

    def test(node: Node, view: View) -> bool:
        found = [as_number(each.string) for each in at(node)]
        return any(number.is_nan() or number >= 0 for number in found)

    return test


def _with(steps: str, where: Where, then: str) -> Test:
    """That one of the elements at a path is such and has something at `then`."""
    at, inner = path(steps), path(then)
    return lambda node, view: any(inner(each) for each in at(node) if where(each))


def _ordered_days(node: Node, view: View) -> bool:
    start, end = node.kids.get("cbc:StartDate", ()), node.kids.get("cbc:EndDate", ())
    if not start or not end:
        return True
    first, last = one(start), one(end)
    return first is None or last is None or day_number(last.string) >= day_number(first.string)


_STARTS, _ENDS = path("ram:StartDateTime/udt:DateTimeString"), path("ram:EndDateTime/udt:DateTimeString")


def _ordered_texts(node: Node, view: View) -> bool:
    """CII compares days of the form 20240131 as texts, and others not at all."""
    if "ram:StartDateTime" not in node.kids or "ram:EndDateTime" not in node.kids:
        return True
    starts, ends = ([d.string for d in at(node) if d.get("format") == "102"] for at in (_STARTS, _ENDS))
    return any(end >= start for end in ends for start in starts)


_DAYS = stated(start="cbc:StartDate", end="cbc:EndDate")
_CII_DAYS = stated(start="ram:StartDateTime/udt:DateTimeString", end="ram:EndDateTime/udt:DateTimeString")


def _has_bound(node: Node, view: View) -> bool:
    """A period that only says from when the VAT is due (BT-8) has no bounds."""
    return not node.kids.keys().isdisjoint(("cbc:StartDate", "cbc:EndDate", "cbc:DescriptionCode"))


def _is_no_line(node: Node) -> bool:
    return node.parent is None or node.parent.name not in ("cac:InvoiceLine", "cac:CreditNoteLine")


def _is_payee(name: str, pairs: Sequence[tuple[str, str]]) -> Test:
    """That a payee is named, and in none of the ways that the seller is."""
    named = path(name)
    compared = [(path(ours), path(theirs)) for ours, theirs in pairs]

    def test(node: Node, view: View) -> bool:
        return bool(named(node)) and not any(are_equal(ours(node), theirs(node)) for ours, theirs in compared)

    return test


def _pays_by_transfer(steps: str) -> Where:
    code = path(steps)
    return lambda node: any(each.string in ("30", "58") for each in code(node))


_CODE, _ACCOUNT = path("cbc:PaymentMeansCode"), path("cac:PayeeFinancialAccount/cbc:ID")


def _transfer_has_account(node: Node, view: View) -> bool:
    return (bool(_ACCOUNT(node)) and said(_CODE(node)) in ("30", "58")) or said(_CODE(node)) not in ("30", "58")


def _short_card(steps: str) -> Test:
    at = path(steps)
    return lambda node, view: len(said(at(node))) <= 10


def _length(steps: str) -> Facts:
    at = path(steps)
    return lambda node, view: {"length": len(normalized(at(node)[0].string))}


_TAX_AMOUNTS = everywhere("cac:TaxTotal/cbc:TaxAmount")


def _tax_in_tax_currency(node: Node, view: View) -> bool:
    wanted = [each.string for each in node.kids.get("cbc:TaxCurrencyCode", ())]
    if not wanted:
        return True
    amounts = {amount.get("currencyID") for amount in _TAX_AMOUNTS(view)}
    return all(currency in amounts for currency in wanted)


_TAX_CURRENCY, _CURRENCY = (
    path(f"/*/{SETTLEMENT}/ram:TaxCurrencyCode"),
    path(f"/*/{SETTLEMENT}/ram:InvoiceCurrencyCode"),
)


def _tax_in_cii_tax_currency(node: Node, view: View) -> bool:
    wanted = _TAX_CURRENCY(node)
    if not wanted:
        return True
    currencies = {each.string for each in wanted}
    amounts = {amount.get("currencyID") for amount in node.kids.get("ram:TaxTotalAmount", ())}
    return not currencies.isdisjoint(amounts) and not are_equal(wanted, _CURRENCY(node))


def _address_has_country(node: Node, view: View) -> bool:
    return not _DELIVERED_TO(node) or bool(said(_DELIVERED_IN(node)))


_DELIVERED_TO = path("ram:ShipToTradeParty/ram:PostalTradeAddress")
_DELIVERED_IN = path("ram:ShipToTradeParty/ram:PostalTradeAddress/ram:CountryID")


def _address_scheme(party: str) -> Test:
    """Of several electronic addresses of a party CII asks the first only."""
    parties = path(party)

    def test(node: Node, view: View) -> bool:
        addresses = [found[0] for each in parties(node) if (found := each.kids.get("ram:URIUniversalCommunication"))]
        schemes = [
            scheme
            for address in addresses
            for identifier in address.kids.get("ram:URIID", ())
            if (scheme := identifier.get("schemeID")) is not None
        ]
        return bool(normalized(one(schemes) or "")) or not addresses

    return test


def _registered(steps: str) -> Test:
    """That a party has a VAT identifier that says something."""
    at = path(steps)
    return lambda node, view: bool(said([each for each in at(node) if each.get("schemeID") == "VA"]))


def _seller_is_identified(node: Node, view: View) -> bool:
    return (
        any("cbc:CompanyID" in each.kids for each in _PARTY_TAX(node) if is_vat(each))
        or any(each.get("schemeID") != "SEPA" for each in _PARTY_ID(node))
        or bool(_LEGAL_ID(node))
    )


_PARTY_TAX = path("cac:Party/cac:PartyTaxScheme")
_PARTY_ID = path("cac:Party/cac:PartyIdentification/cbc:ID")
_LEGAL_ID = path("cac:Party/cac:PartyLegalEntity/cbc:CompanyID")


def _cii_seller_is_identified(node: Node, view: View) -> bool:
    return (
        not node.kids.keys().isdisjoint(("ram:ID", "ram:GlobalID"))
        or bool(_CII_LEGAL_ID(node))
        or any(each.get("schemeID") == "VA" for each in _CII_TAX_ID(node))
    )


_CII_LEGAL_ID = path("ram:SpecifiedLegalOrganization/ram:ID")
_CII_TAX_ID = path("ram:SpecifiedTaxRegistration/ram:ID")


def _has_category(node: Node, view: View) -> bool:
    return any("cbc:ID" in each.kids for each in node.kids.get("cac:TaxCategory", ()) if is_vat(each))


def _has_rate(node: Node, view: View) -> bool:
    categories = [each for each in node.kids.get("cac:TaxCategory", ()) if is_vat(each)]
    return any("cbc:Percent" in each.kids for each in categories) or any(
        said(each.kids.get("cbc:ID", ())) == "O" for each in categories
    )


def _has_cii_rate(node: Node, view: View) -> bool:
    return is_vat_type(node) and (
        "ram:RateApplicablePercent" in node.kids
        or any(code.string == "O" for code in node.kids.get("ram:CategoryCode", ()))
    )


def is_of_any_category(node: Node) -> bool:
    """CII: an entry of the VAT breakdown of which rules for all are asked. Categories L, M and O have their own."""
    return not (
        any(code.string in ("L", "M", "O") for code in node.kids.get("ram:CategoryCode", ()))
        and is_vat_type(node)
        and node.parent is not None
        and node.parent.parent is not None
        and node.parent.parent.name == "rsm:SupplyChainTradeTransaction"
    )


def _issued_on_a_day(node: Node, view: View) -> bool:
    return bool(said([day for day in _ISSUED(node) if day.get("format") == "102"]))


_ISSUED = path("rsm:ExchangedDocument/ram:IssueDateTime/udt:DateTimeString")
_NET_PRICE = "ram:SpecifiedLineTradeAgreement/ram:NetPriceProductTradePrice/ram:ChargeAmount"
_GROSS_PRICE = "ram:SpecifiedLineTradeAgreement/ram:GrossPriceProductTradePrice/ram:ChargeAmount"
_UBL_GROSS = "cac:Price/cac:AllowanceCharge/cbc:BaseAmount"
_STANDARD_ID = "ram:SpecifiedTradeProduct/ram:GlobalID"
_BREAKDOWN = everywhere("rsm:SupplyChainTradeTransaction/ram:ApplicableHeaderTradeSettlement/ram:ApplicableTradeTax")

_REASON = any_of(has("cbc:AllowanceChargeReason"), has("cbc:AllowanceChargeReasonCode"))
_CII_REASON = any_of(has("../ram:Reason"), has("../ram:ReasonCode"))


def _of_allowances(
    rules: tuple[str, str, str, str], ubl: str, cii: str, where: Where, cii_where: Where, category: bool
) -> list[Declaration]:
    """That an allowance or a charge has an amount, a VAT category (of the whole invoice only) and a reason."""
    amount, tax, reason, reason_again = rules
    made = [
        declare(
            amount,
            Asked(ubl, has("cbc:Amount"), where=where),
            Asked(cii, has("../ram:ActualAmount"), where=cii_where),
            source=_SOURCE,
        )
    ]
    if category:
        cii_category = _with("../ram:CategoryTradeTax", is_vat_type, "ram:CategoryCode")
        made.append(
            declare(
                tax,
                Asked(ubl, _has_category, where=where),
                Asked(cii, cii_category, where=cii_where),
                source=_SOURCE,
            )
        )
    for rule in (reason, reason_again):
        made.append(
            declare(
                rule,
                Asked(ubl, _REASON, where=where),
                Asked(cii, _CII_REASON, where=cii_where),
                source=_SOURCE,
            )
        )
    return made


def _required(rule: str, ubl: Asked | tuple[Asked, ...], cii: Asked | tuple[Asked, ...]) -> Declaration:
    return declare(rule, ubl, cii, source=_SOURCE)


_HEADER: tuple[Declaration, ...] = (
    _required(
        "BR-01",
        Asked("/*", says("cbc:CustomizationID")),
        Asked("/*", says("rsm:ExchangedDocumentContext/ram:GuidelineSpecifiedDocumentContextParameter/ram:ID")),
    ),
    _required("BR-02", Asked("/*", says("cbc:ID")), Asked("/*", says("rsm:ExchangedDocument/ram:ID"))),
    _required("BR-03", Asked("/*", says("cbc:IssueDate")), Asked("/*", _issued_on_a_day)),
    _required(
        "BR-04",
        Asked("/*", any_of(says("cbc:InvoiceTypeCode"), says("cbc:CreditNoteTypeCode"))),
        Asked("/*", says("rsm:ExchangedDocument/ram:TypeCode")),
    ),
    _required(
        "BR-05",
        Asked("/*", says("cbc:DocumentCurrencyCode")),
        Asked("/*", says(f"{SETTLEMENT}/ram:InvoiceCurrencyCode")),
    ),
    _required(
        "BR-06",
        Asked("/*", says(f"{UBL_SELLER}/cac:PartyLegalEntity/cbc:RegistrationName")),
        Asked("/*", says(f"{CII_SELLER}/ram:Name")),
    ),
    _required(
        "BR-07",
        Asked("/*", says(f"{UBL_BUYER}/cac:PartyLegalEntity/cbc:RegistrationName")),
        Asked("/*", says(f"{CII_BUYER}/ram:Name")),
    ),
    _required(
        "BR-08",
        Asked("/*", has(f"{UBL_SELLER}/cac:PostalAddress")),
        Asked("/*", has(f"{CII_SELLER}/ram:PostalTradeAddress")),
    ),
    _required(
        "BR-09",
        Asked(f"{UBL_SELLER}/cac:PostalAddress", says("cac:Country/cbc:IdentificationCode")),
        Asked("/*", says(f"{CII_SELLER}/ram:PostalTradeAddress/ram:CountryID")),
    ),
    _required(
        "BR-10",
        Asked("/*", has(f"{UBL_BUYER}/cac:PostalAddress")),
        Asked("/*", has(f"{CII_BUYER}/ram:PostalTradeAddress")),
    ),
    _required(
        "BR-11",
        Asked(f"{UBL_BUYER}/cac:PostalAddress", says("cac:Country/cbc:IdentificationCode")),
        Asked("/*", says(f"{CII_BUYER}/ram:PostalTradeAddress/ram:CountryID")),
    ),
    _required(
        "BR-12", Asked(UBL_TOTALS, has("cbc:LineExtensionAmount")), Asked(CII_TOTALS, has("ram:LineTotalAmount"))
    ),
    _required(
        "BR-13", Asked(UBL_TOTALS, has("cbc:TaxExclusiveAmount")), Asked(CII_TOTALS, has("ram:TaxBasisTotalAmount"))
    ),
    _required(
        "BR-14", Asked(UBL_TOTALS, has("cbc:TaxInclusiveAmount")), Asked(CII_TOTALS, has("ram:GrandTotalAmount"))
    ),
    _required("BR-15", Asked(UBL_TOTALS, has("cbc:PayableAmount")), Asked(CII_TOTALS, has("ram:DuePayableAmount"))),
    _required(
        "BR-16",
        Asked("/*", any_of(has("cac:InvoiceLine"), has("cac:CreditNoteLine"))),
        Asked("/*", lambda node, view: CII_LINE in view.index),
    ),
    _required(
        "BR-17",
        Asked(
            "cac:PayeeParty",
            _is_payee(
                "cac:PartyName/cbc:Name",
                (
                    ("cac:PartyName/cbc:Name", f"../{UBL_SELLER}/cac:PartyName/cbc:Name"),
                    ("cac:PartyIdentification/cbc:ID", f"../{UBL_SELLER}/cac:PartyIdentification/cbc:ID"),
                ),
            ),
        ),
        Asked(
            "ram:PayeeTradeParty",
            _is_payee(
                "ram:Name",
                tuple(
                    (steps, f"../../ram:ApplicableHeaderTradeAgreement/ram:SellerTradeParty/{steps}")
                    for steps in ("ram:Name", "ram:ID", "ram:SpecifiedLegalOrganization/ram:ID")
                ),
            ),
        ),
    ),
    _required(
        "BR-18",
        Asked(UBL_REPRESENTATIVE, says("cac:PartyName/cbc:Name")),
        Asked(CII_REPRESENTATIVE, says("ram:Name")),
    ),
    _required(
        "BR-19",
        Asked(UBL_REPRESENTATIVE, has("cac:PostalAddress")),
        Asked(CII_REPRESENTATIVE, has("ram:PostalTradeAddress")),
    ),
    _required(
        "BR-20",
        Asked(f"{UBL_REPRESENTATIVE}/cac:PostalAddress", says("cac:Country/cbc:IdentificationCode")),
        Asked(CII_REPRESENTATIVE, says("ram:PostalTradeAddress/ram:CountryID")),
    ),
    _required(
        "BR-56",
        Asked(UBL_REPRESENTATIVE, _with("cac:PartyTaxScheme", is_only_vat, "cbc:CompanyID")),
        Asked(CII_REPRESENTATIVE, _registered("ram:SpecifiedTaxRegistration/ram:ID")),
    ),
    _required(
        "BR-53",
        Asked("/*", _tax_in_tax_currency, quoted(currency="cbc:TaxCurrencyCode")),
        Asked(CII_TOTALS, _tax_in_cii_tax_currency, quoted(currency=f"/*/{SETTLEMENT}/ram:TaxCurrencyCode")),
    ),
    _required(
        "BR-57",
        Asked("cac:Delivery/cac:DeliveryLocation/cac:Address", has("cac:Country/cbc:IdentificationCode")),
        Asked(f"/*/{DELIVERY}", _address_has_country),
    ),
    _required(
        "BR-62",
        Asked(f"{UBL_SELLER}/cbc:EndpointID", has("@schemeID")),
        Asked("/*", _address_scheme(CII_SELLER)),
    ),
    _required(
        "BR-63",
        Asked(f"{UBL_BUYER}/cbc:EndpointID", has("@schemeID")),
        Asked("/*", _address_scheme(CII_BUYER)),
    ),
    _required(
        "BR-CO-26",
        Asked("cac:AccountingSupplierParty", _seller_is_identified),
        Asked("ram:SellerTradeParty", _cii_seller_is_identified),
    ),
)

_GROUPS: tuple[Declaration, ...] = (
    _required(
        "BR-29",
        Asked("cac:InvoicePeriod", _ordered_days, _DAYS, where=_is_no_line),
        Asked("ram:ApplicableHeaderTradeSettlement/ram:BillingSpecifiedPeriod", _ordered_texts, _CII_DAYS),
    ),
    _required(
        "BR-CO-19",
        Asked("cac:InvoicePeriod", _has_bound, where=_is_no_line),
        Asked(
            "ram:ApplicableHeaderTradeSettlement/ram:BillingSpecifiedPeriod",
            any_of(has("ram:StartDateTime"), has("ram:EndDateTime")),
        ),
    ),
    _required(
        "BR-30",
        Asked("cac:InvoiceLine|cac:CreditNoteLine/cac:InvoicePeriod", _ordered_days, _DAYS),
        Asked("ram:SpecifiedLineTradeSettlement/ram:BillingSpecifiedPeriod", _ordered_texts, _CII_DAYS),
    ),
    _required(
        "BR-CO-20",
        Asked("cac:InvoiceLine|cac:CreditNoteLine/cac:InvoicePeriod", any_of(has("cbc:StartDate"), has("cbc:EndDate"))),
        Asked(
            "ram:SpecifiedLineTradeSettlement/ram:BillingSpecifiedPeriod",
            any_of(has("ram:StartDateTime"), has("ram:EndDateTime")),
        ),
    ),
    *_of_allowances(
        ("BR-31", "BR-32", "BR-33", "BR-CO-21"), UBL_ALLOWANCE, CII_ALLOWANCE, is_allowance, says_false, category=True
    ),
    *_of_allowances(
        ("BR-36", "BR-37", "BR-38", "BR-CO-22"), UBL_ALLOWANCE, CII_ALLOWANCE, is_charge, says_true, category=True
    ),
    *_of_allowances(
        ("BR-41", "", "BR-42", "BR-CO-23"),
        UBL_LINE_ALLOWANCE,
        CII_LINE_ALLOWANCE,
        is_allowance,
        says_false,
        category=False,
    ),
    *_of_allowances(
        ("BR-43", "", "BR-44", "BR-CO-24"), UBL_LINE_ALLOWANCE, CII_LINE_ALLOWANCE, is_charge, says_true, category=False
    ),
    _required(
        "BR-45",
        Asked(UBL_SUBTOTAL, has("cbc:TaxableAmount")),
        Asked(CII_TAX, has("ram:BasisAmount"), where=is_of_any_category),
    ),
    _required(
        "BR-46",
        Asked(UBL_SUBTOTAL, has("cbc:TaxAmount")),
        Asked(CII_TAX, has("ram:CalculatedAmount"), where=is_of_any_category),
    ),
    _required(
        "BR-47",
        Asked(UBL_SUBTOTAL, _has_category),
        Asked(
            CII_TAX, lambda node, view: is_vat_type(node) and "ram:CategoryCode" in node.kids, where=is_of_any_category
        ),
    ),
    _required(
        "BR-48",
        Asked(UBL_SUBTOTAL, _has_rate),
        Asked(CII_TAX, _has_cii_rate, where=is_of_any_category),
    ),
    _required(
        "BR-49",
        Asked("cac:PaymentMeans", has("cbc:PaymentMeansCode")),
        Asked("ram:SpecifiedTradeSettlementPaymentMeans", has("ram:TypeCode")),
    ),
    _required(
        "BR-50",
        Asked(
            "cac:PaymentMeans/cac:PayeeFinancialAccount",
            says("cbc:ID"),
            where=_pays_by_transfer("../cbc:PaymentMeansCode"),
        ),
        Asked(
            "ram:SpecifiedTradeSettlementPaymentMeans/ram:PayeePartyCreditorFinancialAccount",
            any_of(says("ram:IBANID"), says("ram:ProprietaryID")),
            where=_pays_by_transfer("../ram:TypeCode"),
        ),
    ),
    _required(
        "BR-61",
        Asked("cac:PaymentMeans", _transfer_has_account),
        Asked(
            "ram:SpecifiedTradeSettlementPaymentMeans/ram:PayeePartyCreditorFinancialAccount",
            any_of(has("ram:IBANID"), has("ram:ProprietaryID")),
            where=_pays_by_transfer("../ram:TypeCode"),
        ),
    ),
    # The official rule is a warning in UBL only.
    declare(
        "BR-51",
        Asked("cac:PaymentMeans/cac:CardAccount/cbc:PrimaryAccountNumberID", _short_card(""), _length("")),
        source=_SOURCE,
        severity=Severity.WARNING,
    ),
    declare(
        "BR-51",
        None,
        Asked("ram:ApplicableTradeSettlementFinancialCard", _short_card("ram:ID"), _length("ram:ID")),
        source=_SOURCE,
    ),
    _required(
        "BR-52",
        Asked("cac:AdditionalDocumentReference", says("cbc:ID")),
        Asked("ram:AdditionalReferencedDocument", says("ram:IssuerAssignedID")),
    ),
    _required(
        "BR-55",
        Asked("cac:BillingReference", has("cac:InvoiceDocumentReference/cbc:ID")),
        Asked(f"/*/{SETTLEMENT}/ram:InvoiceReferencedDocument", says("ram:IssuerAssignedID")),
    ),
    _required(
        "BR-CO-18",
        Asked("/*", has("cac:TaxTotal/cac:TaxSubtotal")),
        Asked(CII_LINE, lambda node, view: bool(view.once(_BREAKDOWN))),
    ),
)


def _of_line(test: Test, price: str = "cac:Price/cbc:PriceAmount") -> Asked:
    return Asked(UBL_LINE, test, both(quoted(line="cbc:ID"), stated(price=price)))


def _of_cii_line(test: Test, price: str = _NET_PRICE) -> Asked:
    return Asked(
        CII_LINE, test, both(quoted(line="ram:AssociatedDocumentLineDocument/ram:LineID"), stated(price=price))
    )


_LINES: tuple[Declaration, ...] = (
    _required("BR-21", _of_line(says("cbc:ID")), _of_cii_line(says("ram:AssociatedDocumentLineDocument/ram:LineID"))),
    _required(
        "BR-22",
        _of_line(any_of(has("cbc:InvoicedQuantity"), has("cbc:CreditedQuantity"))),
        _of_cii_line(has("ram:SpecifiedLineTradeDelivery/ram:BilledQuantity")),
    ),
    _required(
        "BR-23",
        _of_line(any_of(has("cbc:InvoicedQuantity/@unitCode"), has("cbc:CreditedQuantity/@unitCode"))),
        _of_cii_line(has("ram:SpecifiedLineTradeDelivery/ram:BilledQuantity/@unitCode")),
    ),
    _required("BR-24", _of_line(has("cbc:LineExtensionAmount")), _of_cii_line(has(LINE_TOTAL))),
    _required("BR-25", _of_line(says("cac:Item/cbc:Name")), _of_cii_line(says("ram:SpecifiedTradeProduct/ram:Name"))),
    _required("BR-26", _of_line(has("cac:Price/cbc:PriceAmount")), _of_cii_line(has(f"{_NET_PRICE}"))),
    _required("BR-27", _of_line(_not_negative("cac:Price/cbc:PriceAmount")), _of_cii_line(_not_negative(_NET_PRICE))),
    _required(
        "BR-28",
        _of_line(_unless_absent(_UBL_GROSS, _not_negative(_UBL_GROSS)), _UBL_GROSS),
        _of_cii_line(_unless_absent(_GROSS_PRICE, _not_negative(_GROSS_PRICE)), _GROSS_PRICE),
    ),
    _required(
        "BR-54",
        Asked("cac:AdditionalItemProperty", all_of(has("cbc:Name"), has("cbc:Value"))),
        Asked("ram:ApplicableProductCharacteristic", all_of(has("ram:Description"), has("ram:Value"))),
    ),
    _required(
        "BR-64",
        Asked("cac:InvoiceLine|cac:CreditNoteLine/cac:Item/cac:StandardItemIdentification/cbc:ID", has("@schemeID")),
        _of_cii_line(_unless_absent(_STANDARD_ID, says(f"{_STANDARD_ID}/@schemeID"))),
    ),
    _required(
        "BR-65",
        Asked(
            "cac:InvoiceLine|cac:CreditNoteLine/cac:Item/cac:CommodityClassification/cbc:ItemClassificationCode",
            has("@listID"),
        ),
        Asked("ram:DesignatedProductClassification", _unless_absent("ram:ClassCode", says("ram:ClassCode/@listID"))),
    ),
    _required(
        "BR-CO-04",
        _of_line(_with("cac:Item/cac:ClassifiedTaxCategory", is_only_vat, "cbc:ID")),
        _of_cii_line(
            _with("ram:SpecifiedLineTradeSettlement/ram:ApplicableTradeTax", is_vat_type, "ram:CategoryCode"),
        ),
    ),
)

RULES: tuple[Declaration, ...] = _HEADER + _GROUPS + _LINES
