"""Holds `validate`, which asks schema, business rules and own rules of one reading and makes a verdict of it."""

from __future__ import annotations

from decimal import localcontext
from pathlib import Path

from invoice_pipelines.intake.reading import Reading
from invoice_pipelines.intake.validation.business_rules import business_rule_violations, business_rules_version
from invoice_pipelines.intake.validation.content import Expectations, content_violations
from invoice_pipelines.intake.validation.schema import schema_version, schema_violations
from invoice_pipelines.intake.validation.verdict import Verdict, Violation
from invoice_pipelines.intake.validation.xml_document import parse

LONGEST_PRODUCT = 100
"""Digits in which amounts are computed. A reading may hold amounts of 40, and with the 28 of Python they would be
rounded, or not be computed at all."""

# To be raised with every change of an own rule (IP-*): verdicts are stored with it.
OWN_RULES_VERSION = "invoice_pipelines 2"


def validate(reading: Reading, expectations: Expectations, *, rules_directory: Path | None = None) -> Verdict:
    """Judges a received invoice. Nothing in it is corrected or recomputed.

    With XML (`reading.xml`), its schema and the business rules of its specification are asked, then the own rules;
    without, the own rules alone. The business rules are also run on a document that fails its schema, so that its
    sender learns of everything at once.

    `rules_directory` holds official release files, which then decide (see `docs/validation.md`).
    Raises `RulesDirectoryError` where it cannot be used, and `ReadingError` where `reading.xml` cannot be parsed.
    """
    violations: list[Violation] = []
    versions: list[str] = []
    if reading.xml is not None:
        document = parse(reading.xml)
        violations += schema_violations(document)
        violations += business_rule_violations(document, rules_directory)
        versions += [schema_version(), *business_rules_version(document, rules_directory)]
    with localcontext(prec=LONGEST_PRODUCT):
        violations += content_violations(reading, expectations)
    return Verdict(tuple(violations), "; ".join([*versions, OWN_RULES_VERSION]))
