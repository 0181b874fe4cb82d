"""Deletes what nobody needs any more: batches that were answered long ago, and counts of old calls.

Mappings, conflicts, payments and events stay: they say what became of money, and who decided.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Engine

from invoice_pipelines.database.pruning import delete_older

YOUNGEST = timedelta(days=2)
"""QuickBooks knows the request id of a batch again for about a day."""

# Ids are uuidv7, so that younger batches are not read. Voids stay: their request ids are made of how often they were
# answered, and how long QuickBooks knows them is not documented.
_BATCHES = """
    delete from quickbooks.sent_batch where organization_id = :organization and id in (
        select b.id from quickbooks.sent_batch b
        where b.organization_id = :organization and b.id < :before and b.status <> 'sent'
          and b.created_at < :older_than
          and not exists (select from quickbooks.sent_operation o
                          where o.organization_id = b.organization_id and o.batch_id = b.id and o.operation = 'void')
        order by b.id limit :batch_size)
"""
_USAGE = "delete from quickbooks.usage where organization_id = :organization and hour < :older_than"


def prune_sent(engine: Engine, organization_id: UUID, older_than: datetime) -> int:
    """Deletes batches that were sent before `older_than` (with a time zone) and have their answers; returns how many.

    Those of the last two days stay anyway. Raises ValueError for a time without zone.
    """
    older_than = min(older_than, datetime.now(older_than.tzinfo) - YOUNGEST)
    deleted = delete_older(engine, organization_id, older_than, _BATCHES, batch_size=5_000)
    delete_older(engine, organization_id, older_than, _USAGE)
    return deleted
