"""Other possible values of a field, for the person who decides: `find_candidates`, the best first.

The field finder has its own candidates; here those that it did not take come in, too, down to whatever is of the right
type. Scores order the candidates of one field and mean nothing beside those of another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import TypeVar

from invoice_pipelines.intake.documents.text_layer.dates import DateFinder
from invoice_pipelines.intake.documents.text_layer.header import (
    Found,
    box_of,
    currency_code,
    document_number,
    find_labelled,
    number_candidates,
    vat_id,
    words_between,
)
from invoice_pipelines.intake.documents.text_layer.identifiers import find_ibans
from invoice_pipelines.intake.documents.text_layer.names import name_of
from invoice_pipelines.intake.documents.text_layer.page.labels import LabelledLines, Place, labelled_lines
from invoice_pipelines.intake.documents.text_layer.page.vocabulary import Vocabulary
from invoice_pipelines.intake.documents.text_layer.page.words import Box, Page
from invoice_pipelines.intake.documents.text_layer.parties import find_parties, seller_names
from invoice_pipelines.intake.documents.text_layer.totals.amounts import find_amounts
from invoice_pipelines.intake.documents.text_layer.totals.totals import find_totals

T = TypeVar("T")

FIELDS = (
    "number",
    "issue_date",
    "due_date",
    "net_amount",
    "tax_amount",
    "gross_amount",
    "currency",
    "seller.name",
    "seller.vat_id",
    "iban",
)
"""The fields that there are candidates for."""

_MOST = 5
_UNNAMED = 0.1
_ROLES = {"net_amount": "net", "tax_amount": "tax", "gross_amount": "gross"}


@dataclass(frozen=True, slots=True)
class Candidate:
    """One possible value of a field, as it is written on a page and where. `score` is 0 to 1."""

    value: str | date | Decimal
    text: str
    page: int
    box: Box
    score: float


def find_candidates(pages: Sequence[Page], field: str) -> list[Candidate]:
    """Possible values of a field, the best first, at most five. A value found in several places comes once.

    `field` is one of `FIELDS`; ValueError for any other.
    """
    if field not in FIELDS:
        raise ValueError(f"There are no candidates for {field}; only for {', '.join(FIELDS)}.")
    if not pages:
        return []
    labelled, vocabulary = labelled_lines(pages)
    if field in _ROLES:
        return _best(_amounts(labelled, _ROLES[field]))
    return _best(_candidate(found) for found in _found(field, labelled, pages, vocabulary))


def _found(
    field: str, labelled: LabelledLines, pages: Sequence[Page], vocabulary: Vocabulary
) -> Iterator[Found[str] | Found[date]]:
    if field == "number":
        yield from number_candidates(labelled)
        yield from _scaled(_every_word(labelled, document_number), _UNNAMED)
    elif field in ("issue_date", "due_date"):
        finder = DateFinder(labelled, pages, vocabulary, None)
        issue = field == "issue_date"
        yield from finder.issue_candidates() if issue else finder.due_candidates()
        for found, another in finder.all():
            yield replace(found, confidence=found.confidence * (0.3 if another is not issue else _UNNAMED))
    elif field == "currency":
        yield from find_labelled(labelled, ["currency"], currency_code, 0.98)
        yield from _scaled(_every_word(labelled, currency_code), 0.5)
    elif field == "seller.vat_id":
        yield from find_labelled(labelled, ["vat_id"], vat_id)
        yield from _scaled(find_labelled(labelled, ["buyer_vat_id"], vat_id), 0.3)
        yield from _scaled(_every_word(labelled, vat_id), _UNNAMED)
    elif field == "seller.name":
        seller, buyer = find_parties(labelled, pages, vocabulary)
        names = [(seller, 1.0), (buyer, 0.3)]
        for name, share in [*names, *((name, 0.5) for name in seller_names(labelled, pages, vocabulary))]:
            if name:
                yield replace(name, confidence=name.confidence * share)
        for line in labelled.lines[:6]:
            for cell in line.cells:
                if name := name_of(cell.words, vocabulary, _UNNAMED):
                    yield name
    elif field == "iban":
        for line in labelled.lines:
            words = line.words
            for value, start, end, valid in find_ibans(" ".join(word.text for word in words)):
                yield Found(value, words_between(words, start, end), 0.98 if valid else 0.4)


def _every_word(labelled: LabelledLines, parse: Callable[[Place], Found[T] | None]) -> Iterator[Found[T]]:
    for line in labelled.lines:
        for word in line.words:
            if found := parse(Place((word,), 1.0, line.number)):
                yield found


def _scaled(candidates: Iterable[Found[T]], share: float) -> Iterator[Found[T]]:
    return (replace(found, confidence=found.confidence * share) for found in candidates)


def _candidate(found: Found[str] | Found[date]) -> Candidate:
    page = found.words[0].page
    box = box_of([word for word in found.words if word.page == page])
    return Candidate(found.value, found.text, page, box, round(found.confidence, 3))


def _amounts(labelled: LabelledLines, role: str) -> Iterator[Candidate]:
    lines = find_amounts(labelled)
    totals = find_totals(lines, labelled.named("exempt"))
    chosen = {"net": totals.net, "tax": totals.tax, "gross": totals.gross}[role]
    if chosen:
        yield Candidate(
            chosen.amount.value, chosen.amount.text, chosen.amount.page, chosen.amount.box, max(chosen.confidence, 0.5)
        )
    largest = max((abs(amount.value) for line in lines for amount in line.amounts if amount.money), default=Decimal(0))
    for line in lines:
        for amount in line.amounts:
            if amount.money or role in amount.roles:
                # Without a word for it, a larger amount is likelier to be a total than a smaller one.
                size = float(abs(amount.value) / largest) if largest and role == "gross" else 0.0
                score = 0.9 * amount.roles.get(role, 0.0) or _UNNAMED * (0.5 + 0.5 * size)
                yield Candidate(amount.value, amount.text, amount.page, amount.box, round(min(score, 1.0), 3))


def _best(candidates: Iterable[Candidate]) -> list[Candidate]:
    best: dict[str | date | Decimal, Candidate] = {}
    for candidate in candidates:
        other = best.get(candidate.value)
        if other is None or candidate.score > other.score:
            best[candidate.value] = candidate
    return sorted(best.values(), key=lambda candidate: -candidate.score)[:_MOST]
