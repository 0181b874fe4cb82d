"""Holds the check of an XML invoice against the business rules of EN 16931, XRechnung and the Factur-X profiles.

The rules themselves stand in files of their publishers (`rule_files`). Where there is no file, as for EN 16931 in CII
and for XRechnung and Peppol out of the box, the package verifyhash-einvoice knows most of them (`rules_package`).
"""

from __future__ import annotations

from pathlib import Path

from invoice_pipelines.intake.validation.messages import german_message
from invoice_pipelines.intake.validation.rule_files import RulesDirectoryError, RuleSet, rule_sets_for, sheet_for
from invoice_pipelines.intake.validation.rules_package import package_findings, package_version
from invoice_pipelines.intake.validation.schematron import (
    Finding,
    SheetError,
    SheetUnusableError,
    compile_sheet,
    run_sheet,
)
from invoice_pipelines.intake.validation.severities import severity_of
from invoice_pipelines.intake.validation.verdict import Severity, Violation, ViolationClass
from invoice_pipelines.intake.validation.xml_document import Syntax, XmlDocument, parse

RULES_STOPPED = "IP-RULES-01"
_NATIONAL = frozenset((RuleSet.XRECHNUNG_UBL, RuleSet.XRECHNUNG_CII))
_WITH_PEPPOL = _NATIONAL | {RuleSet.PEPPOL}  # the sheets of XRechnung have the rules of Peppol in them
_CORE = frozenset((RuleSet.EN_16931_UBL, RuleSet.EN_16931_CII))


def business_rules(xml: bytes, *, rules_directory: Path | None = None) -> tuple[Violation, ...]:
    """Which business rules an XML document breaks; neither its schema nor this project's own rules are asked.

    Also for a part of an invoice: a rule that says nothing about what is absent stays silent.
    Raises `ReadingError` as `xml_document.parse` does, and `RulesDirectoryError` as `rule_files` does.
    """
    return business_rule_violations(parse(xml), rules_directory)


def compile_rules(document: XmlDocument, rules_directory: Path | None) -> None:
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
    if document.syntax is None:
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
            violations.append(_stopped(rule_set, error))
            continue
        violations.extend(_violation(finding, document, document.syntax) for finding in findings)
    return tuple(violations)


def business_rules_version(document: XmlDocument, rules_directory: Path | None) -> tuple[str, ...]:
    """The names and versions of the rule sets that decide for a document."""
    versions = []
    for rule_set in rule_sets_for(document):
        sheet = sheet_for(rule_set, rules_directory)
        if sheet is None:
            versions.append(f"{rule_set} {package_version()}")
        else:
            versions.append(sheet.version)
    return tuple(versions)


def _violation(finding: Finding, document: XmlDocument, syntax: Syntax) -> Violation:
    return Violation(
        rule=finding.rule,
        severity=severity_of(finding.rule, finding.flag, document.usage, syntax),
        violation_class=ViolationClass.BUSINESS_RULE,
        message=finding.text,
        message_de=german_message(finding.rule, finding.text) or finding.text,
        location=finding.location,
        times=finding.times,
    )


def _stopped(rule_set: RuleSet, error: SheetError) -> Violation:
    return Violation(
        rule=RULES_STOPPED,
        severity=Severity.FATAL,
        violation_class=ViolationClass.BUSINESS_RULE,
        message=f"The rules {rule_set} could not be run to their end on this document, so it cannot count as valid: "
        f"{error}.",
        message_de=f"Die Regeln {rule_set} konnten auf dieses Dokument nicht vollständig angewendet werden, es kann "
        f"daher nicht als gültig gelten: {error.message_de}.",
        location=None,
    )
