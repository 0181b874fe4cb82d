"""Learns from corrections where a field stands in the layout of a supplier, for its next documents.

`fingerprint` tells whose layout a document has, `learn` makes a place of a box, `locate` finds the place again on
another document. Not here: what the value is worth; types and arithmetic still check it (see `fields`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from invoice_pipelines.intake.documents.text_layer.header import vat_id
from invoice_pipelines.intake.documents.text_layer.identifiers import find_ibans, vat_id_is_valid
from invoice_pipelines.intake.documents.text_layer.page.labels import LabelledLines, Place, labelled_lines
from invoice_pipelines.intake.documents.text_layer.page.layout import Line, enclosing, middle_of, read_lines
from invoice_pipelines.intake.documents.text_layer.page.vocabulary import key
from invoice_pipelines.intake.documents.text_layer.page.words import Box, Page, Word
from invoice_pipelines.intake.documents.text_layer.parties import letterhead_company, section_of

TAUGHT = 0.97
"""How sure a place is whose label stands beside it; what stands there still has to be of the right type."""

_BY_POSITION = 0.8
_MOST_LABEL_WORDS = 4
_FARTHEST_LABEL = 0.85  # of the width of the page, to the left
_HEADING_ABOVE = 3.2  # heights of the value
# Totals move down with the number of lines, and stand on the last page rather than on page so-and-so.
_FROM_THE_END = frozenset({"net_amount", "tax_amount", "gross_amount", "payable_amount", "prepaid_amount"})


@dataclass(frozen=True, slots=True)
class LearnedPlace:
    """Where a field of `Reading` ("gross_amount", "seller.name", "iban") stands on the documents of one layout.

    `page` counts from 1, or back from -1 for the last page. Boxes are (left, top, right, bottom) as shares of the
    page's width and height. `label` holds the words beside or above the value by their `key`, empty where there are
    none, and `label_box` where they stood. `text` is the key of what stood in the box: a supplier's name has no label,
    but is the same on each of its documents.
    """

    field: str
    page: int
    box: tuple[float, float, float, float]
    label: tuple[str, ...] = ()
    label_box: tuple[float, float, float, float] | None = None
    text: str = ""
    value: str = ""


def fingerprint(pages: Sequence[Page]) -> str:
    """The key of a supplier's layout: its VAT id, else its IBAN, else its name in the letterhead,
    else the words at the top and the bottom of the first page that hold no digits. Stable against other numbers,
    dates and amounts; empty pages have a fingerprint, too."""
    labelled, vocabulary = labelled_lines(pages)
    for label in labelled.all("vat_id"):
        if section_of(labelled, label) == "buyer":
            continue
        for place in labelled.places(label):
            found = vat_id(place)
            if found and vat_id_is_valid(found.value):
                return f"vat:{found.value}"
    for line in labelled.lines:
        for value, _, _, valid in find_ibans(line.text):
            if valid:
                return f"iban:{value}"
    if company := letterhead_company(labelled, pages, vocabulary):
        return f"name:{key(company)}"
    edges = (word.text for page in pages[:1] for word in _edges(page))
    words = sorted({key(text) for text in edges if not any(map(str.isdigit, text))} - {""})
    return f"words:{hashlib.sha256(' '.join(words).encode()).hexdigest()}"


def learn(pages: Sequence[Page], field: str, box: Box, page: int | None = None) -> LearnedPlace:
    """The place of a value that stands in `box` (in points, as in `Provenance`) on page number `page`; without it, on
    the first of the pages."""
    shown = next((shown for shown in pages if shown.number == page), pages[0])
    position = shown.number - pages[-1].number - 1 if field in _FROM_THE_END else shown.number
    label = _label_words(shown, box)
    return LearnedPlace(
        field,
        position,
        _share(box, shown),
        tuple(key(word.text) for word in label),
        _share(enclosing(word.box for word in label), shown) if label else None,
        "".join(key(word.text) for word in shown.words if _inside(word.box, box)),
    )


def locate(learned: Sequence[LearnedPlace], labelled: LabelledLines, pages: Sequence[Page]) -> Mapping[str, Place]:
    """For each field the words at the place it was learned to stand at, where there are any. Of several places of a
    field the first with its label beside it counts."""
    found: dict[str, Place] = {}
    for taught in learned:
        page = _page(taught, pages)
        if page is None or page.width <= 0 or page.height <= 0:
            continue
        lines = [line for line in labelled.lines if line.page == page.number]
        place = _beside_label(taught, page, lines) or _at_position(taught, page, lines)
        if place and (taught.field not in found or place.likelihood > found[taught.field].likelihood):
            found[taught.field] = place
    return found


def _page(taught: LearnedPlace, pages: Sequence[Page]) -> Page | None:
    number = taught.page if taught.page > 0 else pages[-1].number + 1 + taught.page
    return next((page for page in pages if page.number == number), None)


def _share(box: Box, page: Page) -> Box:
    width, height = max(page.width, 1.0), max(page.height, 1.0)
    left, top, right, bottom = box
    return (round(left / width, 5), round(top / height, 5), round(right / width, 5), round(bottom / height, 5))


def _points(box: Box, page: Page) -> Box:
    left, top, right, bottom = box
    return (left * page.width, top * page.height, right * page.width, bottom * page.height)


def _label_words(page: Page, box: Box) -> list[Word]:
    """The words to the left of a box on its line, else those above it; none that hold a digit."""
    lines = read_lines([page])
    left, top, right, bottom = box
    height = max(bottom - top, 4.0)

    def named(words: Sequence[Word]) -> list[Word]:
        return [word for word in words if key(word.text) and not any(map(str.isdigit, word.text))]

    for line in lines:
        if abs(middle_of(line.box) - middle_of(box)) > 0.6 * height:
            continue
        for cell in reversed(line.cells):
            before = [word for word in cell.words if word.box[2] <= left + 2]
            if words := named(before)[-_MOST_LABEL_WORDS:]:
                return words if left - words[-1].box[2] < _FARTHEST_LABEL * page.width else []
    for line in reversed(lines):
        if 0 < top - line.box[3] + 0.3 * height < _HEADING_ABOVE * height:
            for cell in line.cells:
                if cell.box[0] < right and cell.box[2] > left and (words := named(cell.words)[:_MOST_LABEL_WORDS]):
                    return words
    return []


def _beside_label(taught: LearnedPlace, page: Page, lines: Sequence[Line]) -> Place | None:
    """The words at the learned distance from the label; of several such labels the nearest to the learned place."""
    if not taught.label or taught.label_box is None:
        return None
    learned_label, learned_box = _points(taught.label_box, page), _points(taught.box, page)
    wanted = "".join(taught.label)
    occurrences = sorted(
        (
            (abs(box[0] - learned_label[0]) + 0.3 * abs(box[1] - learned_label[1]), box)
            for line in lines
            for box in _occurrences(line, wanted)
        ),
        key=lambda found: found[0],
    )
    for _, box in occurrences:
        across, down = box[2] - learned_label[2], box[1] - learned_label[1]
        moved = (learned_box[0] + across, learned_box[1] + down, learned_box[2] + across, learned_box[3] + down)
        # A value stays where it is across the page, whatever its label's length does to the label's box.
        fixed = (learned_box[0], moved[1], learned_box[2], moved[3])
        for expected in (moved, fixed):
            if words := _words_in(expected, lines, after=box):
                return Place(words[0], TAUGHT, words[1])
    return None


def _at_position(taught: LearnedPlace, page: Page, lines: Sequence[Line]) -> Place | None:
    """The words at the learned position, which is less sure; None if a label was learned and is missing."""
    words = None if taught.label else _words_in(_points(taught.box, page), lines, after=None)
    if words is None:
        return None
    same = bool(taught.text) and "".join(key(word.text) for word in words[0]) == taught.text
    return Place(words[0], TAUGHT if same else _BY_POSITION, words[1])


def _occurrences(line: Line, wanted: str) -> Iterator[Box]:
    words = line.words
    for first in range(len(words)):
        text = ""
        taken: list[Word] = []
        for word in words[first:]:
            if any(map(str.isdigit, word.text)):
                continue
            text += key(word.text)
            taken.append(word)
            if text == wanted:
                yield enclosing(word.box for word in taken)
            if len(text) >= len(wanted):
                break


def _words_in(box: Box, lines: Sequence[Line], after: Box | None) -> tuple[tuple[Word, ...], int] | None:
    """The words of the cell that overlaps a box, without those of the label before it on the same line."""
    left, top, right, bottom = box
    height = max(bottom - top, 4.0)
    for line in lines:
        if abs(middle_of(line.box) - middle_of(box)) > 0.7 * height:
            continue
        for cell in line.cells:
            same_line = after is not None and abs(middle_of(after) - middle_of(cell.box)) < 0.5 * height
            words = tuple(
                word for word in cell.words if not (same_line and after is not None and word.box[0] < after[2] - 1)
            )
            if words and words[0].box[0] < right + height and words[-1].box[2] > left - height:
                near = tuple(
                    word for word in words if word.box[2] > left - 6 * height and word.box[0] < right + 12 * height
                )
                if any(key(word.text) for word in near):
                    return near, line.number
    return None


def _inside(inner: Box, outer: Box) -> bool:
    across, down = (inner[0] + inner[2]) / 2, (inner[1] + inner[3]) / 2
    return outer[0] - 1 <= across <= outer[2] + 1 and outer[1] - 1 <= down <= outer[3] + 1


def _edges(page: Page) -> Iterator[Word]:
    return (word for word in page.words if word.box[3] < 0.12 * page.height or word.box[1] > 0.9 * page.height)
