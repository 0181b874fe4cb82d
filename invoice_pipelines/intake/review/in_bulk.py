"""The same decision about many invoices that wait, each in its own transaction: what one refuses stops no other."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from invoice_pipelines.intake.review.decisions import accept, reject
from invoice_pipelines.intake.review.errors import ReviewError
from invoice_pipelines.intake.review.queue import PAGE, WaitingInvoice, list_reviews
from invoice_pipelines.intake.review.show import show_review
from invoice_pipelines.intake.stages.stages import intake_of, standard_of
from invoice_pipelines.organizations.context import OrganizationContext

MOST = 1000
"""About how many invoices one call decides; the next call goes on."""


class BulkDecision(StrEnum):
    """What is decided about each of them."""

    ACCEPT = "accept"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class Decision:
    """What became of an invoice, or would: `outcome` is a status, `would be accepted` or `would be rejected`, or
    `refused`, with the reason as `message`.
    """

    invoice: WaitingInvoice
    outcome: str
    message: str = ""


def decide_reviews(
    organization: OrganizationContext,
    decision: BulkDecision,
    *,
    invoice_ids: Collection[UUID] = (),
    codes: Collection[str] = (),
    reason: str | None = None,
    write: bool = False,
) -> list[Decision]:
    """Decides about the invoices of `invoice_ids`, or all that wait; with `codes`, only about those that wait for no
    other reasons. Without `write`, only says what would come of it. Raises ReviewError where a rejection has no reason,
    or an invoice that was named does not wait.
    """
    if decision is BulkDecision.REJECT and not (reason or "").strip():
        raise ReviewError("reason: a rejection needs one.")
    waiting = list(_waiting(organization))
    if missing := set(invoice_ids) - {one.id for one in waiting}:
        raise ReviewError(f"invoice_ids: {min(missing)} does not wait for a review.")
    chosen = [
        one
        for one in waiting
        if (not invoice_ids or one.id in invoice_ids)
        and (not codes or {shown.split(" ")[0] for shown in one.reasons} <= set(codes))
    ]
    return [_decide(organization, decision, one, reason, write) for one in chosen[:MOST]]


def _waiting(organization: OrganizationContext) -> Iterator[WaitingInvoice]:
    last: UUID | None = None
    while True:
        with organization.scope() as connection:
            page = list_reviews(connection, after=last)
        yield from page
        if len(page) < PAGE:
            return
        last = page[-1].id


def _decide(
    organization: OrganizationContext, decision: BulkDecision, waiting: WaitingInvoice, reason: str | None, write: bool
) -> Decision:
    try:
        with organization.scope() as connection:
            review = show_review(connection, waiting.id)
            if not write:
                corrected = [one.code for one in review.reasons if one.must_be_corrected]
                if decision is BulkDecision.ACCEPT and corrected:
                    return Decision(waiting, "refused", f"{', '.join(corrected)} must be corrected")
                return Decision(waiting, f"would be {decision}ed")
            by = organization.actor
            if decision is BulkDecision.REJECT:
                decided = reject(connection, waiting.id, review.seen, reason or "", decided_by=by)
            else:
                standard = standard_of(intake_of(organization))
                decided = accept(connection, waiting.id, review.seen, standard, decided_by=by, reason=reason)
            return Decision(waiting, str(decided.status), decided.message)
    except ReviewError as error:
        return Decision(waiting, "refused", str(error))
