"""Trains the second reader and measures it: `python -m invoice_pipelines.workshop.training RECEIPTS`.

RECEIPTS is a folder as `bench reading` takes it. What is measured is cross-validated: a receipt is judged by a model
that has seen no receipt of its seller. The model that is written has seen all.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from tempfile import gettempdir
from zlib import crc32

from invoice_pipelines.intake.documents.ocr.engine import EngineSpec
from invoice_pipelines.intake.documents.ocr.recognizer import SharedRecognizer
from invoice_pipelines.intake.documents.text_layer import ranking
from invoice_pipelines.intake.documents.text_layer.ranking.ranker import ROLES, Model
from invoice_pipelines.workshop.bench.reading.documents import receipts
from invoice_pipelines.workshop.bench.reading.kept_pages import KeptPages
from invoice_pipelines.workshop.training.learning import Seen, as_file, learn, see
from invoice_pipelines.workshop.training.made import samples
from invoice_pipelines.workshop.training.receipts import samples_of

_FOLDS = 5
_LABELLED = 4.0  # a receipt that a person has labelled counts as so many made-up documents
_PROVED = 2.0
_UNSEEN = 10**6  # the first number of the made-up documents that judge
_SURE = 0.8


def main() -> None:
    """Trains, prints what is measured, and writes the model."""
    parser = argparse.ArgumentParser(prog="python -m invoice_pipelines.workshop.training", description=__doc__)
    parser.add_argument("receipts", type=Path, help="the folder of the receipts")
    parser.add_argument(
        "--pages", type=Path, default=Path(gettempdir()) / "invoice-pipelines-pages", help="where pages are kept"
    )
    parser.add_argument("--made", type=int, default=3000, help="how many documents are made up")
    parser.add_argument("--to", type=Path, default=Path(ranking.__path__[0]) / "totals.model", help="the model")
    chosen = parser.parse_args()
    made = [seen for sample in samples(chosen.made) if (seen := see(sample))]
    groups: dict[bool, list[Seen]] = {True: [], False: []}
    with SharedRecognizer(EngineSpec("rapidocr", threads=1), processes=1) as recognizer:
        for sample, by_person in samples_of(receipts(chosen.receipts, KeptPages(chosen.pages, recognizer))):
            if seen := see(sample, _LABELLED if by_person else _PROVED):
                groups[by_person].append(seen)
    known = [*groups[True], *groups[False]]
    models = [learn([*made, *(seen for seen in known if fold_of(seen) != fold)]) for fold in range(_FOLDS)]
    for name, group in (("labelled by a person", groups[True]), ("proved by the rules", groups[False])):
        report(f"{name}, sellers unseen", group, [models[fold_of(seen)] for seen in group])
    model = learn([*made, *known])
    unseen = [seen for sample in samples(chosen.made // 5, _UNSEEN) if (seen := see(sample))]
    report("made up, unseen", unseen, [model] * len(unseen))
    chosen.to.write_bytes(as_file(model))


def fold_of(seen: Seen) -> int:
    """Which part of the receipts one belongs to; all of a seller belong to the same."""
    return crc32(seen.sample.seller.encode()) % _FOLDS


def report(name: str, group: Sequence[Seen], models: Sequence[Model]) -> None:
    """Prints how many were right, and right of those with a likelihood of at least 0.8."""
    for role in ROLES:
        known = right = sure = right_of_sure = 0
        for seen, model in zip(group, models, strict=True):
            accepted = seen.sample.totals.get(role)
            if accepted is None:
                continue
            by_value: dict[Decimal | None, float] = {}
            for value, likelihood in zip((*seen.values, None), model.likelihoods(seen.features, role), strict=True):
                by_value[value] = by_value.get(value, 0.0) + likelihood
            best = max(by_value, key=lambda value: by_value[value])
            is_right = best in accepted or (best is None and not accepted & set(seen.values))
            known, right = known + 1, right + is_right
            if by_value[best] >= _SURE:
                sure, right_of_sure = sure + 1, right_of_sure + is_right
        sys.stdout.write(f"{name:40} {role:6} right {right}/{known}, likelihood >= {_SURE}: {right_of_sure}/{sure}\n")


if __name__ == "__main__":
    main()
