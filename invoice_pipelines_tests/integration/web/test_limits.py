"""How large a request may be, how often it may come, and how many are worked on at the same time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import psutil
import pytest

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.web.limits import network_of
from invoice_pipelines_tests.conftest import TestDatabase
from invoice_pipelines_tests.integration.web import probe
from invoice_pipelines_tests.integration.web.probe import UPLOAD_BYTES
from invoice_pipelines_tests.support.web import Site, problem_of, running_site


@pytest.fixture
def client(site: Site) -> Iterator[httpx.Client]:
    with site.client(site.a.tokens["writer"]) as client:
        yield client


def pieces(size: int) -> Iterator[bytes]:
    """A body of unknown length, which never lies in memory as a whole."""
    for _ in range(size // 65536):
        yield b" " * 65536


def test_a_body_of_json_has_a_limit(site: Site, client: httpx.Client) -> None:
    path, json = site.path(site.a, "probe/jobs"), {"Content-Type": "application/json"}
    said = client.post(path, content=b'{"subjects": ["a"]}' + b" " * 900_000, headers=json)
    assert said.status_code == 202
    assert problem_of(client.post(path, content=b" " * 1_000_001, headers=json), 413)["code"] == "BODY_TOO_LARGE"
    chunked = client.post(path, content=pieces(2_000_000), headers=json)
    assert problem_of(chunked, 413)["detail"] == "The body is larger than 1000 kB."


def test_a_file_has_a_limit_of_its_own(site: Site, client: httpx.Client) -> None:
    path = site.path(site.a, "probe/files")
    whole = client.post(path, files={"file": ("a.pdf", b"x" * (UPLOAD_BYTES - 1000))})
    assert whole.json() == {"bytes": UPLOAD_BYTES - 1000}
    larger = client.post(path, files={"file": ("a.pdf", b"x" * UPLOAD_BYTES)})
    assert problem_of(larger, 413)["detail"] == "The body is larger than 5 MiB."


def test_a_body_that_is_far_too_large_is_not_read(site: Site, client: httpx.Client) -> None:
    before = psutil.Process().memory_info().rss
    started = time.monotonic()
    for path in ("probe/jobs", "probe/files"):
        headers = {"Content-Type": "application/json", "Content-Length": str(200 * 2**20)}
        try:
            answer = client.post(site.path(site.a, path), content=pieces(200 * 2**20), headers=headers)
            assert answer.status_code == 413
        except (httpx.WriteError, httpx.ReadError):  # the server closed before all was sent
            pass
    assert time.monotonic() - started < 5
    assert psutil.Process().memory_info().rss - before < 50 * 2**20


def test_a_file_of_somebody_who_may_not_send_it_is_not_read(site: Site) -> None:
    for secret, status in ((None, 401), ("ip_live_wrong", 401), (site.b.tokens["writer"], 404), ("viewer", 403)):
        with site.client(site.a.sessions[Role.VIEWER] if secret == "viewer" else secret) as client:
            taken = 0

            def counted() -> Iterator[bytes]:
                nonlocal taken
                for piece in pieces(4 * 2**20):
                    taken += len(piece)
                    time.sleep(0.005)  # so that the answer comes before the end, if it does not wait for it
                    yield piece

            headers = {"Content-Type": "multipart/form-data; boundary=x"}
            try:
                answer = client.post(site.path(site.a, "probe/files"), content=counted(), headers=headers)
                problem_of(answer, status)
            except (httpx.WriteError, httpx.ReadError):
                assert taken < 4 * 2**20


def test_a_credential_and_an_address_have_a_rate(shared_database: TestDatabase) -> None:
    with running_site(shared_database, web_requests_per_minute=5, web_address_requests_per_minute=12) as site:
        with site.client(site.a.tokens["reader"]) as client:
            for left in (4, 3, 2, 1, 0):
                answer = client.get(site.path(site.a, "customers"))
                assert answer.status_code == 200
                assert answer.headers["ratelimit-policy"] == '"credential";q=5;w=60'
                assert answer.headers["ratelimit"].startswith(f'"credential";r={left};t=')
            refused = client.get(site.path(site.a, "customers"))
            assert problem_of(refused, 429)["code"] == "TOO_MANY_REQUESTS"
            assert 1 <= int(refused.headers["retry-after"]) <= 12
            assert refused.headers["ratelimit"].startswith('"credential";r=0;t=')
        with site.client(site.b.tokens["reader"]) as client:  # another credential has its own
            assert client.get(site.path(site.b, "customers")).status_code == 200
        statuses = []
        with site.client() as client:
            for number in range(8):  # guessing counts for the address
                headers = {"Authorization": f"Bearer ip_live_{number}"}
                statuses.append(client.get(site.path(site.a, "customers"), headers=headers).status_code)
        assert statuses == [401] * 6 + [429] * 2
        elsewhere = {"X-Forwarded-For": "203.0.113.7", "Authorization": f"Bearer {site.b.tokens['writer']}"}
        with site.client() as client:
            assert client.get(site.path(site.b, "customers"), headers=elsewhere).status_code == 200


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("testclient", "none"),
        ("", "none"),
    ],
)
def test_a_network_of_ipv6_counts_as_one_address(address: str, network: str) -> None:
    assert network_of(address) == network


def test_more_requests_than_connections_wait_and_are_all_answered(shared_database: TestDatabase) -> None:
    with running_site(shared_database, [probe.router], web_connections=3) as site:

        def get(number: int) -> int:
            tenant = site.a if number % 2 else site.b
            with site.client(tenant.tokens["reader"]) as client:
                path = "probe/sql/select pg_sleep(0.05)" if number % 3 else "probe/actors"
                return client.get(site.path(tenant, path)).status_code

        with ThreadPoolExecutor(40) as pool:
            assert set(pool.map(get, range(120))) == {200}
        assert "Current Checked out connections: 0" in site.engine.pool.status()


def test_pages_of_other_sites_are_let_in_where_the_operator_names_them(site: Site) -> None:
    shop = {"Origin": "https://shop.example.com"}
    asks = {**shop, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    with site.client(site.a.tokens["reader"]) as client:
        assert client.options(site.path(site.a, "customers"), headers=asks).status_code == 405
        assert "access-control-allow-origin" not in client.get(site.path(site.a, "customers"), headers=shop).headers
    with running_site(site.database, web_allowed_origins=("https://shop.example.com",)) as open_site:
        path = open_site.path(open_site.a, "customers")
        with open_site.client(open_site.a.tokens["reader"]) as client:
            allowed = client.options(path, headers=asks)
            assert allowed.status_code == 200
            assert allowed.headers["access-control-allow-origin"] == "https://shop.example.com"
            assert "access-control-allow-credentials" not in allowed.headers  # tokens only, no sessions
            assert client.get(path, headers=shop).headers["access-control-allow-origin"] == "https://shop.example.com"
            evil = client.options(path, headers=asks | {"Origin": "https://evil.example"})
            assert "access-control-allow-origin" not in evil.headers
