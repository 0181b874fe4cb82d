"""Asks schema, official rules and own rules of one reading, and makes a verdict of it."""

from __future__ import annotations

from decimal import localcontext
from pathlib import Path

from invoice_pipelines.einvoice.rules.judge import judge
from invoice_pipelines.einvoice.rules.verdict import Verdict, Violation
from invoice_pipelines.intake.reading import Reading
from invoice_pipelines.intake.validation.content import Expectations, content_violations

LONGEST_PRODUCT = 100
"""Digits in which amounts are computed. A reading may hold amounts of 40, and with the 28 of Python they would be
rounded, or not be computed at all."""

# To be raised with every change of an own rule (IP-*): verdicts are stored with it.
OWN_RULES_VERSION = "invoice_pipelines 6"


def validate(reading: Reading, expectations: Expectations, *, rules_directory: Path | None = None) -> Verdict:
    """Judges a received invoice. Nothing in it is corrected or recomputed.

    With XML (`reading.xml`), its schema and the business rules of its specification are asked, in the releases that are
    in force on `expectations.today`, then the own rules; without, the own rules alone. `Verdict.officially_valid` is
    what the former say. Raises what `einvoice.validate` does.
    """
    violations: list[Violation] = []
    versions: list[str] = []
    if reading.xml is not None:
        judged = judge(reading.xml, rules_directory, on=expectations.today)
        violations += judged.violations
        versions += judged.versions
    with localcontext(prec=LONGEST_PRODUCT):
        violations += content_violations(reading, expectations)
    return Verdict.of(violations, [*versions, OWN_RULES_VERSION])
