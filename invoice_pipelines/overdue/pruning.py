"""Deletes what nobody needs any more: old runs from the log, and notifications closed long ago."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Engine

from invoice_pipelines.database.pruning import delete_older

_LOG = """
    delete from overdue.job_execution_log where organization_id = :organization and id in (
        select l.id from overdue.job_execution_log l
        where l.organization_id = :organization and l.start_time < :older_than and l.end_time < :older_than
          and not exists (
              select from (
                  (select k.id from overdue.job_execution_log k where k.organization_id = :organization
                   order by k.start_time desc, k.id desc limit 1)
                  union all
                  (select k.id from overdue.job_execution_log k
                   where k.organization_id = :organization and k.status in ('SUCCESS', 'PARTIAL')
                   order by k.start_time desc, k.id desc limit 1)
                  union all
                  (select k.id from overdue.job_execution_log k
                   where k.organization_id = :organization and k.status = 'SUCCESS'
                   order by k.start_time desc, k.id desc limit 1)) kept
              where kept.id = l.id)
        order by l.start_time limit :batch_size)
"""
# Ids are uuidv7: what was closed before a time has an id from before it, so that younger rows are not read.
_NOTIFICATIONS = """
    delete from overdue.notification where organization_id = :organization and id in (
        select n.id from overdue.notification n
        where n.organization_id = :organization and n.id < :before and n.status = 'closed'
          and n.closed_at < :older_than
        order by n.id limit :batch_size)
"""


def prune_executions(engine: Engine, organization_id: UUID, older_than: datetime) -> int:
    """Deletes runs that ended before `older_than` (with a time zone) from the log; returns how many.

    What tells when an organization was last looked at stays, however old: its last run, the last that came to its end
    and the last without errors; what is under way; and, by PostgreSQL, what began in the last 30 days.
    Raises ValueError for a time without zone.
    """
    return delete_older(engine, organization_id, older_than, _LOG)


def prune_notifications(engine: Engine, organization_id: UUID, older_than: datetime) -> int:
    """Deletes notifications that were closed before `older_than` (with a time zone); returns how many.

    PostgreSQL keeps those of the last six years, as German law asks for letters that were sent (section 147 (3) AO).
    If the payment of such an invoice is taken back after that, its notification is made anew, and the customer told
    again. Raises ValueError for a time without zone.
    """
    return delete_older(engine, organization_id, older_than, _NOTIFICATIONS)
