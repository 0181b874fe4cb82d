"""The push of an organization: what waits here is sent to its QuickBooks company.

    report = push(engine, settings, organization_id, EntityType.INVOICE, time_box=timedelta(minutes=30))

What one thread does is in `sending`, what the threads share in `shared`. Entries come from change capture (capture.sql)
and from batch jobs; both say "look at it", and what is done follows from the present state.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Connection, Engine, text

from invoice_pipelines.quickbooks.api.client import QuickBooks
from invoice_pipelines.quickbooks.api.faults import QuickBooksError
from invoice_pipelines.quickbooks.api.rate import Limits
from invoice_pipelines.quickbooks.connection.connections import find_connection
from invoice_pipelines.quickbooks.push.report import PushProgress, PushReport
from invoice_pipelines.quickbooks.push.sending import Sender
from invoice_pipelines.quickbooks.push.shared import Shared
from invoice_pipelines.quickbooks.values import EntityType
from invoice_pipelines.settings import Settings


def push(
    engine: Engine,
    settings: Settings,
    organization_id: UUID,
    entity: EntityType,
    *,
    limits: Limits | None = None,
    time_box: timedelta,
    on_progress: Callable[[PushProgress], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> PushReport:
    """Sends what waits of an entity until nothing is left, the time is up or `should_stop()` says so.

    What was sent and not answered comes first, as it was and in its order (see open_batches): where that rests, or
    another push sends it, nothing else is sent, and the report says why. Any number of pushes may run at once. Where
    the company cannot be reached any more, what is left is given back and the report says so; raises RealmPaused where
    that is so from the start, and QuickBooksError without a connection.
    """
    with QuickBooks(engine, settings, organization_id, limits=limits) as quickbooks:
        shared = Shared(
            engine,
            settings,
            organization_id,
            quickbooks,
            entity,
            limits or Limits.of(settings),
            time_box,
            should_stop,
            lambda shared: Sender(shared).turn,
        )
        return shared.run(settings.quickbooks_parallel_calls, on_progress)


def enqueue_backlog(
    connection: Connection, entity: EntityType, *, created_by: str = "push of the backlog"
) -> UUID | None:
    """Asks for all of the organization in scope that QuickBooks never had, as one batch job; None: nothing is missing.

    Raises QuickBooksError without a connection.
    """
    connected = find_connection(connection)
    if connected is None or connected.status == "disconnected":
        raise QuickBooksError("The organization is not connected with QuickBooks; `quickbooks connect` does that.")
    job: UUID | None = connection.execute(
        text("select quickbooks.enqueue_backlog(:realm, :entity, :creator)"),
        {"realm": connected.realm_id, "entity": entity.value, "creator": created_by},
    ).scalar_one()
    return job
