"""Turns an annotation of Google Cloud Vision into the words of a page: where one ends, how it stands, how sure
it is. What asks the service is in `cloud_vision`.

Vision parts a line at signs too ("12.345,60" and "€"), and says where a blank is by a break after a symbol. Boxes are
four corners in the picture as it was sent, from the top left one in reading direction: a page that lies on its side is
seen by where its second corner is.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from invoice_pipelines.intake.documents.ocr.engine import RecognizedWord

Point = tuple[float, float]

_NO_BREAK = 0
_HYPHEN = 4
"""TextAnnotation.DetectedBreak.BreakType of google.cloud.vision.v1; all but these two are blanks or ends of lines."""
_LEVEL_FROM_WORDS = 5
_LEVEL_FROM_WIDTH = 40.0
"""A skew is believed of so many words at least so wide, in pixels: corners are whole pixels, and narrow words lie."""
_SMALLEST_SKEW = math.radians(0.1)
_LARGEST_SKEW = math.radians(20)


@dataclass(slots=True)
class _Word:
    """A word that is being put together: its corners in the picture as sent, and its direction of reading."""

    text: str = ""
    corners: list[Point] = field(default_factory=list)
    along: Point = (0.0, 0.0)
    confidence: float = 1.0

    def add(self, text: str, quad: list[Point], confidence: float) -> None:
        self.text += text
        self.corners += quad
        self.along = (self.along[0] + quad[1][0] - quad[0][0], self.along[1] + quad[1][1] - quad[0][1])
        self.confidence = min(self.confidence, confidence)


def words_of(annotation: Any, width: int, height: int) -> tuple[tuple[RecognizedWord, ...], int]:
    """The words of a `TextAnnotation` (the bare protobuf message), and by how many quarter turns clockwise the picture
    comes upright.

    `width` and `height` are those of the picture as sent; boxes are in the upright page, with a slight skew taken out.
    A word is as sure as its least sure part. Where a word has no confidence, that of its symbols, paragraph, block or
    page counts; where nothing has one it is 0: not known is not sure.
    """
    found = [word for word in _parts(annotation, width, height) if word.text]
    turns = _quarter_turns(found)
    page = (width, height) if turns % 2 == 0 else (height, width)
    skew = _skew([_turned_along(word.along, turns) for word in found])
    words = []
    for word in found:
        corners = [_leveled(turned(corner, turns, width, height), skew, page) for corner in word.corners]
        words.append(RecognizedWord(word.text, _bounds(corners, page), word.confidence))
    return tuple(words), turns


def turned(point: Point, turns: int, width: float, height: float) -> Point:
    """Where a point of a picture of this size is once the picture is turned clockwise by so many quarters."""
    x, y = point
    for _ in range(turns):
        x, y = height - y, x
        width, height = height, width
    return x, y


def _parts(annotation: Any, width: int, height: int) -> Iterator[_Word]:
    whole = [(0.0, 0.0), (float(width), 0.0), (float(width), float(height)), (0.0, float(height))]
    for page in annotation.pages:
        for block in page.blocks:
            for paragraph in block.paragraphs:
                around = _quad(paragraph.bounding_box) or _quad(block.bounding_box) or whole
                otherwise = paragraph.confidence or block.confidence or page.confidence
                yield from _parts_of_paragraph(paragraph, around, otherwise)


def _parts_of_paragraph(paragraph: Any, around: list[Point], otherwise: float) -> Iterator[_Word]:
    word = _Word()
    for piece in paragraph.words:
        quad = _quad(piece.bounding_box) or around
        confidence = _confidence(piece, otherwise)
        runs = _runs(piece)
        for symbols, text, ends in runs:
            word.add(text, quad if len(runs) == 1 else _quad_of(symbols) or quad, confidence)
            if ends:
                yield word
                word = _Word()
    yield word


def _runs(piece: Any) -> list[tuple[list[Any], str, bool]]:
    """The symbols of a Vision word between breaks, with their text and whether a blank follows. As a rule one run."""
    runs: list[tuple[list[Any], str, bool]] = []
    symbols: list[Any] = []
    text = ""
    for index, symbol in enumerate(piece.symbols):
        mark = symbol.property.detected_break
        if (mark.type_ != _NO_BREAK and mark.is_prefix) or symbol.text.isspace():
            runs.append((symbols, text, True))
            symbols, text = [], ""
        symbols.append(symbol)
        text += "".join(symbol.text.split())
        after = _NO_BREAK if mark.is_prefix else mark.type_
        if after == _NO_BREAK and index == len(piece.symbols) - 1:
            after = piece.property.detected_break.type_
        if after != _NO_BREAK:
            # The hyphen at the end of a line is on the page, though not in the symbols.
            runs.append((symbols, text + "-" * (after == _HYPHEN and not text.endswith("-")), True))
            symbols, text = [], ""
    return [*runs, (symbols, text, False)] if symbols else runs


def _confidence(piece: Any, otherwise: float) -> float:
    of_symbols = [symbol.confidence for symbol in piece.symbols if symbol.confidence > 0]
    value = piece.confidence or (sum(of_symbols) / len(of_symbols) if of_symbols else otherwise)
    return min(max(float(value), 0.0), 1.0) if math.isfinite(value) else 0.0


def _quad(box: Any) -> list[Point] | None:
    return [(float(corner.x), float(corner.y)) for corner in box.vertices] if len(box.vertices) == 4 else None


def _quad_of(symbols: list[Any]) -> list[Point] | None:
    """The corners around symbols of one line, in the order of reading."""
    first = _quad(symbols[0].bounding_box) if symbols else None
    last = _quad(symbols[-1].bounding_box) if symbols else None
    return [first[0], last[1], last[2], first[3]] if first and last else None


def _quarter_turns(words: list[_Word]) -> int:
    """As most characters say: text that reads downwards was turned clockwise once, so three more turns right it."""
    votes: Counter[int] = Counter()
    for word in words:
        if word.along != (0.0, 0.0):
            quarters = round(math.atan2(word.along[1], word.along[0]) / (math.pi / 2))
            votes[-quarters % 4] += len(word.text)
    return votes.most_common(1)[0][0] if votes else 0


def _turned_along(along: Point, turns: int) -> Point:
    return turned(along, turns, 0, 0)


def _skew(directions: list[Point]) -> float:
    """The angle, in radians, by which the lines of an upright page fall to the right; 0 where it cannot be told."""
    angles = [math.atan2(y, x) for x, y in directions if math.hypot(x, y) >= _LEVEL_FROM_WIDTH]
    angles = [angle for angle in angles if abs(angle) <= _LARGEST_SKEW]
    if len(angles) < _LEVEL_FROM_WORDS:
        return 0.0
    angle = median(angles)
    return angle if abs(angle) >= _SMALLEST_SKEW else 0.0


def _leveled(point: Point, skew: float, page: tuple[int, int]) -> Point:
    if skew == 0.0:
        return point
    x, y = point[0] - page[0] / 2, point[1] - page[1] / 2
    cos, sin = math.cos(skew), math.sin(skew)
    return x * cos + y * sin + page[0] / 2, y * cos - x * sin + page[1] / 2


def _bounds(corners: list[Point], page: tuple[int, int]) -> tuple[float, float, float, float]:
    across = [min(max(x, 0.0), float(page[0])) for x, _ in corners]
    down = [min(max(y, 0.0), float(page[1])) for _, y in corners]
    return min(across), min(down), max(across), max(down)
