"""Where endpoints are to be told something now. Needs no organization scope."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Connection, text

from invoice_pipelines.events.values import SEND_WEBHOOK
from invoice_pipelines.work import organizations_with_work

LOOK_AHEAD = 1000
"""How many events an endpoint may be behind that it does not want, before somebody passes over them."""


def organizations_with_webhooks(connection: Connection) -> set[UUID]:
    """Where events wait to be told, or were not taken and are due again."""
    rows = connection.execute(
        text("select organization_id from events.organizations_to_dispatch(:look_ahead)"), {"look_ahead": LOOK_AHEAD}
    )
    return set(rows.scalars()) | {work.organization_id for work in organizations_with_work(connection, (SEND_WEBHOOK,))}
