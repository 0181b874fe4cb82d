"""Holds how much a verdict tells: the first violations, each in a message of bounded length, and how many more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from invoice_pipelines.intake.validation.verdict import Severity, Violation
from invoice_pipelines.intake.validation.wording import german_number

LISTED = 200
"""Violations of a verdict that are told one by one. Whoever mends an invoice does not read more, and a file of a
hundred kilobytes can break rules a hundred thousand times."""

_LONGEST_TEXT = 1_000  # characters of a message or place; both may quote the document
_RULES_NAMED = 10
_WEIGHT = {Severity.FATAL: 0, Severity.WARNING: 1, Severity.INFORMATION: 2}


def listed(violations: Sequence[Violation]) -> tuple[Violation, ...]:
    """The first `LISTED` violations in their order, the fatal ones before all others, and IP-LIMIT-01, which stands for
    those that are left out and weighs as much as the gravest of them."""
    by_weight = sorted(range(len(violations)), key=lambda index: _WEIGHT[violations[index].severity])
    told = set(by_weight[:LISTED])
    left_out = [
        replace(violation, times=violation.times - (index in told))
        for index, violation in enumerate(violations)
        if violation.times > (index in told)
    ]
    first = tuple(_short(violations[index]) for index in sorted(told))
    return (*first, _summary(left_out)) if left_out else first


def _summary(left_out: Sequence[Violation]) -> Violation:
    by_rule: Counter[str] = Counter()
    for violation in left_out:
        by_rule[violation.rule] += violation.times
    gravest = min(left_out, key=lambda violation: _WEIGHT[violation.severity])
    most = by_rule.most_common(_RULES_NAMED)
    named = ", ".join(f"{rule} {times:,} times" for rule, times in most)
    named_de = ", ".join(f"{rule} {german_number(times)}-mal" for rule, times in most)
    more, more_de = (", and others", " und andere") if len(by_rule) > len(most) else ("", "")
    return Violation(
        "IP-LIMIT-01",
        gravest.severity,
        gravest.violation_class,
        f"{by_rule.total():,} more violations are not listed: {named}{more}.",
        f"{german_number(by_rule.total())} weitere Verstöße sind nicht aufgeführt: {named_de}{more_de}.",
        times=by_rule.total(),
    )


def _short(violation: Violation) -> Violation:
    texts = (violation.message, violation.message_de, violation.location or "")
    if violation.times == 1 and max(map(len, texts)) <= _LONGEST_TEXT:
        return violation
    message, message_de, location = (_cut(text) for text in texts)
    return replace(violation, message=message, message_de=message_de, location=location or None, times=1)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_TEXT else text[:_LONGEST_TEXT] + " ..."
