"""Explains a total by the lines that break its tax down: rate, what it is reckoned on, tax, and their sum, in any order
and with any of them left out, as tables of VAT are printed.

Only arithmetic: a line counts where its amounts fit a rate to the cent, and lines explain a total where their sums make
it. Whether other words contradict that, is for `totals`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache, partial
from itertools import permutations, product
from math import prod

from invoice_pipelines.intake.countries import countries
from invoice_pipelines.intake.documents.text_layer.totals.amounts import Amount, AmountLine
from invoice_pipelines.intake.documents.text_layer.totals.rates import HEADED, RateRow, sum_of

_CENT = Decimal("0.01")
_ROUNDED = Decimal("0.03")  # where three amounts of a line add up, each may have been rounded
_HALF = Decimal("0.005")
_MOST_AMOUNTS = 6
_MOST_LINES = 40  # that may be of a table
_MOST_WAYS = 4_000
_FEWER_LINES = 7
_FARTHEST = 2  # lines between amounts that are stacked
_HIGHEST_SHARE = Decimal("0.35")


@dataclass(frozen=True, slots=True)
class Explanation:
    """Net amount and tax that lines of tax make of a total. `printed` says that what the tax is reckoned on is printed
    beside it, and `named` that words on the lines or above them speak of tax; with both it is as good as net amount and
    tax in words of their own."""

    net: Amount
    tax: Amount
    rows: tuple[RateRow, ...]
    printed: bool
    named: bool
    fitted: bool
    """Whether each of several rates makes its tax of another amount on its line: that is no chance, in any language."""


@dataclass(frozen=True, slots=True)
class _Part:
    """One way to read a line: `rate` percent of `base` is `tax`. `low` and `high` are between what total it makes;
    `strength` counts the amounts that bear it out."""

    rate: Decimal
    base: Amount | None
    tax: Amount
    low: Decimal
    high: Decimal
    strength: int
    line: AmountLine


def explain(lines: Sequence[AmountLine], total: Decimal) -> Explanation | None:
    """What the lines of tax say of a total; None where they do not make it, or make it in two ways."""
    if not total:
        return None
    candidates = [line for line in lines if line.taxed or line.percentages][-_MOST_LINES:]
    parts: list[list[_Part]] = []
    for line in [*candidates, *_stacked(lines)]:
        of_line: list[_Part] = []
        for part in _parts(line, total):
            if not any(_same(part, other) for other in of_line):
                of_line.append(part)
        if of_line and not any(all(any(map(partial(_same, part), other)) for part in of_line) for other in parts):
            parts.append(of_line)
    best: list[tuple[_Part, ...]] = []
    for way in _ways(parts):
        if _makes(way, total):
            if best and _rank(way) > _rank(best[0]):
                best = []
            if not best or _rank(way) == _rank(best[0]):
                best.append(way)
    if not best or len({sum(part.tax.value for part in way) for way in best}) > 1:
        return None
    return _explanation(best[0], total)


@cache
def usual_rates() -> tuple[Decimal, ...]:
    """The rates of VAT of all countries that are known."""
    return tuple(sorted(set().union(*(country.rates for country in countries().values()))))


def _parts(line: AmountLine, total: Decimal) -> Iterator[_Part]:
    sign = 1 if total > 0 else -1
    money = [one for one in line.amounts if one.money and one.value * sign >= 0][:_MOST_AMOUNTS]
    plain = [abs(one.value) for one in line.amounts if one.currency is None and 1 <= abs(one.value) <= 30]
    printed = [rate for rate in line.percentages if rate <= 30]
    for base, tax, whole in permutations(money, 3):
        if base.value + tax.value != whole.value or not base.value:
            continue
        rates = [*printed, *plain, *line.heading_rates, *(usual_rates() if line.taxed else ())]
        rate = _rate(base.value, tax.value, rates)
        if rate is None and not tax.value and (Decimal(0) in printed or len(line.amounts) > 3):
            rate = Decimal(0)
        if rate is not None:
            yield _Part(rate, base, tax, whole.value, whole.value, 3, line)
    taxes = [one for one in money if not one.is_named("charge") and not one.is_named("allowance")]
    for one, tax in product(money, taxes):
        if tax is one:
            continue
        headed = line.taxed and tax.roles.get("tax", 0.0) >= HEADED
        for rate in dict.fromkeys([*printed, *line.heading_rates, *(plain if headed else ())]):
            if not rate or not tax.value or abs(tax.value) >= abs(one.value):
                continue
            if abs(one.value * rate / 100 - tax.value) <= _CENT:
                yield _Part(rate, one, tax, one.value + tax.value, one.value + tax.value, 2, line)
            if abs(one.value * rate / (100 + rate) - tax.value) <= _CENT:
                yield _Part(rate, None, tax, one.value, one.value, 2, line)
        if line.taxed and tax.value and one.value + tax.value == total:
            rate_of_both = _rate(one.value, tax.value, usual_rates())
            if rate_of_both is not None:
                yield _Part(rate_of_both, one, tax, total, total, 2, line)
    for tax in taxes:
        for rate in dict.fromkeys([*printed, *line.heading_rates, *plain]):
            if line.taxed and rate and tax.value and _is_tax(tax, line):
                makes, slack = abs(tax.value) * (100 + rate) / rate, _HALF * (100 + rate) / rate
                low, high = sign * (makes - slack), sign * (makes + slack)
                yield _Part(rate, None, tax, min(low, high), max(low, high), 1, line)


def _is_tax(amount: Amount, line: AmountLine) -> bool:
    """Whether an amount may be a tax alone: words call it so, or it stands alone beside its rate."""
    return amount.roles.get("tax", 0.0) >= HEADED or sum(one.money for one in line.amounts) == 1


def _rate(base: Decimal, tax: Decimal, rates: Sequence[Decimal]) -> Decimal | None:
    return next((rate for rate in rates if rate and tax and abs(base * rate / 100 - tax) <= _ROUNDED), None)


def _same(one: _Part, other: _Part) -> bool:
    return (one.tax.value, one.low, one.high) == (other.tax.value, other.low, other.high) and (
        one.strength <= other.strength
    )


def _stacked(lines: Sequence[AmountLine]) -> Iterator[AmountLine]:
    """Lines of one amount each that follow each other and name the same rate, as one: "MwSt. 7% 2,34" and under it
    "Netto 7% 33,46"."""
    run: list[AmountLine] = []
    for line in [*lines, None]:
        rates = (line.percentages or line.heading_rates) if line else ()
        money = sum(amount.money for amount in line.amounts) if line else 0
        near = line.number - run[-1].number if line and run else _FARTHEST + 1
        goes_on = (near <= _FARTHEST and rates == run[0].percentages) or (near == len(run) == 1 and not rates)
        if not goes_on or money != 1:
            if len(run) > 1:
                amounts = tuple(amount for one in run for amount in one.amounts)
                yield replace(run[-1], amounts=amounts, taxed=any(one.taxed for one in run))
            run = []
        if line and money == 1 and (goes_on or (rates and len(rates) == 1)):
            run.append(replace(line, percentages=rates or run[0].percentages))


def _ways(parts: list[list[_Part]]) -> Iterator[tuple[_Part, ...]]:
    """Each choice of lines and of a way to read each. A rate stands twice only where more than the tax is printed."""
    if prod(len(of_line) + 1 for of_line in parts) > _MOST_WAYS:
        parts = [sorted(of_line, key=lambda part: -part.strength)[:2] for of_line in parts][-_FEWER_LINES:]
    for way in product(*([None, *of_line] for of_line in parts)):
        taken = tuple(part for part in way if part is not None)
        once = len({part.rate for part in taken}) == len(taken)
        amounts = [id(amount) for part in taken for amount in (part.base, part.tax) if amount is not None]
        alone = any(part.strength == 1 for part in taken)
        if (once or not alone) and len(set(amounts)) == len(amounts) and any(part.tax.value for part in taken):
            yield taken


def _makes(way: tuple[_Part, ...], total: Decimal) -> bool:
    """Whether the parts make the total. Two taxes on the same goods share what they are reckoned on."""
    low = high = Decimal(0)
    bases: set[Decimal] = set()
    for part in sorted(way, key=lambda part: -part.rate):
        shared = part.base is not None and part.line.regional_tax is not None and part.base.value in bases
        low += part.tax.value if shared else part.low
        high += part.tax.value if shared else part.high
        if part.base is not None:
            bases.add(part.base.value)
    return low <= total <= high


def _rank(way: tuple[_Part, ...]) -> tuple[bool, int, int]:
    return all(part.line.taxed for part in way), min(part.strength for part in way), len(way)


def _explanation(way: tuple[_Part, ...], total: Decimal) -> Explanation:
    tax = sum_of([part.tax for part in way], "tax")
    bases = [part.base for part in way if part.base is not None]
    printed = len(bases) == len(way) or (len(way) == 1 and way[0].strength > 1)
    net = replace(sum_of(bases or [part.tax for part in way], "net"), value=total - tax.value)
    rows = tuple(RateRow(part.rate, part.base or _base_of(part, net, len(way)), part.tax) for part in way)
    fitted = len({part.rate for part in way if part.strength > 1}) == len(way) > 1
    return Explanation(net, tax, rows, printed, all(part.line.taxed for part in way), fitted)


def _base_of(part: _Part, net: Amount, count: int) -> Amount | None:
    """What the tax of a part is reckoned on, where it is not printed but follows."""
    if count == 1:
        return net
    return replace(net, value=part.low - part.tax.value) if part.low == part.high else None
