"""A request that is repeated with its Idempotency-Key does its work once."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from sqlalchemy import text

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines_tests.integration.web.probe import KIND
from invoice_pipelines_tests.support.web import Site, Tenant, problem_of


def jobs(tenant: Tenant, subject: str) -> int:
    """How many jobs were asked for over a subject."""
    return tenant.view.value(
        "select count(*) from work.batch_item where kind = :kind and subject_id = :subject", kind=KIND, subject=subject
    )


@pytest.fixture
def subject() -> str:
    return f"subject-{uuid4()}"


def test_a_repeated_request_gets_the_answer_of_the_first(site: Site, subject: str) -> None:
    with site.client(site.a.tokens["writer"]) as client:
        send = {"url": site.path(site.a, "probe/jobs"), "json": {"subjects": [subject]}}
        key = {"Idempotency-Key": str(uuid4())}
        first = client.post(**send, headers=key)
        again = client.post(**send, headers=key)
        assert (first.status_code, again.status_code) == (202, 202)
        assert first.content == again.content
        assert first.headers["location"] == again.headers["location"] == first.json()["url"]
        assert again.headers["idempotent-replayed"] == "true"
        assert jobs(site.a, subject) == 1
        assert client.post(**send).json() != first.json()  # without a key, it is a new request
        assert jobs(site.a, subject) == 2


def test_a_key_belongs_to_one_request_of_one_caller(site: Site, subject: str) -> None:
    key = {"Idempotency-Key": str(uuid4())}
    body = {"subjects": [subject]}
    with site.client(site.a.tokens["writer"]) as client:
        assert client.post(site.path(site.a, "probe/jobs"), json=body, headers=key).status_code == 202
        other = client.post(site.path(site.a, "probe/jobs"), json={"subjects": ["other"]}, headers=key)
        assert problem_of(other, 422)["code"] == "IDEMPOTENCY_KEY_REUSED"
    for secret, tenant in ((site.a.sessions[Role.ADMIN], site.a), (site.b.tokens["writer"], site.b)):
        with site.client(secret) as client:
            answer = client.post(site.path(tenant, "probe/jobs"), json=body, headers=key)
            assert answer.status_code == 202
            assert "idempotent-replayed" not in answer.headers
    assert (jobs(site.a, subject), jobs(site.b, subject)) == (2, 1)


def test_twenty_equal_requests_at_once_make_one_job(site: Site, subject: str) -> None:
    key = {"Idempotency-Key": str(uuid4())}

    def post(_: int) -> tuple[int, str | None]:
        with site.client(site.a.tokens["writer"]) as client:
            body = {"subjects": [subject], "pause": 0.3}
            answer = client.post(site.path(site.a, "probe/jobs"), json=body, headers=key)
            if answer.status_code == 409:
                assert problem_of(answer, 409)["code"] == "REQUEST_IN_FLIGHT"
                assert answer.headers["retry-after"] == "1"
                return 409, None
            return answer.status_code, answer.json()["job_id"]

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(post, range(20)))
    counts = Counter(status for status, _ in answers)
    assert set(counts) <= {202, 409}
    assert counts[409] > 0
    assert len({job for status, job in answers if status == 202}) == 1
    assert jobs(site.a, subject) == 1


def test_what_failed_is_not_kept(site: Site) -> None:
    key = {"Idempotency-Key": str(uuid4())}
    with site.client(site.a.tokens["writer"]) as client:
        for _ in range(2):
            answer = client.post(site.path(site.a, "probe/jobs"), json={"subjects": ["unlucky"]}, headers=key)
            assert problem_of(answer, 500)["code"] == "INTERNAL_ERROR"
        lucky = client.post(site.path(site.a, "probe/jobs"), json={"subjects": ["lucky"]}, headers=key)
        assert lucky.status_code == 202
    assert jobs(site.a, "unlucky") == 0


def test_a_key_is_forgotten_after_a_day(site: Site, subject: str) -> None:
    key = {"Idempotency-Key": str(uuid4())}
    with site.client(site.a.tokens["writer"]) as client:
        body = {"subjects": [subject]}
        assert client.post(site.path(site.a, "probe/jobs"), json=body, headers=key).status_code == 202
        with site.database.superuser.begin() as connection:
            connection.execute(text("update web.idempotency_key set created_at = now() - interval '25 hours'"))
        other = {"subjects": [subject, "more"]}
        assert client.post(site.path(site.a, "probe/jobs"), json=other, headers=key).status_code == 202
    assert site.a.view.value("select count(*) from web.idempotency_key") == 1


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb"])
def test_a_key_that_cannot_be_one_is_named(site: Site, key: str) -> None:
    with site.client(site.a.tokens["writer"]) as client:
        answer = client.post(
            site.path(site.a, "probe/jobs"), json={"subjects": ["a"]}, headers={"Idempotency-Key": key}
        )
    assert problem_of(answer, 422)["errors"][0]["field"] == "Idempotency-Key"
