"""The log of runs: the last run of an organization, and which organizations are to be checked next.

Runs write the log through `execution_log.sql`; nothing here changes it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text

from invoice_pipelines.database.ids import find_id
from invoice_pipelines.overdue.errors import OverdueError


class ExecutionStatus(StrEnum):
    """How a run went. PARTIAL: single invoices have errors, all others are done."""

    RUNNING = "RUNNING"
    SUCCESS = "SUCCESS"
    PARTIAL = "PARTIAL"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class ExecutionReport:
    """A run of one organization, as its row in the log.

    `as_of` is the day it judged by. `overdue_count` is how many invoices are overdue (None until it ended),
    `processed_count` how many notifications it came to: made (`created_count`), opened again (`reopened_count`),
    closed, with an error, or settled in the very moment. `errors` are the first hundred of `error_count`: each has a
    `reason`, those of an invoice also `invoice_id`, `invoice_number` and `level`. `run_id` is what runs of several
    organizations have in common.
    """

    id: UUID
    job_name: str
    run_id: UUID | None
    status: ExecutionStatus
    as_of: date
    batch_size: int
    start_time: datetime
    end_time: datetime | None
    duration_seconds: Decimal | None
    overdue_count: int | None
    processed_count: int
    created_count: int
    reopened_count: int
    closed_count: int
    error_count: int
    errors: tuple[Mapping[str, Any], ...]

    @property
    def changed(self) -> bool:
        """Whether anything happened that is worth telling."""
        return self.processed_count > 0 or self.error_count > 0


@dataclass(frozen=True, slots=True)
class OrganizationToCheck:
    """An organization without a run that came to its end. `failures` counts those that failed or are under way."""

    organization_id: UUID
    failures: int
    last_start: datetime | None


def last_execution(connection: Connection) -> ExecutionReport | None:
    """The run of the organization in scope that was started last."""
    row = connection.execute(
        text("select * from overdue.job_execution_log order by start_time desc, id desc limit 1")
    ).one_or_none()
    return None if row is None else report_from(row)


def list_executions(
    connection: Connection,
    *,
    statuses: Sequence[ExecutionStatus] | None = None,
    after: UUID | None = None,
    limit: int = 50,
) -> list[ExecutionReport]:
    """Runs of the organization in scope, the newest first; `after` is the last one of the page before."""
    rows = connection.execute(
        text(
            """select * from overdue.job_execution_log
               where organization_id = organizations.current()
                 and (cast(:statuses as text[]) is null or status = any (cast(:statuses as text[])))
                 and (cast(:after as uuid) is null or id < cast(:after as uuid))
               order by id desc limit :limit"""
        ),
        {"statuses": None if statuses is None else list(statuses), "after": after, "limit": limit},
    )
    return [report_from(row) for row in rows]


def find_execution(connection: Connection, written: str) -> ExecutionReport:
    """The run whose id begins or ends with what was written. Raises UnknownId, and OverdueError where none has it."""
    execution_id = find_id(connection, "overdue.job_execution_log", written, "a run", "overdue list")
    row = connection.execute(
        text("select * from overdue.job_execution_log where organization_id = organizations.current() and id = :id"),
        {"id": execution_id},
    ).one_or_none()
    if row is None:
        raise OverdueError(f"this organization has no run {execution_id}", code="RUN_NOT_FOUND")
    return report_from(row)


def organizations_to_check(
    connection: Connection, not_before: datetime, *, max_failures: int = 3
) -> tuple[OrganizationToCheck, ...]:
    """Organizations in which no run that began at `not_before` or later came to its end, those never tried first.

    With `due_since(schedule, now)` these are all that are due: a sweep that was cut short is carried on by the next. An
    organization whose runs failed `max_failures` times since then waits for the next time. Needs no organization scope.
    """
    rows = connection.execute(
        text("select * from overdue.organizations_to_check(:not_before, :max_failures)"),
        {"not_before": not_before, "max_failures": max_failures},
    )
    return tuple(OrganizationToCheck(*row) for row in rows)


def report_from(row: Row[Any]) -> ExecutionReport:
    """A row of the log."""
    values = row._mapping
    special = {"status": ExecutionStatus(row.status), "errors": tuple(row.errors)}
    return ExecutionReport(**{f.name: special.get(f.name, values[f.name]) for f in fields(ExecutionReport)})
