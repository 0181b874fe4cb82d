"""Holds the jobs of overdue: the run of one organization, the sweep over many, and what a person starts."""

import dagster as dg
from pydantic import Field

from invoice_pipelines.database import organization_scope
from invoice_pipelines.defs.organizations import ORGANIZATION_TAG
from invoice_pipelines.defs.overdue import checks
from invoice_pipelines.defs.overdue.assets import notifications
from invoice_pipelines.defs.overdue.config import AS_OF, day, refusals_fail_the_run
from invoice_pipelines.defs.overdue.steps import steps_of
from invoice_pipelines.defs.resources import InvoiceDatabase
from invoice_pipelines.defs.run_requests import SWEEP, DomainRuns
from invoice_pipelines.defs.sweep import Sweep, sweep
from invoice_pipelines.organizations import find_organization, list_organizations

overdue = dg.define_asset_job(
    "overdue",
    selection=[notifications],
    description="Looks for overdue invoices of one organization, as of today there or the day in its config.",
)


@dg.op
def sweep_overdue(context: dg.OpExecutionContext, config: Sweep, database: InvoiceDatabase) -> None:
    """Looks for overdue invoices of each organization. What is broken in one is told at the end and stops no other."""
    sweep(context, config.organizations, database, steps_of(context.run.run_id))


@dg.job
def overdue_sweep() -> None:
    """Looks for overdue invoices of many organizations, in one run."""
    sweep_overdue()


class OverdueNow(dg.Config):
    """Where is looked, and by which day is judged."""

    organizations: list[str] = Field(default=[], description="Slugs; without any, all organizations.")
    as_of: str | None = Field(default=None, description=AS_OF)


@dg.op
def look_for_overdue_now(context: dg.OpExecutionContext, config: OverdueNow, database: InvoiceDatabase) -> None:
    """Looks for overdue invoices as the config says."""
    with refusals_fail_the_run():
        as_of = day(config.as_of)
        for slug in config.organizations:
            find_organization(database.engine, slug)
    slugs = config.organizations or sorted(found.slug for found in list_organizations(database.engine))
    sweep(context, slugs, database, steps_of(context.run.run_id, as_of))


@dg.job(tags={ORGANIZATION_TAG: SWEEP})
def overdue_now() -> None:
    """Looks for overdue invoices at once: in all organizations or those of its config, as of today or earlier."""
    look_for_overdue_now()


class Lateness(dg.Config):
    """Where runs are late, and where they are not any more, as the sensor of late runs found out."""

    late: list[str] = Field(description="Slugs of organizations in which no run came to its end in time.")
    in_time: list[str] = Field(description="Slugs of organizations that were late.")
    since: str = Field(description="When a run had to begin at the earliest.")


@dg.op
def tell_lateness(context: dg.OpExecutionContext, config: Lateness, database: InvoiceDatabase) -> None:
    """Evaluates the check of freshness. Dagster keeps only one evaluation without a run per partition, hence a run."""
    ids = {found.slug: found.id for found in list_organizations(database.engine)}
    for slug in filter(ids.__contains__, config.late):
        with organization_scope(database.engine, ids[slug]) as connection:
            context.log_event(checks.lateness(connection, slug, config.since))  # type: ignore[arg-type]  # see sweep.py
    for slug in config.in_time:
        context.log_event(checks.in_time(slug))  # type: ignore[arg-type]


@dg.job
def overdue_lateness() -> None:
    """Lets the check of freshness fail where runs are late, and pass where they are not any more."""
    tell_lateness()


RUNS = DomainRuns(
    group="overdue",
    job=overdue.name,
    sweep=overdue_sweep.name,
    sweep_op=sweep_overdue.name,
    by_hand=(overdue_now.name,),
)
