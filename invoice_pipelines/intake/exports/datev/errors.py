"""Errors for people: an invoice cannot be booked, or DATEV cannot be set up like this."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from invoice_pipelines.errors import InvoicePipelinesError


class DatevError(InvoicePipelinesError):
    """A setting, rule or account is refused; nothing was changed. The message is one line that says what to do."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an invoice cannot be booked. `code` is stable and in capitals; `message` says what is missing, and where."""

    code: str
    message: str


class Refused(InvoicePipelinesError):
    """An invoice cannot be booked, for these reasons."""

    def __init__(self, *refusals: Refusal) -> None:
        super().__init__("; ".join(refusal.message for refusal in refusals))
        self.refusals: Sequence[Refusal] = refusals

    @classmethod
    def because(cls, code: str, message: str) -> Refused:
        """Refused for one reason."""
        return cls(Refusal(code, message))
