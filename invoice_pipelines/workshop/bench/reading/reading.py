"""The benchmark `reading`: how right and how sure documents without XML are read, and how many pass without a person.

Each document goes through reader, validation and gate as in the stages, for an organization in Germany that has
received nothing before. Its pages are recognized once and kept, so that a run takes a minute when it is not the first.

- receipts: `--documents FOLDER`, real ones, of which some are labelled (see `documents`)
- hybrids: `--hybrids FOLDER`, PDFs with an e-invoice in them, read as if they had none
- made: 2,000 made-up ones in layouts and wordings that nothing was made with (see `made`)

Nothing that is wrong may pass in any of them. The other bars are for receipts and hybrids together, if they do not say
otherwise: made-up documents only show what somebody thought of.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from invoice_pipelines.intake.documents.ocr.engine import EngineSpec, EngineUnavailable
from invoice_pipelines.intake.documents.ocr.recognizer import SharedRecognizer
from invoice_pipelines.workshop.bench.benches import Progress
from invoice_pipelines.workshop.bench.reading.documents import HYBRIDS, RECEIPTS, Document, hybrids, receipts
from invoice_pipelines.workshop.bench.reading.kept_pages import KeptPages
from invoice_pipelines.workshop.bench.reading.made.made import MADE, made_documents
from invoice_pipelines.workshop.bench.reading.measures import (
    SAFETY,
    calibration_error,
    field_figures,
    part_figures,
    passed,
    waiting,
    wrongly_passed,
)
from invoice_pipelines.workshop.bench.reading.outcomes import Outcome, outcome_of, thresholds
from invoice_pipelines.workshop.bench.reading.second_reader import share_of_second_reader
from invoice_pipelines.workshop.bench.result import Bar, BenchError, BenchResult, Case, environment

MADE_DOCUMENTS = 2_000
LEAST_PASSED = {RECEIPTS: 0.5, HYBRIDS: 0.8}
MOST_WAITING_AND_RIGHT = 0.25
LEAST_FOUND = {"gross": 0.97, "issue_date": 0.98, "number": 0.92, "net": 0.85, "tax": 0.85, "seller": 0.88}
"""Of the fields of the labelled receipts."""
LEAST_SURE_AND_RIGHT = 0.99
MOST_CALIBRATION_ERROR = 0.05
MOST_TIME_OF_SECOND_READER = 0.05


def run(
    progress: Progress,
    documents: Path | None = None,
    hybrids: Path | None = None,
    pages: Path | None = None,
    made: int = MADE_DOCUMENTS,
) -> BenchResult:
    """Measures. Without `pages`, what is recognized is forgotten. Raises BenchError where a folder has no documents."""
    with kept_pages(pages) as kept:
        try:
            found = _documents(progress, kept, documents, hybrids)
        except EngineUnavailable as error:
            raise BenchError(str(error)) from None
    found += made_documents(made)
    progress(f"reading {len(found):,} documents")
    today = datetime.now(UTC).date()
    outcomes, milliseconds = [], []
    for document in found:
        began = time.process_time()
        outcomes.append(outcome_of(document, today))
        milliseconds.append((time.process_time() - began) * 1000)
    parts = {
        part: of_part
        for part in (RECEIPTS, HYBRIDS, MADE)
        if (of_part := [o for o in outcomes if o.document.part == part])
    }
    bars = bars_of(parts)
    if hybrids:
        share = share_of_second_reader(hybrids)
        bars["second_reader_to_text_layer"] = Bar(share, MOST_TIME_OF_SECOND_READER, at_most=True)
    return BenchResult(
        bench="reading",
        cases={
            part: Case(
                [time for time, outcome in zip(milliseconds, outcomes, strict=True) if outcome.document.part == part],
                "ms",
                f"processor time to find, validate and judge the fields of one of the {part}, from its words",
            )
            for part in parts
        },
        ratios={name: bar.value for name, bar in bars.items()},
        bars=bars,
        environment=environment(None),
        details={part: part_figures(of_part, thresholds()) for part, of_part in parts.items()},
    )


def _documents(
    progress: Progress, kept: KeptPages, of_receipts: Path | None, of_hybrids: Path | None
) -> list[Document]:
    found: list[Document] = []
    for name, folder, read in ((RECEIPTS, of_receipts, receipts), (HYBRIDS, of_hybrids, hybrids)):
        if folder is not None:
            progress(f"looking for the pages of {name}, and recognizing those that are new")
            found += read(folder, kept)
    return found


def bars_of(parts: dict[str, list[Outcome]]) -> dict[str, Bar]:
    """What must hold of what became of the documents of each part."""
    judged = {part: [o for o in of_part if o.document.truth] for part, of_part in parts.items()}
    bars = {
        f"{part}_wrong_passes": Bar(len(wrongly_passed(of_part, SAFETY)), 0, at_most=True)
        for part, of_part in judged.items()
    }
    for part, least in LEAST_PASSED.items():
        if part in parts:
            bars[f"{part}_passed"] = Bar(len(passed(parts[part])) / len(parts[part]), least)
    real = [outcome for part, of_part in judged.items() if part != MADE for outcome in of_part]
    waits = [outcome for outcome in waiting(real) if outcome.document.labelled]
    if waits:
        bars["waiting_and_entirely_right"] = Bar(
            sum(outcome.all_right for outcome in waits) / len(waits), MOST_WAITING_AND_RIGHT, at_most=True
        )
    if RECEIPTS in parts:
        of_receipts = field_figures(judged[RECEIPTS], thresholds())
        for field, limit in LEAST_FOUND.items():
            bars[f"receipts_{field}"] = Bar(of_receipts[field].recall, limit)
    for field, figures in field_figures(real, thresholds()).items():
        if figures.values:
            bars[f"sure_{field}_right"] = Bar(figures.sure_and_right, LEAST_SURE_AND_RIGHT)
            bars[f"calibration_error_{field}"] = Bar(
                calibration_error(figures.values), MOST_CALIBRATION_ERROR, at_most=True
            )
    return bars


@contextmanager
def kept_pages(folder: Path | None) -> Iterator[KeptPages]:
    """A folder of pages and what recognizes those that are new; without a folder, one that is forgotten."""
    with (
        tempfile.TemporaryDirectory(prefix="invoice-pipelines-bench-") as own,
        SharedRecognizer(EngineSpec("rapidocr", threads=1), processes=1) as recognizer,
    ):
        yield KeptPages(folder or Path(own), recognizer)
