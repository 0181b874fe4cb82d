"""BR-DEX-* and BR-DE-CVD-*: the extension of XRechnung, and its usage for clean vehicles (CVD).

They are asked only of documents whose specification (BT-24) is exactly that of the extension, or of CVD.
"""

from __future__ import annotations

from decimal import Decimal

from invoice_pipelines.einvoice.code_lists import codes
from invoice_pipelines.einvoice.rules.declarations.national.places import AGREEMENT, LINES
from invoice_pipelines.einvoice.rules.declarations.national.releases import XRECHNUNG_3_0_2
from invoice_pipelines.einvoice.rules.declarations.national.shapes import (
    attribute,
    is_blank,
    is_within,
    says_something,
    text_of,
)
from invoice_pipelines.einvoice.rules.declarations.national.xrechnung import CVD, EXTENSION
from invoice_pipelines.einvoice.rules.declarations.places import stated
from invoice_pipelines.einvoice.rules.engine.declaration import Asked, Declaration, Facts, Test, declare
from invoice_pipelines.einvoice.rules.engine.paths import path
from invoice_pipelines.einvoice.rules.engine.values import cents, decimal, normalized, one
from invoice_pipelines.einvoice.rules.engine.walk import Node, Syntax, View
from invoice_pipelines.einvoice.rules.verdict import Severity

_SOURCE = "XRechnung 3.0, 12 (extension)"
_SOURCE_CVD = "XRechnung CVD 0.9"

_UBL_SPECIFICATION = path("cbc:CustomizationID")
_CII_SPECIFICATION = path("rsm:ExchangedDocumentContext/ram:GuidelineSpecifiedDocumentContextParameter/ram:ID")


def _specifications(view: View) -> frozenset[str]:
    found = (_UBL_SPECIFICATION if view.syntax is Syntax.UBL else _CII_SPECIFICATION)(view.root)
    return frozenset(each.string for each in found)


def _asked(usage: str, context: str, test: Test, facts: Facts | None = None) -> Asked:
    """A test for documents of one usage."""
    return Asked(context, lambda node, view: usage not in view.once(_specifications) or test(node, view), facts)


def _scheme_in(listed: str, name: str = "schemeID") -> Test:
    """That an attribute has a code of a list. One that is empty passes: so it does in the official rules."""
    return lambda node, view: is_blank(node.get(name)) or normalized(node.get(name) or "") in codes(listed)


def _party_scheme(node: Node, view: View) -> bool:
    return _ICD(node, view) or (
        normalized(node.get("schemeID") or "") == "SEPA"
        and is_within(node, "cac:AccountingSupplierParty", "cac:PayeeParty")
    )


_ICD = _scheme_in("icd_xrechnung")


def _of_other_party(node: Node, view: View) -> bool:
    return is_within(node, "ram:SpecifiedTradeProduct", "ram:ShipToTradeParty") or _ICD(node, view)


def _of_registration(node: Node, view: View) -> bool:
    return is_within(node, "ram:SpecifiedTaxRegistration") or _ICD(node, view)


def _media_type(node: Node, view: View) -> bool:
    return node.get("mimeCode") in codes("media_types") or node.get("mimeCode") == "application/xml"


# --- lines below lines (BG-DEX-01), in UBL only ---

_AMOUNT = path("cbc:LineExtensionAmount")


def _lines_add_up(node: Node, view: View) -> bool:
    """BR-DEX-02: a line that has lines below it is their sum."""
    if node.name != "ubl:Invoice":
        return True
    upper = [*node.kids.get("cac:InvoiceLine", ()), *view.index.get("cac:SubInvoiceLine", ())]
    for line in upper:
        lower = line.kids.get("cac:SubInvoiceLine")
        if lower and decimal(_AMOUNT(line)) != sum(
            (decimal(_AMOUNT(each)) or Decimal(0) for each in lower), Decimal(0)
        ):
            return False
    return True


def _one_category_each(node: Node, view: View) -> bool:
    """BR-DEX-03: each line below a line has one VAT category."""
    return node.name != "ubl:Invoice" or all(
        len(item.kids.get("cac:ClassifiedTaxCategory", ())) == 1
        for line in view.index.get("cac:SubInvoiceLine", ())
        for item in line.kids.get("cac:Item", ())
    )


# --- payments of third parties (BG-DEX-09), in UBL only ---


def _amount_due(node: Node, view: View) -> bool:
    """BR-DEX-09, which stands in for BR-CO-16: what third parties pay is part of the amount due."""
    due, rounding, total, prepaid = (
        decimal(node.kids.get(name, []))
        for name in ("cbc:PayableAmount", "cbc:PayableRoundingAmount", "cbc:TaxInclusiveAmount", "cbc:PrepaidAmount")
    )
    if due is None or total is None:
        return False
    return cents(due - (rounding or 0)) == cents(total - (prepaid or 0) + _third_party(node))


def _third_party(node: Node) -> Decimal:
    payments = node.parent.kids.get("cac:PrepaidPayment", ()) if node.parent is not None else ()
    amounts = [payment.kids.get("cbc:PaidAmount", []) for payment in payments]
    if all(is_blank(each.string) for found in amounts for each in found):
        return Decimal(0)
    return sum((decimal(found) or Decimal(0) for found in amounts), Decimal(0))


def _paid_in_cents(node: Node, view: View) -> bool:
    amount = one(node.kids.get("cbc:PaidAmount", []))
    return amount is None or len(amount.string.partition(".")[2]) <= 2


def _paid_in_currency(node: Node, view: View) -> bool:
    currencies = {each.string for each in view.root.kids.get("cbc:DocumentCurrencyCode", ())}
    return any(each.get("currencyID") in currencies for each in node.kids.get("cbc:PaidAmount", ()))


_PAYMENT = "ubl:Invoice/cac:PrepaidPayment"
_PAID = stated(value="cbc:PaidAmount")


def _extension(context: str, test: Test, facts: Facts | None = None) -> Asked:
    return _asked(EXTENSION, context, test, facts)


# --- clean vehicles ---

_VEHICLES = frozenset(("M1", "M2", "M3", "N1", "N2", "N3"))
_CLEAN = frozenset(("clean", "zero-emission", "other"))

_UBL_ITEM = "/*/cac:InvoiceLine|cac:CreditNoteLine/cac:Item"
_CII_ITEM = f"/*/{LINES}/ram:SpecifiedTradeProduct"
_UBL_CLASS, _CII_CLASS = (
    "cac:CommodityClassification/cbc:ItemClassificationCode",
    "ram:DesignatedProductClassification/ram:ClassCode",
)
_UBL_PROPERTY, _CII_PROPERTY = "cac:AdditionalItemProperty", "ram:ApplicableProductCharacteristic"
_UBL_NAME, _CII_NAME = "cbc:Name", "ram:Description"


def _vehicles(item: Node) -> int:
    return sum(each.get("listID") == "CVD" for steps in (_UBL_CLASS, _CII_CLASS) for each in path(steps)(item))


def _cleanness(item: Node) -> int:
    return sum(_is_cleanness(each) for name in (_UBL_PROPERTY, _CII_PROPERTY) for each in item.kids.get(name, ()))


def _is_cleanness(characteristic: Node) -> bool:
    return any(each.string == "cva" for name in (_UBL_NAME, _CII_NAME) for each in characteristic.kids.get(name, ()))


def _has_vehicle(steps: str) -> Test:
    items = path(steps)
    return lambda node, view: any(_vehicles(item) and _cleanness(item) for item in items(node))


def _is_vehicle_class(node: Node, view: View) -> bool:
    return normalized(node.get("listID") or "") != "CVD" or normalized(node.string) in _VEHICLES


def _cleanness_is_known(value: str) -> Test:
    def test(node: Node, view: View) -> bool:
        if not _is_cleanness(node):
            return True
        stated = one(node.kids.get(value, []))
        return stated is not None and normalized(stated.string) in _CLEAN

    return test


def _has_tender(node: Node, view: View) -> bool:
    for document in node.kids.get("ram:AdditionalReferencedDocument", ()):
        kind, number = one(document.kids.get("ram:TypeCode", [])), one(document.kids.get("ram:IssuerAssignedID", []))
        if kind is not None and normalized(kind.string) == "50" and number is not None and not is_blank(number.string):
            return True
    return False


def _cvd(rule: str, ubl: tuple[str, Test], cii: tuple[str, Test], facts: Facts | None = None) -> Declaration:
    return declare(
        rule,
        _asked(CVD, *ubl, facts),
        _asked(CVD, *cii, facts),
        source=_SOURCE_CVD,
        releases=XRECHNUNG_3_0_2,
    )


RULES: tuple[Declaration, ...] = (
    declare(
        "BR-DEX-01",
        _extension("cbc:EmbeddedDocumentBinaryObject", _media_type, attribute("mimeCode")),
        _extension("ram:AttachmentBinaryObject", _media_type, attribute("mimeCode")),
        source=_SOURCE,
    ),
    declare("BR-DEX-02", _extension("/*", _lines_add_up), source=_SOURCE, severity=Severity.WARNING),
    declare("BR-DEX-03", _extension("/*", _one_category_each), source=_SOURCE),
    declare(
        "BR-DEX-04",
        _extension("cac:PartyIdentification/cbc:ID", _party_scheme, attribute("schemeID")),
        _extension("ram:GlobalID", _of_other_party, attribute("schemeID")),
        source=_SOURCE,
    ),
    declare(
        "BR-DEX-05",
        _extension("cac:PartyLegalEntity/cbc:CompanyID", _ICD, attribute("schemeID")),
        _extension("ram:ID", _of_registration, attribute("schemeID")),
        source=_SOURCE,
    ),
    declare(
        "BR-DEX-06",
        _extension("cac:StandardItemIdentification/cbc:ID", _ICD, attribute("schemeID")),
        _extension("ram:SpecifiedTradeProduct/ram:GlobalID", _ICD, attribute("schemeID")),
        source=_SOURCE,
    ),
    declare(
        "BR-DEX-07",
        _extension("cbc:EndpointID", _scheme_in("eas_xrechnung"), attribute("schemeID")),
        _extension("ram:URIUniversalCommunication/ram:URIID", _scheme_in("eas_xrechnung"), attribute("schemeID")),
        source=_SOURCE,
    ),
    declare(
        "BR-DEX-08",
        _extension("cac:DeliveryLocation/cbc:ID", _ICD, attribute("schemeID")),
        _extension("ram:ApplicableHeaderTradeDelivery/ram:ShipToTradeParty/ram:GlobalID", _ICD, attribute("schemeID")),
        source=_SOURCE,
    ),
    declare(
        "BR-DEX-09",
        _extension(
            "cac:LegalMonetaryTotal",
            _amount_due,
            lambda node, view: {
                **stated(
                    due="cbc:PayableAmount",
                    total="cbc:TaxInclusiveAmount",
                    prepaid="cbc:PrepaidAmount",
                    rounding="cbc:PayableRoundingAmount",
                )(node, view),
                "third": _third_party(node),
            },
        ),
        source=_SOURCE,
    ),
    declare("BR-DEX-10", _extension(_PAYMENT, says_something("cbc:ID")), source=_SOURCE),
    declare("BR-DEX-11", _extension(_PAYMENT, says_something("cbc:PaidAmount")), source=_SOURCE),
    declare("BR-DEX-12", _extension(_PAYMENT, says_something("cbc:InstructionID")), source=_SOURCE),
    declare("BR-DEX-13", _extension(_PAYMENT, _paid_in_cents, _PAID), source=_SOURCE),
    declare("BR-DEX-14", _extension(_PAYMENT, _paid_in_currency, _PAID), source=_SOURCE),
    declare(
        "BR-DEX-15",
        None,
        _extension(
            f"/*/{LINES}/ram:AssociatedDocumentLineDocument", lambda node, view: "ram:ParentLineID" not in view.index
        ),
        source=_SOURCE,
        severity=Severity.WARNING,
    ),
    _cvd(
        "BR-DE-CVD-01",
        ("/*", says_something("cac:ContractDocumentReference/cbc:ID")),
        ("/*/" + AGREEMENT.rstrip("/"), says_something("ram:ContractReferencedDocument/ram:IssuerAssignedID")),
    ),
    _cvd(
        "BR-DE-CVD-02",
        ("/*", says_something("cac:OriginatorDocumentReference/cbc:ID")),
        ("/*/" + AGREEMENT.rstrip("/"), _has_tender),
    ),
    _cvd(
        "BR-DE-CVD-03",
        ("/*", _has_vehicle("cac:InvoiceLine|cac:CreditNoteLine/cac:Item")),
        (
            "/*/rsm:SupplyChainTradeTransaction",
            _has_vehicle("ram:IncludedSupplyChainTradeLineItem/ram:SpecifiedTradeProduct"),
        ),
    ),
    _cvd(
        "BR-DE-CVD-04",
        (f"{_UBL_ITEM}/{_UBL_CLASS}", _is_vehicle_class),
        (f"{_CII_ITEM}/{_CII_CLASS}", _is_vehicle_class),
        text_of,
    ),
    _cvd(
        "BR-DE-CVD-05",
        (f"{_UBL_ITEM}/{_UBL_PROPERTY}", _cleanness_is_known("cbc:Value")),
        (f"{_CII_ITEM}/{_CII_PROPERTY}", _cleanness_is_known("ram:Value")),
        lambda node, view: {
            "value": ", ".join(each.string for name in ("cbc:Value", "ram:Value") for each in node.kids.get(name, ()))
        },
    ),
    _cvd(
        "BR-DE-CVD-06-a",
        (_UBL_ITEM, lambda node, view: not _vehicles(node) or _cleanness(node) == 1),
        (_CII_ITEM, lambda node, view: not _vehicles(node) or _cleanness(node) == 1),
    ),
    _cvd(
        "BR-DE-CVD-06-b",
        (_UBL_ITEM, lambda node, view: not _cleanness(node) or _vehicles(node) == 1),
        (_CII_ITEM, lambda node, view: not _cleanness(node) or _vehicles(node) == 1),
    ),
    _cvd(
        "BR-TMP-CVD-01",
        (f"{_UBL_ITEM}/{_UBL_CLASS}", _scheme_in("item_classes_cvd", "listID")),
        (f"{_CII_ITEM}/{_CII_CLASS}", _scheme_in("item_classes_cvd", "listID")),
        attribute("listID"),
    ),
)
