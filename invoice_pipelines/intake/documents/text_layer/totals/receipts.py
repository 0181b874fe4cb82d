"""Totals that only receipts prove: cash handed over less the change, also after rounding, and the sum of the articles
if prices include the tax.

The totals of invoices, with a net amount and its tax, are told in `totals`, which asks here what else bears them out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from invoice_pipelines.intake.documents.text_layer.totals.amounts import NAMED, Amount, AmountLine

_MOST = 12  # of each kind of amount; more are no receipt
_LARGEST_ROUNDING = Decimal("0.05")
_SMALLEST_COIN = Decimal("0.05")  # that cash is rounded to
_NAMED = 0.3
_SURE_NET = 0.8
_AFTER = 60  # amounts
_BEFORE_TAX = ("line_total", "net", "carried")
_TOTALS = ("gross", "payable", "rounded", "net", "line_total")


@dataclass(frozen=True, slots=True)
class Paid:
    """The total that was paid, as `total`. `named` says that words on its line call it a total, `unrounded` is the
    total before cash was rounded, if it was."""

    total: Amount
    named: bool
    unrounded: Amount | None = None


def find_paid(lines: Sequence[AmountLine]) -> Paid | None:
    """The total by what was handed over and given back: cash - change = total. None where nothing says so, or where
    different amounts come out."""
    money = [amount for line in lines for amount in line.amounts if amount.money]
    change = [amount for amount in money if amount.is_named("change")][:_MOST]
    tendered = [amount for amount in money if amount.is_named("tendered") or amount.is_named("prepaid")][:_MOST]
    by_change: dict[Decimal, Amount] = {}
    for given in tendered:
        for back in change:
            value = abs(given.value) - abs(back.value)
            if value > 0 and back is not given and (found := _called(money, value, tendered, change)):
                by_change[value] = found
    rounding = find_rounding(lines)
    if len(by_change) > 1:
        # Cash and card beside each other: what is called a total by its own words.
        named = {value: found for value, found in by_change.items() if total_share(found) >= NAMED}
        by_change = named if len(named) == 1 else {}
    if by_change:
        (total,) = by_change.values()
        unrounded = rounding[1] if rounding and rounding[0].value == total.value else None
        return Paid(total, total_share(total) >= NAMED, unrounded)
    # Only cash is rounded, so a rounded total is that of a receipt; but for Swiss invoices, where all are.
    if rounding and (tendered or not any(amount.currency == "CHF" for amount in money)):
        cash = {given - back for given, back in cash_of(money)}
        return Paid(rounding[0], not cash or rounding[0].value in cash, rounding[1])
    for given in tendered:
        total_as_given = _called(money, abs(given.value), tendered, change)
        if total_as_given and total_share(total_as_given) >= NAMED and not change and len(tendered) == 1:
            # Half was paid before, and the other half is to pay.
            is_rest = total_as_given.line > given.line and not total_as_given.is_named("gross")
            is_half = any(amount.value == 2 * total_as_given.value for amount in money)
            return Paid(total_as_given, not is_rest and not is_half)
    return None


def sum_of_articles(lines: Sequence[AmountLine], total: Amount) -> Decimal | None:
    """The sum of the last amounts of the lines above the first total, where no words name them; None below two."""
    first = min(
        (amount.line for line in lines for amount in line.amounts if amount.money and _is_block(amount)),
        default=total.line,
    )
    values = [
        line.amounts[-1].value
        for line in lines
        if line.number < first and line.amounts[-1].money and max(line.amounts[-1].roles.values(), default=0) < NAMED
    ]
    return sum(values, Decimal(0)) if len(values) >= 2 else None


def total_share(amount: Amount) -> float:
    """How sure words are that an amount is a total of any kind."""
    return max((amount.roles.get(role, 0.0) for role in _TOTALS), default=0.0)


def _is_block(amount: Amount) -> bool:
    return any(amount.is_named(role) for role in (*_TOTALS, "tax"))


def _called(
    money: Sequence[Amount], value: Decimal, tendered: Sequence[Amount], change: Sequence[Amount]
) -> Amount | None:
    """The amount of this value that words call a total, the surest and last of them; what was handed over is none."""
    taken = {id(amount) for amount in (*tendered, *change)}
    found = [amount for amount in money if amount.value == value and id(amount) not in taken]
    best = max(found, key=lambda amount: (round(_final(amount), 2), amount.line), default=None)
    return best if best and total_share(best) >= _NAMED else None


def _final(amount: Amount) -> float:
    return max(amount.roles.get("rounded", 0.0), amount.roles.get("gross", 0.0), 0.9 * total_share(amount))


def find_rounding(lines: Sequence[AmountLine]) -> tuple[Amount, Amount, Decimal] | None:
    """The total after and before rounding and the difference, where total + rounding = rounded total is printed."""
    for line in lines:
        for step in line.amounts:
            if not step.is_named("rounding") or not 0 < abs(step.value) <= _LARGEST_ROUNDING:
                continue
            totals = [
                amount for other in lines for amount in other.amounts if amount.money and total_share(amount) >= _NAMED
            ][:_MOST]
            for before in totals:
                for after in totals:
                    differs = after.value - before.value
                    later = (after.line, after.box[0]) > (before.line, before.box[0])
                    fits = abs(differs) == abs(step.value) and (step.value > 0 or differs < 0)
                    if later and fits and not after.value % _SMALLEST_COIN:
                        return after, before, differs
    return None


def is_doubtful(lines: Sequence[AmountLine], printed: Sequence[Amount]) -> bool:
    """Whether something on the paper says that the total is another amount: cash, a rounding, a prepayment, net amount
    and tax, or what is added after it."""
    value = printed[0].value
    money = [amount for line in lines for amount in line.amounts if amount.money]
    if any(amount.is_named("rounding") and amount.value for amount in money):
        return True
    cash = list(cash_of(money))
    if cash and not any(given - back == value for given, back in cash):
        return True
    # Half was paid before: the other half is printed twice, too.
    before = {value + abs(amount.value) for amount in money if amount.is_named("prepaid") and amount.value}
    nets = {amount.value for amount in money if amount.is_named("net") and amount.roles["net"] > _SURE_NET}
    taxes = {amount.value for amount in money if amount.is_named("tax") and amount.value}
    if len(nets) == len(taxes) == 1 and value not in nets | {net + tax for net in nets for tax in taxes}:
        return True
    after = [amount.value for amount in money if amount.line > printed[0].line][:_AFTER]
    added = {value + amount for amount in after if amount * value > 0}
    return any(amount.value in before for amount in money) or any(
        larger in added and larger - value in after[:index] for index, larger in enumerate(after)
    )


def is_paid_otherwise(lines: Sequence[AmountLine], value: Decimal) -> bool:
    """Whether another amount than this total was paid: less was handed over; or the change is not what is left of it;
    or the same amount was paid before, and no total is as large; or a charge or a deduction stands below the total; or
    an allowance without a sign does, and what it leaves stands below that."""
    money = [amount for line in lines for amount in line.amounts if amount.money and amount.value]
    change = [abs(amount.value) for amount in money if amount.is_named("change")][:_MOST]
    tendered = _tendered(money)
    if tendered and not change and sum(tendered) < value:
        return True
    prepaid = [abs(amount.value) for amount in money if amount.is_named("prepaid")]
    given = [*tendered, *prepaid]
    if given and change and not any(one - back == value for one in given for back in change):
        return True
    if value in prepaid and not any(amount.value >= value for amount in money if amount.is_named("gross")):
        return True
    places = [amount.line for amount in money if amount.value == value] or [0]
    adjusting = [amount for amount in money if _is_adjusting(amount, value)]
    if any(amount.line > max(places) for amount in adjusting if amount.value * value < 0 or amount.is_named("charge")):
        return True
    below = [amount for amount in money if amount.line > min(places)][:_AFTER]
    left = [(value - amount.value, amount.line) for amount in adjusting if amount in below]
    return any(amount.value == rest > 0 and amount.line > line for rest, line in left for amount in below)


def payments_disagree(lines: Sequence[AmountLine], value: Decimal) -> bool:
    """Whether payments do not make this total, though no change was given: several that make another sum, or one that
    is more than the total and a tip below it. And whether the total is ten or a hundred times what was paid."""
    money = [amount for line in lines for amount in line.amounts if amount.money and amount.value]
    tendered = _tendered(money)
    if any(value in (paid * 10, paid * 100) for paid in (*tendered, sum(tendered)) if paid):
        return True
    if value in (*tendered, sum(tendered)) or any(amount.is_named("change") for amount in money):
        return False
    first = min((amount.line for amount in money if amount.value == value), default=0)
    with_tip = {value + amount.value for amount in money if amount.line > first}
    return len(tendered) > 1 or any(paid > value and paid not in with_tip for paid in tendered)


def _tendered(money: Sequence[Amount]) -> list[Decimal]:
    return [amount.value for amount in money if amount.is_named("tendered")][:_MOST]


def _is_adjusting(amount: Amount, total: Decimal) -> bool:
    """Whether an amount is a charge or an allowance, or is deducted from a total and has no name."""
    unnamed = max(amount.roles.values(), default=0.0) < NAMED
    return amount.is_named("charge") or amount.is_named("allowance") or (amount.value * total < 0 and unnamed)


def cash_of(money: Sequence[Amount]) -> Iterator[tuple[Decimal, Decimal]]:
    """What may have been handed over, with what may have been given back."""
    change = [abs(amount.value) for amount in money if amount.is_named("change")][:12]
    for amount in [amount for amount in money if amount.is_named("tendered")][:12]:
        for back in change:
            yield amount.value, back


def is_subtotal(lines: Sequence[AmountLine], value: Decimal) -> bool:
    """Whether an amount is called a subtotal or a net amount, or is carried to the next page, and is called nothing
    else, and a tax that no printed rate takes out of it stands below: what was to be paid is more."""
    money = [amount for line in lines for amount in line.amounts if amount.money]
    named = [amount for amount in money if amount.value == value and max(amount.roles.values(), default=0) >= NAMED]
    if not named or any(amount.is_named("gross") or not any(map(amount.is_named, _BEFORE_TAX)) for amount in named):
        return False
    below = [
        amount.value for amount in money if amount.is_named("tax") and amount.line > named[0].line and amount.value
    ]
    rates = {rate for line in lines for rate in line.percentages if rate > 0}
    return bool(below) and not any(
        abs(value * rate / (100 + rate) - tax) <= _LARGEST_ROUNDING / 5 for rate in rates for tax in below
    )
