"""What of the sync a person starts, which is also what the schedules start."""

import dagster as dg
from pydantic import Field

from invoice_pipelines.defs.organizations import ORGANIZATION_TAG
from invoice_pipelines.defs.quickbooks.config import NAMES, entities_of
from invoice_pipelines.defs.quickbooks.domain import sync_among
from invoice_pipelines.defs.quickbooks.sync import SHARE
from invoice_pipelines.defs.refusals import refusals_fail_the_run
from invoice_pipelines.defs.resources import InvoiceDatabase
from invoice_pipelines.defs.run_requests import SWEEP
from invoice_pipelines.defs.sweep import sweep
from invoice_pipelines.organizations import list_organizations
from invoice_pipelines.quickbooks.push.requests import RequestError, ask_for_invoices
from invoice_pipelines.quickbooks.schedule import organizations_to_reach


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
def sync_now(context: dg.OpExecutionContext, config: SyncNow, database: InvoiceDatabase) -> None:
    """Syncs as the config says. What is broken in one organization is reported at the end and stops no other."""
    with refusals_fail_the_run():
        entities = entities_of(config.entities or list(NAMES))
        for slug in config.organizations:
            database.organization(slug)
        if config.invoices:
            _ask(context, config, database)
    slugs = config.organizations or _connected(database)
    if len(slugs) == 1:
        context.instance.add_run_tags(context.run_id, {ORGANIZATION_TAG: slugs[0]})
    share = SHARE if len(slugs) > 1 else None
    take_turn = sync_among(entities, push=config.push, pull=config.pull, full=config.full, share=share)
    sweep(context, slugs, database, take_turn)


@dg.job(tags={ORGANIZATION_TAG: SWEEP})
def quickbooks_sync() -> None:
    """Syncs at once, with all connected organizations or those of its config: all entities or some, both ways or one,
    all records or what was changed.
    """
    sync_now()


def _ask(context: dg.OpExecutionContext, config: SyncNow, database: InvoiceDatabase) -> None:
    if len(config.organizations) != 1:
        raise RequestError("invoices: name the one organization in `organizations` whose invoices they are.")
    if (config.entities and "invoices" not in config.entities) or not config.push:
        raise RequestError("invoices: they are pushed where `entities` has invoices and `push` is true.")
    with database.organization(config.organizations[0]).scope() as connection:
        job_id = ask_for_invoices(connection, config.invoices, created_by=database.actor)
    context.log.info("batch job %s: %s invoices", job_id, len(config.invoices))
    context.add_output_metadata({"batch job": str(job_id)})


def _connected(database: InvoiceDatabase) -> list[str]:
    with database.engine.begin() as connection:
        reached = organizations_to_reach(connection)
    return [found.slug for found in list_organizations(database.engine) if found.id in reached]
