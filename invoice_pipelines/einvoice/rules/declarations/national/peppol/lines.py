"""Lines and prices: R044, R046, R120 to R130."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal

from invoice_pipelines.einvoice.rules.declarations.national.peppol.charges import CII_INDICATOR
from invoice_pipelines.einvoice.rules.declarations.national.peppol.tolerance import Slack
from invoice_pipelines.einvoice.rules.declarations.places import stated
from invoice_pipelines.einvoice.rules.engine.declaration import Test
from invoice_pipelines.einvoice.rules.engine.paths import path
from invoice_pipelines.einvoice.rules.engine.values import ZERO, as_decimal, cents, decimal, said
from invoice_pipelines.einvoice.rules.engine.walk import Node, View


def ubl_line_amount(slack: Slack) -> Test:
    """R120: quantity x price per base quantity + charges - allowances."""

    def test(node: Node, view: View) -> bool:
        kids = node.kids
        quantity_name = "cbc:InvoicedQuantity" if view.root.name == "ubl:Invoice" else "cbc:CreditedQuantity"
        amount = decimal(kids.get("cbc:LineExtensionAmount", [])) or ZERO
        quantity = decimal(kids.get(quantity_name, []))
        price = decimal(_UBL_PRICE(node)) or ZERO
        base = decimal(_UBL_BASE_QUANTITY(node)) or Decimal(1)
        allowances, charges = _rounded_sums(
            kids.get("cac:AllowanceCharge", ()), lambda each: each.kids.get("cbc:ChargeIndicator", []), "cbc:Amount"
        )
        expected = (Decimal(1) if quantity is None else quantity) * (price / base) + charges - allowances
        return abs(amount - expected) <= slack(view)

    return test


_UBL_PRICE = path("cac:Price/cbc:PriceAmount")
_UBL_BASE_QUANTITY = path("cac:Price/cbc:BaseQuantity")


def _rounded_sums(
    groups: Sequence[Node], indicators: Callable[[Node], Sequence[Node]], amount: str
) -> tuple[Decimal, Decimal]:
    """The allowances and the charges of a line, each sum rounded to cents."""
    sums = {"false": ZERO, "true": ZERO}
    for group in groups:
        indicator = said(indicators(group))
        if indicator in sums:
            sums[indicator] += sum((as_decimal(each.string) for each in group.kids.get(amount, ())), ZERO)
    return cents(sums["false"]), cents(sums["true"])


_CII_AMOUNT = path(
    "ram:SpecifiedLineTradeSettlement/ram:SpecifiedTradeSettlementLineMonetarySummation/ram:LineTotalAmount"
)
_CII_QUANTITY = path("ram:SpecifiedLineTradeDelivery/ram:BilledQuantity")
_CII_PRICE = path("ram:SpecifiedLineTradeAgreement/ram:NetPriceProductTradePrice/ram:ChargeAmount")
_CII_NET_BASE = path("ram:SpecifiedLineTradeAgreement/ram:NetPriceProductTradePrice/ram:BasisQuantity")
_CII_GROSS_BASE = path("ram:SpecifiedLineTradeAgreement/ram:GrossPriceProductTradePrice/ram:BasisQuantity")
_CII_LINE_CHARGES = path("ram:SpecifiedLineTradeSettlement/ram:SpecifiedTradeAllowanceCharge")
_CII_INDICATORS = path(CII_INDICATOR)


def cii_line_amount(slack: Slack, *, gross_base: bool) -> Test:
    """R120 in CII. XRechnung takes the base quantity of the gross price where the net price has none."""

    def test(node: Node, view: View) -> bool:
        amount = decimal(_CII_AMOUNT(node)) or ZERO
        quantity = decimal(_CII_QUANTITY(node))
        price = decimal(_CII_PRICE(node)) or ZERO
        base = decimal(_CII_NET_BASE(node)) or (gross_base and decimal(_CII_GROSS_BASE(node))) or Decimal(1)
        allowances, charges = _rounded_sums(_CII_LINE_CHARGES(node), _CII_INDICATORS, "ram:ActualAmount")
        expected = (Decimal(1) if quantity is None else quantity) * (price / base) + charges - allowances
        return abs(amount - expected) <= slack(view)

    return test


UBL_LINE_FACTS = stated(
    amount="cbc:LineExtensionAmount",
    quantity="cbc:InvoicedQuantity|cbc:CreditedQuantity",
    price="cac:Price/cbc:PriceAmount",
    base="cac:Price/cbc:BaseQuantity",
)
"""What R120 tells of a line in UBL."""
CII_LINE_FACTS = stated(
    amount="ram:SpecifiedLineTradeSettlement/ram:SpecifiedTradeSettlementLineMonetarySummation/ram:LineTotalAmount",
    quantity="ram:SpecifiedLineTradeDelivery/ram:BilledQuantity",
    price="ram:SpecifiedLineTradeAgreement/ram:NetPriceProductTradePrice/ram:ChargeAmount",
    base="ram:SpecifiedLineTradeAgreement/ram:NetPriceProductTradePrice/ram:BasisQuantity",
)
"""What R120 tells of a line in CII."""


def above_zero(steps: str) -> Test:
    """R121: a base quantity is above zero."""
    found = path(steps)

    def test(node: Node, view: View) -> bool:
        quantity = decimal(found(node))
        return quantity is None or quantity > 0

    return test


_CII_QUANTITY_OF_PRICE = path("../../../ram:SpecifiedLineTradeDelivery/ram:BilledQuantity")


def cii_same_unit(node: Node, view: View) -> bool:
    """R130 in CII, which is also broken where the line has no quantity."""
    unit = node.get("unitCode")
    return unit is None or any(each.get("unitCode") == unit for each in _CII_QUANTITY_OF_PRICE(node))


def ubl_same_unit(node: Node, view: View) -> bool:
    """R130: a base quantity has the unit of the quantity of its line."""
    unit = node.get("unitCode")
    if unit is None:
        return True
    line = node.parent.parent if node.parent is not None else None
    kids = line.kids if line is not None else {}
    if "cbc:InvoicedQuantity" not in kids and "cbc:CreditedQuantity" not in kids:
        return True
    name = "cbc:InvoicedQuantity" if view.root.name == "ubl:Invoice" else "cbc:CreditedQuantity"
    return any(each.get("unitCode") == unit for each in kids.get(name, ()))


def ubl_net_price(node: Node, view: View) -> bool:
    """R046: gross price - discount = net price."""
    if "cbc:BaseAmount" not in node.kids:
        return True
    gross, discount = decimal(node.kids["cbc:BaseAmount"]), decimal(node.kids.get("cbc:Amount", []))
    price = decimal(node.parent.kids.get("cbc:PriceAmount", [])) if node.parent is not None else None
    if gross is None or discount is None or price is None:
        return False
    return price == gross - discount


_CII_DISCOUNTS = path("ram:AppliedTradeAllowanceCharge/ram:ActualAmount")
_CII_PRICE_INDICATORS = path("ram:AppliedTradeAllowanceCharge/" + CII_INDICATOR)
_CII_NET_OF_GROSS = path("../ram:NetPriceProductTradePrice/ram:ChargeAmount")


def cii_net_price(node: Node, view: View) -> bool:
    """R046 in CII, where the net price stands beside the gross price."""
    gross = decimal(node.kids.get("ram:ChargeAmount", []))
    if gross is None:
        return True
    net = decimal(_CII_NET_OF_GROSS(node))
    firsts = [
        each.kids["ram:ActualAmount"][0]
        for each in node.kids.get("ram:AppliedTradeAllowanceCharge", ())
        if "ram:ActualAmount" in each.kids
    ]
    discount = decimal(firsts) or ZERO
    return net is not None and net == gross - discount


def cii_only_discount(node: Node, view: View) -> bool:
    """R044: a price may be less than the gross price, not more."""
    return not _CII_DISCOUNTS(node) or any(each.string == "false" for each in _CII_PRICE_INDICATORS(node))
