"""The receipts to learn from, and what is known of their totals: by a person, or because the rules have proved them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal

from invoice_pipelines.einvoice.errors import ReadingError
from invoice_pipelines.intake.documents.text_layer.page.labels import labelled_lines
from invoice_pipelines.intake.documents.text_layer.page.words import Page
from invoice_pipelines.intake.documents.text_layer.totals.amounts import find_amounts
from invoice_pipelines.intake.documents.text_layer.totals.totals import find_totals
from invoice_pipelines.workshop.bench.reading.documents import Document
from invoice_pipelines.workshop.bench.reading.truth import AMOUNTS
from invoice_pipelines.workshop.training.learning import Seen, see
from invoice_pipelines.workshop.training.made import Sample

_SURE = 0.95
_LABELLED = 4.0  # a receipt that a person has labelled counts as so many made-up documents
_PROVED = 2.0


def seen_receipts(documents: Iterable[Document]) -> Iterator[tuple[Seen, bool]]:
    """The documents to learn from as the second reader sees them, and whether a person has told their totals."""
    for sample, by_person in samples_of(documents):
        if seen := see(sample, _LABELLED if by_person else _PROVED):
            yield seen, by_person


def samples_of(documents: Iterable[Document]) -> Iterator[tuple[Sample, bool]]:
    """The documents of which any total is known, and whether a person has told so."""
    for document in documents:
        if isinstance(document.pages, ReadingError):
            continue
        pages = tuple(page for page in document.pages if page.usable)
        totals = (
            {role: frozenset(map(Decimal, document.truth[role] or ())) for role in AMOUNTS if role in document.truth}
            if document.labelled
            else proved_totals(pages)
        )
        if totals:
            yield Sample(document.name, pages, totals, document.seller), document.labelled


def proved_totals(pages: tuple[Page, ...]) -> Mapping[str, frozenset[Decimal]]:
    """The totals on these pages that the rules are sure of, without the second reader."""
    lines, _ = labelled_lines(pages)
    totals = find_totals(find_amounts(lines), lines.named("exempt"))
    found = {"gross": totals.gross, "net": totals.net, "tax": totals.tax}
    return {role: frozenset({one.amount.value}) for role, one in found.items() if one and one.confidence >= _SURE}
