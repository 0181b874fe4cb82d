"""What stands in the columns of received invoices, in the reader's words."""

from __future__ import annotations

from dataclasses import dataclass

from invoice_pipelines.intake.states import Status, description, label
from invoice_pipelines.web.pages.languages import Language

_KINDS = {
    Status.UPLOADED: "info",
    Status.CREATED: "info",
    Status.PARSED: "info",
    Status.VALIDATED: "good",
    Status.EXPORTED: "good",
    Status.FAILED: "bad",
}


@dataclass(frozen=True, slots=True)
class Words:
    """The words of a language."""

    language: Language

    def state(self, status: str, in_review: bool = False) -> tuple[str, str]:
        """The kind and the words of a badge."""
        if in_review:
            return "warn", self.language.gettext("Waits for review")
        return _KINDS[Status(status)], label(Status(status), self.language.code)

    def meaning(self, status: str) -> str:
        """A sentence on what a state means."""
        return description(Status(status), self.language.code)
