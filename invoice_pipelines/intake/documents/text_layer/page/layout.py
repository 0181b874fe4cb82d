"""How the words of a page stand together: lines, and the cells that wide gaps divide a line into.

Only geometry; no word is understood here. Sorting is the dearest step, so a page costs n log n of its words.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from invoice_pipelines.intake.documents.text_layer.page.bends import falls
from invoice_pipelines.intake.documents.text_layer.page.words import Box, Page, Word

# As a share of the height of the letters: a wider gap than this divides columns, a narrower one divides words.
_CELL_GAP = 0.9
# In the same measure: how far words may stand apart that tell how a page bends, and how level they are in one row.
_NEAR = 6.0
_LEVEL, _NEARLY_LEVEL = 0.45, 0.85
# How far a page falls where it is bent, and what share of its rows may nearly go on in another.
_BENT = 0.35
_MOST_MISSED = 0.15
# No printed line has more words. Longer ones are cut, so that what costs their square stays small.
_MOST_WORDS = 200
_JOINED = re.compile(r"([^\W\d_][^:]*:)(?!(?<=\d:)\d)([^:/\s][^:]*)")


@dataclass(frozen=True, slots=True)
class Cell:
    """Words of one line that stand close together: a label, a value, an entry of a table."""

    words: tuple[Word, ...]
    box: Box

    @property
    def text(self) -> str:
        return " ".join(word.text for word in self.words)


@dataclass(frozen=True, slots=True)
class Line:
    """The words at one height of a page, in cells from left to right. `number` counts from 0 in the document."""

    number: int
    page: int
    cells: tuple[Cell, ...]
    box: Box

    @property
    def words(self) -> tuple[Word, ...]:
        return tuple(word for cell in self.cells for word in cell.words)

    @property
    def text(self) -> str:
        return "  ".join(cell.text for cell in self.cells)


def read_lines(pages: Sequence[Page]) -> list[Line]:
    """The lines of all pages, from the top of the first to the bottom of the last."""
    lines: list[Line] = []
    for page in pages:
        for words in _flattened(page.words).rows if page.engine and page.words else _rows(page.words):
            cells = tuple(_cells([part for word in words for part in _split(word)]))
            lines.append(Line(len(lines), page.number, cells, enclosing(cell.box for cell in cells)))
    return lines


def enclosing(boxes: Iterable[Box]) -> Box:
    """The smallest box around some boxes (at least one)."""
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    return (min(lefts), min(tops), max(rights), max(bottoms))


def middle_of(box: Box) -> float:
    """How far down the middle of a box is."""
    return (box[1] + box[3]) / 2


def _split(word: Word) -> tuple[Word, ...]:
    """A label and its value where nothing but a colon divides them ("Datum:05.06.2018"); not times and addresses."""
    match = _JOINED.fullmatch(word.text)
    return word.cut(len(match[1])) if match else (word,)


def _rows(words: Sequence[Word]) -> list[list[Word]]:
    """Words grouped by height, each group from left to right."""
    rows: list[list[Word]] = []
    middle = height = 0.0
    for word in sorted(words, key=lambda word: (word.box[1] + word.box[3], word.box[0])):
        word_middle = middle_of(word.box)
        word_height = max(word.box[3] - word.box[1], 1.0)
        if rows and word_middle - middle <= _LEVEL * min(height, word_height):
            rows[-1].append(word)
            # The middle moves with the words, for lines that climb a little in a scan.
            middle += (word_middle - middle) / len(rows[-1])
        else:
            rows.append([word])
            middle, height = word_middle, word_height
    for row in rows:
        row.sort(key=lambda word: word.box[0])
    return [row[start : start + _MOST_WORDS] for row in rows for start in range(0, len(row), _MOST_WORDS)]


def is_bent(page: Page) -> bool:
    """Whether a recognized page is so bent, or so many of its words stand between two rows, that what belongs to one
    row may have been taken for that of another."""
    if not page.engine or not page.words:
        return False
    flat = _flattened(page.words)
    return flat.spread > _BENT * flat.height or flat.missed > _MOST_MISSED * len(flat.rows)


@dataclass(frozen=True, slots=True)
class _Flat:
    """The rows of a page as if its paper were flat, with the height of a usual letter. `spread` is how far the paper
    falls, and `missed` counts the rows that begin where another one nearly goes on."""

    rows: list[list[Word]]
    missed: int
    spread: float
    height: float


def _flattened(words: Sequence[Word]) -> _Flat:
    """Words in rows: those of a scan may climb or bend by more than their distance across the page. Where they do is
    learned from words that stand close together, and once more from the rows that come of it."""
    height = max(median(word.box[3] - word.box[1] for word in words), 1.0)
    words = sorted(words, key=lambda word: word.box[0])
    fallen = [0.0] * len(words)
    for farthest in (_CELL_GAP, _NEAR):
        fallen = falls(words, _joined(words, fallen, height, farthest)[0], height)
    rows, missed = _joined(words, fallen, height, farthest=math.inf)
    rows.sort(key=lambda row: sum(word.box[1] + word.box[3] for word in row) / len(row))
    return _Flat(rows, missed, max(fallen) - min(fallen), height)


def _joined(
    words: Sequence[Word], fallen: Sequence[float], height: float, farthest: float
) -> tuple[list[list[Word]], int]:
    """Words from left to right, each joined to the row whose last word before it is level with it, but for how far the
    page falls between them, and no more than `farthest` heights away; and how many rows nearly went on in another."""
    rows: list[list[Word]] = []
    missed = 0
    # Rows by the height at which they end, so that a word looks at its neighbours only.
    ends: dict[int, list[tuple[float, list[Word]]]] = defaultdict(list)
    for word, fall in zip(words, fallen, strict=True):
        middle = middle_of(word.box) - fall
        place = int(middle // height)
        best: tuple[float, list[Word]] | None = None
        least = nearest = math.inf
        for number in range(place - 1, place + 2):
            for end in ends[number]:
                last = end[1][-1]
                lower = max(min(word.box[3] - word.box[1], last.box[3] - last.box[1]), 1.0)
                off = abs(end[0] - middle)
                if not last.box[0] < word.box[0] <= last.box[2] + farthest * height:
                    continue
                if word.box[0] > last.box[2]:
                    nearest = min(nearest, off / lower)
                if off <= _LEVEL * lower and off < least:
                    best, least = end, off
        row: list[Word] = []
        if best is None or len(best[1]) >= _MOST_WORDS:
            rows.append(row)
            missed += best is None and nearest < _NEARLY_LEVEL
        else:
            row = best[1]
            ends[int(best[0] // height)].remove(best)
        row.append(word)
        ends[place].append((middle, row))
    return rows, missed


def _cells(words: Sequence[Word]) -> list[Cell]:
    groups: list[list[Word]] = []
    for word in words:
        if groups:
            last = groups[-1][-1]
            height = max(min(last.box[3] - last.box[1], word.box[3] - word.box[1]), 1.0)
            if word.box[0] - last.box[2] <= _CELL_GAP * height:
                groups[-1].append(word)
                continue
        groups.append([word])
    return [Cell(tuple(group), enclosing(word.box for word in group)) for group in map(_unspaced, groups)]


def _unspaced(words: list[Word]) -> list[Word]:
    """One word where a title is set with wide letter spacing ("R E C H N U N G")."""
    if len(words) < 5 or any(len(word.text) > 1 or not (word.text.isalpha() or word.text == "-") for word in words):
        return words
    return [
        Word(
            "".join(word.text for word in words),
            enclosing(word.box for word in words),
            words[0].page,
            min(word.confidence for word in words),
        )
    ]
