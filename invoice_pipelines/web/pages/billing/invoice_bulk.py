"""Documents of many invoices, and messages about them: options, and the request for a batch job."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Form, Query, Response

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.delivery.documents.requests import DocumentRequest, ask_for_documents
from invoice_pipelines.delivery.forecast import MOST_LOOKED_AT, forecast_documents, forecast_messages
from invoice_pipelines.delivery.messages.messages import ask_for_communications, read_request
from invoice_pipelines.delivery.values import DeliveryError
from invoice_pipelines.web.callers import At
from invoice_pipelines.web.pages.billing.narrowing import MOST_CHOSEN, ChosenInvoices
from invoice_pipelines.web.pages.errors import N_
from invoice_pipelines.web.pages.messages.words import channel_choices
from invoice_pipelines.web.pages.routing import Page, PageCaller, PageRouter, seen_tag
from invoice_pipelines.web.problems import Refusal

router = PageRouter()

_STALE = N_("Meanwhile other invoices match the filter. Look at the figures again, then start.")
_REFUSED = {
    "subject": N_("This subject is not possible. Only emails have one; fields are written {{like_this}}."),
    "method": N_("Choose how to send them."),
    "request": N_("XML has no pages that could be put into one PDF. Choose a format with pages."),
}


class Documents(ChosenInvoices):
    """The options as they were typed."""

    key: str = ""
    seen: str = ""
    format: str = "zugferd"
    language: str = ""
    combined: bool = False
    zip: bool = False
    renew: bool = False


class Messages(ChosenInvoices):
    """The options as they were typed."""

    key: str = ""
    seen: str = ""
    method: str = "email"
    subject: str = ""
    include_pdf: bool = False
    language: str = ""


@router.get("/invoices/documents", role=Role.ACCOUNTANT)
def documents_form(page: Page, chosen: Annotated[ChosenInvoices, Query()]) -> Response:
    """The options of documents."""
    return _form(page, "documents", Documents(**chosen.model_dump()), {})


@router.post("/invoices/documents", role=Role.ACCOUNTANT, area="delivery")
def make_documents(page: Page, form: Annotated[Documents, Form()]) -> Response:
    """The request for documents."""

    def effect(at: At) -> str:
        ids = form.ids(at.connection)
        page.require_seen("" if len(ids) > MOST_CHOSEN else form.seen, *ids)  # of too many, no form is good
        request = DocumentRequest.of(
            {
                "formats": [form.format],
                "language": form.language or None,
                "renew": form.renew,
                "combined": form.combined,
                "zip": form.zip,
            }
        )
        answer = ask_for_documents(at.connection, ids, request, created_by=at.entry.actor)
        return page.url("batch-operations", answer.job_id)

    said = page.gettext("The documents have been requested. Here you see how far they are, and get the files.")
    return _once(page, "documents", form, effect, said)


@router.get("/invoices/messages", role=Role.ACCOUNTANT)
def messages_form(page: Page, chosen: Annotated[ChosenInvoices, Query()]) -> Response:
    """The options of messages."""
    return _form(page, "messages", Messages(**chosen.model_dump(), include_pdf=True), {})


@router.post("/invoices/messages", role=Role.ACCOUNTANT, area="delivery")
def send_messages(page: Page, form: Annotated[Messages, Form()]) -> Response:
    """The request for messages."""

    def effect(at: At) -> str:
        ids = form.ids(at.connection)
        page.require_seen("" if len(ids) > MOST_CHOSEN else form.seen, *ids)  # of too many, no form is good
        wanted = {
            "method": form.method,
            "subject": form.subject.strip() or None,
            "include_pdf": form.include_pdf,
            "language": form.language or None,
        }
        request = read_request({name: value for name, value in wanted.items() if value is not None})
        answer = ask_for_communications(at.connection, ids, request, created_by=at.entry.actor)
        return page.url("batch-operations", answer.job_id)

    said = page.gettext("The messages have been requested. Here you see what becomes of each.")
    return _once(page, "messages", form, effect, said)


def _once(page: PageCaller, what: str, form: Any, effect: Any, said: str) -> Response:
    try:
        return page.once_to(form.key, form, effect, said)
    except Refusal as refusal:
        if refusal.code != "STALE":
            raise
        return _form(page, what, form, {"": page.gettext(_STALE)})
    except DeliveryError as error:
        field = "request" if what == "documents" else str(error).partition(":")[0]
        if field not in _REFUSED:
            raise
        return _form(page, what, form, {field: page.gettext(_REFUSED[field])})


def _form(page: PageCaller, what: str, form: Any, errors: dict[str, str]) -> Response:
    with page.enter() as at:
        ids = form.ids(at.connection)
        if not ids:
            said = page.gettext("No invoice is selected. Tick some, or choose all that match the filter.")
            return page.go(page.url("invoices"), said, "warn")
        if what == "documents":
            expected: Any = forecast_documents(at.connection, ids)
        else:
            expected = forecast_messages(at.connection, at.organization.organization, ids)
        return page.show(
            f"billing/{what}.html",
            expected=expected,
            status=422 if errors else 200,
            form=form,
            errors=errors,
            number=len(ids),
            looked_at=min(len(ids), MOST_LOOKED_AT),
            too_many=len(ids) > MOST_CHOSEN,
            most=MOST_CHOSEN,
            seen=seen_tag(*ids),
            channels=channel_choices(page.language),
        )
