"""Finds seller and buyer: by labels, by address blocks, and by what repeats in letterhead and footer.

Names are the least certain part of a page: what no label says is given with low confidence.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from invoice_pipelines.intake.documents.recipient import NOBODY, Recipient
from invoice_pipelines.intake.documents.text_layer.header import Found
from invoice_pipelines.intake.documents.text_layer.names import STREET, company, is_town, name_of
from invoice_pipelines.intake.documents.text_layer.page.labels import Label, LabelledLines, Place
from invoice_pipelines.intake.documents.text_layer.page.layout import Cell
from invoice_pipelines.intake.documents.text_layer.page.vocabulary import Vocabulary, key
from invoice_pipelines.intake.documents.text_layer.page.words import Box, Page
from invoice_pipelines.intake.documents.text_layer.ranking.sellers import NAMED_APART, Name, describe, ranked_sellers

_BLOCK_LINES = 14
_ALIGNED = 12.0
_GAP = 2.6  # heights of a letter


def find_parties(
    labelled: LabelledLines, pages: Sequence[Page], vocabulary: Vocabulary, recipient: Recipient = NOBODY
) -> tuple[Found[str] | None, Found[str] | None]:
    """The names of seller and buyer; None where nothing is convincing. `recipient` is never the seller."""

    def is_own(name: Found[str]) -> bool:
        return any(_same_name(name.value, own, vocabulary) for own in recipient.names)

    buyer = _labelled_name(labelled, "buyer", vocabulary) or _own_name(labelled, vocabulary, is_own)
    names, addressed = describe_sellers(labelled, pages, vocabulary, buyer)
    ranked = ranked_sellers([name for name in names if not is_own(name.found)])
    seller = ranked[0] if ranked else None
    if buyer is None and addressed is not None and not (seller and _is(seller, addressed)):
        buyer = addressed
    return seller, buyer or _mentioned(labelled, recipient)


def describe_sellers(
    labelled: LabelledLines, pages: Sequence[Page], vocabulary: Vocabulary, buyer: Found[str] | None = None
) -> tuple[list[Name], Found[str] | None]:
    """The names other than the buyer's that may be the seller's; and who stands in the window of the envelope, where
    no buyer is known."""
    named = _labelled_name(labelled, "seller", vocabulary)
    buyer = buyer or _labelled_name(labelled, "buyer", vocabulary)
    addressed = None if buyer else _recipient(labelled, pages, vocabulary, named)
    names = describe(labelled, pages, vocabulary, named, addressed)
    return [name for name in names if not _is(name.found, buyer)], addressed


def seller_names(labelled: LabelledLines, pages: Sequence[Page], vocabulary: Vocabulary) -> list[Found[str]]:
    """The names that may be the seller's, the likeliest first."""
    return ranked_sellers(describe_sellers(labelled, pages, vocabulary)[0])


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


def _mentioned(labelled: LabelledLines, recipient: Recipient) -> Found[str] | None:
    """The recipient, where its name or an identifier stands anywhere: it is one of the two parties, and not the seller
    of what it receives."""
    for line in labelled.lines:
        if recipient.names and recipient.is_named_in(line.text):
            return Found(min(recipient.names), tuple(line.words), 0.5)
    return None


def cells_below(labelled: LabelledLines, name: Found[str]) -> set[tuple[int, int]]:
    """The cells, as line and place in it, of the block that a name begins: those of its address and its identifiers."""
    first = name.words[0]
    number = next((line.number for line in labelled.lines if line.page == first.page and first in line.words), None)
    if number is None:
        return set()
    return {(line, index) for line, index, _ in _block(labelled, number, first.box)}


def company_above(labelled: LabelledLines, label: Label, vocabulary: Vocabulary) -> Found[str] | None:
    """The nearest name with a legal form in the block that ends in the line of a label: in what begins where its cell
    does, up to a wide gap."""
    lower = labelled.lines[label.line].cells[label.cell]
    left = lower.box[0]
    for number in range(label.line - 1, max(label.line - _BLOCK_LINES, -1), -1):
        line = labelled.lines[number]
        gap = lower.box[1] - line.box[3]
        if line.page != labelled.lines[label.line].page or gap > _GAP * (lower.box[3] - lower.box[1]):
            return None
        for cell in line.cells:
            if abs(cell.box[0] - left) < _ALIGNED:
                lower = cell
                if name := company(cell.words, vocabulary):
                    return name
    return None


def letterhead_company(labelled: LabelledLines, pages: Sequence[Page], vocabulary: Vocabulary) -> str | None:
    """The name with a legal form that the first page is headed or signed with; None where there is none."""
    names = seller_names(labelled, pages, vocabulary)
    return next((name.value for name in names if company(name.words, vocabulary)), None)


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
                    if name := name_of(place.words, vocabulary, NAMED_APART if _is_whole(labelled, place) else 0.85):
                        return name
            if starts:
                continue
            if name := name_of(cell.words, vocabulary, 0.8):
                return name
    return None


def _is_whole(labelled: LabelledLines, place: Place) -> bool:
    """Whether no line of its own above or below goes on with what stands at a place."""
    beside = labelled.lines[max(place.line - 1, 0) : place.line + 2]
    return not any(abs(line.box[0] - place.words[0].box[0]) < _ALIGNED for line in beside if line.number != place.line)


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
            if cell.box[0] > first.width * 0.4 or line.box[1] < first.height * 0.12 or not is_town(cell.text):
                continue
            block = _lines_above(labelled, line.number, cell)
            if block and STREET.search(block[0].text) and any(map(str.isdigit, block[0].text)):
                continue  # who lives there stands elsewhere, as where lines are centred
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
                if small or is_town(candidate.text) or re.search(r"\d{5} \w+", candidate.text):
                    return block[::-1]
                block.append(candidate)
                lower = candidate
                break
    return block[::-1]
