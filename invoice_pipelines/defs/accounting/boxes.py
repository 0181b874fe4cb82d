"""The sync of one organization as a graph of ops: each box can be watched, and a run can be re-executed from the one
that failed.

What is read is applied in the transaction that says how far the reading got, so that a pull and what it applies are one
box. The job says with which accounting system.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg
from pydantic import Field

from invoice_pipelines.accounting.reports import Health, SyncReport
from invoice_pipelines.accounting.system import AccountingSystem, RequestError, SyncedEntity
from invoice_pipelines.accounting.systems import ACCOUNTING_SYSTEMS
from invoice_pipelines.defs.accounting.domain import stage_of
from invoice_pipelines.defs.accounting.sync import not_connected, result_of, sync
from invoice_pipelines.defs.refusals import REPEATABLE, refusals_fail_the_run
from invoice_pipelines.defs.resources import InvoiceDatabase
from invoice_pipelines.defs.sweep import report_stage, tag_batch_jobs, turn_of

SUFFIX = "_sync_one"
"""What the names of these jobs end with, behind that of the system."""


class SyncOne(dg.Config):
    """Whose books are synced, and how they are read."""

    organization: str = Field(description="Slug of the organization.")
    full: bool = Field(
        default=False, description="Read everything there, not only what was changed since the last pull."
    )


@dataclass(frozen=True, slots=True)
class AskedSync:
    """A sync that was asked for, as it goes from box to box."""

    organization: str
    full: bool


def applied(system: AccountingSystem) -> list[SyncedEntity]:
    """What is read for itself: customers and items."""
    with_others = {entity.name for entity in booked(system)}
    return [entity for entity in system.entities if entity.pulled and entity.name not in with_others]


def records(system: AccountingSystem) -> list[SyncedEntity]:
    """What is sent before that which refers to it: customers and items."""
    return [entity for entity in system.entities if entity.pushed][:-1]


def invoices(system: AccountingSystem) -> list[SyncedEntity]:
    """What is sent last."""
    return [entity for entity in system.entities if entity.pushed][-1:]


def booked(system: AccountingSystem) -> list[SyncedEntity]:
    """What is only read, and what is to be read before it: invoices, which are compared, and their payments."""
    read = [entity for entity in system.entities if entity.pulled and not entity.pushed]
    names = {name for entity in read for name in (*entity.pulled_with, entity.name)}
    return [entity for entity in system.entities if entity.name in names]


@dg.op(retry_policy=REPEATABLE)
@refusals_fail_the_run()
def check_connection(context: dg.OpExecutionContext, config: SyncOne, database: InvoiceDatabase) -> AskedSync:
    """Sees whether the company can be reached, as far as is known here; asks nothing of it."""
    system = _system(context)
    organization = turn_of(context, database, config.organization).organization
    with organization.scope() as connection:
        found = system.health(connection, organization.slug)
    if found.health is Health.NONE:
        raise _not_connected(system, organization.slug)
    if found.health is Health.BROKEN:
        raise RequestError(f"{organization.slug}: {found.why}")
    context.add_output_metadata({"connection": str(found.health)} | ({"why": found.why} if found.why else {}))
    return AskedSync(config.organization, config.full)


@dg.op(retry_policy=REPEATABLE)
@refusals_fail_the_run()
def pull_and_apply(context: dg.OpExecutionContext, asked: AskedSync, database: InvoiceDatabase) -> AskedSync:
    """Reads what was changed of customers and items, and applies it page by page; what both sides changed is a
    conflict. A pull goes on where it stopped.
    """
    return _sync(context, asked, database, applied, pull=True)


@dg.op(retry_policy=REPEATABLE)
@refusals_fail_the_run()
def push_records(context: dg.OpExecutionContext, asked: AskedSync, database: InvoiceDatabase) -> AskedSync:
    """Sends the customers and items that wait. Each change is sent once."""
    return _sync(context, asked, database, records)


@dg.op(retry_policy=REPEATABLE)
@refusals_fail_the_run()
def push_invoices(context: dg.OpExecutionContext, asked: AskedSync, database: InvoiceDatabase) -> AskedSync:
    """Sends the invoices that wait, with what they need. Each is sent once."""
    return _sync(context, asked, database, invoices)


@dg.op(retry_policy=REPEATABLE)
@refusals_fail_the_run()
def pull_and_book(context: dg.OpExecutionContext, asked: AskedSync, database: InvoiceDatabase) -> AskedSync:
    """Reads payments and books them on the invoices that they pay, and those that waited for their invoice; compares
    invoices with what is there. Each payment is booked once.
    """
    return _sync(context, asked, database, booked, pull=True)


BOXES = ((pull_and_apply, applied), (push_records, records), (push_invoices, invoices), (pull_and_book, booked))
"""The boxes after the first one in their order, each with the entities that it is about."""


def boxes_job(system: AccountingSystem) -> dg.JobDefinition:
    """The job that syncs one organization box by box; a system has the boxes for which it has entities."""

    @dg.job(
        name=f"{system.name}{SUFFIX}",
        description=f"Syncs one organization with {system.title}, both ways, box by box: what fails is named, and a "
        "run can be re-executed from there.",
    )
    def job() -> None:
        asked = check_connection()
        for box, entities in BOXES:
            if entities(system):
                asked = box(asked)

    return job


def _sync(
    context: dg.OpExecutionContext,
    asked: AskedSync,
    database: InvoiceDatabase,
    entities_of: Callable[[AccountingSystem], Sequence[SyncedEntity]],
    *,
    pull: bool = False,
) -> AskedSync:
    """Pulls or pushes some entities, and says what became of each. Fails where it did not come to its end; where that
    was not for want of time, as when another pull was ahead or no answer came, it is tried again.
    """
    system = _system(context)
    entities = entities_of(system)
    turn = turn_of(context, database, asked.organization)
    report = sync(system, turn, entities, push=not pull, pull=pull, full=asked.full)
    if not report.is_connected:
        raise _not_connected(system, asked.organization)
    shown: dict[str, Any] = {}
    for entity in entities:
        result = result_of(system, turn, entity, report)
        shown |= {f"{entity.name}: {name}": value for name, value in result.shown.items()}
        tag_batch_jobs(context.instance, context.run_id, result.batch_jobs)
        report_stage(context, stage_of(system, entity), turn.organization, result)
    if why := _unfinished(report):
        told = f"{system.title}, {asked.organization}: {why}"
        raise dg.Failure(told, metadata=shown, allow_retries=report.stopped is not None)
    context.add_output_metadata(shown)
    return asked


def _unfinished(report: SyncReport) -> str | None:
    """Why a sync did not come to its end, if so. What is done stays done."""
    if report.stopped:
        return " ".join(report.stopped.split())
    cut = [name for name, told in report.entities.items() if told.pulled is not None and not told.pulled.finished]
    return f"the time of this run is up, and {' and '.join(cut)} are not read to the end" if cut else None


def _system(context: dg.OpExecutionContext) -> AccountingSystem:
    system: AccountingSystem = ACCOUNTING_SYSTEMS.load(context.job_name.removesuffix(SUFFIX))
    return system


def _not_connected(system: AccountingSystem, slug: str) -> RequestError:
    return RequestError(f"organization: {slug} is {not_connected(system)}, so that nothing is synced.")
