"""The stream of an open page: what it says, to whom, and that it ends with the right to look."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from uuid import UUID

import pytest
from sqlalchemy import text

from invoice_pipelines.accounts.credentials import fingerprint
from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.accounts.users import set_role
from invoice_pipelines.work import Chunk, Outcome, Succeeded, cancel_job, create_job, drain
from invoice_pipelines_tests.integration.web.pages.live.streams import Listener, listening
from invoice_pipelines_tests.support.web import Site, Tenant, add_person, add_session, open_tenant


@pytest.fixture
def site(site: Site) -> Site:
    """The site with two organizations that are new, as what is open in them is counted."""
    return replace(site, a=open_tenant(site.database), b=open_tenant(site.database))


def ask(tenant: Tenant, items: int) -> UUID:
    with tenant.view.scope() as connection:
        return create_job(connection, "look_for_overdue", [str(n) for n in range(items)], created_by="anna")


def work(site: Site, tenant: Tenant) -> None:
    def handle(_: object, chunk: Chunk) -> list[Outcome]:
        return [Succeeded() for _ in chunk.items]

    drain(site.database.engine, tenant.id, "look_for_overdue", handle, chunk_size=2)


def test_a_page_is_told_of_its_job_from_waiting_to_done(site: Site) -> None:
    job = ask(site.a, 5)
    with listening(site.url, site.a.slug, site.a.sessions[Role.VIEWER], job) as page:
        assert page.response.headers["content-type"].startswith("text/event-stream")
        assert page.response.headers["x-accel-buffering"] == "no"
        assert page.response.headers["cache-control"] == "no-store"
        page.wait(lambda page: page.last("job"))
        waiting = page.last("job")
        assert (waiting["status"], waiting["total_items"], waiting["waiting_since"] is not None) == ("pending", 5, True)
        assert page.last("standing")["counts"]["jobs"] == 1
        assert list(page.last("standing")["jobs"]) == [str(job)]
        before = page.last("standing")["versions"]
        work(site, site.a)
        took = page.wait(lambda page: page.last("job")["status"] == "completed")
        assert took < 2.5
        assert (page.last("job")["processed_items"], page.last("job")["waiting_since"]) == (5, None)
        page.wait(lambda page: page.last("standing")["counts"]["jobs"] == 0)
        assert page.last("standing")["versions"]["jobs"] != before["jobs"]
        assert not page.is_over


def test_nothing_is_told_of_another_organization(site: Site) -> None:
    theirs = ask(site.b, 3)
    with listening(site.url, site.a.slug, site.a.sessions[Role.ADMIN], theirs) as page:
        with listening(site.url, site.b.slug, site.b.sessions[Role.ADMIN], theirs) as other:
            other.wait(lambda page: page.last("job"))
            page.wait(lambda page: page.last("standing"))
            assert other.last("standing")["counts"]["jobs"] == 1
        assert page.last("job") is None
        assert str(theirs) not in str(page.heard)
    with site.b.view.scope() as connection:
        cancel_job(connection, theirs, cancelled_by="anna")


def test_a_stream_ends_with_the_right_to_look(site: Site) -> None:
    """`test_watched` has all the ways in which that right ends."""
    email = add_person(site.database, "leaver")
    with site.database.engine.begin() as connection:
        set_role(connection, email, site.a.slug, Role.VIEWER, actor="test")
    with (
        listening(site.url, site.a.slug, site.a.sessions[Role.VIEWER]) as stays,
        listening(site.url, site.a.slug, add_session(site.database, email)) as leaves,
    ):
        for page in (stays, leaves):
            page.wait(lambda page: page.last("standing"))
        with site.database.engine.begin() as connection:
            set_role(connection, email, site.a.slug, None, actor="test")
        assert leaves.wait(lambda page: page.is_over) < 2.5
        assert leaves.heard[-1] == ("ended", {})
        assert not stays.is_over


def test_an_open_page_is_no_sign_that_somebody_is_there(site: Site) -> None:
    session = site.a.sessions[Role.VIEWER]

    def last_used() -> object:
        with site.database.superuser.connect() as connection:
            return connection.execute(
                text("select last_used_at from accounts.session where secret_sha256 = decode(:secret, 'hex')"),
                {"secret": fingerprint(session)},
            ).scalar_one()

    with listening(site.url, site.a.slug, session) as page:
        page.wait(lambda page: page.last("standing"))
        with site.database.superuser.begin() as connection:
            connection.execute(
                text(
                    """update accounts.session set last_used_at = now() - interval '5 minutes'
                       where secret_sha256 = decode(:secret, 'hex')"""
                ),
                {"secret": fingerprint(session)},
            )
        before = last_used()
        ask_again = ask(site.a, 1)
        page.wait(lambda page: str(ask_again) in page.last("standing")["jobs"])
        assert last_used() == before
    work(site, site.a)


@pytest.mark.direct  # which sessions there are is for PostgreSQL itself to say
def test_nobody_is_asked_for_while_nobody_watches(site: Site) -> None:
    def asking() -> set[tuple[int, datetime]]:
        with site.database.superuser.connect() as connection:
            found = connection.execute(
                text(
                    """select pid, query_start from pg_stat_activity
                       where query like '%web.watched%' and pid <> pg_backend_pid()"""
                )
            )
            return {(row.pid, row.query_start) for row in found}

    of_sites_that_ended = asking()

    def come_to(wanted: int, page: Listener) -> None:
        page.wait(lambda _: len(asking() - of_sites_that_ended) == wanted)

    with listening(site.url, site.a.slug, site.a.sessions[Role.VIEWER]) as page:
        page.wait(lambda page: page.last("standing"))
        come_to(1, page)
    come_to(0, page)
