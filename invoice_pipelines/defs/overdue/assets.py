"""Holds the asset of overdue, partitioned by organization. What is done for it is in `steps`."""

import dagster as dg
from pydantic import Field

from invoice_pipelines.defs.billing.assets import issued_invoices
from invoice_pipelines.defs.organizations import organizations
from invoice_pipelines.defs.overdue import checks, steps
from invoice_pipelines.defs.overdue.config import AS_OF, day, refusals_fail_the_run
from invoice_pipelines.defs.resources import InvoiceDatabase
from invoice_pipelines.organizations import find_organization
from invoice_pipelines.overdue import AlreadyRunning


class AsOf(dg.Config):
    """By which day a run judges."""

    as_of: str | None = Field(default=None, description=AS_OF)


@dg.asset(
    key_prefix="overdue",
    group_name="overdue",
    kinds={"postgres"},
    partitions_def=organizations,
    deps=[issued_invoices],
    check_specs=checks.all_checks(),
    metadata={"dagster/table_name": "overdue.notification"},
)
def notifications(context: dg.AssetExecutionContext, config: AsOf, database: InvoiceDatabase) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """That an invoice is past due: one notification per invoice and level, closed when the invoice is settled."""
    with refusals_fail_the_run():
        as_of = day(config.as_of)
        organization = find_organization(database.engine, context.partition_key)
        try:
            result = steps.notify(database, organization, context.log, run_id=context.run.run_id, as_of=as_of)
        except AlreadyRunning as busy:
            context.log.info("skipped: %s", busy)
            return dg.MaterializeResult(metadata={"skipped": str(busy)}, check_results=checks.not_judged(str(busy)))
    return result.materialization()
