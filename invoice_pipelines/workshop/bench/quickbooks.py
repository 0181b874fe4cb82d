"""The benchmark `quickbooks`: how near the sync comes to the limits that QuickBooks sets to one company.

The company is a sandbox in a process of its own, with all its limits on, 20 ms a call and 5 ms for each part of a
batch. Its minute lasts an eighth of a minute. Latencies are not scaled, nor is what a
call may be late on its way: our minute is longer by that.

- `push`: issued invoices of an organization whose customers and items are there already, in batches of 30. The
  documented limit is 40 batches, or 1,200 invoices, a minute; `push_to_limit` is the rate that was reached to that one.
  As a minute's batches may go at its beginning, the last one may be sent a little sooner than this rate has it:
  `push_to_last_batch` is that moment to the time it took.
- `pull_customers`, `pull_payments`: all customers, and the payments of many invoices, of a company that was never read.

Memory is that of this process, in which both are done, and flat means that the second half of a push needs no more than
the first. It works in a PostgreSQL and a folder of its own, which are removed.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from cryptography.fernet import Fernet
from pydantic import SecretStr
from sqlalchemy import Engine, text

from invoice_pipelines.billing import add_customers, add_items, add_orders, add_tax_rates, process_jobs
from invoice_pipelines.billing.requests import batch_invoice_open_orders
from invoice_pipelines.database import organization_scope
from invoice_pipelines.database.access import open_database
from invoice_pipelines.organizations import add_organization
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.quickbooks.api.rate import Limits
from invoice_pipelines.quickbooks.connection.connections import change_options, connect_with_tokens
from invoice_pipelines.quickbooks.pull.pull import pull
from invoice_pipelines.quickbooks.push.push import push
from invoice_pipelines.quickbooks.values import EntityType
from invoice_pipelines.settings import Settings
from invoice_pipelines.workshop.bench.benches import Progress
from invoice_pipelines.workshop.bench.result import Bar, BenchError, BenchResult, Case, environment
from invoice_pipelines.workshop.bench.worker import PLACES
from invoice_pipelines.workshop.sandbox.quickbooks.remote import RemoteSandbox

PUSHED, READ = "9130001", "9130002"
"""The companies: one that is pushed to, one that is pulled."""
BATCH = 30
BATCHES_PER_MINUTE = 40
LEAST_RATIO = 0.95
MOST_CALLS_FOR_CUSTOMERS = 8
MOST_CALLS_FOR_PAYMENTS = 60
MOST_GROWTH_MEGABYTES = 16.0
MAY_BE_LATE = timedelta(milliseconds=250)
TIME_BOX = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured, and how much shorter a minute is."""

    invoices: int = 5_000
    customers: int = 200
    items: int = 50
    read_customers: int = 5_000
    read_payments: int = 50_000
    scale: float = 8.0


def run(progress: Progress, size: Size | None = None) -> BenchResult:
    """Measures. Raises BenchError where something did not arrive, or more than once."""
    size = size or Size()
    limits = Limits(minute=timedelta(minutes=1) / size.scale + MAY_BE_LATE)
    with _ground(size) as (engine, settings, sandbox):
        progress(f"{size.invoices:,} invoices are issued")
        pushing = _organization(engine, settings, sandbox, "bench-push", PUSHED)
        reading = _organization(engine, settings, sandbox, "bench-pull", READ)
        _issue(engine, settings, pushing, size)
        for entity in (EntityType.CUSTOMER, EntityType.ITEM):
            push(engine, settings, pushing, entity, limits=limits, time_box=TIME_BOX)
        time.sleep(limits.minute_window.total_seconds())  # so that the limits count the invoices alone
        sandbox.clear_log()

        progress("they are pushed")
        memory = _Memory()
        started = time.perf_counter()
        pushed = push(
            engine, settings, pushing, EntityType.INVOICE, limits=limits, time_box=TIME_BOX, on_progress=memory.sample
        )
        seconds = time.perf_counter() - started
        counts = sandbox.counts(PUSHED)
        _check_pushed(engine, pushing, sandbox, size, str(pushed))

        progress(f"{size.read_customers:,} customers and {size.read_payments:,} payments are pulled")
        sandbox.seed(READ, customers=size.read_customers, invoices=size.read_payments, payments=size.read_payments)
        pulls: dict[EntityType, tuple[float, int]] = {}
        for entity in (EntityType.CUSTOMER, EntityType.PAYMENT):
            sandbox.clear_log()
            started = time.perf_counter()
            report = pull(engine, settings, reading, [entity], full=True, limits=limits)[entity]
            pulls[entity] = time.perf_counter() - started, int(sandbox.counts(READ)["calls"])
            if not report.finished:
                raise BenchError(f"the pull did not come to its end: {report}")
        throttled = int(counts["throttled"]) + int(sandbox.counts(READ)["throttled"])
        found = environment(engine) | {"time_scale": size.scale}

    batches = -(-size.invoices // BATCH)
    least = 60 / size.scale * (-(-batches // BATCHES_PER_MINUTE) - 1)
    growth = memory.growth()
    ratios = {
        "push_to_limit": size.invoices / (BATCH * BATCHES_PER_MINUTE) * 60 / size.scale / seconds,
        "push_to_last_batch": least / seconds,
        "throttled_calls": float(throttled),
        "calls_for_customers": float(pulls[EntityType.CUSTOMER][1]),
        "calls_for_payments": float(pulls[EntityType.PAYMENT][1]),
        "memory_growth_megabytes": growth,
    }
    return BenchResult(
        bench="quickbooks",
        cases={
            "push": Case([seconds], "s", f"{size.invoices:,} invoices, minute scaled by {size.scale:g}"),
            "push_last_batch": Case([least], "s", "until the last batch may be sent, by the documented limit"),
            "push_rate": Case(
                [60 * size.invoices / seconds / size.scale], "invoices/min", "as it would be in minutes of QuickBooks"
            ),
            "push_calls": Case([float(counts["calls"])], "calls", f"{counts['batches']} of them batches"),
            "pull_customers": Case([pulls[EntityType.CUSTOMER][0]], "s", f"{size.read_customers:,} new customers"),
            "pull_payments": Case(
                [pulls[EntityType.PAYMENT][0]], "s", f"{size.read_payments:,} payments, none of ours"
            ),
            "peak_memory": Case([memory.peak()], "MB", "of this process during the push"),
        },
        ratios=ratios,
        bars={
            "push_to_limit": Bar(ratios["push_to_limit"], LEAST_RATIO),
            "throttled_calls": Bar(ratios["throttled_calls"], 0, at_most=True),
            "calls_for_customers": Bar(ratios["calls_for_customers"], MOST_CALLS_FOR_CUSTOMERS, at_most=True),
            "calls_for_payments": Bar(ratios["calls_for_payments"], MOST_CALLS_FOR_PAYMENTS, at_most=True),
            "memory_growth_megabytes": Bar(growth, MOST_GROWTH_MEGABYTES, at_most=True),
        },
        environment=found,
    )


class _Memory:
    """Resident memory of this process in megabytes, sampled while it works."""

    def __init__(self) -> None:
        self._samples: list[float] = []
        self.sample(None)

    def sample(self, _: object) -> None:
        status = Path("/proc/self/status")
        if status.exists():
            (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmRSS")]
            self._samples.append(int(line.split()[1]) / 1024)

    def peak(self) -> float:
        return max(self._samples, default=0.0)

    def growth(self) -> float:
        """By how much the second half exceeds the first."""
        half = (len(self._samples) + 1) // 2
        if len(self._samples) < 2:
            return 0.0
        return max(0.0, max(self._samples[half:]) - max(self._samples[:half]))


def _organization(engine: Engine, settings: Settings, sandbox: RemoteSandbox, slug: str, realm: str) -> UUID:
    organization_id = add_organization(
        engine, slug, slug, country_code="DE", time_zone="Europe/Berlin", currency="EUR", vat_id="DE136695976"
    )
    tokens = sandbox.tokens(realm)
    connect_with_tokens(
        engine,
        settings,
        organization_id,
        realm_id=realm,
        access_token=tokens.access_token,
        refresh_token=tokens.refresh_token,
        connected_by="bench",
    )
    change_options(engine, organization_id, {"tax_codes": {"S:19.00": "1", "S:7.00": "2"}}, changed_by="bench")
    return organization_id


def _issue(engine: Engine, settings: Settings, organization_id: UUID, size: Size) -> None:
    with organization_scope(engine, organization_id) as connection:
        add_tax_rates(connection, [{"tax_category": "S", "rate": rate, "name": f"{rate} %"} for rate in (19, 7)])
        add_customers(
            connection,
            [
                {"customer_number": f"C{n}", "name": f"Customer {n}", "country_code": "DE", "city": "Ulm"}
                for n in range(size.customers)
            ],
            created_by="bench",
        )
        add_items(
            connection,
            [
                {"sku": f"I{n}", "name": f"Item {n}", "unit_price": "9.99", "tax_category": "S", "tax_rate": 19}
                for n in range(size.items)
            ],
            created_by="bench",
        )
        today = datetime.now(UTC).date()
        add_orders(
            connection,
            [
                {
                    "order_number": f"O{n}",
                    "customer_number": f"C{n % size.customers}",
                    "order_date": today.isoformat(),
                    "status": "reviewed",
                    "lines": [
                        {"sku": f"I{(n + k) % size.items}", "quantity": 1 + n % 7, "unit_price": "9.99"}
                        for k in range(2)
                    ],
                }
                for n in range(size.invoices)
            ],
            created_by="bench",
        )
    organization = OrganizationContext.of(engine, "bench-push", settings, "bench")
    with organization.scope() as connection:
        batch_invoice_open_orders(connection, created_by="bench")
    report = process_jobs(organization)
    if report.succeeded != size.invoices:
        raise BenchError(f"{size.invoices} invoices were expected: {report}")


def _check_pushed(engine: Engine, organization_id: UUID, sandbox: RemoteSandbox, size: Size, report: str) -> None:
    with organization_scope(engine, organization_id) as connection:
        mapped = connection.execute(
            text("select count(distinct quickbooks_id) from quickbooks.mapping where entity_type = 'invoice'")
        ).scalar_one()
    there = sandbox.accountant(PUSHED).count("Invoice")
    if not mapped == int(there) == size.invoices:
        raise BenchError(f"{size.invoices} invoices were issued, {there} are there and {mapped} mapped: {report}")


@contextmanager
def _ground(size: Size) -> Iterator[tuple[Engine, Settings, RemoteSandbox]]:
    with (
        tempfile.TemporaryDirectory(prefix="invoice-pipelines-bench-") as folder,
        _sandbox(size) as (sandbox, addresses),
    ):
        own: dict[str, Any] = {
            "DAGSTER_HOME": Path(folder) / "home",
            **dict.fromkeys(PLACES),
            **addresses,
            "encryption_keys": SecretStr(Fernet.generate_key().decode()),
        }
        settings = Settings(**own)
        with open_database(settings, application_name="bench") as engine:
            yield engine, settings, sandbox


@contextmanager
def _sandbox(size: Size) -> Iterator[tuple[RemoteSandbox, dict[str, str]]]:
    """The other side in a process of its own, and the settings that lead to it."""
    switches = {"time_scale": size.scale, "latency_per_call": 0.02, "latency_per_item": 0.005}
    process = subprocess.Popen(
        [
            sys.executable,
            *("-c", "from invoice_pipelines.cli.main import main; main()", "sandbox", "quickbooks"),
            *("--port", "0", "--json", "--country", "DE", "--realm", PUSHED, "--realm", READ),
            *(part for name, value in switches.items() for part in ("--switch", f"{name}={value}")),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        line = process.stdout.readline() if process.stdout is not None else ""
        if not line:
            raise BenchError(f"the sandbox ended with code {process.wait()}; see above")
        said = json.loads(line)
        prefix = "INVOICE_PIPELINES_"
        addresses = {name.removeprefix(prefix).lower(): value for name, value in said["environment"].items()}
        with RemoteSandbox(said["url"]) as remote:
            yield remote, addresses
    finally:
        process.terminate()
        process.wait(20)
