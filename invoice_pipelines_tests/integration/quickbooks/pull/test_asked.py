"""A pull that somebody asks for is a batch operation, which the next run of the push does."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.quickbooks.api.faults import NotConnected
from invoice_pipelines.quickbooks.connection.connections import end_connection
from invoice_pipelines.quickbooks.pull.asked import ask_for_pull
from invoice_pipelines.quickbooks.schedule import organizations_to_push
from invoice_pipelines.quickbooks.sync import sync
from invoice_pipelines.quickbooks.values import EntityType
from invoice_pipelines.work import Job, JobStatus, get_job, job_items
from invoice_pipelines_tests.conftest import TestDatabase, open_organization
from invoice_pipelines_tests.integration.quickbooks.both_sides import Sides
from invoice_pipelines_tests.support.organization_view import OrganizationView

BOTH = [EntityType.CUSTOMER, EntityType.ITEM]


def ask(sides: Sides, *entities: EntityType, full: bool = False) -> UUID:
    with sides.scope() as connection:
        return ask_for_pull(connection, entities or BOTH, full=full, created_by="anna")


def run(sides: Sides) -> None:
    """As the run of the push does it."""
    context = sides.context()
    office = OrganizationContext(context.engine, context.organization, sides.ground.settings, "run")
    sync(office, BOTH, pull=False, time_box=timedelta(seconds=30))


def job(sides: Sides, job_id: UUID) -> Job:
    with sides.scope() as connection:
        return get_job(connection, job_id)


def is_due(sides: Sides) -> bool:
    with sides.engine.begin() as connection:
        return sides.organization_id in organizations_to_push(connection)


def test_it_is_done_by_the_next_run_and_tells_what_it_read(sides: Sides) -> None:
    sides.there.customer("Acme")
    sides.there.item("Bolt", "1.25", Sku="B-1")
    assert not is_due(sides)
    asked = ask(sides)
    assert is_due(sides)
    run(sides)
    assert job(sides, asked).status is JobStatus.COMPLETED
    with sides.scope() as connection:
        items = job_items(connection, asked).items
    assert {item.subject_id: item.result for item in items} == {
        "customer": {"read": 1, "created": 1, "changed": 0, "conflicts": 0},
        "item": {"read": 1, "created": 1, "changed": 0, "conflicts": 0},
    }
    assert not is_due(sides)


def test_it_reads_all_where_that_is_asked_for(sides: Sides) -> None:
    sides.there.customer("Acme")
    sides.pull()
    sides.rows("update quickbooks.pull set changed_since = now() + interval '1 hour'")
    read = []
    for full in (False, True):
        asked = ask(sides, EntityType.CUSTOMER, full=full)
        run(sides)
        with sides.scope() as connection:
            read.append((job_items(connection, asked).items[0].result or {})["read"])
    assert read == [0, 1]


def test_while_the_company_cannot_be_reached_it_waits(sides: Sides) -> None:
    sides.there.customer("Acme")
    asked = ask(sides)
    sides.sandbox.faults.inject("UNAVAILABLE", realm=sides.realm, times=50)
    run(sides)
    assert job(sides, asked).status is JobStatus.PROCESSING
    with sides.scope() as connection:
        waiting = job_items(connection, asked).items
    assert {item.status for item in waiting} == {"pending"}
    assert {item.code for item in waiting} <= {"PAUSED", "NOT_FINISHED", "QUICKBOOKS_FAULT"}


def test_without_a_connection_nothing_can_be_asked_for(shared_database: TestDatabase, sides: Sides) -> None:
    desk = open_organization(shared_database, OrganizationView)
    with desk.scope() as connection, pytest.raises(NotConnected, match="not connected with QuickBooks"):
        ask_for_pull(connection, BOTH, created_by="anna")
    with sides.scope() as connection:
        end_connection(connection, disconnected_by="anna")
    with sides.scope() as connection, pytest.raises(NotConnected):
        ask_for_pull(connection, BOTH, created_by="anna")
