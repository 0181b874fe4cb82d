"""Reviews: what people decide about invoices that wait, and what they say meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Annotated
from uuid import UUID

from pydantic import ConfigDict, Field, model_validator

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.intake.review import claims, decisions
from invoice_pipelines.intake.review.decisions import Correction, Decided, Seen
from invoice_pipelines.intake.review.errors import WrongValues
from invoice_pipelines.intake.review.fields import FIELDS
from invoice_pipelines.intake.review.show import review_state
from invoice_pipelines.intake.review.undo import undo
from invoice_pipelines.intake.stages.judging import Standard
from invoice_pipelines.intake.stages.stages import intake_of, standard_of
from invoice_pipelines.intake.states import Status
from invoice_pipelines.web.api.intake.reviews import ReviewId
from invoice_pipelines.web.api.intake.values import REASON_EXAMPLE, Claim, Note, Reason
from invoice_pipelines.web.callers import At, Caller, RequestCaller
from invoice_pipelines.web.problems import Refusal
from invoice_pipelines.web.routing import OrganizationRouter
from invoice_pipelines.web.values import Answer, Body, Instant, Text

router = OrganizationRouter(tags=["reviews"])

_MATCHES = {
    "parameters": [
        {
            "name": "If-Match",
            "in": "header",
            "required": True,
            "description": "The ETag of what was looked at; a decision on anything else is refused (412)",
            "schema": {"type": "string"},
            "example": '"5d41402abc4b2a76b9719d911017c592"',
        }
    ]
}


class Reasoned(Body):
    """A decision, with what should be known about it later."""

    reason: Annotated[Text | None, Field(max_length=1000, examples=["Confirmed by telephone"])] = None


class Box(Body):
    """A part of a page, in points from its top left corner, as its picture shows it."""

    page: int = Field(ge=1, le=10_000)
    left: float = Field(allow_inf_nan=False)
    top: float = Field(allow_inf_nan=False)
    right: float = Field(allow_inf_nan=False)
    bottom: float = Field(allow_inf_nan=False)


class CorrectionIn(Body):
    """The right value of a field: one of what is typed, the number of a candidate (from 1), what stands in a box, that
    the document does not have the field, or that what was read is confirmed.
    """

    value: Annotated[Text | None, Field(max_length=1000)] = None
    candidate: int | None = Field(None, ge=1, le=1000)
    box: Box | None = None
    absent: bool = False
    confirmed: bool = False

    @model_validator(mode="after")
    def _one_way(self) -> CorrectionIn:
        given = [self.value is not None, self.candidate is not None, self.box is not None, self.absent, self.confirmed]
        if sum(given) != 1:
            raise ValueError("give one of value, candidate, box, absent: true, or confirmed: true")
        return self

    def as_correction(self) -> Correction:
        """As the domain takes it."""
        if self.value is not None:
            return decisions.Typed(self.value)
        if self.candidate is not None:
            return decisions.Chosen(self.candidate)
        if self.box is not None:
            return decisions.Boxed(self.box.page, (self.box.left, self.box.top, self.box.right, self.box.bottom))
        return decisions.Absent() if self.absent else decisions.Confirmed()


class Corrections(Reasoned):
    """Values that are otherwise than they were read, by field."""

    corrections: dict[str, CorrectionIn] = Field(
        min_length=1,
        max_length=len(FIELDS),
        description=f"By field: {', '.join(FIELDS)}",
        examples=[
            {"gross_amount": {"value": "1.190,00"}, "number": {"candidate": 2}, "issue_date": {"confirmed": True}}
        ],
    )

    def as_corrections(self) -> dict[str, Correction]:
        """As the domain takes them."""
        return {field: given.as_correction() for field, given in self.corrections.items()}


class Rejection(Body):
    """Why an invoice is rejected."""

    reason: Annotated[Text, Field(min_length=1, max_length=1000, examples=["Not for us"])]


class ClaimIn(Body):
    """For how long a review is wanted."""

    minutes: int = Field(15, ge=1, le=480)


class NoteIn(Body):
    """What the next one should know."""

    note: Annotated[Text, Field(min_length=1, max_length=2000, examples=["The supplier confirmed the total."])]


class Postponement(Body):
    """Until when a review is put off; null: not any more."""

    until: Instant | None = Field(examples=["2026-04-02T07:00:00Z"])


class DecidedOut(Answer):
    """What became of the invoice: VALIDATED, FAILED, or still PARSED with the reasons that are left. `learned` are the
    fields whose place on the supplier's documents was learned; of an undo, is forgotten. The ETag is that of the new
    state.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "0199a1b2-0000-7000-8000-000000000012",
                    "status": "PARSED",
                    "reasons": [REASON_EXAMPLE],
                    "learned": ["number"],
                    "message": "",
                }
            ]
        }
    )

    id: UUID
    status: Status
    reasons: list[Reason]
    learned: list[str]
    message: str


class Released(Answer):
    """Whether somebody had the review."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"was_claimed": True}]})

    was_claimed: bool


@router.post("/reviews/{invoice_id}/accept", role=Role.ACCOUNTANT, area="intake", openapi_extra=_MATCHES)
def accept_review(caller: Caller, invoice_id: ReviewId, body: Reasoned) -> DecidedOut:
    """Confirm the values as they were read. Broken rules cannot be accepted."""

    def decide(at: At, seen: Seen, standard: Standard) -> Decided:
        by = at.entry.actor
        return decisions.accept(at.connection, invoice_id, seen, standard, decided_by=by, reason=body.reason)

    return _decided(caller, invoice_id, body, decide)


@router.post("/reviews/{invoice_id}/correct", role=Role.ACCOUNTANT, area="intake", openapi_extra=_MATCHES)
def correct_review(caller: Caller, invoice_id: ReviewId, body: Corrections) -> DecidedOut:
    """Put other values into fields, or confirm them; the invoice is judged again at once.

    Amounts may be written as 1190.00 or 1.190,00, dates as 2026-03-31, VAT by rate as `19 % 100.00 19.00`.
    """
    wanted = body.as_corrections()

    def decide(at: At, seen: Seen, standard: Standard) -> Decided:
        by, reason = at.entry.actor, body.reason
        with _fields_named():
            return decisions.correct(at.connection, invoice_id, seen, wanted, standard, decided_by=by, reason=reason)

    return _decided(caller, invoice_id, body, decide)


@router.post("/reviews/{invoice_id}/check", role=Role.ACCOUNTANT, area="intake", once=False)
def check_corrections(caller: Caller, invoice_id: ReviewId, body: Corrections) -> DecidedOut:
    """Tell what would become of an invoice by corrections, and which rules it would break. Nothing is kept."""
    with caller.enter() as at, _fields_named():
        standard, by = standard_of(intake_of(at.organization)), at.entry.actor
        return _shown(
            invoice_id,
            decisions.preview(at.connection, invoice_id, body.as_corrections(), standard, decided_by=by),
        )


@router.post("/reviews/{invoice_id}/reject", role=Role.ACCOUNTANT, area="intake", openapi_extra=_MATCHES)
def reject_review(caller: Caller, invoice_id: ReviewId, body: Rejection) -> DecidedOut:
    """Fail an invoice, with a reason. The upload stays, and a retry reads it again."""

    def decide(at: At, seen: Seen, _: Standard) -> Decided:
        return decisions.reject(at.connection, invoice_id, seen, body.reason, decided_by=at.entry.actor)

    return _decided(caller, invoice_id, body, decide)


@router.post("/reviews/{invoice_id}/undo", role=Role.ACCOUNTANT, area="intake", openapi_extra=_MATCHES)
def undo_review(caller: Caller, invoice_id: ReviewId, body: Reasoned) -> DecidedOut:
    """Take the last decision back, and what it taught, until the invoice is exported.

    The ETag is that of the received invoice, which need not wait any more.
    """

    def decide(at: At, seen: Seen, standard: Standard) -> Decided:
        return undo(at.connection, invoice_id, seen, standard, decided_by=at.entry.actor, reason=body.reason)

    return _decided(caller, invoice_id, body, decide)


@router.post("/reviews/{invoice_id}/ask", role=Role.ACCOUNTANT, area="intake")
def ask_for_seller(caller: Caller, invoice_id: ReviewId) -> DecidedOut:
    """Have an invoice that passed without its seller wait again, to be accepted or corrected.

    One that was exported is exported once more then. 409 where nothing was left out, or where an export that has begun
    holds the invoice.
    """

    def ask(at: At) -> DecidedOut:
        standard = standard_of(intake_of(at.organization))
        asked = decisions.ask_for_seller(at.connection, invoice_id, standard, decided_by=at.entry.actor)
        caller.tag(review_state(at.connection, invoice_id))
        return _shown(invoice_id, asked)

    return caller.once(None, ask)


@router.post("/reviews/{invoice_id}/claim", role=Role.ACCOUNTANT, area="intake")
def claim_review(caller: Caller, invoice_id: ReviewId, body: ClaimIn) -> Claim:
    """Take a review, so that nobody else decides about it meanwhile; once more, to keep it for longer."""

    def claim(at: At) -> Claim:
        lasts = timedelta(minutes=body.minutes)
        return Claim.model_validate(claims.claim_review(at.connection, invoice_id, at.entry.actor, lasts))

    return caller.once(body, claim)


@router.post("/reviews/{invoice_id}/release", role=Role.ACCOUNTANT, area="intake")
def release_review(caller: Caller, invoice_id: ReviewId) -> Released:
    """Give a review back."""

    def release(at: At) -> Released:
        return Released(was_claimed=claims.release_review(at.connection, invoice_id, at.entry.actor))

    return caller.once(None, release)


@router.post("/reviews/{invoice_id}/postpone", role=Role.ACCOUNTANT, area="intake", status_code=204)
def postpone_review(caller: Caller, invoice_id: ReviewId, body: Postponement) -> None:
    """Put a review off until a moment. It can still be decided."""

    def postpone(at: At) -> None:
        claims.postpone_review(at.connection, invoice_id, body.until, at.entry.actor)

    return caller.once(body, postpone)


@router.post("/reviews/{invoice_id}/notes", role=Role.ACCOUNTANT, area="intake", status_code=201)
def add_note(caller: Caller, invoice_id: ReviewId, body: NoteIn) -> Note:
    """Write a note beside a received invoice, whatever its status."""

    def note(at: At) -> Note:
        return Note.model_validate(claims.add_note(at.connection, invoice_id, body.note, at.entry.actor))

    return caller.once(body, note)


def _decided(
    caller: RequestCaller, invoice_id: UUID, body: Body, decide: Callable[[At, Seen, Standard], Decided]
) -> DecidedOut:
    """Decides in one transaction, on what the caller says to have seen and nothing else."""

    def effect(at: At) -> DecidedOut:
        seen = review_state(at.connection, invoice_id)
        caller.require_match(seen)
        made = decide(at, seen, standard_of(intake_of(at.organization)))
        caller.tag(review_state(at.connection, invoice_id))
        return _shown(invoice_id, made)

    return caller.once(body, effect)


def _shown(invoice_id: UUID, decided: Decided) -> DecidedOut:
    return DecidedOut(
        id=invoice_id,
        status=decided.status,
        reasons=[Reason.model_validate(reason) for reason in decided.reasons],
        learned=list(decided.learned),
        message=decided.message,
    )


@contextmanager
def _fields_named() -> Iterator[None]:
    """Names the fields of a body in which wrong values stand."""
    try:
        yield
    except WrongValues as error:
        errors = [
            {"field": f"corrections.{field}", "code": "WRONG_VALUE", "message": message}
            for field, message in error.by_field.items()
        ]
        raise Refusal(422, error.code, str(error), errors=errors) from None
