"""Holds how the totals are told from all other amounts: labels propose, arithmetic selects.

Net + tax = gross (EN 16931-1 BR-CO-15), rate x net = tax (BR-S-09), and the taxes of all rates add up to the tax
(BR-CO-14). What does not tie is never given with high confidence. Only the few best candidates for each total are
combined, so that the cost does not grow with the number of amounts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from invoice_pipelines.intake.readers.text_layer.amounts import CLAIM, Amount, AmountLine
from invoice_pipelines.intake.readers.text_layer.claims import Claims, Triple
from invoice_pipelines.intake.readers.text_layer.rates import (
    HEADED,
    TOLERANCE,
    RateRow,
    base_sums,
    rate_rows,
    rows_that_sum_up,
    sum_of,
    tax_sums,
)

_CANDIDATES = 40
_CHECKED = 40  # so many of the triples that tie are compared with what else is printed
_UNLABELLED = 0.05
_HIGHEST_TAX_SHARE = Decimal("0.35")
_LABELLED = 0.5
_TAX_OF_ONE_RATE = 0.9
_ROUNDING = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Chosen:
    """An amount that was chosen for a total, and how sure that is."""

    amount: Amount
    confidence: float


@dataclass(frozen=True, slots=True)
class Totals:
    """The totals that were found; None where nothing is convincing. `ties` says that net + tax = gross, `contradicts`
    that what is printed says otherwise. `allowances` and `charges` are those between the sum of lines and net; an
    allowance is negative."""

    net: Chosen | None = None
    tax: Chosen | None = None
    gross: Chosen | None = None
    payable: Chosen | None = None
    prepaid: Chosen | None = None
    line_total: Chosen | None = None
    allowances: Chosen | None = None
    charges: Chosen | None = None
    rates: tuple[RateRow, ...] = ()
    ties: bool = False
    contradicts: bool = False


def find_totals(lines: Sequence[AmountLine], exempt: bool) -> Totals:
    """The totals among all amounts. `exempt` says that the document names a reason for there being no tax.

    Totals that tie are taken only where no amount is printed under a name that contradicts them. Else the named
    amounts are given as they are, so that validation finds that they do not tie.
    """
    rows = rate_rows(lines)
    amounts = [amount for line in lines for amount in line.amounts if amount.money or amount.roles]
    rates = {rate for line in lines for rate in line.percentages} | {row.rate for row in rows}
    candidates = {role: _best(amounts, role) for role in ("net", "tax", "gross", "payable", "prepaid", "line_total")}
    if len(rows) > 1:
        # The base of one of several rates is not the net amount.
        candidates["net"] = {value: net for value, net in candidates["net"].items() if "base" not in net.roles}
    claims = Claims(amounts)
    reckoned = claims.reckoned_nets()
    sums = {"tax": tax_sums(lines, rows), "net": [*base_sums(rows), *reckoned]}
    for role, computed in sums.items():
        for amount in computed:
            printed = candidates[role].get(amount.value)
            if printed is None or _likelihood(printed, role) < _LABELLED:
                candidates[role][amount.value] = amount
    triples = _triples(candidates, rates, {amount.value for amount in sums["tax"]}, exempt)[:_CHECKED]
    borne_out = [triple for triple in triples if not claims.against(triple)]
    if not borne_out:
        contradicting = claims.against(triples[0]) if triples else {}
        return _untied(candidates, rates, rows, sums, triples[0] if triples else None, contradicting)
    best = borne_out[0]
    confidence = _confidence(best)
    if any(_rivals(triple, best) for triple in triples if triple is not best):
        confidence = min(confidence, 0.8)
    adjusting = next((amount.parts[1:] for amount in reckoned if amount.value == best.net.value), ())
    totals = Totals(
        net=_chosen(best.net, confidence),
        tax=_chosen(best.tax, confidence),
        gross=_chosen(best.gross, confidence),
        line_total=_first(candidates["line_total"], "line_total", 0.7),
        allowances=_sum_chosen([part for part in adjusting if part.claims("allowance")], confidence),
        charges=_sum_chosen([part for part in adjusting if part.claims("charge")], confidence),
        rates=rows_that_sum_up(rows, best.net, best.tax),
        ties=True,
    )
    return _with_payment(totals, candidates, best.gross.value)


def _rivals(triple: Triple, best: Triple) -> bool:
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
    if _likelihood(amount, role) == 0.0:
        return
    other = best.get(amount.value)
    if other is None or _likelihood(amount, role) >= _likelihood(other, role):
        best[amount.value] = amount


def _sum_chosen(amounts: Sequence[Amount], confidence: float) -> Chosen | None:
    return _chosen(sum_of(amounts, "allowance"), confidence) if amounts else None


def _likelihood(amount: Amount, role: str) -> float:
    """How likely an amount plays a role; 0 where the words on its line say that it is something else."""
    if role in amount.roles:
        return amount.roles[role]
    if not amount.money or max(amount.roles.values(), default=0.0) >= CLAIM:
        return 0.0
    return _UNLABELLED


def _triples(
    candidates: dict[str, dict[Decimal, Amount]], rates: set[Decimal], tax_sums: set[Decimal], exempt: bool
) -> list[Triple]:
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
            if no_tax and tax.roles.get("tax", 0.0) < HEADED and not (exempt or Decimal(0) in rates):
                continue
            by_rate = no_tax or any(abs(net.value * rate / 100 - difference) <= TOLERANCE for rate in rates if rate > 0)
            by_sum = difference in tax_sums
            if not (by_rate or by_sum) and tax.roles.get("tax", 0.0) < HEADED:
                continue  # three numbers that happen to add up
            score = _likelihood(gross, "gross") + _likelihood(net, "net") + _likelihood(tax, "tax")
            score += (0.5 if by_rate else 0.0) + (0.8 if by_sum else 0.0)
            triples.append(Triple(net, tax, gross, score, by_rate or by_sum))
    return sorted(triples, key=lambda triple: (triple.score, abs(triple.gross.value)), reverse=True)


def _confidence(triple: Triple) -> float:
    labelled = sum(
        _likelihood(amount, role) >= _LABELLED and not amount.parts
        for amount, role in ((triple.net, "net"), (triple.tax, "tax"), (triple.gross, "gross"))
    )
    if _likelihood(triple.gross, "gross") < 0.4:
        return 0.8 if triple.confirmed else 0.6
    if labelled == 3:
        return 0.99 if triple.confirmed else 0.96
    if labelled == 2:
        return 0.97 if triple.confirmed else 0.9
    return 0.9 if triple.confirmed else 0.75


def _untied(
    candidates: dict[str, dict[Decimal, Amount]],
    rates: set[Decimal],
    rows: Sequence[RateRow],
    sums: dict[str, list[Amount]],
    best: Triple | None,
    contradicting: dict[str, Amount],
) -> Totals:
    """What the labels alone say, where nothing ties or a label contradicts what does (`contradicting`).

    Never gives a net amount, tax and total that tie. A total without a net amount is given if a printed rate confirms
    it, or if nothing speaks against it.
    """
    gross = _first(candidates["gross"], "gross", 0.5)
    net = _first(candidates["net"], "net", 0.4)
    tax = _first(candidates["tax"], "tax", 0.4)
    if sums["tax"] and not (tax and tax.amount.roles["tax"] > _TAX_OF_ONE_RATE):
        tax = _chosen(sums["tax"][0], 0.4)
    if best and contradicting:
        named = {"net": best.net, "tax": best.tax, "gross": best.gross} | contradicting
        net, tax, gross = (_chosen(named[role], 0.3) for role in ("net", "tax", "gross"))
    if gross and net and gross.amount is net.amount:
        net = None
    if not contradicting and not sums["net"]:
        receipt = _receipt(candidates, rates)
        if receipt and (net is None or receipt[0].value == net.amount.value):
            gross, tax = (_chosen(amount, 0.93) for amount in receipt)
            return _with_payment(Totals(tax=tax, gross=gross, ties=True), candidates, gross.amount.value)
    if gross and net is None:
        net = _total_before(candidates["net"], gross.amount, tax.amount if tax else None)
    contradicts = bool(gross and net and (tax or net.amount.value != gross.amount.value))
    if gross and net is None and tax and any(rate > 0 for rate in rates) and tax.amount.value:
        # The tax is not that of the total by any rate that is printed: one of them is wrong.
        contradicts, gross = True, None
    if gross and net and tax and net.amount.value + tax.amount.value == gross.amount.value:
        gross = None
    if contradicts:
        gross, net, tax = (replace(chosen, confidence=0.3) if chosen else None for chosen in (gross, net, tax))
    line_total = _first(candidates["line_total"], "line_total", 0.4)
    totals = Totals(net=net, tax=tax, gross=gross, line_total=line_total, contradicts=contradicts)
    return _with_payment(totals, candidates, gross.amount.value if gross else None)


def _total_before(nets: dict[Decimal, Amount], gross: Amount, tax: Amount | None) -> Chosen | None:
    """The last amount that is called a total before the tax (or the total), where no other word says what it is."""
    before = (tax or gross).line
    totals = [
        amount
        for amount in nets.values()
        if amount.claims("gross") and amount.value != gross.value and amount.line < before
    ]
    if not totals or sum((amount.value for amount in totals), Decimal(0)) == gross.value:
        return None
    return _chosen(max(totals, key=lambda amount: amount.line), 0.3)


def _receipt(candidates: dict[str, dict[Decimal, Amount]], rates: set[Decimal]) -> tuple[Amount, Amount] | None:
    """Total and the tax in it, as on a till receipt without a net total: a printed rate confirms both. None where
    another amount is called a total, too."""
    totals = [gross for gross in candidates["gross"].values() if gross.claims("gross")]
    if len(totals) > 1:
        return None
    pairs = [
        (gross, tax)
        for gross in candidates["gross"].values()
        if _likelihood(gross, "gross") >= _LABELLED
        for tax in candidates["tax"].values()
        if _likelihood(tax, "tax") >= _LABELLED and tax.value != 0
        if any(abs(gross.value * rate / (100 + rate) - tax.value) <= _ROUNDING for rate in rates if rate > 0)
    ]
    return max(pairs, key=lambda pair: _likelihood(pair[0], "gross") + _likelihood(pair[1], "tax"), default=None)


def _first(candidates: dict[Decimal, Amount], role: str, confidence: float) -> Chosen | None:
    """The best labelled candidate; less sure where another value is as well labelled."""
    labelled = [amount for amount in candidates.values() if amount.roles.get(role, 0.0) >= 0.4 and not amount.parts]
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
