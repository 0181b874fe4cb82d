"""What must always be true of an organization's batch jobs, as a query for what breaks it.

PostgreSQL writes their history and refuses what it can see at once. That the counts of a job are those of its items is
too much to be asked with every change of it, and is asked here.
"""

from __future__ import annotations

from sqlalchemy import Connection

from invoice_pipelines.promises import Finding, offending

LATEST_JOBS = 100

_DISAGREEING = """
    with latest as materialized (
        select j.* from work.batch_job j
        where j.organization_id = organizations.current()
        order by j.organization_id, j.id desc limit :latest)
    select j.kind || ' ' || j.id || ': ' || p.problem as name
    from latest j
    cross join lateral (
        select count(*) as items, count(*) filter (where i.status = 'succeeded') as successful,
               count(*) filter (where i.status = 'failed') as failed,
               count(*) filter (where i.status = 'skipped') as skipped,
               count(*) filter (where i.status = 'cancelled') as cancelled
        from work.batch_item i where i.organization_id = j.organization_id and i.job_id = j.id) c
    cross join lateral (
        select coalesce(bool_or(e.action = 'created' and e.created_by = j.created_by), false) as created,
               coalesce(bool_or(e.action = 'cancelled'), false) as cancelled
        from work.batch_job_event e where e.organization_id = j.organization_id and e.job_id = j.id) h
    cross join lateral (
        select case
            when not h.created then 'its history does not say that ' || j.created_by || ' asked for it'
            when j.status = 'cancelled' and not h.cancelled then 'its history does not say who cancelled it'
            when c.items > j.total_items then 'it has more items than it says'
            -- Items of jobs that ended long ago are removed, part by part.
            when (c.items = j.total_items or j.completed_at is null or j.completed_at > now() - interval '29 days')
                 and (c.items, c.successful, c.failed, c.skipped, c.cancelled) is distinct from
                     (j.total_items, j.successful_items, j.failed_items, j.skipped_items, j.cancelled_items)
            then 'its counts are not those of its items' end as problem) p
    where p.problem is not null
"""


def jobs_that_disagree(connection: Connection) -> Finding:
    """The newest jobs say what their items and their history say; the sample has the reasons."""
    return offending(connection, _DISAGREEING, latest=LATEST_JOBS)
