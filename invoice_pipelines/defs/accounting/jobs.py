"""What of a sync a person starts, which is also what the schedules start. The job says with which accounting system."""

import dagster as dg
from pydantic import Field

from invoice_pipelines.accounting.system import AccountingSystem, RequestError, entities_named
from invoice_pipelines.accounting.systems import ACCOUNTING_SYSTEMS
from invoice_pipelines.defs.accounting.domain import sync_among
from invoice_pipelines.defs.accounting.sync import SHARE
from invoice_pipelines.defs.organizations import BULK, LANE_TAG, ORGANIZATION_TAG
from invoice_pipelines.defs.refusals import refusals_fail_the_run
from invoice_pipelines.defs.resources import InvoiceDatabase
from invoice_pipelines.defs.run_requests import SWEEP
from invoice_pipelines.defs.sweep import sweep, tag_batch_jobs
from invoice_pipelines.organizations import list_organizations


class SyncNow(dg.Config):
    """What is synced."""

    organizations: list[str] = Field(default=[], description="Slugs; without any, all that are connected.")
    entities: list[str] = Field(
        default=[], description="Some of customers, items, invoices, payments; without any, all."
    )
    push: bool = Field(default=True, description="Send what waits: customers, items and invoices.")
    pull: bool = Field(default=True, description="Read what was changed there; of invoices, compare them.")
    full: bool = Field(
        default=False, description="Read everything there, not only what was changed since the last pull."
    )
    invoices: list[str] = Field(
        default=[],
        description="Numbers or ids of invoices of the one named organization: they are pushed as one batch job.",
    )


@dg.op
@refusals_fail_the_run()
def sync_now(context: dg.OpExecutionContext, config: SyncNow, database: InvoiceDatabase) -> None:
    """Syncs as the config says. What is broken in one organization is reported at the end and stops no other."""
    system: AccountingSystem = ACCOUNTING_SYSTEMS.load(context.job_name.removesuffix("_sync"))
    entities = entities_named(system, config.entities or [entity.name for entity in system.entities])
    for slug in config.organizations:
        database.organization(slug)
    if config.invoices:
        _ask(system, context, config, database)
    slugs = config.organizations or _connected(system, database)
    if len(slugs) == 1:
        context.instance.add_run_tags(context.run_id, {ORGANIZATION_TAG: slugs[0]})
    share = SHARE if len(slugs) > 1 else None
    take_turn = sync_among(system, entities, push=config.push, pull=config.pull, full=config.full, share=share)
    sweep(context, slugs, database, take_turn)


def sync_job(system: AccountingSystem) -> dg.JobDefinition:
    """The job that syncs at once."""

    @dg.job(
        name=f"{system.name}_sync",
        description="Syncs at once, with all connected organizations or those of its config: all entities or some, "
        "both ways or one,\nall records or what was changed.",
        tags={ORGANIZATION_TAG: SWEEP, LANE_TAG: BULK},
    )
    def job() -> None:
        sync_now()

    return job


def _ask(system: AccountingSystem, context: dg.OpExecutionContext, config: SyncNow, database: InvoiceDatabase) -> None:
    if len(config.organizations) != 1:
        raise RequestError("invoices: name the one organization in `organizations` whose invoices they are.")
    if (config.entities and "invoices" not in config.entities) or not config.push:
        raise RequestError("invoices: they are pushed where `entities` has invoices and `push` is true.")
    with database.organization(config.organizations[0]).scope() as connection:
        job_id = system.ask_for_invoices(connection, config.invoices, created_by=database.actor)
    tag_batch_jobs(context.instance, context.run_id, [job_id])
    context.log.info("batch job %s: %s invoices", job_id, len(config.invoices))
    context.add_output_metadata({"batch job": str(job_id)})


def _connected(system: AccountingSystem, database: InvoiceDatabase) -> list[str]:
    with database.engine.begin() as connection:
        reached = system.organizations_to_reach(connection)
    return [found.slug for found in list_organizations(database.engine) if found.id in reached]
