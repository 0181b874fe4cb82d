"""Who is at a review, what is put off, and what people note beside an invoice: how several share one queue.

A claim keeps others from deciding, and ends by itself, as people close browsers. The connection is in the scope of the
organization. Who claims is who the transaction works for (`organizations.actor`), whatever the web says.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection, text

from invoice_pipelines.intake.review.errors import NotThere, NotWaiting, ReviewClaimed, ReviewError
from invoice_pipelines.intake.review.queue import Wanted, list_reviews
from invoice_pipelines.intake.states import Status, label

CLAIM_LASTS = timedelta(minutes=15)
LONGEST_CLAIM = timedelta(hours=8)
LONGEST_POSTPONEMENT = timedelta(days=366)
LONGEST_NOTE = 2000
_TRIES = 20
"""Reviews that others may take while one of them is taken here."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Who is at a review, since when and until when."""

    claimed_by: str
    claimed_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Note:
    """What somebody wrote beside an invoice."""

    id: UUID
    note: str
    created_at: datetime
    created_by: str


def claim_review(connection: Connection, invoice_id: UUID, by: str, lasts: timedelta = CLAIM_LASTS) -> Claim:
    """Takes a review that waits, so that nobody else decides about it meanwhile; once more, to keep it for longer.

    Raises ReviewClaimed where somebody else has it; NotWaiting and NotThere.
    """
    if not timedelta(0) < lasts <= LONGEST_CLAIM:
        raise ReviewError("A claim lasts for 8 hours at the most.", code="WRONG_DURATION")
    _require_waiting(connection, invoice_id)
    row = connection.execute(
        text(
            """insert into intake.review_claim as c (organization_id, received_invoice_id, claimed_by, expires_at)
               values (organizations.current(), :id, organizations.actor(:by), now() + :lasts)
               on conflict (organization_id, received_invoice_id) do update
               set claimed_by = excluded.claimed_by, expires_at = excluded.expires_at,
                   claimed_at = case when c.claimed_by = excluded.claimed_by and c.expires_at > now()
                                     then c.claimed_at else now() end
               where c.claimed_by = excluded.claimed_by or c.expires_at <= now()
               returning claimed_by, claimed_at, expires_at"""
        ),
        {"id": invoice_id, "by": by, "lasts": lasts},
    ).one_or_none()
    if row is None:
        refuse_if_claimed(connection, invoice_id, by)
        raise ReviewError("The claim has just ended; take it again.", code="REVIEW_CONFLICT")
    return Claim(*row)


def next_review(connection: Connection, wanted: Wanted, by: str, *, after: UUID | None = None) -> UUID | None:
    """The review that comes next for somebody: the first free one after the id `after`, or else from the beginning."""
    return next(_free(connection, wanted, by, after), None)


def claim_next(
    connection: Connection, wanted: Wanted, by: str, *, after: UUID | None = None, rather: UUID | None = None
) -> UUID | None:
    """Takes the review that comes next (see `next_review`), or the one that is meant by `rather` where that is free.
    None where nothing is left.
    """
    wished: tuple[UUID, ...] = () if rather is None or rather == after else (rather,)
    for invoice_id in (*wished, *_free(connection, wanted, by, after)):
        with suppress(ReviewError):  # somebody else was faster
            claim_review(connection, invoice_id, by)
            return invoice_id
    return None


def _free(connection: Connection, wanted: Wanted, by: str, after: UUID | None) -> Iterator[UUID]:
    free = replace(wanted, free_for=by)
    sections: tuple[UUID | None, ...] = (None,) if after is None else (after, None)
    for since in sections:
        for waiting in list_reviews(connection, free, after=since, limit=_TRIES):
            if waiting.id != after:
                yield waiting.id


def release_review(connection: Connection, invoice_id: UUID, by: str) -> bool:
    """Gives a review back; False where nobody had it. Raises ReviewClaimed where somebody else has it; NotThere."""
    status_of(connection, invoice_id)
    refuse_if_claimed(connection, invoice_id, by)
    return end_claim(connection, invoice_id)


def hand_over_review(connection: Connection, invoice_id: UUID, to: str, by: str) -> Claim:
    """Gives a review to somebody, who has it for `LONGEST_CLAIM`; `to` is their name in the audit trail.

    Raises ReviewClaimed where somebody else has it; NotWaiting and NotThere.
    """
    claim_review(connection, invoice_id, by)
    row = connection.execute(
        text(
            """update intake.review_claim set claimed_by = :to, claimed_at = now(), expires_at = now() + :lasts
               where received_invoice_id = :id returning claimed_by, claimed_at, expires_at"""
        ),
        {"id": invoice_id, "to": to, "lasts": LONGEST_CLAIM},
    ).one()
    return Claim(*row)


def take_over_review(connection: Connection, invoice_id: UUID, by: str) -> Claim | None:
    """Takes a review that waits, also from who has it; returns what they had, None where that is nobody else. For who
    may decide about the work of others: whoever had it is refused from now on, and told who is at it.

    Raises NotWaiting and NotThere.
    """
    _require_waiting(connection, invoice_id)
    others = connection.execute(
        text(
            """delete from intake.review_claim
               where received_invoice_id = :id and claimed_by <> organizations.actor(:by)
               returning claimed_by, claimed_at, expires_at"""
        ),
        {"id": invoice_id, "by": by},
    ).one_or_none()
    claim_review(connection, invoice_id, by)
    return None if others is None or others.expires_at <= datetime.now(UTC) else Claim(*others)


def end_claim(connection: Connection, invoice_id: UUID) -> bool:
    """Ends a claim, whoever has it; returns whether somebody had."""
    ended = connection.execute(
        text("delete from intake.review_claim where received_invoice_id = :id returning expires_at > now()"),
        {"id": invoice_id},
    ).scalar_one_or_none()
    return bool(ended)


def refuse_if_claimed(connection: Connection, invoice_id: UUID, by: str) -> None:
    """Raises ReviewClaimed where somebody else is at a review."""
    other = connection.execute(
        text(
            """select claimed_by, expires_at from intake.review_claim
               where received_invoice_id = :id and expires_at > now() and claimed_by <> organizations.actor(:by)"""
        ),
        {"id": invoice_id, "by": by},
    ).one_or_none()
    if other is not None:
        raise ReviewClaimed(other.claimed_by, other.expires_at)


def claim_of(connection: Connection, invoice_id: UUID) -> Claim | None:
    """Who is at a review now."""
    row = connection.execute(
        text(
            """select claimed_by, claimed_at, expires_at from intake.review_claim
               where received_invoice_id = :id and expires_at > now()"""
        ),
        {"id": invoice_id},
    ).one_or_none()
    return None if row is None else Claim(*row)


def postpone_review(connection: Connection, invoice_id: UUID, until: datetime | None, by: str) -> None:
    """Puts a review off until a moment, or takes that back with None. It still waits, and can be decided.

    Raises ReviewError for one that is not in the future, or not within a year; ReviewClaimed where somebody is at it;
    NotWaiting and NotThere.
    """
    now = datetime.now(UTC)
    if until is not None and not now < until < now + LONGEST_POSTPONEMENT:
        raise ReviewError("A review is put off until a moment in the future, within a year.", code="WRONG_MOMENT")
    _require_waiting(connection, invoice_id)
    refuse_if_claimed(connection, invoice_id, by)
    connection.execute(
        text("delete from intake.review_postponement where received_invoice_id = :id"), {"id": invoice_id}
    )
    if until is not None:
        connection.execute(
            text(
                """insert into intake.review_postponement (organization_id, received_invoice_id, until, postponed_by)
                   values (organizations.current(), :id, :until, organizations.actor(:by))"""
            ),
            {"id": invoice_id, "until": until, "by": by},
        )


def add_note(connection: Connection, invoice_id: UUID, note: str, by: str) -> Note:
    """Writes a note beside a received invoice, whatever its status. Raises ReviewError for none or too long a one, and
    NotThere.
    """
    note = note.replace("\0", "").strip()
    if not 0 < len(note) <= LONGEST_NOTE:
        raise ReviewError(f"A note has 1 to {LONGEST_NOTE} characters.", code="WRONG_NOTE")
    status_of(connection, invoice_id)
    row = connection.execute(
        text(
            """insert into intake.review_note (organization_id, received_invoice_id, note, created_by)
               values (organizations.current(), :id, :note, organizations.actor(:by))
               returning id, note, created_at, created_by"""
        ),
        {"id": invoice_id, "note": note, "by": by},
    ).one()
    return Note(*row)


def notes_of(connection: Connection, invoice_id: UUID) -> Sequence[Note]:
    """The notes on an invoice, oldest first."""
    rows = connection.execute(
        text(
            """select id, note, created_at, created_by from intake.review_note
               where received_invoice_id = :id order by id"""
        ),
        {"id": invoice_id},
    )
    return [Note(*row) for row in rows]


def _require_waiting(connection: Connection, invoice_id: UUID) -> None:
    status = status_of(connection, invoice_id)
    waits = connection.execute(
        text(
            """select from intake.review_reason w
               join intake.received_invoice r on r.organization_id = w.organization_id
                   and r.id = w.received_invoice_id and r.processing_version = w.processing_version
               where w.received_invoice_id = :id and r.status = 'PARSED' limit 1"""
        ),
        {"id": invoice_id},
    ).one_or_none()
    if waits is None:
        raise not_waiting(status)


def not_waiting(status: Status) -> NotWaiting:
    """The refusal of what only an invoice that waits for a review takes, with where this one stands."""
    return NotWaiting(f"The invoice does not wait for a review: it is {label(status).lower()}.")


def status_of(connection: Connection, invoice_id: UUID) -> Status:
    """The status of a received invoice. Raises NotThere."""
    status = connection.execute(
        text("select status from intake.received_invoice where id = :id"), {"id": invoice_id}
    ).scalar_one_or_none()
    if status is None:
        raise NotThere(f"There is no received invoice {invoice_id} in this organization.")
    return Status(status)
