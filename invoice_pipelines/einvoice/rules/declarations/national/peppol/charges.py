"""Allowances and charges: R040 to R043."""

from __future__ import annotations

from invoice_pipelines.einvoice.rules.declarations.national.peppol.declaring import peppol_rule
from invoice_pipelines.einvoice.rules.declarations.national.peppol.document import own_text
from invoice_pipelines.einvoice.rules.declarations.national.peppol.tolerance import Slack
from invoice_pipelines.einvoice.rules.declarations.places import quoted, stated
from invoice_pipelines.einvoice.rules.engine.declaration import Asked, Declaration, Test
from invoice_pipelines.einvoice.rules.engine.paths import path
from invoice_pipelines.einvoice.rules.engine.values import ZERO, decimal
from invoice_pipelines.einvoice.rules.engine.walk import Node, View


def _has(node: Node, name: str) -> bool:
    return name in node.kids


def _amount_is_percentage(amount: str, base: str, percent: str, slack: Slack) -> Test:
    """R040. Not asked where the percentage or the base is missing, which are R041 and R042."""

    def test(node: Node, view: View) -> bool:
        bases, percents = node.kids.get(base), node.kids.get(percent)
        if not bases or not percents:
            return True
        stated = decimal(node.kids.get(amount, [])) or ZERO
        of, rate = decimal(bases), decimal(percents)
        if of is None or rate is None:
            return True
        return abs(stated - of * rate / 100) <= slack(view)

    return test


def _indicator_is_word(steps: str, *unless: tuple[str, str]) -> Test:
    """R043: true or false, not 1 or 0. Asked only where neither R041 nor R042 is."""
    indicators = path(steps)

    def test(node: Node, view: View) -> bool:
        if any(_has(node, one_of) != _has(node, other) for one_of, other in unless):
            return True
        return own_text(indicators(node)) in ("true", "false")

    return test


_UBL_CHARGES = (
    "ubl:Invoice/cac:AllowanceCharge | ubl:Invoice/cac:InvoiceLine/cac:AllowanceCharge | "
    "cn:CreditNote/cac:AllowanceCharge | cn:CreditNote/cac:CreditNoteLine/cac:AllowanceCharge"
)
_CII_CHARGES = "ram:SpecifiedTradeAllowanceCharge"
_UBL_PERCENT, _UBL_BASE = "cbc:MultiplierFactorNumeric", "cbc:BaseAmount"
_CII_PERCENT, _CII_BASE = "ram:CalculationPercent", "ram:BasisAmount"
CII_INDICATOR = "ram:ChargeIndicator/udt:Indicator"
"""Whether it is a charge."""


def charge_rules(slack: Slack, *, numbered: bool) -> tuple[Declaration, ...]:
    """R040 to R043. `numbered`: R043 in CII as XRechnung numbers it."""
    facts_ubl = stated(amount="cbc:Amount", base=_UBL_BASE, percent=_UBL_PERCENT)
    facts_cii = stated(amount="ram:ActualAmount", base=_CII_BASE, percent=_CII_PERCENT)
    indicator_cii = Asked(
        _CII_CHARGES, _indicator_is_word(CII_INDICATOR, (_CII_PERCENT, _CII_BASE)), quoted(value=CII_INDICATOR)
    )
    indicator_of_price = Asked(
        "ram:AppliedTradeAllowanceCharge", _indicator_is_word(CII_INDICATOR), quoted(value=CII_INDICATOR)
    )
    indicator_ubl = Asked(
        _UBL_CHARGES,
        _indicator_is_word("cbc:ChargeIndicator", (_UBL_PERCENT, _UBL_BASE)),
        quoted(value="cbc:ChargeIndicator"),
    )
    # XRechnung numbers the two rules of this id that it has in CII.
    indicators = (
        (
            peppol_rule("R043", indicator_ubl, None),
            peppol_rule("R043-1", None, indicator_cii, text="PEPPOL-EN16931-R043"),
            peppol_rule("R043-2", None, indicator_of_price, text="PEPPOL-EN16931-R043"),
        )
        if numbered
        else (peppol_rule("R043", indicator_ubl, (indicator_cii, indicator_of_price)),)
    )
    return (
        peppol_rule(
            "R040",
            Asked(_UBL_CHARGES, _amount_is_percentage("cbc:Amount", _UBL_BASE, _UBL_PERCENT, slack), facts_ubl),
            Asked(_CII_CHARGES, _amount_is_percentage("ram:ActualAmount", _CII_BASE, _CII_PERCENT, slack), facts_cii),
        ),
        peppol_rule(
            "R041",
            Asked(_UBL_CHARGES, lambda node, view: not _has(node, _UBL_PERCENT) or _has(node, _UBL_BASE), facts_ubl),
            Asked(_CII_CHARGES, lambda node, view: not _has(node, _CII_PERCENT) or _has(node, _CII_BASE), facts_cii),
        ),
        peppol_rule(
            "R042",
            Asked(_UBL_CHARGES, lambda node, view: not _has(node, _UBL_BASE) or _has(node, _UBL_PERCENT), facts_ubl),
            Asked(_CII_CHARGES, lambda node, view: not _has(node, _CII_BASE) or _has(node, _CII_PERCENT), facts_cii),
        ),
        *indicators,
    )
