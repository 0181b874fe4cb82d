"""The judgement of an XML invoice by its schema and by business rules, within the process that asks for it.

The rules themselves stand in files of their publishers (`rule_files`). Where there is no file, as for EN 16931 in CII
and for XRechnung and Peppol out of the box, the package verifyhash-einvoice knows most of them (`rules_package`). How
long a judgement may take is bounded in `judge`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from invoice_pipelines.einvoice.rules.german import german_message
from invoice_pipelines.einvoice.rules.rule_files import RulesDirectoryError, RuleSet, rule_sets_for, sheet_for
from invoice_pipelines.einvoice.rules.rules_package import package_findings, package_version
from invoice_pipelines.einvoice.rules.schema import is_hopeless, schema_version, schema_violations
from invoice_pipelines.einvoice.rules.schematron import (
    Finding,
    SheetError,
    SheetUnusableError,
    compile_sheet,
    run_sheet,
)
from invoice_pipelines.einvoice.rules.severities import severity_of
from invoice_pipelines.einvoice.rules.verdict import Rule, Severity, Violation, ViolationClass
from invoice_pipelines.einvoice.rules.xml_document import Root, XmlDocument, parse

_NATIONAL = frozenset((RuleSet.XRECHNUNG_UBL, RuleSet.XRECHNUNG_CII))
_WITH_PEPPOL = _NATIONAL | {RuleSet.PEPPOL}  # the sheets of XRechnung have the rules of Peppol in them
_CORE = frozenset((RuleSet.EN_16931_UBL, RuleSet.EN_16931_CII))

_STOPPED = Rule(
    "IP-RULES-01",
    Severity.FATAL,
    ViolationClass.BUSINESS_RULE,
    "The rules {rules} could not be run to their end on this document, so it cannot count as valid: {why}.",
    "Die Regeln {rules} konnten auf dieses Dokument nicht vollständig angewendet werden, es kann daher nicht als "
    "gültig gelten: {why}.",
)
_NOT_ASKED = Rule(
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


def judge_here(xml: bytes, rules_directory: Path | None) -> Judged:
    """Asks the schema, then the business rules, the latter also where the schema is broken in a few places.

    Raises `ReadingError` and `RulesDirectoryError` as `einvoice.validate` does.
    """
    document = parse(xml)
    _compile_rules(document, rules_directory)
    broken = schema_violations(document)
    if is_hopeless(broken):
        return Judged((*broken, _NOT_ASKED.broken()), (schema_version(),))
    rules = business_rule_violations(document, rules_directory)
    return Judged((*broken, *rules), (schema_version(), *_business_rules_version(document, rules_directory)))


def business_rules(xml: bytes, *, rules_directory: Path | None = None) -> tuple[Violation, ...]:
    """Which business rules an XML document breaks; neither its schema nor this project's own rules are asked.

    Also for a part of an invoice: a rule that says nothing about what is absent stays silent.
    Raises `ReadingError` as `xml_document.parse` does, and `RulesDirectoryError` as `rule_files` does.
    """
    return business_rule_violations(parse(xml), rules_directory)


def _compile_rules(document: XmlDocument, rules_directory: Path | None) -> None:
    """Compiles the rule files that decide for a document, before it can have taken the memory that this needs.

    Raises `RulesDirectoryError` where one cannot be used.
    """
    for rule_set in rule_sets_for(document):
        sheet = sheet_for(rule_set, rules_directory)
        try:
            if sheet is not None:
                compile_sheet(sheet.path)
        except SheetUnusableError as error:
            raise RulesDirectoryError(f"The rule files cannot be used: {error}.") from error


def business_rule_violations(document: XmlDocument, rules_directory: Path | None) -> tuple[Violation, ...]:
    """As `business_rules`, for a document that is parsed already."""
    if document.root is None:
        return ()
    violations = []
    sheets = {rule_set: sheet_for(rule_set, rules_directory) for rule_set in rule_sets_for(document)}
    without_sheet = [rule_set for rule_set, sheet in sheets.items() if sheet is None]
    for rule_set, sheet in sheets.items():
        try:
            if sheet is not None:
                findings = run_sheet(sheet.path, document.tree)
            elif rule_set is without_sheet[0]:
                core, national, peppol = (
                    not among.isdisjoint(without_sheet) for among in (_CORE, _NATIONAL, _WITH_PEPPOL)
                )
                findings = package_findings(document.tree, core=core, national=national, peppol=peppol)
            else:
                continue  # it was asked together with the first
        except SheetUnusableError as error:
            raise RulesDirectoryError(f"The rule files cannot be used: {error}.") from error
        except SheetError as error:
            violations.append(_STOPPED.broken(rules=str(rule_set), why=(str(error), error.message_de)))
            continue
        violations.extend(_violation(finding, document, document.root) for finding in findings)
    return tuple(violations)


def _business_rules_version(document: XmlDocument, rules_directory: Path | None) -> tuple[str, ...]:
    """The names and versions of the rule sets that decide for a document."""
    versions = []
    for rule_set in rule_sets_for(document):
        sheet = sheet_for(rule_set, rules_directory)
        if sheet is None:
            versions.append(f"{rule_set} {package_version()}")
        else:
            versions.append(sheet.version)
    return tuple(versions)


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
