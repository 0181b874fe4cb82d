"""Where things stand in the two syntaxes, for declarations; and tests of tax schemes and indicators."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from invoice_pipelines.einvoice.rules.engine.declaration import Facts
from invoice_pipelines.einvoice.rules.engine.paths import contexts, path
from invoice_pipelines.einvoice.rules.engine.values import TWICE, Stopped, as_indicator, normalized, one
from invoice_pipelines.einvoice.rules.engine.walk import Node, View
from invoice_pipelines.einvoice.rules.german import as_german

AGREEMENT = "rsm:SupplyChainTradeTransaction/ram:ApplicableHeaderTradeAgreement"
DELIVERY = "rsm:SupplyChainTradeTransaction/ram:ApplicableHeaderTradeDelivery"
SETTLEMENT = "rsm:SupplyChainTradeTransaction/ram:ApplicableHeaderTradeSettlement"
CII_SELLER = f"{AGREEMENT}/ram:SellerTradeParty"
CII_BUYER = f"{AGREEMENT}/ram:BuyerTradeParty"
CII_LINE = "ram:IncludedSupplyChainTradeLineItem"
CII_TOTALS = "ram:SpecifiedTradeSettlementHeaderMonetarySummation"
CII_TAX = "ram:ApplicableHeaderTradeSettlement/ram:ApplicableTradeTax"
CII_REPRESENTATIVE = "ram:SellerTaxRepresentativeTradeParty"
CII_ALLOWANCE = "ram:ApplicableHeaderTradeSettlement/ram:SpecifiedTradeAllowanceCharge/ram:ChargeIndicator"
CII_LINE_ALLOWANCE = "ram:SpecifiedLineTradeSettlement/ram:SpecifiedTradeAllowanceCharge/ram:ChargeIndicator"
LINE_TOTAL = "ram:SpecifiedLineTradeSettlement/ram:SpecifiedTradeSettlementLineMonetarySummation/ram:LineTotalAmount"

UBL_SELLER = "cac:AccountingSupplierParty/cac:Party"
UBL_BUYER = "cac:AccountingCustomerParty/cac:Party"
UBL_LINE = "cac:InvoiceLine | cac:CreditNoteLine"
UBL_TOTALS = "cac:LegalMonetaryTotal"
UBL_REPRESENTATIVE = "cac:TaxRepresentativeParty"
UBL_SUBTOTAL = "cac:TaxTotal/cac:TaxSubtotal"
UBL_ALLOWANCE = "/*/cac:AllowanceCharge"
UBL_LINE_ALLOWANCE = "cac:InvoiceLine|cac:CreditNoteLine/cac:AllowanceCharge"

_NONE: tuple[Node, ...] = ()


def everywhere(steps: str) -> Callable[[View], Sequence[Node]]:
    """All elements at a context (`engine.paths`), wherever they stand."""
    alternatives = contexts(steps)

    def find(view: View) -> Sequence[Node]:
        found: list[Node] = []
        for name, stands in alternatives:
            nodes = view.index.get(name, _NONE)
            found.extend(nodes if stands is None else filter(stands, nodes))
        return found

    return find


_TOLD = 10
"""Values at one path that a text lists; there may be a hundred thousand."""


def stated(**paths: str) -> Facts:
    """The amounts, rates and days at paths, by the names that a text has for them; a dash for nothing."""
    compiled = {name: path(steps) for name, steps in paths.items()}

    def facts(node: Node, view: View) -> Mapping[str, Any]:
        return {name: _in_both([each.string.strip() for each in at(node)[:_TOLD]]) for name, at in compiled.items()}

    return facts


def quoted(**paths: str) -> Facts:
    """What stands at paths to the letter, by the names that a text has for it; a dash for nothing."""
    compiled = {name: path(steps) for name, steps in paths.items()}

    def facts(node: Node, view: View) -> Mapping[str, Any]:
        return {
            name: ", ".join(each.string.strip() for each in at(node)[:_TOLD]) or "–" for name, at in compiled.items()
        }

    return facts


def both(one: Facts, other: Facts) -> Facts:
    """The values of both."""
    return lambda node, view: {**one(node, view), **other(node, view)}


_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
_DAY = re.compile(r"([0-9]{4})-?([0-9]{2})-?([0-9]{2})")


def _in_both(texts: Sequence[str]) -> tuple[str, str]:
    """In English as it stands, in German as amounts and days are written there."""
    return ", ".join(texts) or "–", "; ".join(_in_german(text) for text in texts) or "–"


def _in_german(text: str) -> str:
    if day := _DAY.fullmatch(text):
        return f"{day[3]}.{day[2]}.{day[1]}"
    return str(as_german(Decimal(text))) if _NUMBER.fullmatch(text) else text


def are_equal(ours: Sequence[Node], theirs: Sequence[Node]) -> bool:
    """Whether one of ours says the same, to the letter, as one of theirs."""
    if not ours or not theirs:
        return False
    return not {node.string for node in ours}.isdisjoint(node.string for node in theirs)


def is_vat(node: Node) -> bool:
    """UBL: whether one of the tax schemes of an element is VAT. Stops where a scheme has two identifiers."""
    for scheme in node.kids.get("cac:TaxScheme", _NONE):
        identifier = one(scheme.kids.get("cbc:ID", _NONE))
        if identifier is not None and normalized(identifier.string.upper()) == "VAT":
            return True
    return False


def is_only_vat(node: Node) -> bool:
    """UBL: as `is_vat`, in rules that also stop where there are two tax schemes."""
    if len(node.kids.get("cac:TaxScheme", _NONE)) > 1:
        raise Stopped(TWICE)
    return is_vat(node)


def is_vat_type(node: Node) -> bool:
    """CII: whether the type of a tax is VAT. Unlike UBL's, it may have no blanks around. Stops where it has two."""
    kind = one(node.kids.get("ram:TypeCode", _NONE))
    return kind is not None and kind.string.upper() == "VAT"


_UBL_INDICATOR = path("cbc:ChargeIndicator")
_CII_INDICATOR = path("ram:ChargeIndicator/udt:Indicator")


def is_allowance(node: Node) -> bool:
    """UBL: whether an AllowanceCharge takes away."""
    return any(not as_indicator(each.string) for each in _UBL_INDICATOR(node))


def is_charge(node: Node) -> bool:
    """UBL: whether an AllowanceCharge adds."""
    return any(as_indicator(each.string) for each in _UBL_INDICATOR(node))


def is_cii_allowance(node: Node) -> bool:
    """CII: whether a SpecifiedTradeAllowanceCharge takes away."""
    return any(not as_indicator(each.string) for each in _CII_INDICATOR(node))


def is_cii_charge(node: Node) -> bool:
    """CII: whether a SpecifiedTradeAllowanceCharge adds."""
    return any(as_indicator(each.string) for each in _CII_INDICATOR(node))


def says_false(node: Node) -> bool:
    """CII: whether an indicator says so in this very word; 0 does not count where rules ask of the indicator itself."""
    return any(each.string == "false" for each in node.kids.get("udt:Indicator", _NONE))


def says_true(node: Node) -> bool:
    return any(each.string == "true" for each in node.kids.get("udt:Indicator", _NONE))
