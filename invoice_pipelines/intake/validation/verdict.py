"""Holds what a validation says: `Violation`, `Verdict` and their two scales. No rule stands here."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How much a violation weighs. Only a fatal one makes an invoice invalid."""

    FATAL = "fatal"
    WARNING = "warning"
    INFORMATION = "information"


class ViolationClass(StrEnum):
    """The three kinds of error of the German Federal Ministry of Finance, letter of 2025-10-15 on e-invoices.

    A format error (Formatfehler) is one of syntax: the file is no e-invoice, only another kind of invoice. A business
    rule error (Geschaeftsregelfehler) breaks a rule of EN 16931 or of its national usage. A content error
    (Inhaltsfehler) is about what the invoice says: missing or wrong particulars.
    """

    FORMAT = "format"
    BUSINESS_RULE = "business_rule"
    CONTENT = "content"


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken rule.

    `rule` is the id of the rule: `BR-CO-15` and the like from EN 16931, `BR-DE-*` from XRechnung, `XSD` from the
    schema, `IP-*` from this project. `message` is English, `message_de` German; where no German text is known, it is
    the English one. `location` is a path in the XML with its own prefixes, or the name of a field of `Reading`. `times`
    is how many violations it stands for.
    """

    rule: str
    severity: Severity
    violation_class: ViolationClass
    message: str
    message_de: str
    location: str | None = None
    times: int = 1


@dataclass(frozen=True, slots=True)
class Verdict:
    """What all rules together say of one invoice, and which rules were asked."""

    violations: tuple[Violation, ...]
    rules_version: str

    @property
    def valid(self) -> bool:
        """True where no violation is fatal."""
        return not any(violation.severity is Severity.FATAL for violation in self.violations)


_OURS = frozenset({"NO_OCR_ENGINE", "OCR_UNAVAILABLE"})


def class_of_reading_error(code: str) -> ViolationClass | None:
    """What a document that no reader could read is called: a format error. None where the fault is ours."""
    return None if code in _OURS else ViolationClass.FORMAT


def content_violation(
    rule: str, severity: Severity, message: str, message_de: str, location: str | None = None
) -> Violation:
    """A violation of one of this project's own rules on what an invoice says."""
    return Violation(rule, severity, ViolationClass.CONTENT, message, message_de, location)
