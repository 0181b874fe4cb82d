"""Answers for operators about an organization's intake: what is stuck and why, what failed, and statistics.

Reads only; what can be done about it is in `received_invoices`, `stages` and `reparse`. The connection is in the scope
of the organization.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Connection, text

from invoice_pipelines.intake.overview import FailureReason, failure_reasons
from invoice_pipelines.intake.reading_errors import german_reading_error
from invoice_pipelines.intake.received_invoices import Statistics, find_stuck, statistics
from invoice_pipelines.intake.states import STAGE_OF_KIND

STUCK_AFTER = timedelta(minutes=5)


class Waiting(StrEnum):
    """What a stuck invoice waits for: a process that has it, or that died with it, the pause before an attempt, or a
    run."""

    NOTHING = "nothing"
    DEAD = "dead"
    PROCESS = "process"
    PAUSE = "pause"
    RUN = "run"


@dataclass(frozen=True, slots=True)
class StuckInvoice:
    """A received invoice that nothing went on with, what the queue knows of it, and the last error that was to be
    retried. `attempt` and `until` are those of what it waits for: the next attempt, or the end of a lease.
    """

    id: UUID
    file_name: str
    status: str
    unchanged_since: datetime
    waiting: Waiting
    attempt: int | None
    until: datetime | None
    code: str | None
    message: str | None

    @property
    def waits_for(self) -> str:
        """What it waits for, as a sentence in English."""
        moment = "" if self.until is None else f"{self.until:%H:%M:%S} UTC"
        said = {
            Waiting.NOTHING: "nothing: it is in no queue; retry it, or process its upload",
            Waiting.DEAD: f"a process that died; its lease ran out {moment}",
            Waiting.PROCESS: f"a process, until {moment}",
            Waiting.PAUSE: f"attempt {self.attempt}, at {moment}",
            Waiting.RUN: "a run of this organization",
        }[self.waiting]
        return said if self.code is None else f"{said}; last error {self.code}: {self.message}"


@dataclass(frozen=True, slots=True)
class LoggedError:
    """A failed attempt, as the log has it: `attempt` counts those of the stage, `trace_id` is the run or process."""

    invoice_id: UUID
    file_name: str
    status: str
    stage: str
    attempt: int
    will_be_retried: bool
    code: str
    violation_class: str | None
    message: str
    trace_id: str | None
    created_at: datetime
    message_de: str | None
    """What the verdict says of it in German, where a rule failed the invoice."""


@dataclass(frozen=True, slots=True)
class ViolationCount:
    """How many invoices have a violation of a class and severity."""

    violation_class: str
    severity: str
    invoices: int


@dataclass(frozen=True, slots=True)
class OcrUse:
    """What an OCR engine has read: pages, and what they cost."""

    engine: str
    pages: int
    seconds: float
    cost_usd: Decimal


@dataclass(frozen=True, slots=True)
class StageTime:
    """How long a stage took invoices that arrived lately, in seconds: from the end of the one before, so with all that
    they waited for, such as their turn or a person."""

    stage: str
    invoices: int
    mean_seconds: float
    median_seconds: float


@dataclass(frozen=True, slots=True)
class IntakeStatistics:
    """How the intake of an organization goes. `violations` are those of the newest verdicts, `failed_attempts` are by
    stage, `stage_times` those of invoices that arrived within the last 30 days."""

    invoices: Statistics
    stage_times: tuple[StageTime, ...]
    failures: tuple[FailureReason, ...]
    violations: tuple[ViolationCount, ...]
    failed_attempts: dict[str, int]
    ocr: tuple[OcrUse, ...]


def stuck_invoices(
    connection: Connection, unchanged_for: timedelta = STUCK_AFTER, limit: int = 100
) -> tuple[int, list[StuckInvoice]]:
    """How many invoices nothing went on with for longer than this, and the longest waiting of them, with the reason."""
    ids = find_stuck(connection, unchanged_for)
    rows = connection.execute(
        text(
            """
            select r.id, u.file_name, r.status, coalesce(r.last_processed_at, r.created_at) as since,
                   q.status as queued, q.attempts, q.available_at > now() as pauses, q.available_at, q.lease_expires_at,
                   q.lease_expires_at < now() as is_dead, e.code, e.message
            from intake.received_invoice r
            join intake.upload u on u.organization_id = r.organization_id and u.id = r.upload_id
            left join lateral (select * from work.items i
                               where i.organization_id = r.organization_id and i.subject_id = r.id::text
                                 and i.kind = any(:kinds) and i.status in ('pending', 'processing')
                               order by i.status = 'processing' desc, i.id limit 1) q on true
            left join lateral (select e.code, e.message from intake.processing_error e
                               where e.organization_id = r.organization_id and e.received_invoice_id = r.id
                                 and e.will_be_retried order by e.id desc limit 1) e on true
            where r.id = any(:ids) order by since
            """
        ),
        {"ids": ids[:limit], "kinds": list(STAGE_OF_KIND)},
    )
    found = []
    for row in rows:
        attempt = until = None
        if row.queued is None:
            waiting = Waiting.NOTHING
        elif row.queued == "processing":
            waiting, until = (Waiting.DEAD if row.is_dead else Waiting.PROCESS), row.lease_expires_at
        elif row.pauses:
            waiting, attempt, until = Waiting.PAUSE, row.attempts + 1, row.available_at
        else:
            waiting = Waiting.RUN
        known = (row.id, row.file_name, row.status, row.since, waiting, attempt, until)
        found.append(StuckInvoice(*known, row.code, row.message))
    return len(ids), found


def logged_errors(
    connection: Connection, *, invoice_ids: Sequence[UUID] | None = None, limit: int = 50
) -> list[LoggedError]:
    """The newest failed attempts, of all invoices or of these."""
    rows = connection.execute(
        text(
            """select received_invoice_id, file_name, status, stage, attempt, will_be_retried, code, violation_class,
                      message, trace_id, created_at,
                      (select v.message_de from intake.verdict t
                       join intake.violation v on v.organization_id = t.organization_id and v.verdict_id = t.id
                       where t.received_invoice_id = e.received_invoice_id and v.rule = e.code
                         and starts_with(e.message, v.message) limit 1)
               from public.invoice_processing_errors e
               where cast(:ids as uuid[]) is null or received_invoice_id = any(cast(:ids as uuid[]))
               order by id desc limit :limit"""
        ),
        {"ids": None if invoice_ids is None else list(invoice_ids), "limit": limit},
    )
    return [LoggedError(*row) for row in rows]


def german_error(error: LoggedError) -> str:
    """The message of a failed attempt in German; in English where there is no German one."""
    return error.message_de or german_reading_error(error.code, error.message)


def newest_verdict(connection: Connection) -> UUID | None:
    """The newest verdict: what is judged from now on is newer."""
    found: UUID | None = connection.execute(
        text("select id from intake.verdict order by id desc limit 1")
    ).scalar_one_or_none()
    return found


def violations_by_class(connection: Connection, after: UUID | None = None) -> list[ViolationCount]:
    """Invoices by class and severity of what verdicts newer than `after` say; without it, of the newest on each."""
    if after is not None:
        source = """(select t.received_invoice_id, v.violation_class, v.severity
                     from intake.verdict t
                     join intake.violation v on v.organization_id = t.organization_id and v.verdict_id = t.id
                     where t.id > :after) v"""
    else:
        source = "public.invoice_violations v where cast(:after as uuid) is null"
    rows = connection.execute(
        text(
            f"""select violation_class, severity, count(distinct received_invoice_id) from {source}
                group by 1, 2 order by array_position(array['format', 'business_rule', 'content'], violation_class),
                                       array_position(array['fatal', 'warning', 'information'], severity)"""
        ),
        {"after": after},
    )
    return [ViolationCount(*row) for row in rows]


def stage_times(connection: Connection, of_the_last: timedelta = timedelta(days=30)) -> tuple[StageTime, ...]:
    """How long each stage took the invoices that arrived within this time; none that took nothing yet."""
    # An id says when it was made, so the rows of that time are a range of the key.
    first = connection.execute(text("select uuidv7(cast(:ago as interval))"), {"ago": -of_the_last}).scalar_one()
    rows = connection.execute(
        text(
            """
            select stage, count(distinct received_invoice_id), avg(seconds),
                   percentile_cont(0.5) within group (order by seconds)
            from (values ('UPLOADED', 'PARSED', 'parse', 1), ('CREATED', 'PARSED', 'parse', 1),
                         ('PARSED', 'VALIDATED', 'validate', 2), ('VALIDATED', 'EXPORTED', 'export', 3))
                 step (from_status, to_status, stage, position)
            join (select c.received_invoice_id, c.from_status, c.to_status,
                         extract(epoch from c.changed_at - lag(c.changed_at) over (
                             partition by c.received_invoice_id order by c.processing_version)) as seconds
                  from intake.status_change c where c.received_invoice_id >= :first) made
                 using (from_status, to_status)
            group by stage, position order by position
            """
        ),
        {"first": first},
    )
    return tuple(StageTime(row[0], row[1], round(float(row[2]), 3), round(float(row[3]), 3)) for row in rows)


def intake_statistics(connection: Connection) -> IntakeStatistics:
    """How the intake of the organization goes. Reads all its verdicts, so not for a sensor."""
    attempts = connection.execute(
        text("select stage, count(*) from intake.processing_error group by stage order by stage")
    )
    ocr = connection.execute(
        text(
            """select engine || ' ' || engine_version, count(*), sum(seconds), sum(cost_usd) from intake.ocr_page
               group by 1 order by 1"""
        )
    )
    return IntakeStatistics(
        statistics(connection),
        stage_times(connection),
        tuple(failure_reasons(connection)),
        tuple(violations_by_class(connection)),
        {str(stage): int(count) for stage, count in attempts},
        tuple(OcrUse(row[0], row[1], float(row[2]), row[3]) for row in ocr),
    )
