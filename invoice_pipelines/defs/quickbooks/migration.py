"""What a migration backfills over organizations: one asset takes a whole company in, one sends a backlog. Both go on
where they stopped, and neither runs by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

from invoice_pipelines.defs.domain import Stage, StageResult, Turn
from invoice_pipelines.defs.quickbooks.config import PUSHED, entities_of
from invoice_pipelines.defs.quickbooks.metadata import jobs_table, prefixed
from invoice_pipelines.defs.quickbooks.sync import NOT_CONNECTED, result_of, sync
from invoice_pipelines.promises import Promise
from invoice_pipelines.quickbooks.values import EntityType
from invoice_pipelines.work import get_job

if TYPE_CHECKING:
    from invoice_pipelines.quickbooks.sync import SyncReport

IMPORTED = ("customers", "items", "payments")
CAME_TO_THE_END = Promise(
    "came_to_the_end",
    "All of the company is here. If not, it goes on by itself within a quarter of an hour, or at once when this is run "
    "again.",
    warns=True,
)
ALL_WAS_SENT = Promise(
    "all_was_sent",
    "Nothing of the backlog failed or waits. What waits is sent by the next runs, by themselves.",
    warns=True,
)


class Import(dg.Config):
    """What of a company is taken in. There is no default: a company is never read in full by a careless click on all
    assets, as reading is metered.
    """

    entities: list[str] = Field(description="Some of customers, items, payments.")


def import_company(turn: Turn, config: Import) -> StageResult:
    """Reads a company in full."""
    entities = entities_of(config.entities, IMPORTED)
    report = sync(turn, entities, push=False, full=True)
    if not report.is_connected:
        return _skipped(CAME_TO_THE_END)
    unfinished = [
        str(entity) for entity in entities if entity not in report.pulled or not report.pulled[entity].finished
    ]
    check = _warning(CAME_TO_THE_END, not unfinished, {"unfinished": ", ".join(unfinished) or "nothing"})
    return StageResult(True, _shown(turn, entities, report), [check])


class Backlog(dg.Config):
    """What is sent. There is no default: a backlog is never sent by a careless click on all assets."""

    entities: list[str] = Field(
        description="Some of customers, items, invoices. What an invoice needs is sent before it all the same."
    )


def push_backlog(turn: Turn, config: Backlog) -> StageResult:
    """Asks for all records that QuickBooks never had, and sends them."""
    from invoice_pipelines.quickbooks.connection.connections import find_connection
    from invoice_pipelines.quickbooks.push.push import enqueue_backlog

    entities = entities_of(config.entities, PUSHED)
    with turn.organization.scope() as connection:
        connected = find_connection(connection)
        if connected is None or connected.status == "disconnected":
            return _skipped(ALL_WAS_SENT)
        asked = [enqueue_backlog(connection, entity) for entity in entities]
    jobs = [job for job in asked if job is not None]
    turn.log.info("%s batch jobs", len(jobs))
    report = sync(turn, entities_of(PUSHED), pull=False)
    shown = _shown(turn, entities, report)
    with turn.organization.scope() as connection:
        stand = [get_job(connection, job) for job in jobs]
    open_items = sum(job.total_items - job.processed_items for job in stand)
    failed = sum(job.failed_items for job in stand)
    check = _warning(ALL_WAS_SENT, not open_items and not failed, {"waiting": open_items, "failed": failed})
    return StageResult(True, {"jobs": jobs_table(stand), **shown}, [check])


def _shown(turn: Turn, entities: Sequence[EntityType], report: SyncReport) -> dict[str, Any]:
    return {
        name: value
        for entity in entities
        for name, value in prefixed(entity, result_of(turn, entity, report).shown).items()
    }


def _skipped(promise: Promise) -> StageResult:
    check = dg.AssetCheckResult(check_name=promise.name, passed=True, metadata={"state": NOT_CONNECTED})
    return StageResult(False, {"skipped": NOT_CONNECTED}, [check])


def _warning(promise: Promise, kept: bool, metadata: Mapping[str, Any]) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=promise.name, passed=kept, severity=dg.AssetCheckSeverity.WARN, metadata=metadata
    )


IMPORTED_COMPANY = Stage(
    key=dg.AssetKey(["quickbooks", "imported_company"]),
    description="All that a QuickBooks company has of customers, items and payments, read in full: backfill it over "
    "organizations\nthat are new. It goes on where it was killed or its time was up, and doing it again changes "
    "nothing.",
    kinds=frozenset({"quickbooks", "postgres"}),
    config=Import,
    work=import_company,
    promises=(CAME_TO_THE_END,),
)
PUSHED_BACKLOG = Stage(
    key=dg.AssetKey(["quickbooks", "pushed_backlog"]),
    description="All records that QuickBooks never had, asked for as one batch job for each entity and sent: backfill "
    "it over the\norganizations that a migration brought. Doing it again sends what is missing by then, and nothing "
    "twice.",
    kinds=frozenset({"quickbooks"}),
    deps=[dg.AssetKey(["billing", "issued_invoices"])],
    config=Backlog,
    work=push_backlog,
    promises=(ALL_WAS_SENT,),
)
