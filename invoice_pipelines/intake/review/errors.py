"""Errors of decisions about invoices; each message says what to do."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from invoice_pipelines.errors import InvoicePipelinesError


class ReviewError(InvoicePipelinesError):
    """Something cannot be decided; the message says why and what to do."""


class ReviewConflict(ReviewError):
    """Somebody else decided about the invoice after it was looked at."""


class NotWaiting(ReviewError):
    """The invoice does not wait for a person."""


class NotThere(ReviewError):
    """The organization has no such invoice."""

    code = "RECEIVED_INVOICE_NOT_FOUND"


class ReviewClaimed(ReviewError):
    """Somebody else is at the review."""

    def __init__(self, claimed_by: str, until: datetime) -> None:
        super().__init__(
            f"{claimed_by} is at this review until {until:%H:%M} UTC. Take another one, or ask them to release it."
        )
        self.claimed_by = claimed_by
        self.until = until


class MustBeCorrected(ReviewError):
    """No person can make a broken rule hold by accepting what was read."""


class NotCorrectable(ReviewError):
    """An e-invoice is what was sent."""

    code = "E_INVOICE_NOT_CORRECTABLE"


class WrongValues(ReviewError):
    """Values that cannot stand in their fields: `by_field` says of each why."""

    def __init__(self, message: str, by_field: Mapping[str, str]) -> None:
        super().__init__(message)
        self.by_field = by_field


class NotUndoable(ReviewError):
    """There is no decision to take back, or not any more; `code` says why."""
