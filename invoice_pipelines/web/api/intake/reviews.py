"""Reviews: received invoices that wait for a person, and all that is needed to decide about them."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from anyio import CapacityLimiter, move_on_after
from anyio.to_thread import run_sync
from fastapi import Path, Query, Request, Response
from pydantic import ConfigDict

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.intake.review.fields import shown
from invoice_pipelines.intake.review.pictures import (
    AT_ONCE,
    DrawingBusy,
    as_png,
    page_picture,
    turns_of_recognized,
    with_marks,
)
from invoice_pipelines.intake.review.queue import Wanted, backlog, list_reviews
from invoice_pipelines.intake.review.show import Document, show_document, show_review
from invoice_pipelines.intake.stages.stages import intake_of
from invoice_pipelines.intake.states import Status
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.storage import read_blob
from invoice_pipelines.web import etags
from invoice_pipelines.web.api.intake.values import DOCUMENT_EXAMPLE, Reading, reading_of
from invoice_pipelines.web.callers import Caller
from invoice_pipelines.web.limits import Rooms
from invoice_pipelines.web.paging import Page, PageQuery
from invoice_pipelines.web.routing import OrganizationRouter
from invoice_pipelines.web.values import Amount, Answer, Day, Instant, Text

router = OrganizationRouter(tags=["reviews"])

SECONDS_TO_WAIT = 20
"""For so long a picture waits for its turn to be drawn."""

ReviewId = Annotated[UUID, Path(description="Id of the received invoice")]
_PICTURE: dict[int | str, dict[str, Any]] = {
    200: {"description": "The page", "content": {"image/png": {}}},
    304: {"description": "The picture that If-None-Match names is still the right one"},
}


class WaitingInvoice(Answer):
    """An invoice that waits for a person; `reasons` are codes with the field. `claimed_by` is who is at it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "0199a1b2-0000-7000-8000-000000000012",
                    "file_name": "rechnung-4711.pdf",
                    "waiting_since": "2026-03-31T12:00:04Z",
                    "source": "text",
                    "seller_name": "Zimmerei Holzwurm GmbH",
                    "number": "2026-4711",
                    "issue_date": "2026-03-05",
                    "gross_amount": "1190.00",
                    "currency": "EUR",
                    "reasons": ["LOW_CONFIDENCE gross_amount"],
                    "claimed_by": None,
                    "claimed_until": None,
                    "postponed_until": None,
                }
            ]
        }
    )

    id: UUID
    file_name: str
    waiting_since: Instant
    source: str
    seller_name: str | None
    number: str | None
    issue_date: Day | None
    gross_amount: Amount | None
    currency: str | None
    reasons: list[str]
    claimed_by: str | None
    claimed_until: Instant | None
    postponed_until: Instant | None


class Backlog(Answer):
    """How much waits for a person: invoices, since when the oldest of them, and invoices by code of the reason."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "invoices": 7,
                    "oldest_since": "2026-03-31T12:00:04Z",
                    "by_reason": {"LOW_CONFIDENCE": 6, "IP-TOTAL-01": 2},
                }
            ]
        }
    )

    invoices: int
    oldest_since: Instant | None
    by_reason: dict[str, int]


class Candidate(Answer):
    """What else a doubtful value could be, and where that stands."""

    value: str
    page: int
    box: tuple[float, float, float, float]
    score: float


_REVIEW_EXAMPLE: dict[str, Any] = DOCUMENT_EXAMPLE | {
    "id": "0199a1b2-0000-7000-8000-000000000012",
    "file_name": "rechnung-4711.pdf",
    "status": "PARSED",
    "processing_version": 2,
    "source": "text",
    "format": "PDF",
    "waiting_since": "2026-03-31T12:00:04Z",
    "candidates": {
        "gross_amount": [{"value": "1190.00", "page": 1, "box": [482.0, 523.2, 545.0, 534.1], "score": 0.81}]
    },
}


class Review(Reading):
    """All that is needed to decide about an invoice. The ETag is to be given with the decision."""

    model_config = ConfigDict(json_schema_extra={"examples": [_REVIEW_EXAMPLE]})

    id: UUID
    file_name: str
    status: Status
    processing_version: int
    source: str
    format: str
    waiting_since: Instant
    candidates: dict[str, list[Candidate]]


@router.get("/reviews", role=Role.VIEWER)
def list_waiting_reviews(
    caller: Caller,
    page: PageQuery,
    code: Annotated[
        str | None, Query(max_length=60, description="Only with this reason", examples=["LOW_CONFIDENCE"])
    ] = None,
    field: Annotated[str | None, Query(max_length=60, description="Only with a reason of this field")] = None,
    seller: Annotated[Text | None, Query(max_length=200, description="Part of the seller's name")] = None,
    free: Annotated[bool, Query(description="Only what no other is at, and what is not put off")] = False,
    claimed: Annotated[bool | None, Query(description="Only those that somebody, or nobody, is at")] = None,
    postponed: Annotated[bool | None, Query(description="Only those that are, or are not, put off")] = None,
) -> Page[WaitingInvoice]:
    """List the invoices that wait for a person, in the order of their arrival."""
    with caller.enter() as at:
        wanted = Wanted(
            code=code,
            field=field,
            seller=seller,
            free_for=at.entry.actor if free else None,
            claimed=claimed,
            postponed=postponed,
        )
        found = list_reviews(at.connection, wanted, after=page.after_id, limit=page.one_more)
    return page.of(found, key=lambda waiting: waiting.id)


@router.get("/reviews/statistics", role=Role.VIEWER)
def get_review_statistics(caller: Caller) -> Backlog:
    """Get how much waits for a person, since when, and why."""
    with caller.enter() as at:
        return Backlog.model_validate(backlog(at.connection))


@router.get("/reviews/{invoice_id}", role=Role.VIEWER)
def get_review(caller: Caller, invoice_id: ReviewId) -> Review:
    """Get all that is needed to decide about an invoice: values, places, candidates, reasons.

    409 where it does not wait; as a received invoice it can be seen whatever its status.
    """
    with caller.enter() as at:
        review = show_review(at.connection, invoice_id)
    caller.tag(review.seen)
    own = {name: getattr(review, name) for name in ("id", "file_name", "status", "processing_version", "source")}
    return Review.model_validate(
        own
        | reading_of(review)
        | {
            "format": review.format,
            "waiting_since": review.waiting_since,
            "candidates": {
                field: [
                    {"value": shown(found.value) or "", "page": found.page, "box": found.box, "score": found.score}
                    for found in candidates
                ]
                for field, candidates in review.candidates.items()
            },
        }
    )


@router.get("/reviews/{invoice_id}/pages/{number}", role=Role.VIEWER, response_class=Response, responses=_PICTURE)
async def get_page_picture(
    caller: Caller,
    request: Request,
    invoice_id: ReviewId,
    number: Annotated[int, Path(ge=1, le=10_000, description="Number of the page, from 1", examples=[1])],
    marks: Annotated[bool, Query(description="With boxes around the values, which stand beside the page")] = False,
) -> Response:
    """Get a page of a received invoice as a picture (PNG), whatever its status.

    Without marks, the width and height of the picture stand for those of the page in points, so that boxes can be put
    over it.
    """

    def look() -> tuple[Document, OrganizationContext]:
        with caller.enter() as at:
            return show_document(at.connection, invoice_id), at.organization

    document, organization = await run_sync(look)
    tag = etags.etag(document.sha256, number, document.seen if marks else "plain")
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)

    def turns_of(key: str) -> int:
        with caller.enter() as at:
            return turns_of_recognized(at.connection, key)

    def draw() -> bytes:
        intake = intake_of(organization)
        original = partial(read_blob, intake.originals, organization.id, document.sha256, intake.limits.file_bytes)
        picture = page_picture(original, document.pages, number, intake.limits, turns_of)
        return as_png(with_marks(picture, document, number) if marks else picture)

    return Response(await _drawn(request, draw), media_type="image/png", headers=headers)


async def _drawn(request: Request, draw: Callable[[], bytes]) -> bytes:
    """What is drawn by threads of its own: a page that was made to take long holds up pictures, and nothing else."""
    state = request.app.state
    if not hasattr(state, "drawing"):
        state.drawing, state.drawing_rooms = CapacityLimiter(AT_ONCE), Rooms(AT_ONCE)
    with move_on_after(SECONDS_TO_WAIT) as waiting:
        async with state.drawing_rooms.of(request.path_params["organization"]), state.drawing:
            waiting.deadline = math.inf
            return await run_sync(draw, limiter=CapacityLimiter(1))
    raise DrawingBusy("Too many pages are being drawn at this moment; try again.")
