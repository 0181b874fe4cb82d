"""Pulls that somebody asked for, as batch jobs: an item is an entity, and is done when all changes of it are here.

The run that pushes does them, as it comes every minute. What takes longer than the time of one, the next goes on with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Connection

from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.quickbooks.api.faults import Fault, NotConnected, RealmPaused
from invoice_pipelines.quickbooks.connection.connections import connection_of
from invoice_pipelines.quickbooks.pull.pull import PullReport, pull
from invoice_pipelines.quickbooks.values import PULL, EntityType
from invoice_pipelines.work import Claim, Failed, Later, Outcome, Run, Succeeded, create_job, finish

_ATTEMPTS = 5
_REST = timedelta(minutes=5)


def ask_for_pull(
    connection: Connection, entities: Sequence[EntityType], *, full: bool = False, created_by: str
) -> UUID:
    """Asks to read what was changed of some entities, or with `full` everything, as one batch job; returns its id.
    Raises NotConnected.
    """
    if connection_of(connection).status == "disconnected":
        raise NotConnected
    return create_job(connection, PULL, [str(entity) for entity in entities], {"full": full}, created_by=created_by)


def pull_what_is_asked_for(
    organization: OrganizationContext, time_box: timedelta, on_progress: Callable[[PullReport], None]
) -> dict[EntityType, PullReport]:
    """Does the pulls that are asked for; a report for each entity that was read. Raises RealmPaused where the company
    cannot be reached, when they wait until it can.
    """
    run = Run(
        organization.engine,
        organization.id,
        [PULL],
        lease=timedelta(seconds=organization.settings.lease_seconds),
        time_box=time_box,
    )
    reports: dict[EntityType, PullReport] = {}

    def worker() -> Iterator[None]:
        while (claimed := run.claim(PULL, len(EntityType), max_attempts=_ATTEMPTS)) is not None:
            with run.holding([claimed]):
                paused = _do(run, organization, claimed, reports, on_progress)
            if paused is not None:
                raise paused
            yield

    run.work(worker)
    return reports


def _do(
    run: Run,
    organization: OrganizationContext,
    claimed: Claim,
    reports: dict[EntityType, PullReport],
    on_progress: Callable[[PullReport], None],
) -> RealmPaused | None:
    entities = [EntityType(item.subject_id) for item in claimed.items]
    paused: RealmPaused | None = None
    outcomes: list[Outcome]
    try:
        found = pull(
            organization.engine,
            organization.settings,
            organization.id,
            entities,
            full=bool(claimed.parameters.get("full")),
            time_box=run.time_left(),
            on_progress=on_progress,
        )
        outcomes = [_outcome(found[entity], run) for entity in entities]
        reports.update(found)
    except RealmPaused as error:
        paused, until = error, error.until or run.clock.now() + _REST
        outcomes = [Later(until, "PAUSED", error.reason) for _ in entities]
    except Fault as fault:
        outcomes = [Failed("QUICKBOOKS_FAULT", str(fault), retry=True) for _ in entities]
    run.let_go(claimed)
    with run.scope() as connection:
        finish(connection, claimed, outcomes)
    return paused


def _outcome(report: PullReport, run: Run) -> Outcome:
    if not report.finished:
        pause = _REST if report.stopped else timedelta(seconds=1)
        return run.later(pause, "NOT_FINISHED", report.stopped or "There is more to be read.")
    applied = report.applied
    return Succeeded(
        {
            "read": report.documents,
            "created": applied.created,
            "changed": applied.updated,
            "conflicts": applied.conflicts,
        }
    )
