"""Fixtures for the queue: two organizations, and a table in which each effect of a handler leaves a row."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, text

from invoice_pipelines.work import (
    Chunk,
    Claim,
    Handler,
    ItemStatus,
    Job,
    Outcome,
    Report,
    Succeeded,
    cancel_job,
    claim,
    create_job,
    drain,
    enqueue,
    finish,
    get_job,
    release,
    retry_failed,
    return_expired,
)
from invoice_pipelines_tests.conftest import TestDatabase, open_organization
from invoice_pipelines_tests.integration.work.effects import EFFECTS, KIND, leave_effects
from invoice_pipelines_tests.support.organization_view import OrganizationView

LEASE = timedelta(minutes=5)


def succeed(connection: Connection, chunk: Chunk) -> list[Outcome]:
    """A handler without any effect."""
    return [Succeeded()] * len(chunk.items)


def lock_as_a_claim_does(connection: Connection, subject: str) -> None:
    """Until the end of the transaction."""
    connection.execute(
        text("select from work.batch_item where subject_id = :subject for no key update"), {"subject": subject}
    )


class WorkDesk(OrganizationView):
    """One organization's view of the queue. Each step is a transaction of its own."""

    def make(self, *subjects: str, kind: str = KIND, by: str = "anna") -> UUID:
        with self.scope() as connection:
            return create_job(connection, kind, subjects, {"template": "a"}, created_by=by)

    def put(self, *subjects: str) -> int:
        with self.scope() as connection:
            return enqueue(connection, KIND, subjects)

    def take(self, *, lease: timedelta = LEASE, **options: int) -> Any:
        with self.scope() as connection:
            return claim(connection, KIND, lease=lease, **options)

    def end(self, claimed: Claim, *outcomes: Outcome) -> tuple[ItemStatus, ...]:
        with self.scope() as connection:
            return finish(connection, claimed, outcomes)

    def release(self, claimed: Claim) -> int:
        with self.scope() as connection:
            return release(connection, claimed)

    def run(self, handler: Handler | None = None, **options: Any) -> Report:
        return drain(self.engine, self.organization_id, KIND, handler or leave_effects, **options)

    def cancel(self, job_id: UUID) -> bool:
        with self.scope() as connection:
            return cancel_job(connection, job_id, cancelled_by="bert")

    def retry(self, job_id: UUID) -> int:
        with self.scope() as connection:
            return retry_failed(connection, job_id, requested_by="bert")

    def job(self, job_id: UUID) -> Job:
        with self.scope() as connection:
            return get_job(connection, job_id)

    def lose_leases(self) -> int:
        """As if all that is in work was in the hands of dead workers, which was noticed; how many items that were."""
        self.let_leases_expire()
        with self.scope() as connection:
            return return_expired(connection, KIND)

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


@pytest.fixture(scope="session")
def work_database(shared_database: TestDatabase) -> TestDatabase:
    """The shared database with a place for effects."""
    with shared_database.superuser.begin() as connection:
        connection.exec_driver_sql(EFFECTS)
    return shared_database


@pytest.fixture
def desks(work_database: TestDatabase) -> tuple[WorkDesk, WorkDesk]:
    """Two organizations in one database."""
    return open_organization(work_database, WorkDesk), open_organization(work_database, WorkDesk)


@pytest.fixture
def desk(desks: tuple[WorkDesk, WorkDesk]) -> WorkDesk:
    """One organization."""
    return desks[0]


@pytest.fixture
def lone_desk(database: TestDatabase) -> WorkDesk:
    """An organization in a database of its own, for what looks across all organizations."""
    with database.superuser.begin() as connection:
        connection.exec_driver_sql(EFFECTS)
    return open_organization(database, WorkDesk)
