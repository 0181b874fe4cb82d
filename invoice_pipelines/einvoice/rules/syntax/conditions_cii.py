"""Of which elements in CII the conditional rules of its table speak."""

from __future__ import annotations

import re

from invoice_pipelines.einvoice.rules.engine.paths import path
from invoice_pipelines.einvoice.rules.engine.states import Condition
from invoice_pipelines.einvoice.rules.engine.values import as_indicator, normalized, said
from invoice_pipelines.einvoice.rules.engine.walk import Node, View

_TENDER, _OBJECT, _SUPPORTING = "50", "130", "916"
_TRANSFERS = ("30", "58")
_ADDITIONAL = "ram:AdditionalReferencedDocument"
_SETTLEMENT = "ram:ApplicableHeaderTradeSettlement"
_DAY = re.compile(r"[ \t\r\n]*\d{4}(1[0-2]|0[1-9])(3[01]|[12][0-9]|0[1-9])[ \t\r\n]*")
_TYPE_CODES = path("ram:TypeCode")
_CHARGES = path("ram:GrossPriceProductTradePrice/ram:AppliedTradeAllowanceCharge")
_BILLED = path(
    "rsm:SupplyChainTradeTransaction/ram:IncludedSupplyChainTradeLineItem/ram:SpecifiedLineTradeDelivery"
    "/ram:BilledQuantity"
)
_PERSON = "ram:DefinedTradeContact/ram:PersonName"
_ACCOUNTS = path("ram:PayeePartyCreditorFinancialAccount/ram:IBANID|ram:ProprietaryID")


def _types(node: Node) -> frozenset[str]:
    return frozenset(code.string for code in _TYPE_CODES(node))


def _without_scheme(identifier: Node, view: View) -> bool:
    return not view.of(identifier.parent, _schemes)


def _schemes(product: Node) -> bool:
    return any(each.get("schemeID") is not None for each in path("ram:GlobalID")(product))


def _without_one_code(country: Node, view: View) -> bool:
    return view.of(country.parent, _countries) != 1


def _countries(product: Node) -> int:
    return len(path("ram:OriginTradeCountry/ram:ID")(product))


def _no_plain_allowance(charge: Node, view: View) -> bool:
    agreement = charge.parent.parent if charge.parent else None
    return bool(view.of(agreement, _has_no_plain_allowance))


def _has_no_plain_allowance(agreement: Node) -> bool:
    """Of the discounts in the prices of a line: neither an amount with the indicator "false", nor none at all."""
    charges = _CHARGES(agreement)
    indicators = [each for one in charges for each in one.kids.get("ram:ChargeIndicator", ())]
    has_amount = any("ram:ActualAmount" in one.kids for one in charges)
    texts = (each.string for one in indicators for each in one.kids.get("udt:Indicator", ()))
    if has_amount and any(not as_indicator(text) for text in texts):
        return False
    return bool(indicators) or has_amount


def _of_type(code: str) -> Condition:
    """Whether a document has this type."""

    def of_type(document: Node, view: View) -> bool:
        return code in _types(document)

    return of_type


def _of_object_type(document: Node, view: View) -> bool:
    return any(normalized(code) == _OBJECT for code in _types(document))


def _in_supporting(node: Node, view: View) -> bool:
    return any(normalized(code) == _SUPPORTING for code in view.of(node.parent, _types) or ())


def _beside(name: str, steps: str) -> Condition:
    """Whether in the element around the party of that name, at these steps from there, there is another value."""
    others = path(steps)

    def has_others(around: Node) -> bool:
        return bool(others(around))

    def beside(node: Node, view: View) -> bool:
        party = node.parent
        while party is not None and party.name != name:
            party = party.parent
        return party is not None and bool(view.of(party.parent, has_others))

    return beside


def _without_account(means: Node, view: View) -> bool:
    if _ACCOUNTS(means):
        return False
    return said(_TYPE_CODES(means)) in _TRANSFERS


def _unless(name: str, *types: str) -> Condition:
    """Unless it stands in a document of that name, and of one of these types, if there are any."""

    def unless(node: Node, view: View) -> bool:
        around = node.parent
        if around is None or around.name != name:
            return True
        return bool(types) and (view.of(around, _types) or frozenset()).isdisjoint(types)

    return unless


def _no_vat(code: Node, view: View) -> bool:
    return "VAT" not in (view.of(code.parent, _types) or ())


def _outside_settlement(node: Node, view: View) -> bool:
    around = node.parent
    while around is not None:
        if around.name == _SETTLEMENT:
            return False
        around = around.parent
    return True


def _no_unit_is_billed(quantity: Node, view: View) -> bool:
    return not view.once(_billed_unit)


def _billed_unit(view: View) -> bool:
    return any(quantity.get("unitCode") is not None for quantity in _BILLED(view.root))


def _no_day(moment: Node, view: View) -> bool:
    return not _DAY.fullmatch(moment.string) and moment.get("format") == "102"


CII: dict[str, Condition] = {
    "CII-DT-015": _unless(_ADDITIONAL, _SUPPORTING),
    "CII-DT-018": _unless(_ADDITIONAL, _TENDER, _OBJECT, _SUPPORTING),
    "CII-DT-021": _unless(_ADDITIONAL, _SUPPORTING),
    "CII-DT-022": _unless(_ADDITIONAL, _SUPPORTING),
    "CII-DT-024": _unless(_ADDITIONAL, _OBJECT),
    "CII-DT-027": _unless("ram:InvoiceReferencedDocument"),
    "CII-DT-033": _no_unit_is_billed,
    "CII-DT-037": _no_vat,
    "CII-DT-041": _outside_settlement,
    "CII-DT-052": _unless("ram:ApplicableTradeTax"),
    "CII-DT-054": _outside_settlement,
    "CII-DT-058": _outside_settlement,
    "CII-DT-097": _no_day,
    "CII-DT-098": _unless("ram:ApplicableTradeTax"),
    "CII-SR-046": _without_scheme,
    "CII-SR-090": _without_one_code,
    "CII-SR-119": _no_plain_allowance,
    "CII-SR-449": _beside("ram:ShipToTradeParty", "ram:ShipToTradeParty/ram:ID"),
    "CII-SR-450": _beside("ram:BuyerTradeParty", "ram:BuyerTradeParty/ram:ID"),
    "CII-SR-451": _beside("ram:PayeeTradeParty", "ram:PayeeTradeParty/ram:ID"),
    "CII-SR-457": _of_type(_TENDER),
    "CII-SR-458": _of_type(_OBJECT),
    "CII-SR-465": _beside("ram:SellerTradeParty", f"ram:SellerTradeParty/{_PERSON}"),
    "CII-SR-466": _beside("ram:BuyerTradeParty", f"ram:BuyerTradeParty/{_PERSON}"),
    "CII-SR-470": _without_account,
    "CII-SR-474": _of_object_type,
    "CII-SR-475": _in_supporting,
    "CII-SR-476": _in_supporting,
}
