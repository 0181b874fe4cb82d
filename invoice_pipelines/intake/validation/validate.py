"""Holds `validate`, which asks schema, business rules and own rules of one reading and makes a verdict of it."""

from __future__ import annotations

from decimal import localcontext
from pathlib import Path

from invoice_pipelines.intake.reading import Reading
from invoice_pipelines.intake.validation.content import Expectations, content_violations
from invoice_pipelines.intake.validation.judge import judge
from invoice_pipelines.intake.validation.listed import listed
from invoice_pipelines.intake.validation.verdict import Verdict, Violation

LONGEST_PRODUCT = 100
"""Digits in which amounts are computed. A reading may hold amounts of 40, and with the 28 of Python they would be
rounded, or not be computed at all."""

# To be raised with every change of an own rule (IP-*): verdicts are stored with it.
OWN_RULES_VERSION = "invoice_pipelines 3"


def validate(reading: Reading, expectations: Expectations, *, rules_directory: Path | None = None) -> Verdict:
    """Judges a received invoice. Nothing in it is corrected or recomputed.

    With XML (`reading.xml`), its schema and the business rules of its specification are asked, then the own rules;
    without, the own rules alone. The business rules are also run on a document that fails its schema, so that its
    sender learns of everything at once, unless it fails in too many places. What a document may cost, `judge` bounds;
    what a verdict tells, `listed`.

    `rules_directory` holds official release files, which then decide (see `docs/validation.md`).
    Raises `RulesDirectoryError` where it cannot be used, `ReadingError` where `reading.xml` cannot be parsed, and
    `ChildProcessError` where no process can be started for a large document.
    """
    violations: list[Violation] = []
    versions: list[str] = []
    if reading.xml is not None:
        judged = judge(reading.xml, rules_directory)
        violations += judged.violations
        versions += judged.versions
    with localcontext(prec=LONGEST_PRODUCT):
        violations += content_violations(reading, expectations)
    return Verdict(listed(violations), "; ".join([*versions, OWN_RULES_VERSION]))
