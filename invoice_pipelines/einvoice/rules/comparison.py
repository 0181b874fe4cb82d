"""The rules of this project beside the official rule files: what each says of the same document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from invoice_pipelines.einvoice.rules.judging import business_rules
from invoice_pipelines.einvoice.rules.verdict import Severity, Violation

_STOPPED = "IP-RULES-01"


@dataclass(frozen=True, slots=True)
class Difference:
    """A rule that one side finds broken and the other does not, or that weighs differently for the two: the first
    violation of each side, None where it has none."""

    rule: str
    ours: Violation | None
    official: Violation | None

    @property
    def is_fatal(self) -> bool:
        """Whether it is between fatal and not fatal, and so may make another verdict."""
        weights = {found.severity if found else None for found in (self.ours, self.official)}
        return Severity.FATAL in weights


@dataclass(frozen=True, slots=True)
class Compared:
    """Both verdicts on the business rules of one document, and every difference between them.

    Where an official rule stopped with an error (IP-RULES-01), nothing is known of the others of its file. Then only
    the verdict counts, which is to refuse the document, and what our rules found beyond is no difference.
    """

    ours_valid: bool
    official_valid: bool
    stopped: bool
    differences: tuple[Difference, ...]

    @property
    def same_verdict(self) -> bool:
        """Whether both let it pass, or both refuse it."""
        return self.ours_valid == self.official_valid

    @property
    def same_fatal_rules(self) -> bool:
        """Whether both refuse it for the same rules."""
        return self.same_verdict if self.stopped else not any(each.is_fatal for each in self.differences)


def compare(xml: bytes, rules_directory: Path) -> Compared:
    """Asks both sides for the business rules that an XML document breaks.

    A rule set that the directory has no file of is the same on both sides. Raises `ReadingError` and
    `RulesDirectoryError` as `judging.business_rules` does.
    """
    ours = _first_of_each(business_rules(xml))
    official = _first_of_each(business_rules(xml, rules_directory=rules_directory))
    stopped = _STOPPED in official
    ours_valid, official_valid = _is_valid(ours), _is_valid(official)
    told = set(official) if stopped else ours.keys() | official.keys()
    if stopped and not ours_valid:
        told.discard(_STOPPED)
    found = (Difference(rule, ours.get(rule), official.get(rule)) for rule in sorted(told))
    return Compared(ours_valid, official_valid, stopped, tuple(each for each in found if _differs(each)))


def _first_of_each(violations: tuple[Violation, ...]) -> Mapping[str, Violation]:
    """The gravest violation of each rule, the first of several."""
    found: dict[str, Violation] = {}
    for violation in violations:
        known = found.get(violation.rule)
        if known is None or (violation.severity is Severity.FATAL and known.severity is not Severity.FATAL):
            found[violation.rule] = violation
    return found


def _is_valid(violations: Mapping[str, Violation]) -> bool:
    return not any(violation.severity is Severity.FATAL for violation in violations.values())


def _differs(difference: Difference) -> bool:
    ours, official = difference.ours, difference.official
    return ours is None or official is None or ours.severity is not official.severity
