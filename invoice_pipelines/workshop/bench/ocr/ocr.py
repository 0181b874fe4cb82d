"""The benchmark `ocr`: how fast scanned pages become parsed invoices.

Each round reads the same pages three ways, in alternating order, as the machine is never quiet; a ratio is the median
of the ratios of its rounds. All three start from nothing: the models are loaded within the time that is measured.

- bare: a program that only loads the engine and reads the pages, rendered before (see `ocr_bare`)
- pipeline: the real parse stage on uploads recorded before, with one OCR process: look into each PDF, render it, ask
  for what is known, read it in the process, store the words, find the fields and store the invoice
- two processes: the same with two

The pages are those of the PDFs of `examples/`, scanned: pictures without text, with a little noise that differs, so
that no page is known from before. It works in a PostgreSQL and a folder of its own, which are removed.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count, cycle, islice
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from PIL import Image
from sqlalchemy import Engine

from invoice_pipelines.database import organization_scope
from invoice_pipelines.database.access import open_database
from invoice_pipelines.intake.documents import Limits
from invoice_pipelines.intake.documents.ocr.rendering import render_pages
from invoice_pipelines.intake.stages.uploads import StoredFile, record_uploads
from invoice_pipelines.organizations import add_organization
from invoice_pipelines.settings import Settings
from invoice_pipelines.storage import root_path, store_blob
from invoice_pipelines.workshop.bench.benches import Progress
from invoice_pipelines.workshop.bench.documents import valid_e_invoices
from invoice_pipelines.workshop.bench.result import Bar, BenchError, BenchResult, Case, environment
from invoice_pipelines.workshop.bench.worker import PLACES, Worker

LEAST_SHARE_OF_BARE = 0.85
LEAST_GAIN_OF_TWO = 1.7
MOST_MEMORY = 1_500
RATE = "pages/s"
_NOISE = 3.0
_MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured. No round is begun that would not end within `seconds`, after the first."""

    rounds: int = 3
    pages: int = 20
    seconds: float = 320.0


class Ground:
    """The database, the storage and the pages that the rounds take place on."""

    def __init__(self, engine: Engine, settings: Settings, pages: Sequence[Image.Image]) -> None:
        self.engine = engine
        self._settings = settings
        self._pages = pages
        self._numbers = count(1)

    def scans(self, number_of_pages: int) -> list[bytes]:
        """PDFs of one page each, which nobody has seen yet."""
        random = np.random.default_rng(next(self._numbers))
        return [_scan(page, random) for page in islice(cycle(self._pages), number_of_pages)]

    def new_queue(self, scans: Sequence[bytes]) -> str:
        """A new organization with scans that wait to be read; returns its slug."""
        slug = f"bench-{next(self._numbers)}"
        organization_id = add_organization(
            self.engine, slug, slug, country_code="DE", time_zone="Europe/Berlin", currency="EUR", created_by="bench"
        )
        originals = root_path(self._settings.originals_root)
        files = [
            StoredFile(f"scan{number:04}.pdf", *store_blob(originals, organization_id, data))
            for number, data in enumerate(scans)
        ]
        with organization_scope(self.engine, organization_id) as connection:
            record_uploads(connection, files, source="command line", created_by="bench")
        return slug

    def pictures(self, scans: Sequence[bytes]) -> list[str]:
        """The rendered pages of scans as files."""
        folder = Path(tempfile.mkdtemp(dir=self._settings.home))
        paths = []
        for number, data in enumerate(scans):
            (page,) = render_pages(data, [1], Limits())
            path = folder / f"{number}.png"
            page.image.save(path, compress_level=1)
            paths.append(str(path))
        return paths


def run(progress: Progress, size: Size | None = None) -> BenchResult:
    """Measures. Raises BenchError where a page was not recognized, or its document not parsed."""
    size = size or Size()
    end = time.monotonic() + size.seconds
    rates: dict[str, list[float]] = {"bare": [], "pipeline": [], "two_processes": []}
    memory: dict[str, list[float]] = {"bare": [], "process": []}
    with _ground() as (ground, settings):
        found = environment(ground.engine)
        worker = Worker("invoice_pipelines.workshop.bench.ocr.worker", settings.home)
        try:
            progress("warming up")
            _work_off(worker, ground, ground.scans(1), 1)
            longest = 0.0
            for number in range(size.rounds):
                began = time.monotonic()
                if number and began + longest > end:
                    progress(f"no time for round {number + 1} of {size.rounds}")
                    break
                progress(f"bare engine, pipeline, and two processes, round {number + 1} of {size.rounds}")
                scans = ground.scans(size.pages)
                for side in ("bare", "pipeline", "two_processes") if number % 2 else (*reversed(rates),):
                    if side == "bare":
                        seconds, held = _read_bare(ground.pictures(scans))
                        memory["bare"].append(held / _MEGABYTE)
                    else:
                        seconds, held = _work_off(worker, ground, scans, 2 if side == "two_processes" else 1)
                        memory["process"].append(held / _MEGABYTE)
                    rates[side].append(size.pages / seconds)
                longest = max(longest, time.monotonic() - began)
        finally:
            worker.stop()

    to_bare = median(ours / bare for ours, bare in zip(rates["pipeline"], rates["bare"], strict=True))
    gain = median(two / one for two, one in zip(rates["two_processes"], rates["pipeline"], strict=True))
    pages = f"{size.pages} scanned pages, loading the models included"
    return BenchResult(
        bench="ocr",
        cases={
            "bare": Case(rates["bare"], RATE, f"the engine alone in one process; {pages}"),
            "pipeline": Case(rates["pipeline"], RATE, f"from upload to parsed invoice, one OCR process; {pages}"),
            "two_processes": Case(rates["two_processes"], RATE, "the same with two OCR processes"),
            "memory_of_bare": Case(memory["bare"], "MB", "the most that the bare engine's process held"),
            "memory_of_process": Case(memory["process"], "MB", "the most that an OCR process held"),
        },
        ratios={"pipeline_to_bare": to_bare, "two_processes_to_one": gain, "memory_mb": max(memory["process"])},
        bars={
            "pipeline_to_bare": Bar(to_bare, LEAST_SHARE_OF_BARE),
            "two_processes_to_one": Bar(gain, LEAST_GAIN_OF_TWO),
            "memory_mb": Bar(max(memory["process"]), MOST_MEMORY, at_most=True),
        },
        environment=found,
    )


def _work_off(worker: Worker, ground: Ground, scans: Sequence[bytes], processes: int) -> tuple[float, float]:
    """Seconds for reading these scans, and the most memory of an OCR process."""
    worker.order(slug=ground.new_queue(scans), processes=processes)
    answer = worker.answer()
    if answer["pages"] != len(scans) or answer["parsed"] != len(scans):
        raise BenchError(
            f"of {len(scans)} scanned pages, {answer['pages']} were recognized and {answer['parsed']} parsed: "
            f"{'; '.join(answer['failures'])}"
        )
    return answer["seconds"], answer["memory"]


def _read_bare(paths: Sequence[str]) -> tuple[float, float]:
    """Seconds of a program that reads these pictures, and the most memory it held."""
    started = time.perf_counter()
    run = subprocess.run(
        [sys.executable, "-m", "invoice_pipelines.workshop.bench.ocr.bare", *paths], stdout=subprocess.PIPE, text=True
    )
    seconds = time.perf_counter() - started
    if run.returncode:
        raise BenchError(f"the bare engine ended with code {run.returncode}; see above")
    answer = json.loads(run.stdout)
    if answer["pages"] != len(paths):
        raise BenchError(f"the bare engine found words on {answer['pages']} of {len(paths)} pages")
    return seconds, answer["memory"]


def _scan(page: Image.Image, random: np.random.Generator) -> bytes:
    pixels = np.asarray(page, dtype=np.float32)
    noisy = np.clip(pixels + random.normal(0, _NOISE, pixels.shape), 0, 255).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(noisy).save(out, "PDF", resolution=200.0, quality=80)
    return out.getvalue()


@contextmanager
def _ground() -> Iterator[tuple[Ground, Settings]]:
    with tempfile.TemporaryDirectory(prefix="invoice-pipelines-bench-") as folder:
        own: dict[str, Any] = {"DAGSTER_HOME": Path(folder) / "home", **dict.fromkeys(PLACES)}
        settings = Settings(**own)
        pages = [
            image.image
            for document in valid_e_invoices()
            if document.data.startswith(b"%PDF")
            for image in render_pages(document.data, [1], Limits())
        ]
        with open_database(settings, application_name="bench") as engine:
            yield Ground(engine, settings, pages), settings
