"""Stuck jobs: how often a job came to a standstill, so that one that never gets on is ended."""

from alembic import op

from invoice_pipelines.database.roles import OVERVIEW

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """alter table work.batch_job
           add column standstills integer not null default 0 check (standstills >= 0),
           add column processed_at_standstill integer not null default 0 check (processed_at_standstill >= 0)"""
    )
    op.execute(
        """comment on column work.batch_job.standstills is
               'how often the clean-up found it without progress, with processed_at_standstill items processed'"""
    )
    op.execute(f"grant select (standstills, processed_at_standstill) on work.batch_job to {OVERVIEW}")
    op.execute(f"grant update (standstills, processed_at_standstill) on work.batch_job to {OVERVIEW}")


def downgrade() -> None:
    op.execute("alter table work.batch_job drop column standstills, drop column processed_at_standstill")
