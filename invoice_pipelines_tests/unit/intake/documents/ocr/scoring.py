"""How well a page was recognized, measured against words that are known to stand on it.

Blanks do not count: text layers have them by rules of their own. Text that is printed but not known (in a logo) does
not count either.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from difflib import SequenceMatcher

from invoice_pipelines.intake.documents.ocr.engine import RecognizedPage
from invoice_pipelines.intake.documents.text_layer.page.words import Box, Page

# What one glyph can be written as.
_ALIKE = str.maketrans("–—−’‘“”„·∙", '---\'\'"""••')


@dataclass(frozen=True, slots=True)
class CharacterScore:
    """Counts over any number of pages."""

    characters: int = 0
    wrong: int = 0
    digits: int = 0
    wrong_digits: int = 0

    def __add__(self, other: CharacterScore) -> CharacterScore:
        return CharacterScore(*map(sum, zip(astuple(self), astuple(other), strict=True)))

    @property
    def share(self) -> float:
        """Of the characters, what was read right."""
        return 1 - self.wrong / max(self.characters, 1)

    @property
    def digit_share(self) -> float:
        """The same of digits alone."""
        return 1 - self.wrong_digits / max(self.digits, 1)


def score(known: Page, words: Iterable[tuple[str, Box]]) -> CharacterScore:
    """Compares cell by cell; `words` have their boxes in the same units as `known`."""
    cells = _cells(known)
    read: list[list[tuple[float, str]]] = [[] for _ in cells]
    for text, box in words:
        place = _cell_of(box, [cell_box for cell_box, _ in cells])
        if place is not None:
            read[place].append((box[0], text))
    total = CharacterScore()
    for (_, expected), found in zip(cells, read, strict=True):
        got = _plain("".join(text for _, text in sorted(found)))
        wanted_digits, got_digits = _digits(expected), _digits(got)
        total += CharacterScore(
            len(expected), _wrong(got, expected), len(wanted_digits), _wrong(got_digits, wanted_digits)
        )
    return total


def words_in_points(page: RecognizedPage, dpi: float) -> list[tuple[str, Box]]:
    """The words with their boxes in points."""
    scale = 72 / dpi
    return [
        (word.text, (word.box[0] * scale, word.box[1] * scale, word.box[2] * scale, word.box[3] * scale))
        for word in page.words
    ]


def _wrong(got: str, expected: str) -> int:
    """How many characters were not read, or are too many."""
    same = SequenceMatcher(None, got, expected, autojunk=False).get_matching_blocks()
    return max(len(got), len(expected)) - sum(block.size for block in same)


def _cells(page: Page) -> list[tuple[Box, str]]:
    """Words that stand together on a line, as one text each."""
    cells: list[tuple[Box, str]] = []
    for word in sorted(page.words, key=lambda word: (round(word.box[3]), word.box[0])):
        height = word.box[3] - word.box[1]
        if cells:
            box, text = cells[-1]
            if abs(box[3] - word.box[3]) < 0.4 * height and -0.5 * height < word.box[0] - box[2] < 1.2 * height:
                joined = (min(box[0], word.box[0]), min(box[1], word.box[1]), word.box[2], max(box[3], word.box[3]))
                cells[-1] = (joined, text + _plain(word.text))
                continue
        cells.append((word.box, _plain(word.text)))
    return [(box, text) for box, text in cells if text]


def _cell_of(box: Box, cells: Sequence[Box]) -> int | None:
    """The cell that most of a word lies on."""
    best, most = None, 0.0
    for number, cell in enumerate(cells):
        width = min(box[2], cell[2]) - max(box[0], cell[0])
        height = min(box[3], cell[3]) - max(box[1], cell[1])
        if width > 0 and height > 0 and width * height > most:
            best, most = number, width * height
    return best


def _plain(text: str) -> str:
    return "".join(unicodedata.normalize("NFKC", text).translate(_ALIKE).split())


def _digits(text: str) -> str:
    return "".join(letter for letter in text if letter.isdigit())
