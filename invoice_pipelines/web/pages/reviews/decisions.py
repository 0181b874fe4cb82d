"""What is decided about a review, and the way on to the next one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated
from uuid import UUID

from fastapi import Form, Header, Response
from fastapi.responses import JSONResponse

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.errors import InvoicePipelinesError
from invoice_pipelines.intake.review import decisions
from invoice_pipelines.intake.review.claims import claim_next
from invoice_pipelines.intake.review.decisions import Decided, Seen
from invoice_pipelines.intake.review.errors import (
    MustBeCorrected,
    NotWaiting,
    ReviewClaimed,
    ReviewConflict,
    ReviewError,
    WrongValues,
)
from invoice_pipelines.intake.review.show import Review, review_state, show_review
from invoice_pipelines.intake.review.undo import undo
from invoice_pipelines.intake.stages.stages import intake_of, standard_of
from invoice_pipelines.intake.states import Status
from invoice_pipelines.web.callers import At
from invoice_pipelines.web.pages.reviews.bar import Before, undo_bar
from invoice_pipelines.web.pages.reviews.form import ReviewForm, SentForm
from invoice_pipelines.web.pages.reviews.page import ReviewId, show
from invoice_pipelines.web.pages.reviews.queue import FilterQuery, Filters, after
from invoice_pipelines.web.pages.reviews.words import reason_words, wrong_value_words
from invoice_pipelines.web.pages.routing import Page, PageCaller, PageRouter
from invoice_pipelines.web.problems import Refusal

router = PageRouter()

Accepts = Annotated[str, Header()]


@router.post("/reviews/{invoice_id}/decide", role=Role.ACCOUNTANT, area="intake")
def decide(page: Page, invoice_id: ReviewId, filters: FilterQuery, form: SentForm, accept: Accepts = "") -> Response:
    """Takes the values as they stand in the form, and goes on to the next review if nothing is left to decide.

    `what` is accept: what was not changed is right; or save: only what was changed is decided.
    """

    def effect(at: At) -> Decided:
        review = show_review(at.connection, invoice_id)
        page.require_seen(form.seen, review.seen)
        return _decided(at, page, review, form)

    return _on(page, invoice_id, filters, form, accept, effect)


@router.post("/reviews/{invoice_id}/reject", role=Role.ACCOUNTANT, area="intake")
def reject(page: Page, invoice_id: ReviewId, filters: FilterQuery, form: SentForm, accept: Accepts = "") -> Response:
    """Fails the invoice with a reason, and goes on."""

    def effect(at: At) -> Decided:
        seen = _seen(at, page, invoice_id, form.seen)
        return decisions.reject(at.connection, invoice_id, seen, form.reason, decided_by=at.entry.actor)

    return _on(page, invoice_id, filters, form, accept, effect)


@router.post("/reviews/{invoice_id}/undo", role=Role.ACCOUNTANT, area="intake")
def take_back(
    page: Page, invoice_id: ReviewId, filters: FilterQuery, seen: Annotated[str, Form(max_length=100)] = ""
) -> Response:
    """Takes the last decision back, with what it taught, and opens the review again."""
    with page.enter() as at:
        state = _seen(at, page, invoice_id, seen)
        standard = standard_of(intake_of(at.organization))
        undo(at.connection, invoice_id, state, standard, decided_by=at.entry.actor)
    said = page.gettext("Taken back: everything is as it was before, what was learned from it as well.")
    return page.go(page.url("reviews", invoice_id) + filters.as_query(), said)


def _on(
    page: PageCaller,
    invoice_id: UUID,
    filters: Filters,
    form: ReviewForm,
    accept: str,
    effect: Callable[[At], Decided],
) -> Response:
    """Decides in one transaction, takes the next review in it, and leads there; where it is refused, the form stands
    there again with all that was typed.
    """
    try:
        with page.enter() as at:
            made = effect(at)
            found: UUID | None = invoice_id
            bar = None
            if made.status is not Status.PARSED:
                wanted, actor = filters.to_work_on(), at.entry.actor
                found = claim_next(at.connection, wanted, actor, after=invoice_id, rather=form.rather)
                before = Before(decided=invoice_id, learned=",".join(made.learned))
                bar = undo_bar(page, at, before)
    except WrongValues as error:
        wrong = {name: wrong_value_words(name, page.language) for name in error.by_field}
        said = page.gettext("Something in the form is not right")
        return show(page, invoice_id, filters, form, errors=wrong, notice=f"{said}.", status=422)
    except (Refusal, ReviewError) as error:
        refused = _refused(page, error)
        if refused is None:
            raise
        status, notice = refused
        return show(page, invoice_id, filters, form, notice=notice, status=status)
    if made.status is Status.PARSED:
        left = {reason_words(reason.code, page.language) for reason in made.reasons}
        still = page.gettext("Saved. Something is still to be looked at: %(what)s.") % {"what": ", ".join(sorted(left))}
        return _go(page, accept, page.url("reviews", invoice_id) + filters.as_query(), still, "warn")
    address, words = after(page, filters, found, decided=invoice_id, learned=before.learned)
    shown = bytes(page.show("reviews/bar.html", bar=bar, filters=filters).body).decode()
    return _go(page, accept, address, words, "good", {"next": None if found is None else str(found), "bar": shown})


def _decided(at: At, page: PageCaller, review: Review, form: ReviewForm) -> Decided:
    standard, by = standard_of(intake_of(at.organization)), at.entry.actor
    only = form.what == "save"
    corrections = form.corrections(review, page.language) if only else form.decision(review, page.language)
    reason = form.reason.strip() or None
    if corrections or only:
        return decisions.correct(
            at.connection, review.id, review.seen, corrections, standard, decided_by=by, reason=reason
        )
    return decisions.accept(at.connection, review.id, review.seen, standard, decided_by=by, reason=reason)


def _seen(at: At, page: PageCaller, invoice_id: UUID, given: str) -> Seen:
    """The state of the invoice, if it is what the form was made for."""
    state = review_state(at.connection, invoice_id)
    page.require_seen(given, state)
    return state


def _refused(page: PageCaller, error: InvoicePipelinesError) -> tuple[int, str] | None:
    """Status and words of a refusal after which the form stands there again; None for any other."""
    _ = page.gettext
    if isinstance(error, ReviewClaimed):
        said = _("%(name)s is at this invoice until %(time)s. Nothing was decided, and what you typed stands here.")
        return 409, said % {"name": error.claimed_by, "time": page.language.moment(error.until)}
    if isinstance(error, MustBeCorrected):
        return 409, _("A rule is broken, and accepting does not mend it. Correct the values, or reject the invoice.")
    if isinstance(error, (NotWaiting, ReviewConflict)) or error.code == "STALE":
        return 412, _("Somebody was faster: the invoice has changed since you opened it. What you typed is kept below.")
    if error.code == "NO_CORRECTION":
        return 422, _("No value was changed, so there is nothing to save. To accept what was read, choose Accept.")
    if error.code == "REASON_MISSING":
        return 422, _("A rejection needs a reason: the supplier or the next colleague will ask for it.")
    if error.code == "E_INVOICE_NOT_CORRECTABLE":
        return 409, _("This is an e-invoice: its values are what was sent. Accept it, or reject it.")
    return None


def _go(
    page: PageCaller,
    accept: str,
    address: str,
    said: str | None,
    kind: str,
    more: dict[str, str | None] | None = None,
) -> Response:
    """On to the next page; a script is told where that is, as it may have it ready."""
    answer = page.go(address, said, kind)
    if "application/json" not in accept:
        return answer
    told = JSONResponse({"address": address, **(more or {})})
    told.raw_headers.extend((name, value) for name, value in answer.raw_headers if name == b"set-cookie")
    return told
