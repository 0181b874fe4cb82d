"""What callers are told when something is wrong: with the request, with the database, or with the program."""

from __future__ import annotations

import json
import logging
import socket
import time
from collections.abc import Iterator
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines_tests.support.web import Site, problem_of


@pytest.fixture
def client(site: Site) -> Iterator[httpx.Client]:
    with site.client(site.a.tokens["writer"]) as client:
        yield client


def fields(answer: httpx.Response) -> dict[str, str]:
    return {wrong["field"]: wrong["message"] for wrong in problem_of(answer, 422)["errors"]}


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        ({}, "subjects", "Field required"),
        ({"subjects": ["a"], "sbujects": []}, "sbujects", "Extra inputs are not permitted"),
        ({"subjects": "a"}, "subjects", "Input should be a valid list"),
        ({"subjects": ["a", 7]}, "subjects[1]", "Input should be a valid string"),
        ({"subjects": ["a\x00b"]}, "subjects[0]", "must not contain the character NUL"),
        ({"subjects": [], "lines": [{"quantity": 1.5}]}, "lines[0].quantity", 'such as "12.50"'),
        ({"subjects": [], "lines": [{"quantity": "1e3"}]}, "lines[0].quantity", "expected digits"),
        ({"subjects": [], "lines": [{"quantity": "1,5"}]}, "lines[0].quantity", "expected digits"),
        ({"subjects": [], "lines": [{"quantity": "NaN"}]}, "lines[0].quantity", "expected digits"),
        ({"subjects": [], "since": "2026-01-01T00:00:00"}, "since", "expected an instant with its zone"),
        ({"subjects": [], "since": 1767225600}, "since", "expected an instant with its zone"),
        ({"subjects": [], "since": "2026-13-01T00:00:00Z"}, "since", "expected an instant with its zone"),
        ({"subjects": [], "day": "2026-02-30"}, "day", "expected a day such as 2026-03-31"),
        ({"subjects": [], "day": "20260228"}, "day", "expected a day such as 2026-03-31"),
        ([], "body", "Input should be a valid dictionary"),
        ("text", "body", "Input should be a valid dictionary"),
        (None, "body", "Field required"),
    ],
)
def test_a_wrong_body_is_a_problem_that_names_the_field(
    site: Site, client: httpx.Client, body: Any, field: str, message: str
) -> None:
    found = fields(client.post(site.path(site.a, "probe/jobs"), json=body))
    assert list(found) == [field]
    assert message in found[field]


def test_values_go_through_as_they_came(site: Site, client: httpx.Client) -> None:
    body = {
        "subjects": [],
        "lines": [{"quantity": "12345678901234567890.10"}],
        "since": "2026-03-31T12:00:00+02:00",
        "day": "2026-03-31",
    }
    answer = client.post(site.path(site.a, "probe/echo"), json=body)
    assert answer.json() == {
        "quantity": "12345678901234567890.10",
        "since": "2026-03-31T12:00:00+02:00",
        "day": "2026-03-31",
    }


@pytest.mark.parametrize(
    ("content", "content_type", "status", "code"),
    [
        (b"{", "application/json", 400, "MALFORMED_BODY"),
        (b'{"subjects": [nul]}', "application/json", 400, "MALFORMED_BODY"),
        (b"\xff\xfe", "application/json", 400, "MALFORMED_BODY"),
        (b'{"subjects": []}', "text/plain", 415, "UNSUPPORTED_MEDIA_TYPE"),
        (b"subjects=a", "application/x-www-form-urlencoded", 415, "UNSUPPORTED_MEDIA_TYPE"),
        (b"[" * 100_000, "application/json", 400, "MALFORMED_BODY"),
    ],
)
def test_a_body_that_is_no_json_is_refused(
    site: Site, client: httpx.Client, content: bytes, content_type: str, status: int, code: str
) -> None:
    answer = client.post(site.path(site.a, "probe/jobs"), content=content, headers={"Content-Type": content_type})
    assert problem_of(answer, status)["code"] == code


def test_a_surrogate_without_its_other_half_is_refused(site: Site, client: httpx.Client) -> None:
    answer = client.post(
        site.path(site.a, "probe/jobs"),
        content=b'{"subjects": ["\\ud800"]}',
        headers={"Content-Type": "application/json"},
    )
    assert list(fields(answer)) == ["subjects[0]"]


def test_addresses_and_methods_that_are_not_there(site: Site, client: httpx.Client) -> None:
    for path in ("/api", "/api/v1", site.path(site.a, "nothing"), site.path(site.a, "customers/")):
        assert problem_of(client.get(path), 404)["code"] == "NOT_FOUND"
    answer = client.delete(site.path(site.a, "customers"))
    assert problem_of(answer, 405)["code"] == "METHOD_NOT_ALLOWED"
    assert "GET" in answer.headers["allow"].split(", ")
    # Two routes have this address.
    assert client.delete(site.path(site.a, "uploads")).headers["allow"] == "GET, POST"
    assert client.delete(site.path(site.a, "exports/again")).headers["allow"] == "POST"
    assert problem_of(client.get(site.path(site.a, "customers/a%00b")), 400)["code"] == "MALFORMED_ADDRESS"
    assert problem_of(client.get(site.path(site.a, "customers?after=%00")), 400)["code"] == "MALFORMED_ADDRESS"


def test_what_is_no_request_is_a_problem_as_well(site: Site) -> None:
    address = urlsplit(site.url)
    with socket.create_connection((address.hostname, address.port), 10) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nno header\r\n\r\n")
        head, _, body = b"".join(iter(lambda: connection.recv(65536), b"")).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"content-type: application/problem+json" in head
    assert json.loads(body)["code"] == "MALFORMED_REQUEST"


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=ten", "limit"),
        ("after=garbage", "after"),
        ("after=%F0%9F%98%80", "after"),
        ("after=eyJhIjoxfQ", "after"),
    ],
)
def test_a_page_that_cannot_be_is_a_problem(site: Site, client: httpx.Client, query: str, field: str) -> None:
    assert list(fields(client.get(site.path(site.a, f"probe/numbers?{query}")))) == [field]


def test_a_cursor_belongs_to_its_list(site: Site, client: httpx.Client) -> None:
    first = client.get(site.path(site.a, "probe/numbers"), params={"limit": 3}).json()
    assert [row["bytes"] for row in first["items"]] == [1, 2, 3]
    second = client.get(site.path(site.a, "probe/numbers"), params={"after": first["next"]}).json()
    assert ([row["bytes"] for row in second["items"]], second["next"]) == ([4, 5, 6, 7], None)
    assert list(fields(client.get(site.path(site.a, "customers"), params={"after": first["next"]}))) == ["after"]


def test_a_decision_about_something_that_changed_is_refused(site: Site) -> None:
    with site.browser(site.a.sessions[Role.ADMIN]) as client:
        job = client.post(site.path(site.a, "probe/jobs"), json={"subjects": ["a"]}).json()
        path = site.path(site.a, f"probe/jobs/{job['job_id']}")
        tag = client.get(path).headers["etag"]
        assert problem_of(client.put(path), 428)["code"] == "IF_MATCH_REQUIRED"
        stale = client.put(path, headers={"If-Match": '"other"'})
        assert problem_of(stale, 412)["code"] == "STALE"
        assert stale.headers["etag"] == tag
        assert client.put(path, headers={"If-Match": f'"other", {tag}'}).status_code == 200


def test_a_fault_of_the_program_tells_nothing_but_its_id(
    site: Site, client: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    with caplog.at_level(logging.ERROR):
        answer = client.post(
            site.path(site.a, "probe/jobs"),
            json={"subjects": ["unlucky"]},
            headers={"traceparent": f"00-{trace}-b7ad6b7169203331-01"},
        )
    said = problem_of(answer, 500)
    assert said["trace_id"] == trace == answer.headers["x-trace-id"]
    assert "secret" not in answer.text
    assert "ZeroDivisionError" not in answer.text
    assert trace in caplog.text
    assert "ZeroDivisionError" in caplog.text


def test_what_does_not_fit_into_the_database_is_the_callers(site: Site, client: httpx.Client) -> None:
    answer = client.get(site.path(site.a, "probe/sql/select 'x'::integer"))
    assert problem_of(answer, 422)["code"] == "UNSTORABLE_VALUE"
    assert "'x'" not in answer.text
    answer = client.get(site.path(site.a, "probe/sql/select nothing from nowhere"))
    assert problem_of(answer, 500)["code"] == "INTERNAL_ERROR"
    assert "nowhere" not in answer.text


@pytest.mark.direct  # limits of a test's own are start-up options, which the pooler drops
def test_a_lock_that_is_not_to_be_had_in_time_means_try_again(site: Site, client: httpx.Client) -> None:
    with site.database.superuser.begin() as connection:
        connection.exec_driver_sql("lock table work.batch_job in access exclusive mode")
        answer = client.get(site.path(site.a, "batch-operations"))
    assert problem_of(answer, 503)["code"] == "UNAVAILABLE"
    assert int(answer.headers["retry-after"]) >= 1
    assert client.get(site.path(site.a, "batch-operations")).status_code == 200


def test_sessions_that_the_database_ends_come_back(site: Site, client: httpx.Client) -> None:
    found: list[httpx.Response] = []

    def sleep() -> None:
        with site.client(site.a.tokens["writer"]) as other:
            found.append(other.get(site.path(site.a, "probe/sql/select pg_sleep(30)")))

    sleeping = Thread(target=sleep)
    sleeping.start()
    with site.database.superuser.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        ended, deadline = 0, time.monotonic() + 20
        while not ended and time.monotonic() < deadline:
            ended = connection.exec_driver_sql(
                """select count(pg_terminate_backend(pid)) from pg_stat_activity
                   where datname = current_database() and usename = 'invoice_pipelines_web'
                     and query like '%%pg_sleep(30)%%' and state = 'active'"""
            ).scalar_one()
        sleeping.join(20)
        assert problem_of(found[0], 503)["code"] == "UNAVAILABLE"
        connection.exec_driver_sql(
            """select pg_terminate_backend(pid) from pg_stat_activity
               where datname = current_database() and usename = 'invoice_pipelines_web'"""
        )
    for _ in range(20):
        assert client.get(site.path(site.a, "customers")).status_code == 200


def test_headers_keep_answers_from_being_kept_or_taken_for_something_else(site: Site, client: httpx.Client) -> None:
    for answer in (client.get(site.path(site.a, "customers")), client.get("/nothing")):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert "strict-transport-security" not in answer.headers
        assert "server" not in answer.headers
        assert "access-control-allow-origin" not in answer.headers
    behind_tls = client.get("/nothing", headers={"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.9"})
    assert "max-age" in behind_tls.headers["strict-transport-security"]
