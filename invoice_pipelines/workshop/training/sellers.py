"""Trains the weights by which names are ranked as the seller's, and measures them on sellers they have not seen.

    python -m invoice_pipelines.workshop.training.sellers --documents FOLDER --hybrids FOLDER --pages FOLDER

From labelled receipts, hybrids, and made-up documents other than those of the bench.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from invoice_pipelines.einvoice.errors import ReadingError
from invoice_pipelines.intake.documents.text_layer import ranking
from invoice_pipelines.intake.documents.text_layer.page.labels import labelled_lines
from invoice_pipelines.intake.documents.text_layer.parties import describe_sellers
from invoice_pipelines.intake.documents.text_layer.ranking.sellers import NONE, WEIGHTS, Name, ranked_sellers
from invoice_pipelines.workshop.bench.reading.documents import Document, hybrids, receipts
from invoice_pipelines.workshop.bench.reading.made.made import MADE, made_documents
from invoice_pipelines.workshop.bench.reading.reading import MADE_DOCUMENTS, kept_pages
from invoice_pipelines.workshop.bench.reading.truth import is_right
from invoice_pipelines.workshop.training.folds import FOLDS, fold_of

MADE_TO_LEARN_FROM = 1_000
_WEIGHT_OF_MADE = 0.1
_ROUNDS = 400
_STEP = 0.05
_L2 = 0.002


@dataclass(frozen=True)
class Seen:
    """A document with what is said of its names, and which of them are the seller's. The last is none of them."""

    document: Document
    names: tuple[Name, ...]
    right: tuple[bool, ...]

    @property
    def features(self) -> tuple[tuple[str, ...], ...]:
        return (*(name.features for name in self.names), NONE)


def see(documents: Iterable[Document]) -> list[Seen]:
    """Those whose seller is known."""
    found = []
    for document in documents:
        if isinstance(document.pages, ReadingError) or "seller" not in document.truth:
            continue
        pages = [page for page in document.pages if page.usable]
        labelled, vocabulary = labelled_lines(pages)
        names, _ = describe_sellers(labelled, pages, vocabulary)
        right = [is_right("seller", name.found.value, document.truth["seller"]) is True for name in names]
        found.append(Seen(document, tuple(names), (*right, not any(right))))
    return found


def learn(documents: Sequence[Seen]) -> dict[str, float]:
    """The weights that make the sellers the likeliest names: softmax over the names of each document, by Adam."""
    words = sorted({feature for seen in documents for of_name in seen.features for feature in of_name})
    number = {word: index for index, word in enumerate(words)}
    rows = [of_name for seen in documents for of_name in seen.features]
    counts = [len(seen.features) for seen in documents]
    matrix = np.zeros((len(rows), len(words)))
    for row, of_name in enumerate(rows):
        matrix[row, [number[feature] for feature in of_name]] = 1.0
    right = np.array([one for seen in documents for one in seen.right])
    starts = np.cumsum([0, *counts[:-1]])
    share = np.array([_WEIGHT_OF_MADE if seen.document.part == MADE else 1.0 for seen in documents])
    importance = np.repeat(share / share.sum(), counts)
    weights, mean, square = (np.zeros(len(words)) for _ in range(3))
    for turn in range(1, _ROUNDS + 1):
        powers = np.exp(matrix @ weights)
        wanted = powers * right
        off = powers / np.repeat(np.add.reduceat(powers, starts), counts)
        off -= wanted / np.repeat(np.add.reduceat(wanted, starts), counts)
        gradient = matrix.T @ (off * importance) + _L2 * weights
        mean = 0.9 * mean + 0.1 * gradient
        square = 0.99 * square + 0.01 * gradient**2
        weights -= _STEP * (mean / (1 - 0.9**turn)) / (np.sqrt(square / (1 - 0.99**turn)) + 1e-8)
    return {word: round(float(weight), 3) for word, weight in zip(words, weights, strict=True) if abs(weight) >= 0.01}


def report(documents: Sequence[Seen], weights: Sequence[Mapping[str, float]]) -> str:
    """How many of the likeliest names are right; of all, and of those that are borne out from a likelihood on."""
    best = []
    for seen, known in zip(documents, weights, strict=True):
        if ranked := ranked_sellers(seen.names, known):
            name = ranked[0]
            best.append((name.confidence, is_right("seller", name.value, seen.document.truth["seller"]) is True))
    parts = [f"{sum(right for _, right in best)} of {len(documents)}"]
    for limit in (0.51, 0.7, 0.9):
        sure = [right for likelihood, right in best if likelihood >= limit]
        parts.append(f"{sum(sure)} of {len(sure)} from {limit} on")
    return ", ".join(parts)


def main(
    documents: Annotated[Path, typer.Option(help="A folder with labelled/, unlabelled/ and expected.jsonl.")],
    hybrids_in: Annotated[Path, typer.Option("--hybrids", help="A folder of PDFs with e-invoices in them.")],
    pages: Annotated[Path | None, typer.Option(help="Where recognized pages are kept.")] = None,
) -> None:
    """Measure, and write the weights."""
    with kept_pages(pages) as kept:
        found = [*receipts(documents, kept), *hybrids(hybrids_in, kept)]
    seen = see([*found, *made_documents(MADE_TO_LEARN_FROM, first=MADE_DOCUMENTS)])
    folds = [fold_of(one.document.seller) for one in seen]
    of_fold = [learn([one for one, other in zip(seen, folds, strict=True) if other != fold]) for fold in range(FOLDS)]
    for part in dict.fromkeys(one.document.part for one in seen):
        of_part = [(one, of_fold[fold]) for one, fold in zip(seen, folds, strict=True) if one.document.part == part]
        typer.echo(f"{part}, sellers unseen: {report([one for one, _ in of_part], [known for _, known in of_part])}")
    text = json.dumps(learn(seen), ensure_ascii=False, indent=0)
    (Path(ranking.__path__[0]) / WEIGHTS).write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    typer.run(main)
