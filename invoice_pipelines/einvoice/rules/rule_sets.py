"""The sets of rules, and which of them a document is subject to."""

from __future__ import annotations

from enum import StrEnum

from invoice_pipelines.einvoice.rules.xml_document import Root, Usage, XmlDocument


class RuleSet(StrEnum):
    """A set of rules in one syntax, under the name that its official release file begins with."""

    EN_16931_UBL = "EN16931-UBL"
    EN_16931_CII = "EN16931-CII"
    XRECHNUNG_UBL = "XRechnung-UBL"
    XRECHNUNG_CII = "XRechnung-CII"
    PEPPOL = "Peppol"
    FACTURX_MINIMUM = "Factur-X-MINIMUM"
    FACTURX_BASIC_WL = "Factur-X-BASIC-WL"
    FACTURX_EXTENDED = "Factur-X-EXTENDED"


# These profiles are below or above EN 16931: its rules do not apply, those of the profile do.
_OWN_RULES = {
    Usage.FACTURX_MINIMUM: RuleSet.FACTURX_MINIMUM,
    Usage.FACTURX_BASIC_WL: RuleSet.FACTURX_BASIC_WL,
    Usage.FACTURX_EXTENDED: RuleSet.FACTURX_EXTENDED,
}

_XRECHNUNG = (Usage.XRECHNUNG, Usage.XRECHNUNG_EXTENSION, Usage.XRECHNUNG_CVD)


def rule_sets_for(document: XmlDocument) -> tuple[RuleSet, ...]:
    """The rule sets a document is subject to; none for ZUGFeRD 1.0, which is older than EN 16931."""
    if document.root is None or document.root is Root.ZUGFERD_1:
        return ()
    is_cii = document.root is Root.CII
    if is_cii and document.usage in _OWN_RULES:
        return (_OWN_RULES[document.usage],)
    core = RuleSet.EN_16931_CII if is_cii else RuleSet.EN_16931_UBL
    if document.usage in _XRECHNUNG:
        return (core, RuleSet.XRECHNUNG_CII if is_cii else RuleSet.XRECHNUNG_UBL)
    return (core, RuleSet.PEPPOL) if document.usage is Usage.PEPPOL else (core,)
