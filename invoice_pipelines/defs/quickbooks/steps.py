"""Holds the sync as Dagster reports it: sync an organization, and say what was done in metadata and checks. The assets
do it for their partition, sweeps for many organizations.

What speaks to QuickBooks is loaded when it is needed, as loading Dagster must not wait for it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import dagster as dg

from invoice_pipelines.database import organization_scope
from invoice_pipelines.defs.quickbooks import checks
from invoice_pipelines.defs.quickbooks.config import NAMES, refusals_fail_the_run
from invoice_pipelines.defs.quickbooks.metadata import sync_metadata
from invoice_pipelines.defs.resources import InvoiceDatabase
from invoice_pipelines.defs.sweep import StepResult, Steps
from invoice_pipelines.organizations import Organization, find_organization
from invoice_pipelines.quickbooks.values import EntityType

if TYPE_CHECKING:
    from invoice_pipelines.quickbooks.sync import SyncReport

SHARE = timedelta(minutes=3)
"""How long one of many organizations may take, so that each has its turn; the next run takes what is left."""

ASSETS = {entity: dg.AssetKey(["quickbooks", name]) for name, entity in NAMES.items()}
NOT_CONNECTED = "not connected to QuickBooks"


def sync_one(
    context: dg.AssetExecutionContext,
    database: InvoiceDatabase,
    entity: EntityType,
    push: bool,
    pull: bool,
    full: bool,
) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Syncs an entity of the organization of a partition. One without a connection is left as it is, so that a backfill
    over all organizations does not fail for it.
    """
    with refusals_fail_the_run():
        organization = find_organization(database.engine, context.partition_key)
        report = sync_organization(
            database, organization, [entity], context.log, push=push, pull=pull, full=full, share=None
        )
        return result_of(database, organization, entity, report).materialization()


def steps_of(
    entities: Sequence[EntityType], push: bool = True, pull: bool = True, full: bool = False, *, among_many: bool
) -> Steps:
    """The steps of a sweep: one sync of all entities, so that one call asks for all changes, and a result for each."""
    return partial(_steps, entities, push, pull, full, SHARE if among_many else None)


def _steps(
    entities: Sequence[EntityType],
    push: bool,
    pull: bool,
    full: bool,
    share: timedelta | None,
    database: InvoiceDatabase,
    slug: str,
    log: logging.Logger,
) -> Iterator[tuple[dg.AssetKey, StepResult]]:
    organization = find_organization(database.engine, slug)
    report = sync_organization(database, organization, entities, log, push=push, pull=pull, full=full, share=share)
    if not report.is_connected:
        log.info("%s is skipped: it is %s", slug, NOT_CONNECTED)
        return
    for entity in entities:
        if entity in report.pulled or entity in report.pushed or report.stopped:
            yield ASSETS[entity], result_of(database, organization, entity, report)


def sync_organization(
    database: InvoiceDatabase,
    organization: Organization,
    entities: Sequence[EntityType],
    log: logging.Logger,
    *,
    push: bool,
    pull: bool,
    full: bool,
    share: timedelta | None,
) -> SyncReport:
    """Syncs entities of an organization; `share` is how long that may take at the most, None: the time of a run."""
    from invoice_pipelines.quickbooks.sync import sync

    box = timedelta(seconds=database.settings.run_time_box_seconds)
    return sync(
        database.engine,
        database.settings,
        organization.id,
        entities,
        do_push=push,
        do_pull=pull,
        full=full,
        time_box=min(box, share or box),
        on_progress=log.info,
    )


def result_of(
    database: InvoiceDatabase, organization: Organization, entity: EntityType, report: SyncReport
) -> StepResult:
    """What of a sync concerns an entity, and whether its promises hold now."""
    with organization_scope(database.engine, organization.id) as connection:
        results = checks.check_sync(connection, entity, organization.slug)
        if not report.is_connected:
            return StepResult(False, {"skipped": NOT_CONNECTED}, results)
        shown = sync_metadata(connection, entity, report, database.settings)
    return StepResult(_happened(entity, report), shown, results)


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
