"""Issued invoices: found in their list, looked at one by one, and taken away as files."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Response

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.billing.invoice_lists import newest_invoices
from invoice_pipelines.billing.issued_invoices import find_invoice_id, get_issued_invoice
from invoice_pipelines.billing.overview import invoice_events
from invoice_pipelines.billing.payments import payments_of, standing_of
from invoice_pipelines.billing.receivables.receivables import BUCKETS
from invoice_pipelines.delivery.documents.rows import list_documents
from invoice_pipelines.delivery.documents.single import DocumentNotMade, document_for
from invoice_pipelines.delivery.messages.messages import list_messages, sent_to_customers
from invoice_pipelines.delivery.rendering.page_picture import page_png
from invoice_pipelines.delivery.values import DocumentFormat
from invoice_pipelines.overdue.notifications import list_notifications
from invoice_pipelines.quickbooks.overview import invoice_sync, synced_invoices
from invoice_pipelines.web.api.attachments import PDF, XML, attachment
from invoice_pipelines.web.callers import At
from invoice_pipelines.web.pages.billing.narrowing import InvoiceNarrowing
from invoice_pipelines.web.pages.messages import words as messages_words
from invoice_pipelines.web.pages.quickbooks import words as quickbooks_words
from invoice_pipelines.web.pages.routing import Page, PageCaller, PageRouter
from invoice_pipelines.web.paging import PageQuery
from invoice_pipelines.web.problems import not_found

router = PageRouter()

_MOST = 100
"""Documents and messages that an invoice is shown with."""
_PICTURE_WIDTH = 1000


@router.get("/invoices", role=Role.VIEWER)
def issued_invoices(page: Page, of: PageQuery, narrowing: Annotated[InvoiceNarrowing, Query()]) -> Response:
    """The list, the latest number first."""
    with page.enter() as at:
        asked = None if narrowing.wrong_days else narrowing.asked(at.connection)
        rows = (
            () if asked is None else newest_invoices(at.connection, **asked, before=of.after_number, limit=of.one_more)
        )
        found = of.of(rows, key=lambda row: f"{row.period}/{row.number}")
        ids = [row.id for row in found.items]
        return page.show(
            "billing/invoices.html",
            found=found,
            narrowing=narrowing,
            buckets=BUCKETS,
            sent=sent_to_customers(at.connection, ids),
            synced=synced_invoices(at.connection, ids),
        )


@router.get("/invoices/{invoice}", role=Role.VIEWER)
def issued_invoice(page: Page, invoice: str) -> Response:
    """One: what it says and owes, and what was done with it."""
    with page.enter() as at:
        return show_invoice(page, at, find_invoice_id(at.connection, invoice))


def show_invoice(
    page: PageCaller,
    at: At,
    invoice_id: UUID,
    *,
    typed: dict[str, str] | None = None,
    errors: dict[str, str] | None = None,
) -> Response:
    """The page of an invoice; with what somebody typed for a payment, and what is wrong with it."""
    connection = at.connection
    invoice = get_issued_invoice(connection, invoice_id)
    documents = list_documents(connection, invoice_id=invoice_id, limit=_MOST)
    shown = next((each for each in documents if each.format.is_pdf and each.language == invoice.language), None)
    return page.show(
        "billing/invoice.html",
        status=422 if errors else 200,
        invoice=invoice,
        settlement=standing_of(connection, invoice_id),
        payments=payments_of(connection, invoice_id),
        events=invoice_events(connection, invoice),
        documents=documents,
        pages=1 if shown is None else min(shown.pages or 1, 3),
        has_picture=shown is not None or invoice.status != "void",
        messages=list_messages(connection, invoice_id=invoice_id, limit=_MOST),
        notifications=list_notifications(connection, invoice_id=invoice_id, limit=_MOST),
        sync=invoice_sync(connection, invoice_id),
        sent=sent_to_customers(connection, [invoice_id]),
        sync_reason=lambda code, words: quickbooks_words.reason_of(code, words or "", page.language),
        typed=typed or {},
        errors=errors or {},
        **messages_words.shown(page.language),
    )


@router.get("/invoices/{invoice}/pages/{number}", role=Role.VIEWER, response_class=Response)
def picture_of_page(page: Page, invoice: str, number: int) -> Response:
    """A page of its PDF, as a picture."""
    _, content = _document(page, invoice, DocumentFormat.ZUGFERD)
    try:
        picture = page_png(content, number, width=_PICTURE_WIDTH)
    except IndexError:
        raise not_found() from None
    return Response(picture, media_type="image/png", headers={"Content-Security-Policy": "default-src 'none'"})


@router.get("/invoices/{invoice}/document", role=Role.VIEWER, response_class=Response)
def take_document(page: Page, invoice: str, format: DocumentFormat = DocumentFormat.ZUGFERD) -> Response:
    """Its PDF or XML as a file: the newest version, made at once if there is none."""
    try:
        made, content = _document(page, invoice, format)
    except DocumentNotMade as error:
        said = page.gettext("This document cannot be made.")
        return page.go(page.url("invoices", invoice), f"{said} {page.language.in_english(str(error))}", "bad")
    return attachment(iter([content]), made.file_name, PDF if made.format.is_pdf else XML)


def _document(page: PageCaller, invoice: str, format: DocumentFormat) -> tuple[Any, bytes]:
    with page.enter() as at:
        invoice_id = find_invoice_id(at.connection, invoice)
        may_keep = at.entry.may(Role.ACCOUNTANT, "delivery")
        return document_for(at.connection, at.organization, invoice_id, format, may_keep=may_keep)
