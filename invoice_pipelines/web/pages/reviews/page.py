"""One review: the page of the document beside what was read on it."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import Path, Response

from invoice_pipelines.accounts.members import list_colleagues
from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.intake.review.claims import next_review
from invoice_pipelines.intake.review.errors import NotWaiting
from invoice_pipelines.intake.review.pictures import has_first_page
from invoice_pipelines.intake.review.show import Document, Review, show_document, show_review
from invoice_pipelines.web.callers import At
from invoice_pipelines.web.pages.reviews import view
from invoice_pipelines.web.pages.reviews.bar import Before, BeforeQuery, undo_bar
from invoice_pipelines.web.pages.reviews.form import ReviewForm
from invoice_pipelines.web.pages.reviews.queue import FilterQuery, Filters
from invoice_pipelines.web.pages.reviews.words import TYPES, field_words, reason_words, shown_value
from invoice_pipelines.web.pages.routing import Page, PageCaller, PageRouter, seen_tag

router = PageRouter()

ReviewId = Annotated[UUID, Path()]


@router.get("/reviews/{invoice_id}", role=Role.VIEWER)
def review(page: Page, invoice_id: ReviewId, filters: FilterQuery, before: BeforeQuery) -> Response:
    """An invoice that waits for a person, with all that is needed to decide about it."""
    return show(page, invoice_id, filters, before=before)


def show(
    page: PageCaller,
    invoice_id: UUID,
    filters: Filters,
    form: ReviewForm | None = None,
    *,
    errors: dict[str, str] | None = None,
    notice: str = "",
    status: int = 200,
    before: Before | None = None,
) -> Response:
    """The page of a review; of an invoice that does not wait (any more), what was decided about it. What stands in a
    `form` that was refused stands there again, with what was wrong.
    """
    with page.enter() as at:
        document = _look(at, invoice_id)
        is_waiting = isinstance(document, Review)
        following = next_review(at.connection, filters.to_work_on(), at.entry.actor, after=invoice_id)
        bar = undo_bar(page, at, before or Before())
        can_decide = at.entry.may(Role.ACCOUNTANT, "intake")
        colleagues = list_colleagues(at.connection) if can_decide and is_waiting else {}
        thresholds = at.organization.organization.settings.review_thresholds
        actor = at.entry.actor
        has_picture = has_first_page(at.organization, document)
    language = page.language
    rows = view.rows_of(document, thresholds, language, form.typing(errors) if form else None)
    common: dict[str, Any] = {
        "document": document,
        "name": view.name_of(document),
        "rows": rows,
        "filters": filters,
        "notice": notice,
        "bar": bar,
        "following": following,
        "can_decide": can_decide,
        "colleagues": colleagues,
        "actor": actor,
        "has_picture": has_picture,
        "pictures": at.url("reviews", invoice_id, "pages"),
        "marks_of": lambda shown: view.marks_of(rows, shown),
        "seen": seen_tag(document.seen),
        "field_words": lambda name: field_words(name, language),
        "shown_value": lambda name, value: shown_value(name, value, language),
        "reason_words": lambda code: reason_words(code, language),
        "is_e_invoice": view.is_e_invoice(document),
        "decided_words": view.decided_words(document, language),
        "typed": [row for row in rows if row.typed is not None and row.typed != row.value],
    }
    if not is_waiting:
        return page.show("reviews/decided.html", status=status, **common)
    return page.show(
        "reviews/review.html",
        status=status,
        general=view.general_reasons(document, language),
        sums=view.sums_of(document, language),
        types=[(code, language.gettext(words)) for code, words in TYPES.items()],
        reason=form.reason if form else "",
        **common,
    )


def _look(at: At, invoice_id: UUID) -> Document:
    try:
        return show_review(at.connection, invoice_id)
    except NotWaiting:
        return show_document(at.connection, invoice_id)
