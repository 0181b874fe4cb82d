"""The push of an organization: what waits here is sent to its QuickBooks company.

    report = push(engine, settings, organization_id, EntityType.INVOICE, time_box=timedelta(minutes=30))

What one thread does is in `sending`, what they know of one another in `pushing`. Entries come from change capture
(capture.sql) and from batch jobs; both say "look at it", and what is done follows from the present state.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import timedelta
from functools import partial
from uuid import UUID

from sqlalchemy import Engine

from invoice_pipelines.quickbooks.api.client import QuickBooks
from invoice_pipelines.quickbooks.api.faults import Fault
from invoice_pipelines.quickbooks.api.rate import Limits
from invoice_pipelines.quickbooks.invoices.chosen_items import find_accounts
from invoice_pipelines.quickbooks.push.pushing import Pushing, PushReport
from invoice_pipelines.quickbooks.push.sending import Sender
from invoice_pipelines.quickbooks.values import KINDS, EntityType
from invoice_pipelines.settings import Settings
from invoice_pipelines.work import Progress, enqueue

log = logging.getLogger(__name__)


def push(
    engine: Engine,
    settings: Settings,
    organization_id: UUID,
    entity: EntityType,
    *,
    limits: Limits | None = None,
    time_box: timedelta,
    on_progress: Callable[[Progress], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> PushReport:
    """Sends what waits of an entity until nothing is left, the time is up or `should_stop()` says so.

    What was sent and not answered comes first, as it was and in its order (see open_batches): where that rests, or
    another push sends it, nothing else is sent, and the report says why. Any number of pushes may run at once. Where
    the company cannot be reached any more, what is left is given back and the report says so; raises RealmPaused where
    that is so from the start, and QuickBooksError without a connection.
    """
    limits = limits or Limits.of(settings)
    with QuickBooks(engine, settings, organization_id, limits=limits) as quickbooks:
        begin = partial(Pushing, engine, settings, organization_id, quickbooks, limits=limits)

        def work(pushing: Pushing) -> PushReport:
            if pushing.entity is EntityType.ITEM and pushing.run.progress().due > 0:
                pushing.hints.accounts = find_accounts(quickbooks)
            pushing.run.work(
                lambda: Sender(pushing, lambda missing: bring(pushing, missing)).turns(),
                settings.quickbooks_parallel_calls,
            )
            return pushing.report()

        def bring(pushing: Pushing, missing: Iterable[tuple[EntityType, UUID]]) -> None:
            """Brings customers and items that invoices need to QuickBooks first; one thread does it for all."""
            wanted: dict[EntityType, set[UUID]] = {}
            for entity, local_id in missing:
                wanted.setdefault(entity, set()).add(local_id)
            with pushing.bringing:
                for entity in (each for each in KINDS if each in wanted):
                    with pushing.run.scope() as connection:
                        enqueue(connection, KINDS[entity], sorted(map(str, wanted[entity])))
                    needed = frozenset(wanted[entity])
                    left = pushing.run.time_left()
                    others = begin(entity=entity, time_box=left, should_stop=pushing.run.is_over, needed=needed)
                    try:
                        pushing.count_batches(work(others).batches)
                    except Fault as fault:
                        log.warning("The %s that invoices need could not be brought: %s", entity.plural, fault)

        return work(begin(entity=entity, time_box=time_box, on_progress=on_progress, should_stop=should_stop))
