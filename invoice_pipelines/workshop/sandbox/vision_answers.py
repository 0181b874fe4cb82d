"""How what was recognized on a page becomes an answer of Google Cloud Vision: the way back of
`intake.ocr.vision_words`, with its pages, blocks, paragraphs, words, symbols, breaks and corners."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from google.cloud.vision_v1 import AnnotateImageResponse, TextAnnotation

from invoice_pipelines.intake.documents.ocr.engine import RecognizedPage, RecognizedWord

# Bare protobuf messages: those of the client library wrap each access, which a page has ten thousand of.
Answer = AnnotateImageResponse.pb()
_Break = TextAnnotation.DetectedBreak.BreakType
_PARTS = re.compile(r"\w+(?:[.,:/-]\w+)*|\W", re.UNICODE)
"""As the service parts words: at signs, but not within numbers and dates."""


def answer_of(page: RecognizedPage, size: tuple[int, int], with_confidence: bool = True) -> Any:
    """The `AnnotateImageResponse` for a picture of this size; without words an empty one, as for a blank page."""
    answer = Answer()
    if not page.words:
        return answer
    annotation = answer.full_text_annotation
    annotation.text = "".join(text for line in _lines(page.words) for text in (" ".join(w.text for w in line), "\n"))
    sheet = annotation.pages.add(width=size[0], height=size[1])
    for line in _lines(page.words):
        paragraph = sheet.blocks.add(block_type=1).paragraphs.add()
        _set_corners(paragraph.bounding_box, _around(line), page)
        for index, word in enumerate(line):
            ends_with = _Break.LINE_BREAK if index == len(line) - 1 else _Break.SPACE
            _add_word(paragraph, word, page, ends_with, with_confidence)
    return answer


def _lines(words: Sequence[RecognizedWord]) -> list[list[RecognizedWord]]:
    """Words that follow one another at about the same height."""
    lines: list[list[RecognizedWord]] = []
    for word in words:
        middle = (word.box[1] + word.box[3]) / 2
        if lines and lines[-1][-1].box[1] < middle < lines[-1][-1].box[3] and word.box[0] >= lines[-1][-1].box[0]:
            lines[-1].append(word)
        else:
            lines.append([word])
    return lines


def _around(words: Sequence[RecognizedWord]) -> tuple[float, float, float, float]:
    return (
        min(word.box[0] for word in words),
        min(word.box[1] for word in words),
        max(word.box[2] for word in words),
        max(word.box[3] for word in words),
    )


def _add_word(
    paragraph: Any, word: RecognizedWord, page: RecognizedPage, ends_with: Any, with_confidence: bool
) -> None:
    """A word of ours in as many words as the service makes of it; only the last is followed by a break."""
    left, top, right, bottom = word.box
    width = (right - left) / len(word.text)
    for part in _PARTS.finditer(word.text):
        message = paragraph.words.add()
        if with_confidence:
            message.confidence = word.confidence
        place = (left + part.start() * width, top, left + part.end() * width, bottom)
        _set_corners(message.bounding_box, place, page)
        for index, character in enumerate(part.group(), part.start()):
            symbol = message.symbols.add(text=character)
            if with_confidence:
                symbol.confidence = word.confidence
            _set_corners(symbol.bounding_box, (left + index * width, top, left + (index + 1) * width, bottom), page)
    message.symbols[-1].property.detected_break.type_ = ends_with


def _set_corners(polygon: Any, box: tuple[float, float, float, float], page: RecognizedPage) -> None:
    """The corners, in reading order, of a box of the upright page in the picture that was sent."""
    left, top, right, bottom = box
    for x, y in ((left, top), (right, top), (right, bottom), (left, bottom)):
        width, height = page.width, page.height
        for _ in range(-page.quarter_turns % 4):
            x, y = height - y, x
            width, height = height, width
        polygon.vertices.add(x=round(x), y=round(y))
