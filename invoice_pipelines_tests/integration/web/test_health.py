"""Health and figures, as those who watch an installation see them."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from threading import Thread

import httpx
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import create_engine

from invoice_pipelines.database import create_web_engine, enter_organization
from invoice_pipelines.database.roles import WEB
from invoice_pipelines.settings import Settings
from invoice_pipelines.web.health import create_health_app
from invoice_pipelines.web.measures import Measures
from invoice_pipelines.web.serving import running, server_of
from invoice_pipelines.work import create_job
from invoice_pipelines_tests.conftest import TestDatabase
from invoice_pipelines_tests.support.programs import COMMAND_LINE, Program, run
from invoice_pipelines_tests.support.server import free_ports, listens
from invoice_pipelines_tests.support.waiting import wait_for, wait_for_blocked
from invoice_pipelines_tests.support.web import Site, open_tenant, problem_of

get = partial(httpx.get, verify=False)
"""Without reading the certificates of the world, which takes longer than most answers."""


@contextmanager
def health_of(
    web_url: str | None, database: TestDatabase, takes_requests: Callable[[], bool] = lambda: True
) -> Iterator[httpx.Client]:
    url = web_url or database.app_url.set(username=WEB)
    web, nowhere = create_web_engine(url, pool_size=2), create_engine("postgresql+psycopg://x@127.0.0.1:1/none")
    app = create_health_app(web, database.superuser, nowhere, Measures(), Settings(), takes_requests)
    with running(server_of(app, Settings(), "127.0.0.1", 0)) as server:
        port = server.servers[0].sockets[0].getsockname()[1]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, verify=False) as client:
            yield client
    web.dispose()


def figures(text: str) -> dict[tuple[str, ...], float]:
    return {
        (sample.name.removeprefix("invoice_pipelines_"), *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_figures_count_what_waits_and_name_nobody(shared_database: TestDatabase) -> None:
    tenant = open_tenant(shared_database)
    with shared_database.engine.begin() as connection:
        enter_organization(connection, tenant.id)
        create_job(connection, "figured", ["a", "b", "c"], created_by="test")
    with health_of(None, shared_database) as client:
        assert client.get("/health/live").json() == {"status": "live"}
        assert client.get("/health/ready").json() == {"status": "ready"}
        answer = client.get("/metrics")
    found = figures(answer.text)
    assert found["database_up",] == 1
    assert found["queue_waiting_items", "other", "figured"] == 3
    assert found["queue_leased_items", "other", "figured"] == 0
    assert 0 <= found["queue_oldest_seconds", "other", "figured"] < 60
    assert found["process_resident_memory_bytes",] > 0
    assert tenant.slug not in answer.text
    assert str(tenant.id) not in answer.text


def test_without_a_database_it_lives_and_is_not_ready(shared_database: TestDatabase) -> None:
    with health_of("postgresql://invoice_pipelines_web@127.0.0.1:1/none", shared_database) as client:
        assert client.get("/health/live").status_code == 200
        answer = client.get("/health/ready")
        assert (answer.status_code, answer.json()["problem"]) == (503, "the database does not answer")


def test_it_is_not_ready_before_the_api_takes_requests(shared_database: TestDatabase) -> None:
    with health_of(None, shared_database, lambda: False) as client:
        assert client.get("/health/live").status_code == 200
        answer = client.get("/health/ready")
        assert (answer.status_code, answer.json()["problem"]) == (503, "it is starting or stopping")


def test_requests_are_counted_by_route_and_not_by_address(site: Site) -> None:
    measures = Measures()
    measures.add("GET", "/api/v1/organizations/{organization}/customers", 200, 0.02)
    measures.add("BREW", "none", 404, 0.01)
    from prometheus_client import generate_latest

    found = figures(generate_latest(measures.registry).decode())
    assert found["http_requests_total", "GET", "/api/v1/organizations/{organization}/customers", "200"] == 1
    assert found["http_requests_total", "other", "none", "404"] == 1


@contextmanager
def program(database: TestDatabase, home: Path) -> Iterator[tuple[Program, str, str]]:
    """`invoice-pipelines web`, with the addresses of the API and of its health."""
    ports = free_ports()
    urls = {"DATABASE_URL": database.app_url, "WEB_DATABASE_URL": database.app_url.set(username=WEB)}
    environment = {
        **os.environ,
        **ports,
        "DAGSTER_HOME": str(home),
        **{f"INVOICE_PIPELINES_{name}": url.render_as_string(hide_password=False) for name, url in urls.items()},
    }
    process = Program(COMMAND_LINE, "web", environment=environment)
    api, health = (f"http://127.0.0.1:{ports[f'INVOICE_PIPELINES_{name}_PORT']}" for name in ("WEB", "WEB_HEALTH"))
    try:
        yield process, api, health
    finally:
        process.kill()
        process.wait()


def wait_until_ready(health: str) -> None:
    def is_ready() -> bool:
        with suppress(httpx.TransportError):
            return get(f"{health}/health/ready").status_code == 200
        return False

    wait_for("that it is ready", is_ready, 60)


def test_the_program_serves_until_it_is_told_to_stop_and_ends_what_it_began(
    shared_database: TestDatabase, tmp_path: Path
) -> None:
    tenant = open_tenant(shared_database)
    with program(shared_database, tmp_path) as (process, api, health):
        wait_until_ready(health)
        headers = {"Authorization": f"Bearer {tenant.tokens['reader']}"}
        path = f"{api}/api/v1/organizations/{tenant.slug}/batch-operations"
        assert get(path, headers=headers).json() == {"items": [], "next": None}
        problem_of(get(path), 401)
        found = figures(get(f"{health}/metrics").text)
        route = "/api/v1/organizations/{organization}/batch-operations"
        assert found["http_requests_total", "GET", route, "200"] == 1
        answers: list[httpx.Response] = []
        with shared_database.superuser.begin() as connection:
            connection.exec_driver_sql("lock table work.batch_job in access exclusive mode")
            slow = Thread(target=lambda: answers.append(get(path, headers=headers, timeout=30)))
            slow.start()
            wait_for_blocked(connection)
            os.kill(process.pid, signal.SIGTERM)
            wait_for("that it takes no more requests", lambda: not listens(int(api.rpartition(":")[2])))
            assert get(f"{health}/health/ready").status_code == 503  # it is there, and sends nobody more
        slow.join(30)
        assert answers[0].status_code == 200
        assert process.wait() in (0, 130)


def test_a_port_that_is_taken_is_named(shared_database: TestDatabase, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        url = shared_database.app_url
        refused = run(
            COMMAND_LINE,
            "web",
            environment={
                **os.environ,
                "DAGSTER_HOME": str(tmp_path),
                "INVOICE_PIPELINES_DATABASE_URL": url.render_as_string(hide_password=False),
                "INVOICE_PIPELINES_WEB_PORT": port,
                **{name: free for name, free in free_ports().items() if name.endswith("HEALTH_PORT")},
            },
        )
    assert refused.returncode != 0
    assert port in refused.stderr
    assert "Traceback" not in refused.stderr
