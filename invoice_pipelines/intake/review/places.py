"""Finds values and places on pages for one another: what stands in a box, and where a value stands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from invoice_pipelines.intake.documents.text_layer.page.layout import enclosing, read_lines
from invoice_pipelines.intake.documents.text_layer.page.notation import AMOUNT, find_dates, parse_amount
from invoice_pipelines.intake.documents.text_layer.page.vocabulary import load_vocabulary
from invoice_pipelines.intake.documents.text_layer.page.words import Box, Page, Word
from invoice_pipelines.intake.review.fields import AMOUNTS, DATES, WrongValue, parse_value

_MOST_WORDS = 8
_IN_SEVERAL_WORDS = DATES | AMOUNTS | {"iban"}
_WHOLE_CELL = frozenset({"seller.name", "buyer.name"})
_SHARE_INSIDE = 0.5
_NEAR = 8.0
"""Points by which somebody may miss a word."""


def read_box(pages: Sequence[Page], field: str, page: int, box: Box) -> tuple[Any, Box]:
    """What the words in a box say as the value of a field, and the box of those words.

    Raises WrongValue where there are none, or where they are no value of the field.
    """
    found = next((shown for shown in pages if shown.number == page), None)
    if found is None:
        raise WrongValue(f"{field}: there are no words of page {page}")
    words = [word for line in read_lines([found]) for word in line.words if _inside(word.box, box)]
    if not words:
        raise WrongValue(f"{field}: there are no words in the box {', '.join(f'{side:g}' for side in box)}")
    written = " ".join(word.text for word in words)
    values = _values(field, written)
    if len(values) != 1:
        raise WrongValue(f"{field}: {written[:80]!r} is {'no' if not values else 'more than one'} value; type it")
    return values[0], enclosing(word.box for word in words)


def read_point(pages: Sequence[Page], field: str, page: int, across: float, down: float) -> tuple[Any, Box]:
    """Likewise, at a point in points: the word there, with those around it that belong to the value.

    Raises WrongValue where nothing stands near, or where it is no value of the field.
    """
    near = [
        (_distance(word.box, across, down), cell.words, number)
        for line in read_lines([shown for shown in pages if shown.number == page])
        for cell in line.cells
        for number, word in enumerate(cell.words)
    ]
    distance, words, number = min(near, key=lambda found: found[0], default=(_NEAR, (), 0))
    if distance >= _NEAR:
        raise WrongValue(f"{field}: there are no words at this place of page {page}")
    for run in _runs_around(field, words, number):
        values = _values(field, " ".join(word.text for word in run))
        if len(values) == 1 and (run == (words[number],) or _says(field, run, values[0])):
            return values[0], enclosing(word.box for word in run)
    raise WrongValue(f"{field}: {words[number].text[:80]!r} is no value; type it")


def find_place(pages: Sequence[Page], field: str, value: Any) -> tuple[int, Box] | None:
    """Page and box where a value stands; None where it does not, or at more than one place."""
    places = set()
    for line in read_lines(pages):
        for words in _runs(line.words):
            if _says(field, words, value):
                places.add((line.page, enclosing(word.box for word in words)))
    return places.pop() if len(places) == 1 else None


def _runs(words: Sequence[Word]) -> Iterator[tuple[Word, ...]]:
    for first in range(len(words)):
        for last in range(first + 1, min(first + _MOST_WORDS, len(words)) + 1):
            yield tuple(words[first:last])


def _runs_around(field: str, words: Sequence[Word], number: int) -> Iterator[tuple[Word, ...]]:
    """What the word with a number may be part of, the likeliest first."""
    if field in _WHOLE_CELL:
        yield tuple(words)
    if field in _IN_SEVERAL_WORDS:
        nearby = words[max(number - _MOST_WORDS + 1, 0) : number + _MOST_WORDS]
        runs = [run for run in _runs(nearby) if any(word is words[number] for word in run)]
        yield from sorted(runs, key=len, reverse=True)
    yield (words[number],)


def _distance(box: Box, across: float, down: float) -> float:
    """How far a point is from a box; nothing within it."""
    return max(box[0] - across, across - box[2], 0.0) + max(box[1] - down, down - box[3], 0.0)


def _says(field: str, words: Sequence[Word], value: Any) -> bool:
    """Whether these words, and not fewer of them, are the value."""
    text = " ".join(word.text for word in words)
    if field in AMOUNTS:
        # Every word holds a digit: the sign of the currency beside an amount is not part of its place.
        digits = all(any(map(str.isdigit, word.text)) for word in words)
        return digits and AMOUNT.fullmatch(text) is not None and value in _values(field, text)
    if field in DATES:
        fewer = (" ".join(word.text for word in part) for part in (words[1:], words[:-1]))
        return value in _values(field, text) and not any(value in _values(field, part) for part in fewer)
    edges = _folded(words[0].text) and _folded(words[-1].text)
    return bool(edges) and _folded(text) == _folded(str(value))


def _values(field: str, text: str) -> list[Any]:
    """The different values of a field that a text holds."""
    found: list[Any] = []
    if field in AMOUNTS:
        for match in AMOUNT.finditer(text):
            amount = parse_amount((match["sign"] or match["inner"] or match["minus"] or "") + match["number"])
            if amount is not None:
                found.append(-amount if match["open"] and match["close"] else amount)
    elif field in DATES:
        for date in find_dates(text, load_vocabulary().months):
            found += [date.value] if date.other is None else [date.value, date.other]
    else:
        try:
            found.append(parse_value(field, text.strip(" :;,")))
        except WrongValue:
            return []
    return list(dict.fromkeys(found))


def _folded(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())


def _inside(word: Box, box: Box) -> bool:
    width = min(word[2], box[2]) - max(word[0], box[0])
    height = min(word[3], box[3]) - max(word[1], box[1])
    area = max((word[2] - word[0]) * (word[3] - word[1]), 1e-6)
    return width > 0 and height > 0 and width * height >= _SHARE_INSIDE * area
