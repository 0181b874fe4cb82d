"""Holds the judgement of an XML invoice by schema and business rules, within the process that asks for it.

How long that may take is in `judge`, which is what `validate` asks.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from invoice_pipelines.intake.validation.business_rules import (
    business_rule_violations,
    business_rules_version,
    compile_rules,
)
from invoice_pipelines.intake.validation.schema import is_hopeless, schema_version, schema_violations
from invoice_pipelines.intake.validation.verdict import Severity, Violation, ViolationClass
from invoice_pipelines.intake.validation.xml_document import parse


@dataclass(frozen=True, slots=True)
class Judged:
    """What schema and business rules say of a document, and the versions of those that were asked."""

    violations: tuple[Violation, ...]
    versions: tuple[str, ...]


def judge_here(xml: bytes, rules_directory: Path | None) -> Judged:
    """Asks the schema, then the business rules, the latter also where the schema is broken in a few places.

    Raises `ReadingError` and `RulesDirectoryError` as `validate` does.
    """
    document = parse(xml)
    compile_rules(document, rules_directory)
    broken = schema_violations(document)
    if is_hopeless(broken):
        return Judged((*broken, _NOT_ASKED), (schema_version(),))
    rules = business_rule_violations(document, rules_directory)
    return Judged((*broken, *rules), (schema_version(), *business_rules_version(document, rules_directory)))


_NOT_ASKED = Violation(
    "IP-RULES-03",
    Severity.INFORMATION,
    ViolationClass.BUSINESS_RULE,
    "The business rules were not checked, because the document departs from its schema in too many places.",
    "Die Geschäftsregeln wurden nicht geprüft, weil das Dokument an zu vielen Stellen von seinem Schema abweicht.",
)
