"""Reads the lines that name a tax: rate, base and tax, and their sums over several rates or taxes.

Not here: whether such a sum is the tax of the invoice (see `totals`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from invoice_pipelines.intake.documents.text_layer.page.layout import enclosing
from invoice_pipelines.intake.documents.text_layer.totals.amounts import Amount, AmountLine

TOLERANCE = Decimal("0.02")
HEADED = 0.3
"""The least likelihood that a heading above its column gives to an amount."""

_HIGHEST_RATE = Decimal(30)
_SUMMED = 0.85


@dataclass(frozen=True, slots=True)
class RateRow:
    """Tax of one rate as a line shows it: `rate` in percent of `base` is `tax`. `base` is None where not printed."""

    rate: Decimal
    base: Amount | None
    tax: Amount


def rate_rows(lines: Sequence[AmountLine]) -> list[RateRow]:
    """For each rate the line that shows the most of it: base and tax, or the tax alone."""
    best: dict[Decimal, RateRow] = {}
    for line in lines:
        for row in _rows_on(line):
            other = best.get(row.rate)
            if other is None or _size(row) > _size(other):
                best[row.rate] = row
    return [best[rate] for rate in sorted(best)]


def tax_rates(lines: Sequence[AmountLine], rows: Sequence[RateRow]) -> set[Decimal]:
    """The percentages that may be rates of tax; those of discounts and charges are none."""
    found = {row.rate for row in rows}
    for line in lines:
        named = {role for amount in line.amounts for role in ("allowance", "charge", "other") if amount.is_named(role)}
        if not named or any(amount.roles.get("tax", 0.0) >= HEADED for amount in line.amounts):
            found.update(line.percentages)
    return found


def tax_sums(lines: Sequence[AmountLine], rows: Sequence[RateRow]) -> list[Amount]:
    """The sums of tax over several rates, and over several taxes of other names on the same goods (GST and QST)."""
    sums = [sum_of([row.tax for row in rows], "tax")] if len(rows) > 1 else []
    by_name: dict[str, Amount] = {}
    for line in lines:
        named = [amount for amount in line.amounts if amount.is_named("tax")]
        if line.regional_tax and named:
            by_name.setdefault(line.regional_tax, named[-1])
    if len(by_name) > 1:
        sums.append(sum_of(list(by_name.values()), "tax"))
    return [*sums, *(sum_of(run, "tax") for run in _runs(lines))]


def _runs(lines: Sequence[AmountLine]) -> Iterable[list[Amount]]:
    """Taxes on lines that follow each other. None of them is the sum of the others, or another one again."""
    run: list[Amount] = []
    for line in [*lines, None]:
        named = [amount for amount in line.amounts if amount.is_named("tax")] if line else []
        alone = line is not None and len(named) == 1 == sum(amount.money for amount in line.amounts)
        if run and not (alone and line and line.number - run[-1].line == 1):
            values = {amount.value for amount in run}
            if 1 < len(run) == len(values) and 2 * max(values, key=abs) != sum(values):
                yield run
            run = []
        if alone:
            run.append(named[0])


def base_sums(rows: Sequence[RateRow]) -> list[Amount]:
    """The sum of the bases of several rates, where all of them are printed."""
    bases = [row.base for row in rows if row.base]
    return [sum_of(bases, "net")] if len(bases) == len(rows) > 1 else []


def sum_of(amounts: Sequence[Amount], role: str) -> Amount:
    """A sum of printed amounts, placed where the last of them stands."""
    last = amounts[-1]
    return replace(
        last,
        value=sum((amount.value for amount in amounts), Decimal(0)),
        box=enclosing(amount.box for amount in amounts if amount.page == last.page),
        text=" + ".join(amount.text for amount in amounts),
        roles={role: _SUMMED},
        money=True,
        confidence=min(amount.confidence for amount in amounts),
        parts=tuple(amounts),
    )


def rows_that_sum_up(rows: Sequence[RateRow], net: Amount, tax: Amount) -> tuple[RateRow, ...]:
    """The rates of the document, if they add up to its totals; else nothing, as one is missing or misread."""
    if len(rows) == 1 and rows[0].base is None:
        rows = [replace(rows[0], base=net)]
    bases = [row.base.value for row in rows if row.base]
    if not rows or abs(sum((row.tax.value for row in rows), Decimal(0)) - tax.value) > TOLERANCE:
        return ()
    if len(bases) == len(rows) and abs(sum(bases, Decimal(0)) - net.value) > TOLERANCE:
        return ()
    return tuple(rows)


def _size(row: RateRow) -> tuple[bool, Decimal]:
    return (row.base is not None, abs(row.base.value) if row.base else abs(row.tax.value))


def _rows_on(line: AmountLine) -> Iterable[RateRow]:
    money = [amount for amount in line.amounts if amount.money]
    if not money or len(line.amounts) > 12:
        return
    named = [rate for rate in line.percentages if rate <= _HIGHEST_RATE]
    plain = [amount.value for amount in line.amounts if amount.currency is None and 0 <= amount.value <= _HIGHEST_RATE]
    for rate in dict.fromkeys(named or plain):
        found = False
        for base in money:
            for tax in money:
                if base is tax or base.value == 0 or (rate == 0) != (tax.value == 0) or rate == tax.value:
                    continue
                # Without a word of tax, 10 pieces at 99.00 are 990.00 as much as 10 % of 990.00 are 99.00.
                if tax.roles.get("tax", 0.0) < HEADED:
                    continue
                if abs(base.value * rate / 100 - tax.value) <= TOLERANCE:
                    found = True
                    yield RateRow(rate, base, tax)
        if not found and rate in named:
            for tax in money[-1:]:
                if tax.roles.get("tax", 0.0) >= 0.8:
                    yield RateRow(rate, None, tax)
