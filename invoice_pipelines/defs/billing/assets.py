"""Holds the assets of billing, partitioned by organization. What is done for them is in `steps`."""

import dagster as dg
from pydantic import Field

from invoice_pipelines.billing import batch_invoice_open_orders
from invoice_pipelines.defs.billing import checks, steps
from invoice_pipelines.defs.billing.config import RequestConfig, as_date, refusals_fail_the_run
from invoice_pipelines.defs.organizations import organizations
from invoice_pipelines.defs.resources import InvoiceDatabase
from invoice_pipelines.organizations import find_organization

sales_orders = dg.AssetSpec(
    ["billing", "sales_orders"],
    group_name="billing",
    kinds={"postgres"},
    partitions_def=organizations,
    description="Orders of customers, as the shop, a person or a migration put them into the database.",
    metadata={"dagster/table_name": "billing.sales_order"},
)


@dg.asset(
    key_prefix="billing",
    group_name="billing",
    kinds={"postgres"},
    partitions_def=organizations,
    deps=[sales_orders],
    check_specs=checks.checks_of("issued_invoices"),
    metadata={"dagster/table_name": "billing.issued_invoice"},
)
def issued_invoices(context: dg.AssetExecutionContext, database: InvoiceDatabase) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Invoices as they were issued, numbered without gaps and never changed. Takes what open batch jobs ask for."""
    organization = find_organization(database.engine, context.partition_key)
    return steps.issue_invoices(database, organization, context.log).materialization()


class Backlog(RequestConfig):
    """How the invoices of a backlog are dated. There is no default: a backlog is never invoiced by a careless click on
    all assets.
    """

    invoice_date: str = Field(
        description="Issue date of all of them, such as 2026-03-31; or `today`, in the organization's time zone."
    )


@dg.asset(
    key_prefix="billing",
    group_name="billing",
    kinds={"postgres"},
    partitions_def=organizations,
    deps=[sales_orders],
    check_specs=checks.checks_of("backlog"),
    metadata={"dagster/table_name": "billing.issued_invoice"},
)
def backlog(context: dg.AssetExecutionContext, config: Backlog, database: InvoiceDatabase) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Invoices of all orders that are open, asked for and issued in one go: backfill it over the organizations that
    a migration brought. It never runs by itself, nor without the date in its config.
    """
    organization = find_organization(database.engine, context.partition_key)
    with refusals_fail_the_run():
        invoice_date = as_date("invoice_date", None if config.invoice_date == "today" else config.invoice_date)
        answer = batch_invoice_open_orders(
            database.engine, organization, created_by=database.actor, **config.options(invoice_date)
        )
    context.log.info("%s orders are open, about %.1f s of work", answer.total, answer.estimated_seconds)
    return steps.issue_invoices(database, organization, context.log, answer.job_id).materialization()
