"""How request ids are made from our own ids, so that a repetition after a crash has the id of the first try.

QuickBooks answers a request id that it has seen with what it answered then, and does nothing. So the form of these ids
is for ever: with another one, what was sent before a new version came and is repeated after it would be done twice.
"""

from __future__ import annotations

from uuid import UUID, uuid5

from invoice_pipelines.quickbooks.values import EntityType

LONGEST = 50
LONGEST_IN_BATCH = 36
LONGEST_BATCH_ITEM_ID = 10
"""Of a `bId`, where its batch has a request id."""

_NAMESPACE = UUID("7d0c5f0e-3b0a-5c57-9f0a-4f3b8b2f6a11")


def operation_request_id(realm_id: str, entity: EntityType, operation: str, local_id: UUID, revision: int) -> str:
    """The id of one operation on one subject; `revision` counts the definite answers it had before. 36 characters."""
    return str(uuid5(_NAMESPACE, f"{realm_id}/{entity.value}/{operation}/{local_id}/{revision}"))


def batch_request_id(realm_id: str, batch_id: UUID) -> str:
    """The id of a batch whose composition was stored under `batch_id`. 36 characters."""
    return str(uuid5(_NAMESPACE, f"{realm_id}/batch/{batch_id}"))
