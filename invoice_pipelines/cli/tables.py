"""How tables fit: into a terminal without breaking a word, and into pipes with one row a line.

In a narrow terminal cells are folded at spaces, and what still has no room in a row stands below it with its heading,
so that nothing is cut. Columns are declared by importance: the first ones keep their place. A word that is wider than
the terminal stays whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import compress, zip_longest

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.style import Style

GAP = "  "
INDENT = "    "
NARROWEST = 24
"""A text is not folded into a narrower column; it goes below the row instead."""
LONGEST_WORD = 32
"""A longer word, such as a file name, does not widen its column at the cost of others, unless all are as long; it goes
below its row."""
MOST_LINES = 3
"""A text that would need more lines goes below the row, too."""
ID_SHOWN = 8
"""Where ids have no room, so many of their last characters are shown; those of one hour begin alike."""


@dataclass(frozen=True, slots=True)
class Cell:
    """What stands in one row and column."""

    text: str
    style: str | Style = ""
    is_whole: bool = False
    """Whether it is never folded, such as a moment or an amount."""


@dataclass(slots=True)
class Column:
    """A column: `is_number` aligns it right, `is_id` allows to show the end of ids only where room is scarce."""

    heading: str
    is_number: bool = False
    is_whole: bool = False
    is_id: bool = False
    cells: list[Cell] = field(default_factory=list)

    def lines(self, cell: Cell, width: int) -> list[str]:
        """The lines of a cell in a column of a width."""
        return cell.text.split("\n") if self._keeps(cell) else wrapped(cell.text, width)

    def natural(self) -> int:
        """The width with which nothing is folded."""
        return max(_widest(self.heading.split("\n")), *(_widest(cell.text.split("\n")) for cell in self.cells), 0)

    def least(self) -> int:
        """The width that it needs to stay in the row."""
        longest = max((_widest(cell.text.split("\n")) for cell in self.cells), default=0)
        longest_words = [_widest(cell.text.split()) for cell in self.cells if cell.text and not self._keeps(cell)]
        words = min(max(longest_words, default=0), max(LONGEST_WORD, min(longest_words, default=0)))
        whole = max((_widest(cell.text.split("\n")) for cell in self.cells if self._keeps(cell)), default=0)
        folded = min(longest, max(words, NARROWEST, -(-longest // MOST_LINES)))
        return max(_widest(self.heading.split()), whole, folded if words else 0)

    def shortened(self) -> Column:
        """The same with the ends of its ids."""
        if not self.is_id:
            return self
        return Column(self.heading, cells=[Cell(cell.text[-ID_SHOWN:], cell.style, True) for cell in self.cells])

    def _keeps(self, cell: Cell) -> bool:
        return cell.is_whole or self.is_whole or self.is_number


@dataclass(slots=True)
class Grid:
    """A table that fits itself into what it is printed on."""

    title: str | None
    columns: list[Column]

    @property
    def row_count(self) -> int:
        return max((len(column.cells) for column in self.columns), default=0)

    def add(self, cells: Iterable[Cell]) -> None:
        """Adds a row; cells that are missing at its end are empty."""
        for column, cell in zip_longest(self.columns, cells, fillvalue=Cell("")):
            assert isinstance(column, Column), "more cells than columns"
            column.cells.append(cell)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if self.title is not None:
            yield from _line([(self.title, Style(italic=True))])
        yield from self._fitted(options.max_width) if console.is_terminal else self._rows_of_one_line()

    def _rows_of_one_line(self) -> Iterator[Segment]:
        columns = [
            Column(
                _flat(column.heading),
                column.is_number,
                is_whole=True,
                cells=[Cell(_flat(cell.text), cell.style) for cell in column.cells],
            )
            for column in self.columns
        ]
        yield from _rendered(columns, [column.natural() for column in columns], [])

    def _fitted(self, width: int) -> Iterator[Segment]:
        columns, natural = self.columns, [column.natural() for column in self.columns]
        if _total(natural) > width:
            columns = [column.shortened() for column in columns if any(cell.text for cell in column.cells)] or columns
            natural = [column.natural() for column in columns]
        if _total(natural) <= width:
            yield from _rendered(columns, natural, [])
            return
        least = [column.least() for column in columns]
        kept: list[int] = []
        for index, needed in enumerate(least):
            if not kept or not columns[index].heading or _total([*(least[each] for each in kept), needed]) <= width:
                kept.append(index)
        widths = [least[index] for index in kept]
        free = width - _total(widths)
        for place, index in sorted(enumerate(kept), key=lambda of: natural[of[1]] - least[of[1]]):
            more = max(0, min(natural[index] - least[index], free))
            widths[place] += more
            free -= more
        below = [column for index, column in enumerate(columns) if index not in kept]
        yield from _rendered([columns[index] for index in kept], widths, below, width)


def wrapped(text: str, width: int) -> list[str]:
    """The lines of a text, broken at spaces only: a word that is too long stays whole. Indented lines stay indented."""
    lines = []
    for paragraph in text.split("\n"):
        words = paragraph.lstrip(" ")
        indent = " " * (len(paragraph) - len(words))
        line = ""
        for word in words.split(" "):
            if line and len(indent) + cell_len(line) + 1 + cell_len(word) > width:
                lines.append(indent + line)
                line = word
            else:
                line = f"{line} {word}" if line else word
        lines.append(indent + line)
    return lines


def _rendered(
    columns: Sequence[Column], widths: Sequence[int], below: Sequence[Column], width: int = 0
) -> Iterator[Segment]:
    if any(column.heading for column in columns):
        bold = Style(bold=True)
        headings = [wrapped(column.heading, wide) for column, wide in zip(columns, widths, strict=True)]
        height = max(map(len, headings))
        level = [[""] * (height - len(heading)) + heading for heading in headings]
        yield from _row(columns, widths, level, [bold] * len(columns))
    for number in range(len(columns[0].cells)):
        cells = [column.cells[number] for column in columns]
        folded = [column.lines(cell, wide) for column, cell, wide in zip(columns, cells, widths, strict=True)]
        too_wide = [width > 0 and _widest(lines) > wide for lines, wide in zip(folded, widths, strict=True)]
        shown = [[""] if wide else lines for lines, wide in zip(folded, too_wide, strict=True)]
        yield from _row(columns, widths, shown, [_style(cell) for cell in cells])
        told = [*compress(columns, too_wide), *(column for column in below if column.cells[number].text)]
        for parts in _below([_labelled(column, column.cells[number]) for column in told], width):
            yield from _line(parts)


def _row(
    columns: Sequence[Column], widths: Sequence[int], cells: Sequence[Sequence[str]], styles: Sequence[Style]
) -> Iterator[Segment]:
    for texts in zip_longest(*cells, fillvalue=""):
        parts = []
        for column, wide, text, style in zip(columns, widths, texts, styles, strict=True):
            padding = " " * (wide - cell_len(text))
            parts += [(padding, Style()), (text, style)] if column.is_number else [(text, style), (padding, Style())]
            parts.append((GAP, Style()))
        yield from _line(parts)


def _below(told: Sequence[tuple[str, str, Style]], width: int) -> Iterator[list[tuple[str, Style]]]:
    """Headings and values below a row: as many on a line as fit, a long value on lines of its own."""
    line: list[tuple[str, Style]] = []
    used = 0
    for heading, text, style in told:
        long = cell_len(heading) + cell_len(text)
        if line and used + len(GAP) + long > width:
            yield line
            line, used = [], 0
        if len(INDENT) + long > width:
            for number, part in enumerate(wrapped(heading + text, width - len(INDENT + GAP))):
                yield [(INDENT + (GAP if number else ""), Style()), (part, style)]
            continue
        line += [(GAP if line else INDENT, Style()), (heading, Style(dim=True)), (text, style)]
        used += len(GAP if used else INDENT) + long
    if line:
        yield line


def _line(parts: Sequence[tuple[str, Style]]) -> Iterator[Segment]:
    parts = list(parts)
    while parts and not parts[-1][0].strip():
        parts.pop()
    if parts:
        parts[-1] = (parts[-1][0].rstrip(), parts[-1][1])
    yield from (Segment(text, style) for text, style in parts if text)
    yield Segment.line()


def _labelled(column: Column, cell: Cell) -> tuple[str, str, Style]:
    heading = _flat(column.heading)
    return (f"{heading}: " if heading else "", _flat(cell.text), _style(cell))


def _flat(text: str) -> str:
    return "; ".join(line for line in text.split("\n") if line)


def _style(cell: Cell) -> Style:
    return cell.style if isinstance(cell.style, Style) else Style.parse(cell.style or "none")


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(GAP) * max(0, len(widths) - 1)


def _widest(texts: Sequence[str]) -> int:
    return max(map(cell_len, texts), default=0)
