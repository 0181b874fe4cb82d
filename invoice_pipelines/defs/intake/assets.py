"""Holds the assets of the intake, one per stage, partitioned by organization. What a stage does is in `steps`."""

import dagster as dg

from invoice_pipelines.defs.intake import checks, steps
from invoice_pipelines.defs.organizations import organizations
from invoice_pipelines.defs.resources import InvoiceDatabase
from invoice_pipelines.intake.exports.export_files import INVOICE_COLUMNS


@dg.asset(
    key_prefix="intake",
    group_name="intake",
    kinds={"postgres", "file"},
    partitions_def=organizations,
    check_specs=checks.uploads_checks,
    metadata={"dagster/table_name": "intake.upload"},
)
def uploads(context: dg.AssetExecutionContext, database: InvoiceDatabase) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Files as they arrived: stored unchanged under their SHA-256, recorded once, then taken out of the inbox."""
    return steps.uploads(database.intake(context.partition_key), context.log).materialization()


@dg.asset(
    key_prefix="intake",
    group_name="intake",
    kinds={"postgres"},
    partitions_def=organizations,
    deps=[uploads],
    check_specs=checks.parsed_checks,
    metadata={"dagster/table_name": "intake.received_invoice"},
)
def parsed_invoices(context: dg.AssetExecutionContext, database: InvoiceDatabase) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Received invoices as their documents say: header, lines and taxes, each value with source and confidence."""
    return steps.parsed_invoices(database.intake(context.partition_key), context.log).materialization()


@dg.asset(
    key_prefix="intake",
    group_name="intake",
    kinds={"postgres"},
    partitions_def=organizations,
    deps=[parsed_invoices],
    check_specs=checks.validated_checks,
    metadata={"dagster/table_name": "public.received_invoice"},
)
def validated_invoices(context: dg.AssetExecutionContext, database: InvoiceDatabase) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Received invoices that keep the rules of EN 16931 and of a payment run; the others say which they broke."""
    return steps.validated_invoices(database.intake(context.partition_key), context.log).materialization()


@dg.asset(
    key_prefix="intake",
    group_name="intake",
    kinds={"postgres", "csv"},
    partitions_def=organizations,
    deps=[validated_invoices],
    check_specs=checks.export_checks,
    metadata={
        "dagster/column_schema": dg.TableSchema(
            [dg.TableColumn(name, description=meaning) for name, meaning in INVOICE_COLUMNS.items()]
        )
    },
)
def export_files(context: dg.AssetExecutionContext, database: InvoiceDatabase) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """CSV files of validated invoices, and DATEV batches where that is set up; each invoice once unless asked again."""
    return steps.export_files(database.intake(context.partition_key), context.log).materialization()
