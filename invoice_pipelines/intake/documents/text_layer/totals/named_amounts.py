"""Which printed labels contradict totals that tie.

Three numbers that add up are found on many pages. What the words beside an amount say must not be outvoted by them:
an invoice whose printed total is wrong has to be refused, so in doubt there is a contradiction.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from invoice_pipelines.intake.documents.text_layer.totals.amounts import Amount
from invoice_pipelines.intake.documents.text_layer.totals.rates import sum_of

# A subtotal is as good as a net amount where nothing better is printed.
_NET = 0.5
_SURE = 0.9


@dataclass(frozen=True, slots=True)
class Triple:
    """Net + tax = gross. The higher `score`, the better labels and places fit; `confirmed` says that a printed rate,
    or the sum over the rates, gives this tax."""

    net: Amount
    tax: Amount
    gross: Amount
    score: float
    confirmed: bool


class NamedAmounts:
    """All amounts of a document that words on their own line name a total, a tax, or what is added and deducted."""

    def __init__(self, amounts: Sequence[Amount]) -> None:
        self._gross = [amount for amount in amounts if amount.is_named("gross")]
        self._net = [amount for amount in amounts if _net(amount) >= _NET]
        # A tax that is contained in the price of an article is part of its price.
        self._tax = [amount for amount in amounts if amount.is_named("tax") and "contained" not in amount.roles]
        self._payable = [amount for amount in amounts if amount.is_named("payable")]
        self._prepaid = {abs(amount.value) for amount in amounts if amount.is_named("prepaid")}
        self._adjusting = [amount for amount in amounts if _is_adjusting(amount)]
        self._adjustments = {abs(amount.value) for amount in self._adjusting} | self._prepaid
        self._net_and_tax_lines = sorted(amount.line for amount in (*self._net, *self._tax))
        self._lines_of: dict[Decimal, list[int]] = defaultdict(list)
        for amount in amounts:
            self._lines_of[abs(amount.value)].append(amount.line)

    def against(self, triple: Triple) -> dict[str, Amount]:
        """By role (net, tax, gross) the amount that is named so and cannot be true beside these totals."""
        found = {
            "net": self._forgotten(triple) or self._other_net(triple),
            "tax": self._other_tax(triple),
            "gross": self._other_gross(triple),
        }
        return {role: amount for role, amount in found.items() if amount}

    def reckoned_nets(self) -> list[Amount]:
        """Net amounts that are not printed but follow: a sum of lines, less the allowances and plus the charges that
        are printed after it and before the tax (BR-CO-13)."""
        stops = [*self._tax, *self._gross]
        reckoned = []
        for start, parts in _runs([*self._net, *self._adjusting, *stops], self._net, self._adjusting):
            reckoned.append(_reckon(start, parts))
        return reckoned

    def _other_gross(self, triple: Triple) -> Amount | None:
        gross = triple.gross
        own = gross.is_named("gross")
        for named in self._gross:
            if abs(named.value) == abs(gross.value) or _other_currency(named, gross) or self._explained(named, triple):
                continue
            if not own or abs(named.value) > abs(gross.value):
                return named
            # Smaller totals before are those of parts; one that comes after is no part of what was summed up.
            if named.line > gross.line and (named.page == gross.page or self._is_block(gross.line, named.line)):
                return named
        if not own:
            for named in self._payable:
                paid = abs(gross.value - named.value)
                if paid and paid not in self._prepaid:
                    return named
        return None

    def _is_block(self, after: int, until: int) -> bool:
        """Whether a net amount or a tax is named between two lines, so that the second ends a block of totals."""
        index = bisect_left(self._net_and_tax_lines, after + 1)
        return index < len(self._net_and_tax_lines) and self._net_and_tax_lines[index] <= until

    def _explained(self, named: Amount, triple: Triple) -> bool:
        """Whether a total differs only by an allowance, charge or prepayment, or by an amount printed in between."""
        gross = triple.gross
        if not gross.is_named("gross"):
            return False
        if {abs(named.value - gross.value), abs(named.value - triple.net.value)} & self._adjustments:
            return True
        lines = self._lines_of.get(abs(named.value - gross.value), [])
        index = bisect_left(lines, gross.line + 1)
        return index < len(lines) and lines[index] <= named.line

    def _other_net(self, triple: Triple) -> Amount | None:
        net = triple.net
        reckoned = bool(net.parts) and all(_is_adjusting(part) for part in net.parts[1:])
        own = _SURE if reckoned else _net(net)
        known = {net.value, *(part.value for part in net.parts)}
        others = [named for named in self._net if named.value not in known and not _other_currency(named, net)]
        if own < _NET and _adds_up(others, net.value):
            return None
        if reckoned:  # what is printed below the parts of a sum is that sum
            below = [named for named in others if max(part.line for part in net.parts) < named.line < triple.gross.line]
            if below and not _adds_up(below, net.value):
                return below[0]
        for named in others:
            if not net.parts and named.line < net.line and abs(named.value - net.value) in self._adjustments:
                continue
            larger = abs(named.value) > abs(net.value)
            if own < _NET or (_net(named) > own and (larger or named.line >= net.line)):
                return named
            if _net(named) == own >= _SURE and larger:
                return named
        return None

    def _other_tax(self, triple: Triple) -> Amount | None:
        tax = triple.tax
        own = tax.is_named("tax") or bool(tax.parts)
        parts = {part.value for part in tax.parts}
        others = [named for named in self._tax if named.value != tax.value and named.value not in parts]
        if not others or _adds_up(others, tax.value):
            return None
        first = min(amount.line for amount in (triple.net, *triple.net.parts, tax, *tax.parts))
        for named in others:
            if _other_currency(named, tax) or named.value == 0:
                continue
            if not own or abs(named.value) > abs(tax.value) or first <= named.line <= triple.gross.line:
                return named
        return None

    def _forgotten(self, triple: Triple) -> Amount | None:
        """The net amount with what is added or deducted between it and the total, if that was left out."""
        parts = [
            amount for amount in self._adjusting if triple.net.line < amount.line < triple.gross.line and amount.value
        ]
        if not parts or triple.net.parts:
            return None
        reckoned = _reckon(triple.net, parts)
        return None if reckoned.value == triple.net.value else reckoned


def _net(amount: Amount) -> float:
    """How sure the words on its own line are that an amount is a net amount; 0 where it is something else, too."""
    if not (amount.is_named("net") or amount.is_named("line_total")) or amount.parts:
        return 0.0
    return amount.roles.get("net", 0.0)


def _is_adjusting(amount: Amount) -> bool:
    return amount.is_named("charge") or amount.is_named("allowance")


def _other_currency(one: Amount, other: Amount) -> bool:
    return one.currency is not None and other.currency is not None and one.currency != other.currency


def _adds_up(amounts: Iterable[Amount], total: Decimal) -> bool:
    """Whether these are the parts of a total, also where each is printed twice."""
    values = [amount.value for amount in amounts]
    return total in (sum(values, Decimal(0)), sum(set(values), Decimal(0)))


def _runs(
    amounts: Iterable[Amount], starts: Sequence[Amount], parts: Sequence[Amount]
) -> Iterable[tuple[Amount, list[Amount]]]:
    """Each start with the parts that follow it before anything else does."""
    begins = {id(amount) for amount in starts}
    belongs = {id(amount) for amount in parts}
    start: Amount | None = None
    run: list[Amount] = []
    for amount in sorted(amounts, key=lambda amount: (amount.line, amount.box[0])):
        if start and id(amount) in belongs:
            run.append(amount)
            continue
        if start and run:
            yield start, run
        start, run = (amount if id(amount) in begins else None), []
    if start and run:
        yield start, run


def _reckon(start: Amount, parts: Sequence[Amount]) -> Amount:
    return sum_of([start, *(signed(part, start.value) for part in parts)], "net")


def signed(part: Amount, whole: Decimal) -> Amount:
    """An allowance as what it does to the whole, however its sign is printed; a charge as printed."""
    if not part.is_named("allowance"):
        return part
    return replace(part, value=-abs(part.value) if whole > 0 else abs(part.value))
