"""Jobs of delivery that a person starts: documents of some invoices, and messages to their customers."""

import dagster as dg
from pydantic import Field
from sqlalchemy import Connection

from invoice_pipelines.defs.choices import Channel, Format
from invoice_pipelines.defs.delivery.domain import (
    FORMATS,
    INVOICE_DOCUMENTS,
    LANGUAGE,
    MESSAGES,
    Documents,
    make_invoice_documents,
    send_waiting_messages,
)
from invoice_pipelines.defs.delivery.faults import work_or_fail
from invoice_pipelines.defs.refusals import refusals_fail_the_run
from invoice_pipelines.defs.resources import InvoiceDatabase
from invoice_pipelines.defs.sweep import tag_batch_jobs, turn_of
from invoice_pipelines.delivery.references import invoice_ids
from invoice_pipelines.delivery.values import COMMUNICATIONS, MAKE_DOCUMENTS, DeliveryError
from invoice_pipelines.work import BatchAnswer


class BatchDocuments(dg.Config):
    """What documents are made of, and which."""

    organization: str = Field(description="Slug of the organization.")
    invoice_ids: list[str] = Field(default=[], description="Ids or numbers of issued invoices and credit notes.")
    all: bool = Field(default=False, description="All that lack a document in these formats (and this language).")
    formats: list[Format] = Field(default=["zugferd"], validate_default=True, description=FORMATS)
    language: str | None = Field(default=None, description=LANGUAGE)
    renew: bool = Field(
        default=False, description="Make what exists again, as a new version where anything of it would differ."
    )
    combined: bool = Field(default=False, description="Also one PDF of all, with bookmarks, in the order of numbers.")
    zip: bool = Field(default=False, description="Also one ZIP of all.")


@dg.op
@refusals_fail_the_run()
def make_batch_of_documents(context: dg.OpExecutionContext, config: BatchDocuments, database: InvoiceDatabase) -> None:
    """Asks for the documents as a batch job and makes them in this run; what its time is too short for, the next run
    takes. The run fails where a fault stands in their way, such as a full disk.
    """
    turn = turn_of(context, database, config.organization)
    with turn.organization.scope() as connection:
        answer = _ask_for_documents(connection, config, turn.organization.actor)
    tag_batch_jobs(context.instance, context.run_id, [answer.job_id])
    context.log.info("batch job %s: documents of %s invoices", answer.job_id, answer.total)
    work_or_fail(
        context,
        INVOICE_DOCUMENTS,
        turn,
        lambda: make_invoice_documents(turn, Documents()),
        [MAKE_DOCUMENTS],
        what_failed="{} documents, or files of them, could not be made",
        how_to_go_on="run the job again",
        job_id=answer.job_id,
    )


@dg.job
def batch_documents() -> None:
    """Makes documents of issued invoices, as its config says."""
    make_batch_of_documents()


class Communications(dg.Config):
    """What is sent to whom, and how."""

    organization: str = Field(description="Slug of the organization.")
    invoice_ids: list[str] = Field(description="Ids or numbers of issued invoices and credit notes.")
    method: Channel = Field(description="By which channel; those that are installed are offered.")
    subject: str | None = Field(
        default=None, description="Of an email, instead of that of its template; may name the same fields."
    )
    include_pdf: bool = Field(default=True, description="Attach the PDF to an email.")
    language: str | None = Field(default=None, description=LANGUAGE)


@dg.op
@refusals_fail_the_run()
def send_communications(context: dg.OpExecutionContext, config: Communications, database: InvoiceDatabase) -> None:
    """Asks for the messages as a batch job and sends them in this run; what must wait, a later run sends. The run fails
    where a fault stands in their way, such as a mail server that refuses the login.
    """
    turn = turn_of(context, database, config.organization)
    with turn.organization.scope() as connection:
        answer = _ask_for_communications(connection, config, turn.organization.actor)
    tag_batch_jobs(context.instance, context.run_id, [answer.job_id])
    context.log.info("batch job %s: %s invoices are sent by %s", answer.job_id, answer.total, config.method)
    work_or_fail(
        context,
        MESSAGES,
        turn,
        lambda: send_waiting_messages(turn),
        [COMMUNICATIONS],
        what_failed="{} messages could not be sent",
        how_to_go_on="run the job again",
        job_id=answer.job_id,
    )


@dg.job
def communications() -> None:
    """Sends issued invoices to their customers, as its config says: each once, whatever is asked for again."""
    send_communications()


def _ask_for_documents(connection: Connection, config: BatchDocuments, actor: str) -> BatchAnswer:
    from invoice_pipelines.delivery.documents.requests import (
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


def _ask_for_communications(connection: Connection, config: Communications, actor: str) -> BatchAnswer:
    from invoice_pipelines.delivery.messages.messages import ask_for_communications, read_request

    if not config.invoice_ids:
        raise DeliveryError("invoice_ids: name the invoices that are to be sent.")
    wanted = config.model_dump(include={"method", "subject", "include_pdf", "language"}, exclude_none=True)
    return ask_for_communications(
        connection, invoice_ids(connection, config.invoice_ids), read_request(wanted), created_by=actor
    )
