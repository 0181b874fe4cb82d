"""The sync of an organization as a whole: read what was changed there, then send what waits here.

It is what Dagster, the command line and the demo call; how one reads and sends is in `pull` and `push`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import Connection, text

from invoice_pipelines.accounting.reports import EntityReport, Pulled, Pushed, SyncReport
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.quickbooks import overview
from invoice_pipelines.quickbooks.api.faults import RealmPaused
from invoice_pipelines.quickbooks.api.usage import read_usage
from invoice_pipelines.quickbooks.connection.connections import find_connection, give_tokens_back
from invoice_pipelines.quickbooks.pull.asked import pull_what_is_asked_for
from invoice_pipelines.quickbooks.pull.pull import PullReport
from invoice_pipelines.quickbooks.pull.pull import pull as read
from invoice_pipelines.quickbooks.push.push import push as send
from invoice_pipelines.quickbooks.push.pushing import PushReport
from invoice_pipelines.quickbooks.values import KINDS, EntityType
from invoice_pipelines.work import Progress, Run

SECONDS_BETWEEN_LINES = 5.0
BY_ITSELF = ("empty", "time box", "asked to stop")
"""Ends of a push that are no trouble."""


def sync(
    organization: OrganizationContext,
    entities: Sequence[EntityType],
    *,
    push: bool = True,
    pull: bool = True,
    full: bool = False,
    time_box: timedelta,
    on_progress: Callable[[str], None] | None = None,
) -> SyncReport:
    """Pulls, then pushes, the entities of an organization until all is done or the time is up.

    What is read first need not be asked for again when something is sent: a customer that both sides have is linked
    instead of refused. With `full` all is read, not only what was changed since the last pull. `on_progress` gets a
    line every few seconds. Raises Fault where QuickBooks fails as a whole; what is wrong with single records is in the
    report.
    """
    where = (organization.engine, organization.settings, organization.id)
    lease = timedelta(seconds=organization.settings.lease_seconds)
    run = Run(organization.engine, organization.id, [], lease=lease, time_box=time_box)
    tell = _now_and_then(on_progress)
    with run.scope() as connection:
        connected = find_connection(connection)
        started_at: datetime = connection.execute(text("select now()")).scalar_one()
        before = read_usage(connection, started_at)
    if connected is None or connected.status == "disconnected":
        give_tokens_back(*where)
        return SyncReport(False, {})
    pulled: Mapping[EntityType, PullReport] = {}
    pushed: dict[EntityType, PushReport] = {}
    stopped = None
    try:
        if push:
            asked = pull_what_is_asked_for(
                organization, run.time_left(), lambda report: tell(f"{report.entity.plural}: {report.documents} read")
            )
            pulled = {entity: report for entity, report in asked.items() if entity in entities}
        if pull:
            pulled = read(
                *where,
                entities,
                full=full,
                time_box=run.time_left(),
                on_progress=lambda report: tell(f"{report.entity.plural}: {report.documents} read"),
            )
        for entity in KINDS if push else ():
            if entity in entities:
                told = partial(_tell_push, tell, entity)
                pushed[entity] = send(*where, entity, time_box=run.time_left(), on_progress=told)
    except RealmPaused as paused:
        stopped = str(paused)
    # Why the company could not be reached any more in between.
    reasons = [report.stopped for report in pulled.values() if report.stopped]
    reasons += [report.ended for report in pushed.values() if report.ended not in BY_ITSELF]
    stopped = stopped or next(iter(reasons), None)
    with run.scope() as connection:
        used = read_usage(connection, started_at) - before
        calls = overview.shown_of_calls(used, run.seconds(), organization.settings)
        reports = {
            entity.plural: _report(
                connection, entity, pulled.get(entity), pushed.get(entity), stopped, calls, started_at
            )
            for entity in entities
        }
    return SyncReport(True, reports, stopped, used.calls, run.seconds())


def _report(
    connection: Connection,
    entity: EntityType,
    pulled: PullReport | None,
    pushed: PushReport | None,
    stopped: str | None,
    calls: Mapping[str, object],
    started_at: datetime,
) -> EntityReport:
    """What of a sync concerns an entity; a look at what did not change is nothing to tell of."""
    counts = 0
    shown: dict[str, object] = {"stopped": stopped} if stopped else {}
    read = sent = None
    if pulled is not None:
        applied = pulled.applied
        counts += applied.created + applied.updated + applied.conflicts + applied.quarantined
        read = Pulled(pulled.documents, applied.created, applied.updated, applied.conflicts, pulled.finished)
        shown |= overview.shown_of_pull(pulled)
    if pushed is not None:
        counts += pushed.pushed + pushed.skipped + pushed.failed + pushed.retried
        sent = Pushed(pushed.pushed, pushed.failed, pushed.waiting + pushed.retried, pushed.failures, pushed.jobs)
        shown |= overview.shown_of_push(pushed)
    shown |= calls
    shown |= overview.shown_of(connection, entity, started_at)
    return EntityReport(stopped is not None or counts > 0, shown, read, sent)


def _now_and_then(on_progress: Callable[[str], None] | None) -> Callable[[str], None]:
    """Lets a line through every few seconds only: in Dagster each is kept as an event of the run."""
    shown_at = time.monotonic()

    def tell(line: str) -> None:
        nonlocal shown_at
        if on_progress is not None and time.monotonic() - shown_at >= SECONDS_BETWEEN_LINES:
            shown_at = time.monotonic()
            on_progress(line)

    return tell


def _tell_push(tell: Callable[[str], None], entity: EntityType, progress: Progress) -> None:
    eta = f", about {progress.eta_seconds:.0f} s left" if progress.eta_seconds else ""
    total = progress.done + progress.due
    tell(f"{entity.plural}: {progress.done} of {total} sent, {60 * progress.items_per_second:.0f} a minute{eta}")
