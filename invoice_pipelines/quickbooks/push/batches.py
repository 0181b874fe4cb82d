"""What is sent, as it is stored before it is sent: the exact body and the operations in it.

A batch is `sent` until each of its operations has a definite outcome. Until then its subjects are left alone, and it is
sent again, byte for byte and under the same request id: see open_batches.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Connection, text

from invoice_pipelines.quickbooks.api import exact_json
from invoice_pipelines.quickbooks.api.faults import Fault
from invoice_pipelines.quickbooks.api.request_ids import batch_request_id, operation_request_id
from invoice_pipelines.quickbooks.values import EntityType, as_json

OperationKind = Literal["create", "update", "void"]
ENTITY_NAMES = {EntityType.CUSTOMER: "Customer", EntityType.ITEM: "Item", EntityType.INVOICE: "Invoice"}
"""QuickBooks' names."""


@dataclass(frozen=True, slots=True)
class Planned:
    """What is to be done for one subject. `snapshot` is what is remembered of it until the answer is here."""

    local_id: UUID
    operation: OperationKind
    document: Mapping[str, Any]
    snapshot: Mapping[str, Any]
    revision: int


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a stored batch."""

    b_id: str
    local_id: UUID
    operation: OperationKind
    revision: int
    snapshot: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Batch:
    """A stored batch. A void is one by itself and no batch on the wire, as not every company takes it in one.

    `attempts` is 0 while it is sent for the first time; see open_batches.
    """

    id: UUID
    entity: EntityType
    request_id: str
    body: str
    attempts: int
    created_at: datetime
    operations: tuple[Operation, ...]

    def extend(self, connection: Connection, lease: timedelta) -> None:
        """Keeps it for another while: it is being sent. With a lease of zero, whoever comes next sends it."""
        connection.execute(
            text(
                """update quickbooks.sent_batch set lease_expires_at = clock_timestamp() + :lease
                   where organization_id = organizations.current() and id = :id
                     and status = 'sent'"""
            ),
            {"id": self.id, "lease": lease},
        )

    @property
    def is_void(self) -> bool:
        """Whether it voids an invoice."""
        return self.operations[0].operation == "void"


@dataclass(frozen=True, slots=True)
class Ended:
    """The definite outcome of an operation: `again` means that nothing was done and it may be decided anew."""

    outcome: Literal["done", "failed", "again"]
    fault: Fault | None = None


def store_batch(
    connection: Connection, realm_id: str, entity: EntityType, planned: Sequence[Planned], lease: timedelta
) -> Batch:
    """Stores a batch that is about to be sent. Commit before it is sent.

    Fails where one of the subjects has an operation without outcome (unique index).
    """
    batch_id: UUID = connection.execute(text("select uuidv7()")).scalar_one()  # open ones are sent in their order
    if planned[0].operation == "void":
        request_id = operation_request_id(realm_id, entity, "void", planned[0].local_id, planned[0].revision)
        body = exact_json.dumps(planned[0].document)
    else:
        request_id = batch_request_id(realm_id, batch_id)
        body = exact_json.dumps(
            {
                "BatchItemRequest": [
                    {"bId": str(place), "operation": each.operation, ENTITY_NAMES[entity]: each.document}
                    for place, each in enumerate(planned, 1)
                ]
            }
        )
    values = {"id": batch_id, "entity": entity.value, "realm_id": realm_id, "request_id": request_id, "body": body}
    created_at = connection.execute(
        text(
            """insert into quickbooks.sent_batch (
                   organization_id, id, realm_id, entity_type, request_id, body, attempts, lease_expires_at)
               values (organizations.current(), :id, :realm_id, :entity, :request_id, :body, 0,
                       clock_timestamp() + :lease)
               returning created_at"""
        ),
        values | {"lease": lease},
    ).scalar_one()
    operations = tuple(
        Operation(str(place), each.local_id, each.operation, each.revision, each.snapshot)
        for place, each in enumerate(planned, 1)
    )
    connection.execute(
        text(
            """insert into quickbooks.sent_operation (organization_id, batch_id, b_id, entity_type, local_id, operation,
                                                      revision, snapshot)
               select organizations.current(), :id, o.b_id, :entity, o.local_id, o.operation,
                      o.revision, o.snapshot
               from jsonb_to_recordset(cast(:operations as jsonb)) as o (
                   b_id text, local_id uuid, operation text, revision integer, snapshot jsonb)"""
        ),
        values | {"operations": as_json([asdict(each) for each in operations])},
    )
    return Batch(batch_id, entity, request_id, body, 0, created_at, operations)


def end_operations(
    connection: Connection, batch: Batch, ended: Mapping[str, Ended], *, intuit_tid: str | None = None
) -> None:
    """Records outcomes by bId, and closes the batch with the last of them."""
    connection.execute(
        text(
            """update quickbooks.sent_operation o set outcome = e.outcome, fault = e.fault
               from jsonb_to_recordset(cast(:ended as jsonb)) as e (b_id text, outcome text, fault jsonb)
               where o.organization_id = organizations.current() and o.batch_id = :id
                 and o.b_id = e.b_id and o.outcome is null"""
        ),
        {
            "id": batch.id,
            "ended": as_json(
                [
                    {"b_id": b_id, "outcome": each.outcome, "fault": each.fault and each.fault.stored()}
                    for b_id, each in ended.items()
                ]
            ),
        },
    )
    connection.execute(
        text(
            """update quickbooks.sent_batch b
               set status = 'answered', answered_at = clock_timestamp(), intuit_tid = coalesce(:tid, b.intuit_tid)
               where b.organization_id = organizations.current() and b.id = :id
                 and not exists (select from quickbooks.sent_operation o
                                 where o.organization_id = b.organization_id and o.batch_id = b.id
                                   and o.outcome is null)"""
        ),
        {"id": batch.id, "tid": intuit_tid},
    )
