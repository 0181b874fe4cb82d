"""The totals of EXTENDED, each give or take a cent for each amount that is summed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from invoice_pipelines.einvoice.rules.declarations.national.factur_x.amounts import (
    CENT,
    LINE_SETTLEMENTS,
    LINE_TOTAL,
    allowance_sum,
    allowances,
    charge_sum,
    is_detail,
    says,
    surcharges,
)
from invoice_pipelines.einvoice.rules.declarations.national.factur_x.declaring import TOTALS, profile_rule
from invoice_pipelines.einvoice.rules.declarations.places import stated
from invoice_pipelines.einvoice.rules.engine.values import ZERO, as_decimal, cents, decimal, one, one_text, total
from invoice_pipelines.einvoice.rules.engine.walk import Node, View


def _within(tolerance: int, *amounts: Decimal | None) -> bool:
    """Whether amounts come to nothing, give or take a cent for each of so many. Not where one is missing."""
    return all(each is not None for each in amounts) and abs(sum(filter(None, amounts), ZERO)) <= CENT * tolerance


def _beside(node: Node, name: str) -> list[Node]:
    return node.parent.kids.get(name, []) if node.parent is not None else []


@dataclass(frozen=True, slots=True)
class _Lines:
    """How many lines there are beside the totals, how many of them count, and the sum of these."""

    count: int
    details: int
    amount: Decimal


def _lines_beside(node: Node, view: View) -> _Lines:
    transaction = node.parent.parent if node.parent is not None else None
    if transaction is None:
        return _Lines(0, 0, ZERO)
    known = view.once(_known_lines)
    if transaction not in known:
        lines = transaction.kids.get("ram:IncludedSupplyChainTradeLineItem", [])
        details = [line for line in lines if is_detail(line)]
        known[transaction] = _Lines(len(lines), len(details), _line_sum(details))
    return known[transaction]


def _known_lines(view: View) -> dict[Node, _Lines]:
    return {}


def _counts_beside(node: Node, view: View) -> tuple[int, int]:
    """How many allowances there are beside the totals, and how many charges."""
    known = view.once(_known_counts)
    around = node.parent
    if around is None:
        return 0, 0
    if around not in known:
        charges = around.kids.get("ram:SpecifiedTradeAllowanceCharge", ())
        logistics = around.kids.get("ram:SpecifiedLogisticsServiceCharge", ())
        known[around] = (
            sum(says(each, "false") for each in charges),
            sum(says(each, "true") for each in charges) + len(logistics),
        )
    return known[around]


def _known_counts(view: View) -> dict[Node, tuple[int, int]]:
    return {}


def _line_sum(lines: Iterable[Node]) -> Decimal:
    return cents(sum((total(LINE_TOTAL(each)) for line in lines for each in LINE_SETTLEMENTS(line)), ZERO))


def _extended_lines(node: Node, view: View) -> bool:
    lines = _lines_beside(node, view)
    return _within(lines.count, decimal(node.kids.get("ram:LineTotalAmount", [])), -lines.amount)


def _extended_allowances(node: Node, view: View) -> bool:
    if not view.once(allowances) and "ram:AllowanceTotalAmount" not in node.kids:
        return True
    stated = decimal(node.kids.get("ram:AllowanceTotalAmount", []))
    return _within(_counts_beside(node, view)[0], stated, -view.once(allowance_sum))


def _extended_charges(node: Node, view: View) -> bool:
    if not view.once(surcharges) and "ram:ChargeTotalAmount" not in node.kids:
        return True
    stated = decimal(node.kids.get("ram:ChargeTotalAmount", []))
    return _within(_counts_beside(node, view)[1], stated, -view.once(charge_sum))


def _summed_count(node: Node, view: View) -> int:
    return _lines_beside(node, view).details + sum(_counts_beside(node, view))


def _extended_net(node: Node, view: View) -> bool:
    return _within(
        _summed_count(node, view),
        decimal(node.kids.get("ram:TaxBasisTotalAmount", [])),
        -_lines_beside(node, view).amount,
        view.once(allowance_sum),
        -view.once(charge_sum),
    )


def _extended_gross(node: Node, view: View) -> bool:
    """BR-FXEXT-CO-15. An invoice without a VAT total in its currency breaks it, even where it states no VAT."""
    currency = one(_beside(node, "ram:InvoiceCurrencyCode"))
    if currency is None:
        return False
    taxes = [each for each in node.kids.get("ram:TaxTotalAmount", ()) if each.get("currencyID") == currency.string]
    names = ("ram:TaxBasisTotalAmount", "ram:GrandTotalAmount")
    if not taxes or any(name not in node.kids for name in names):
        return False
    net, gross = (as_decimal(one_text(node.kids[name])) for name in names)
    return _within(_summed_count(node, view), gross, -as_decimal(one_text(taxes)), -net)


def _extended_due(node: Node, view: View) -> bool:
    due = decimal(node.kids.get("ram:DuePayableAmount", []))
    adjustments = (
        each
        for one_of in _beside(node, "ram:SpecifiedFinancialAdjustment")
        for each in one_of.kids.get("ram:ActualAmount", ())
    )
    return due is not None and due == (
        total(node.kids.get("ram:GrandTotalAmount", ()))
        - total(node.kids.get("ram:TotalPrepaidAmount", ()))
        + total(node.kids.get("ram:RoundingAmount", ()))
        + total(adjustments)
    )


SUMS = (
    profile_rule("BR-FXEXT-CO-10", TOTALS, _extended_lines, stated(stated="ram:LineTotalAmount")),
    profile_rule("BR-FXEXT-CO-11", TOTALS, _extended_allowances, stated(stated="ram:AllowanceTotalAmount")),
    profile_rule("BR-FXEXT-CO-12", TOTALS, _extended_charges, stated(stated="ram:ChargeTotalAmount")),
    profile_rule("BR-FXEXT-CO-13", TOTALS, _extended_net, stated(stated="ram:TaxBasisTotalAmount")),
    profile_rule(
        "BR-FXEXT-CO-15",
        TOTALS,
        _extended_gross,
        stated(net="ram:TaxBasisTotalAmount", tax="ram:TaxTotalAmount", gross="ram:GrandTotalAmount"),
    ),
    profile_rule(
        "BR-FXEXT-CO-16",
        TOTALS,
        _extended_due,
        stated(due="ram:DuePayableAmount", gross="ram:GrandTotalAmount", paid="ram:TotalPrepaidAmount"),
    ),
)
"""The totals of EXTENDED."""
