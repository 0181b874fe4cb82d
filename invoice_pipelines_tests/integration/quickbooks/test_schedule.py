"""When a pull is due, in the time zone of each organization, and where something can be sent now."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text

from invoice_pipelines.database import organization_scope
from invoice_pipelines.organizations import add_organization, remove_organization
from invoice_pipelines.quickbooks.online import ENTITIES
from invoice_pipelines.quickbooks.schedule import (
    connection_counts,
    organizations_to_pull,
    organizations_to_push,
    organizations_to_reach,
)
from invoice_pipelines.quickbooks.values import KINDS, EntityType
from invoice_pipelines.settings import Settings
from invoice_pipelines.work import enqueue
from invoice_pipelines_tests.conftest import TestDatabase
from invoice_pipelines_tests.support.sizes import size
from invoice_pipelines_tests.support.statistics import STATES, keep_statistics, put, reading_at_most

BERLIN, VANCOUVER = ZoneInfo("Europe/Berlin"), ZoneInfo("America/Vancouver")
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
THREE = timedelta(hours=3)


class Registry:
    """Organizations with connections, and pulls as they left them."""

    def __init__(self, database: TestDatabase) -> None:
        self.database = database
        self._realms = 0

    def connect(self, slug: str, zone: ZoneInfo = BERLIN, **columns: Any) -> UUID:
        organization = add_organization(
            self.database.engine, slug, slug.title(), country_code="DE", time_zone=zone.key, currency="EUR"
        )
        self._realms += 1
        values = {
            "realm": str(self._realms),
            "status": "connected",
            "at": LONG_AGO,
            "paused": None,
            **columns,
        }
        self.behind(
            organization,
            """insert into quickbooks.connection (organization_id, realm_id, status, connected_at, paused_until,
                                                  connected_by)
               values (organizations.current(), :realm, :status, :at, :paused, 'test')""",
            values,
        )
        return organization

    def pulled(
        self, organization: UUID, started: datetime, finished: datetime | None, entity: str = "customer"
    ) -> None:
        self.behind(
            organization,
            """insert into quickbooks.pull (organization_id, realm_id, entity_type, started_at, finished_at)
               select organization_id, realm_id, :entity, :started, :finished from quickbooks.connection
               on conflict (organization_id, realm_id, entity_type) do update
               set started_at = excluded.started_at, finished_at = excluded.finished_at""",
            {"entity": entity, "started": started, "finished": finished},
        )

    def behind(self, organization: UUID, statement: str, values: dict[str, Any]) -> None:
        with organization_scope(self.database.engine, organization) as connection:
            connection.execute(text(statement), values)

    def due(self, now: datetime, hour: timedelta = THREE) -> list[UUID]:
        with self.database.engine.connect() as connection:
            return [
                found.organization_id for found in organizations_to_pull(connection, EntityType.CUSTOMER, hour, now=now)
            ]


@pytest.fixture
def registry(database: TestDatabase) -> Registry:
    return Registry(database)


def test_a_pull_is_due_from_the_hour_on_until_one_began(registry: Registry) -> None:
    acme = registry.connect("acme")
    at = datetime(2026, 5, 4, 3, 0, tzinfo=BERLIN)
    registry.pulled(acme, at - timedelta(days=1), at - timedelta(hours=23))
    assert registry.due(at - timedelta(seconds=1)) == []
    assert registry.due(at) == [acme]
    assert registry.due(at + timedelta(hours=20)) == [acme]
    registry.pulled(acme, at + timedelta(minutes=5), at + timedelta(minutes=6))
    assert registry.due(at + timedelta(hours=23, minutes=59)) == []
    assert registry.due(at + timedelta(days=1)) == [acme]


def test_the_hour_is_that_of_each_organization(registry: Registry) -> None:
    berlin = registry.connect("berlin")
    vancouver = registry.connect("vancouver", VANCOUVER)
    for organization in (berlin, vancouver):
        registry.pulled(organization, datetime(2026, 5, 3, 12, tzinfo=UTC), datetime(2026, 5, 3, 13, tzinfo=UTC))
    assert registry.due(datetime(2026, 5, 4, 0, 59, tzinfo=UTC)) == []
    assert registry.due(datetime(2026, 5, 4, 1, 0, tzinfo=UTC)) == [berlin]
    assert set(registry.due(datetime(2026, 5, 4, 10, 0, tzinfo=UTC))) == {berlin, vancouver}


@pytest.mark.parametrize(
    ("day", "hour"),
    [
        pytest.param(
            datetime(2026, 3, 29, tzinfo=BERLIN), timedelta(hours=2, minutes=30), id="an hour that is skipped"
        ),
        pytest.param(
            datetime(2026, 10, 25, tzinfo=BERLIN), timedelta(hours=2, minutes=30), id="an hour that comes twice"
        ),
    ],
)
def test_on_days_on_which_the_clock_changes_the_hour_passes_once(
    registry: Registry, day: datetime, hour: timedelta
) -> None:
    acme = registry.connect("acme")
    now = day.astimezone(UTC)
    registry.pulled(acme, now - timedelta(hours=1), now - timedelta(minutes=59))
    asked = 0
    for _ in range(24 * 4):
        now += timedelta(minutes=15)
        if registry.due(now, hour):
            asked += 1
            registry.pulled(acme, now, now + timedelta(seconds=1))
    assert asked == 1


def test_after_a_company_was_connected_its_first_hour_is_the_next_one(registry: Registry) -> None:
    at = datetime(2026, 5, 4, 12, 0, tzinfo=BERLIN)
    acme = registry.connect("acme", at=at)
    assert registry.due(at + timedelta(hours=1)) == []
    assert registry.due(datetime(2026, 5, 5, 3, 0, tzinfo=BERLIN)) == [acme]


def test_what_did_not_come_to_its_end_goes_on_at_any_hour(registry: Registry) -> None:
    acme = registry.connect("acme")
    started = datetime(2026, 5, 4, 12, 0, tzinfo=BERLIN)
    registry.pulled(acme, started, None)
    assert registry.due(started + timedelta(minutes=10)) == [acme]
    registry.pulled(acme, started, started - timedelta(days=1))
    assert registry.due(started + timedelta(minutes=10)) == [acme]
    registry.pulled(acme, started, started + timedelta(minutes=5))
    assert registry.due(started + timedelta(minutes=10)) == []


@pytest.mark.parametrize("columns", [{"status": "needs_reconnect"}, {"status": "disconnected"}, {"paused": "infinity"}])
def test_a_company_that_cannot_be_reached_waits(registry: Registry, columns: dict[str, Any]) -> None:
    acme = registry.connect("acme", **columns)
    with organization_scope(registry.database.engine, acme) as connection:
        enqueue(connection, KINDS[EntityType.CUSTOMER], ["one"])
    assert registry.due(datetime(2026, 5, 4, tzinfo=UTC)) == []
    with registry.database.engine.connect() as connection:
        assert organizations_to_reach(connection) == set()
        assert organizations_to_push(connection) == set()


def test_work_of_other_kinds_and_of_removed_organizations_is_not_pushed(registry: Registry) -> None:
    acme, beta, gamma = registry.connect("acme"), registry.connect("beta"), registry.connect("gamma")
    for organization, kind in ((acme, KINDS[EntityType.INVOICE]), (beta, "other"), (gamma, KINDS[EntityType.ITEM])):
        with organization_scope(registry.database.engine, organization) as connection:
            enqueue(connection, kind, ["one"])
    remove_organization(registry.database.engine, "gamma")
    with registry.database.engine.connect() as connection:
        assert organizations_to_push(connection) == {acme}
        assert organizations_to_reach(connection) == {acme, beta}
    assert gamma not in registry.due(datetime(2026, 5, 4, tzinfo=UTC))


def test_an_hour_is_counted_from_midnight() -> None:
    settings = Settings().model_copy(update={"quickbooks_items_at": "04:05"})
    pull_hour = ENTITIES[EntityType.ITEM].pull_hour
    assert pull_hour is not None
    assert pull_hour(settings) == timedelta(hours=4, minutes=5)


MANY_CONNECTIONS = """
    set local session_replication_role = replica;  -- no triggers and no foreign key checks, for speed
    insert into organizations.organization (slug, name, country_code, time_zone, currency)
    select 'many-' || n, 'Many', 'DE', 'Europe/Berlin', 'EUR' from generate_series(1, {count}) n;
    insert into quickbooks.connection (organization_id, realm_id, status, connected_at, connected_by)
    select id, substr(slug, 6), 'connected', '2026-01-01', 'test' from organizations.organization
    where slug like 'many-%%';
    insert into quickbooks.pull (organization_id, realm_id, entity_type, started_at, finished_at)
    select c.organization_id, c.realm_id, e.entity, '2026-01-02', '2026-01-02'
    from quickbooks.connection c, unnest(array['customer', 'item', 'invoice', 'payment']) e (entity)
"""
SCHEDULED = ["organizations.organization", "quickbooks.connection", "quickbooks.pull"]


@pytest.mark.parametrize("state", STATES)
def test_asking_what_is_due_reads_each_of_thousands_of_connections_once(database: TestDatabase, state: str) -> None:
    count = size(3_000, 10_000)
    keep_statistics(database.superuser, SCHEDULED)
    with database.superuser.begin() as connection:
        connection.exec_driver_sql(MANY_CONNECTIONS.format(count=count))
    put(database.superuser, SCHEDULED, state)
    database.engine.dispose()
    with database.engine.begin() as connection:
        rows = dict.fromkeys(SCHEDULED, 2 * count) | {"quickbooks.pull": 5 * count}
        for ask in (
            lambda: len(organizations_to_reach(connection)),
            lambda: connection_counts(connection)["connected"],
            lambda: len(organizations_to_pull(connection, EntityType.CUSTOMER, THREE)),
        ):
            with reading_at_most(connection, rows):
                assert ask() == count
