"""Asks verifyhash-einvoice, which knows the rules BR-*, BR-DE-* and PEPPOL-EN16931-R* without rule files.

It answers where no sheet is at hand. It does not know the rules that only restrict a syntax (UBL-CR, CII-SR, ...). Of
the rules of Peppol it knows the 21 that XRechnung has taken over: they stand in a module that its own `validate` leaves
out.
"""

from __future__ import annotations

import functools
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from importlib.metadata import version
from typing import Any
from xml.etree import ElementTree

import einvoice
from einvoice import rules_peppol
from lxml import etree

from invoice_pipelines.einvoice.rules.package_places import place
from invoice_pipelines.einvoice.rules.schematron import Finding, SheetError
from invoice_pipelines.einvoice.rules.xml_document import Root

_NATIONAL_RULES = ("BR-DE-", "BR-DEX-", "BR-TMP-")
_PEPPOL_RULES = "PEPPOL-"
_CAC = "{urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2}"
_CBC = "{urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2}"
_AS_INVOICE = {
    str(Root.UBL_CREDIT_NOTE): str(Root.UBL_INVOICE),
    f"{_CAC}CreditNoteLine": f"{_CAC}InvoiceLine",
    f"{_CBC}CreditedQuantity": f"{_CBC}InvoicedQuantity",
}


@functools.cache  # the package's metadata are parsed anew at each question
def package_version() -> str:
    """The package and its version, for the verdict."""
    return f"verifyhash-einvoice {version('verifyhash-einvoice')}"


def package_findings(tree: etree._ElementTree, *, core: bool, national: bool, peppol: bool) -> list[Finding]:
    """The findings of the package: those of EN 16931 (`core`), of XRechnung (`national`), of Peppol, or several.

    Raises `SheetError` where the package stumbles over the document.
    """
    # Not `validate_file`, which parses as hostile what lxml has parsed without a DOCTYPE and has written again.
    document = ElementTree.fromstring(etree.tostring(tree))  # noqa: S314 (as above)
    try:
        found = []
        if core or national:
            found += einvoice.validate_root(document, profile="xrechnung" if national else "en16931").violations
        if peppol:
            found += _peppol_violations(document)
    except Exception as error:  # a rule that fails on a document must neither crash nor pass it
        raise SheetError(*_reason(error)) from error
    findings = [
        Finding(each.rule_id, each.severity, each.message, place(tree.getroot(), each.element))
        for each in found
        if each.rule_id.startswith(_PEPPOL_RULES) or (national if each.rule_id.startswith(_NATIONAL_RULES) else core)
    ]
    if any(finding.rule == "BR-CO-17" for finding in findings) and _obeys_br_co_17(tree):
        return [finding for finding in findings if finding.rule != "BR-CO-17"]
    return findings


def _reason(error: Exception) -> tuple[str, str]:
    if isinstance(error, ArithmeticError):
        return "an amount in it cannot be computed with", "mit einem Betrag darin lässt sich nicht rechnen"
    kind = type(error).__name__
    return f"a rule stopped ({kind})", f"eine Regel brach ab ({kind})"


def _peppol_violations(document: ElementTree.Element) -> list[Any]:
    """What the package says by the rules of Peppol. Changes the document: of credit notes it makes invoices.

    It knows the rules for invoices only. In the rules as published credit notes differ in nothing but three names, so
    they are judged as the invoices that they would be; under their own names R130 would find fault with each of them.
    """
    rules: Any = rules_peppol  # which has no types
    if document.tag == Root.CII:
        return list(rules.evaluate_cii(document))
    if document.tag == Root.UBL_CREDIT_NOTE:
        for element in document.iter():
            element.tag = _AS_INVOICE.get(element.tag, element.tag)
    return list(rules.evaluate_ubl(document))


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
