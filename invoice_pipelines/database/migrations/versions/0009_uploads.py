"""Uploads over the API, and what their senders say they are."""

from alembic import op

from invoice_pipelines.database.roles import APP

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.execute(
        f"""
        alter table intake.upload drop constraint upload_source_check;
        alter table intake.upload add constraint upload_source_check
            check (source in ('inbox', 'command line', 'api'));
        alter table intake.upload add column media_type text;
        comment on column intake.upload.media_type is 'as its sender says, where it does; readers go by the bytes';
        grant insert (media_type) on intake.upload to {APP};
        """
    )


def downgrade() -> None:
    op.execute(
        """
        alter table intake.upload drop column media_type;
        alter table intake.upload drop constraint upload_source_check;
        alter table intake.upload add constraint upload_source_check check (source in ('inbox', 'command line'));
        """
    )
