"""The lines, allowances and charges of a document, and what they come to."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from invoice_pipelines.einvoice.rules.declarations.national.places import LINES, SETTLEMENT
from invoice_pipelines.einvoice.rules.engine.paths import path
from invoice_pipelines.einvoice.rules.engine.values import ZERO, cents, total
from invoice_pipelines.einvoice.rules.engine.walk import Node, View

CENT = Decimal("0.01")
"""How far a sum may deviate for each amount in it."""
LINE_TAX = path("ram:ApplicableTradeTax")
"""The taxes of a line, from its settlement."""
LINE_TOTAL = path("ram:SpecifiedTradeSettlementLineMonetarySummation/ram:LineTotalAmount")
"""The net amount of a line, from its settlement."""
LINE_SETTLEMENTS = path("ram:SpecifiedLineTradeSettlement")
"""The settlement of a line."""
STATUS = path("ram:AssociatedDocumentLineDocument/ram:LineStatusReasonCode")
"""Whether a line counts (DETAIL), groups others (GROUP) or explains them."""
ALL_LINES = path(LINES)
"""The lines, from the root."""
CHARGES = path(SETTLEMENT + "ram:SpecifiedTradeAllowanceCharge")
"""The allowances and charges of the document, from the root."""
LOGISTICS = path(SETTLEMENT + "ram:SpecifiedLogisticsServiceCharge")
"""Its charges for logistics."""
INDICATOR = path("ram:ChargeIndicator/udt:Indicator")
"""Whether it is a charge."""


def is_detail(line: Node) -> bool:
    """Whether a line counts: one that groups or explains others does not."""
    status = STATUS(line)
    return not status or any(each.string == "DETAIL" for each in status)


def details(view: View) -> tuple[Node, ...]:
    """The lines that count."""
    return tuple(line for line in ALL_LINES(view.root) if is_detail(line))


def says(node: Node, indicator: str) -> bool:
    """Whether it is a charge (`true`) or an allowance (`false`), in this very word."""
    return any(each.string == indicator for each in INDICATOR(node))


def allowances(view: View) -> list[Node]:
    """The allowances of the document."""
    return [each for each in CHARGES(view.root) if says(each, "false")]


def surcharges(view: View) -> list[Node]:
    """Its charges, without those for logistics."""
    return [each for each in CHARGES(view.root) if says(each, "true")]


def allowance_sum(view: View) -> Decimal:
    """What the allowances come to, in cents."""
    return sum_of_amounts(view.once(allowances))


def charge_sum(view: View) -> Decimal:
    """What the charges come to, with those for logistics, in cents."""
    return sum_of_amounts(view.once(surcharges)) + sum_of_amounts(LOGISTICS(view.root), "ram:AppliedAmount")


def sum_of_amounts(nodes: Iterable[Node], name: str = "ram:ActualAmount") -> Decimal:
    """What the amounts of these come to, in cents."""
    return cents(sum((total(node.kids.get(name, ())) for node in nodes), ZERO))
