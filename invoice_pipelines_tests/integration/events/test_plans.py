"""What an event costs does not depend on how many there are, nor on what PostgreSQL knows of them."""

from __future__ import annotations

from uuid import UUID

import pytest
from sqlalchemy import Connection, text

from invoice_pipelines.events.feed import newest_events, read_events
from invoice_pipelines.events.webhooks.due import organizations_with_webhooks
from invoice_pipelines_tests.conftest import TestDatabase, open_organization
from invoice_pipelines_tests.integration.events.test_feed import change
from invoice_pipelines_tests.support.organization_view import OrganizationView
from invoice_pipelines_tests.support.statistics import STATES, keep_statistics, put, reading_at_most

TABLES = ["events.event", "events.webhook_endpoint", "events.webhook_delivery"]
MANY = 20_000


@pytest.fixture
def desk(database: TestDatabase) -> OrganizationView:
    keep_statistics(database.superuser, TABLES)
    return open_organization(database, OrganizationView)


def fill(desk: OrganizationView) -> None:
    """Many events of earlier transactions, of this organization and of another one."""
    with desk.superuser.begin() as connection:
        connection.exec_driver_sql("set local session_replication_role = replica")
        connection.execute(
            text(
                """insert into events.event (organization_id, position, type, subject_id, data)
                   select o, n / 500, 'invoice.issued', gen_random_uuid(), '{}'
                   from generate_series(1, :many) n, unnest(array[:id, gen_random_uuid()]) o"""
            ),
            {"many": MANY, "id": desk.organization_id},
        )


def listen(desk: OrganizationView) -> None:
    with desk.scope() as connection:
        connection.execute(
            text(
                """insert into events.webhook_endpoint (organization_id, url, position, event_id, created_by)
                   values (organizations.current(), 'https://shop.example/', 0, :nobody, 'anna')"""
            ),
            {"nobody": UUID(int=0)},
        )


def test_the_place_of_an_event_is_one_look_up_also_by_a_plan_of_an_empty_table(desk: OrganizationView) -> None:
    with desk.engine.connect() as session:  # which keeps its plans

        def enter() -> Connection:
            session.execute(
                text("select set_config('app.organization_id', :id, true)"), {"id": str(desk.organization_id)}
            )
            return session

        for _ in range(8):
            change(enter())
            session.commit()
        with desk.superuser.begin() as connection:
            connection.exec_driver_sql("set local session_replication_role = replica; delete from events.event")
        put(desk.superuser, TABLES, "fresh")
        for _ in range(8):
            change(enter())
            session.commit()
        fill(desk)
        with reading_at_most(enter(), {"events.event": 5}, others=5):
            change(session)
        session.commit()


@pytest.mark.parametrize("state", STATES)
def test_a_page_of_the_feed_reads_its_own_rows_only(desk: OrganizationView, state: str) -> None:
    fill(desk)
    put(desk.superuser, TABLES, state)
    desk.engine.dispose()
    with desk.scope() as connection:
        with reading_at_most(connection, {"events.event": 60}):
            page = read_events(connection, limit=50)
        with reading_at_most(connection, {"events.event": 60}):
            following = read_events(connection, after=page.next, limit=50)
        with reading_at_most(connection, {"events.event": 60}):
            newest = newest_events(connection, limit=50)
        with reading_at_most(connection, {"events.event": 5}):
            assert read_events(connection, after=newest.next).events == ()
    assert len(page.events) == len(following.events) == 50


@pytest.mark.parametrize("state", STATES)
def test_what_endpoints_are_told_reads_its_own_rows_only(desk: OrganizationView, state: str) -> None:
    fill(desk)
    listen(desk)
    put(desk.superuser, TABLES, state)
    desk.engine.dispose()
    read = {"events.event": 110, "events.webhook_endpoint": 110}  # a delivery looks its endpoint up
    with desk.scope() as connection, reading_at_most(connection, read):
        assert connection.execute(text("select events.dispatch(100)")).scalar_one() == 100
    with desk.engine.begin() as connection:
        assert organizations_with_webhooks(connection) == {desk.organization_id}
        with reading_at_most(connection, {"events.event": 1_100, "events.webhook_endpoint": 10}):
            organizations_with_webhooks(connection)
