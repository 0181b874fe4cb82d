"""The benchmark `api`: what HTTP adds to the work that a request asks for.

The web runs in a process of its own with its usual settings, but for the limits of rates, and is asked by clients in
another process. Its sides take turns, and a ratio is the median of the ratios of their pairs:

- `invoice`, `invoices`: requests per second for one invoice and for a list of 50, against the same statements by the
  same kind of pool, without HTTP.
- `batch`: seconds until a batch of 500 orders is accepted, against the function that makes the job.
- `polled`: a whole job of invoices while 50 clients ask for its progress each second, against the same job alone.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from statistics import median
from threading import Thread
from typing import Any

from sqlalchemy import Connection, Engine, make_url, text

from invoice_pipelines.accounts.credentials import fingerprint
from invoice_pipelines.accounts.entry import entering
from invoice_pipelines.accounts.tokens import add_token
from invoice_pipelines.billing.invoice_lists import newest_invoices
from invoice_pipelines.billing.issued_invoices import find_invoice_id, get_issued_invoice
from invoice_pipelines.billing.overview import invoice_events
from invoice_pipelines.billing.payments import payments_of, standing_of
from invoice_pipelines.billing.requests import batch_invoice_orders
from invoice_pipelines.database import create_web_engine, organization_scope
from invoice_pipelines.database.access import embedded_server, open_database
from invoice_pipelines.database.opening import opened
from invoice_pipelines.database.roles import WEB
from invoice_pipelines.delivery.documents.rows import list_documents
from invoice_pipelines.delivery.messages.messages import list_messages
from invoice_pipelines.quickbooks.overview import invoice_sync
from invoice_pipelines.settings import Settings, variable_of
from invoice_pipelines.web.limits import turn_of
from invoice_pipelines.workshop.bench.benches import Progress
from invoice_pipelines.workshop.bench.billing.billing import seconds_of, system
from invoice_pipelines.workshop.bench.billing.ground import Clone, Ground
from invoice_pipelines.workshop.bench.result import Bar, BenchError, BenchResult, Case, environment
from invoice_pipelines.workshop.bench.worker import PLACES, Worker, free_port

LEAST_RATE = 0.5
MOST_OF_BARE_REQUEST = 1.5
MOST_OF_JOB_ALONE = 1.05
NO_LIMIT = 1_000_000
RATE, SECONDS = "requests/s", "s"
_HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    rounds: int = 5
    seconds: float = 3.0
    clients: int = 8
    earlier: int = 5_000
    orders: int = 15_000
    asked: int = 500
    requests: int = 20
    pollers: int = 50


@dataclass(frozen=True, slots=True)
class Site:
    """A running web over a clone, a token of its organization, and a process with clients."""

    port: int
    token: str
    slug: str
    clients: Worker

    def ask(self, path: str, **order: Any) -> list[float]:
        """Seconds of each request. Raises BenchError where one failed."""
        self.begin(path, **order)
        return self.end()

    def begin(self, path: str, **order: Any) -> None:
        """Lets the clients ask, without waiting for them."""
        asked = {"method": "GET", "pause": 0.0, "seconds": 600.0, "clients": 1, **order}
        path = f"/api/v1/organizations/{self.slug}/{path}"
        self.clients.order(host=_HOST, port=self.port, token=self.token, path=path, **asked)

    def end(self) -> list[float]:
        """What came of that."""
        answer = self.clients.answer()
        if answer["failures"]:
            raise BenchError(f"the web answered: {answer['failures'][0]}")
        return list(answer["seconds"])


def run(progress: Progress, size: Size | None = None) -> BenchResult:
    """Measures. Raises BenchError where a request failed, or an order did not become an invoice."""
    size = size or Size()
    with tempfile.TemporaryDirectory(prefix="invoice-pipelines-bench-") as folder, ExitStack() as stack:
        own: dict[str, Any] = {"DAGSTER_HOME": Path(folder) / "home", **dict.fromkeys(PLACES)}
        settings = Settings(**own, web_requests_per_minute=NO_LIMIT, web_address_requests_per_minute=NO_LIMIT)
        server = embedded_server(settings)
        if server is None:
            raise BenchError("the benchmark works on a server of its own")
        engine = stack.enter_context(open_database(settings, application_name="bench"))
        found = environment(engine)
        engine.dispose()  # a database with sessions cannot be cloned
        ground = Ground(server)
        progress("orders and invoices to ask for")
        template = ground.make_template(size.orders, earlier=size.earlier)
        clients = Worker("invoice_pipelines.workshop.bench.api.clients", settings.home)
        stack.callback(clients.stop)
        rates: dict[str, list[float]] = {name: [] for name in ("one", "one_bare", "list", "list_bare")}
        asked: list[float] = []
        bare: list[float] = []
        with ground.clone(template) as clone, _site(ground, clone, settings, clients) as site:
            _measure_reads(progress, size, settings, ground, clone, site, rates)
            _measure_batches(progress, size, clone, site, asked, bare)
        alone: list[float] = []
        polled: list[float] = []
        for number in range(size.rounds):
            progress(f"{size.orders:,} orders with and without {size.pollers} clients, round {number + 1}")
            sides = [(alone, 0), (polled, size.pollers)]
            for values, pollers in reversed(sides) if number % 2 else sides:
                with ground.clone(template) as clone, _site(ground, clone, settings, clients) as site:
                    system(clone, template.warm_up)
                    clone.read_all()
                    values.append(_job(clone, site, pollers))
    ratios = {
        "invoice_to_bare": median(one / other for one, other in zip(rates["one"], rates["one_bare"], strict=True)),
        "invoices_to_bare": median(one / other for one, other in zip(rates["list"], rates["list_bare"], strict=True)),
        "batch_to_bare": median(asked) / median(bare),
        "polled_to_alone": median(one / other for one, other in zip(polled, alone, strict=True)),
    }
    bars = {
        "invoice_to_bare": (LEAST_RATE, False),
        "invoices_to_bare": (LEAST_RATE, False),
        "batch_to_bare": (MOST_OF_BARE_REQUEST, True),
        "polled_to_alone": (MOST_OF_JOB_ALONE, True),
    }
    return BenchResult(
        bench="api",
        cases={
            "invoice": Case(rates["one"], RATE, f"one invoice, {size.clients} clients"),
            "invoice_bare": Case(rates["one_bare"], RATE, "the same statements by a pool, without HTTP"),
            "invoices": Case(rates["list"], RATE, f"a list of 50, {size.clients} clients"),
            "invoices_bare": Case(rates["list_bare"], RATE, "the same statements by a pool, without HTTP"),
            "batch": Case(asked, SECONDS, f"until a batch of {size.asked} orders is accepted"),
            "batch_bare": Case(bare, SECONDS, "of the function that makes the job, in a transaction"),
            "job_polled": Case(
                polled, SECONDS, f"a job of {size.orders:,} orders, asked for by {size.pollers} clients"
            ),
            "job_alone": Case(alone, SECONDS, "the same job, asked for by nobody"),
        },
        ratios=ratios,
        bars={name: Bar(ratios[name], value, at_most) for name, (value, at_most) in bars.items()},
        environment=found,
    )


def _measure_reads(
    progress: Progress,
    size: Size,
    settings: Settings,
    ground: Ground,
    clone: Clone,
    site: Site,
    rates: dict[str, list[float]],
) -> None:
    engine = create_web_engine(make_url(ground.url(clone)).set(username=WEB), pool_size=settings.web_connections)
    with organization_scope(clone.engine, clone.backlog.organization_id) as connection:
        number = str(connection.execute(text("select max(invoice_number) from public.invoice_record")).scalar_one())
    reads: dict[str, tuple[str, Callable[[Connection], object]]] = {
        "one": (f"invoices/{number}", lambda connection: _read_invoice(connection, number)),
        "list": ("invoices?limit=50", lambda connection: newest_invoices(connection, limit=51)),
    }
    try:
        for turn in range(-1, size.rounds):
            progress(f"invoices by {size.clients} clients, round {turn + 1}" if turn >= 0 else "warming up")
            for name, (path, read) in reads.items():
                over_http = len(site.ask(path, clients=size.clients, seconds=size.seconds)) / size.seconds
                without = _rate(engine, settings, site, read, size)
                if turn >= 0:
                    rates[name].append(over_http)
                    rates[f"{name}_bare"].append(without)
    finally:
        engine.dispose()


def _read_invoice(connection: Connection, number: str) -> None:
    """What the web asks for, for one invoice."""
    invoice_id = find_invoice_id(connection, number)
    invoice = get_issued_invoice(connection, invoice_id)
    standing_of(connection, invoice_id)
    payments_of(connection, invoice_id)
    list(invoice_events(connection, invoice))
    list_documents(connection, invoice_id=invoice_id, limit=200)
    list_messages(connection, invoice_id=invoice_id, limit=200)
    invoice_sync(connection, invoice_id)


def _rate(engine: Engine, settings: Settings, site: Site, read: Callable[[Connection], object], size: Size) -> float:
    """Requests per second of threads that do what the web does in the database."""
    done = [0] * size.clients
    end = time.monotonic() + size.seconds
    credential = fingerprint(site.token)

    def ask(place: int) -> None:
        while time.monotonic() < end:
            turn = turn_of(settings, credential, _HOST)
            with opened(engine, entering(credential, site.slug), alone=[turn]) as (connection, _):
                read(connection)
            done[place] += 1

    threads = [Thread(target=ask, args=(place,)) for place in range(size.clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(done) / size.seconds


def _measure_batches(
    progress: Progress, size: Size, clone: Clone, site: Site, asked: list[float], bare: list[float]
) -> None:
    progress(f"batches of {size.asked} orders")
    organization = clone.backlog.organization_id
    with organization_scope(clone.engine, organization) as connection:
        ids = [
            str(each)
            for each in connection.execute(
                text("select id from billing.sales_order where status = 'pending' order by id limit :asked"),
                {"asked": size.asked},
            ).scalars()
        ]
    body = json.dumps({"sales_order_ids": ids, "invoice_date": "2026-01-15", "due_days": 14})
    for number in range(size.requests + 2):
        over_http = site.ask("batch-operations/invoices", method="POST", body=body, requests=1)
        began = time.perf_counter()
        with organization_scope(clone.engine, organization) as connection:
            batch_invoice_orders(connection, ids, created_by="bench", due_days=14)
        without = time.perf_counter() - began
        if number >= 2:
            asked.extend(over_http)
            bare.append(without)


def _job(clone: Clone, site: Site, pollers: int) -> float:
    """Seconds of a job while clients ask for its progress."""
    if not pollers:
        return seconds_of(system, clone, clone.backlog)
    site.begin(f"batch-operations/{clone.backlog.job_id}", clients=pollers, pause=1.0, seconds=5.0)
    seconds = seconds_of(system, clone, clone.backlog)
    site.end()
    return seconds


@contextmanager
def _site(ground: Ground, clone: Clone, settings: Settings, clients: Worker) -> Iterator[Site]:
    """The web over a clone, in a process of its own."""
    with organization_scope(clone.engine, clone.backlog.organization_id) as connection:
        _, token = add_token(connection, "bench", ["read", "billing:write"], actor="bench", lasts=timedelta(days=1))
    port, health_port = free_port(), free_port()
    chosen = {
        "database_url": ground.url(clone),
        "web_port": port,
        "web_health_port": health_port,
        "web_requests_per_minute": NO_LIMIT,
        "web_address_requests_per_minute": NO_LIMIT,
    }
    environment = {variable_of(name): str(value) for name, value in chosen.items()}
    kept = {name: value for name, value in os.environ.items() if name not in {variable_of(place) for place in PLACES}}
    process = subprocess.Popen(
        [sys.executable, "-c", "from invoice_pipelines.cli.main import main; main()", "web"],
        env={**kept, **environment, "DAGSTER_HOME": str(settings.home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(port, process)
        yield Site(port, token, clone.backlog.slug, clients)
    finally:
        process.terminate()
        process.wait(60)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as connecting:
            if connecting.connect_ex((_HOST, port)) == 0:
                return
        time.sleep(0.05)
    raise BenchError("the web did not start")
