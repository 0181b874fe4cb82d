"""A sync of one organization with an accounting system as Dagster tells of it, in metadata and checks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import dagster as dg
from sqlalchemy import Connection

from invoice_pipelines.accounting.reports import EntityReport, Health, SyncReport
from invoice_pipelines.accounting.system import AccountingSystem, SyncedEntity
from invoice_pipelines.defs.checks import evaluated, severity
from invoice_pipelines.defs.domain import StageResult, Turn
from invoice_pipelines.defs.metadata import table

SHARE = timedelta(minutes=3)
"""How long one of many organizations may take, so that each has its turn; the next run takes what is left."""


def not_connected(system: AccountingSystem) -> str:
    """Why an organization is skipped."""
    return f"not connected to {system.title}"


def sync(
    system: AccountingSystem,
    turn: Turn,
    entities: Sequence[SyncedEntity],
    *,
    push: bool = True,
    pull: bool = True,
    full: bool = False,
    share: timedelta | None = None,
) -> SyncReport:
    """Syncs entities of an organization; `share` is how long that may take at the most, None: the time of a run."""
    organization = turn.organization
    return system.sync(
        organization,
        [entity.name for entity in entities],
        push=push,
        pull=pull,
        full=full,
        time_box=min(organization.time_box, share or organization.time_box),
        on_progress=turn.log.info,
    )


def result_of(system: AccountingSystem, turn: Turn, entity: SyncedEntity, report: SyncReport) -> StageResult:
    """What of a sync concerns an entity, and whether its promises hold now."""
    with turn.organization.scope() as connection:
        results = evaluated(entity.promises, connection)
        for promise in entity.promises:
            if promise.find is None:
                results.append(_check_connection(system, connection, promise.name, turn.organization.slug))
    if not report.is_connected:
        return StageResult(False, {}, results, idle=not_connected(system))
    told = report.entities.get(entity.name, EntityReport(False, {}))
    jobs = told.pushed.jobs if told.pushed else ()
    return StageResult(
        told.happened, {name: _shown(value) for name, value in told.shown.items()}, results, batch_jobs=jobs
    )


def _check_connection(system: AccountingSystem, connection: Connection, name: str, slug: str) -> dg.AssetCheckResult:
    """The state of the connection of the organization in scope."""
    found = system.health(connection, slug)
    return dg.AssetCheckResult(
        check_name=name,
        passed=found.health in (Health.FINE, Health.NONE),
        severity=severity(warns=found.health is not Health.BROKEN),
        metadata={"state": str(found.health)} | ({"why": found.why} if found.why else {}),
    )


def _shown(value: object) -> Any:
    """Rows as a table, an instant as one, anything else as it is."""
    if isinstance(value, list):
        return table(value)
    return dg.MetadataValue.timestamp(value) if isinstance(value, datetime) else value
