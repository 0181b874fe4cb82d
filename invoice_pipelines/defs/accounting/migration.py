"""What a migration backfills over organizations: one asset takes a whole company in, one sends a backlog. Both go on
where they stopped, and neither runs by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
from pydantic import Field, create_model

from invoice_pipelines.accounting.reports import Health, SyncReport
from invoice_pipelines.accounting.system import AccountingSystem, SyncedEntity, entities_named
from invoice_pipelines.defs.accounting.sync import not_connected, result_of, sync
from invoice_pipelines.defs.choices import choice
from invoice_pipelines.defs.domain import Stage, StageResult, Turn
from invoice_pipelines.defs.metadata import table
from invoice_pipelines.promises import Promise
from invoice_pipelines.work import Job, get_job

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


class Chosen(dg.Config):
    """Which entities. They must be named: nothing is read in full or sent by a careless click on all assets."""

    entities: list[str]


def import_of(system: AccountingSystem) -> Stage:
    """Reads a company in full."""

    def chosen(config: Chosen) -> tuple[SyncedEntity, ...]:
        return entities_named(system, config.entities, lambda entity: entity.imported)

    def work(turn: Turn, config: Chosen) -> StageResult:
        entities = chosen(config)
        report = sync(system, turn, entities, push=False, full=True)
        if not report.is_connected:
            return _skipped(system, CAME_TO_THE_END)
        pulls = {entity.name: report.entities[entity.name].pulled for entity in entities}
        unfinished = [name for name, pulled in pulls.items() if pulled is None or not pulled.finished]
        check = _warning(CAME_TO_THE_END, not unfinished, {"unfinished": ", ".join(unfinished) or "nothing"})
        return StageResult(True, _shown(system, turn, entities, report), [check])

    names = [entity.name for entity in system.entities if entity.imported]
    return Stage(
        key=dg.AssetKey([system.name, "imported_company"]),
        description=f"All that a {system.title} company has of {_listed(names)}, read in full: backfill it over "
        "organizations\nthat are new. It goes on where it was killed or its time was up, and doing it again changes "
        "nothing.",
        kinds=frozenset({system.name, "postgres"}),
        config=_config("Import", names),
        refuse=chosen,
        for_migrations={"entities": names},
        work=work,
        promises=(CAME_TO_THE_END,),
    )


def backlog_of(system: AccountingSystem) -> Stage:
    """Asks for all records that the system never had, and sends them."""

    def chosen(config: Chosen) -> tuple[SyncedEntity, ...]:
        return entities_named(system, config.entities, lambda entity: entity.pushed)

    def work(turn: Turn, config: Chosen) -> StageResult:
        entities = chosen(config)
        pushed = [entity for entity in system.entities if entity.pushed]
        with turn.organization.scope() as connection:
            if system.health(connection, turn.organization.slug).health is Health.NONE:
                return _skipped(system, ALL_WAS_SENT)
            asked = [system.enqueue_backlog(connection, entity.name) for entity in entities]
        jobs = [job for job in asked if job is not None]
        turn.log.info("%s batch jobs", len(jobs))
        report = sync(system, turn, pushed, pull=False)
        shown = _shown(system, turn, entities, report)
        with turn.organization.scope() as connection:
            stand = [get_job(connection, job) for job in jobs]
        open_items = sum(job.total_items - job.processed_items for job in stand)
        failed = sum(job.failed_items for job in stand)
        check = _warning(ALL_WAS_SENT, not open_items and not failed, {"waiting": open_items, "failed": failed})
        return StageResult(True, {"jobs": _table_of(stand), **shown}, [check], batch_jobs=jobs)

    names = [entity.name for entity in system.entities if entity.pushed]
    return Stage(
        key=dg.AssetKey([system.name, "pushed_backlog"]),
        description=f"All records that {system.title} never had, asked for as one batch job for each entity and sent: "
        "backfill it over the\norganizations that a migration brought. Doing it again sends what is missing by then, "
        "and nothing twice.",
        kinds=frozenset({system.name}),
        deps=[
            dg.AssetKey(["billing", "issued_invoices"]),
            dg.AssetKey(["billing", "backlog"]),
            *([dg.AssetKey([system.name, "imported_company"])] if any(e.imported for e in system.entities) else []),
        ],
        config=_config("Backlog", names, " What an invoice needs is sent before it all the same."),
        refuse=chosen,
        for_migrations={"entities": names},
        work=work,
        promises=(ALL_WAS_SENT,),
    )


def _config(name: str, entities: Sequence[str], note: str = "") -> type[Chosen]:
    described: Any = Field(default=[], description=f"Some of {', '.join(entities)}. They must be named.{note}")
    some: Any = list.__class_getitem__(choice(f"{name}Entity", entities))
    return create_model(name, __base__=Chosen, __doc__=Chosen.__doc__, entities=(some, described))


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _shown(
    system: AccountingSystem, turn: Turn, entities: Sequence[SyncedEntity], report: SyncReport
) -> dict[str, Any]:
    """What of a sync concerns each of several entities that are shown together."""
    return {
        f"{entity.name}: {name}": value
        for entity in entities
        for name, value in result_of(system, turn, entity, report).shown.items()
    }


def _table_of(jobs: Sequence[Job]) -> dg.TableMetadataValue:
    """Batch jobs as they stand."""
    return table(
        [
            {
                "job": str(job.id),
                "kind": job.kind,
                "status": str(job.status),
                "items": job.total_items,
                "sent": job.successful_items,
                "failed": job.failed_items,
                "nothing to do": job.skipped_items,
                "seconds left": "" if job.eta_seconds is None else f"{job.eta_seconds:.0f}",
            }
            for job in jobs
        ]
    )


def _skipped(system: AccountingSystem, promise: Promise) -> StageResult:
    check = dg.AssetCheckResult(check_name=promise.name, passed=True, metadata={"state": not_connected(system)})
    return StageResult(False, {}, [check], idle=not_connected(system))


def _warning(promise: Promise, kept: bool, metadata: Mapping[str, Any]) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=promise.name, passed=kept, severity=dg.AssetCheckSeverity.WARN, metadata=metadata
    )
