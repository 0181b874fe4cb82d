"""Finds single values beside a label: numbers, dates, references, identifiers, currency.

Every candidate of a field comes with the likelihood of its label and its place; equal values strengthen each other,
different ones weaken the winner. Totals are in `totals`, names in `parties`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Generic, TypeVar

from invoice_pipelines.intake.documents.text_layer.identifiers import (
    find_bic,
    find_tax_number,
    find_vat_id,
    vat_id_is_valid,
)
from invoice_pipelines.intake.documents.text_layer.page.labels import Label, LabelledLines, Place
from invoice_pipelines.intake.documents.text_layer.page.layout import enclosing
from invoice_pipelines.intake.documents.text_layer.page.notation import CURRENCIES, SYMBOLS, DateText, find_dates
from invoice_pipelines.intake.documents.text_layer.page.vocabulary import Vocabulary, key
from invoice_pipelines.intake.documents.text_layer.page.words import Word

T = TypeVar("T")

_NUMBER_WORD = re.compile(r"#?[A-Za-z0-9][\w\-/.:\\+#*&]*")
_CODE = re.compile(r"(?=[A-Z]*[BCDFGHJKLMNPQRSTVWXZ]{3})[A-Z]{6}")  # of a booking, which no word is
# "0atum", "Belegda0um"
_MISREAD_WORD = re.compile(r"(?=.*[a-zà-ÿ])(?=.{3})[A-Za-zÀ-ÿ]*[0158][A-Za-zÀ-ÿ]*")
_DATE_LIKE = re.compile(r"\d{1,2}[./-]\d{1,2}[./-]\d{2,4}|\d{4}-\d{2}-\d{2}")
_HALF_PADDED = re.compile(r"^\d[./-]0\d[./-]|^0\d[./-]\d[./-]")
_CLOCK = re.compile(r"\b\d{1,2}:\d{2}(?::\d{2})? ")
_CUT = 0.6
_OF_ANOTHER = 0.5
_SERIAL = re.compile(r"[A-Z]{1,4}[-/ ]?(?:\d{2,4}[-/])?\d{3,}|\d{4}[-/]\d{2,}")
_OF_CARD_SLIP = 0.7
_SLIP_LINES = 8
_OF_RECEIPT = 0.75
_DATE_AND_TIME = re.compile(r"(?:\d{1,2}[./-]\d{1,2}[./-]\d{2,4}|\d{4}-\d{2}-\d{2})\D{1,3}\d{1,2}[:. ]\d{2}")
_MONEY_LIKE = re.compile(r"\d{1,3}(?:[.,]\d{3})*[.,]\d{2}")


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """A value with the words it was read from and how sure it is, 0 to 1."""

    value: T
    words: tuple[Word, ...]
    confidence: float

    @property
    def text(self) -> str:
        return " ".join(word.text for word in self.words)

    def at_most(self, confidence: float) -> Found[T]:
        return replace(self, confidence=min(self.confidence, confidence))


def choose(candidates: Iterable[Found[T]]) -> Found[T] | None:
    """The likeliest value. Each mention of it halves the remaining doubt at most; a rival as likely halves it."""
    best: dict[T, Found[T]] = {}
    mentions: Counter[T] = Counter()
    for candidate in candidates:
        mentions[candidate.value] += 1
        other = best.get(candidate.value)
        if other is None or candidate.confidence > other.confidence:
            best[candidate.value] = candidate
    if not best:
        return None
    strength = {
        value: found.confidence + (1 - found.confidence) * 0.15 * min(mentions[value] - 1, 3)
        for value, found in best.items()
    }
    ranked = sorted(best, key=lambda value: strength[value], reverse=True)
    confidence = strength[ranked[0]]
    if len(ranked) > 1 and strength[ranked[0]] - strength[ranked[1]] < 0.1:
        confidence *= 0.7
    return replace(best[ranked[0]], confidence=round(min(confidence, 0.99), 3))


def find_labelled(
    labelled: LabelledLines, kinds: Sequence[str], parse: Callable[[Place], Found[T] | None], weight: float = 0.92
) -> list[Found[T]]:
    """For each label of these kinds the first value of the right form at its places."""
    found = []
    for label in labelled.all(*kinds):
        if label.kind == "due_date" and _of_cash_discount(labelled, label):
            continue
        for place in labelled.places(label):
            if value := parse(place):
                likelihood = weight * place.likelihood * (0.8 if _in_sentence(labelled, label) else 1.0)
                if label.kind == "number" and _on_card_slip(labelled, label):
                    likelihood *= _OF_CARD_SLIP
                found.append(replace(value, confidence=value.confidence * likelihood))
                break
    return found


def _of_cash_discount(labelled: LabelledLines, label: Label) -> bool:
    """Whether a date is that of a discount for early payment: "3 % Skonto innerhalb 10 Tagen bis ...", or "bis ...
    gewähren wir 2 % Skonto" without a comma between them."""
    words = labelled.lines[label.line].cells[label.cell].words
    for other in labelled.amounts[label.line]:
        if other.kind != "cash_discount" or other.cell != label.cell:
            continue
        if 0 <= label.first - other.last <= 7:
            return True
        between = words[label.last : other.first]
        if 0 < len(between) <= 7 and not any(word.text.endswith((",", ";", ".")) for word in between):
            return True
    return False


def _on_card_slip(labelled: LabelledLines, label: Label) -> bool:
    """Whether a label stands among those of the slip of a card terminal, which has a number of its own."""
    page = labelled.lines[label.line].page
    near = (
        other
        for number in range(max(label.line - _SLIP_LINES, 0), min(label.line + _SLIP_LINES + 1, len(labelled.lines)))
        if labelled.lines[number].page == page
        for other in labelled.labels[number]
    )
    return sum(other.kind == "card_slip" for other in near) > 1


def _in_sentence(labelled: LabelledLines, label: Label) -> bool:
    """Whether a label is but a word of running text, such as "please quote invoice number 17 in your payment"."""
    return label.first > 0 and len(labelled.lines[label.line].cells[label.cell].words) > 6


def document_number(place: Place) -> Found[str] | None:
    """A document's number at the start of a place: letters, digits and signs with at least one digit, or the six
    letters of a booking; no date."""
    words = [word for word in place.words if key(word.text) or word.text in ("/", "-")]
    while words and (not key(words[0].text) or key(words[0].text) == "#"):
        words = words[1:]
    if not words:
        return None
    taken = [words[0]]
    text = words[0].text
    # "RE 2024-001", "2024 / 17", "H7 - 12 - 378", but not "4711 / 16.05.2022"
    if len(words) > 1 and text.isalpha() and text.isupper() and len(text) <= 5 and words[1].text[0].isdigit():
        taken = words[:2]
    else:
        rest = words[1:]
        while len(rest) > 1 and rest[0].text in ("/", "-") and rest[1].text[0].isdigit() and not _is_date(rest[1].text):
            taken, rest = [*taken, *rest[:2]], rest[2:]
    value = " ".join(word.text for word in taken).strip(":,;.()/").removeprefix("#")
    if _CODE.fullmatch(value) and len(words) == 1 and place.likelihood == 1.0:
        return Found(value, tuple(taken), 0.8 * words[0].confidence)
    if not _NUMBER_WORD.fullmatch(value.replace(" ", "")) or not any(character.isdigit() for character in value):
        return None
    if (
        _MISREAD_WORD.fullmatch(value)
        or _DATE_LIKE.fullmatch(value)
        or _MONEY_LIKE.fullmatch(value)
        or len(value) > 40
        or _begins_date(words)
    ):
        return None
    confidence = min(word.confidence for word in taken)
    # One digit is rather a page or a line than a document.
    return Found(value, tuple(taken), confidence * (0.8 if len(value) < 2 else 1.0))


def _is_date(text: str) -> bool:
    return _DATE_LIKE.fullmatch(text.strip(",;.()")) is not None


def _begins_date(words: Sequence[Word]) -> bool:
    """Whether words begin with a date and its time in one ("15.12.23/18:30"), or with a day ("26. Feb 2019")."""
    if _DATE_AND_TIME.match(words[0].text):
        return True
    return len(words) > 1 and re.fullmatch(r"\d{1,2}\.", words[0].text) is not None and words[1].text[0].isalpha()


def free_text(place: Place) -> Found[str] | None:
    """The words of a place as they stand: for references that people may have named as they liked."""
    words = tuple(word for word in place.words if key(word.text))
    value = " ".join(word.text for word in words).strip(" :,;")
    if not value or len(value) > 60 or len(words) > 5:
        return None
    return Found(value, words, 0.9 * min(word.confidence for word in words))


def currency_code(place: Place) -> Found[str] | None:
    """The first currency of a place by its code (ISO 4217), its sign or its name."""
    for word in place.words:
        text = word.text.strip("()[]:,;.*/0123456789-+")
        if text in CURRENCIES:
            return Found(text, (word,), 0.95 * word.confidence)
        if text in SYMBOLS:
            return Found(SYMBOLS[text], (word,), (0.6 if text == "$" else 0.95) * word.confidence)
        if text.casefold() == "euro":
            return Found("EUR", (word,), 0.9 * word.confidence)
    return None


def vat_id(place: Place) -> Found[str] | None:
    """The VAT id at the start of a place, but for a word or two before it; hardly sure where its form or its
    check digits are wrong."""
    for first in range(min(len(place.words), 3)):
        words = place.words[first:]
        value = find_vat_id(" ".join(word.text for word in words))
        if value is None:
            continue
        valid = vat_id_is_valid(value)
        if first and not valid:
            continue
        taken = []
        length = 0
        for word in words:
            taken.append(word)
            length += len(word.text.strip(" .:-"))
            if length >= len(value):
                break
        return Found(value, tuple(taken), (0.97 if valid else 0.4) * min(word.confidence for word in taken))
    return None


def tax_number(place: Place) -> Found[str] | None:
    """The tax number at the start of a place."""
    value = find_tax_number(" ".join(word.text for word in place.words))
    return Found(value, place.words[: value.count(" ") + 1], place.words[0].confidence) if value else None


def bic_code(place: Place) -> Found[str] | None:
    """The first BIC of a place."""
    value = find_bic(" ".join(word.text for word in place.words))
    return Found(value, place.words[:1], place.words[0].confidence) if value else None


def date_parser(vocabulary: Vocabulary, day_first: bool, order_sure: float) -> Callable[[Place], Found[date] | None]:
    """Reads the date of a place. What could be either order of day and month is only as sure as the order is."""

    def parse(place: Place) -> Found[date] | None:
        text = " ".join(word.text for word in place.words)
        found = next(find_dates(text, vocabulary.months, day_first), None)
        if found is None:
            return None
        words = words_between(place.words, found.start, found.end)
        sure = _CUT if found.misread else 1.0 if found.other is None else order_sure
        # Further words before the date, other than a time, make it likelier to be about something else.
        sure *= 1.0 if len(_CLOCK.sub("", text[: found.start])) < 15 else 0.85
        # "2/07/2019": one who writes the zero writes it before both, so a digit may be lost.
        sure *= _CUT if words[0].confidence < 1 and _HALF_PADDED.search(text[found.start : found.end]) else 1.0
        return Found(found.value, words, sure * min(word.confidence for word in words))

    return parse


def words_between(words: Sequence[Word], start: int, end: int) -> tuple[Word, ...]:
    """The words that cover characters `start` to `end` of the words joined by blanks."""
    position = 0
    taken = []
    for word in words:
        if position < end and position + len(word.text) > start:
            taken.append(word)
        position += len(word.text) + 1
    return tuple(taken)


def all_dates(labelled: LabelledLines, vocabulary: Vocabulary, day_first: bool) -> list[DateText]:
    """All dates of the document, for what they show about the order of day and month."""
    return [
        found
        for line in labelled.lines
        for cell in line.cells
        for found in find_dates(cell.text, vocabulary.months, day_first)
    ]


def choose_number(candidates: Sequence[Found[str]]) -> Found[str] | None:
    """The likeliest number; surer where nothing else on the pages is named so."""
    best = choose(candidates)
    if best is None or best.confidence < 0.8 or len(best.value) < 3:
        return best
    if any(other.value != best.value and other.confidence > 0.5 * best.confidence for other in candidates):
        return best
    sure = 0.97 * min(word.confidence for word in best.words)
    return replace(best, confidence=round(max(best.confidence, sure), 3))


def number_candidates(labelled: LabelledLines) -> list[Found[str]]:
    """Numbers of the invoice: after a label of their own, and after the title ("Invoice No. 17", "Rechnung 17")."""
    found = find_labelled(labelled, ["number"], document_number, 0.96)
    for labels in labelled.labels:
        for position, label in enumerate(labels):
            if label.meaning.group != "titles":
                continue
            follower = next(
                (
                    other
                    for other in labels[position + 1 :]
                    if other.cell == label.cell and other.kind in ("generic_number",)
                ),
                None,
            )
            source: Label = follower or label
            between = labelled.lines[label.line].cells[label.cell].words[label.last : source.first]
            if follower and len(between) > 5:
                continue
            for place in labelled.right_of(source):
                value = document_number(place)
                if value and (follower or place.words[0] == value.words[0] or not key(place.words[0].text)):
                    likelihood = (0.94 if follower else 0.7) * place.likelihood
                    found.append(replace(value, confidence=value.confidence * likelihood))
    return found or _numbers_of_receipt(labelled) or _numbers_near_title(labelled)


def numbers_of_credit_note(
    labelled: LabelledLines, vocabulary: Vocabulary, found: Sequence[Found[str]], *, may_be: bool
) -> list[Found[str]]:
    """Of the numbers that were found on a credit note, one that words for an invoice name may be that of the invoice it
    belongs to, and is not sure. What is just called a number at the start of a line may be its own, then. What `may_be`
    a credit note, as it has no title, has to have both.
    """
    invoices = vocabulary.titles.get("380", ())
    of_invoices = [
        value.words
        for label in labelled.all("number")
        if any(one in "".join(key(word.text) for word in labelled.words_of(label)) for one in invoices)
        for place in labelled.places(label)
        if (value := document_number(place))
    ]
    others = [
        value.at_most(_OF_ANOTHER) if may_be else replace(value, confidence=0.8 * value.confidence)
        for label in labelled.all("generic_number")
        if of_invoices and label.first == label.cell == 0
        for place in labelled.right_of(label)
        if (value := document_number(place))
    ]
    if may_be and not others:
        return list(found)
    return [*(one.at_most(_OF_ANOTHER) if one.words in of_invoices else one for one in found), *others]


def _numbers_of_receipt(labelled: LabelledLines) -> list[Found[str]]:
    """What only a receipt is counted by ("Check 17"), and what is called a number on the line of its date and time."""
    found = find_labelled(labelled, ["receipt_number"], document_number, _OF_RECEIPT)
    for label in labelled.all("generic_number"):
        line = labelled.lines[label.line]
        if label.first == 0 and _DATE_AND_TIME.search(line.text):
            values = (document_number(place) for place in labelled.right_of(label))
            found.extend(replace(value, confidence=_OF_RECEIPT * value.confidence) for value in values if value)
    return found


def _numbers_near_title(labelled: LabelledLines) -> list[Found[str]]:
    """Where nothing else is named a number of the invoice: what follows "No." just above or below the title, or stands
    there alone and looks like one ("RE-2024-17")."""
    titles = [title for title in labelled.titles() if not title.ending]
    found: list[Found[str]] = []
    for title in titles[:4]:
        for number in range(max(title.line - 1, 0), min(title.line + 3, len(labelled.lines))):
            line = labelled.lines[number]
            if line.page != labelled.lines[title.line].page:
                continue
            labels = labelled.labels[number]
            for label in labels:
                if label.kind == "generic_number":
                    places = (document_number(place) for place in labelled.right_of(label))
                    found.extend(replace(value, confidence=0.75 * value.confidence) for value in places if value)
            for index, cell in enumerate(line.cells):
                alone = len(cell.words) == 1 and not any(label.cell == index for label in labels)
                value = document_number(Place(cell.words, 1.0, number)) if alone else None
                if value and _SERIAL.fullmatch(value.value):
                    found.append(replace(value, confidence=0.5 * value.confidence))
    return found


def dated_candidates(labelled: LabelledLines, parse: Callable[[Place], Found[date] | None]) -> list[Found[date]]:
    """Dates that follow the title or the number on its line or the next: "Rechnung Nr. 17 vom 5.6.2018"."""
    found = []
    for labels in labelled.labels:
        for position, label in enumerate(labels):
            if label.kind != "dated":
                continue
            before = [other for other in labels[:position] if other.cell == label.cell]
            if label.first == 0 and label.line:
                # "Rechnung 17" and under it "vom 5.6.2018"
                before = list(labelled.labels[label.line - 1])
            numbered = any(other.kind in ("generic_number", "number") for other in before)
            before = [other for other in before if other.kind != "generic_number"]
            if not before or not (before[-1].meaning.group == "titles" or before[-1].kind == "number"):
                continue
            for place in labelled.right_of(label):
                if value := parse(place):
                    found.append(replace(value, confidence=value.confidence * (0.95 if numbered else 0.83)))
    return found


def box_of(words: Sequence[Word]) -> tuple[float, float, float, float]:
    """The box around some words."""
    return enclosing(word.box for word in words)
