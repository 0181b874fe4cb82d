"""An independent model of what an order comes to: Decimal arithmetic after EN 16931, not after the SQL."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Any

DIGITS = {"EUR": 2, "JPY": 0, "KWD": 3}


@dataclass(frozen=True)
class Group:
    """One VAT category and rate: BG-23."""

    lines: Decimal
    allowance: Decimal
    taxable: Decimal
    tax: Decimal


@dataclass(frozen=True)
class Totals:
    """The amounts of an invoice: BT-131 by line, BG-23, BT-106, 107, 109, 110 and 112."""

    line_amounts: tuple[Decimal, ...]
    groups: Mapping[tuple[str, Decimal], Group]
    lines: Decimal
    allowance: Decimal
    net: Decimal
    tax: Decimal
    gross: Decimal


def rounded(amount: Decimal, currency: str) -> Decimal:
    return amount.quantize(Decimal(1).scaleb(-DIGITS[currency]), ROUND_HALF_UP)


def totals(lines: Sequence[Mapping[str, Any]], currency: str, discount: Decimal) -> Totals:
    """What an invoice over these lines says. Each group of VAT is taxed once, on its sum."""
    with localcontext(prec=60):
        amounts = []
        sums: dict[tuple[str, Decimal], Decimal] = defaultdict(Decimal)
        for line in lines:
            share = 1 - Decimal(line["discount_percent"]) / 100
            amount = rounded(Decimal(line["quantity"]) * Decimal(line["unit_price"]) * share, currency)
            amounts.append(amount)
            sums[line["tax_category"], Decimal(line["tax_rate"])] += amount
        groups = {}
        for (category, rate), amount in sums.items():
            allowance = rounded(amount * discount / 100, currency)
            taxable = amount - allowance
            groups[category, rate] = Group(amount, allowance, taxable, rounded(taxable * rate / 100, currency))
        total, allowed = sum(amounts, Decimal()), sum((g.allowance for g in groups.values()), Decimal())
        tax = sum((g.tax for g in groups.values()), Decimal())
        return Totals(tuple(amounts), groups, total, allowed, total - allowed, tax, total - allowed + tax)
