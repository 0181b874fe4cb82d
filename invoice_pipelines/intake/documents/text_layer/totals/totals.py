"""Tells the totals from all other amounts: labels propose, arithmetic selects.

Net + tax = gross (EN 16931-1 BR-CO-15), rate x net = tax (BR-S-09), and the taxes of all rates add up to the tax
(BR-CO-14). What does not tie is never given with high confidence. Only the few best candidates for each total are
combined, so that the cost does not grow with the number of amounts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from invoice_pipelines.intake.documents.text_layer.totals.amounts import LEARNED, NAMED, Amount, AmountLine
from invoice_pipelines.intake.documents.text_layer.totals.named_amounts import NamedAmounts, Triple
from invoice_pipelines.intake.documents.text_layer.totals.rates import (
    HEADED,
    TOLERANCE,
    RateRow,
    base_sums,
    rate_rows,
    rows_that_sum_up,
    sum_of,
    tax_rates,
    tax_sums,
)
from invoice_pipelines.intake.documents.text_layer.totals.receipts import (
    Paid,
    find_paid,
    find_rounding,
    is_doubtful,
)
from invoice_pipelines.intake.documents.text_layer.totals.vat_table import Explanation, explain

_CANDIDATES = 40
_CHECKED = 40  # so many of the triples that tie are compared with what else is printed
_UNLABELLED = 0.05
_HIGHEST_TAX_SHARE = Decimal("0.35")
_LABELLED = 0.5
_TAX_OF_ONE_RATE = 0.9
_ROUNDING = Decimal("0.01")
_FINAL = ("rounded", "gross", "payable")
_SURE_PAID = 0.95
_SURE_NET = 0.8
_UNPROVED = 0.85
_PROVED = 0.96
_SURE = 0.95


@dataclass(frozen=True, slots=True)
class Chosen:
    """An amount that was chosen for a total, and how sure that is."""

    amount: Amount
    confidence: float

    def at_least(self, confidence: float) -> Chosen:
        """So sure, as far as the amount was read surely."""
        return max(self, _chosen(self.amount, confidence), key=lambda chosen: chosen.confidence)

    def at_most(self, confidence: float) -> Chosen:
        return replace(self, confidence=min(self.confidence, confidence))


@dataclass(frozen=True, slots=True)
class Totals:
    """The totals that were found; None where nothing is convincing.

    `ties` says that net + tax = gross, `contradicts` that what is printed says otherwise. `allowances` and `charges`
    are those between the sum of lines and net; an allowance is negative. `rounding` is what was added to the total to
    make it payable, `before_rounding` the total of a receipt whose `gross` is what was paid in cash.
    """

    net: Chosen | None = None
    tax: Chosen | None = None
    gross: Chosen | None = None
    payable: Chosen | None = None
    prepaid: Chosen | None = None
    line_total: Chosen | None = None
    allowances: Chosen | None = None
    charges: Chosen | None = None
    rounding: Decimal | None = None
    before_rounding: Decimal | None = None
    rates: tuple[RateRow, ...] = ()
    ties: bool = False
    contradicts: bool = False


def find_totals(lines: Sequence[AmountLine], exempt: bool) -> Totals:
    """The totals among all amounts. `exempt` says that the document names a reason for there being no tax.

    Where a receipt says what was paid, that is the total; where it was rounded for cash, it has no net amount, as net
    and tax make another total.
    """
    return with_table(_found_totals(lines, exempt), lines)


def with_table(totals: Totals, lines: Sequence[AmountLine]) -> Totals:
    """With the net amount and the tax that the lines of tax make of the total, where nothing contradicts them."""
    gross = totals.gross
    if gross is None or totals.before_rounding is not None or gross.amount.roles.get("gross") == LEARNED:
        return totals
    found = explain(lines, gross.amount.value)
    if found is None:
        return totals
    rest = _without_table(lines, found)
    amounts = [amount for line in rest for amount in line.amounts if amount.money or amount.roles]
    net, tax = _net_of(found, amounts, gross.amount), found.tax
    apart = [amount for amount in amounts if amount.money and amount.value == gross.amount.value]
    if apart and is_doubtful(rest, apart):
        return totals
    proved = found.named and found.printed and bool(apart)
    sure = 0.5
    if proved or (found.fitted and apart and gross.confidence >= _SURE):
        sure = _PROVED
    elif found.named and apart:
        sure = min(gross.confidence, _PROVED)
    same = totals.ties and totals.net and totals.tax and totals.tax.amount.value == tax.value
    if totals.net and totals.tax and same:
        net, tax = totals.net.amount, totals.tax.amount
    elif _denied(found, net, gross.amount, amounts):
        return totals
    return replace(
        totals,
        net=_borne_out(net, sure, totals.net if same else None),
        tax=_borne_out(tax, sure, totals.tax if same else None),
        gross=_borne_out(gross.amount, sure, gross) if proved else gross,
        rates=(same and totals.rates) or found.rows,
        ties=totals.ties or found.printed,
        contradicts=False,
    )


def _denied(found: Explanation, net: Amount, gross: Amount, amounts: Sequence[Amount]) -> bool:
    """Whether what else is printed says otherwise than lines of tax."""
    named = {amount.value for amount in amounts if names_net(amount)}
    if sum(named) == net.value:  # one for each rate
        named = set()
    taxed = {amount.value for amount in amounts if amount.is_named("tax") and "contained" not in amount.roles}
    parts = {value for row in found.rows for value in (row.tax.value, row.base.value if row.base else net.value)}
    known = {net.value, found.tax.value, gross.value, Decimal(0)} | parts
    against = NamedAmounts(amounts).against(Triple(net, found.tax, gross, 0.0, confirmed=True))
    return bool((named | taxed) - known or against)


def _borne_out(amount: Amount, confidence: float, before: Chosen | None) -> Chosen:
    """What arithmetic bears out has its digits said three times: by the amount, the rate and the sum."""
    sure = Chosen(amount, round(confidence * (1 - (1 - amount.confidence) ** 3), 3))
    return max(before, sure, key=lambda chosen: chosen.confidence) if before else sure


def _net_of(found: Explanation, amounts: Sequence[Amount], gross: Amount) -> Amount:
    """The net amount of an explanation as it is printed, else as it is reckoned."""
    printed = [amount for amount in amounts if amount.value == found.net.value and names_net(amount)]
    if printed or found.net.parts != found.tax.parts:
        return printed[-1] if printed else found.net
    return replace(found.net, text=f"{gross.text} - {found.tax.text}", line=gross.line, page=gross.page, box=gross.box)


def _without_table(lines: Sequence[AmountLine], found: Explanation) -> list[AmountLine]:
    """The lines but for those that explain the total; what they add up to is no tax on another line."""
    explained = {row.tax.line for row in found.rows}
    repeated = {row.base.value + row.tax.value for row in found.rows if row.base} | {found.net.value}

    def unnamed(amount: Amount) -> Amount:
        return replace(amount, roles={}) if amount.value in repeated and amount.is_named("tax") else amount

    return [replace(line, amounts=tuple(map(unnamed, line.amounts))) for line in lines if line.number not in explained]


def _found_totals(lines: Sequence[AmountLine], exempt: bool) -> Totals:
    totals = _printed_totals(lines, exempt)
    if paid := find_paid(lines):
        return _with_paid(totals, paid)
    rounding = find_rounding(lines)
    if rounding and totals.gross and totals.gross.amount.value == rounding[1].value:
        after, _, differs = rounding
        confidence = totals.gross.confidence
        return replace(totals, payable=Chosen(after, confidence), rounding=differs)
    if totals.gross and any(amount.is_named("rounding") and amount.value for line in lines for amount in line.amounts):
        # Something was rounded, and it does not come out.
        return replace(totals, gross=totals.gross.at_most(_UNPROVED))
    return _without_net(totals, lines)


def _with_paid(totals: Totals, paid: Paid) -> Totals:
    """The totals of a receipt, given what was paid."""
    sure = 0.97 if paid.named else _UNPROVED
    gross = totals.gross
    if totals.ties and gross and gross.amount.value == paid.total.value:
        return replace(totals, gross=gross.at_least(sure))
    if totals.ties and gross:
        if paid.unrounded is None or gross.amount.value != paid.unrounded.value:
            sure = _UNPROVED  # net and tax make a total that was not paid
    elif totals.net and totals.tax and totals.net.amount.is_named("net") and totals.net.amount.roles["net"] > _SURE_NET:
        sure = _UNPROVED  # and so do what the words call a net amount and its tax
    total = _chosen(paid.total, sure)
    tax = totals.tax
    if tax:
        tax = tax.at_most(sure if paid.unrounded and sure >= _SURE_PAID else 0.4)
    before = paid.unrounded.value if paid.unrounded else None
    return Totals(tax=tax, gross=total, payable=total, before_rounding=before, ties=totals.ties and sure >= _SURE_PAID)


def _without_net(totals: Totals, lines: Sequence[AmountLine]) -> Totals:
    """A total that stands alone and is just named."""
    gross = totals.gross
    if gross and totals.net is None and not totals.contradicts and gross.amount.roles.get("gross") == LEARNED:
        return replace(totals, gross=replace(gross, confidence=max(gross.confidence, _SURE_PAID)))
    if totals.net and gross and (totals.tax or totals.net.amount.value != gross.amount.value):
        return totals
    if gross is None or gross.confidence < 0.4 or totals.contradicts:
        return totals
    amounts = [amount for line in lines for amount in line.amounts]
    values = {amount.value for amount in amounts if any(map(amount.is_named, _FINAL))}
    taxed = any(amount.is_named("tax") and "contained" not in amount.roles for amount in amounts)
    unnamed = [amount for amount in amounts if amount.money and max(amount.roles.values(), default=0.0) < NAMED]
    if any(abs(amount.value) > abs(gross.amount.value) and amount.line > gross.amount.line for amount in unnamed):
        return replace(totals, gross=gross.at_most(_UNPROVED))
    if len(values) == 1 and not taxed:
        gross = gross.at_least(0.8)
    return replace(totals, gross=gross)


def _printed_totals(lines: Sequence[AmountLine], exempt: bool) -> Totals:
    """The totals that words and arithmetic give.

    Totals that tie are taken only where no amount is printed under a name that contradicts them. Else the named
    amounts are given as they are, so that validation finds that they do not tie.
    """
    rows = rate_rows(lines)
    amounts = [amount for line in lines for amount in line.amounts if amount.money or amount.roles]
    rates = tax_rates(lines, rows)
    roles = ("net", "tax", "gross", "payable", "prepaid", "arrears", "line_total")
    candidates = {role: _best(amounts, role) for role in roles}
    if len(rows) > 1:
        # The base of one of several rates is not the net amount.
        candidates["net"] = {value: net for value, net in candidates["net"].items() if "base" not in net.roles}
    named_amounts = NamedAmounts(amounts)
    reckoned = named_amounts.reckoned_nets()
    sums = {"tax": tax_sums(lines, rows), "net": [*base_sums(rows), *reckoned]}
    for role, computed in sums.items():
        for amount in computed:
            printed = candidates[role].get(amount.value)
            if printed is None or _likelihood(printed, role) < _LABELLED:
                candidates[role][amount.value] = amount
    triples = _triples(candidates, rates, {amount.value for amount in sums["tax"]}, exempt)[:_CHECKED]
    borne_out = [triple for triple in triples if not named_amounts.against(triple)]
    if not borne_out:
        contradicting = named_amounts.against(triples[0]) if triples else {}
        return _untied(candidates, rates, rows, sums, triples[0] if triples else None, contradicting)
    best = borne_out[0]
    confidence = _confidence(best)
    if any(_rivals(triple, best) for triple in triples if triple is not best):
        confidence = min(confidence, 0.8)
    parts = next((amount.parts[1:] for amount in reckoned if amount.value == best.net.value), ())
    adjusting = {role: [part for part in parts if part.is_named(role)] for role in ("allowance", "charge")}
    adjusted = {role: _chosen(sum_of(of, role), confidence) if of else None for role, of in adjusting.items()}
    totals = Totals(
        net=_chosen(best.net, confidence),
        tax=_chosen(best.tax, confidence),
        gross=_chosen(best.gross, confidence),
        line_total=_first(candidates["line_total"], "line_total", 0.7),
        allowances=adjusted["allowance"],
        charges=adjusted["charge"],
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
        likelihood = _likelihood(amount, role)
        if likelihood and (amount.value not in best or likelihood >= _likelihood(best[amount.value], role)):
            best[amount.value] = amount
    # Of equals, the later one: totals stand at the end.
    ranked = sorted(best.values(), key=lambda amount: (_likelihood(amount, role), amount.line), reverse=True)
    # Net and gross are combined with each other; the others are only looked up by their value, so all may stay.
    kept = ranked[:_CANDIDATES] if role in ("net", "gross") else ranked
    return {amount.value: amount for amount in kept}


def _likelihood(amount: Amount, role: str) -> float:
    """How likely an amount plays a role; 0 where the words on its line say that it is something else."""
    if role in amount.roles:
        return amount.roles[role]
    if not amount.money or max(amount.roles.values(), default=0.0) >= NAMED:
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
            by_rate = any(abs(net.value * rate / 100 - difference) <= TOLERANCE for rate in rates if rate > 0)
            by_sum = difference in tax_sums
            if not (by_rate or by_sum or no_tax) and tax.roles.get("tax", 0.0) < HEADED:
                continue  # three numbers that happen to add up
            score = _likelihood(gross, "gross") + _likelihood(net, "net") + _likelihood(tax, "tax")
            score += (0.5 if by_rate or no_tax else 0.0) + (0.8 if by_sum else 0.0)
            twice = _named_apart(net, gross) and (exempt or tax.is_named("tax"))
            confirmed = twice if no_tax else by_rate or by_sum
            triples.append(Triple(net, tax, gross, score, confirmed))
    return sorted(triples, key=lambda triple: (triple.score, abs(triple.gross.value)), reverse=True)


def _named_apart(net: Amount, gross: Amount) -> bool:
    """Whether equal amounts are printed twice, each with words of its own that call it net and total. That nothing is
    added to one amount to make it the same amount proves nothing."""
    apart = net is not gross and (net.line, net.box) != (gross.line, gross.box)
    return apart and names_net(net) and gross.is_named("gross")


def names_net(amount: Amount) -> bool:
    return amount.is_named("net") or amount.is_named("line_total")


def _confidence(triple: Triple) -> float:
    if triple.net.value == triple.gross.value and not triple.confirmed:
        return _UNPROVED
    labelled = sum(
        _likelihood(amount, role) >= _LABELLED and not amount.parts
        for amount, role in ((triple.net, "net"), (triple.tax, "tax"), (triple.gross, "gross"))
    )
    if _likelihood(triple.gross, "gross") < 0.4:
        return 0.8 if triple.confirmed else 0.6
    confirmed, alone = {3: (0.99, 0.96), 2: (0.97, 0.9)}.get(labelled, (0.9, 0.75))
    return confirmed if triple.confirmed else alone


def _untied(
    candidates: dict[str, dict[Decimal, Amount]],
    rates: set[Decimal],
    rows: Sequence[RateRow],
    sums: dict[str, list[Amount]],
    best: Triple | None,
    contradicting: dict[str, Amount],
) -> Totals:
    """The totals by their labels alone, if nothing ties or a label contradicts what ties (`contradicting`).

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
        # The tax is not that of the total by any rate that is printed: one of them is wrong, or not all is taxed.
        contradicts = True
    if gross and net and tax and net.amount.value + tax.amount.value == gross.amount.value:
        net, contradicts = None, True
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
        if amount.is_named("gross") and amount.value != gross.value and amount.line < before
    ]
    if not totals or sum((amount.value for amount in totals), Decimal(0)) == gross.value:
        return None
    return _chosen(max(totals, key=lambda amount: amount.line), 0.3)


def _receipt(candidates: dict[str, dict[Decimal, Amount]], rates: set[Decimal]) -> tuple[Amount, Amount] | None:
    """Total and the tax in it, as on a till receipt without a net total: a printed rate confirms both. None where
    another amount is called a total, too."""
    totals = [gross for gross in candidates["gross"].values() if gross.is_named("gross")]
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
    """Adds what is still to be paid and what has been: payable = gross - prepaid (BR-CO-16), where what is owed from
    before counts below zero."""
    payable = _first(candidates["payable"], "payable", 0.5)
    prepaid = _first(candidates["prepaid"], "prepaid", 0.4)
    if payable and totals.gross and gross is not None:
        sure = totals.gross.confidence
        paid = gross - payable.amount.value
        printed = candidates["prepaid"].get(paid) or candidates["prepaid"].get(-paid)
        owed = [one for one in candidates["arrears"].values() if abs(one.value) == -paid and one.is_named("arrears")]
        if paid == 0:
            payable = replace(payable, confidence=sure)
        elif owed:
            payable, prepaid = replace(payable, confidence=sure), _chosen(replace(owed[0], value=paid), sure)
        elif printed and prepaid:
            payable, prepaid = replace(payable, confidence=sure), _chosen(printed, sure)
        else:
            prepaid = None
    return replace(totals, payable=payable, prepaid=prepaid)
