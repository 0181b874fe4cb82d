"""Which benchmarks there are. A new one is a module with `run(progress)` and a line here."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from invoice_pipelines.workshop.bench.result import BenchResult

Progress = Callable[[str], None]

BENCHES = {
    "intake": "e-invoices per second through read, validate and store, against bare library calls",
    "billing": "orders per second into issued invoices, against plain inserts and against order by order",
    "overdue": "overdue invoices found and notified, in batches, against one plain insert and one query per invoice",
    "quickbooks": "invoices pushed to QuickBooks and records read from it, against the limits of its API",
    "ocr": "scanned pages per second from upload to parsed invoice, against the bare OCR engine, and by two processes",
    "api": "requests per second for invoices, batches accepted, a job while clients ask, against the same without HTTP",
    "documents": "e-invoice PDFs per second from issued invoices, against the bare Typst engine, and by two processes",
    "reading": "how right and how sure documents without XML are read, and how many pass without a person",
    "runs": "runs of Dagster by its default launcher and on one and two warm workers, and uploads until VALIDATED",
    "scale": "a day of ten thousand organizations in minutes, with a peak and killed workers",
}
"""Name of the benchmark, and what it measures."""

_MODULES = {
    "intake": "intake",
    "billing": "billing.billing",
    "overdue": "overdue.overdue",
    "quickbooks": "quickbooks",
    "ocr": "ocr.ocr",
    "api": "api.api",
    "documents": "document_making.document_making",
    "reading": "reading.reading",
    "runs": "installation.runs",
    "scale": "installation.scale",
}
OPTIONS = {
    "reading": ("documents", "hybrids", "pages"),
    "intake": ("documents",),
    "scale": ("organizations", "active", "largest", "seconds"),
}
"""Those that can be told what to measure on, and their options."""


def find_bench(name: str) -> Callable[..., BenchResult]:
    """What runs a benchmark of `BENCHES`; only its module is loaded."""
    run: Callable[..., BenchResult] = import_module(f"invoice_pipelines.workshop.bench.{_MODULES[name]}").run
    return run


def run_bench(name: str, progress: Progress, **options: Path | int) -> BenchResult:
    """Runs a benchmark of `BENCHES`; `progress` is told what it is about. One of `OPTIONS` takes those that it names.
    Raises BenchError."""
    return find_bench(name)(progress, **options)
