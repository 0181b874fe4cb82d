"""Requests that are sent again, because nobody knows what became of them: what they ask for is done once."""

from __future__ import annotations

import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from invoice_pipelines_tests.support.sizes import size
from invoice_pipelines_tests.support.waiting import wait_for, wait_for_blocked
from invoice_pipelines_tests.system.web.calls import Answer, ApiClient, at_once
from invoice_pipelines_tests.system.web.jobs import Call, Form, ask, invoice_of, jobs, request
from invoice_pipelines_tests.system.web.process import Installation

pytestmark = pytest.mark.slow

KILLS = size(3, 30)


def test_equal_requests_at_once_make_one_job(site: Installation) -> None:
    for _ in range(size(3, 20)):
        key, body, answers = str(uuid4()), request(), list[Answer]()
        at_once([lambda k=key, b=body, to=answers: to.append(ask(site, k, b))] * 20)
        assert {answer.status for answer in answers} <= {202, 409}
        assert {answer.code for answer in answers} <= {None, "REQUEST_IN_FLIGHT"}
        assert len(jobs(site, body)) == 1
        told = {answer.json()["job_id"] for answer in answers if answer.status == 202}
        assert list(told) == jobs(site, body)
        again = ask(site, key, body)
        assert (again.status, again.json()["job_id"]) == (202, *told)
        assert again.headers["location"].endswith(*told)


def test_a_key_belongs_to_one_request(site: Installation) -> None:
    key, body = str(uuid4()), request()
    assert ask(site, key, body).status == 202
    other = ask(site, key, {**body, "due_days": 30})
    assert (other.status, other.code) == (422, "IDEMPOTENCY_KEY_REUSED")
    with_the_key_of_somebody_else = ApiClient(site.web.port).call(
        "POST", site.path(site.b, "batch-operations/invoices"), site.b.tokens["writer"], body=body, key=key
    )
    assert with_the_key_of_somebody_else.status == 202
    assert len(jobs(site, body)) == 2


def test_a_request_that_failed_may_succeed_with_its_key(site: Installation) -> None:
    key, number = str(uuid4()), f"K-{uuid4()}"
    program, token = ApiClient(site.web.port), site.a.tokens["writer"]
    order = {
        "order_number": f"O-{uuid4()}",
        "customer_number": number,
        "order_date": "2026-01-02",
        "lines": [{"description": "Work", "quantity": "1", "unit_price": "50", "tax_category": "S", "tax_rate": "19"}],
    }

    def post(rest: str, body: Any, key: str | None) -> Answer:
        return program.call("POST", site.path(site.a, rest), token, body=body, key=key)

    assert post("sales-orders", order, key).status in (404, 422)
    post("tax-rates", {"tax_category": "S", "rate": "19", "name": "19 %"}, None)
    name = f"{site.a.slug} late"
    made = post("customers", {"customer_number": number, "name": name, "country_code": "DE"}, None)
    assert made.status == 201, made
    first, again = post("sales-orders", order, key), post("sales-orders", order, key)
    assert (first.status, again.status, again.body) == (201, 201, first.body), first


@contextmanager
def relay(site: Installation, answered: Callable[[], None]) -> Iterator[int]:
    """A proxy in front of the web, by its port. It calls when the web begins to answer, and passes no answer on."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def run() -> None:
            client, _ = listening.accept()
            with client, socket.create_connection(("127.0.0.1", site.web.port)) as web:
                client.settimeout(0.05)
                web.settimeout(0.01)
                while True:
                    with suppress(TimeoutError):
                        web.sendall(client.recv(65536))
                    with suppress(TimeoutError):
                        web.recv(65536)
                        answered()
                        return

        thread = threading.Thread(target=run)
        thread.start()
        yield listening.getsockname()[1]
        thread.join()


def told(asked: Call | Form) -> Answer | None:
    """The answer, once PostgreSQL has noticed that the web died."""
    found = asked.send()
    return None if found.status in (409, 503) else found


def at_random(site: Installation, asked: Call | Form, chance: random.Random) -> None:
    """The web dies while it works on the request, or before, or after it."""
    asking = threading.Thread(target=asked.send)
    asking.start()
    time.sleep(chance.uniform(0, 0.05))  # to be killed at any moment
    site.web.kill()
    asking.join()


def before_the_answer(site: Installation, asked: Call | Form, _: random.Random) -> None:
    """The web dies when it has done what it was asked for, and nobody got its answer."""
    with relay(site, site.web.kill) as port:
        assert asked.send(port).status == 0
    assert len(asked.made()) == 1


def before_the_commit(site: Installation, asked: Call | Form, _: random.Random) -> None:
    """The web dies in the middle of its transaction, whose session at PostgreSQL does not know that for a while."""
    with site.database.superuser.connect() as connection, connection.begin():
        connection.execute(text("lock table web.idempotency_key in share mode"))  # what is done last is to keep the key
        asking = threading.Thread(target=asked.send)
        asking.start()
        wait_for_blocked(connection)
        site.web.kill()
        asking.join()


def test_a_web_that_is_killed_does_once_what_it_is_asked_again(site: Installation) -> None:
    chance, invoice = random.Random(2026), invoice_of(site)
    found = dict.fromkeys([at_random, before_the_answer, before_the_commit], 0)
    for n in range(KILLS):
        kill = list(found)[n % 3]
        asked = Form(site, invoice) if n % 2 else Call(site)
        kill(site, asked, chance)
        before = asked.made()
        site.web.start()
        again = wait_for("an answer", partial(told, asked), 20)
        (made,) = asked.made()
        if isinstance(asked, Call):
            assert (again.status, again.json()["job_id"]) == (202, made), again
            assert bool(before) == (again.headers.get("idempotent-replayed") == "true")
        else:
            assert (again.status, again.headers["location"]) == (303, f"/desk/{site.a.slug}/invoices/{invoice}")
        assert before in ([], [made])
        found[kill] += bool(before)
    print("\nwhat was done when the web was gone:", {kill.__name__: count for kill, count in found.items()})
    assert found[before_the_commit] == 0
