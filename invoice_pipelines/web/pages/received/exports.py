"""Exports of received invoices: their files, asking for one now, and exporting invoices once more."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Form, Path, Response

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.intake import lists
from invoice_pipelines.intake.exports.asked_exports import ask_for_export, export_again
from invoice_pipelines.intake.received_invoices import statistics
from invoice_pipelines.intake.states import Status
from invoice_pipelines.web.callers import At
from invoice_pipelines.web.pages.received.words import Words
from invoice_pipelines.web.pages.routing import Page, PageRouter
from invoice_pipelines.web.paging import PageQuery
from invoice_pipelines.web.problems import wrong_field

router = PageRouter()

Key = Annotated[str, Form(max_length=255)]
Number = Annotated[int, Path(ge=1, le=2**31 - 1)]


@router.get("/received/exports", role=Role.VIEWER)
def received_exports(page: Page, of: PageQuery) -> Response:
    """Exports, the newest first."""
    if of.after is not None and not of.after.isdecimal():
        raise wrong_field("after", "is not a cursor of this list")
    after = None if of.after is None else int(of.after)
    with page.enter() as at:
        found = lists.list_exports(at.connection, after=after, limit=of.one_more)
        ready = statistics(at.connection).by_status[Status.VALIDATED]
    shown = of.of(found, key=lambda export: str(export.number))
    return page.show("received/exports.html", found=shown, ready=ready, words=Words(page.language))


@router.post("/received/exports", role=Role.ACCOUNTANT, area="intake")
def export_now(page: Page, key: Key = "") -> Response:
    """Has everything exported that is validated."""

    def ask(at: At) -> str:
        ask_for_export(at.connection, asked_by=at.entry.actor)
        return page.url("received", "exports")

    return page.once_to(key, None, ask, page.gettext("The export is asked for. It appears here once a worker has it."))


@router.post("/received/exports/again", role=Role.ACCOUNTANT, area="intake")
def export_invoices_again(
    page: Page,
    key: Key = "",
    invoice: Annotated[list[UUID], Form(max_length=1000)] = [],  # noqa: B006 - FastAPI copies it
    number: Annotated[str, Form(max_length=10, pattern="^[0-9]*$")] = "",
) -> Response:
    """Has exported invoices exported once more. `number` is that of the export on whose page they were chosen."""
    if not invoice:
        with page.enter():
            way = page.url("received", "exports", *([number] if number else []))
        return page.go(way, page.gettext("Choose the invoices that are to be exported again."), "warn")

    def ask(at: At) -> str:
        export_again(at.connection, invoice, asked_by=at.entry.actor)
        return page.url("received", "exports")

    said = page.ngettext("%(count)s invoice is exported again.", "%(count)s invoices are exported again.", len(invoice))
    form = " ".join(map(str, invoice))
    return page.once_to(key, form, ask, said % {"count": page.language.number(len(invoice))})


@router.get("/received/exports/{number}", role=Role.VIEWER)
def received_export(page: Page, of: PageQuery, number: Number) -> Response:
    """An export with its files and invoices."""
    with page.enter() as at:
        export = lists.find_export(at.connection, number)
        found = lists.list_exported(at.connection, export.id, after=of.after_id, limit=of.one_more)
    shown = of.of(found, key=lambda invoice: invoice.id)
    return page.show("received/export.html", export=export, found=shown, words=Words(page.language))
