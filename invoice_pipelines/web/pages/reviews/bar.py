"""What was just decided, with the way back: a bar above the next review."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, Field

from invoice_pipelines.intake.review.errors import NotThere
from invoice_pipelines.intake.review.fields import FIELDS
from invoice_pipelines.intake.review.show import show_document
from invoice_pipelines.web.callers import At
from invoice_pipelines.web.pages.reviews import view
from invoice_pipelines.web.pages.reviews.words import field_words
from invoice_pipelines.web.pages.routing import PageCaller, seen_tag


class Before(BaseModel):
    """What was decided before a page was opened: the invoice, and the fields whose place was learned from it."""

    decided: UUID | None = None
    learned: str = Field(default="", max_length=500)


BeforeQuery = Annotated[Before, Query()]


def undo_bar(page: PageCaller, at: At, before: Before) -> dict[str, Any] | None:
    """The bar for who decided that; None where nothing is to be said."""
    if before.decided is None:
        return None
    try:
        document = show_document(at.connection, before.decided)
    except NotThere:
        return None
    if not document.decisions or document.decisions[-1].decided_by != at.entry.actor:
        return None
    known = [field_words(name, page.language) for name in before.learned.split(",") if name in FIELDS]
    return {
        "id": document.id,
        "name": view.name_of(document),
        "words": view.decided_words(document, page.language),
        "seen": seen_tag(document.seen),
        "can_be_undone": document.can_be_undone,
        "learned": ", ".join(known),
    }
