"""The sync of an organization as a whole: read what was changed there, then send what waits here.

It is what Dagster, the command line and the demo call; how one reads and sends is in `pull` and `push`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from sqlalchemy import Engine, text

from invoice_pipelines.quickbooks.api.faults import RealmPaused
from invoice_pipelines.quickbooks.api.usage import Usage, read_usage
from invoice_pipelines.quickbooks.connection.connections import find_connection
from invoice_pipelines.quickbooks.pull.pull import PullReport, pull
from invoice_pipelines.quickbooks.push.push import push
from invoice_pipelines.quickbooks.push.report import PushReport
from invoice_pipelines.quickbooks.values import KINDS, EntityType
from invoice_pipelines.settings import Settings
from invoice_pipelines.work import Progress, Run

TIME_BOX = timedelta(minutes=30)
SECONDS_BETWEEN_LINES = 5.0
BY_ITSELF = ("empty", "time box", "asked to stop")
"""Ends of a push that are no trouble."""


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What a sync did. `pulled` and `pushed` have the entities that it came to; `stopped` says why it came to no more,
    such as a connection that must be made again. Without a connection nothing is done, and that is no error.
    `started_at` is by the clock of PostgreSQL, like all that is recorded.
    """

    is_connected: bool
    pulled: Mapping[EntityType, PullReport]
    pushed: Mapping[EntityType, PushReport]
    stopped: str | None
    usage: Usage
    started_at: datetime
    seconds: float


def sync(
    engine: Engine,
    settings: Settings,
    organization_id: UUID,
    entities: Sequence[EntityType] = tuple(EntityType),
    *,
    do_push: bool = True,
    do_pull: bool = True,
    full: bool = False,
    time_box: timedelta = TIME_BOX,
    on_progress: Callable[[str], None] | None = None,
) -> SyncReport:
    """Pulls, then pushes, the entities of an organization until all is done or the time is up.

    What is read first need not be asked for again when something is sent: a customer that both sides have is linked
    instead of refused. With `full` all is read, not only what was changed since the last pull. `on_progress` gets a
    line every few seconds. Raises Fault where QuickBooks fails as a whole; what is wrong with single records is in the
    reports.
    """
    run = Run(engine, organization_id, [], lease=timedelta(seconds=settings.lease_seconds), time_box=time_box)
    tell = _now_and_then(on_progress)
    with run.scope() as connection:
        connected = find_connection(connection)
        started_at: datetime = connection.execute(text("select now()")).scalar_one()
        before = read_usage(connection, started_at)
    if connected is None or connected.status == "disconnected":
        return SyncReport(False, {}, {}, None, Usage(), started_at, run.seconds())

    def time_left() -> timedelta:
        return max(time_box - timedelta(seconds=run.seconds()), timedelta())

    pulled: dict[EntityType, PullReport] = {}
    pushed: dict[EntityType, PushReport] = {}
    stopped = None
    try:
        if do_pull:
            pulled = pull(
                engine,
                settings,
                organization_id,
                entities,
                full=full,
                time_box=run.time_left(),
                on_progress=lambda report: tell(f"{report.entity}s: {report.documents} read"),
            )
        for entity in KINDS if do_push else ():
            if entity in entities:
                pushed[entity] = push(
                    engine,
                    settings,
                    organization_id,
                    entity,
                    time_box=run.time_left(),
                    on_progress=partial(_tell_push, tell, entity),
                )
    except RealmPaused as paused:
        stopped = str(paused)
    stopped = stopped or next(_reasons(pulled, pushed), None)
    with run.scope() as connection:
        after = read_usage(connection, started_at)
    used = Usage(**{name: count - getattr(before, name) for name, count in asdict(after).items()})
    return SyncReport(True, pulled, pushed, stopped, used, started_at, run.seconds())


def _reasons(pulled: Mapping[EntityType, PullReport], pushed: Mapping[EntityType, PushReport]) -> Iterator[str]:
    """Why the company could not be reached any more in between."""
    yield from (report.stopped for report in pulled.values() if report.stopped)
    yield from (report.ended for report in pushed.values() if report.ended not in BY_ITSELF)


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
    tell(f"{entity}s: {progress.done} of {total} sent, {60 * progress.items_per_second:.0f} a minute{eta}")
