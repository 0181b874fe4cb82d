"""How rows that nobody needs any more are deleted: in short transactions, so that it can be stopped and run again."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Engine, text

from invoice_pipelines.database.engine import organization_scope


def delete_older(
    engine: Engine, organization_id: UUID, older_than: datetime, statement: str, *, batch_size: int = 10_000
) -> int:
    """Repeats a `delete` of at most `:batch_size` rows until it finds fewer; returns how many were deleted.

    The statement may name `:organization`, `:older_than` and `:before`: ids made since then (uuidv7) are not below it.
    Raises ValueError for a time without zone.
    """
    if older_than.tzinfo is None:
        raise ValueError("older_than needs a time zone.")
    values = {
        "organization": organization_id,
        "older_than": older_than,
        "before": UUID(int=max(0, int(older_than.timestamp() * 1000)) << 80),
        "batch_size": batch_size,
    }
    deleted, removed = 0, batch_size
    while removed == batch_size:
        with organization_scope(engine, organization_id) as connection:
            removed = connection.execute(text(statement), values).rowcount
        deleted += removed
    return deleted
