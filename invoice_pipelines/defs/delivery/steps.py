"""Holds the work on documents and messages as Dagster reports it: make what is asked for, send what waits, and say what
was done in metadata and checks. The assets do it for their partition, sweeps for many organizations.

What makes pages and sends messages is loaded when it is needed, as loading Dagster must not wait for it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

import dagster as dg

from invoice_pipelines.database import organization_scope
from invoice_pipelines.defs.delivery import checks
from invoice_pipelines.defs.delivery.metadata import documents_metadata, messages_metadata, page_picture
from invoice_pipelines.defs.metadata import LONGEST_TABLE
from invoice_pipelines.defs.progress import progress_lines
from invoice_pipelines.defs.resources import InvoiceDatabase
from invoice_pipelines.defs.sweep import StepResult
from invoice_pipelines.delivery.overview import (
    database_time,
    delivery_state,
    failed_items,
    made_documents,
    message_counts,
    open_work,
    waiting_reasons,
)
from invoice_pipelines.delivery.values import MAKE_DOCUMENTS, SENDING_KINDS, DeliveryError
from invoice_pipelines.organizations import Organization, find_organization

if TYPE_CHECKING:
    from invoice_pipelines.delivery.documents.documents import DocumentReport

INVOICE_DOCUMENTS = dg.AssetKey(["delivery", "invoice_documents"])
MESSAGES = dg.AssetKey(["delivery", "messages"])


def make_invoice_documents(database: InvoiceDatabase, organization: Organization, log: logging.Logger) -> StepResult:
    """Makes the documents that are asked for in an organization."""
    with organization_scope(database.engine, organization.id) as connection:
        since = database_time(connection)
        work = open_work(connection, [MAKE_DOCUMENTS])
    if not work.due and not work.in_work:  # what is in work may be that of a dead process
        with organization_scope(database.engine, organization.id) as connection:
            results = checks.check_documents(connection, database.settings, organization.id, since)
        return StepResult(False, {"documents made": 0, "tried again later": work.postponed}, results)
    # Here, as it starts processes that load the engine of pages.
    from invoice_pipelines.delivery.documents.documents import make_documents

    report = make_documents(
        database.engine,
        database.settings,
        organization,
        time_box=timedelta(seconds=database.settings.run_time_box_seconds),
        on_progress=progress_lines(log, "invoices"),
    )
    with organization_scope(database.engine, organization.id) as connection:
        made = made_documents(connection, since)
        failures = failed_items(connection, [MAKE_DOCUMENTS], since, LONGEST_TABLE)
        results = checks.check_documents(connection, database.settings, organization.id, since)
    shown = documents_metadata(report, made, failures)
    if picture := _first_page(database, organization, report, log):
        shown["first page"] = picture
    return StepResult(report.made + report.done + report.retried > 0, shown, results)


def send_waiting_messages(database: InvoiceDatabase, organization: Organization, log: logging.Logger) -> StepResult:
    """Sends the messages that wait in an organization."""
    from invoice_pipelines.delivery.sending.sending import send_messages

    with organization_scope(database.engine, organization.id) as connection:
        since = database_time(connection)
    report = send_messages(
        database.engine,
        database.settings,
        organization,
        time_box=timedelta(seconds=database.settings.run_time_box_seconds),
        on_progress=progress_lines(log, "messages"),
    )
    with organization_scope(database.engine, organization.id) as connection:
        shown = messages_metadata(
            report,
            message_counts(connection),
            delivery_state(connection),
            waiting_reasons(connection, SENDING_KINDS),
            failed_items(connection, SENDING_KINDS, since, LONGEST_TABLE),
            database_time(connection),
        )
        results = checks.check_messages(connection)
    return StepResult(report.done + report.retried + report.postponed > 0, shown, results)


def steps_of(database: InvoiceDatabase, slug: str, log: logging.Logger) -> Iterator[tuple[dg.AssetKey, StepResult]]:
    """The steps of a sweep: documents, then messages."""
    organization = find_organization(database.engine, slug)
    yield INVOICE_DOCUMENTS, make_invoice_documents(database, organization, log)
    yield MESSAGES, send_waiting_messages(database, organization, log)


def _first_page(
    database: InvoiceDatabase, organization: Organization, report: DocumentReport, log: logging.Logger
) -> dg.MarkdownMetadataValue | None:
    if report.first is None or not report.first.format.is_pdf:
        return None
    from invoice_pipelines.delivery.documents.documents import document_bytes

    try:
        pdf = document_bytes(database.settings, organization.id, report.first)
    except DeliveryError as error:
        log.warning("no picture: %s", error)
        return None
    return page_picture(report.first, pdf)
