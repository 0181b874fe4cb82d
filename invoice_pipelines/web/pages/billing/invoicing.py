"""Sales orders become invoices: what is to be expected, how they are to be, and the request for a batch job."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Form, Query, Response

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.billing.errors import BillingError
from invoice_pipelines.billing.forecast import forecast_invoices
from invoice_pipelines.billing.requests import batch_invoice_orders
from invoice_pipelines.web.callers import At
from invoice_pipelines.web.pages.billing.narrowing import MOST_CHOSEN, ChosenOrders
from invoice_pipelines.web.pages.errors import N_
from invoice_pipelines.web.pages.messages.words import channel_choices
from invoice_pipelines.web.pages.routing import Page, PageCaller, PageRouter, seen_tag
from invoice_pipelines.web.pages.typed import day_of
from invoice_pipelines.web.problems import Refusal

router = PageRouter()

_REFUSED = {
    "invoice_date": N_("Give a day that is at most 31 days ahead, or leave it empty for the day of issue."),
    "due_days": N_("Give a whole number of days from 0 to 3650."),
    "communication_method": N_("Choose how to send them."),
}
_STALE = N_("Meanwhile other orders match the filter. Look at the figures again, then start.")


class Invoicing(ChosenOrders):
    """The options as they were typed. `key` makes it one request, `seen` says which orders were shown."""

    key: str = ""
    seen: str = ""
    invoice_date: str = ""
    due_days: str = "14"
    language: str = ""
    generate_pdf: bool = False
    send: bool = False
    communication_method: str = "email"


@router.get("/orders/invoicing", role=Role.ACCOUNTANT)
def order_invoicing(page: Page, chosen: Annotated[ChosenOrders, Query()]) -> Response:
    """What is to be expected, and the options."""
    return _form(page, Invoicing(**chosen.model_dump(), generate_pdf=True), {})


@router.post("/orders/invoicing", role=Role.ACCOUNTANT, area="billing")
def invoice_orders(page: Page, form: Annotated[Invoicing, Form()]) -> Response:
    """The request for a batch job."""
    errors = _wrong(form)
    if errors:
        return _form(page, form, {field: page.gettext(words) for field, words in errors.items()})

    def effect(at: At) -> str:
        ids = form.ids(at.connection)
        page.require_seen("" if len(ids) > MOST_CHOSEN else form.seen, *ids)  # of too many, no form is good
        if form.generate_pdf or form.send:
            at.require(Role.ACCOUNTANT, "delivery")
        answer = batch_invoice_orders(
            at.connection,
            ids,
            created_by=at.entry.actor,
            invoice_date=day_of(form.invoice_date),
            due_days=int(form.due_days),
            language=form.language or None,
            generate_pdf=form.generate_pdf,
            send_immediately=form.send,
            communication_method=form.communication_method if form.send else None,
        )
        return page.url("batch-operations", answer.job_id)

    said = page.gettext("The invoices have been requested. Here you see how far they are.")
    try:
        return page.once_to(form.key, form, effect, said)
    except Refusal as refusal:
        if refusal.code != "STALE":
            raise
        return _form(page, form, {"": page.gettext(_STALE)})
    except BillingError as error:
        field = str(error).partition(":")[0]
        if field not in _REFUSED:
            raise
        return _form(page, form, {field: page.gettext(_REFUSED[field])})


def _wrong(form: Invoicing) -> dict[str, str]:
    found = {}
    if form.invoice_date and day_of(form.invoice_date) is None:
        found["invoice_date"] = _REFUSED["invoice_date"]
    if not (form.due_days.isascii() and form.due_days.isdecimal() and int(form.due_days[:6]) <= 3650):
        found["due_days"] = _REFUSED["due_days"]
    return found


def _form(page: PageCaller, form: Invoicing, errors: dict[str, Any]) -> Response:
    with page.enter() as at:
        ids = form.ids(at.connection)
        if not ids:
            said = page.gettext(
                "No order that can be invoiced is selected. Tick some, or choose all that match the filter."
            )
            return page.go(page.url("orders"), said, "warn")
        return page.show(
            "billing/invoicing.html",
            status=422 if errors else 200,
            form=form,
            errors=errors,
            too_many=len(ids) > MOST_CHOSEN,
            most=MOST_CHOSEN,
            forecast=forecast_invoices(at.connection, ids),
            seen=seen_tag(*ids),
            channels=channel_choices(page.language),
        )
