"""What the two readers make of the total together: the rules of `totals` and the ranker.

Where both find the same amount and something else on the paper bears it out, that is proof; each alone is not. Where
they find different ones, no total is sure. An amount that only the ranker finds is tried as the total: if net amount
and tax tie with it, arithmetic has proved it; else it is no more than a proposal. Net amount and tax become surer only
where a printed rate makes them of the total.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal

from invoice_pipelines.intake.documents.text_layer.page.labels import LabelledLines
from invoice_pipelines.intake.documents.text_layer.ranking.ranker import Model, load_model, rank
from invoice_pipelines.intake.documents.text_layer.totals.amounts import LEARNED, Amount, AmountLine
from invoice_pipelines.intake.documents.text_layer.totals.below import amount_below
from invoice_pipelines.intake.documents.text_layer.totals.receipts import (
    cash_of,
    is_doubtful,
    is_paid_otherwise,
    is_subtotal,
    payments_disagree,
    sum_of_articles,
)
from invoice_pipelines.intake.documents.text_layer.totals.totals import (
    Chosen,
    Totals,
    find_totals,
    names_net,
    with_table,
)
from invoice_pipelines.intake.documents.text_layer.totals.vat_table import usual_rates

_SURE = 0.95
_AGREED = 0.96
_POSSIBLE = 0.4  # from here on the ranker's amount is proposed where the rules have none
_LIKELY = 0.8  # from here on the ranker's amount counts
_CLEAR = 0.95  # and is enough beside arithmetic and a second print
_NAMED = 0.35  # from here on the rules' amount counts
_DISPUTED = 0.5
_DOUBTED = 0.8
_PROPOSED = 0.59  # of the likelihood, where the ranker is alone: no text becomes an invoice by that (see `prose`)
_BORNE_OUT = 0.85
_TOTAL = {"gross": 0.75}
_PRINTED = 12
_CENT = Decimal("0.01")
_OF_A_CENT = Decimal("0.015")  # of tax: how far it may be from what a rate makes it, and half a cent of rounding
_HIGHEST_TAX_SHARE = Decimal("0.35")


def find_agreed_totals(labelled: LabelledLines, lines: Sequence[AmountLine], model: Model | None = None) -> Totals:
    """The totals among the amounts of these lines, as both readers see them; with another model than that which is
    shipped, as that sees them."""
    totals = with_table(_agreed(labelled, lines, model), lines)
    return _settled(_tied(_followed(_doubted(labelled, totals, lines), lines), lines), lines)


def _followed(totals: Totals, lines: Sequence[AmountLine]) -> Totals:
    """Less sure of the total where the lines below it make another one of it, or of what is to be paid, where they
    leave less, and no words say so."""
    gross, payable = totals.gross, totals.payable
    if gross is None or gross.amount.roles.get("gross") == LEARNED:
        return totals
    below = amount_below(lines, gross.amount)
    if below is None or (payable and payable.amount.value == below.value):
        return totals
    if below.is_named("gross") or abs(below.value) > abs(gross.amount.value):
        return replace(totals, gross=gross.at_most(_DOUBTED))
    return replace(totals, payable=Chosen(below, _DISPUTED)) if payable is None and totals.prepaid is None else totals


def _doubted(labelled: LabelledLines, totals: Totals, lines: Sequence[AmountLine]) -> Totals:
    """Less sure where another amount, or what the articles make, is but some cents away from the total or from the net
    amount that follows from it: a contained tax fits both of them, so one may be the other with a digit misread. And
    where the total is but called a subtotal with taxes below, or is a net amount though there is a tax, or is what a
    rate makes the tax of, or what was paid is another amount; and where each amount may stand beside the words of the
    next line, and no rate proves the contrary."""
    net, tax, gross = totals.net, totals.tax, totals.gross
    rounded = totals.rounding is not None or totals.before_rounding is not None
    if gross is None or gross.amount.roles.get("gross") == LEARNED or rounded:
        return totals
    value, taken = gross.amount.value, tax.amount.value if tax else Decimal(0)
    expected = {value, value - taken}
    printed = Counter(value for line in lines for value in {amount.value for amount in line.amounts if amount.money})
    nearest = abs(value / taken) * _OF_A_CENT if taken else Decimal(0)
    beside = any(
        0 < abs(other - one) < nearest and printed[other] >= printed[one]
        for one in expected
        for other in set(printed) - expected
    )
    alone = [amounts[0] for line in lines if len(amounts := [one for one in line.amounts if one.money]) == 1]
    nets = {amount.value for amount in alone if amount.is_named("net") and not amount.is_named("gross")}
    untaxed = nets == {value} and any(amount.is_named("tax") and amount.value == taken for amount in alone)
    articles = sum_of_articles(lines, gross.amount)
    sums = {articles, articles + taken} if articles else {value}
    missed = value not in sums and any(abs(one - value) < nearest for one in sums)
    misread = missed or (beside and not expected <= set(printed))
    # With the words of the next line they would not tie: what stood as the tax would be the total.
    named = net and tax and names_net(net.amount) and tax.amount.is_named("tax") and gross.amount.is_named("gross")
    places = [chosen.amount.line for chosen in (net, tax, gross) if chosen]
    in_order = named and taken and totals.ties and places == sorted(set(places))
    if not (
        misread
        or (untaxed and taken)
        or is_subtotal(lines, value)
        or _is_base(lines, value, totals.ties)
        or (not totals.ties and is_paid_otherwise(lines, value))
        or payments_disagree(lines, value)
        or (not totals.rates and not in_order and _are_shifted(labelled, lines))
    ):
        return totals
    return replace(
        totals,
        gross=gross.at_most(_DOUBTED),
        net=net and net.at_most(_DOUBTED),
        tax=tax and tax.at_most(_DOUBTED),
    )


def _are_shifted(labelled: LabelledLines, lines: Sequence[AmountLine]) -> bool:
    """Whether an amount alone stands above a block of words with amounts, and below it words of an amount without one:
    so are lines of bent paper that were taken for each other."""
    with_money = {line.number for line in lines if any(amount.money for amount in line.amounts)}
    above = rows = 0
    for line in labelled.lines:
        named, alone = bool(labelled.amounts[line.number]), len(line.cells) == 1
        if line.number not in with_money:
            if above and rows and named and alone:
                return True
            above = rows = 0
        elif alone and not named:
            above, rows = 1, 0
        else:
            rows += 1
    return False


def _is_base(lines: Sequence[AmountLine], value: Decimal, ties: bool) -> bool:
    """Whether a printed rate of an amount is a printed tax to the cent, and the tax that the amount would contain is
    another one: so the tax is still to be added. Where nothing `ties`, an amount beside a rate is as good as a tax."""
    taxes = {
        abs(one.value)
        for line in lines
        for one in line.amounts
        if one.money and one.value and (one.is_named("tax") or (not ties and _is_beside_rate(one, line)))
    }
    rates = {rate for line in lines for rate in line.percentages if rate > 0}
    return any(
        abs(abs(value) * rate / 100 - tax) <= _CENT / 2 < abs(abs(value) * rate / (100 + rate) - tax)
        for rate in rates
        for tax in taxes
    )


def _is_beside_rate(amount: Amount, line: AmountLine) -> bool:
    """Whether a rate is printed on the line of an amount that is alone there: of words that no vocabulary has, it is
    still a tax or a charge."""
    return bool(line.percentages) and [one for one in line.amounts if one.money] == [amount]


def _tied(totals: Totals, lines: Sequence[AmountLine]) -> Totals:
    """Net amount and tax as sure as a sure total that they make, if both are printed, the tax under its name, and the
    net amount under its own or in a usual rate to it. One with charges and tips beside it is left out."""
    net, tax, gross = totals.net, totals.tax, totals.gross
    if gross is None or net is None or gross.confidence < _SURE:
        return totals
    rest = gross.amount.value - net.amount.value - (tax.amount.value if tax else 0)
    if rest:
        # Charges and tips were added to it, too.
        apart = _ends_block(lines, gross.amount) and net.confidence <= _DISPUTED
        return replace(totals, net=None, contradicts=False) if apart else totals
    if tax is None or not tax.amount.value or not tax.amount.is_named("tax") or net.amount.parts or tax.amount.parts:
        return totals
    apart = len({one.amount.line for one in (net, tax, gross)}) == 3
    printed = any(amount.value == net.amount.value for line in lines for amount in line.amounts if amount.money)
    usual = any(abs(net.amount.value * rate / 100 - tax.amount.value) <= _CENT for rate in usual_rates())
    if not (apart and printed and (names_net(net.amount) or usual)):
        return totals
    return replace(totals, net=net.at_least(gross.confidence), tax=tax.at_least(gross.confidence))


def _settled(totals: Totals, lines: Sequence[AmountLine]) -> Totals:
    """Where nothing is left to pay, all of the total was paid; not where a larger one is printed."""
    gross, payable = totals.gross, totals.payable
    if gross is None or payable is None:
        return totals
    if payable.amount.value == gross.amount.value:
        return replace(totals, payable=payable.at_least(gross.confidence))
    if payable.amount.value or not gross.amount.value:
        return totals
    named = [amount for line in lines for amount in line.amounts if amount.is_named("gross")]
    if any(abs(amount.value) > abs(gross.amount.value) for amount in named):
        return totals
    return replace(totals, prepaid=gross, payable=payable.at_least(gross.confidence))


def _agreed(labelled: LabelledLines, lines: Sequence[AmountLine], model: Model | None) -> Totals:
    exempt = labelled.named("exempt")
    totals = find_totals(lines, exempt)
    gross = totals.gross
    value, likelihood = next(iter(rank(labelled, lines, "gross", model or load_model()).items()), (Decimal(0), 0.0))
    shown = gross is not None and gross.amount.roles.get("gross") == LEARNED
    if not value or likelihood < (_LIKELY if gross else _POSSIBLE) or shown:
        return totals
    printed = [amount for line in lines for amount in line.amounts if amount.money and amount.value == value]
    clearest = max(printed, key=lambda amount: (amount.confidence, amount.line))
    evidence = set() if is_doubtful(lines, printed) else set(_evidence(lines, printed[-_PRINTED:]))
    proved = len(evidence) > 1 and likelihood >= _CLEAR
    # What bears an amount out says its digits a second time.
    agreed = Chosen(clearest, round(_AGREED * (1 - (1 - clearest.confidence) ** 2), 3))
    proposed = Chosen(clearest, round(_PROPOSED * likelihood * clearest.confidence, 3))
    if gross and gross.amount.value == value:
        if not evidence:
            return totals
        if not proved and gross.confidence < _NAMED:
            agreed = agreed.at_most(_BORNE_OUT)
        return _with_gross(totals, max(gross, agreed, key=lambda chosen: chosen.confidence))
    if gross and gross.confidence >= _SURE:
        return _with_gross(totals, gross.at_most(_DOUBTED)) if proved else totals
    tried = find_totals(_as_total(lines, value), exempt)
    if tried.gross and tried.gross.amount.value == value and tried.ties and not tried.contradicts:
        return (
            _proved(tried, agreed, "contained tax" in evidence)
            if proved and (gross is None or gross.confidence <= _DISPUTED)
            else tried
        )
    if gross is None:
        return replace(totals, gross=agreed if proved and evidence - {"again"} else proposed)
    if gross.confidence <= _DISPUTED or (gross.confidence <= _DOUBTED and likelihood >= _CLEAR):
        return replace(totals, gross=proposed, ties=False, contradicts=totals.contradicts or totals.ties)
    return totals if totals.ties else replace(totals, gross=gross.at_most(_DISPUTED))


def _proved(totals: Totals, agreed: Chosen, by_rate: bool) -> Totals:
    """Totals that tie, of which both readers' evidence proves the total, and a printed rate the tax in it."""
    gross = max(totals.gross, agreed, key=lambda chosen: chosen.confidence) if totals.gross else None
    net = totals.net.at_least(_AGREED) if by_rate and totals.net else totals.net
    tax = totals.tax.at_least(_AGREED) if by_rate and totals.tax else totals.tax
    return replace(totals, gross=gross, net=net, tax=tax)


def _evidence(lines: Sequence[AmountLine], printed: Sequence[Amount]) -> Iterator[str]:
    """What bears a total out, where `printed` are the amounts of its value: a digit that was misread in one place
    makes all of it fail."""
    sign = -1 if printed[0].value < 0 else 1
    value = sign * printed[0].value
    money = [amount for line in lines for amount in line.amounts if amount.money]
    values = {sign * amount.value for amount in money if sign * amount.value > 0}
    if len({amount.line for amount in printed}) > 1:
        yield "again"
    if any(sum_of_articles(lines, amount) == amount.value for amount in printed):
        yield "articles"
    if any(value - other in values for other in values if 0 < value - other < value * _HIGHEST_TAX_SHARE):
        yield "net and tax"
    named = {role: {sign * one.value for one in money if one.is_named(role)} for role in ("net", "line_total", "tax")}
    if len(named["tax"]) == 1 and value - max(named["tax"]) in (named["net"] | named["line_total"]) - {value}:
        yield "named net and tax"
    if any(_ends_block(lines, amount) for amount in printed):
        yield "block"
    rates = {rate for line in lines for rate in line.percentages if rate > 0}
    if any(abs(value * rate / (100 + rate) - other) <= _CENT for rate in rates for other in values):
        yield "contained tax"
    if any(given - back == value for given, back in cash_of(money) if back):
        yield "cash"


def _ends_block(lines: Sequence[AmountLine], total: Amount) -> bool:
    """Whether a total is the sum of what stands line by line above it, from what is called a subtotal on: with taxes,
    charges and tips."""
    added = Decimal(0)
    for line in reversed([line for line in lines if line.number < total.line]):
        money = [amount for amount in line.amounts if amount.money]
        if not money:
            continue
        if len(money) > 1 or money[0].page != total.page:
            return False
        added += money[0].value
        if money[0].is_named("line_total") or money[0].is_named("net"):
            return added == total.value != money[0].value
    return False


def _as_total(lines: Sequence[AmountLine], value: Decimal) -> list[AmountLine]:
    """The amounts, with those of this value named a total where no words name them more clearly."""

    def named(amount: Amount) -> Amount:
        if amount.value != value or not amount.money or amount.roles.get("gross", 0.0) >= _TOTAL["gross"]:
            return amount
        return replace(amount, roles=_TOTAL)

    return [replace(line, amounts=tuple(map(named, line.amounts))) for line in lines]


def _with_gross(totals: Totals, gross: Chosen) -> Totals:
    """The totals with this total, which is as sure as the amount to pay where it is the same."""
    payable = totals.payable
    if payable and payable.amount.value == gross.amount.value:
        payable = replace(payable, confidence=gross.confidence)
    return replace(totals, gross=gross, payable=payable)
