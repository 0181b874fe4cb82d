"""Delivery: what became of a message is found by it."""

from alembic import op

revision = "0113"
down_revision = "0112"


def upgrade() -> None:
    op.execute("create index message_event_of_message on delivery.message_event (message_id, organization_id)")


def downgrade() -> None:
    op.execute("drop index delivery.message_event_of_message")
