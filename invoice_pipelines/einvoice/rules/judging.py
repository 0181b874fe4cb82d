"""The judgement of an XML invoice by its schema and by business rules, within the process that asks for it.

The rules are declarations of this project (`declared`), unless the operator has files of their publishers at hand
(`official`), which then decide. How long a judgement may take is bounded in `judge`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from invoice_pipelines.einvoice.rules.declared import declared_version, declared_violations, prepare
from invoice_pipelines.einvoice.rules.german import german_message
from invoice_pipelines.einvoice.rules.official.rule_files import RulesDirectoryError, Sheet, sheet_for
from invoice_pipelines.einvoice.rules.official.schematron import (
    Finding,
    SheetError,
    SheetUnusableError,
    compile_sheet,
    run_sheet,
)
from invoice_pipelines.einvoice.rules.rule_sets import RuleSet, rule_sets_for
from invoice_pipelines.einvoice.rules.schema import is_hopeless, schema_version, schema_violations
from invoice_pipelines.einvoice.rules.severities import severity_of
from invoice_pipelines.einvoice.rules.stopped import STOPPED
from invoice_pipelines.einvoice.rules.verdict import Rule, Severity, Violation, ViolationClass
from invoice_pipelines.einvoice.rules.xml_document import Root, XmlDocument, parse

NOT_ASKED = Rule(
    "IP-RULES-03",
    Severity.INFORMATION,
    ViolationClass.BUSINESS_RULE,
    "The business rules were not checked, because the document departs from its schema in too many places.",
    "Die Geschäftsregeln wurden nicht geprüft, weil das Dokument an zu vielen Stellen von seinem Schema abweicht.",
)


@dataclass(frozen=True, slots=True)
class Judged:
    """What schema and business rules say of a document, and the versions of those that were asked."""

    violations: tuple[Violation, ...]
    versions: tuple[str, ...]


def judge_here(xml: bytes, rules_directory: Path | None, on: date | None = None) -> Judged:
    """Asks the schema, then the business rules (of the releases of a day, as `business_rules` does), the latter also
    where the schema is broken in a few places.

    Raises `ReadingError` and `RulesDirectoryError` as `einvoice.validate` does.
    """
    document = parse(xml)
    _compile_rules(document, rules_directory, on)
    broken = schema_violations(document)
    if is_hopeless(broken):
        return Judged((*broken, NOT_ASKED.broken()), (schema_version(),))
    rules = business_rule_violations(document, rules_directory, on)
    return Judged((*broken, *rules), (schema_version(), *_business_rules_version(document, rules_directory, on)))


def business_rules(xml: bytes, *, rules_directory: Path | None = None, on: date | None = None) -> tuple[Violation, ...]:
    """Which business rules an XML document breaks; neither its schema nor this project's own rules are asked.

    The rules are those of the releases that were valid on a day, of the newest where none is given; rule files of a
    directory are what they are.
    Also for a part of an invoice: a rule that says nothing about what is absent stays silent.
    Raises `ReadingError` as `xml_document.parse` does, and `RulesDirectoryError` as `official.rule_files` does.
    """
    return business_rule_violations(parse(xml), rules_directory, on)


def _compile_rules(document: XmlDocument, rules_directory: Path | None, on: date | None) -> None:
    """Compiles the rules that decide for a document, before it can have taken the memory that this needs.

    Raises `RulesDirectoryError` where a rule file cannot be used.
    """
    sheets, declared = _deciding(document, rules_directory)
    prepare(document, declared, on)
    for sheet in sheets.values():
        try:
            compile_sheet(sheet.path)
        except SheetUnusableError as error:
            raise RulesDirectoryError(f"The rule files cannot be used: {error}.") from error


def _deciding(document: XmlDocument, rules_directory: Path | None) -> tuple[dict[RuleSet, Sheet], list[RuleSet]]:
    """The rule sets of a document that a file decides, with that file, and those that the declarations decide."""
    found = {rule_set: sheet_for(rule_set, rules_directory) for rule_set in rule_sets_for(document)}
    sheets = {rule_set: sheet for rule_set, sheet in found.items() if sheet is not None}
    return sheets, [rule_set for rule_set in found if rule_set not in sheets]


def business_rule_violations(
    document: XmlDocument, rules_directory: Path | None, on: date | None = None
) -> tuple[Violation, ...]:
    """As `business_rules`, for a document that is parsed already."""
    if document.root is None:
        return ()
    sheets, declared = _deciding(document, rules_directory)
    violations = declared_violations(document, declared, on)
    for rule_set, sheet in sheets.items():
        try:
            findings = run_sheet(sheet.path, document.tree)
        except SheetUnusableError as error:
            raise RulesDirectoryError(f"The rule files cannot be used: {error}.") from error
        except SheetError as error:
            violations.append(STOPPED.broken(rules=str(rule_set), why=(str(error), error.message_de)))
            continue
        violations.extend(_violation(finding, document, document.root) for finding in findings)
    return tuple(violations)


def _business_rules_version(document: XmlDocument, rules_directory: Path | None, on: date | None) -> tuple[str, ...]:
    """The names and versions of the rule sets that decide for a document."""
    sheets, _ = _deciding(document, rules_directory)
    return tuple(
        sheets[rule_set].version if rule_set in sheets else declared_version(rule_set, on)
        for rule_set in rule_sets_for(document)
    )


def _violation(finding: Finding, document: XmlDocument, root: Root) -> Violation:
    return Violation(
        rule=finding.rule,
        severity=severity_of(finding.rule, finding.flag, document.usage, root),
        violation_class=ViolationClass.BUSINESS_RULE,
        message=finding.text,
        message_de=german_message(finding.rule, finding.text) or finding.text,
        location=finding.location,
        times=finding.times,
    )
