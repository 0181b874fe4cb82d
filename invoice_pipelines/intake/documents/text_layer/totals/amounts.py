"""The amounts of money on the pages and what each could be by the words beside or above it.

Only likelihoods come from here; which amount is the total is decided by arithmetic in `totals`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import pairwise, permutations

from invoice_pipelines.intake.documents.text_layer.page.labels import Label, LabelledLines, Place
from invoice_pipelines.intake.documents.text_layer.page.layout import Cell, Line, enclosing
from invoice_pipelines.intake.documents.text_layer.page.notation import (
    AMOUNT,
    CURRENCIES,
    PERCENT,
    SYMBOLS,
    decimals,
    parse_amount,
    usual_decimal,
)
from invoice_pipelines.intake.documents.text_layer.page.vocabulary import key
from invoice_pipelines.intake.documents.text_layer.page.words import Box, Word

# How far below its heading an entry of a column may stand, in points, and how many headings are remembered.
_FARTHEST_BELOW_HEADING = 260.0
_HEADINGS = 24

NAMED = 0.6
"""From this likelihood on, words on the amount's own line name it; a heading above a column weighs less."""

LEARNED = 0.98
"""The likelihood of what a person has shown an amount to be."""

_HEADED_SHARE = 0.6
_PLAIN_SHARE = 0.35
_TOLERANCE = Decimal("0.02")
_TAXES = {"tax", "regional_tax"}
_OF_TAX = {*_TAXES, "taxable"}
_BASE = {"base": 0.9, "net": 0.3}
_CENT = Decimal("0.01")
_ADDED = re.compile(r"(?i)\((?:zzgl|zuzüglich|plus)\b[^()]*(?:\)[^()]*)?$")
_RATE_TABLE: tuple[Mapping[str, float], ...] = ({"base": 0.9, "net": 0.5}, {"tax": 0.9}, {"gross": 0.35})
"""The total of a rate is that of the document where there is one rate only, which the line does not say."""


@dataclass(frozen=True, slots=True)
class Amount:
    """A number that may be money.

    `roles` maps what it may be to how likely that is by the words around it, 0 to 1: net, tax, gross, payable, prepaid,
    arrears (owed from before), line_total, allowance, charge, base (what a tax is reckoned on), contained (a tax in a
    price), carried (from page to page), rounding and rounded (what rounding for cash does to a total), tendered and
    change (what was handed over and given back), other. `money` is True where it is written as money (two decimals or a
    currency) and not as a plain number. `parts` are the printed amounts that a sum was made of.
    """

    value: Decimal
    line: int
    page: int
    box: Box
    text: str
    roles: Mapping[str, float]
    money: bool
    confidence: float
    currency: str | None = None
    parts: tuple[Amount, ...] = ()

    def is_named(self, role: str) -> bool:
        """Whether words on its own line, and not only a heading above, say that it is this."""
        return self.money and not self.parts and self.roles.get(role, 0.0) >= NAMED


@dataclass(frozen=True, slots=True)
class AmountLine:
    """The amounts of one line and the percentages on it. `regional_tax` is the name of a tax that may stand beside
    others on the same goods (GST and QST); None where there is none. `taxed` says that words of tax stand on the line
    or head its columns, with the `heading_rates` that stand there."""

    number: int
    amounts: tuple[Amount, ...]
    percentages: tuple[Decimal, ...]
    regional_tax: str | None = None
    taxed: bool = False
    heading_rates: tuple[Decimal, ...] = ()


def find_amounts(labelled: LabelledLines) -> list[AmountLine]:
    """Every number that may be money, line by line, for lines that have one."""
    decimal = usual_decimal(
        match["number"] for line in labelled.lines for cell in line.cells for match in AMOUNT.finditer(cell.text)
    )
    numbers = [[number for cell in line.cells for number in _written(line, cell, decimal)] for line in labelled.lines]
    # Beside amounts with decimals or a currency, a plain number is a count, such as the days in "Net 30".
    plain_share = _PLAIN_SHARE if any(number.money for written in numbers for number in written) else 1.0
    headings: list[tuple[Box, Mapping[str, float]]] = []
    result = []
    page = 0
    above: tuple[Decimal, ...] | None = None  # the rates in the heading of a table of tax; None where there is none
    for line, written in zip(labelled.lines, numbers, strict=True):
        if line.page != page:
            page, headings, above = line.page, [], None
        labels = [_as_added(label, line) for label in labelled.amounts[line.number]]
        percentages = tuple(
            value
            for cell in line.cells
            for match in PERCENT.finditer(cell.text)
            if (value := parse_amount(match[1], ".")) is not None
        )
        kinds = {label.kind for label in labels}
        money = any(number.money for number in written)
        if not money and kinds & _OF_TAX:
            above = tuple(percentages)
        elif not money and (kinds or len(line.words) > 2):
            above = None
        if written:
            amounts = []
            for number, row in zip(written, _row_roles(labels, written, percentages), strict=True):
                roles = row or _column_roles(number.box, headings)
                if not number.money:
                    roles = {role: value * plain_share for role, value in roles.items()}
                amounts.append(replace(number, roles=roles))
            result.append(
                AmountLine(
                    line.number,
                    tuple(amounts),
                    percentages,
                    _regional_tax(labelled, labels),
                    bool(kinds & _OF_TAX) or above is not None,
                    above or (),
                )
            )
        headings = (headings + _headings(line, labels, written))[-_HEADINGS:]
    return _with_rate_tables(result)


def _with_rate_tables(lines: Sequence[AmountLine]) -> list[AmountLine]:
    """The amounts of a table of rates, as receipts have it, with the roles that arithmetic gives them: "A 19,00% 8,06
    1,53 9,59" in any order of columns. Not where two lines have the same rate: those are articles."""
    tables = {line.number: _rate_table(line) for line in lines if line.percentages}
    rates = [table[0] for table in tables.values() if table]
    result = []
    for line in lines:
        table = tables.get(line.number)
        if table and rates.count(table[0]) == 1:
            roles = {id(amount): given for amount, given in zip(table[1], _RATE_TABLE, strict=True)}
            amounts = (replace(amount, roles=roles.get(id(amount), amount.roles)) for amount in line.amounts)
            line = replace(line, amounts=tuple(amounts))
        result.append(line)
    return result


def _rate_table(line: AmountLine) -> tuple[Decimal, tuple[Amount, Amount, Amount]] | None:
    """The rate of a line with what it is reckoned on, the tax, and their sum; None where there are no such amounts."""
    money = [amount for amount in line.amounts if amount.money][:6]
    for rate in line.percentages:
        for base, tax, total in permutations(money, 3):
            adds_up = base.value + tax.value == total.value and tax.value != 0
            if adds_up and abs(base.value * rate / 100 - tax.value) <= _CENT:
                return rate, (base, tax, total)
    return None


_ROLES_OF_FIELDS = {
    "net_amount": "net",
    "tax_amount": "tax",
    "gross_amount": "gross",
    "payable_amount": "payable",
    "prepaid_amount": "prepaid",
}


def with_learned(lines: Sequence[AmountLine], learned: Mapping[str, Place]) -> list[AmountLine]:
    """The amounts with the roles that people have shown them to have by their places. What other words name the same
    may still play the role, but says nothing against the amount that was shown."""
    shown = {role: learned[field] for field, role in _ROLES_OF_FIELDS.items() if field in learned}
    if not shown:
        return list(lines)
    chosen: dict[int, str] = {}
    for role, place in shown.items():
        box = enclosing(word.box for word in place.words)
        hits = [
            amount
            for line in lines
            if line.number == place.line
            for amount in line.amounts
            if amount.money and amount.box[0] < box[2] and amount.box[2] > box[0]
        ]
        if hits:
            chosen[id(hits[-1])] = role
    result = []
    for line in lines:
        amounts = []
        for amount in line.amounts:
            if id(amount) in chosen:
                amount = replace(amount, roles={chosen[id(amount)]: LEARNED})
            elif set(chosen.values()) & {role for role, value in amount.roles.items() if value >= NAMED}:
                amount = replace(
                    amount,
                    roles={
                        role: min(value, NAMED - 0.05) if role in chosen.values() else value
                        for role, value in amount.roles.items()
                    },
                )
            amounts.append(amount)
        result.append(replace(line, amounts=tuple(amounts)))
    return result


def _as_added(label: Label, line: Line) -> Label:
    """A tax that is but still to be added, in brackets: "Summe (zzgl. MwSt.)" is a net amount."""
    words = line.cells[label.cell].words[: label.last]
    if label.kind not in _TAXES or not _ADDED.search(" ".join(word.text for word in words)):
        return label
    return replace(label, meaning=replace(label.meaning, kind="excluding"))


def _regional_tax(labelled: LabelledLines, labels: Sequence[Label]) -> str | None:
    label = next((label for label in labels if label.kind == "regional_tax"), None)
    return key("".join(word.text for word in labelled.words_of(label))) if label else None


_TOTAL = frozenset({"total", "gross"})
_ROLES: tuple[tuple[Set[str], Set[str], Set[str], Mapping[str, float]], ...] = (
    # All of these kinds of words, any of these, none of these: what their amount is likely to be.
    ({"change"}, set(), set(), {"change": 0.8}),
    (set(), {"other", "cash_discount"}, set(), {"other": 0.5}),
    ({"carried"}, set(), set(), {"carried": 0.9}),
    ({"rounded"}, set(), set(), {"rounded": 0.9, "gross": 0.5, "payable": 0.5}),
    ({"rounding", "including"}, {"total", "payable"}, set(), {"rounded": 0.9, "gross": 0.5, "payable": 0.5}),
    ({"rounding"}, set(), set(), {"rounding": 0.8}),
    ({"tendered"}, set(), {*_TAXES, "net", "payable"}, {"tendered": 0.8}),
    ({"payable"}, set(), set(), {"payable": 0.9, "gross": 0.5}),
    ({"prepaid"}, set(), set(), {"prepaid": 0.8}),
    ({"arrears"}, set(), set(), {"arrears": 0.8, "other": 0.5}),
    ({"including"}, _TOTAL, set(), {"gross": 0.95}),
    ({"excluding", "allowance"}, {"total", "subtotal"}, set(), {"line_total": 0.6, "net": 0.3}),
    ({"excluding", "charge"}, {"total", "subtotal"}, set(), {"line_total": 0.6, "net": 0.3}),
    # What is included already changes no sum.
    ({"including"}, {"allowance", "charge"}, set(), {"other": 0.5}),
    ({"allowance"}, set(), set(), {"allowance": 0.8}),
    ({"charge"}, set(), set(), {"charge": 0.8}),
    ({"contained"}, _TAXES, set(), {"tax": 0.9, "contained": 0.9}),
    ({"including"}, _TAXES, set(), {"tax": 0.6, "gross": 0.5}),
    ({"taxable"}, set(), _TAXES, {"net": 0.55, "base": 0.5}),
    ({"net"}, set(), set(), {"net": 0.95, "line_total": 0.3}),
    ({"excluding"}, _TAXES, set(), {"net": 0.95, "line_total": 0.3}),
    ({"gross"}, set(), set(), {"gross": 0.95}),
    ({"excluding", "total"}, set(), set(), {"net": 0.8, "gross": 0.2}),
    ({"total"}, _TAXES, set(), {"tax": 0.95}),
    (set(), _TAXES, set(), {"tax": 0.9}),
    ({"subtotal"}, set(), set(), {"line_total": 0.9, "net": 0.5}),
    ({"total"}, set(), set(), {"gross": 0.75, "net": 0.3}),
)


def roles_of(kinds: Set[str]) -> Mapping[str, float]:
    """The likely roles of an amount that is named by these kinds of words.

    >>> roles_of({"total", "including", "tax"})
    {'gross': 0.95}
    """
    for wanted, some, unwanted, roles in _ROLES:
        if wanted <= kinds and (not some or some & kinds) and not unwanted & kinds:
            return roles
    return {}


def _written(line: Line, cell: Cell, decimal: str | None) -> list[Amount]:
    """The numbers of a cell, before their roles are known."""
    text = cell.text
    ends = []
    position = 0
    for word in cell.words:
        position += len(word.text)
        ends.append(position)
        position += 1
    found = []
    for match in AMOUNT.finditer(text):
        first = next(index for index, end in enumerate(ends) if end > match.start("number"))
        last = next(index for index, end in enumerate(ends) if end >= match.end("number"))
        number = match["number"]
        sign = match["sign"] or match["inner"] or match["minus"]
        if _apart(cell.words[first : last + 1]):
            # "3 100,00" is a quantity and a price if the gap is wide.
            number = cell.words[last].text[: match.end("number") - (ends[last] - len(cell.words[last].text))]
            first = last
            sign = match["minus"]
        value = parse_amount(number, decimal)
        if value is None:
            continue
        # Brackets are a minus sign to English bookkeepers only; German invoices put a contained tax into them.
        if (sign and sign.strip() != "+") or (match["open"] and match["close"] and decimal == "."):
            value = -value
        beside: str = match["after"] or match["before"] or ""
        currency = SYMBOLS.get(beside) or (beside if beside in CURRENCIES else None)
        # In a cell alone, "EUR" may stand in the next one; that is why two decimals are enough.
        money = decimals(number) == 2 or bool(match["dashes"]) or currency is not None
        words = cell.words[first : last + 1]
        found.append(
            Amount(
                value,
                line.number,
                line.page,
                enclosing(word.box for word in words),
                match.group().strip(),
                {},
                money,
                min(word.confidence for word in words),
                currency,
            )
        )
    return found


def _apart(words: Sequence[Word]) -> bool:
    return any(right.box[0] - left.box[2] > 0.42 * (left.box[3] - left.box[1]) for left, right in pairwise(words))


def _row_roles(
    labels: Sequence[Label], written: Sequence[Amount], rates: Sequence[Decimal]
) -> list[Mapping[str, float]]:
    """The roles of the numbers of a line by the words to the left of each, back to the amount before it."""
    roles: list[Mapping[str, float]] = []
    left = float("-inf")
    last_money = max((index for index, number in enumerate(written) if number.money), default=-1)
    first_kinds: set[str] = set()
    taxed: list[int] = []
    for index, number in enumerate(written):
        named = [label.kind for label in labels if left <= label.box[0] < number.box[0]]
        kinds = set(named) - {"base"}
        first_kinds = first_kinds or kinds
        if number.money and first_kinds & _TAXES and kinds <= _TAXES:
            taxed.append(index)
        if not kinds and index == last_money:
            # "plus 19 % VAT on 100.00   19.00": what begins the line names its last amount.
            kinds = first_kinds
        if "cash_discount" in first_kinds or ("prepaid" in first_kinds and not kinds & {"payable", "total", "gross"}):
            # "less deposit (net 50.00, VAT 9.50)": what such a line is made of are no totals of the invoice.
            kinds = first_kinds
        # "VAT 19 % on 100.00"
        on_base = bool(named) and named[-1] == "base" and bool(kinds & _TAXES)
        roles.append(_BASE if on_base and not kinds & {"including", "contained"} else roles_of(kinds))
        if number.money:
            left = number.box[0]
    if len(taxed) > 1 and "tax" in roles_of(first_kinds):
        return _tax_row(written, roles, taxed, rates)
    named_later = any(label.box[0] > written[0].box[0] for label in labels if label.kind != "base")
    if len(written) > 1 and last_money > 0 and not named_later:
        for index in range(last_money):
            roles[index] = {role: value * 0.5 for role, value in roles[index].items()}
    return roles


def _tax_row(
    written: Sequence[Amount], roles: Sequence[Mapping[str, float]], taxed: Sequence[int], rates: Sequence[Decimal]
) -> list[Mapping[str, float]]:
    """The roles on a line on which a word of tax is followed by several amounts, of which only one is the tax: that
    which the rate on the line confirms, else the last."""
    base, tax = next(
        (
            (base, tax)
            for tax in reversed(taxed[:12])
            for base in taxed[:12]
            for rate in rates
            if base != tax
            and written[base].value != 0
            and abs(written[base].value * rate / 100 - written[tax].value) <= _TOLERANCE
        ),
        (None, taxed[-1]),
    )
    result = list(roles)
    for index in range(len(written)):
        if index == tax:
            result[index] = {"tax": 0.9}
        elif index in taxed:
            halved = {role: value * 0.5 for role, value in roles[index].items() if roles[index] is not _BASE}
            result[index] = _BASE if index == base else (halved or _BASE) if base is None else {}
        elif not written[index].money:
            result[index] = {}
    return result


def _headings(line: Line, labels: Sequence[Label], written: Sequence[Amount]) -> list[tuple[Box, Mapping[str, float]]]:
    headings: list[tuple[Box, Mapping[str, float]]] = []
    for index, cell in enumerate(line.cells):
        kinds = {label.kind for label in labels if label.cell == index} - {"base"}
        holds_number = any(cell.box[0] <= number.box[0] < cell.box[2] for number in written)
        # A sentence that mentions a tax is no heading.
        if kinds and not holds_number and len(cell.words) <= 6:
            headings.append((cell.box, roles_of(kinds)))
    return headings


def _column_roles(box: Box, headings: Sequence[tuple[Box, Mapping[str, float]]]) -> dict[str, float]:
    """The roles by the nearest heading above that overlaps, which weigh less than words on the line itself."""
    for heading, roles in reversed(headings):
        if box[1] - heading[3] > _FARTHEST_BELOW_HEADING:
            return {}
        if box[0] < heading[2] + 4 and box[2] > heading[0] - 4:
            return {role: value * _HEADED_SHARE for role, value in roles.items()}
    return {}
