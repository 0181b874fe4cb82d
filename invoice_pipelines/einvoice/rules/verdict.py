"""The result of a validation: rules, violations, and the verdict. Whether a rule is broken is decided elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from invoice_pipelines.einvoice.rules.german import as_german


class Severity(StrEnum):
    """How much a violation weighs, the gravest first. Only a fatal one makes an invoice invalid."""

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
    the English one. `location` is a path in the XML with its own prefixes, or the name of a field of a reading. `times`
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
class Rule:
    """One rule of this project's own: what it weighs, and what is said where it is broken, in English and in German.

    Names in braces stand for values. A pair of texts is such a value, too: English and German.
    """

    id: str
    severity: Severity
    violation_class: ViolationClass
    message: str
    message_de: str

    def broken(
        self, location: str | None = None, severity: Severity | None = None, /, *, times: int = 1, **values: Any
    ) -> Violation:
        """The violation of this rule by a document that has these values. Amounts and dates become German in German."""
        english = {name: value[0] if isinstance(value, tuple) else value for name, value in values.items()}
        german = {name: value[1] if isinstance(value, tuple) else as_german(value) for name, value in values.items()}
        return Violation(
            self.id,
            severity or self.severity,
            self.violation_class,
            self.message.format(**english),
            self.message_de.format(**german),
            location,
            times,
        )


LISTED = 200
"""Violations of a verdict that are told one by one. Whoever mends an invoice does not read more, and a file of a
hundred kilobytes can break rules a hundred thousand times."""

LEFT_OUT = Rule(
    "IP-LIMIT-01",
    Severity.FATAL,
    ViolationClass.CONTENT,
    "{total:,} more violations are not listed: {named}.",
    "{total} weitere Verstöße sind nicht aufgeführt: {named}.",
)
"""What stands for all that are not told; it weighs as much as the gravest of them, and is of its class."""

_LONGEST_TEXT = 1_000  # characters of a message or place; both may quote the document
_RULES_NAMED = 10
_WEIGHTS = tuple(Severity)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What all rules together say of one invoice, and which rules were asked."""

    violations: tuple[Violation, ...]
    rules_version: str

    @classmethod
    def of(cls, violations: Sequence[Violation], versions: Iterable[str]) -> Verdict:
        """The verdict that tells the first of the violations, and how many more there are."""
        return cls(listed(violations), "; ".join(versions))

    @property
    def valid(self) -> bool:
        """True where no violation is fatal."""
        return not self.refused_by

    @property
    def officially_valid(self) -> bool:
        """Whether schema and business rules let the invoice pass, whatever this project's own rules say of it."""
        return ViolationClass.FORMAT not in self.refused_by and ViolationClass.BUSINESS_RULE not in self.refused_by

    @property
    def refused_by(self) -> tuple[ViolationClass, ...]:
        """The classes of the fatal violations; none where the invoice is valid."""
        fatal = {violation.violation_class for violation in self.violations if violation.severity is Severity.FATAL}
        return tuple(each for each in ViolationClass if each in fatal)


def listed(violations: Sequence[Violation]) -> tuple[Violation, ...]:
    """The first `LISTED` violations in their order, the fatal ones before all others, and IP-LIMIT-01, which stands for
    those that are left out and weighs as much as the gravest of them."""
    by_weight = sorted(range(len(violations)), key=lambda index: _weight(violations[index]))
    told = set(by_weight[:LISTED])
    left_out = [
        replace(violation, times=violation.times - (index in told))
        for index, violation in enumerate(violations)
        if violation.times > (index in told)
    ]
    first = tuple(_short(violations[index]) for index in sorted(told))
    return (*first, _summary(left_out)) if left_out else first


def _weight(violation: Violation) -> int:
    return _WEIGHTS.index(violation.severity)


def _summary(left_out: Sequence[Violation]) -> Violation:
    by_rule: Counter[str] = Counter()
    for violation in left_out:
        by_rule[violation.rule] += violation.times
    gravest = min(left_out, key=_weight)
    most = by_rule.most_common(_RULES_NAMED)
    more, more_de = (", and others", " und andere") if len(by_rule) > len(most) else ("", "")
    named = ", ".join(f"{rule} {times:,} times" for rule, times in most)
    named_de = ", ".join(f"{rule} {as_german(times)}-mal" for rule, times in most)
    total = by_rule.total()
    left = LEFT_OUT.broken(None, gravest.severity, times=total, total=total, named=(named + more, named_de + more_de))
    return replace(left, violation_class=gravest.violation_class)


def _short(violation: Violation) -> Violation:
    texts = (violation.message, violation.message_de, violation.location or "")
    if violation.times == 1 and max(map(len, texts)) <= _LONGEST_TEXT:
        return violation
    message, message_de, location = (_cut(text) for text in texts)
    return replace(violation, message=message, message_de=message_de, location=location or None, times=1)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_TEXT else text[:_LONGEST_TEXT] + " ..."
