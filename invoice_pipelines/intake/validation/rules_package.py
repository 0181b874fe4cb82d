"""Holds the use of verifyhash-einvoice, which knows the rules BR-* and BR-DE-* without any rule file.

It answers where no sheet is at hand. It does not know the rules that only restrict a syntax (UBL-CR, CII-SR, ...).
"""

from __future__ import annotations

import functools
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from importlib.metadata import version
from xml.etree import ElementTree

import einvoice
from lxml import etree

from invoice_pipelines.intake.validation.schematron import Finding, SheetError

_NATIONAL_RULES = ("BR-DE-", "BR-DEX-", "BR-TMP-")


@functools.cache  # the package's metadata are parsed anew at each question
def package_version() -> str:
    """The package and its version, for the verdict."""
    return f"verifyhash-einvoice {version('verifyhash-einvoice')}"


def package_findings(tree: etree._ElementTree, *, core: bool, national: bool) -> list[Finding]:
    """The findings of the package: those of EN 16931 (`core`), those of XRechnung (`national`), or both in one run.

    Raises `SheetError` where the package stumbles over the document.
    """
    # Not `validate_file`, which parses as hostile what lxml has parsed without a DOCTYPE and has written again.
    document = ElementTree.fromstring(etree.tostring(tree))  # noqa: S314 (as above)
    try:
        result = einvoice.validate_root(document, profile="xrechnung" if national else "en16931")
    except Exception as error:  # a rule that fails on a document must neither crash nor pass it
        raise SheetError(str(error).strip() or type(error).__name__) from error
    findings = [
        Finding(found.rule_id, found.severity, found.message, found.element)
        for found in result.violations
        if (national if found.rule_id.startswith(_NATIONAL_RULES) else core)
    ]
    if any(finding.rule == "BR-CO-17" for finding in findings) and _obeys_br_co_17(tree):
        return [finding for finding in findings if finding.rule != "BR-CO-17"]
    return findings


def _obeys_br_co_17(tree: etree._ElementTree) -> bool:
    """BR-CO-17 as the official CII sheet has it: VAT may deviate by one unit of the currency, inclusive.

    The package has the bounds of the UBL sheet for both syntaxes, where one unit exactly is too much already. It is
    asked only where it complains, and says no to whatever is incomplete.
    """
    taxes = tree.findall(".//{*}ApplicableHeaderTradeSettlement/{*}ApplicableTradeTax")
    return bool(taxes) and all(_deviation(tax) <= 1 for tax in taxes)


def _deviation(tax: etree._Element) -> Decimal:
    names = ("CalculatedAmount", "BasisAmount", "RateApplicablePercent")
    try:
        amount, basis, rate = (Decimal((tax.findtext("{*}" + name) or "").strip()) for name in names)
        expected = (abs(basis) * rate / 100).quantize(Decimal("0.01"), ROUND_HALF_UP)
        deviation = abs(abs(amount) - expected)
    except InvalidOperation:
        return Decimal("Infinity")
    return deviation if deviation.is_finite() else Decimal("Infinity")  # the text NaN is a Decimal, too
