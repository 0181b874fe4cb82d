"""What the script of the review desk asks for while somebody works: what stands at a place of a page, and what would
become of the invoice as the form is now. Nothing is kept.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Form, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.intake.review.decisions import preview
from invoice_pipelines.intake.review.errors import ReviewError, WrongValues
from invoice_pipelines.intake.review.fields import FIELDS, WrongValue, shown
from invoice_pipelines.intake.review.places import read_box, read_point
from invoice_pipelines.intake.review.show import show_document, show_review
from invoice_pipelines.intake.stages.stages import intake_of, standard_of
from invoice_pipelines.intake.states import Status
from invoice_pipelines.web.pages.reviews.form import SentForm
from invoice_pipelines.web.pages.reviews.page import ReviewId
from invoice_pipelines.web.pages.reviews.words import (
    field_words,
    reason_sentence,
    reason_words,
    written,
    wrong_value_words,
)
from invoice_pipelines.web.pages.routing import Page, PageRouter

router = PageRouter()


class Pointed(BaseModel):
    """A place of a page in points: a box, or where somebody clicked, a point, as its left top corner."""

    field: str = Field("", max_length=60)
    page: int = Field(1, ge=1, le=10_000)
    left: float = Field(0, allow_inf_nan=False)
    top: float = Field(0, allow_inf_nan=False)
    right: float | None = Field(None, allow_inf_nan=False)
    bottom: float | None = Field(None, allow_inf_nan=False)


@router.post("/reviews/{invoice_id}/read", role=Role.ACCOUNTANT, area="intake")
def read(page: Page, invoice_id: ReviewId, at_place: Annotated[Pointed, Form()]) -> Response:
    """What a place of a page says as the value of a field: `value` as the form has it, and the `place` of its words;
    or in `error` why nothing can be taken from there.
    """
    with page.enter() as at:
        pages = show_document(at.connection, invoice_id).pages
    field = at_place.field
    try:
        if field not in FIELDS:
            raise WrongValue("no field")
        if at_place.right is None or at_place.bottom is None:
            value, box = read_point(pages, field, at_place.page, at_place.left, at_place.top)
        else:
            corners = (at_place.left, at_place.top, at_place.right, at_place.bottom)
            value, box = read_box(pages, field, at_place.page, corners)
    except WrongValue:
        name = field_words(field, page.language) if field in FIELDS else "–"
        words = page.gettext("There is no value for this field: %(field)s. Click on another word, or type it.")
        return JSONResponse({"error": words % {"field": name}})
    place = f"{at_place.page}:{','.join(f'{side:.2f}' for side in box)}"
    return JSONResponse({"value": written(field, shown(value), page.language), "place": place})


@router.post("/reviews/{invoice_id}/check", role=Role.ACCOUNTANT, area="intake")
def check(page: Page, invoice_id: ReviewId, form: SentForm) -> Response:
    """What would become of the invoice: whether it `passes`, else what is `left`; `errors` by field; what is `learned`
    from it.
    """
    language = page.language
    try:
        with page.enter() as at:
            review = show_review(at.connection, invoice_id)
            corrections = form.decision(review, language)
            if not corrections:
                return JSONResponse({})
            standard, by = standard_of(intake_of(at.organization)), at.entry.actor
            found = preview(at.connection, invoice_id, corrections, standard, decided_by=by)
    except WrongValues as error:
        return JSONResponse({"errors": {name: wrong_value_words(name, language) for name in error.by_field}})
    except ReviewError:
        return JSONResponse({})  # it is told of when the form is sent
    left = [f"{reason_words(one.code, language)}: {reason_sentence(one, None, language)}" for one in found.reasons]
    learned = ", ".join(field_words(name, language) for name in found.learned)
    return JSONResponse({"passes": found.status is Status.VALIDATED, "left": left, "learned": learned})
