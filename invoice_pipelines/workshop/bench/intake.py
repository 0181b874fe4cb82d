"""The benchmark `intake`: how fast e-invoices are read, validated and stored.

Two questions are answered by pairs of rounds that run next to each other, in alternating order, as the machine is
never quiet; a ratio is the median of the ratios of its pairs:

- What does everything around the libraries cost? A round of the real stages (`parse_uploads`, then
  `validate_invoices`, as the assets call them, on uploads recorded before) against a round of bare library calls on
  the same files (see `bare`). Beside it, without a bar, a round of bare calls with Saxon set to keep code lists, which
  somebody has to know of.
- Do two processes on one queue help? Both are started, connected and warm, and get the order to begin at the same
  moment; the time runs from the order to the answer of the last one.

Beside them, what the business rules alone take of a document that is parsed, in milliseconds: the median over the
documents, each asked several times in turn with the others. With `--documents` these are the e-invoices of a folder.

It works in a PostgreSQL and a folder of its own, which are removed. INVOICE_PIPELINES_RULES_DIR and
INVOICE_PIPELINES_INTAKE_CHUNK_SIZE are used by both sides as they are set.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any

from sqlalchemy import Engine

from invoice_pipelines.database import organization_scope
from invoice_pipelines.database.access import open_database
from invoice_pipelines.intake.received_invoices import statistics
from invoice_pipelines.intake.stages.uploads import StoredFile, record_uploads
from invoice_pipelines.intake.states import Status
from invoice_pipelines.organizations import add_organization, find_organization
from invoice_pipelines.settings import Settings
from invoice_pipelines.storage import root_path, store_blob
from invoice_pipelines.workshop.bench.benches import Progress
from invoice_pipelines.workshop.bench.documents import EInvoice, copies, e_invoices_in, valid_e_invoices
from invoice_pipelines.workshop.bench.result import Bar, BenchError, BenchResult, Case, environment
from invoice_pipelines.workshop.bench.worker import PLACES, Worker

LEAST_SHARE_OF_BARE = 1.1
LEAST_GAIN_OF_TWO = 1.7
MOST_MILLISECONDS_OF_RULES = 1.0
RATE = "e-invoices/s"


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured. Each round handles `copies` of every valid e-invoice of `examples/`."""

    bare_rounds: int = 9
    bare_copies: int = 8
    queue_rounds: int = 5
    queue_copies: int = 26
    rules_rounds: int = 7


class Ground:
    """The database, the storage and the documents that the rounds take place on."""

    def __init__(self, engine: Engine, settings: Settings, documents: Sequence[EInvoice]) -> None:
        self.engine = engine
        self._settings = settings
        self._documents = documents
        self._numbers = count(1)

    def new_queue(self, copies_of_each: int) -> str:
        """A new organization with uploads that wait to be read; returns its slug."""
        slug = f"bench-{next(self._numbers)}"
        organization_id = add_organization(
            self.engine, slug, slug, country_code="DE", time_zone="Europe/Berlin", currency="EUR", created_by="bench"
        )
        originals = root_path(self._settings.originals_root)
        files = []
        for document in copies(self._documents, copies_of_each):
            sha256, size = store_blob(originals, organization_id, document.data)
            files.append(StoredFile(document.name, sha256, size))
        with organization_scope(self.engine, organization_id) as connection:
            record_uploads(connection, files, source="command line", created_by="bench")
        return slug

    def check(self, slug: str, copies_of_each: int) -> int:
        """Number of e-invoices of a queue that was worked off. Raises BenchError unless each one was validated."""
        expected = copies_of_each * len(self._documents)
        with organization_scope(self.engine, find_organization(self.engine, slug).id) as connection:
            found = statistics(connection).by_status
        if found[Status.VALIDATED] != expected:
            shown = ", ".join(f"{number} {status}" for status, number in found.items() if number)
            raise BenchError(f"of {expected} e-invoices, all of them valid, the stages made {shown}")
        return expected

    def write_files(self, folder: Path, copies_of_each: int) -> list[tuple[str, str]]:
        """The documents of a queue as files, for the bare calls; each with a file of its XML alone."""
        folder.mkdir()
        paths = []
        for number, document in enumerate(copies(self._documents, copies_of_each)):
            path, xml = folder / f"{number}.document", folder / f"{number}.xml"
            path.write_bytes(document.data)
            xml.write_bytes(document.xml)
            paths.append((str(path), str(xml)))
        return paths


def run(progress: Progress, size: Size | None = None, documents: Path | None = None) -> BenchResult:
    """Measures; the rules alone on the e-invoices of the folder `documents` where one is given. Raises BenchError where
    an e-invoice did not come out valid, or the folder has none."""
    missing = [library for library in ("saxonche", "einvoice") if find_spec(library) is None]
    if missing:
        raise BenchError("the bare calls need the extra rules: pip install 'invoice-pipelines[rules]'")
    size = size or Size()
    judged = [document.xml for document in valid_e_invoices()] if documents is None else e_invoices_in(documents)
    with _ground() as (ground, settings), ExitStack() as stack:
        workers = [Worker("invoice_pipelines.workshop.bench.intake_worker", settings.home) for _ in range(3)]
        for worker in workers:
            stack.callback(worker.stop)
        bare, first, second = workers
        found = environment(ground.engine)

        progress("warming up")
        files = ground.write_files(settings.home / "files", size.bare_copies)
        for kept in (False, True):
            bare.order(stage="bare", files=files, code_lists_kept=kept)
            bare.answer()
        for worker in (first, second):
            worker.order(stage="run", slug=ground.new_queue(2))
        for worker in (first, second):
            worker.answer()

        to_bare, to_kept = _Pairs(), _Pairs()
        extracting: list[float] = []
        parsing: list[float] = []
        validating: list[float] = []
        for number in range(size.bare_rounds):
            progress(f"stages and bare calls, round {number + 1} of {size.bare_rounds}")
            slug = ground.new_queue(size.bare_copies)
            answers = {}
            for side in ("bare", "full", "kept") if number % 2 else ("kept", "full", "bare"):
                if side == "full":
                    first.order(stage="run", slug=slug)
                    answers[side] = first.answer()
                else:
                    bare.order(stage="bare", files=files, code_lists_kept=side == "kept")
                    answers[side] = bare.answer()
            done = ground.check(slug, size.bare_copies)
            to_bare.add(done / answers["full"]["seconds"], done / answers["bare"]["seconds"])
            to_kept.add(done / answers["full"]["seconds"], done / answers["kept"]["seconds"])
            extracting.append(done / (answers["bare"]["seconds"] - answers["bare"]["extracting"]))
            parsing.append(done / answers["full"]["parsing"])
            validating.append(done / answers["full"]["validating"])

        progress(f"the rules alone, on {len(judged)} documents")
        first.order(stage="rules", files=_written(judged, settings.home / "judged"), rounds=size.rules_rounds)
        rules = first.answer()["milliseconds"]

        to_one = _Pairs()
        for number in range(size.queue_rounds):
            progress(f"one and two processes, round {number + 1} of {size.queue_rounds}")
            rates = {}
            for processes in ([first, second], [first]) if number % 2 else ([first], [first, second]):
                slug = ground.new_queue(size.queue_copies)
                seconds = _work_off(processes, slug)
                rates[len(processes)] = ground.check(slug, size.queue_copies) / seconds
            to_one.add(rates[2], rates[1])

    per_round = f"{len(files)} e-invoices per round"
    queued = len(files) // size.bare_copies * size.queue_copies
    return BenchResult(
        bench="intake",
        cases={
            "stages": Case(to_bare.ours, RATE, f"read, validate and store in one process; {per_round}"),
            "bare": Case(
                to_bare.theirs,
                RATE,
                "the same files: taken from the disk and out of PDFs (pypdf), parsed (lxml), their schematron "
                "rules run (saxonche, verifyhash-einvoice), compiled before; nothing stored",
            ),
            "bare_code_lists_kept": Case(
                to_kept.theirs,
                RATE,
                "bare, with Saxon set to read the code lists of rules once, not again for each document",
            ),
            "bare_without_extraction": Case(extracting, RATE, "bare, less what takes XML and text out of PDFs"),
            "parse_stage": Case(parsing, RATE, "the first of the two stages alone"),
            "validate_stage": Case(validating, RATE, "the second of the two stages alone"),
            "rules_ms": Case(rules, "ms", "the business rules alone, of each document its median; parsed before"),
            "one_process": Case(to_one.theirs, RATE, f"read, validate and store; {queued} in a queue"),
            "two_processes": Case(to_one.ours, RATE, "a queue of the same kind, from one start signal, both warm"),
        },
        ratios={
            "stages_to_bare": to_bare.ratio,
            "stages_to_bare_code_lists_kept": to_kept.ratio,
            "stages_to_bare_without_extraction": median(
                ours / theirs for ours, theirs in zip(to_bare.ours, extracting, strict=True)
            ),
            "two_processes_to_one": to_one.ratio,
        },
        bars={
            "stages_to_bare": Bar(to_bare.ratio, LEAST_SHARE_OF_BARE),
            "two_processes_to_one": Bar(to_one.ratio, LEAST_GAIN_OF_TWO),
            "rules_ms": Bar(median(rules), MOST_MILLISECONDS_OF_RULES, at_most=True),
        },
        environment=found,
    )


class _Pairs:
    """Rates of two sides, taken in pairs."""

    def __init__(self) -> None:
        self.ours: list[float] = []
        self.theirs: list[float] = []

    def add(self, ours: float, theirs: float) -> None:
        self.ours.append(ours)
        self.theirs.append(theirs)

    @property
    def ratio(self) -> float:
        return median(ours / theirs for ours, theirs in zip(self.ours, self.theirs, strict=True))


def _written(documents: Sequence[bytes], folder: Path) -> list[str]:
    folder.mkdir()
    paths = [folder / f"{number}.xml" for number in range(len(documents))]
    for path, xml in zip(paths, documents, strict=True):
        path.write_bytes(xml)
    return [str(path) for path in paths]


def _work_off(processes: Sequence[Worker], slug: str) -> float:
    """Seconds from the order to all processes until the last of them found nothing more to do."""
    started = time.perf_counter()
    for process in processes:
        process.order(stage="run", slug=slug)
    for process in processes:
        process.answer()
    return time.perf_counter() - started


@contextmanager
def _ground() -> Iterator[tuple[Ground, Settings]]:
    with tempfile.TemporaryDirectory(prefix="invoice-pipelines-bench-") as folder:
        own: dict[str, Any] = {"DAGSTER_HOME": Path(folder) / "home", **dict.fromkeys(PLACES)}
        settings = Settings(**own)
        with open_database(settings, application_name="bench") as engine:
            yield Ground(engine, settings, valid_e_invoices()), settings
