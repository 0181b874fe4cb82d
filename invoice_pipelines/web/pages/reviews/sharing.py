"""How several people share one queue: who is at a review, what is put off, and what is noted beside an invoice."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, time, timedelta
from typing import Annotated

from fastapi import Form, Header, Response
from fastapi.responses import JSONResponse

from invoice_pipelines.accounts.members import list_colleagues
from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.intake.review import claims
from invoice_pipelines.intake.review.errors import NotWaiting, ReviewClaimed
from invoice_pipelines.web.callers import At
from invoice_pipelines.web.pages.reviews.page import ReviewId
from invoice_pipelines.web.pages.reviews.queue import FilterQuery, after
from invoice_pipelines.web.pages.routing import Page, PageCaller, PageRouter
from invoice_pipelines.web.problems import wrong_field

router = PageRouter()

Accepts = Annotated[str, Header()]
_MORNING = time(7)


@router.post("/reviews/{invoice_id}/claim", role=Role.ACCOUNTANT, area="intake")
def claim(page: Page, invoice_id: ReviewId, filters: FilterQuery, accept: Accepts = "") -> Response:
    """Takes a review, or keeps it for longer. A script, which asks by itself, is told who has it."""
    for_script = "application/json" in accept
    try:
        with page.enter() as at:
            taken = claims.claim_review(at.connection, invoice_id, at.entry.actor)
    except (ReviewClaimed, NotWaiting) as refused:
        if not for_script:
            raise
        return JSONResponse({"mine": False, "words": _taken(page, refused)})
    if for_script:
        said = page.gettext("You are at it until %(time)s.") % {"time": page.language.moment(taken.expires_at)}
        return JSONResponse({"mine": True, "words": said})
    return page.go(page.url("reviews", invoice_id) + filters.as_query())


@router.post("/reviews/{invoice_id}/take-over", role=Role.ADMIN, area="intake")
def take_over(page: Page, invoice_id: ReviewId, filters: FilterQuery) -> Response:
    """Takes a review from a colleague who has it. Their page says so, and what they typed stays there."""
    with page.enter() as at:
        had = claims.take_over_review(at.connection, invoice_id, at.entry.actor)
        if had is not None:
            note = page.gettext("Taken over from %(name)s.") % {"name": had.claimed_by}
            claims.add_note(at.connection, invoice_id, note, at.entry.actor)
    said = page.gettext("You are at this invoice now.")
    if had is not None:
        said = page.gettext("You are at this invoice now; %(name)s is told.") % {"name": had.claimed_by}
    return page.go(page.url("reviews", invoice_id) + filters.as_query(), said)


@router.post("/reviews/{invoice_id}/release", role=Role.ACCOUNTANT, area="intake")
def release(
    page: Page, invoice_id: ReviewId, filters: FilterQuery, leaving: Annotated[bool, Form()] = False
) -> Response:
    """Gives a review back; on `leaving` its page for another one, which need not say so."""
    with page.enter() as at:
        claims.release_review(at.connection, invoice_id, at.entry.actor)
    if leaving:
        return Response(status_code=204)
    return page.go(page.url("reviews") + filters.as_query(), page.gettext("Given back: others can take it now."))


@router.post("/reviews/{invoice_id}/postpone", role=Role.ACCOUNTANT, area="intake")
def postpone(
    page: Page,
    invoice_id: ReviewId,
    filters: FilterQuery,
    days: Annotated[int, Form(ge=0, le=366)] = 1,
) -> Response:
    """Puts a review off until the morning after so many days, or takes that back with 0; and goes on."""
    with page.enter() as at:
        until = None
        if days:
            zone = at.organization.organization.time_zone
            day = datetime.now(zone).date() + timedelta(days=days)
            until = datetime.combine(day, _MORNING, zone).astimezone(UTC)
        claims.postpone_review(at.connection, invoice_id, until, at.entry.actor)
        if until is None:
            return page.go(page.url("reviews", invoice_id) + filters.as_query())
        claims.release_review(at.connection, invoice_id, at.entry.actor)
        found = claims.claim_next(at.connection, filters.to_work_on(), at.entry.actor, after=invoice_id)
    address, _ = after(page, filters, found)
    return page.go(address, page.gettext("Put off until %(moment)s.") % {"moment": page.language.moment(until)})


@router.post("/reviews/{invoice_id}/skip", role=Role.ACCOUNTANT, area="intake")
def skip(page: Page, invoice_id: ReviewId, filters: FilterQuery) -> Response:
    """Leaves a review to others, and takes the next one."""
    with page.enter() as at:
        found = claims.claim_next(at.connection, filters.to_work_on(), at.entry.actor, after=invoice_id)
        with suppress(ReviewClaimed):  # it is somebody else's
            claims.release_review(at.connection, invoice_id, at.entry.actor)
    return page.go(*after(page, filters, found))


@router.post("/reviews/{invoice_id}/hand-over", role=Role.ACCOUNTANT, area="intake")
def hand_over(
    page: Page,
    invoice_id: ReviewId,
    filters: FilterQuery,
    to: Annotated[str, Form(max_length=254)] = "",
    note: Annotated[str, Form(max_length=2000)] = "",
) -> Response:
    """Gives a review to a colleague, with what they should know, and goes on."""
    with page.enter() as at:
        name = list_colleagues(at.connection).get(to)
        if name is None:
            raise wrong_field("to", "is nobody who decides in this organization")
        claims.hand_over_review(at.connection, invoice_id, to, at.entry.actor)
        if note.strip():
            claims.add_note(at.connection, invoice_id, note, at.entry.actor)
        found = claims.claim_next(at.connection, filters.to_work_on(), at.entry.actor, after=invoice_id)
    address, _ = after(page, filters, found)
    return page.go(address, page.gettext("Handed over to %(name)s.") % {"name": name})


@router.post("/reviews/{invoice_id}/notes", role=Role.ACCOUNTANT, area="intake")
def note(
    page: Page,
    invoice_id: ReviewId,
    filters: FilterQuery,
    key: Annotated[str, Form(max_length=100)] = "",
    note: Annotated[str, Form(max_length=4000)] = "",
) -> Response:
    """Writes something beside an invoice for the next one."""

    def effect(at: At) -> str:
        claims.add_note(at.connection, invoice_id, note, at.entry.actor)
        return page.url("reviews", invoice_id) + filters.as_query()

    return page.once_to(key, note, effect, page.gettext("The note stands beside the invoice."))


def _taken(page: PageCaller, refused: ReviewClaimed | NotWaiting) -> str:
    if isinstance(refused, ReviewClaimed):
        said = page.gettext("%(name)s is at this invoice until %(time)s.")
        return said % {"name": refused.claimed_by, "time": page.language.moment(refused.until)}
    return page.gettext("This invoice does not wait for a person any more.")
