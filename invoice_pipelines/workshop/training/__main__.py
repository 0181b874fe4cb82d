"""Trains the second reader and measures it: `python -m invoice_pipelines.workshop.training RECEIPTS`.

RECEIPTS is a folder as `bench reading` takes it. What is measured is cross-validated: a receipt is judged by a model
that has seen no receipt of its seller. The model that is written has seen all.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from tempfile import gettempdir

from invoice_pipelines.intake.documents.ocr.engine import EngineSpec
from invoice_pipelines.intake.documents.ocr.recognizer import SharedRecognizer
from invoice_pipelines.intake.documents.text_layer import ranking
from invoice_pipelines.intake.documents.text_layer.page.labels import labelled_lines
from invoice_pipelines.intake.documents.text_layer.ranking.agreement import find_agreed_totals
from invoice_pipelines.intake.documents.text_layer.ranking.ranker import Model, rank
from invoice_pipelines.intake.documents.text_layer.totals.amounts import find_amounts
from invoice_pipelines.intake.documents.text_layer.totals.totals import find_totals
from invoice_pipelines.workshop.bench.reading.documents import receipts
from invoice_pipelines.workshop.bench.reading.kept_pages import KeptPages
from invoice_pipelines.workshop.training.folds import FOLDS, fold_of
from invoice_pipelines.workshop.training.learning import Seen, as_file, learn, see
from invoice_pipelines.workshop.training.made import samples
from invoice_pipelines.workshop.training.receipts import seen_receipts

_UNSEEN = 10**6  # the first number of the made-up documents that judge
_LIKELY = 0.8
_SURE = 0.95


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
        for seen, by_person in seen_receipts(receipts(chosen.receipts, KeptPages(chosen.pages, recognizer))):
            groups[by_person].append(seen)
    known = [*groups[True], *groups[False]]
    models = [learn([*made, *(seen for seen in known if fold_of(seen.sample.seller) != fold)]) for fold in range(FOLDS)]
    for name, group in (("labelled by a person", groups[True]), ("proved by the rules", groups[False])):
        report(f"{name}, sellers unseen", group, [models[fold_of(seen.sample.seller)] for seen in group])
    model = learn([*made, *known])
    unseen = [seen for sample in samples(chosen.made // 5, _UNSEEN) if (seen := see(sample))]
    report("made up, unseen", unseen, [model] * len(unseen))
    chosen.to.write_bytes(as_file(model))


def report(name: str, group: Sequence[Seen], models: Sequence[Model]) -> None:
    """Prints how many first choices of the ranker are right, also of those that it finds likely; and how many totals
    are right and sure by the rules alone, and by both readers."""
    ranker, likely, rules, sure_rules, both, sure_both = (Counter[bool]() for _ in range(6))
    for seen, model in zip(group, models, strict=True):
        accepted = seen.sample.totals.get("gross")
        if not accepted:
            continue
        labelled, _ = labelled_lines(seen.sample.pages)
        lines = find_amounts(labelled)
        value, likelihood = next(iter(rank(labelled, lines, "gross", model).items()), (None, 0.0))
        ranker[value in accepted] += 1
        if likelihood >= _LIKELY:
            likely[value in accepted] += 1
        alone, agreed = find_totals(lines, labelled.named("exempt")), find_agreed_totals(labelled, lines, model)
        for gross, right, sure in ((alone.gross, rules, sure_rules), (agreed.gross, both, sure_both)):
            is_right = gross is not None and gross.amount.value in accepted
            right[is_right] += 1
            if gross and gross.confidence >= _SURE:
                sure[is_right] += 1
        if likelihood >= _LIKELY and value not in accepted:
            sys.stdout.write(f"  {seen.sample.name}: {value} {likelihood:.2f}, not {sorted(accepted)}\n")
    for what, counts in (
        ("the ranker's first choice", ranker),
        (f"  where its likelihood is at least {_LIKELY}", likely),
        ("the rules alone", rules),
        ("  where they are sure", sure_rules),
        ("both readers", both),
        ("  where they are sure", sure_both),
    ):
        sys.stdout.write(f"{name}, {what}: {counts[True]} of {counts.total()} right\n")


if __name__ == "__main__":
    main()
