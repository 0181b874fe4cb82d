"""A sync of one organization as Dagster tells of it, in metadata and checks.

What speaks to QuickBooks is loaded when it is needed, as loading Dagster must not wait for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

import dagster as dg
from sqlalchemy import Connection

from invoice_pipelines.defs.checks import evaluated, severity
from invoice_pipelines.defs.domain import StageResult, Turn
from invoice_pipelines.defs.quickbooks.metadata import sync_metadata
from invoice_pipelines.quickbooks.promises import CONNECTION_IS_HEALTHY, PROMISES, Health, connection_health
from invoice_pipelines.quickbooks.values import EntityType

if TYPE_CHECKING:
    from invoice_pipelines.quickbooks.sync import SyncReport

SHARE = timedelta(minutes=3)
"""How long one of many organizations may take, so that each has its turn; the next run takes what is left."""
NOT_CONNECTED = "not connected to QuickBooks"


def sync(
    turn: Turn,
    entities: Sequence[EntityType],
    *,
    push: bool = True,
    pull: bool = True,
    full: bool = False,
    share: timedelta | None = None,
) -> SyncReport:
    """Syncs entities of an organization; `share` is how long that may take at the most, None: the time of a run."""
    from invoice_pipelines.quickbooks.sync import sync

    organization = turn.organization
    return sync(
        organization.engine,
        organization.settings,
        organization.id,
        entities,
        do_push=push,
        do_pull=pull,
        full=full,
        time_box=min(organization.time_box, share or organization.time_box),
        on_progress=turn.log.info,
    )


def result_of(turn: Turn, entity: EntityType, report: SyncReport) -> StageResult:
    """What of a sync concerns an entity, and whether its promises hold now."""
    organization = turn.organization
    with organization.scope() as connection:
        results = [
            *evaluated(PROMISES[entity], connection, entity),
            check_connection(connection, organization.slug),
        ]
        if not report.is_connected:
            return StageResult(False, {"skipped": NOT_CONNECTED}, results)
        shown = sync_metadata(connection, entity, report, organization.settings)
    return StageResult(_happened(entity, report), shown, results)


def check_connection(connection: Connection, slug: str) -> dg.AssetCheckResult:
    """How it stands with the connection of the organization in scope."""
    found = connection_health(connection, slug)
    return dg.AssetCheckResult(
        check_name=CONNECTION_IS_HEALTHY.name,
        passed=found.health in (Health.FINE, Health.NONE),
        severity=severity(warns=found.health is not Health.BROKEN),
        metadata={"state": str(found.health)} | ({"why": found.why} if found.why else {}),
    )


def _happened(entity: EntityType, report: SyncReport) -> bool:
    """Whether there is something to tell: a look at what did not change is not worth a materialization."""
    counts = []
    if entity in report.pulled:
        pulled = report.pulled[entity].applied
        counts += [pulled.created, pulled.updated, pulled.conflicts, pulled.quarantined]
    if entity in report.pushed:
        pushed = report.pushed[entity]
        counts += [pushed.created, pushed.updated, pushed.voided, pushed.skipped, pushed.failed, pushed.retried]
    return report.stopped is not None or any(counts)
