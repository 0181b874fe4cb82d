"""Work: batch jobs, their items, what people and runs did to jobs, turns of runs, and warm workers."""

from alembic import op

from invoice_pipelines.database.migrations.isolation import (
    IN_SCOPE,
    create_schema,
    delete_only,
    isolate,
    let_recorder_add,
    show_to_overview,
)
from invoice_pipelines.database.roles import APP, OVERVIEW, OWNER

revision = "0103"
down_revision = "0102"

TABLES = """
create table work.batch_job (
    organization_id uuid not null references organizations.organization,
    id uuid not null default uuidv7(),
    kind text not null check (kind ~ '^[a-z][a-z0-9_]*$'),
    status text not null default 'pending'
        check (status in ('pending', 'processing', 'completed', 'completed_with_errors', 'failed', 'cancelled')),
    total_items integer not null check (total_items >= 0),
    successful_items integer not null default 0 check (successful_items >= 0),
    failed_items integer not null default 0 check (failed_items >= 0),
    skipped_items integer not null default 0 check (skipped_items >= 0),
    cancelled_items integer not null default 0 check (cancelled_items >= 0),
    processed_items integer not null generated always as (successful_items + failed_items + skipped_items) stored,
    progress integer not null generated always as (
        case when total_items = 0 then 100
             else (100::bigint * (successful_items + failed_items + skipped_items) / total_items)::integer end
    ) stored,
    processed_before_start integer not null default 0,
    parameters jsonb not null default '{}' check (jsonb_typeof(parameters) = 'object'),
    summary jsonb,
    last_error text,
    created_by text not null check (created_by <> ''),
    created_at timestamptz not null default now(),
    started_at timestamptz,
    completed_at timestamptz,
    last_progress_at timestamptz not null default now(),
    actual_duration_seconds numeric generated always as (
        round(extract(epoch from completed_at - started_at), 3)
    ) stored,
    standstills integer not null default 0 check (standstills >= 0),
    processed_at_standstill integer not null default 0 check (processed_at_standstill >= 0),
    primary key (organization_id, id),
    check (successful_items + failed_items + skipped_items + cancelled_items <= total_items),
    check ((completed_at is null) = (status in ('pending', 'processing')))
);
comment on table work.batch_job is 'A piece of work asked for in bulk; never deleted';
comment on column work.batch_job.processed_items is 'items done, failed for good or skipped; not the cancelled ones';
comment on column work.batch_job.progress is 'percent of the items that are processed';
comment on column work.batch_job.processed_before_start is 'processed items when the job started last, for its rate';
comment on column work.batch_job.standstills is
    'how often the clean-up found it without progress, with processed_at_standstill items processed';
comment on column work.batch_job.summary is 'written when the job ends: {"failures": {code: count}}';
create index batch_job_open on work.batch_job (organization_id, id) where status in ('pending', 'processing');

create table work.batch_item (
    organization_id uuid not null references organizations.organization,
    id uuid not null default uuidv7(),
    job_id uuid,
    kind text not null check (kind ~ '^[a-z][a-z0-9_]*$'),
    subject_id text not null check (subject_id <> ''),
    status text not null default 'pending'
        check (status in ('pending', 'processing', 'succeeded', 'failed', 'skipped', 'cancelled')),
    attempts integer not null default 0 check (attempts >= 0),
    max_attempts integer,
    claim_alone boolean not null default false,
    available_at timestamptz not null default now(),
    lease_token uuid,
    lease_expires_at timestamptz,
    error_code text,
    error_message text,
    result jsonb,
    created_at timestamptz not null default now(),
    finished_at timestamptz,
    primary key (organization_id, id),
    unique (organization_id, job_id, subject_id),
    foreign key (organization_id, job_id) references work.batch_job (organization_id, id) on delete cascade,
    check ((status = 'processing') = (lease_token is not null)),
    check ((status = 'processing') = (lease_expires_at is not null)),
    check ((finished_at is null) = (status in ('pending', 'processing')))
) with (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
comment on table work.batch_item is 'A part of a batch job; without a job, an entry of a continuous queue';
comment on column work.batch_item.max_attempts is 'attempts allowed by whoever claimed it last';
comment on column work.batch_item.claim_alone is 'a process died over it: no other item may share its chunk';
comment on column work.batch_item.available_at is 'not before; moved on by the pause after a failed attempt';
comment on column work.batch_item.error_message is 'why it failed, or why it was skipped';

-- The queue itself: only what is open is in these indexes, so that history costs a claim nothing.
create index batch_item_due on work.batch_item (organization_id, kind, available_at, id) where status = 'pending';
create index batch_item_leased on work.batch_item (organization_id, lease_token) include (kind, lease_expires_at)
    where status = 'processing';
-- One waiting entry per subject in a continuous queue.
create unique index batch_item_entry on work.batch_item (organization_id, kind, subject_id)
    where status = 'pending' and job_id is null;
-- One job's items in the order of the request, for kinds that work through a job one chunk after the other.
create index batch_item_of_job on work.batch_item (organization_id, job_id, id) where status = 'pending';
create index batch_item_failed on work.batch_item (organization_id, job_id, id) where status = 'failed';
create index batch_item_old_entry on work.batch_item (organization_id, finished_at)
    where job_id is null and finished_at is not null;

create table work.batch_job_event (
    organization_id uuid not null references organizations.organization,
    id uuid not null default uuidv7(),
    job_id uuid not null,
    action text not null check (action in ('created', 'cancelled', 'retried', 'repaired', 'changed')),
    detail jsonb not null default '{}',
    created_by text not null check (created_by <> ''),
    created_at timestamptz not null default clock_timestamp(),
    primary key (organization_id, id),
    foreign key (organization_id, job_id) references work.batch_job (organization_id, id) on delete cascade
);
comment on table work.batch_job_event is 'Append-only: who asked for a job, cancelled, retried or repaired it';
create index batch_job_event_job on work.batch_job_event (organization_id, job_id);

create table work.turn (
    organization_id uuid not null references organizations.organization,
    kind text not null check (kind <> ''),
    ended_at timestamptz,
    failures integer not null default 0 check (failures >= 0),
    rests_until timestamptz,
    asked_until timestamptz,
    primary key (organization_id, kind)
);
create index on work.turn (kind, ended_at) where ended_at is not null;
comment on table work.turn is
    'What sensors know of the last run for an organization, so that they need not read records of runs';
comment on column work.turn.kind is 'of runs, such as intake or delivery';
comment on column work.turn.ended_at is 'when the last one ended; null: none that is known of';
comment on column work.turn.failures is 'how many failed since the last that succeeded';
comment on column work.turn.rests_until is 'no sensor asks for one before that, as the last ones failed';
comment on column work.turn.asked_until is
    'whoever made work has asked for a run: no sensor asks for another before that';

create table work.worker (
    id text primary key check (length(id) between 1 and 300),
    lanes text[] not null,
    processes integer not null check (processes > 0),
    started_at timestamptz not null default now(),
    seen_at timestamptz not null default now()
);
comment on table work.worker is 'Warm workers, each of which says every few seconds that it takes runs';
comment on column work.worker.id is 'process and machine';
"""

NEW_JOB = (
    "id, status, successful_items, failed_items, skipped_items, cancelled_items, processed_before_start, summary, "
    "last_error, created_at, started_at, completed_at, last_progress_at, standstills, processed_at_standstill"
)
NEW_ITEM = (
    "status, attempts, max_attempts, claim_alone, available_at, lease_token, lease_expires_at, error_code, "
    "error_message, result, created_at, finished_at"
)
STATE_OF_JOB = (
    "status, successful_items, failed_items, skipped_items, cancelled_items, processed_before_start, parameters, "
    "summary, last_error, started_at, completed_at, last_progress_at, standstills, processed_at_standstill"
)
STATE_OF_ITEM = (
    "status, attempts, max_attempts, claim_alone, available_at, lease_token, lease_expires_at, error_code, "
    "error_message, result, finished_at"
)

SHOWN_OF_JOB = """organization_id, id, kind, status, total_items, successful_items, failed_items, skipped_items,
    cancelled_items, processed_items, created_at, started_at, completed_at, last_progress_at,
    actual_duration_seconds, last_error, standstills, processed_at_standstill"""
SHOWN_OF_ITEM = """organization_id, id, job_id, kind, subject_id, status, attempts, max_attempts, available_at,
    lease_token, lease_expires_at, error_code, finished_at"""
SHOWN_OF_TURN = "organization_id, kind, ended_at, failures, rests_until, asked_until"
ENDED_OF_TURN = "ended_at, failures, rests_until"
CLEANED_OF_JOB = """status, successful_items, failed_items, skipped_items, cancelled_items, last_error, started_at,
    completed_at, last_progress_at, summary, standstills, processed_at_standstill"""
CLEANED_OF_ITEM = """status, claim_alone, available_at, lease_token, lease_expires_at, error_code, error_message,
    finished_at"""


def upgrade() -> None:
    create_schema("work")
    op.execute(TABLES)
    isolate("work.batch_job", f"select, update ({STATE_OF_JOB})", stamped=NEW_JOB)
    isolate("work.batch_item", f"select, update ({STATE_OF_ITEM}), delete", stamped=NEW_ITEM)
    isolate("work.batch_job_event", "select")
    let_recorder_add("work.batch_job_event")
    show_to_overview("work.batch_job", SHOWN_OF_JOB, update=CLEANED_OF_JOB)
    show_to_overview("work.batch_item", SHOWN_OF_ITEM, update=CLEANED_OF_ITEM)
    op.execute(f"create policy overview_adds on work.batch_job_event for insert to {OVERVIEW} with check (true)")
    op.execute(f"grant insert on work.batch_job_event to {OVERVIEW}")
    # Not by a trigger, for which each of many thousand rows would be locked first.
    op.execute(
        f"""create policy ended_once on work.batch_item as restrictive for update to {APP}
            using (status in ('pending', 'processing', 'failed'))
            with check (finished_at is null or finished_at >= now())"""
    )
    delete_only("work.batch_item", "finished_at < now() - interval '30 days'")
    isolate("work.turn", "select, insert, update")
    show_to_overview("work.turn", SHOWN_OF_TURN, update=ENDED_OF_TURN)
    in_scope = IN_SCOPE.format(column="organization_id")
    op.execute(f"create policy overview_adds on work.turn for insert to {OVERVIEW} with check ({in_scope})")
    op.execute(f"grant insert (organization_id, kind, {ENDED_OF_TURN}) on work.turn to {OVERVIEW}")
    op.execute(f"grant select, insert, update, delete on work.worker to {OVERVIEW}")


def downgrade() -> None:
    op.execute(f"set local role {OVERVIEW}")
    op.execute("drop function if exists public.cleanup_stuck_batch_jobs(interval)")
    op.execute("drop function if exists public.get_batch_processing_stats()")
    op.execute(f"set local role {OWNER}")
    op.execute("drop schema work cascade")
