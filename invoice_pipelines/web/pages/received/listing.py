"""The list of received invoices: by state, filtered, searched, and with a place to drop files."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time, tzinfo
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlencode

from fastapi import Query, Response
from pydantic import BaseModel, StringConstraints

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.intake import lists
from invoice_pipelines.intake.received_invoices import Statistics, statistics
from invoice_pipelines.intake.review.fields import WrongValue, parse_value
from invoice_pipelines.intake.review.queue import backlog
from invoice_pipelines.intake.states import Status, label
from invoice_pipelines.web.pages.received.uploading import MOST_FILES, upload_texts
from invoice_pipelines.web.pages.received.words import Words
from invoice_pipelines.web.pages.routing import Page, PageRouter
from invoice_pipelines.web.paging import PageQuery

router = PageRouter()

Typed = Annotated[str, StringConstraints(max_length=200, strip_whitespace=True, pattern=r"^[^\x00]*$")]
Value = TypeVar("Value")


class Filters(BaseModel):
    """What the list is asked for, as it was typed."""

    status: list[Status] = []
    in_review: Literal["", "true", "false"] = ""
    text: Typed = ""
    seller: Typed = ""
    number: Typed = ""
    arrived_from: Typed = ""
    issued_from: Typed = ""
    issued_until: Typed = ""
    gross_from: Typed = ""
    gross_until: Typed = ""
    currency: Typed = ""

    @property
    def are_set(self) -> bool:
        """Whether anything was asked for but a state."""
        return any(value for name, value in self if name not in ("status", "in_review"))

    @property
    def state(self) -> dict[str, Any]:
        """What was asked for of the state."""
        return {name: value for name in ("status", "in_review") if (value := getattr(self, name))}


@router.get("/received", role=Role.VIEWER)
def received_invoices(page: Page, of: PageQuery, filters: Annotated[Filters, Query()]) -> Response:
    """Received invoices, the newest first."""
    with page.enter() as at:
        sought, wrong = _sought(filters, page.gettext, at.organization.organization.time_zone)
        counts = statistics(at.connection)
        waiting = backlog(at.connection).invoices
        found = [] if wrong else lists.list_received(at.connection, sought, after=of.after_id, limit=of.one_more)
        most_megabytes = at.organization.settings.upload_max_megabytes
    words = Words(page.language)
    return page.show(
        "received/list.html",
        status=422 if wrong else 200,
        found=of.of(found, key=lambda invoice: invoice.id),
        filters=filters,
        wrong=wrong,
        states=_states(filters, counts, waiting, page),
        total=counts.total,
        words=words,
        upload_texts=upload_texts(page.language, most_megabytes),
        most_files=MOST_FILES,
        most_megabytes=most_megabytes,
    )


def _states(filters: Filters, counts: Statistics, waiting: int, page: Page) -> list[tuple[str, str, int, bool]]:
    """The ways into the list: address, words, how many there are, and whether it is the one that is shown."""
    shown: list[tuple[dict[str, Any], str, int]] = [
        ({}, page.gettext("All"), counts.total),
        ({"in_review": "true"}, page.gettext("Waits for review"), waiting),
        *(
            ({"status": [status]}, label(status, page.language.code), count)
            for status, count in counts.by_status.items()
            if status is not Status.CREATED or count  # there are some for seconds only, after a retry
        ),
    ]
    others = [(name, value) for name, value in filters if value and name not in ("status", "in_review")]
    return [
        (f"?{urlencode([*asked.items(), *others], doseq=True)}", words, count, asked == filters.state)
        for asked, words, count in shown
    ]


def _sought(filters: Filters, _: Callable[[str], str], zone: tzinfo) -> tuple[lists.Sought, dict[str, str]]:
    """What the domain is asked for, and what is wrong with fields that it cannot be asked for."""
    wrong: dict[str, str] = {}

    def read(name: str, parse: Callable[[str], Value], said: str) -> Value | None:
        typed = getattr(filters, name)
        try:
            return parse(typed) if typed else None
        except (ValueError, WrongValue):
            wrong[name] = said
            return None

    day, amount = _("Write a day of the calendar."), _("Write an amount such as 1.190,00 or 1190.00.")
    sought = lists.Sought(
        statuses=filters.status,
        in_review={"true": True, "false": False}.get(filters.in_review),
        seller=filters.seller or None,
        number=filters.number or None,
        arrived_from=read("arrived_from", lambda typed: datetime.combine(date.fromisoformat(typed), time(), zone), day),
        issued_from=read("issued_from", date.fromisoformat, day),
        issued_until=read("issued_until", date.fromisoformat, day),
        gross_from=read("gross_from", lambda typed: parse_value("gross_amount", typed), amount),
        gross_until=read("gross_until", lambda typed: parse_value("gross_amount", typed), amount),
        currency=read("currency", lambda typed: parse_value("currency", typed), _("Write a currency such as EUR.")),
        words=filters.text or None,
    )
    return sought, wrong
