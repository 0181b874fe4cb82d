"""Holds how the totals are told from all other amounts: labels propose, arithmetic selects.

Net + tax = gross (EN 16931-1 BR-CO-15), rate x net = tax (BR-S-09), and the taxes of all rates add up to the tax
(BR-CO-14). What does not tie is never given with high confidence. Only the few best candidates for each total are
combined, so that the cost does not grow with the number of amounts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from invoice_pipelines.intake.readers.text_layer.amounts import Amount, AmountLine
from invoice_pipelines.intake.readers.text_layer.layout import enclosing

_TOLERANCE = Decimal("0.02")
_CANDIDATES = 40
_UNLABELLED = 0.05
_HIGHEST_RATE = Decimal(30)
_HIGHEST_TAX_SHARE = Decimal("0.35")
_LABELLED = 0.5
_HEADED = 0.3


@dataclass(frozen=True, slots=True)
class Chosen:
    """An amount that was chosen for a total, and how sure that is."""

    amount: Amount
    confidence: float


@dataclass(frozen=True, slots=True)
class RateRow:
    """Tax of one rate as a line shows it: `rate` in percent of `base` is `tax`. `base` is None where not printed."""

    rate: Decimal
    base: Amount | None
    tax: Amount


@dataclass(frozen=True, slots=True)
class Totals:
    """The totals that were found; None where nothing is convincing. `ties` says that net + tax = gross."""

    net: Chosen | None = None
    tax: Chosen | None = None
    gross: Chosen | None = None
    payable: Chosen | None = None
    prepaid: Chosen | None = None
    line_total: Chosen | None = None
    rates: tuple[RateRow, ...] = ()
    ties: bool = False
    contradicts: bool = False


@dataclass(frozen=True, slots=True)
class _Triple:
    net: Amount
    tax: Amount
    gross: Amount
    score: float
    by_rate: bool


def find_totals(lines: Sequence[AmountLine], exempt: bool) -> Totals:
    """The totals among all amounts. `exempt` says that the document names a reason for there being no tax."""
    rows = _rate_rows(lines)
    amounts = [amount for line in lines for amount in line.amounts if amount.money or amount.roles]
    rates = {rate for line in lines for rate in line.percentages} | {row.rate for row in rows}
    candidates = {role: _best(amounts, role) for role in ("net", "tax", "gross", "payable", "prepaid", "line_total")}
    sums = _sums(rows)
    for role, amount in sums.items():
        _offer(candidates[role], amount, role)
    triples = _triples(candidates, rates, sums, exempt)
    if not triples:
        return _untied(candidates, rates, rows)
    best = triples[0]
    confidence = _confidence(best)
    if any(_rivals(triple, best) for triple in triples[1:]):
        confidence = min(confidence, 0.8)
    totals = Totals(
        net=_chosen(best.net, confidence),
        tax=_chosen(best.tax, confidence),
        gross=_chosen(best.gross, confidence),
        line_total=_first(candidates["line_total"], "line_total", 0.7),
        rates=_rows_of(rows, best.net, best.tax),
        ties=True,
    )
    return _with_payment(totals, candidates, best.gross.value)


def _rivals(triple: _Triple, best: _Triple) -> bool:
    """Whether other totals tie nearly as well, or stand beside the best ones, as where two currencies are printed."""
    if triple.gross.value == best.gross.value:
        return False
    beside = triple.gross.line == best.gross.line and triple.tax.line == best.tax.line
    return beside or best.score - triple.score < 0.4


def _chosen(amount: Amount, confidence: float) -> Chosen:
    return Chosen(amount, round(confidence * amount.confidence, 3))


def _best(amounts: Iterable[Amount], role: str) -> dict[Decimal, Amount]:
    """For each value the amount that is likeliest to play the role, the likeliest values first."""
    best: dict[Decimal, Amount] = {}
    for amount in amounts:
        _offer(best, amount, role)
    # Of equals, the later one: totals stand at the end.
    ranked = sorted(best.values(), key=lambda amount: (_likelihood(amount, role), amount.line), reverse=True)
    # Net and gross are combined with each other; the others are only looked up by their value, so all may stay.
    kept = ranked[:_CANDIDATES] if role in ("net", "gross") else ranked
    return {amount.value: amount for amount in kept}


def _offer(best: dict[Decimal, Amount], amount: Amount, role: str) -> None:
    other = best.get(amount.value)
    if other is None or _likelihood(amount, role) >= _likelihood(other, role):
        best[amount.value] = amount


def _likelihood(amount: Amount, role: str) -> float:
    return amount.roles.get(role, _UNLABELLED if amount.money else 0.0)


def _triples(
    candidates: dict[str, dict[Decimal, Amount]], rates: set[Decimal], sums: dict[str, Amount], exempt: bool
) -> list[_Triple]:
    """All net + tax = gross among the candidates, the likeliest first."""
    triples = []
    taxes = candidates["tax"]
    for gross in candidates["gross"].values():
        for net in candidates["net"].values():
            difference = gross.value - net.value
            tax = taxes.get(difference)
            if tax is None or gross.value == 0 or net.value * gross.value <= 0:
                continue
            if difference * gross.value < 0 or abs(difference) > abs(gross.value) * _HIGHEST_TAX_SHARE:
                continue
            no_tax = difference == 0
            if no_tax and tax.roles.get("tax", 0.0) < _HEADED and not (exempt or Decimal(0) in rates):
                continue
            by_rate = no_tax or any(
                abs(net.value * rate / 100 - difference) <= _TOLERANCE for rate in rates if rate > 0
            )
            by_sum = "tax" in sums and sums["tax"].value == difference
            if not (by_rate or by_sum) and tax.roles.get("tax", 0.0) < _HEADED:
                continue  # three numbers that happen to add up
            score = _likelihood(gross, "gross") + _likelihood(net, "net") + _likelihood(tax, "tax")
            score += (0.5 if by_rate else 0.0) + (0.8 if by_sum else 0.0)
            triples.append(_Triple(net, tax, gross, score, by_rate or by_sum))
    return sorted(triples, key=lambda triple: (triple.score, abs(triple.gross.value)), reverse=True)


def _confidence(triple: _Triple) -> float:
    labelled = sum(
        _likelihood(amount, role) >= _LABELLED and not amount.summed
        for amount, role in ((triple.net, "net"), (triple.tax, "tax"), (triple.gross, "gross"))
    )
    if _likelihood(triple.gross, "gross") < 0.4:
        return 0.8 if triple.by_rate else 0.6
    if labelled == 3:
        return 0.99 if triple.by_rate else 0.96
    if labelled == 2:
        return 0.97 if triple.by_rate else 0.9
    return 0.9 if triple.by_rate else 0.75


def _untied(candidates: dict[str, dict[Decimal, Amount]], rates: set[Decimal], rows: Sequence[RateRow]) -> Totals:
    """What the labels alone say, where no three amounts tie."""
    gross = _first(candidates["gross"], "gross", 0.5)
    net = _first(candidates["net"], "net", 0.4)
    tax = _first(candidates["tax"], "tax", 0.4)
    if gross and net and gross.amount is net.amount:
        net = None
    receipt = _receipt(candidates, rates)
    if receipt and (net is None or receipt[0].value == net.amount.value):
        gross, tax = (_chosen(amount, 0.93) for amount in receipt)
        return _with_payment(Totals(tax=tax, gross=gross, ties=True), candidates, gross.amount.value)
    contradicts = bool(gross and net and tax)
    if contradicts and gross and net and tax:
        gross, net, tax = (replace(chosen, confidence=0.3) for chosen in (gross, net, tax))
    line_total = _first(candidates["line_total"], "line_total", 0.4)
    totals = Totals(net=net, tax=tax, gross=gross, line_total=line_total, contradicts=contradicts)
    return _with_payment(totals, candidates, gross.amount.value if gross else None)


def _receipt(candidates: dict[str, dict[Decimal, Amount]], rates: set[Decimal]) -> tuple[Amount, Amount] | None:
    """Total and the tax in it, as on a till receipt without a net total: a printed rate confirms both."""
    pairs = [
        (gross, tax)
        for gross in candidates["gross"].values()
        if _likelihood(gross, "gross") >= _LABELLED
        for tax in candidates["tax"].values()
        if _likelihood(tax, "tax") >= _LABELLED and tax.value != 0
        if any(abs(gross.value * rate / (100 + rate) - tax.value) <= _TOLERANCE for rate in rates if rate > 0)
    ]
    return max(pairs, key=lambda pair: _likelihood(pair[0], "gross") + _likelihood(pair[1], "tax"), default=None)


def _first(candidates: dict[Decimal, Amount], role: str, confidence: float) -> Chosen | None:
    """The best labelled candidate; less sure where another value is as well labelled."""
    labelled = [amount for amount in candidates.values() if amount.roles.get(role, 0.0) >= 0.4 and not amount.summed]
    labelled.sort(key=lambda amount: (amount.roles[role], amount.line), reverse=True)
    if not labelled:
        return None
    if len(labelled) > 1 and labelled[0].roles[role] - labelled[1].roles[role] < 0.05:
        confidence *= 0.7
    return _chosen(labelled[0], confidence)


def _with_payment(totals: Totals, candidates: dict[str, dict[Decimal, Amount]], gross: Decimal | None) -> Totals:
    """Adds what is still to be paid and what has been: payable = gross - prepaid (BR-CO-16)."""
    payable = _first(candidates["payable"], "payable", 0.5)
    prepaid = _first(candidates["prepaid"], "prepaid", 0.4)
    if payable and totals.gross and gross is not None:
        sure = totals.gross.confidence
        paid = gross - payable.amount.value
        printed = candidates["prepaid"].get(paid) or candidates["prepaid"].get(-paid)
        if paid == 0:
            payable = replace(payable, confidence=sure)
        elif printed and prepaid:
            payable, prepaid = replace(payable, confidence=sure), _chosen(printed, sure)
        else:
            prepaid = None
    return replace(totals, payable=payable, prepaid=prepaid)


def _rate_rows(lines: Sequence[AmountLine]) -> list[RateRow]:
    """For each rate the line that shows the most of it: base and tax, or the tax alone."""
    best: dict[Decimal, RateRow] = {}
    for line in lines:
        for row in _rows_on(line):
            other = best.get(row.rate)
            if other is None or _size(row) > _size(other):
                best[row.rate] = row
    return [best[rate] for rate in sorted(best)]


def _size(row: RateRow) -> tuple[bool, Decimal]:
    return (row.base is not None, abs(row.base.value) if row.base else abs(row.tax.value))


def _rows_on(line: AmountLine) -> Iterable[RateRow]:
    money = [amount for amount in line.amounts if amount.money]
    if not money or len(line.amounts) > 12:
        return
    plain = [amount.value for amount in line.amounts if amount.currency is None and 0 <= amount.value <= _HIGHEST_RATE]
    named = [rate for rate in line.percentages if rate <= _HIGHEST_RATE]
    for rate in dict.fromkeys([*named, *plain]):
        found = False
        for base in money:
            for tax in money:
                if base is tax or base.value == 0 or (rate == 0) != (tax.value == 0) or rate == tax.value:
                    continue
                # Without a word of tax, 10 pieces at 99.00 are 990.00 as much as 10 % of 990.00 are 99.00.
                if tax.roles.get("tax", 0.0) < _HEADED:
                    continue
                if abs(base.value * rate / 100 - tax.value) <= _TOLERANCE:
                    found = True
                    yield RateRow(rate, base, tax)
        if not found and rate in named:
            for tax in money[-1:]:
                if tax.roles.get("tax", 0.0) >= 0.8:
                    yield RateRow(rate, None, tax)


def _sums(rows: Sequence[RateRow]) -> dict[str, Amount]:
    """The sums over several rates of tax and, where all of them are printed, of the bases."""
    if len(rows) < 2:
        return {}
    taxes = [row.tax for row in rows]
    sums = {"tax": _sum(taxes, "tax")}
    bases = [row.base for row in rows if row.base]
    if len(bases) == len(rows):
        sums["net"] = _sum(bases, "net")
    return sums


def _sum(amounts: Sequence[Amount], role: str) -> Amount:
    last = amounts[-1]
    on_page = [amount.box for amount in amounts if amount.page == last.page]
    return Amount(
        sum((amount.value for amount in amounts), Decimal(0)),
        last.line,
        last.page,
        enclosing(on_page),
        " + ".join(amount.text for amount in amounts),
        {role: 0.85},
        money=True,
        confidence=min(amount.confidence for amount in amounts),
        currency=last.currency,
        summed=True,
    )


def _rows_of(rows: Sequence[RateRow], net: Amount, tax: Amount) -> tuple[RateRow, ...]:
    """The rates of the document, if they add up to its totals; else nothing, as one is missing or misread."""
    if len(rows) == 1 and rows[0].base is None:
        rows = [replace(rows[0], base=net)]
    bases = [row.base.value for row in rows if row.base]
    if not rows or abs(sum((row.tax.value for row in rows), Decimal(0)) - tax.value) > _TOLERANCE:
        return ()
    if len(bases) == len(rows) and abs(sum(bases, Decimal(0)) - net.value) > _TOLERANCE:
        return ()
    return tuple(rows)
