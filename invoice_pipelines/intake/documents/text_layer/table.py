"""Reads invoice lines from the line table: columns by their headings, rows by their net amounts.

Given only if the net amounts add up to a total of the document (EN 16931-1 BR-CO-10), as a table read in part would be
worse than none.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from invoice_pipelines.einvoice.model import Line as InvoiceLine
from invoice_pipelines.intake.documents.text_layer.page.labels import Label, LabelledLines
from invoice_pipelines.intake.documents.text_layer.page.layout import Cell, Line, enclosing, middle_of
from invoice_pipelines.intake.documents.text_layer.page.notation import parse_amount
from invoice_pipelines.intake.documents.text_layer.page.vocabulary import key
from invoice_pipelines.intake.documents.text_layer.page.words import Box

_NUMBER = re.compile(r"[-+−]?(?:€|\$|£|[A-Z]{3})? ?([-−]?\d[\d.,'’ ]*)(?:\s?(.*))?")
_TOTALS = {"net", "gross", "tax", "total", "subtotal", "payable", "including"}
_NUMERIC = {"quantity", "unit_price", "net_amount", "tax_rate", "position"}
_SAME_ROW = 1.3
_ROUNDING = Decimal("0.005")
_MOST_TEXTS = 20


@dataclass
class _Row:
    """A row of the table, by the line on which its net amount stands."""

    page: int
    boxes: list[Box]
    middle: float
    net_amount: Decimal
    texts: list[str] = field(default_factory=list)
    numbers: dict[str, tuple[Decimal, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FoundLine:
    """An invoice line, where it stands, and whether quantity x unit price is its net amount."""

    line: InvoiceLine
    page: int
    box: Box
    multiplies: bool


def find_lines(labelled: LabelledLines, totals: Sequence[Decimal], decimal: str | None) -> tuple[FoundLine, ...]:
    """The invoice lines, if their net amounts add up to one of `totals`; else nothing."""
    rows: list[_Row] = []
    for header, body in _tables(labelled):
        rows.extend(_rows(header, body, decimal))
    if not rows or sum((row.net_amount for row in rows), Decimal(0)) not in totals:
        return ()
    return tuple(_line(number, row) for number, row in enumerate(rows, start=1))


def _tables(labelled: LabelledLines) -> Iterator[tuple[dict[str, Box], list[Line]]]:
    """Headings and body of each table: a table goes on until the totals, the page ends, or another begins."""
    header: dict[str, Box] = {}
    body: list[Line] = []
    for line in labelled.lines:
        if header and body and line.page != body[0].page:
            yield header, body
            header, body = {}, []
        columns = _columns(labelled, line)
        if len(columns) >= 3:
            columns = _with_neighbours(labelled, line, columns)
        if len(columns) >= 3 and "net_amount" in columns and "description" in columns:
            if header and body:
                yield header, body
            header, body = columns, []
        elif any(label.kind == "carried" for label in labelled.amounts[line.number]):
            continue
        elif header and _begins_totals(labelled.amounts[line.number], line):
            yield header, body
            header, body = {}, []
        elif header:
            body.append(line)
    if header and body:
        yield header, body


def _columns(labelled: LabelledLines, line: Line) -> dict[str, Box]:
    """The headings on a line by kind, each heading in one role. Of several net amounts the last is meant."""
    columns: dict[str, Box] = {}
    for label in labelled.columns[line.number]:
        wanted = label.kind == "net_amount" or label.kind not in columns
        if wanted and label.box not in columns.values():
            columns[label.kind] = label.box
    return columns


def _with_neighbours(labelled: LabelledLines, line: Line, columns: dict[str, Box]) -> dict[str, Box]:
    """The headings with those that stand a little higher or lower, where some are set in several lines."""
    merged = dict(columns)
    for number in range(max(line.number - 3, 0), min(line.number + 4, len(labelled.lines))):
        other = labelled.lines[number]
        height = line.box[3] - line.box[1]
        if other.page == line.page and abs(middle_of(other.box) - middle_of(line.box)) < 1.8 * height:
            for kind, box in _columns(labelled, other).items():
                if all(box[0] > taken[2] or box[2] < taken[0] for taken in merged.values()):
                    merged.setdefault(kind, box)
    return merged


def _begins_totals(labels: Sequence[Label], line: Line) -> bool:
    return (
        any(label.kind in _TOTALS and label.first == 0 and label.cell == 0 for label in labels) and len(line.cells) <= 4
    )


def _rows(header: dict[str, Box], body: Sequence[Line], decimal: str | None) -> list[_Row]:
    """The rows of a table on one page, from top to bottom."""
    placed = [(cell, _column(cell, header)) for line in body for cell in line.cells]
    rows = []
    for cell, column in placed:
        number = _number(cell.text, decimal) if column == "net_amount" else None
        # After an amount a currency or the letter of a tax class may follow, else it is text.
        if number and len(number[1]) <= 3:
            rows.append(_Row(body[0].page, [cell.box], middle_of(cell.box), number[0]))
    if not rows:
        return []
    middles = [row.middle for row in rows]
    height = max(line.box[3] - line.box[1] for line in body)
    later: list[tuple[float, str]] = []
    for cell, column in placed:
        middle = middle_of(cell.box)
        index = bisect_left(middles, middle)
        near = min(rows[max(index - 1, 0) : index + 1], key=lambda row: abs(row.middle - middle))
        offset = abs(near.middle - middle)
        if column == "description":
            if offset < 0.45 * height:
                near.texts.append(cell.text)
                near.boxes.append(cell.box)
            else:
                later.append((middle, cell.text))
        elif column == "unit" and offset < _SAME_ROW * height:
            near.numbers.setdefault("unit", (Decimal(0), cell.text))
        elif offset < _SAME_ROW * height and (number := _number(cell.text, decimal)):
            near.numbers.setdefault(column, number)
            near.boxes.append(cell.box)
    named = [bool(row.texts) for row in rows]
    for middle, text in later:
        # Lines below a row go on describing it; a row whose amount stands half a line lower begins with its text.
        index = bisect_left(middles, middle)
        above = index < len(rows) and not named[index] and middles[index] - middle < _SAME_ROW * height
        owner = index if above else index - 1
        if owner >= 0 and len(rows[owner].texts) < _MOST_TEXTS:
            rows[owner].texts.append(text)
    return rows


def _column(cell: Cell, header: dict[str, Box]) -> str:
    """The column a cell belongs to: words by where they begin, numbers by what they stand under."""
    left, _, right, _ = cell.box

    def distance(box: Box) -> float:
        return max(box[0] - right, left - box[2], 0.0)

    if not any(character.isdigit() for character in cell.words[0].text):
        text_columns = {kind: box for kind, box in header.items() if kind not in _NUMERIC}
        kind = min(text_columns, key=lambda kind: abs(text_columns[kind][0] - left))
        if abs(text_columns[kind][0] - left) < 12 or len(cell.words) > 1:
            return kind
    overlaps = {kind: min(right, box[2]) - max(left, box[0]) for kind, box in header.items() if distance(box) == 0}
    if overlaps:
        return max(overlaps, key=lambda kind: overlaps[kind])
    return min(header, key=lambda kind: distance(header[kind]))


def _number(text: str, decimal: str | None) -> tuple[Decimal, str] | None:
    """The number that a cell begins with, and the rest of it: "3,00 m²"."""
    match = _NUMBER.fullmatch(text.strip())
    if match is None:
        return None
    value = parse_amount(match[1].strip(), decimal)
    if value is None:
        return None
    return (-value if text.strip()[0] in "-−" and value > 0 else value), (match[2] or "").strip()


def _line(number: int, row: _Row) -> FoundLine:
    quantity = row.numbers.get("quantity")
    unit = row.numbers.get("unit", (Decimal(0), ""))[1] or (quantity[1] if quantity else "")
    price = row.numbers.get("unit_price")
    rate = row.numbers.get("tax_rate")
    line = InvoiceLine(
        identifier=str(number),
        name=row.texts[0] if row.texts else None,
        description=" ".join(row.texts[1:]) or None,
        quantity=quantity[0] if quantity else None,
        unit=unit if key(unit) else None,
        unit_price=price[0] if price else None,
        net_amount=row.net_amount,
        tax_rate=rate[0] if rate and Decimal(0) <= rate[0] <= 30 else None,
    )
    multiplies = (
        quantity is not None
        and price is not None
        and abs(quantity[0] * price[0] - row.net_amount) <= _ROUNDING * max(abs(quantity[0]), Decimal(1))
    )
    return FoundLine(line, row.page, enclosing(row.boxes), multiplies)
