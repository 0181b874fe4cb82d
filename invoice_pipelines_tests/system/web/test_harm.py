"""What one client or one fault does to the web stays with it: others are served, and nothing is left behind."""

from __future__ import annotations

import random
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial

import pytest
from sqlalchemy import Connection, text

from invoice_pipelines.web.api.intake.receiving import SECONDS_OF_PATIENCE
from invoice_pipelines.web.serving import SECONDS_FOR_HEAD
from invoice_pipelines_tests.support.sizes import only_at_full_size
from invoice_pipelines_tests.support.waiting import wait_for, wait_for_blocked
from invoice_pipelines_tests.system.web.calls import Answer, ApiClient, at_once
from invoice_pipelines_tests.system.web.process import Installation, installation

pytestmark = pytest.mark.slow

LOCK_SECONDS = 1.5


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A web that waits for locks no longer than a test does, and has few files to open before it asks for more."""
    limits = {"INVOICE_PIPELINES_WEB_LOCK_TIMEOUT_SECONDS": str(LOCK_SECONDS)}
    with installation(tmp_path_factory.mktemp("web"), open_files=256, **limits) as site:
        yield site


def customers(site: Installation, of: str = "a") -> Answer:
    tenant = getattr(site, of)
    return ApiClient(site.web.port).call("GET", site.path(tenant, "customers"), tenant.tokens["reader"])


def operations(site: Installation) -> Answer:
    return ApiClient(site.web.port).call("GET", site.path(site.b, "batch-operations"), site.b.tokens["reader"])


def upload(site: Installation) -> Answer:
    tenant = site.b
    path = site.path(tenant, f"uploads?file_name={time.monotonic_ns()}.txt")
    return ApiClient(site.web.port).call("POST", path, tenant.tokens["writer"], body=time.monotonic_ns())


def begun_body(site: Installation, to: str) -> bytes:
    head = f"POST {site.path(site.a, to)} HTTP/1.1\r\nHost: a\r\nContent-Length: 500\r\n"
    kind = f"Content-Type: application/json\r\nAuthorization: Bearer {site.a.tokens['writer']}\r\n\r\n"
    return (head + kind).encode() + b"{"


@contextmanager
def locked(site: Installation, table: str) -> Iterator[Connection]:
    """Somebody at a database shell who went for lunch in the middle of a transaction."""
    with site.database.superuser.connect() as connection, connection.begin() as transaction:
        connection.execute(text(f"lock table {table} in access exclusive mode"))
        yield connection
        transaction.rollback()


def test_what_waits_for_a_lock_in_vain_is_told_to_come_again_and_others_go_on(site: Installation) -> None:
    waiting: list[Answer] = []
    others: list[float] = []
    with locked(site, "billing.customer") as connection:
        stuck = [threading.Thread(target=lambda: waiting.append(customers(site))) for _ in range(40)]
        for thread in stuck:
            thread.start()
        wait_for_blocked(connection)
        for _ in range(10):
            began = time.monotonic()
            assert operations(site).status == 200
            others.append(time.monotonic() - began)
        for thread in stuck:
            thread.join()
    for answer in waiting:
        assert (answer.status, answer.code) == (503, "UNAVAILABLE")
        assert int(answer.headers["retry-after"]) > 0
        assert not any(word in answer.body.lower() for word in (b"process", b"lock", b"postgres", b"billing"))
    assert customers(site).status == 200
    print(f"another organization waited for at most {max(others) * 1000:.0f} ms")
    assert max(others) < LOCK_SECONDS / 2


def test_clients_that_say_nothing_or_little_hold_up_nobody(site: Installation) -> None:
    with ExitStack() as stack:
        for n in range(1000):
            silent = stack.enter_context(socket.create_connection(("127.0.0.1", site.web.port), timeout=10))
            if n % 3 == 1:
                silent.sendall(b"GET /api/v1/organ")
            if n % 3 == 2:
                silent.sendall(begun_body(site, "uploads" if n % 2 else "reviews/x/notes"))
        began = time.monotonic()
        for _ in range(20):
            assert customers(site).status == 200
            assert upload(site).status == 201
        assert time.monotonic() - began < 10
    assert customers(site).status == 200


@only_at_full_size
def test_a_file_that_hardly_comes_is_not_waited_for(site: Installation) -> None:
    def send(byte_a_second: bool) -> None:
        with socket.create_connection(("127.0.0.1", site.web.port), timeout=1) as connection:
            connection.sendall(begun_body(site, "uploads"))
            deadline, said = time.monotonic() + 2 * SECONDS_OF_PATIENCE, b""
            while not said:
                assert time.monotonic() < deadline
                with suppress(TimeoutError):
                    said = connection.recv(65536)
                if byte_a_second and not said:
                    connection.sendall(b"x")
        assert b" 408 " in said

    at_once([partial(send, n % 2 == 0) for n in range(20)])


@only_at_full_size
def test_a_connection_that_sends_no_whole_head_is_closed(site: Installation) -> None:
    begun = [b"", b"GET /api/v1/organ", f"GET {site.path(site.a, 'customers')} HTTP/1.1\r\nHost: a\r\n\r\nGET".encode()]
    connections = [socket.create_connection(("127.0.0.1", site.web.port)) for _ in begun]
    for connection, head in zip(connections, begun, strict=True):
        connection.sendall(head)
    began = time.monotonic()
    for connection in connections:
        connection.settimeout(SECONDS_FOR_HEAD + 10)
        while connection.recv(65536):
            continue
        connection.close()
    assert SECONDS_FOR_HEAD - 5 < time.monotonic() - began < SECONDS_FOR_HEAD + 5


def test_garbage_is_refused_and_the_next_one_served(site: Installation) -> None:
    chance = random.Random(15)
    pieces = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET",
        b"GET \xff\xfe HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: " + b"y" * 200_000,
        b"GET /api/v1/organizations/a/customers HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        *(chance.randbytes(2000) for _ in range(50)),
    ]
    for port in (site.web.port, site.web.health_port):
        for piece in pieces:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                connection.sendall(piece)
                connection.shutdown(socket.SHUT_WR)
                try:
                    said = connection.recv(65536)
                except (ConnectionResetError, TimeoutError):
                    said = b""
            assert said == b"" or said.startswith(b"HTTP/1.1 4"), (piece[:60], said)
    assert customers(site).status == 200
    assert site.web.health("ready") == 200
    assert "Traceback" not in site.web.log()


def test_who_leaves_without_waiting_for_the_answer_leaves_no_session_behind(site: Installation) -> None:
    request = f"GET {site.path(site.a, 'customers')} HTTP/1.1\r\nHost: a\r\n".encode()
    request += f"Authorization: Bearer {site.a.tokens['reader']}\r\n\r\n".encode()

    def leave() -> None:
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", site.web.port), timeout=10) as connection:
                connection.sendall(request)

    at_once([leave] * 20)
    assert customers(site).status == 200
    with site.database.superuser.connect() as connection:
        # A transaction would see the sessions as they were at its first look.
        connection.execution_options(isolation_level="AUTOCOMMIT")
        in_transaction = text(
            """select count(*) from pg_stat_activity
               where application_name = 'invoice_pipelines_web' and xact_start is not null"""
        )
        wait_for("the end of all transactions", lambda: not connection.execute(in_transaction).scalar_one(), 10)
    assert "Traceback" not in site.web.log()


def test_a_request_that_runs_when_the_web_is_told_to_stop_is_answered(site: Installation) -> None:
    found: list[Answer] = []
    with locked(site, "billing.customer") as connection:
        slow = threading.Thread(target=lambda: found.append(customers(site)))
        slow.start()
        wait_for_blocked(connection)
        stopping = threading.Thread(target=site.web.terminate)
        stopping.start()
        wait_for("that it takes no more requests", lambda: not site.web.listens(), LOCK_SECONDS)
        assert customers(site, "b").status == 0
    slow.join()
    stopping.join()
    assert [answer.status for answer in found] == [200]
    site.web.start()
    assert customers(site).status == 200


@only_at_full_size
def test_a_stop_does_not_wait_for_ever_for_who_sends_nothing(site: Installation) -> None:
    with ExitStack() as stack:
        for n in range(30):
            silent = stack.enter_context(socket.create_connection(("127.0.0.1", site.web.port)))
            silent.sendall(begun_body(site, ["uploads", "reviews/x/notes", "batch-operations/imports"][n % 3]))
        time.sleep(0.5)  # until it reads what they began to send, of which nothing tells
        seconds = site.web.terminate()
    print(f"\nstopped after {seconds:.1f} s")
    assert seconds < SECONDS_OF_PATIENCE + 10
    site.web.start()
