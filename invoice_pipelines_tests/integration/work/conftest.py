"""Fixtures for the queue: two organizations, and a table in which each effect of a handler leaves a row."""

from __future__ import annotations

import os
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import Connection, text

from invoice_pipelines.work import Chunk, Outcome, Succeeded
from invoice_pipelines_tests.conftest import TestDatabase, open_organization
from invoice_pipelines_tests.support.organization_view import OrganizationView

KIND = "demo"
LEASE = timedelta(minutes=5)


class Desk(OrganizationView):
    """One organization's view of the queue."""

    def items(self, job_id: UUID | None = None) -> dict[str, str]:
        """Status by subject, in the order of the request."""
        rows = self.rows(
            "select subject_id, status from work.batch_item where job_id is not distinct from :j order by id", j=job_id
        )
        return {row.subject_id: row.status for row in rows}

    def effects(self) -> list[str]:
        """The subjects on which a handler had its effect, one entry per effect."""
        statement = "select subject_id from public.effect where organization_id = :id order by subject_id"
        return [row.subject_id for row in self.rows(statement, id=self.organization_id)]

    def let_leases_expire(self) -> None:
        self._behind("lease_expires_at = now() - interval '1 second'", "processing")

    def let_pauses_pass(self) -> None:
        self._behind("available_at = now()", "pending")

    def _behind(self, change: str, status: str) -> None:
        with self.superuser.begin() as connection:
            connection.execute(
                text(
                    f"""update work.batch_item set {change} where id in (
                            select id from work.batch_item
                            where organization_id = :id and status = :status for update skip locked)"""
                ),
                {"id": self.organization_id, "status": status},
            )


def leave_effects(connection: Connection, chunk: Chunk) -> list[Outcome]:
    """A handler whose effect is one row per item. Nothing keeps it from doing so twice, so a test would see that."""
    connection.execute(
        text(
            """insert into public.effect (organization_id, subject_id, process)
               select organizations.current(), unnest(cast(:subjects as text[])), :process"""
        ),
        {"subjects": [item.subject_id for item in chunk.items], "process": os.getpid()},
    )
    return [Succeeded() for _ in chunk.items]


EFFECTS = """
    create table public.effect (organization_id uuid not null, subject_id text not null, process integer);
    grant select, insert on public.effect to invoice_pipelines_app;
"""


@pytest.fixture(scope="session")
def work_database(shared_database: TestDatabase) -> TestDatabase:
    """The shared database with a place for effects."""
    with shared_database.superuser.begin() as connection:
        connection.exec_driver_sql(EFFECTS)
    return shared_database


@pytest.fixture
def desks(work_database: TestDatabase) -> tuple[Desk, Desk]:
    """Two organizations in one database."""
    return open_organization(work_database, Desk), open_organization(work_database, Desk)


@pytest.fixture
def desk(desks: tuple[Desk, Desk]) -> Desk:
    """One organization."""
    return desks[0]


@pytest.fixture
def lone_desk(database: TestDatabase) -> Desk:
    """An organization in a database of its own, for what looks across all organizations."""
    with database.superuser.begin() as connection:
        connection.exec_driver_sql(EFFECTS)
    return open_organization(database, Desk)
