"""Made-up pages as an OCR engine reads a scan of them: askew, words glued, letters confused, digits never."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from invoice_pipelines.intake.documents.text_layer.page.words import Page, Word

_CONFUSED = {
    "l": "I",
    "I": "1",
    "O": "0",
    "0": "O",
    "ü": "u",
    "ä": "a",
    "é": "e",
    "S": "5",
    "n": "ri",
    "m": "rn",
    "e": "c",
}
_LOST = 0.004


def recognized(page: Page, rng: Random, *, slope: float, glued: float, misread: float, engine: str) -> Page:
    """The page with its lines climbing by `slope`, so large a share of its gaps closed, and a letter misread in so
    large a share of words of three letters."""
    words: list[Word] = []
    for word in page.words:
        text = word.text
        if rng.random() < _LOST:
            continue
        if text.isalpha() and rng.random() < misread * len(text) / 3:
            place = rng.randrange(len(text))
            text = text[:place] + _CONFUSED.get(text[place], text[place]) + text[place + 1 :]
        shift = slope * word.box[0] + rng.uniform(-0.5, 0.5)
        box = (word.box[0] + rng.uniform(-0.5, 0.5), word.box[1] + shift, word.box[2], word.box[3] + shift)
        last = words[-1] if words else None
        height = box[3] - box[1]
        if last and abs(last.box[1] - box[1]) < 2 and 0 <= box[0] - last.box[2] < 0.6 * height and rng.random() < glued:
            merged = (last.box[0], min(last.box[1], box[1]), box[2], max(last.box[3], box[3]))
            words[-1] = Word(last.text + text, merged, 1, min(last.confidence, 0.97))
        else:
            words.append(Word(text, box, 1, rng.uniform(0.93, 1.0)))
    return replace(page, words=tuple(words), engine=engine)
