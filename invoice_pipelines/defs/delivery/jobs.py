"""Holds the jobs of delivery: the run of one organization, the sweep over many, and what a person starts."""

from uuid import UUID

import dagster as dg
from pydantic import Field
from sqlalchemy import Connection

from invoice_pipelines.database import organization_scope
from invoice_pipelines.defs.delivery.assets import invoice_documents, messages
from invoice_pipelines.defs.delivery.config import FORMATS, LANGUAGE, refusals_fail_the_run
from invoice_pipelines.defs.delivery.steps import (
    INVOICE_DOCUMENTS,
    MESSAGES,
    make_invoice_documents,
    send_waiting_messages,
    steps_of,
)
from invoice_pipelines.defs.organizations import ORGANIZATION_TAG
from invoice_pipelines.defs.resources import InvoiceDatabase
from invoice_pipelines.defs.run_requests import DomainRuns
from invoice_pipelines.defs.sweep import Sweep, report_step, sweep
from invoice_pipelines.delivery.references import invoice_ids
from invoice_pipelines.delivery.values import DeliveryError
from invoice_pipelines.organizations import Organization, find_organization
from invoice_pipelines.work import get_job

delivery = dg.define_asset_job(
    "delivery",
    selection=[invoice_documents, messages],
    description="Makes the documents of one organization that are asked for, and sends the messages that wait.",
)


@dg.op
def sweep_delivery(context: dg.OpExecutionContext, config: Sweep, database: InvoiceDatabase) -> None:
    """Makes documents and sends messages of each organization. What is broken in one is told at the end and stops no
    other.
    """
    sweep(context, config.organizations, database, steps_of)


@dg.job
def delivery_sweep() -> None:
    """Makes documents and sends messages of many organizations, in one run."""
    sweep_delivery()


class BatchDocuments(dg.Config):
    """What documents are made of, and which."""

    organization: str = Field(description="Slug of the organization.")
    invoice_ids: list[str] = Field(default=[], description="Ids or numbers of issued invoices and credit notes.")
    all: bool = Field(default=False, description="All that lack a document in these formats (and this language).")
    formats: list[str] = Field(default=["zugferd"], description=FORMATS)
    language: str | None = Field(default=None, description=LANGUAGE)
    renew: bool = Field(
        default=False, description="Make what exists again, as a new version where anything of it would differ."
    )
    combined: bool = Field(default=False, description="Also one PDF of all, with bookmarks, in the order of numbers.")
    zip: bool = Field(default=False, description="Also one ZIP of all.")


@dg.op
def make_batch_of_documents(context: dg.OpExecutionContext, config: BatchDocuments, database: InvoiceDatabase) -> None:
    """Asks for the documents as a batch job and makes them in this run; what its time is too short for, the next run
    takes.
    """
    with refusals_fail_the_run():
        organization = _organization(context, config.organization, database)
        with organization_scope(database.engine, organization.id) as connection:
            job_id = _ask_for_documents(connection, config, database.actor)
            total = get_job(connection, job_id).total_items
    context.log.info("batch job %s: documents of %s invoices", job_id, total)
    result = make_invoice_documents(database, organization, context.log)
    report_step(context, INVOICE_DOCUMENTS, organization.slug, result)
    context.add_output_metadata({"batch job": str(job_id), **result.shown})


@dg.job
def batch_documents() -> None:
    """Makes documents of issued invoices, as its config says."""
    make_batch_of_documents()


class Communications(dg.Config):
    """What is sent to whom, and how."""

    organization: str = Field(description="Slug of the organization.")
    invoice_ids: list[str] = Field(description="Ids or numbers of issued invoices and credit notes.")
    method: str = Field(description="email, sms, whatsapp, or another channel that is registered.")
    subject: str | None = Field(
        default=None, description="Of an email, instead of that of its template; may name the same fields."
    )
    include_pdf: bool = Field(default=True, description="Attach the PDF to an email.")
    language: str | None = Field(default=None, description=LANGUAGE)


@dg.op
def send_communications(context: dg.OpExecutionContext, config: Communications, database: InvoiceDatabase) -> None:
    """Asks for the messages as a batch job and sends them in this run; what must wait, a later run sends."""
    with refusals_fail_the_run():
        organization = _organization(context, config.organization, database)
        with organization_scope(database.engine, organization.id) as connection:
            job_id = _ask_for_communications(connection, config, database.actor)
            total = get_job(connection, job_id).total_items
    context.log.info("batch job %s: %s invoices are sent by %s", job_id, total, config.method)
    result = send_waiting_messages(database, organization, context.log)
    report_step(context, MESSAGES, organization.slug, result)
    context.add_output_metadata({"batch job": str(job_id), **result.shown})


@dg.job
def communications() -> None:
    """Sends issued invoices to their customers, as its config says: each once, whatever is asked for again."""
    send_communications()


def _organization(context: dg.OpExecutionContext, slug: str, database: InvoiceDatabase) -> Organization:
    organization = find_organization(database.engine, slug)
    context.instance.add_run_tags(context.run_id, {ORGANIZATION_TAG: organization.slug})
    return organization


def _ask_for_documents(connection: Connection, config: BatchDocuments, actor: str) -> UUID:
    from invoice_pipelines.delivery.documents.documents import (
        DocumentRequest,
        all_invoices_without_documents,
        ask_for_documents,
    )

    if config.all == bool(config.invoice_ids):
        raise DeliveryError("config: give either invoice_ids or all.")
    request = DocumentRequest.of(config.model_dump(include={"formats", "language", "renew", "combined", "zip"}))
    if config.all:
        return ask_for_documents(
            connection, all_invoices_without_documents(connection, request), request, created_by=actor
        )
    return ask_for_documents(connection, invoice_ids(connection, config.invoice_ids), request, created_by=actor)


def _ask_for_communications(connection: Connection, config: Communications, actor: str) -> UUID:
    from invoice_pipelines.delivery.messages.messages import ask_for_communications, read_request

    if not config.invoice_ids:
        raise DeliveryError("invoice_ids: name the invoices that are to be sent.")
    wanted = config.model_dump(include={"method", "subject", "include_pdf", "language"}, exclude_none=True)
    return ask_for_communications(
        connection, invoice_ids(connection, config.invoice_ids), read_request(wanted), created_by=actor
    )


RUNS = DomainRuns(
    group="delivery",
    job=delivery.name,
    sweep=delivery_sweep.name,
    sweep_op=sweep_delivery.name,
    by_hand=(batch_documents.name, communications.name),
)
