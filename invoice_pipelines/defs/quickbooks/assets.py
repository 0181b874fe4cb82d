"""Holds the assets of the sync with QuickBooks, partitioned by organization. What is done for them is in `steps`."""

import dagster as dg
from pydantic import Field

from invoice_pipelines.defs.billing.assets import issued_invoices
from invoice_pipelines.defs.organizations import organizations
from invoice_pipelines.defs.quickbooks import checks, steps
from invoice_pipelines.defs.resources import InvoiceDatabase
from invoice_pipelines.quickbooks.values import EntityType


class BothWays(dg.Config):
    """What a run does."""

    push: bool = Field(default=True, description="Send what waits.")
    pull: bool = Field(default=True, description="Read what was changed there.")
    full: bool = Field(
        default=False, description="Read everything there, not only what was changed since the last pull."
    )


class Pull(dg.Config):
    """How a run reads."""

    full: bool = Field(
        default=False, description="Read everything there, not only what was changed since the last pull."
    )


@dg.asset(
    key_prefix="quickbooks",
    group_name="quickbooks",
    kinds={"quickbooks", "postgres"},
    partitions_def=organizations,
    check_specs=checks.checks_of(EntityType.CUSTOMER, "customers"),
    metadata={"dagster/table_name": "billing.customer"},
)
def customers(context: dg.AssetExecutionContext, config: BothWays, database: InvoiceDatabase) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Customers, the same here and in QuickBooks: a field that was changed on one side goes to the other."""
    return steps.sync_one(context, database, EntityType.CUSTOMER, config.push, config.pull, config.full)


@dg.asset(
    key_prefix="quickbooks",
    group_name="quickbooks",
    kinds={"quickbooks", "postgres"},
    partitions_def=organizations,
    check_specs=checks.checks_of(EntityType.ITEM, "items"),
    metadata={"dagster/table_name": "billing.item"},
)
def items(context: dg.AssetExecutionContext, config: BothWays, database: InvoiceDatabase) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Products and services, the same here and in QuickBooks, which has the say on price and whether one is sold."""
    return steps.sync_one(context, database, EntityType.ITEM, config.push, config.pull, config.full)


@dg.asset(
    key_prefix="quickbooks",
    group_name="quickbooks",
    kinds={"quickbooks"},
    partitions_def=organizations,
    deps=[issued_invoices, customers, items],
    check_specs=checks.checks_of(EntityType.INVOICE, "invoices"),
    metadata={"dagster/table_name": "quickbooks.mapping"},
)
def invoices(context: dg.AssetExecutionContext, config: BothWays, database: InvoiceDatabase) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Issued invoices as QuickBooks has them. They are sent once, voided when they are void here, and never taken from
    there; `pull` compares them, and tells of those that somebody changed.
    """
    return steps.sync_one(context, database, EntityType.INVOICE, config.push, config.pull, config.full)


@dg.asset(
    key_prefix="quickbooks",
    group_name="quickbooks",
    kinds={"quickbooks", "postgres"},
    partitions_def=organizations,
    deps=[invoices],
    check_specs=checks.checks_of(EntityType.PAYMENT, "payments"),
    metadata={"dagster/table_name": "billing.payment"},
)
def payments(context: dg.AssetExecutionContext, config: Pull, database: InvoiceDatabase) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Payments, credits and refunds as the accountant booked them in QuickBooks, and which invoices they pay."""
    return steps.sync_one(context, database, EntityType.PAYMENT, push=False, pull=True, full=config.full)
