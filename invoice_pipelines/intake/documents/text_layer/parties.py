"""Finds seller and buyer: by labels, by address blocks, and by what repeats in letterhead and footer.

Names are the least certain part of a page: what no label says is given with low confidence.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from invoice_pipelines.intake.documents.recipient import NOBODY, Recipient
from invoice_pipelines.intake.documents.text_layer.header import Found
from invoice_pipelines.intake.documents.text_layer.page.labels import Label, LabelledLines
from invoice_pipelines.intake.documents.text_layer.page.layout import Cell
from invoice_pipelines.intake.documents.text_layer.page.vocabulary import Vocabulary, key
from invoice_pipelines.intake.documents.text_layer.page.words import Box, Page, Word

_POST_CODE = re.compile(r"^(?:[A-Z]{1,2}[- ])?\d{4,5} [^\W\d_]{2,}")
# Where the town comes first: "Dublin D02 X285", "Toronto ON M5V 2T6", "Seattle WA 98101", "Leeds LS1 4AP".
_TOWN_FIRST = re.compile(
    r"^[^\W\d_][^\d]{1,40}[ ,](?:[A-Z]{2},? )?"
    r"(?:[A-Z]{2} \d{5}(?:-\d{4})?|[A-Z]\d[A-Z] ?\d[A-Z]\d|[A-Z]{1,2}\d[A-Z\d]? \d[A-Z]{2}|[A-Z]\d[\dW] [A-Z\d]{4})$"
)
_SEPARATOR = re.compile(r"^[|·•●∙,;*\-–—/]+$")
_BLOCK_LINES = 14
_SHORT_FORM = 2
_REPEATED = 0.7
_OFTEN = 2.5  # points of a company that is named at the top of the page and once more


def find_parties(
    labelled: LabelledLines, pages: Sequence[Page], vocabulary: Vocabulary, recipient: Recipient = NOBODY
) -> tuple[Found[str] | None, Found[str] | None]:
    """The names of seller and buyer; None where nothing is convincing. `recipient` is never the seller."""

    def is_own(name: Found[str]) -> bool:
        return any(_same_name(name.value, own, vocabulary) for own in recipient.names)

    seller = _labelled_name(labelled, "seller", vocabulary)
    if seller and is_own(seller):
        seller = None
    buyer = _labelled_name(labelled, "buyer", vocabulary) or _own_name(labelled, vocabulary, is_own)
    if buyer is None:
        buyer = _recipient(labelled, pages, vocabulary, seller)
    if seller is None:
        seller = _letterhead(labelled, pages, vocabulary, lambda name: is_own(name) or _is(name, buyer))
    return seller, buyer


def _is(name: Found[str], other: Found[str] | None) -> bool:
    return other is not None and key(name.value) == key(other.value)


def _same_name(name: str, own: str, vocabulary: Vocabulary) -> bool:
    """Whether a name is one's own: the same words, where either may leave out the legal form, or those and more."""
    words, own_words = ([known for word in text.split() if (known := key(word))] for text in (name, own))
    if len(own_words) > 1 and words[: len(own_words)] == own_words:
        return True
    forms, own_forms = ([word for word in each if word in vocabulary.legal_forms] for each in (words, own_words))
    plain, own_plain = ([word for word in each if word not in vocabulary.legal_forms] for each in (words, own_words))
    return bool(own_plain) and plain == own_plain and (not forms or not own_forms or forms == own_forms)


def _own_name(
    labelled: LabelledLines, vocabulary: Vocabulary, is_own: Callable[[Found[str]], bool]
) -> Found[str] | None:
    """The recipient's name, where it is all that a cell holds."""
    for line in labelled.lines:
        for cell in line.cells:
            if (name := name_of(cell.words, vocabulary, 0.95)) and is_own(name):
                return name
    return None


def cells_below(labelled: LabelledLines, name: Found[str]) -> set[tuple[int, int]]:
    """The cells, as line and place in it, of the block that a name begins: those of its address and its identifiers."""
    first = name.words[0]
    number = next((line.number for line in labelled.lines if line.page == first.page and first in line.words), None)
    if number is None:
        return set()
    return {(line, index) for line, index, _ in _block(labelled, number, first.box)}


def letterhead_company(labelled: LabelledLines, pages: Sequence[Page], vocabulary: Vocabulary) -> str | None:
    """The name with a legal form that the first page is headed or signed with; None where there is none."""
    buyer = _labelled_name(labelled, "buyer", vocabulary)
    name = _letterhead(labelled, pages, vocabulary, lambda name: _is(name, buyer))
    return name.value if name and _company(name.words, vocabulary) else None


def section_of(labelled: LabelledLines, label: Label) -> str | None:
    """Under which heading a label stands: seller, buyer or other_party; None where there is none above it."""
    lower = labelled.lines[label.line]
    for number in range(label.line, max(label.line - _BLOCK_LINES, -1), -1):
        line = labelled.lines[number]
        if line.page != lower.page or lower.box[1] - line.box[3] > 2.8 * (lower.box[3] - lower.box[1]):
            return None
        lower = line
        for other in reversed(labelled.labels[number]):
            if (
                other.kind in ("seller", "buyer", "other_party")
                and other is not label
                and _heads(labelled, other)
                # "Contact: Ann Smith" is a line of a party's block and ends none.
                and not (other.kind == "other_party" and next(labelled.right_of(other), None))
                and -30 < label.box[0] - other.box[0] < 150
            ):
                return other.kind
    return None


def _heads(labelled: LabelledLines, label: Label) -> bool:
    """Whether a party's label is a heading or has its value after a colon, and is no word of a sentence."""
    if label.first != 0:
        return False
    return labelled.alone(label) or _ends_with_colon(labelled, label)


def _ends_with_colon(labelled: LabelledLines, label: Label) -> bool:
    words = labelled.lines[label.line].cells[label.cell].words
    return words[label.last - 1].text.endswith(":") or (
        label.last < len(words) and words[label.last].text.startswith(":")
    )


def _labelled_name(labelled: LabelledLines, kind: str, vocabulary: Vocabulary) -> Found[str] | None:
    for label in labelled.all(kind):
        if not _heads(labelled, label):
            continue
        block = list(_block(labelled, label.line, label.box))
        near = block and block[0][2].box[1] - label.box[3] < 1.2 * (label.box[3] - label.box[1])
        if not labelled.alone(label) or not near:
            for place in labelled.right_of(label):
                if name := name_of(place.words, vocabulary, 0.85):
                    return name
        for number, index, cell in block:
            starts = [other for other in labelled.labels[number] if other.cell == index and other.first == 0]
            if any(other.kind == "name" for other in starts):
                for place in labelled.right_of(next(other for other in starts if other.kind == "name")):
                    if name := name_of(place.words, vocabulary, 0.9):
                        return name
            if starts:
                continue
            if name := name_of(cell.words, vocabulary, 0.8):
                return name
    return None


def _block(labelled: LabelledLines, start: int, heading: Box) -> Iterator[tuple[int, int, Cell]]:
    """The cells below a heading in line `start` that begin where it begins, until a wide gap."""
    last = heading
    for number in range(start + 1, min(start + _BLOCK_LINES, len(labelled.lines))):
        line = labelled.lines[number]
        if line.page != labelled.lines[start].page or line.box[1] - last[3] > 2.5 * (last[3] - last[1]):
            return
        for index, cell in enumerate(line.cells):
            if -12 < cell.box[0] - heading[0] < 20:
                if any(
                    other.cell == index and other.kind in ("seller", "buyer", "other_party") and other.first == 0
                    for other in labelled.labels[number]
                ):
                    return
                last = cell.box
                yield number, index, cell


def name_of(words: Sequence[Word], vocabulary: Vocabulary, confidence: float) -> Found[str] | None:
    """The words as a name, without separators before and after and without a form of address."""
    kept = list(words)
    while kept and (not key(kept[0].text) or key(kept[0].text) in vocabulary.salutations):
        kept.pop(0)
    while kept and not key(kept[-1].text):
        kept.pop()
    if not kept:
        return None
    value = " ".join(word.text for word in kept).strip(" ,;:|·•")
    letters = sum(character.isalpha() for character in value)
    if letters < 2 or letters < len(value) * 0.5 or len(value) > 120 or _is_town(value):
        return None
    return Found(value, tuple(kept), round(confidence * min(word.confidence for word in kept), 3))


def _recipient(
    labelled: LabelledLines, pages: Sequence[Page], vocabulary: Vocabulary, seller: Found[str] | None
) -> Found[str] | None:
    """Who stands in the window of the envelope: the first line of the block that ends in post code and town, in the
    left half of the upper part of the first page (DIN 5008, 45 to 90 mm from the top)."""
    if not pages:
        return None
    first = pages[0]
    for line in labelled.lines:
        if line.page != first.number or line.box[1] > first.height * 0.42:
            break
        for cell in line.cells:
            if cell.box[0] > first.width * 0.4 or line.box[1] < first.height * 0.12 or not _is_town(cell.text):
                continue
            block = _lines_above(labelled, line.number, cell)
            for above in block:
                name = name_of(above.words, vocabulary, 0.6)
                if name and (seller is None or key(name.value) != key(seller.value)):
                    return name
    return None


def _lines_above(labelled: LabelledLines, number: int, cell: Cell) -> list[Cell]:
    """The cells above one that begin at the same place, topmost first; a sender's small line above is left out."""
    block: list[Cell] = []
    lower = cell
    for index in range(number - 1, max(number - 10, -1), -1):
        above = labelled.lines[index]
        if above.page != labelled.lines[number].page:
            break
        if lower.box[1] - above.box[3] > 2.6 * (lower.box[3] - lower.box[1]):
            break
        for candidate in above.cells:
            if abs(candidate.box[0] - cell.box[0]) < 4:
                small = candidate.box[3] - candidate.box[1] < 0.8 * (cell.box[3] - cell.box[1])
                if small or _is_town(candidate.text) or re.search(r"\d{5} \w+", candidate.text):
                    return block[::-1]
                block.append(candidate)
                lower = candidate
                break
    return block[::-1]


def _letterhead(
    labelled: LabelledLines, pages: Sequence[Page], vocabulary: Vocabulary, is_another: Callable[[Found[str]], bool]
) -> Found[str] | None:
    """The company that is named where the sender of a letter is named; less sure where another is named as often."""
    ranked = _ranked_names(labelled, pages, vocabulary, is_another)
    if not ranked:
        return None
    points, best = ranked[0]
    clear = len(ranked) < 2 or points >= ranked[1][0] + 0.8
    often = clear and points >= _OFTEN and best.confidence >= 0.5
    return replace(best, confidence=round(best.confidence * (1.28 if often else 1.0 if clear else 0.7), 3))


def seller_names(labelled: LabelledLines, pages: Sequence[Page], vocabulary: Vocabulary) -> list[Found[str]]:
    """The names that stand where a sender is named, the likeliest first."""
    return [name for _, name in _ranked_names(labelled, pages, vocabulary, lambda _: False)]


def _ranked_names(
    labelled: LabelledLines, pages: Sequence[Page], vocabulary: Vocabulary, is_another: Callable[[Found[str]], bool]
) -> list[tuple[float, Found[str]]]:
    """Names by where they stand: at the top, in the small line above the address, in the footer beside bank and tax
    data. A name with a legal form counts more than one without."""
    if not pages:
        return []
    first = pages[0]
    scores: dict[str, float] = defaultdict(float)
    names: dict[str, Found[str]] = {}
    bank_lines = {label.line for label in labelled.all("iban", "bic", "vat_id", "tax_number")}
    for line in labelled.lines:
        if line.page != first.number:
            break
        upper, lower = line.box[1] < first.height * 0.3, line.box[1] > first.height * 0.85
        for index, cell in enumerate(line.cells):
            starts = [label for label in labelled.labels[line.number] if label.cell == index and label.first == 0]
            amounts = any(label.cell == index and label.first == 0 for label in labelled.amounts[line.number])
            if any(label.kind in ("buyer", "other_party") for label in starts):
                continue
            for words in _pieces(cell, vocabulary):
                name = _company(words, vocabulary)
                weight = 1.0
                if name is None and upper and not starts and not amounts and line.number < 12:
                    name, weight = name_of(words, vocabulary, 0.3), 0.35
                    if name and re.search(r"\d", name.value):
                        name = None
                known = names.get(key("".join(word.text for word in words)))
                if name is None and lower and known:
                    # Without a legal form, but at the top and in the footer.
                    name, weight = replace(known, confidence=max(known.confidence, _REPEATED)), 0.7
                    names[key(known.value)] = name
                if name is None or is_another(name):
                    continue
                near_bank = any(number in bank_lines for number in range(line.number - 4, line.number + 5))
                points = 1.0 + 0.8 * upper + 1.0 * lower + 0.6 * (near_bank and lower) + 0.5 * (line.number < 4)
                scores[key(name.value)] += weight * points
                names.setdefault(key(name.value), name)
    ranked = sorted(scores, key=lambda name: scores[name], reverse=True)
    return [(scores[name], names[name]) for name in ranked]


def _pieces(cell: Cell, vocabulary: Vocabulary) -> Iterator[tuple[Word, ...]]:
    """The parts of a cell between separators such as bullets and dashes; commas end a part, too."""
    piece: list[Word] = []
    for index, word in enumerate(cell.words):
        if _SEPARATOR.match(word.text):
            if piece:
                yield tuple(piece)
            piece = []
            continue
        piece.append(word)
        follower = cell.words[index + 1].text if index + 1 < len(cell.words) else ""
        if word.text.endswith((",", ";")) and key(follower) not in vocabulary.legal_forms:
            yield tuple(piece)
            piece = []
    if piece:
        yield tuple(piece)


def _company(words: Sequence[Word], vocabulary: Vocabulary) -> Found[str] | None:
    """The words up to a legal form, if there is one after a name; two letters in capitals only, as "Sa" is a day."""
    last = 0
    for index, word in enumerate(words):
        form = key(word.text)
        short = len(form) <= _SHORT_FORM and not word.text.startswith(("e.", "a."))
        written = word.text.isupper() if short else word.text[0].isupper() or word.text.startswith(("e.", "a."))
        if index and form in vocabulary.legal_forms and written:
            last = index + 1
    named = [word.text for word in words[:last] if key(word.text) not in vocabulary.legal_forms | {"co", "und"}]
    article = bool(named) and (named[0].isdigit() or any("%" in text for text in named))
    if not any(map(key, named)) or article or last > 9:
        return None
    return name_of(words[:last], vocabulary, 0.7)


def _is_town(text: str) -> bool:
    """Whether this is the line of an address that has the post code and the town."""
    return bool(_POST_CODE.match(text) or _TOWN_FIRST.match(text))
