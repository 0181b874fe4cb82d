"""How documents are read whose sellers nothing was learned from.

    python -m invoice_pipelines.workshop.training.cross_validation --documents FOLDER --hybrids FOLDER --pages FOLDER

For each fold of the sellers, the second reader, the weights of sellers and the calibration are learned anew from the
documents of the other folds and from made-up ones, as what the project carries is from all of them. Then the documents
of the fold are read, validated and judged. It prints the same JSON as `bench reading`. Rules that people wrote are the
same in all folds.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from unittest.mock import patch

import typer

from invoice_pipelines.intake.documents.text_layer import calibration
from invoice_pipelines.intake.documents.text_layer.ranking import agreement
from invoice_pipelines.intake.documents.text_layer.ranking import sellers as ranked
from invoice_pipelines.workshop.bench.reading.calibration import fitted, scored_values
from invoice_pipelines.workshop.bench.reading.documents import Document, hybrids, receipts
from invoice_pipelines.workshop.bench.reading.made.made import made_documents
from invoice_pipelines.workshop.bench.reading.measures import part_figures
from invoice_pipelines.workshop.bench.reading.outcomes import Outcome, outcome_of, thresholds
from invoice_pipelines.workshop.bench.reading.reading import MADE_DOCUMENTS, bars_of, kept_pages
from invoice_pipelines.workshop.bench.result import BenchResult, environment
from invoice_pipelines.workshop.training import learning, sellers
from invoice_pipelines.workshop.training.folds import FOLDS, fold_of
from invoice_pipelines.workshop.training.made import samples
from invoice_pipelines.workshop.training.receipts import seen_receipts


@dataclass(frozen=True)
class MadeUp:
    """What is learned from beside real documents: as many as for what the project carries, if `count` is 3,000."""

    totals: Sequence[learning.Seen]
    sellers: Sequence[sellers.Seen]
    calibration: Sequence[Document]

    @classmethod
    def make(cls, count: int) -> MadeUp:
        to_calibrate = list(made_documents(count // 2, first=MADE_DOCUMENTS))
        return cls(
            [seen for sample in samples(count) if (seen := learning.see(sample))],
            sellers.see(to_calibrate[: count // 3]),
            to_calibrate,
        )


@contextmanager
def learned_from(documents: Sequence[Document], made_up: MadeUp) -> Iterator[None]:
    """The reader as it would be if it had been trained with these documents only."""
    model = learning.learn([*made_up.totals, *(seen for seen, _ in seen_receipts(documents))])
    weights = sellers.learn([*made_up.sellers, *sellers.see(documents)])
    with (
        patch.object(agreement, "load_model", return_value=model),
        patch.object(ranked, "load_weights", return_value=weights),
    ):
        table = fitted(scored_values([*documents, *made_up.calibration]))
        with patch.object(calibration, "load_table", return_value=table):
            yield


def cross_validated(documents: Iterable[Document], made_up: MadeUp) -> Iterator[Outcome]:
    """What becomes of each document, read by what was learned from those of other sellers."""
    documents = list(documents)
    today = datetime.now(UTC).date()
    for fold in range(FOLDS):
        typer.echo(f"fold {fold + 1} of {FOLDS}", err=True)
        with learned_from([one for one in documents if fold_of(one.seller) != fold], made_up):
            yield from [outcome_of(one, today) for one in documents if fold_of(one.seller) == fold]


def main(
    documents: Annotated[Path, typer.Option(help="A folder with labelled/, unlabelled/ and expected.jsonl.")],
    hybrids_in: Annotated[
        Path | None, typer.Option("--hybrids", help="A folder of PDFs with e-invoices in them.")
    ] = None,
    pages: Annotated[Path | None, typer.Option(help="Where recognized pages are kept.")] = None,
    made: Annotated[int, typer.Option(help="How many documents are made up.", min=6)] = 3_000,
) -> None:
    """Learn, read, and print the figures."""
    with kept_pages(pages) as kept:
        found = [*receipts(documents, kept), *(hybrids(hybrids_in, kept) if hybrids_in else ())]
    parts: dict[str, list[Outcome]] = {}
    for outcome in cross_validated(found, MadeUp.make(made)):
        parts.setdefault(outcome.document.part, []).append(outcome)
    bars = bars_of(parts)
    details = {part: part_figures(of_part, thresholds()) for part, of_part in parts.items()}
    ratios = {name: bar.value for name, bar in bars.items()}
    result = BenchResult("reading, cross-validated", {}, ratios, bars, environment(None), details)
    typer.echo(json.dumps(result.as_json(), indent=2))


if __name__ == "__main__":
    typer.run(main)
