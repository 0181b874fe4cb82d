"""Holds the assets of delivery, partitioned by organization. What is done for them is in `steps`."""

import dagster as dg
from pydantic import Field

from invoice_pipelines.database import organization_scope
from invoice_pipelines.defs.billing.assets import issued_invoices
from invoice_pipelines.defs.delivery import checks, steps
from invoice_pipelines.defs.delivery.config import FORMATS, LANGUAGE, refusals_fail_the_run
from invoice_pipelines.defs.organizations import organizations
from invoice_pipelines.defs.overdue.assets import notifications
from invoice_pipelines.defs.resources import InvoiceDatabase
from invoice_pipelines.organizations import Organization, find_organization


class Documents(dg.Config):
    """Whether documents are made that nobody asked for."""

    all: bool = Field(
        default=False,
        description="Ask for documents of all invoices that have none in these formats (and this language), and make "
        "them: for a migration, as a backfill.",
    )
    formats: list[str] = Field(default=["zugferd"], description=f"For `all`. {FORMATS}")
    language: str | None = Field(default=None, description=f"For `all`. {LANGUAGE}")


@dg.asset(
    key_prefix="delivery",
    group_name="delivery",
    kinds={"pdf", "postgres"},
    partitions_def=organizations,
    deps=[issued_invoices],
    check_specs=checks.checks_of_documents(),
    metadata={"dagster/table_name": "delivery.invoice_document"},
)
def invoice_documents(
    context: dg.AssetExecutionContext, config: Documents, database: InvoiceDatabase
) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Documents of issued invoices: PDF/A-3 with the e-invoice in it, or XRechnung. A document never
    changes; what is made anew is another version.
    """
    organization = find_organization(database.engine, context.partition_key)
    if config.all:
        _ask_for_all(context, config, database, organization)
    return steps.make_invoice_documents(database, organization, context.log).materialization()


@dg.asset(
    key_prefix="delivery",
    group_name="delivery",
    kinds={"email", "postgres"},
    partitions_def=organizations,
    deps=[issued_invoices, invoice_documents, notifications],
    check_specs=checks.checks_of_messages(),
    metadata={"dagster/table_name": "delivery.message"},
)
def messages(context: dg.AssetExecutionContext, database: InvoiceDatabase) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Emails, SMS and WhatsApp messages to customers: invoices and reminders, each sent once."""
    organization = find_organization(database.engine, context.partition_key)
    return steps.send_waiting_messages(database, organization, context.log).materialization()


def _ask_for_all(
    context: dg.AssetExecutionContext, config: Documents, database: InvoiceDatabase, organization: Organization
) -> None:
    from invoice_pipelines.delivery.documents.documents import (
        DocumentRequest,
        all_invoices_without_documents,
        ask_for_documents,
    )

    with refusals_fail_the_run(), organization_scope(database.engine, organization.id) as connection:
        request = DocumentRequest.of({"formats": config.formats, "language": config.language})
        invoice_ids = all_invoices_without_documents(connection, request)
        if not invoice_ids:
            context.log.info("no invoice lacks a document")
            return
        job_id = ask_for_documents(connection, invoice_ids, request, created_by=database.actor)
    context.log.info("batch job %s: documents of %s invoices", job_id, len(invoice_ids))
