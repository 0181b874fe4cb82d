"""Delivery as Dagster sees it: the assets of documents and of messages, and what is told of them.

What makes pages and sends messages is loaded when it is needed, as loading Dagster must not wait for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg
from pydantic import Field

from invoice_pipelines.defs.checks import evaluated
from invoice_pipelines.defs.choices import Format
from invoice_pipelines.defs.delivery.checks import OF_DOCUMENTS
from invoice_pipelines.defs.delivery.metadata import documents_metadata, messages_metadata, page_picture
from invoice_pipelines.defs.domain import Domain, Stage, StageResult, Turn
from invoice_pipelines.defs.factory import definitions_of
from invoice_pipelines.defs.metadata import LONGEST_TABLE
from invoice_pipelines.defs.progress import progress_lines
from invoice_pipelines.delivery.overview import (
    database_time,
    delivery_state,
    failed_items,
    made_documents,
    message_counts,
    open_work,
    organizations_with_deliveries,
    waiting_reasons,
)
from invoice_pipelines.delivery.promises import OF_MESSAGES
from invoice_pipelines.delivery.values import MAKE_DOCUMENTS, SENDING_KINDS, DeliveryError

if TYPE_CHECKING:
    from invoice_pipelines.delivery.documents.making import DocumentReport

FORMATS = (
    "zugferd: a PDF with the XML of the e-invoice in it; xrechnung_cii, xrechnung_ubl: XML alone. Any number of them."
)
LANGUAGE = "Two letters, such as de; without any, that of the invoice."


class Documents(dg.Config):
    """Whether documents are made that nobody asked for."""

    all: bool = Field(
        default=False,
        description="Ask for documents of all invoices that have none in these formats (and this language), and make "
        "them: for a migration, as a backfill.",
    )
    formats: list[Format] = Field(default=["zugferd"], validate_default=True, description=f"For `all`. {FORMATS}")
    language: str | None = Field(default=None, description=f"For `all`. {LANGUAGE}")


def make_invoice_documents(turn: Turn, config: Documents) -> StageResult:
    """Makes the documents that are asked for in an organization."""
    organization = turn.organization
    if config.all:
        _ask_for_all(turn, config)
    with organization.scope() as connection:
        since = database_time(connection)
        work = open_work(connection, [MAKE_DOCUMENTS])
    if not work.due and not work.in_work:  # what is in work may be that of a dead process
        with organization.scope() as connection:
            results = evaluated(OF_DOCUMENTS, connection, organization, since)
        return StageResult(False, {"documents made": 0, "tried again later": work.postponed}, results)
    # Here, as it starts processes that load the engine of pages.
    from invoice_pipelines.delivery.documents.making import make_documents

    report = make_documents(
        organization, time_box=organization.time_box, on_progress=progress_lines(turn.log, "invoices")
    )
    with organization.scope() as connection:
        made = made_documents(connection, since)
        failures = failed_items(connection, [MAKE_DOCUMENTS], since, LONGEST_TABLE)
        results = evaluated(OF_DOCUMENTS, connection, organization, since)
    shown = documents_metadata(report, made, failures)
    if picture := _first_page(turn, report):
        shown["first page"] = picture
    jobs = (*report.jobs, *(bundle.batch_job_id for bundle in report.bundles))
    return StageResult(report.made + report.done + report.retried > 0, shown, results, batch_jobs=jobs)


def send_waiting_messages(turn: Turn, _: object = None) -> StageResult:
    """Sends the messages that wait in an organization."""
    from invoice_pipelines.delivery.sending.sending import send_messages

    organization = turn.organization
    with organization.scope() as connection:
        since = database_time(connection)
    report = send_messages(
        organization, time_box=organization.time_box, on_progress=progress_lines(turn.log, "messages")
    )
    with organization.scope() as connection:
        shown = messages_metadata(
            report,
            message_counts(connection),
            delivery_state(connection),
            waiting_reasons(connection, SENDING_KINDS),
            failed_items(connection, SENDING_KINDS, since, LONGEST_TABLE),
            database_time(connection),
        )
        results = evaluated(OF_MESSAGES, connection)
    happened = report.done + report.retried + report.postponed > 0
    return StageResult(happened, shown, results, batch_jobs=report.jobs)


def _first_page(turn: Turn, report: DocumentReport) -> dg.MarkdownMetadataValue | None:
    if report.first is None or not report.first.format.is_pdf:
        return None
    from invoice_pipelines.delivery.documents.rows import document_bytes

    try:
        pdf = document_bytes(turn.organization, report.first)
    except DeliveryError as error:
        turn.log.warning("no picture: %s", error)
        return None
    return page_picture(report.first, pdf)


def _ask_for_all(turn: Turn, config: Documents) -> None:
    from invoice_pipelines.delivery.documents.requests import (
        DocumentRequest,
        all_invoices_without_documents,
        ask_for_documents,
    )

    with turn.organization.scope() as connection:
        request = DocumentRequest.of({"formats": config.formats, "language": config.language})
        invoice_ids = all_invoices_without_documents(connection, request)
        if not invoice_ids:
            turn.log.info("no invoice lacks a document")
            return
        answer = ask_for_documents(connection, invoice_ids, request, created_by=turn.organization.actor)
    turn.log.info("batch job %s: documents of %s invoices", answer.job_id, answer.total)


INVOICE_DOCUMENTS = Stage(
    key=dg.AssetKey(["delivery", "invoice_documents"]),
    description="Documents of issued invoices: PDF/A-3 with the e-invoice in it, or XRechnung. A document never\n"
    "changes; what is made anew is another version.",
    kinds=frozenset({"pdf", "postgres"}),
    deps=[dg.AssetKey(["billing", "issued_invoices"])],
    metadata={"dagster/table_name": "delivery.invoice_document"},
    config=Documents,
    for_migrations={"all": True},
    work=make_invoice_documents,
    standing=frozenset({"tried again later"}),
    promises=OF_DOCUMENTS,
)
MESSAGES = Stage(
    key=dg.AssetKey(["delivery", "messages"]),
    description="Emails, SMS and WhatsApp messages to customers: invoices and reminders, each sent once.",
    kinds=frozenset({"email", "postgres"}),
    deps=[
        dg.AssetKey(["billing", "issued_invoices"]),
        INVOICE_DOCUMENTS.key,
        dg.AssetKey(["overdue", "notifications"]),
    ],
    metadata={"dagster/table_name": "delivery.message"},
    work=send_waiting_messages,
    standing=frozenset(
        {"of unknown outcome", "bounced", "oldest waits for hours", "next one that was put off", "put off"}
    ),
    promises=OF_MESSAGES,
)
DELIVERY = Domain(
    name="delivery",
    description="Makes the documents of one organization that are asked for, and sends the messages that wait.",
    does="Makes documents and sends messages of {}",
    stages=(INVOICE_DOCUMENTS, MESSAGES),
    kinds=(MAKE_DOCUMENTS, *SENDING_KINDS),
    due=organizations_with_deliveries,
    sensor="pending_deliveries",
    sensor_description="Asks for a run of each organization with documents to make or messages to send now, and none "
    "in flight. Messages\nwhose channel is not set up are not waited upon: they go out once it is.",
    by_hand=("batch_documents", "communications"),
)


@dg.definitions
def delivery() -> dg.Definitions:
    return definitions_of(DELIVERY)
