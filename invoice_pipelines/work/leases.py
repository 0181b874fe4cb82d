"""How items are claimed, kept, finished and given back: what a `Run` is made of.

The rules themselves are in `leases.sql`. Each function runs in the transaction of the connection it is given,
which must come from `organization_scope`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from invoice_pipelines.errors import InvoicePipelinesError
from invoice_pipelines.work.values import Failed, Item, ItemStatus, Later, Outcome, Skipped, Succeeded


class LeaseLost(InvoicePipelinesError):
    """The lease ran out and the items went back to the queue, or to somebody else. Roll back what was done."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Items taken from the queue under one lease: all of one job, or all of the continuous queue."""

    kind: str
    job_id: UUID | None
    parameters: Mapping[str, Any]
    items: tuple[Item, ...]
    lease_token: UUID

    def extend(self, connection: Connection, lease: timedelta) -> int:
        """Lets the lease run for `lease` from now; returns how many of the items are still held under it."""
        return int(
            connection.execute(
                text("select work.extend_lease(:token, cast(:ids as uuid[]), :lease)"),
                {"token": self.lease_token, "ids": [item.id for item in self.items], "lease": lease},
            ).scalar_one()
        )


@dataclass(frozen=True, slots=True)
class OpenEntry:
    """An entry of the continuous queue: it waits, or somebody works on it. One over which a process died is taken
    alone."""

    waits: bool
    claim_alone: bool


def claim(
    connection: Connection, kind: str, *, chunk_size: int = 500, lease: timedelta, max_attempts: int = 5
) -> Claim | None:
    """Takes up to `chunk_size` due items, the longest waiting first; None when nothing is due.

    All are of the same job as the first. An item whose last attempt died is taken alone. The claim holds once the
    transaction is committed; commit at once, as the rows stay locked until then.
    """
    rows = connection.execute(
        text("select * from work.claim_items(:kind, :chunk_size, :lease, :max_attempts)"),
        {"kind": kind, "chunk_size": chunk_size, "lease": lease, "max_attempts": max_attempts},
    ).all()
    if not rows:
        return None
    job_id: UUID | None = rows[0].job_id
    parameters: Mapping[str, Any] = {}
    if job_id is not None:
        parameters = connection.execute(
            text("select parameters from work.batch_job where id = :id"), {"id": job_id}
        ).scalar_one()
    items = tuple(Item(row.id, row.subject_id, row.attempts) for row in rows)
    return Claim(kind, job_id, parameters, items, rows[0].lease_token)


def claim_entries(
    connection: Connection, kind: str, subjects: Sequence[str], *, lease: timedelta, max_attempts: int = 5
) -> Claim | None:
    """Takes what waits in the continuous queue for these subjects, due or not; None where nothing does.

    Where they are those of items of a job, what is done for the items serves the entries as well, which are finished
    with the same outcomes.
    """
    rows = connection.execute(
        text("select * from work.claim_entries(:kind, cast(:subjects as text[]), :lease, :max_attempts)"),
        {
            "kind": kind,
            "subjects": list(subjects),
            "lease": lease,
            "max_attempts": max_attempts,
        },
    ).all()
    if not rows:
        return None
    items = tuple(Item(row.id, row.subject_id, row.attempts) for row in rows)
    return Claim(kind, None, {}, items, rows[0].lease_token)


def open_entries(connection: Connection, kind: str, subjects: Sequence[str]) -> dict[str, OpenEntry]:
    """What is open in the continuous queue for these subjects, by subject."""
    rows = connection.execute(
        text(
            """select e.subject_id, bool_or(e.waits) as waits, bool_or(e.waits and e.claim_alone) as claim_alone
               from (select i.subject_id, true as waits, i.claim_alone from work.batch_item i
                     where i.organization_id = organizations.current() and i.kind = :kind
                       and i.subject_id = any(:subjects) and i.status = 'pending' and i.job_id is null
                     union all
                     select i.subject_id, false, false from work.batch_item i
                     where i.organization_id = organizations.current() and i.kind = :kind
                       and i.subject_id = any(:subjects) and i.status = 'processing' and i.job_id is null) e
               group by e.subject_id"""
        ),
        {"kind": kind, "subjects": list(subjects)},
    )
    return {row.subject_id: OpenEntry(row.waits, row.claim_alone) for row in rows}


def keep(connection: Connection, claimed: Claim, lease: timedelta) -> None:
    """Extends the lease of a claim. Raises LeaseLost when any of its items was taken away."""
    kept = claimed.extend(connection, lease)
    if kept != len(claimed.items):
        raise LeaseLost(_lost(claimed, kept))


def finish(connection: Connection, claimed: Claim, outcomes: Sequence[Outcome]) -> tuple[ItemStatus, ...]:
    """Records one outcome per item, in the order of `claimed.items`, and count them on the job.

    Call it last in the transaction that holds the effects, so that both are committed or neither. Returns the status
    each item has now: one that is tried again is pending again, or cancelled if its job was. Raises LeaseLost
    when an item is no longer held under this claim; ValueError when the numbers of items and outcomes differ.
    """
    if len(outcomes) != len(claimed.items):
        raise ValueError(f"{len(claimed.items)} items need as many outcomes, not {len(outcomes)}.")
    if not outcomes:
        return ()
    rows = connection.execute(
        text("select * from work.finish_items(:token, cast(:outcomes as jsonb))"),
        {
            "token": claimed.lease_token,
            "outcomes": json.dumps(
                {str(item.id): _fields(outcome) for item, outcome in zip(claimed.items, outcomes, strict=True)},
                default=str,
            ),
        },
    ).all()
    if len(rows) != len(claimed.items):
        raise LeaseLost(_lost(claimed, len(rows)))
    statuses = {row.id: ItemStatus(row.status) for row in rows}
    return tuple(statuses[item.id] for item in claimed.items)


def release(connection: Connection, claimed: Claim) -> int:
    """Gives back, undone and uncounted as attempts, the items still held under this claim; returns how many."""
    return int(
        connection.execute(text("select work.release_items(:token)"), {"token": claimed.lease_token}).scalar_one()
    )


def return_expired(connection: Connection, kind: str | None = None) -> int:
    """Puts items whose lease ran out back into the queue, or fail them with WORKER_DIED after their last attempt.

    Returns how many were found. `kind` None means every kind.
    """
    row = connection.execute(text("select * from work.return_expired_items(:kind)"), {"kind": kind}).one()
    return int(row.returned + row.failed + row.cancelled)


def _fields(outcome: Outcome) -> dict[str, object]:
    match outcome:
        case Succeeded(result):
            return {"status": ItemStatus.SUCCEEDED, "result": result}
        case Skipped(reason):
            return {"status": ItemStatus.SKIPPED, "error_message": reason}
        case Failed(code, message, retry):
            return {"status": ItemStatus.FAILED, "error_code": code, "error_message": message, "retry": retry}
        case Later(at, code, message):
            return {"available_at": at.isoformat(), "error_code": code, "error_message": message, "retry": True}


def _lost(claimed: Claim, kept: int) -> str:
    of_them = f"{len(claimed.items) - kept} of {len(claimed.items)} {claimed.kind} items"
    return f"{of_them} are no longer held by this worker; what it did to them is rolled back."
