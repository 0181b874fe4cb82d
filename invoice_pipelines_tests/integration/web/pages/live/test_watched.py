"""What PostgreSQL tells all open pages at once: to each page as much as a request with its credential would be told."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from invoice_pipelines.accounts.credentials import fingerprint
from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.accounts.users import set_role
from invoice_pipelines.work import create_job
from invoice_pipelines_tests.support.web import Site, Tenant, add_person, add_session, open_tenant

Page = tuple[str, str, UUID | None]
"""The secret of a credential, the slug of an organization, and a job."""


def told(site: Site, pages: Sequence[Page]) -> dict[tuple[int, ...], Any]:
    """What the web's own login is told: by the places of pages, from 0, the figures and jobs of an organization."""
    with site.engine.begin() as connection:
        rows = connection.execute(
            text("select * from web.watched(cast(:c as text[]), cast(:s as text[]), cast(:j as uuid[]))"),
            {
                "c": [fingerprint(secret) for secret, _, _ in pages],
                "s": [slug for _, slug, _ in pages],
                "j": [job for _, _, job in pages],
            },
        ).all()
        assert connection.execute(text("select count(*) from work.batch_job")).scalar_one() == 0, "it left again"
    return {tuple(sorted(place - 1 for place in row.places)): (row.standing, row.jobs_standing) for row in rows}


def job_of(tenant: Tenant) -> UUID:
    with tenant.view.scope() as connection:
        return create_job(connection, "look_for_overdue", ["today"], created_by="anna")


@pytest.fixture
def two(site: Site) -> tuple[Tenant, Tenant]:
    """Organizations of which nobody has seen anything yet."""
    return open_tenant(site.database), open_tenant(site.database)


def test_of_many_pages_each_is_told_of_its_own_organization_only(site: Site, two: tuple[Tenant, Tenant]) -> None:
    a, b = two
    of_a, of_b = job_of(a), job_of(b)
    mine, theirs = a.sessions[Role.VIEWER], b.sessions[Role.VIEWER]
    found = told(
        site,
        [
            (mine, a.slug, of_b),
            (mine, b.slug, of_b),
            (theirs, a.slug, of_a),
            (theirs, b.slug, of_a),
            (a.tokens["reader"], a.slug, None),
            (a.tokens["reader"], b.slug, None),
        ],
    )
    assert set(found) == {(0, 4), (3,)}
    for places, job, foreign in (((0, 4), of_a, of_b), ((3,), of_b, of_a)):
        standing, jobs = found[places]
        assert standing["counts"] == {"jobs": 1, "reviews": 0}
        assert list(jobs) == [str(job)]
        assert str(foreign) not in str(found[places])


def test_who_may_not_look_is_told_nothing(site: Site, two: tuple[Tenant, Tenant]) -> None:
    a, b = two
    job = job_of(b)
    outsiders = [site.stranger, site.operator, a.sessions[Role.ADMIN], a.tokens["writer"], "guessed", ""]
    assert told(site, [(secret, b.slug, job) for secret in outsiders]) == {}
    mine = a.sessions[Role.ADMIN]
    assert told(site, [(mine, slug, job) for slug in ("nowhere", "", "%", str(b.id), f"{b.slug}' or true --")]) == {}


ENDINGS = {
    "signed out": "update accounts.session set ended_at = now() where secret_sha256 = decode(:secret, 'hex')",
    "expired": "update accounts.session set expires_at = now() where secret_sha256 = decode(:secret, 'hex')",
    "idle for too long": (
        "update accounts.session set last_used_at = now() - interval '1 day' "
        "where secret_sha256 = decode(:secret, 'hex')"
    ),
    "disabled": "update accounts.user_account set disabled_at = now() where email = :email",
    "out of the organization": (
        "delete from accounts.membership m using accounts.user_account u where u.id = m.user_id and u.email = :email"
    ),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_each_credential_is_looked_at_by_itself(site: Site, two: tuple[Tenant, Tenant], ending: str) -> None:
    """A page of somebody who has left is not carried along by those who stay."""
    a, _ = two
    email = add_person(site.database, "leaver")
    with site.database.engine.begin() as connection:
        set_role(connection, email, a.slug, Role.VIEWER, actor="test")
    session = add_session(site.database, email)
    pages: list[Page] = [(session, a.slug, None), (a.sessions[Role.ADMIN], a.slug, None), (session, a.slug, None)]
    assert list(told(site, pages)) == [(0, 1, 2)]
    with site.database.superuser.begin() as connection:
        connection.execute(text(ENDINGS[ending]), {"secret": fingerprint(session), "email": email})
    assert list(told(site, pages)) == [(1,)]


def test_a_job_that_is_no_more_open_is_told_to_who_names_it(site: Site, two: tuple[Tenant, Tenant]) -> None:
    a, _ = two
    with a.view.scope() as connection:
        ended = create_job(connection, "look_for_overdue", [], created_by="anna")
    mine = a.sessions[Role.VIEWER]
    assert told(site, [(mine, a.slug, None)])[(0,)][1] == {}
    _, jobs = told(site, [(mine, a.slug, ended), (mine, a.slug, uuid4())])[(0, 1)]
    assert jobs[str(ended)]["status"] == "completed"


def test_looking_at_many_pages_and_organizations_is_cheap(site: Site) -> None:
    tenants = [open_tenant(site.database) for _ in range(20)]
    pages = [(tenant.sessions[role], tenant.slug, None) for tenant in tenants for role in tenant.sessions] * 10
    told(site, pages)
    best = 10.0
    for _ in range(3):
        began = time.monotonic()
        assert len(told(site, pages)) == len(tenants)
        best = min(best, time.monotonic() - began)
    print(f"{len(pages)} pages, {len(tenants)} organizations: {best * 1000:.0f} ms")
    assert best < 0.5
