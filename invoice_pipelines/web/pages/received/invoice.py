"""One received invoice: its values beside its pages, why it waits or failed, its history, and what can be done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import Form, Response

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.intake import lists
from invoice_pipelines.intake.operations import logged_errors
from invoice_pipelines.intake.received_invoices import retry_invoices
from invoice_pipelines.intake.review.claims import LONGEST_NOTE, add_note
from invoice_pipelines.intake.review.decisions import ask_for_seller
from invoice_pipelines.intake.review.errors import ReviewError
from invoice_pipelines.intake.review.pictures import has_first_page
from invoice_pipelines.intake.review.show import Document, show_document
from invoice_pipelines.intake.stages.asked_uploads import ask_for_uploads
from invoice_pipelines.intake.stages.stages import intake_of, standard_of
from invoice_pipelines.web.callers import At
from invoice_pipelines.web.pages.received.history import history_of
from invoice_pipelines.web.pages.received.words import Words
from invoice_pipelines.web.pages.routing import Page, PageRouter

router = PageRouter()

Key = Annotated[str, Form(max_length=255)]


@dataclass(frozen=True, slots=True)
class PageSize:
    """A page that can be drawn; its size in points where that is known."""

    number: int
    width: float | None = None
    height: float | None = None


@router.get("/received/{invoice_id}", role=Role.VIEWER)
def received_invoice(page: Page, invoice_id: UUID) -> Response:
    """An invoice in full."""
    return _show(page, invoice_id)


@router.post("/received/{invoice_id}/retry", role=Role.ACCOUNTANT, area="intake")
def retry_invoice(page: Page, invoice_id: UUID, key: Key = "") -> Response:
    """Has a failed invoice read again."""
    said = page.gettext("The invoice is read again as soon as a worker is free.")
    return _do(page, invoice_id, key, lambda at: retry_invoices(at.connection, [invoice_id]), said)


@router.post("/received/{invoice_id}/process", role=Role.ACCOUNTANT, area="intake")
def process_invoice(page: Page, invoice_id: UUID, key: Key = "") -> Response:
    """Has an invoice read ahead of the queue."""

    def ask(at: At) -> None:
        upload_id = lists.get_received(at.connection, invoice_id).upload_id
        ask_for_uploads(at.connection, [upload_id], asked_by=at.entry.actor)

    said = page.gettext("The invoice is the next one that is read; it waits for a worker.")
    return _do(page, invoice_id, key, ask, said)


@router.post("/received/{invoice_id}/ask", role=Role.ACCOUNTANT, area="intake")
def ask_who_made_it(page: Page, invoice_id: UUID, key: Key = "") -> Response:
    """Has an invoice that passed without its supplier wait again, to be told who that is."""

    def effect(at: At) -> str:
        standard = standard_of(intake_of(at.organization))
        ask_for_seller(at.connection, invoice_id, standard, decided_by=at.entry.actor)
        return page.url("reviews", invoice_id)

    return page.once_to(key, None, effect, page.gettext("The invoice waits again. Say who made it."))


@router.post("/received/{invoice_id}/notes", role=Role.ACCOUNTANT, area="intake")
def write_note(page: Page, invoice_id: UUID, key: Key = "", note: Annotated[str, Form()] = "") -> Response:
    """Writes a note beside an invoice."""
    said = page.gettext("The note is written down.")
    try:
        return _do(
            page, invoice_id, key, lambda at: add_note(at.connection, invoice_id, note, at.entry.actor), said, note
        )
    except ReviewError as refused:
        if refused.code != "WRONG_NOTE":
            raise
        wrong = page.gettext("A note has 1 to %(most)s characters.") % {"most": LONGEST_NOTE}
        return _show(page, invoice_id, note, wrong)


def _do(
    page: Page, invoice_id: UUID, key: str, act: Callable[[At], object], said: str, form: str | None = None
) -> Response:
    """Does something to the invoice, once, and shows it again."""

    def effect(at: At) -> str:
        act(at)
        return page.url("received", invoice_id)

    return page.once_to(key, form, effect, said)


def _show(page: Page, invoice_id: UUID, note: str = "", wrong_note: str = "") -> Response:
    with page.enter() as at:
        invoice = lists.get_received(at.connection, invoice_id)
        document = show_document(at.connection, invoice_id)
        lines = lists.lines_of_received(at.connection, invoice_id)
        errors = logged_errors(at.connection, invoice_ids=[invoice_id])
        changes = lists.status_changes(at.connection, invoice_id)
        pages = _pages(at, document)
    words = Words(page.language)
    rates = next((value.value for value in document.values if value.field == "tax_breakdowns"), None)
    return page.show(
        "received/invoice.html",
        status=422 if wrong_note else 200,
        invoice=invoice,
        document=document,
        words=words,
        pages=pages,
        doubted={reason.field for reason in document.reasons},
        rates=words.rates(rates),
        lines=lines,
        failure=next((words.error(error) for error in errors if not error.will_be_retried), ""),
        history=history_of(document, changes, errors, words),
        note=note,
        wrong_note=wrong_note,
    )


def _pages(at: At, document: Document) -> list[PageSize]:
    """The pages that can be drawn. Of a PDF that carries an e-invoice nobody counted them; there is a first one."""
    if document.pages:
        return [PageSize(page.number, page.width, page.height) for page in document.pages]
    return [PageSize(1)] if has_first_page(at.organization, document) else []
