"""What a reason to look at an invoice is; which there are is for `reasons`. Light: the command line loads it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ReviewReason:
    """One thing a person has to look at.

    `code` is LOW_CONFIDENCE or the rule that is violated. `value` is the field's value as read. One that
    `must_be_corrected` does not go away by accepting what was read.
    """

    code: str
    field: str | None
    message: str
    message_de: str
    value: str | None = None
    confidence: float | None = None
    must_be_corrected: bool = False

    @property
    def subject(self) -> tuple[str, str | None, str | None]:
        """What somebody accepts with it: this code, of this field, with this value and no other."""
        return (self.code, self.field, self.value)
