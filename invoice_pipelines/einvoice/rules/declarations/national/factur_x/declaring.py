"""How the rules of profiles are declared, where they are asked, and tests that several of them have."""

from __future__ import annotations

from collections.abc import Callable

from invoice_pipelines.einvoice.rules.engine.declaration import Asked, Declaration, Facts, Test, Where, declare
from invoice_pipelines.einvoice.rules.engine.paths import path
from invoice_pipelines.einvoice.rules.engine.walk import Node, View
from invoice_pipelines.einvoice.rules.verdict import Severity

SOURCE = "Factur-X 1.09, profile rules"
"""What these rules are told to be from."""
TAX = "ram:ApplicableHeaderTradeSettlement/ram:ApplicableTradeTax"
"""An entry of the VAT breakdown."""
TOTALS = "ram:SpecifiedTradeSettlementHeaderMonetarySummation"
"""The totals of a document."""
LINE = "ram:IncludedSupplyChainTradeLineItem"
"""A line, wherever it stands."""


def profile_rule(
    rule: str,
    context: str,
    test: Test,
    facts: Facts | None = None,
    where: Where | None = None,
    severity: Severity = Severity.FATAL,
) -> Declaration:
    """A rule in CII, which is all that Factur-X knows."""
    return declare(rule, None, Asked(context, test, facts, where), source=SOURCE, severity=severity)


def is_stated(steps: str, where: Callable[[Node], bool] | None = None) -> Test:
    """That one of the elements at a path has any text."""
    found = path(steps)
    return lambda node, view: any(each.string != "" and (where is None or where(each)) for each in found(node))


def stated_or_absent(group: str, steps: str, attribute: str | None = None) -> Test:
    """That one of the elements at a path, or its attribute, has any text, where there is the group they stand in."""
    groups, found = path(group), path(steps)

    def test(node: Node, view: View) -> bool:
        texts = (each.string if attribute is None else each.get(attribute) for each in found(node))
        return not groups(node) or any(texts)

    return test
