"""What of overdue a person starts."""

import dagster as dg
from pydantic import Field

from invoice_pipelines.defs.organizations import BULK, LANE_TAG, ORGANIZATION_TAG
from invoice_pipelines.defs.overdue.domain import AS_OF, day, look_as_of
from invoice_pipelines.defs.refusals import refusals_fail_the_run
from invoice_pipelines.defs.resources import InvoiceDatabase
from invoice_pipelines.defs.run_requests import SWEEP
from invoice_pipelines.defs.sweep import organizations_named, sweep


class OverdueNow(dg.Config):
    """Where is looked, and by which day is judged."""

    organizations: list[str] = Field(default=[], description="Slugs; without any, all organizations.")
    as_of: str | None = Field(default=None, description=AS_OF)


@dg.op
@refusals_fail_the_run()
def look_for_overdue_now(context: dg.OpExecutionContext, config: OverdueNow, database: InvoiceDatabase) -> None:
    """Looks for overdue invoices as the config says."""
    as_of = day(config.as_of)
    slugs = organizations_named(database, config.organizations)
    sweep(context, slugs, database, look_as_of(as_of))


@dg.job(tags={ORGANIZATION_TAG: SWEEP, LANE_TAG: BULK})
def overdue_now() -> None:
    """Looks for overdue invoices at once: in all organizations or those of its config, as of today or earlier."""
    look_for_overdue_now()
