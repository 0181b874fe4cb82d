"""Work: which warm workers there are. Intake: how long documents took, counted. Both for those who watch."""

from alembic import op

from invoice_pipelines.database.roles import OVERVIEW, OWNER

revision = "0025"
down_revision = "0024"

TABLES = """
create table work.worker (
    id text primary key check (length(id) between 1 and 300),
    lanes text[] not null,
    processes integer not null check (processes > 0),
    started_at timestamptz not null default now(),
    seen_at timestamptz not null default now()
);
comment on table work.worker is 'Warm workers, each of which says every few seconds that it takes runs';
comment on column work.worker.id is 'process and machine';

-- Each transaction adds rows of its own, so that none waits for another one; who reads them adds them up.
create table intake.turnaround (
    id bigint generated always as identity primary key,
    source text not null,
    outcome text not null,
    bucket integer not null,
    documents bigint not null,
    seconds numeric not null
);
comment on table intake.turnaround is
    'How many documents came to an outcome, how long after their upload; of all organizations together';
comment on column intake.turnaround.bucket is 'how many bounds of intake.turnaround_bounds() it took longer than';
"""


def _drop_open_items() -> None:
    """What it returns differs between the versions before and after this one; each makes its own."""
    op.execute(f"set local role {OVERVIEW}")
    op.execute("drop function if exists work.open_items()")
    op.execute(f"set local role {OWNER}")


def upgrade() -> None:
    _drop_open_items()
    op.execute(TABLES)
    op.execute(f"grant select, insert, update, delete on work.worker, intake.turnaround to {OVERVIEW}")


def downgrade() -> None:
    _drop_open_items()
    op.execute(f"set local role {OVERVIEW}")
    op.execute("drop function if exists work.note_worker(text, text[], integer)")
    op.execute("drop function if exists work.forget_worker(text)")
    op.execute("drop function if exists work.workers()")
    op.execute("drop function if exists work.resting()")
    op.execute("drop function if exists intake.turnarounds()")
    op.execute("drop function if exists intake.add_turnarounds(text[], text[], double precision[])")
    op.execute(f"set local role {OWNER}")
    op.execute("drop function if exists intake.count_turnarounds(uuid[])")
    op.execute("drop function if exists intake.turnaround_bounds()")
    op.execute("drop table work.worker, intake.turnaround")
