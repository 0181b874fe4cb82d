"""The order of batches that got no answer, and what they hold up.

At full speed several batches are on their way at once, each under a lease that its sender keeps. From its first call
without an answer on, or once its lease has run out because its process died, a batch **holds up** its entity in its
company:

- nothing new of the entity is claimed or stored, by any thread or process;
- open batches are sent again one at a time, the oldest first, wherever that is done. Where the oldest is being sent, or
  rests, the next one waits.

So what waited in an outage, of an hour or of days, arrives in the order of its entries. What cannot be told apart from
work in progress is left alone: batches that were on their way together may arrive in any order among themselves, and
what a dead process was sending holds up nothing until its lease has run out.

**Nothing holds up others for ever.** A turn of a batch (three calls when it is new, one when it is sent again) counts
against it where the company answered something else: other parts of the same batch, or a read right after it. With the
third such turn (`PATIENCE`) it is **set aside**: it holds up nothing any more, and is sent again beside the rest after
longer pauses, by one thread of a push at a time, until it is answered or looked up after 20 hours. That is five calls:
a few minutes with the pauses in between, a quarter of an hour where each call times out. An outage, in which reads get
no answer either, does not count, however long it lasts.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, text

from invoice_pipelines.errors import InvoicePipelinesError
from invoice_pipelines.quickbooks.push.batches import Batch, Operation
from invoice_pipelines.quickbooks.values import EntityType

PATIENCE = 3
"""So many turns of a company that answers otherwise may a batch hold up others."""


class HeldUp(InvoicePipelinesError):
    """Something that was sent before has no answer: nothing new may be sent. What was claimed is given back."""


def is_aside(batch: Batch) -> bool:
    """Whether a batch was set aside when it was taken."""
    return batch.attempts > PATIENCE


def take_open_batch(
    connection: Connection, realm_id: str, entity: EntityType, lease: timedelta, *, with_aside: bool
) -> tuple[Batch, timedelta] | None:
    """Takes the batch that is to be sent again now, with its age by the clock of the database. Commit at once."""
    row = connection.execute(
        text(
            """select *, clock_timestamp() - created_at as age
               from quickbooks.take_open_batch(:realm, :entity, :lease, :patience, :with_aside)"""
        ),
        {
            "realm": realm_id,
            "entity": entity.value,
            "lease": lease,
            "patience": PATIENCE,
            "with_aside": with_aside,
        },
    ).one_or_none()
    if row is None:
        return None
    operations = connection.execute(
        text(
            """select b_id, local_id, operation, revision, snapshot from quickbooks.sent_operation
               where organization_id = organizations.current() and batch_id = :id
                 and outcome is null
               order by length(b_id), b_id"""
        ),
        {"id": row.id},
    )
    batch = Batch(
        row.id,
        entity,
        row.request_id,
        row.body,
        row.attempts,
        row.created_at,
        tuple(Operation(*operation) for operation in operations),
    )
    return batch, row.age


def held_up_since(connection: Connection, realm_id: str, entity: EntityType) -> datetime | None:
    """When that was stored which must be answered before anything new is sent; None: there is nothing."""
    since: datetime | None = connection.execute(
        text("select quickbooks.held_up_since(:realm, :entity, :patience)"),
        {"realm": realm_id, "entity": entity.value, "patience": PATIENCE},
    ).scalar_one()
    return since


def hold_up(connection: Connection, batch: Batch) -> None:
    """A new batch got no answer: from now on it holds up what comes after it."""
    connection.execute(
        text(
            """update quickbooks.sent_batch set attempts = greatest(attempts, 1)
               where organization_id = organizations.current() and id = :id and status = 'sent'"""
        ),
        {"id": batch.id},
    )


def is_oldest(connection: Connection, realm_id: str, batch: Batch) -> bool:
    """Whether no older batch is open, but for those that were set aside."""
    older = connection.execute(
        text(
            """select b.id from quickbooks.sent_batch b
               where b.organization_id = organizations.current() and b.realm_id = :realm
                 and b.status = 'sent' and b.entity_type = :entity and b.attempts <= :patience and b.id < :id
               order by b.organization_id, b.realm_id, b.id limit 1"""
        ),
        {"realm": realm_id, "entity": batch.entity.value, "patience": PATIENCE, "id": batch.id},
    ).one_or_none()
    return older is None


def rest_batch(connection: Connection, batch: Batch, *, counts: bool, rest: timedelta, rest_aside: timedelta) -> bool:
    """Lets a batch rest after a turn without an answer; `counts` where the company answered something else.

    Returns whether it is set aside by that.
    """
    was_set_aside: bool | None = connection.execute(
        text(
            """update quickbooks.sent_batch
               set attempts = greatest(attempts, 1) + cast(:counts as integer),
                   lease_expires_at = clock_timestamp()
                       + case when greatest(attempts, 1) + cast(:counts as integer) > :patience
                              then cast(:rest_aside as interval) else cast(:rest as interval) end
               where organization_id = organizations.current() and id = :id and status = 'sent'
               returning new.attempts > :patience and old.attempts <= :patience"""
        ),
        {"id": batch.id, "counts": int(counts), "rest": rest, "rest_aside": rest_aside, "patience": PATIENCE},
    ).scalar_one_or_none()
    return bool(was_set_aside)


def abandon(connection: Connection, batch: Batch) -> None:
    """Marks a batch that is never sent again, as what became of its operations was looked up instead."""
    connection.execute(
        text(
            """update quickbooks.sent_batch set status = 'abandoned'
               where organization_id = organizations.current() and id = :id"""
        ),
        {"id": batch.id},
    )
