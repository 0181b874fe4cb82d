"""Equal requests that wait at the same time: answered together, and none of them worse than alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from threading import Event
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.accounts.tokens import revoke_token
from invoice_pipelines.database import organization_scope
from invoice_pipelines.web.callers import Caller
from invoice_pipelines.web.problems import Refusal
from invoice_pipelines.web.routing import OrganizationRouter
from invoice_pipelines.web.values import Answer
from invoice_pipelines.work import create_job
from invoice_pipelines_tests.conftest import TestDatabase
from invoice_pipelines_tests.support.web import Site, problem_of, running_site

router = OrganizationRouter(tags=["probe"])
looks = count(1)
may_go_on = Event()


class Look(Answer):
    number: int


@router.get("/probe/look", role=Role.VIEWER, is_polled=True)
def look(caller: Caller, fails: bool = False) -> Look:
    """Look, which takes a while."""
    with caller.enter() as at:
        number = next(looks)
        may_go_on.wait(20)
        at.connection.execute(text("select 1"))
    if fails:
        raise Refusal(409, "FAILED", "It failed.")
    caller.tag(number)
    return Look(number=number)


@pytest.fixture
def polled(shared_database: TestDatabase) -> Iterator[Site]:
    may_go_on.clear()
    with running_site(shared_database, [router], web_requests_per_minute=30) as site:
        yield site


def ask_at_once(site: Site, secrets: list[str], query: str = "") -> list[httpx.Response]:
    """What each gets; the first look ends only when all of the others wait."""

    def ask(secret: str) -> httpx.Response:
        with site.client(secret) as client:
            return client.get(site.path(site.a, f"probe/look{query}"))

    with ThreadPoolExecutor(len(secrets)) as pool:
        answers = [pool.submit(ask, secret) for secret in secrets]
        Event().wait(1.5)  # until all wait, of which nothing tells outside of the web
        may_go_on.set()
        return [answer.result() for answer in answers]


def test_those_who_wait_are_answered_by_one_look_and_each_is_counted(polled: Site) -> None:
    answers = ask_at_once(polled, [polled.a.tokens["reader"]] * 20)
    assert {answer.status_code for answer in answers} == {200}
    numbers = Counter(answer.json()["number"] for answer in answers)
    assert sorted(numbers.values()) == [1, 19]  # who came first, and all who came meanwhile
    assert len({answer.headers["etag"] for answer in answers}) == 2
    left = [int(answer.headers["ratelimit"].split("r=")[1].split(";")[0]) for answer in answers]
    assert 10 <= min(left) <= 13  # one comes back every two seconds
    assert len({answer.headers["x-trace-id"] for answer in answers}) == 20


def test_those_who_are_too_many_are_refused_and_only_those(polled: Site) -> None:
    answers = ask_at_once(polled, [polled.a.tokens["reader"]] * 36)
    statuses = Counter(answer.status_code for answer in answers)
    assert set(statuses) == {200, 429}
    assert 30 <= statuses[200] <= 33
    for answer in answers:
        if answer.status_code == 429:
            assert problem_of(answer, 429)["code"] == "TOO_MANY_REQUESTS"
            assert int(answer.headers["retry-after"]) >= 1


def test_nobody_gets_the_answer_to_another_credential_or_question(polled: Site) -> None:
    secrets = [polled.a.tokens["reader"], polled.a.tokens["writer"], polled.a.sessions[Role.VIEWER]]
    answers = ask_at_once(polled, secrets)
    assert len({answer.json()["number"] for answer in answers}) == 3
    refused = ask_at_once(polled, [polled.b.tokens["reader"], "ip_live_wrong"] * 3)
    assert [answer.status_code for answer in refused] == [404, 401] * 3


def test_a_refusal_is_that_of_all_who_wait(polled: Site) -> None:
    answers = ask_at_once(polled, [polled.a.tokens["reader"]] * 5, "?fails=true")
    assert [problem_of(answer, 409)["code"] for answer in answers] == ["FAILED"] * 5


def test_what_somebody_did_is_in_the_next_answer_also_while_many_ask(shared_database: TestDatabase) -> None:
    """A crowd asks for a job all the time; who cancels it, or ends the token, sees that at once."""
    with running_site(shared_database) as site, site.client(site.a.tokens["writer"]) as client:
        for _ in range(8):
            job = new_job(site)
            with crowd(site, site.a.tokens["writer"], f"batch-operations/{job}") as seen:
                path = site.path(site.a, f"batch-operations/{job}")
                assert client.post(f"{path}/cancel").json()["status"] == "cancelled"
                assert client.get(path).json()["status"] == "cancelled"
            for answers in seen:
                statuses = [answer.json()["status"] for answer in answers]
                assert statuses == sorted(statuses, key=["pending", "cancelled"].index)


def test_a_token_that_was_revoked_is_refused_at_once_also_while_many_ask(shared_database: TestDatabase) -> None:
    with running_site(shared_database) as site, site.client(site.a.tokens["reader"]) as client:
        path = f"batch-operations/{new_job(site)}"
        with crowd(site, site.a.tokens["reader"], path) as seen:
            assert client.get(site.path(site.a, path)).status_code == 200
            with organization_scope(site.database.engine, site.a.id) as connection:
                revoke_token(connection, "reader", actor="test")
            assert client.get(site.path(site.a, path)).status_code == 401
        for answers in seen:
            statuses = [answer.status_code for answer in answers]
            refused = [status for status in statuses if status != 200]
            assert statuses == [200] * (len(statuses) - len(refused)) + refused, "nothing is told after a refusal"
            # Who had entered when it was revoked finds no job any more.
            assert set(refused[:1]) <= {401, 404}
            assert set(refused[1:]) <= {401}


def new_job(site: Site) -> UUID:
    with organization_scope(site.database.engine, site.a.id) as connection:
        return create_job(connection, "probe", ["x"], created_by="test")


@contextmanager
def crowd(site: Site, secret: str, path: str) -> Iterator[list[list[httpx.Response]]]:
    """Six who ask again and again for as long as the block lasts; what each got is there at its end."""
    stop = Event()
    seen: list[list[httpx.Response]] = []

    def ask() -> list[httpx.Response]:
        answers = []
        with site.client(secret) as client:
            while not stop.is_set():
                answers.append(client.get(site.path(site.a, path)))
        return answers

    with ThreadPoolExecutor(6) as pool:
        asking = [pool.submit(ask) for _ in range(6)]
        try:
            yield seen
        finally:
            stop.set()
        seen.extend(each.result() for each in asking)
