"""Holds the amounts of money on the pages and what each could be by the words beside or above it.

Only likelihoods come from here; which amount is the total is decided by arithmetic in `totals`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from invoice_pipelines.intake.readers.text_layer.labels import Label, LabelledLines
from invoice_pipelines.intake.readers.text_layer.layout import Cell, Line, enclosing
from invoice_pipelines.intake.readers.text_layer.notation import (
    AMOUNT,
    CURRENCIES,
    PERCENT,
    SYMBOLS,
    decimals,
    parse_amount,
    usual_decimal,
)
from invoice_pipelines.intake.readers.text_layer.words import Box, Word

# How far below its heading an entry of a column may stand, in points, and how many headings are remembered.
_FARTHEST_BELOW_HEADING = 260.0
_HEADINGS = 24


@dataclass(frozen=True, slots=True)
class Amount:
    """A number that may be money. `roles` maps net, tax, gross, payable, prepaid, line_total, allowance and charge
    to how likely it is that by the words around it, 0 to 1; `money` is True where it is written as money (two
    decimals or a currency) and not as a plain number. `summed` marks a sum of several printed amounts."""

    value: Decimal
    line: int
    page: int
    box: Box
    text: str
    roles: Mapping[str, float]
    money: bool
    confidence: float
    currency: str | None = None
    summed: bool = False


@dataclass(frozen=True, slots=True)
class AmountLine:
    """The amounts of one line and the percentages on it."""

    number: int
    amounts: tuple[Amount, ...]
    percentages: tuple[Decimal, ...]


@dataclass(frozen=True, slots=True)
class _Written:
    """A number on a line, before its roles are known."""

    value: Decimal
    box: Box
    text: str
    money: bool
    confidence: float
    currency: str | None


def find_amounts(labelled: LabelledLines) -> list[AmountLine]:
    """Every number that may be money, line by line, for lines that have one."""
    decimal = usual_decimal(
        match["number"] for line in labelled.lines for cell in line.cells for match in AMOUNT.finditer(cell.text)
    )
    headings: list[tuple[Box, Mapping[str, float]]] = []
    result = []
    page = 0
    for line in labelled.lines:
        if line.page != page:
            page, headings = line.page, []
        written = [number for cell in line.cells for number in _written(cell, decimal)]
        percentages = tuple(
            value
            for cell in line.cells
            for match in PERCENT.finditer(cell.text)
            if (value := parse_amount(match[1], ".")) is not None
        )
        if written:
            roles = _row_roles(labelled.amounts[line.number], written)
            amounts = tuple(
                Amount(
                    number.value,
                    line.number,
                    line.page,
                    number.box,
                    number.text,
                    row or _column_roles(number.box, headings),
                    number.money,
                    number.confidence,
                    number.currency,
                )
                for number, row in zip(written, roles, strict=True)
            )
            result.append(AmountLine(line.number, amounts, percentages))
        headings = (headings + _headings(line, labelled.amounts[line.number], written))[-_HEADINGS:]
    return result


def roles_of(kinds: Collection[str]) -> dict[str, float]:
    """What an amount is likely to be whose name is made of these kinds of words.

    >>> roles_of({"total", "including", "tax"})
    {'gross': 0.95}
    """
    if "other" in kinds or "cash_discount" in kinds:
        return {}
    if "payable" in kinds:
        return {"payable": 0.9, "gross": 0.5}
    for kind in ("prepaid", "allowance", "charge"):
        if kind in kinds:
            return {kind: 0.8}
    if "tax" in kinds and "contained" in kinds:
        return {"tax": 0.9}
    if "including" in kinds and ("total" in kinds or "gross" in kinds):
        return {"gross": 0.95}
    if "including" in kinds and "tax" in kinds:
        return {"tax": 0.6, "gross": 0.5}
    if "net" in kinds or ("excluding" in kinds and "tax" in kinds):
        return {"net": 0.95, "line_total": 0.3}
    if "gross" in kinds:
        return {"gross": 0.95}
    if "tax" in kinds:
        return {"tax": 0.95 if "total" in kinds else 0.9}
    if "subtotal" in kinds:
        return {"line_total": 0.9, "net": 0.5}
    if "total" in kinds:
        return {"gross": 0.75, "net": 0.3}
    return {}


def _written(cell: Cell, decimal: str | None) -> list[_Written]:
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
            _Written(
                value,
                enclosing(word.box for word in words),
                match.group().strip(),
                money,
                min(word.confidence for word in words),
                currency,
            )
        )
    return found


def _apart(words: Sequence[Word]) -> bool:
    return any(right.box[0] - left.box[2] > 0.42 * (left.box[3] - left.box[1]) for left, right in pairwise(words))


def _row_roles(labels: Sequence[Label], written: Sequence[_Written]) -> list[dict[str, float]]:
    """The roles of the numbers of a line by the words to the left of each, back to the amount before it."""
    roles: list[dict[str, float]] = []
    left = float("-inf")
    last_money = max((index for index, number in enumerate(written) if number.money), default=-1)
    first_kinds: set[str] = set()
    for index, number in enumerate(written):
        kinds = {label.kind for label in labels if left <= label.box[0] < number.box[0]}
        if not first_kinds:
            first_kinds = kinds
        if not kinds and index == last_money:
            # "plus 19 % VAT on 100.00   19.00": what begins the line names its last amount.
            kinds = first_kinds
        roles.append(roles_of(kinds))
        if number.money:
            left = number.box[0]
    if len(written) > 1 and last_money > 0 and not any(label.box[0] > written[0].box[0] for label in labels):
        for index in range(last_money):
            roles[index] = {role: value * 0.5 for role, value in roles[index].items()}
    return roles


def _headings(
    line: Line, labels: Sequence[Label], written: Sequence[_Written]
) -> list[tuple[Box, Mapping[str, float]]]:
    headings: list[tuple[Box, Mapping[str, float]]] = []
    for index, cell in enumerate(line.cells):
        kinds = {label.kind for label in labels if label.cell == index}
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
            return {role: value * 0.6 for role, value in roles.items()}
    return {}


def exempt(labelled: LabelledLines) -> bool:
    """Whether the document says that no tax is due."""
    return any(label.kind == "exempt" for labels in labelled.amounts for label in labels)
