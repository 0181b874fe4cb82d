"""Measures what the reader's scores come to, and writes the table that it calibrates with, and a picture of it.

    python -m invoice_pipelines.workshop.bench.reading.calibration --documents FOLDER --hybrids FOLDER --pages FOLDER

Isotonic regression by field and by text layer or OCR, on labelled receipts, hybrids and made-up documents other than
those of the bench. What is printed is cross-validated: nothing is tested with what was learned from the same seller.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from invoice_pipelines.einvoice.errors import ReadingError
from invoice_pipelines.intake.documents.text_layer import calibration, find_fields
from invoice_pipelines.intake.documents.text_layer.calibration import Points, share_of
from invoice_pipelines.intake.review.fields import place_of
from invoice_pipelines.organizations import ReviewThresholds
from invoice_pipelines.workshop.bench.reading.diagram import reliability_diagram
from invoice_pipelines.workshop.bench.reading.documents import Document, hybrids, receipts
from invoice_pipelines.workshop.bench.reading.made.made import MADE, made_documents
from invoice_pipelines.workshop.bench.reading.measures import Sureness, calibration_error
from invoice_pipelines.workshop.bench.reading.outcomes import RECIPIENT
from invoice_pipelines.workshop.bench.reading.reading import MADE_DOCUMENTS, kept_pages
from invoice_pipelines.workshop.bench.reading.truth import FIELDS, is_right, read_values

FOLDS = 5
MADE_TO_LEARN_FROM = 1_500
WEIGHT_OF_MADE = 0.05
"""Of a made-up document against a real one: they are many, and as somebody thought of them."""
_SUREST = 0.995
PROVED = {
    "net": "net_amount",
    "tax": "tax_amount",
    "gross": "gross_amount",
    "vat_id": "seller_vat_id",
    "iban": "iban",
    "issue_date": "issue_date",
    "seller": "seller_name",
    "currency": "currency",
}
"""Fields whose values are proved or borne out, and what their thresholds are called."""
BORNE_OUT_FROM = {"issue_date": 0.83, "seller": 0.6, "currency": 0.8}
"""The scores from which on a date has a label or a time beside it, a name has an address, an identifier or such, and a
currency is that of the total or of the country."""


@dataclass(frozen=True, slots=True)
class Scored:
    """A value with the reader's score for it; `group` is whose documents are learned from or tested on together."""

    field: str
    source: str
    group: str
    score: float
    right: bool
    weight: float


def scored_values(documents: Iterable[Document]) -> list[Scored]:
    """The values that are judged of what is read in these documents, with their scores before calibration."""
    found = []
    for document in documents:
        if isinstance(document.pages, ReadingError) or not document.truth:
            continue
        try:
            reading = find_fields([page for page in document.pages if page.usable], recipient=RECIPIENT)
        except ReadingError:
            continue
        for field, value in read_values(reading).items():
            place = reading.provenance.get(place_of(FIELDS[field])) if field in FIELDS else None
            right = is_right(field, value, document.truth[field]) if field in document.truth else None
            if value is not None and right is not None and place is not None:
                weight = WEIGHT_OF_MADE if document.part == MADE else 1.0
                found.append(Scored(field, place.source, document.seller, place.confidence, right, weight))
    return found


def fitted(values: Sequence[Scored]) -> dict[str, dict[str, Points]]:
    """The table for these values, as `text_layer.calibration` reads it."""
    table: dict[str, dict[str, Points]] = {}
    for field, name in FIELDS.items():
        for source in ("text", "ocr"):
            of_source = [value for value in values if value.field == field and value.source == source]
            if of_source:
                points = _proof_kept(of_source) if field in PROVED else isotonic(of_source)
                table.setdefault(place_of(name), {})[source] = points
    return table


def isotonic(values: Sequence[Scored]) -> list[tuple[float, float]]:
    """Rising shares: neighbours that do not rise are put together. A value more counts half right, half wrong, so that
    few that are right are not taken for certainty."""
    blocks: list[list[float]] = []  # lowest and highest score, weight of right ones, weight of all
    for value in sorted(values, key=lambda value: value.score):
        if blocks and blocks[-1][1] == value.score:
            blocks[-1][2] += value.weight * value.right
            blocks[-1][3] += value.weight
        else:
            blocks.append([value.score, value.score, value.weight * value.right, value.weight])
        while len(blocks) > 1 and _share(blocks[-2]) >= _share(blocks[-1]):
            _, highest, right, weight = blocks.pop()
            blocks[-1][1:] = [highest, blocks[-1][2] + right, blocks[-1][3] + weight]
    points: list[tuple[float, float]] = []
    for block in blocks:
        share = round(min((block[2] + 0.5) / (block[3] + 1), _SUREST), 3)
        share = max(share, points[-1][1] if points else 0.0)
        points += [(score, share) for score in dict.fromkeys(block[:2])]
    return points


def _proof_kept(values: Sequence[Scored]) -> list[tuple[float, float]]:
    """What has no proof by arithmetic or check digits stays below the threshold, however often it is right; what has it
    stays above. What nothing bears out stays below, too, and a bare date is no surer than its score."""
    field = values[0].field
    threshold: float = getattr(ReviewThresholds(), PROVED[field])
    line = BORNE_OUT_FROM.get(field, threshold)
    below, above = [v for v in values if v.score < line], [v for v in values if v.score >= line]
    low = [(score, min(share, threshold - 0.01)) for score, share in isotonic(below)] or [(0.0, 0.0)]
    if field == "issue_date":
        low = [(score, min(share, score)) for score, share in low]
    least = 0.0 if field in BORNE_OUT_FROM else threshold
    high = [(score, max(share, least, low[-1][1])) for score, share in isotonic(above)] or [(line, line)]
    return [*low, (line - 0.0001, low[-1][1]), (line, high[0][1]), *(point for point in high if point[0] > line)]


def _share(block: Sequence[float]) -> float:
    return block[2] / block[3]


def shares(values: Iterable[Scored], table: Mapping[str, Mapping[str, Points]]) -> list[tuple[Scored, Sureness]]:
    """The values with what a table makes of their scores."""
    found = []
    for value in values:
        points = table.get(place_of(FIELDS[value.field]), {}).get(value.source)
        share = share_of(value.score, points) if points else value.score
        found.append((value, Sureness(share, value.right)))
    return found


def cross_validated(values: Sequence[Scored]) -> list[tuple[Scored, Sureness]]:
    """Each value by a table that was learned from documents of other sellers."""
    groups = sorted({value.group for value in values})
    fold_of = {group: number % FOLDS for number, group in enumerate(groups)}
    found = []
    for fold in range(FOLDS):
        table = fitted([value for value in values if fold_of[value.group] != fold])
        found += shares([value for value in values if fold_of[value.group] == fold], table)
    return found


def _sure_from(values: Sequence[Sureness]) -> float | None:
    """The least confidence from which on 99 % of the values are right."""
    for limit in sorted({value.confidence for value in values}):
        sure = [value.right for value in values if value.confidence >= limit]
        if sum(sure) >= 0.99 * len(sure):
            return limit
    return None


def main(
    documents: Annotated[Path, typer.Option(help="A folder with labelled/, unlabelled/ and expected.jsonl.")],
    hybrids_in: Annotated[Path, typer.Option("--hybrids", help="A folder of PDFs with e-invoices in them.")],
    pages: Annotated[Path | None, typer.Option(help="Where recognized pages are kept.")] = None,
    picture: Annotated[Path, typer.Option(help="Where the diagram is written.")] = Path("docs/images/calibration.svg"),
) -> None:
    """Measure, write the table beside the reader, and draw it."""
    with kept_pages(pages) as kept:
        found = [*receipts(documents, kept), *hybrids(hybrids_in, kept)]
    values = scored_values([*found, *made_documents(MADE_TO_LEARN_FROM, first=MADE_DOCUMENTS)])
    table = fitted(values)
    path = Path(calibration.__file__).with_name(calibration.TABLE)
    path.write_text(json.dumps(table).replace("]], ", "]],\n ").replace("}, ", "},\n") + "\n", "utf-8")
    real = [(value, sureness) for value, sureness in cross_validated(values) if value.weight == 1]
    before = {
        field: [Sureness(value.score, value.right) for value, _ in real if value.field == field] for field in FIELDS
    }
    after = {field: [sureness for value, sureness in real if value.field == field] for field in FIELDS}
    for field in FIELDS:
        sure = _sure_from(after[field])
        typer.echo(
            f"{field:12} {len(after[field]):5} values, calibration error {calibration_error(before[field]):.3f} before,"
            f" {calibration_error(after[field]):.3f} after (cross-validated by seller),"
            f" 99 % right from {'no confidence' if sure is None else f'{sure:.3f}'} on"
        )
    picture.write_text(reliability_diagram(before, after), "utf-8")


if __name__ == "__main__":
    typer.run(main)
