"""Addresses that nothing is sent to."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Form, Query, Response

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.delivery.messages.opt_outs import add_opt_out, end_opt_out, get_opt_out, list_opt_outs
from invoice_pipelines.delivery.values import DeliveryError
from invoice_pipelines.registry import MESSAGING_CHANNELS
from invoice_pipelines.web.callers import At
from invoice_pipelines.web.pages.messages.words import channel_choices, shown
from invoice_pipelines.web.pages.routing import Page, PageCaller, PageRouter
from invoice_pipelines.web.paging import PageQuery, PageRequest

router = PageRouter()

Typed = Annotated[str, Form(max_length=500)]


@router.get("/messages/opt-outs", role=Role.VIEWER)
def opt_outs(page: Page, of: PageQuery, ended: Annotated[bool, Query()] = False) -> Response:
    """Whom nothing is sent to, the oldest first."""
    with page.enter() as at:
        return _show(page, at, of, ended=ended)


@router.post("/messages/opt-outs", role=Role.ACCOUNTANT, area="delivery")
def add(page: Page, of: PageQuery, channel: Typed = "email", address: Typed = "", note: Typed = "") -> Response:
    """Sends nothing to an address any more."""
    with page.enter() as at:
        typed = {"channel": channel, "address": address, "note": note}
        if channel not in MESSAGING_CHANNELS.names() or "\x00" in address + note:
            return _show(page, at, of, typed=typed, error=page.gettext("This cannot be stored."))
        try:
            is_new = add_opt_out(
                at.connection, channel, address.strip(), note=note.strip() or None, created_by=at.entry.actor
            )
        except DeliveryError:
            error = page.gettext("This is no phone number. Write it with its country, such as +49 151 23456789.")
            if channel == "email":
                error = page.gettext("This is not a valid email address.")
            return _show(page, at, of, typed=typed, error=error)
    if not is_new:
        return page.go(page.url("messages", "opt-outs"), page.gettext("This address is on the list already."), "warn")
    return page.go(page.url("messages", "opt-outs"), page.gettext("Nothing is sent to this address any more."))


@router.post("/messages/opt-outs/{opt_out}/end", role=Role.ACCOUNTANT, area="delivery")
def end(page: Page, opt_out: UUID) -> Response:
    """Lets messages go to an address again."""
    with page.enter() as at:
        found = get_opt_out(at.connection, opt_out)
        if found.ended_at is None:
            end_opt_out(at.connection, found.channel, found.recipient, ended_by=at.entry.actor)
    said = page.gettext("Messages go to %(address)s again.") % {"address": found.recipient}
    return page.go(page.url("messages", "opt-outs"), said)


def _show(
    page: PageCaller,
    at: At,
    of: PageRequest,
    *,
    ended: bool = False,
    typed: dict[str, str] | None = None,
    error: str = "",
) -> Response:
    rows = list_opt_outs(at.connection, with_ended=ended, after=of.after_id, limit=of.one_more)
    return page.show(
        "messages/opt_outs.html",
        status=422 if error else 200,
        found=of.of(rows, key=lambda row: row.id),
        ended=ended,
        channels=channel_choices(page.language),
        typed=typed or {},
        error=error,
        **shown(page.language),
    )
