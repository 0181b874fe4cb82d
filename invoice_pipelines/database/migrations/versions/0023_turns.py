"""Work: which runs ended last for an organization, how long it rests after failures, and that a run was asked for."""

from alembic import op

from invoice_pipelines.database.migrations.isolation import IN_SCOPE, isolate, show_to_overview
from invoice_pipelines.database.roles import OVERVIEW, OWNER

revision = "0023"
down_revision = "0022"

TABLE = """
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
"""
SHOWN = "organization_id, kind, ended_at, failures, rests_until, asked_until"
ENDED = "ended_at, failures, rests_until"


def upgrade() -> None:
    op.execute(TABLE)
    isolate("work.turn", "select, insert, update")
    show_to_overview("work.turn", SHOWN, update=ENDED)
    in_scope = IN_SCOPE.format(column="organization_id")
    op.execute(f"create policy overview_adds on work.turn for insert to {OVERVIEW} with check ({in_scope})")
    op.execute(f"grant insert (organization_id, kind, {ENDED}) on work.turn to {OVERVIEW}")


def downgrade() -> None:
    op.execute(f"set local role {OVERVIEW}")
    op.execute("drop function if exists work.turns(text, uuid[])")
    op.execute("drop function if exists work.newest_turn(text)")
    op.execute("drop function if exists work.record_turns(text, uuid[], timestamptz[], boolean[], interval, integer)")
    op.execute(f"set local role {OWNER}")
    op.execute("drop table work.turn")
