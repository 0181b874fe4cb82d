"""The queue of reviews, and the way to the next one."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Query, Response
from pydantic import BaseModel, Field

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.intake.review.claims import claim_next
from invoice_pipelines.intake.review.fields import FIELDS
from invoice_pipelines.intake.review.queue import Wanted, backlog, list_reviews
from invoice_pipelines.intake.review.reasons import THRESHOLDS
from invoice_pipelines.web.pages.reviews.bar import BeforeQuery, undo_bar
from invoice_pipelines.web.pages.reviews.words import field_words, reason_words, waiting_words
from invoice_pipelines.web.pages.routing import Page, PageRouter
from invoice_pipelines.web.paging import PageQuery

router = PageRouter()


class Filters(BaseModel):
    """Which reviews somebody wants to work through; they go along from one to the next."""

    code: str = Field("", max_length=60)
    field: str = Field("", max_length=60)
    seller: str = Field("", max_length=200)
    show: Literal["", "free", "postponed"] = ""

    def wanted(self, actor: str) -> Wanted:
        """As the domain takes them."""
        return Wanted(
            code=self.code or None,
            field=self.field or None,
            seller=self.seller.strip() or None,
            free_for=actor if self.show == "free" else None,
            postponed=True if self.show == "postponed" else None,
        )

    def as_query(self, **more: object) -> str:
        """The end of an address that has them."""
        given = {name: value for name, value in {**self.model_dump(), **more}.items() if value}
        return f"?{urlencode(given)}" if given else ""

    def to_work_on(self) -> Wanted:
        """Those of them that are offered one after the other, as far as they are free."""
        return Wanted(code=self.code or None, field=self.field or None, seller=self.seller.strip() or None)


FilterQuery = Annotated[Filters, Query()]


@router.get("/reviews", role=Role.VIEWER)
def reviews(page: Page, of: PageQuery, filters: FilterQuery, before: BeforeQuery) -> Response:
    """The invoices that wait for a person."""
    with page.enter() as at:
        rows = list_reviews(at.connection, filters.wanted(at.entry.actor), after=of.after_id, limit=of.one_more)
        waiting = backlog(at.connection)
        within = at.organization.organization.settings.review_within_hours
        actor = at.entry.actor
        bar = undo_bar(page, at, before)
    language = page.language
    codes = sorted((reason_words(code, language), code) for code in {*waiting.by_reason, filters.code} - {""})
    fields = sorted((field_words(name, language), name) for name in {*THRESHOLDS, filters.field} if name in FIELDS)
    return page.show(
        "reviews/list.html",
        found=of.of(rows, key=lambda row: row.id),
        backlog=waiting,
        filters=filters,
        codes=[("", page.gettext("All reasons")), *((code, words) for words, code in codes)],
        fields=[("", page.gettext("All fields")), *((name, words) for words, name in fields)],
        words=lambda reason: waiting_words(reason, language),
        is_late=lambda row: row.age > timedelta(hours=within),
        actor=actor,
        can_decide=at.entry.may(Role.ACCOUNTANT, "intake"),
        within=within,
        bar=bar,
    )


@router.post("/reviews/next", role=Role.ACCOUNTANT, area="intake")
def begin(page: Page, filters: FilterQuery) -> Response:
    """Takes the first free review and opens it."""
    with page.enter() as at:
        found = claim_next(at.connection, filters.to_work_on(), at.entry.actor)
    return page.go(*after(page, filters, found))


def after(page: Page, filters: Filters, found: UUID | None, **more: object) -> tuple[str, str | None]:
    """The address of the next review, or of the queue where none is left, and what is said there."""
    if found is not None:
        return page.url("reviews", found) + filters.as_query(**more), None
    return page.url("reviews") + filters.as_query(**more), page.gettext("Nothing free is left to review.")
