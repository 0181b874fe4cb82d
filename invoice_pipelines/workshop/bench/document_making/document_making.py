"""The benchmark `documents`: how fast issued invoices become PDFs that are e-invoices.

Each round makes the same pages three ways, in alternating order, as the machine is never quiet; a ratio is the median
of the ratios of its rounds. All three start from nothing: what a process has to load is within the time measured.

- bare: a program that only loads the engine and compiles the same templates with the same data into plain PDFs, which
  it throws away (see `document_bare`)
- documents: the real run on a batch job of invoices that were issued before, with one process: load the invoices,
  write their XML, render PDF/A-3 with it, store each file durably, write rows and outcomes
- two processes: the same with two

Then the combined PDF of the job is made, by the same run. It works in a PostgreSQL and a folder of its own, which are
removed.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, text

from invoice_pipelines.billing import add_customers, add_orders, add_tax_rates, issued_invoices, process_jobs
from invoice_pipelines.billing.requests import batch_invoice_open_orders
from invoice_pipelines.database import organization_scope
from invoice_pipelines.database.access import open_database
from invoice_pipelines.delivery import rendering
from invoice_pipelines.delivery.documents.requests import DocumentRequest, ask_for_documents
from invoice_pipelines.delivery.rendering.renderer import Look, Renderer
from invoice_pipelines.delivery.rendering.template_files import load_bundle
from invoice_pipelines.errors import InvoicePipelinesError
from invoice_pipelines.organizations import Address, add_organization, find_organization
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.organizations.settings import DocumentSettings, OrganizationSettings
from invoice_pipelines.settings import Settings
from invoice_pipelines.workshop.bench.benches import Progress
from invoice_pipelines.workshop.bench.result import Bar, BenchError, BenchResult, Case, environment
from invoice_pipelines.workshop.bench.worker import PLACES, Worker

MOST_TIMES_BARE = 1.5
LEAST_GAIN_OF_TWO = 1.7
MOST_MEMORY_GROWTH = 1.1
MOST_COMBINING = 0.10
RATE = "documents/s"
_MEGABYTE = 1_000_000
_CUSTOMERS = 50


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured. No round is begun that would not end within `seconds`, after the first."""

    rounds: int = 5
    documents: int = 1000
    seconds: float = 300.0


class Ground:
    """The database and the invoices that the rounds take place on."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self.engine = engine
        self.settings = settings
        self._numbers = count(1)

    def new_job(self, documents: int) -> tuple[str, UUID]:
        """A new organization with so many issued invoices and a job over them that nobody has begun; slug and id."""
        slug = f"bench-{next(self._numbers)}"
        chosen = DocumentSettings(contact_email="office@bench.example", bic="BYLADEM1001", bank_name="Bench Bank")
        organization_id = add_organization(
            self.engine,
            slug,
            "Bench GmbH",
            country_code="DE",
            time_zone="Europe/Berlin",
            currency="EUR",
            vat_id="DE123456788",
            iban="DE02120300000000202051",
            address=Address(street="Hafenweg 1", city="Bremen", post_code="28195"),
            settings=OrganizationSettings(language="de", documents=chosen),
            created_by="bench",
        )
        with organization_scope(self.engine, organization_id) as connection:
            add_tax_rates(connection, _TAX_RATES)
            add_customers(connection, [_customer(number) for number in range(_CUSTOMERS)], created_by="bench")
            add_orders(connection, [_order(number) for number in range(documents)], created_by="bench")
        organization = OrganizationContext.of(self.engine, slug, self.settings, "bench")
        with organization.scope() as connection:
            asked = batch_invoice_open_orders(connection, created_by="bench", due_days=14)
        report = process_jobs(organization, job_id=asked.job_id)
        if report.succeeded != documents:
            raise BenchError(f"of {documents} orders, all of them valid, {report.succeeded} were invoiced")
        with organization_scope(self.engine, organization_id) as connection:
            ids = connection.execute(text("select id from billing.invoice order by id")).scalars().all()
            answer = ask_for_documents(connection, ids, DocumentRequest(combined=True), created_by="bench")
        return slug, answer.job_id

    def write_bare_inputs(self, slug: str, folder: Path) -> None:
        """The templates, and the data of each page as the templates get it."""
        organization = find_organization(self.engine, slug)
        with organization_scope(self.engine, organization.id) as connection:
            bundle = load_bundle(connection)
            ids = connection.execute(text("select id from billing.invoice order by id")).scalars().all()
            invoices = issued_invoices(connection, ids)
        for name, content in bundle.files.items():
            path = folder / "templates" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        renderer: Any = Renderer(bundle, Look.of(organization))
        renderer._compiler = _Listener()
        with (folder / "inputs.jsonl").open("w", encoding="utf-8") as inputs:
            for invoice in invoices:
                try:
                    renderer.render(invoice, b"", language="de")
                except _Heard as heard:
                    inputs.write(f"{heard}\n")


class _Heard(InvoicePipelinesError):
    """What a template would have been given."""


class _Listener:
    """Stands in for the engine, to hear what it is given, so that the bare engine is given the very same."""

    def compile(self, sys_inputs: dict[str, str], **_: Any) -> None:
        raise _Heard(sys_inputs["data"])


def run(progress: Progress, size: Size | None = None) -> BenchResult:
    """Measures. Raises BenchError where a document was not made, or has more than one page."""
    size = size or Size()
    end = time.monotonic() + size.seconds
    sides = ("bare", "documents", "two_processes")
    seconds: dict[str, list[float]] = {side: [] for side in sides}
    combining: list[float] = []
    growth: list[float] = []
    memory: list[float] = []
    with _ground() as (ground, settings):
        found = environment(ground.engine)
        worker = Worker("invoice_pipelines.workshop.bench.document_making.worker", settings.home)
        try:
            progress("warming up")
            slug, job_id = ground.new_job(min(size.documents, 20))
            _make(worker, slug, job_id, 1, min(size.documents, 20))
            folder = Path(tempfile.mkdtemp(dir=settings.home))
            slug, _ = ground.new_job(size.documents)
            ground.write_bare_inputs(slug, folder)
            longest = 0.0
            for number in range(size.rounds):
                began = time.monotonic()
                if number and began + longest > end:
                    progress(f"no time for round {number + 1} of {size.rounds}")
                    break
                progress(f"bare engine, one process, and two, round {number + 1} of {size.rounds}")
                jobs = {side: ground.new_job(size.documents) for side in sides[1:]}
                for side in sides if number % 2 else reversed(sides):
                    if side == "bare":
                        seconds[side].append(_make_bare(folder, size.documents))
                        continue
                    answer = _make(worker, *jobs[side], 2 if side == "two_processes" else 1, size.documents)
                    seconds[side].append(answer["seconds"])
                    if side == "documents":
                        combining.append(answer["combining_seconds"])
                        growth.append(answer["memory"][-1] / answer["memory"][0])
                        memory.append(answer["memory"][-1] / _MEGABYTE)
                longest = max(longest, time.monotonic() - began)
        finally:
            worker.stop()

    to_bare = _ratio(seconds["documents"], seconds["bare"])
    gain = _ratio(seconds["documents"], seconds["two_processes"])
    share = _ratio(combining, seconds["documents"])
    pages = f"{size.documents} invoices of one page, loading the engine included"
    rates = {side: [size.documents / value for value in values] for side, values in seconds.items()}
    return BenchResult(
        bench="documents",
        cases={
            "bare": Case(rates["bare"], RATE, f"the engine alone in one process, plain PDFs kept nowhere; {pages}"),
            "documents": Case(rates["documents"], RATE, f"e-invoice PDFs, stored and recorded, one process; {pages}"),
            "two_processes": Case(rates["two_processes"], RATE, "the same with two processes"),
            "combining": Case(combining, "s", "the combined PDF of all of them, with bookmarks"),
            "memory": Case(memory, "MB", "the most that the process held in the end"),
        },
        ratios={
            "time_to_bare": to_bare,
            "two_processes_to_one": gain,
            "memory_growth": median(growth),
            "combining_to_making": share,
        },
        bars={
            "time_to_bare": Bar(to_bare, MOST_TIMES_BARE, at_most=True),
            "two_processes_to_one": Bar(gain, LEAST_GAIN_OF_TWO),
            "memory_growth": Bar(median(growth), MOST_MEMORY_GROWTH, at_most=True),
            "combining_to_making": Bar(share, MOST_COMBINING, at_most=True),
        },
        environment=found,
    )


def _ratio(some: Sequence[float], others: Sequence[float]) -> float:
    return median(one / other for one, other in zip(some, others, strict=True))


def _make(worker: Worker, slug: str, job_id: UUID, processes: int, documents: int) -> dict[str, Any]:
    worker.order(slug=slug, job=str(job_id), processes=processes)
    answer = worker.answer()
    if (answer["made"], answer["pages"], answer["combined"]) != (documents, documents, documents):
        raise BenchError(
            f"of {documents} invoices of one page, {answer['made']} documents with {answer['pages']} pages were made "
            f"and {answer['combined']} combined: {'; '.join(answer['failures'])}"
        )
    return answer


def _make_bare(folder: Path, documents: int) -> float:
    """Seconds of a program that compiles these pages."""
    fonts = str(resources.files(rendering) / "fonts")
    started = time.perf_counter()
    run = subprocess.run(
        [sys.executable, "-m", "invoice_pipelines.workshop.bench.document_making.bare", str(folder), fonts],
        stdout=subprocess.PIPE,
        text=True,
    )
    seconds = time.perf_counter() - started
    if run.returncode or json.loads(run.stdout)["documents"] != documents:
        raise BenchError(f"the bare engine ended with code {run.returncode}: {run.stdout}; see above")
    return seconds


@contextmanager
def _ground() -> Iterator[tuple[Ground, Settings]]:
    with tempfile.TemporaryDirectory(prefix="invoice-pipelines-bench-") as folder:
        own: dict[str, Any] = {"DAGSTER_HOME": Path(folder) / "home", **dict.fromkeys(PLACES)}
        settings = Settings(**own)
        with open_database(settings, application_name="bench") as engine:
            yield Ground(engine, settings), settings


_TAX_RATES = (
    {"tax_category": "S", "rate": "19", "name": "19 %"},
    {"tax_category": "S", "rate": "7", "name": "7 %"},
)


def _customer(number: int) -> dict[str, Any]:
    return {
        "customer_number": f"C-{number}",
        "name": f"Käufer & Söhne {number} GmbH",
        "country_code": "DE",
        "vat_id": f"DE{100_000_000 + number}",
        "street": f"Lange Straße {number}",
        "city": "München",
        "post_code": "80331",
        "email": f"customer-{number}@example.com",
    }


def _order(number: int) -> dict[str, Any]:
    """Three to six lines, each text another one, at both rates."""
    lines = [
        {
            "description": f"Beratung und Einrichtung, Teil {line} zu Auftrag {number}",
            "quantity": str(1 + (number + line) % 7 * 1.5),
            "unit_price": f"{9 + number % 90 + line}.95",
            "unit_code": "HUR",
            "tax_category": "S",
            "tax_rate": 7 if line % 3 == 0 else 19,
        }
        for line in range(1, 4 + number % 4)
    ]
    return {
        "order_number": f"O-{number:06}",
        "customer_number": f"C-{number % _CUSTOMERS}",
        "order_date": "2026-01-02",
        "delivery_date": "2026-01-10",
        "lines": lines,
    }
