"""Steady load on the web: no error and no growing memory; and PostgreSQL is killed under it."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from uuid import uuid4

import pytest

from invoice_pipelines_tests.support.sizes import size
from invoice_pipelines_tests.support.waiting import wait_for
from invoice_pipelines_tests.system.web.calls import Answer, ApiClient, steady_load
from invoice_pipelines_tests.system.web.jobs import ask as asked
from invoice_pipelines_tests.system.web.jobs import jobs, request
from invoice_pipelines_tests.system.web.process import Installation, installation

pytestmark = [pytest.mark.slow, pytest.mark.alone]

RATE = 300
SECONDS = size(10, 120)
MOST_GROWTH_MB = 20


READ = (
    "customers?limit=50",
    "customers/C-001",
    "customers/C-002",
    "sales-orders",
    "invoices",
    "received-invoices",
    "received-invoices/statistics",
    "reviews",
    "uploads",
    "batch-operations",
    "batch-operations/statistics",
    "events",
    "receivables",
    "customers/nobody",
)


def mixed(site: Installation, seed: int) -> Iterator[Callable[[ApiClient], Answer]]:
    """What programs of both organizations ask for: a sixth is written, a twentieth leads out of the organization."""
    chance = random.Random(seed)
    while True:
        tenant, other = chance.sample([site.a, site.b], 2)
        of = other if chance.random() < 0.05 else tenant
        method, rest, body, key = "GET", chance.choice(READ), None, None
        if chance.random() < 1 / 6:
            method, key, number = "POST", str(uuid4()), f"L-{uuid4()}"
            customer = {"customer_number": number, "name": f"{tenant.slug} load", "country_code": "DE"}
            orders = {"sales_order_ids": [str(uuid4()) for _ in range(10)]}
            rest, body = chance.choice([("customers", customer), ("batch-operations/invoices", orders)])
        yield partial(_call, method, site.path(of, rest), tenant.tokens["writer"], body, key)


def _call(method: str, path: str, secret: str, body: Any, key: str | None, program: ApiClient) -> Answer:
    return program.call(method, path, secret, body=body, key=key)


def test_a_steady_load_meets_no_error_and_memory_stays_flat(site: Installation) -> None:
    steady_load(site.web.port, mixed(site, 1), rate=RATE, seconds=size(3, 30))
    before = site.web.resident_mb()
    began = time.monotonic()
    figures = steady_load(site.web.port, mixed(site, 2), rate=RATE, seconds=SECONDS)
    given = len(figures.seconds) / (time.monotonic() - began)
    after = site.web.resident_mb()
    print(f"\n{RATE}/s asked for {SECONDS} s, {given:.0f}/s answered: {figures}")
    print(f"memory {before:.0f} MB, then {after:.0f} MB")
    assert figures.errors == 0
    assert set(figures.statuses) == {200, 201, 202, 404}
    assert after - before < MOST_GROWTH_MB
    assert len(figures.seconds) >= RATE * SECONDS * 0.98


def test_while_postgresql_is_gone_requests_are_told_to_come_again_and_then_all_is_well(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with installation(tmp_path_factory.mktemp("web")) as site:
        path, secret = site.path(site.a, "customers"), site.a.tokens["reader"]
        told: list[tuple[float, Answer]] = []
        ordered: list[tuple[Any, str]] = []
        over = threading.Event()

        def ask() -> None:
            program = ApiClient(site.web.port)
            while not over.is_set():
                told.append((time.monotonic(), program.call("GET", path, secret)))
                time.sleep(0.02)  # as people do, not as fast as it goes

        def order() -> None:
            """Asks for something with a key, again and again until it is told what became of it."""
            while not over.is_set():
                key, body = str(uuid4()), request()
                while (answer := asked(site, key, body)).status != 202:
                    assert answer.status in (409, 503), answer
                    time.sleep(0.02)  # as a client does that is told to come again
                ordered.append((body, answer.json()["job_id"]))

        programs = [threading.Thread(target=target) for target in [ask] * 16 + [order] * 4]
        for program in programs:
            program.start()
        back = []
        for _ in range(size(1, 10)):
            time.sleep(1)  # of load before the kill
            pid = int((site.server.data / "postmaster.pid").read_text().split("\n", 1)[0])
            os.kill(pid, signal.SIGKILL)
            killed = time.monotonic()
            wait_for("that it is not ready", lambda: site.web.health("ready") == 503, 10)
            assert site.web.health("live") == 200
            site.server.acquire()
            wait_for("an answer", lambda: ApiClient(site.web.port).call("GET", path, secret).status == 200, 30)
            back.append(time.monotonic() - killed)
            assert site.web.health("ready") == 200
        recovered = time.monotonic()
        time.sleep(1)  # of load after it
        over.set()
        for program in programs:
            program.join()
        site.database.superuser.dispose()  # whose sessions have died as well
        for body, job in ordered:
            assert jobs(site, body) == [job]

    statuses = Counter(answer.status for _, answer in told)
    print(f"\nPostgreSQL killed {len(back)} times, answers again after {max(back):.1f} s")
    print(f"{dict(statuses)}, {len(ordered)} jobs")
    assert set(statuses) == {200, 503}
    assert statuses[503] > len(back)
    assert all(
        answer.code == "UNAVAILABLE" and answer.headers["retry-after"] for _, answer in told if answer.status == 503
    )
    assert all(answer.status == 200 for at, answer in told if at > recovered)
