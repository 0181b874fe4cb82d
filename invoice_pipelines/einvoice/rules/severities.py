"""The severity of what the official rules find.

The sheets carry a flag of their own. For XRechnung, KoSIT's validator configuration (`scenarios.xml`, `customLevel`)
overrides some of them; without that, valid invoices of the XRechnung extension would be refused. KoSIT's level `error`
is fatal here. In the rules of Peppol's own publisher R120 is fatal, which XRechnung has as a warning.
"""

from __future__ import annotations

from invoice_pipelines.einvoice.rules.verdict import Severity
from invoice_pipelines.einvoice.rules.xml_document import Root, Usage

_FLAGS = {
    "fatal": Severity.FATAL,
    "error": Severity.FATAL,
    "warning": Severity.WARNING,
    "information": Severity.INFORMATION,
    "info": Severity.INFORMATION,
}

_STANDARD = {"BR-CL-21": Severity.WARNING, "BR-CL-23": Severity.WARNING}
_CVD = {**_STANDARD, "BR-CL-13": Severity.INFORMATION}
_EXTENSION = {
    "BR-CL-10": Severity.INFORMATION,
    "BR-CL-11": Severity.INFORMATION,
    "BR-CL-21": Severity.INFORMATION,
    "BR-CL-23": Severity.WARNING,
    "BR-CL-24": Severity.INFORMATION,
    "BR-CL-25": Severity.INFORMATION,
    "BR-CL-26": Severity.INFORMATION,
}
_CII = {"CII-SR-452": Severity.FATAL, "CII-SR-453": Severity.FATAL, "CII-SR-454": Severity.FATAL}
_NO_SUB_LINES = {"UBL-CR-646": Severity.FATAL}

# Peppol refuses an invoice for a check digit of an identifier. 28 of the 63 examples that EN 16931 publishes as sound
# declare Peppol and carry invented numbers, so here such a rule warns, as the check digits of IBANs and VAT ids do. A
# rule that asks for the form as well stays fatal.
_CHECK_DIGITS = ("COMMON-R040", "COMMON-R041", "COMMON-R043", "COMMON-R049", "COMMON-R050")
_PEPPOL = {
    "PEPPOL-EN16931-R120": Severity.FATAL,
    **{f"PEPPOL-{rule}": Severity.WARNING for rule in _CHECK_DIGITS},
    "SE-R-013": Severity.WARNING,
}

_OVERRIDES: dict[tuple[Usage, Root], dict[str, Severity]] = {
    (Usage.XRECHNUNG, Root.UBL_INVOICE): {**_STANDARD, **_NO_SUB_LINES},
    (Usage.XRECHNUNG, Root.UBL_CREDIT_NOTE): _STANDARD,
    (Usage.XRECHNUNG, Root.CII): {**_STANDARD, **_CII},
    (Usage.XRECHNUNG_CVD, Root.UBL_INVOICE): {**_CVD, **_NO_SUB_LINES},
    (Usage.XRECHNUNG_CVD, Root.UBL_CREDIT_NOTE): {**_CVD, **_NO_SUB_LINES},
    (Usage.XRECHNUNG_CVD, Root.CII): {**_CVD, **_CII},
    (Usage.XRECHNUNG_EXTENSION, Root.UBL_INVOICE): {
        **_EXTENSION,
        "BR-CO-16": Severity.INFORMATION,  # third party payments (BG-DEX-09) count into the amount due
        "UBL-CR-470": Severity.INFORMATION,
        "UBL-CR-646": Severity.INFORMATION,
    },
    (Usage.XRECHNUNG_EXTENSION, Root.CII): {**_EXTENSION, **_CII},
    (Usage.PEPPOL, Root.UBL_INVOICE): _PEPPOL,
    (Usage.PEPPOL, Root.UBL_CREDIT_NOTE): _PEPPOL,
    (Usage.PEPPOL, Root.CII): _PEPPOL,
}


def severity_of(rule: str, flag: str | None, usage: Usage, root: Root) -> Severity:
    """The weight of a finding in a document of this usage and root element.

    `flag` is what the sheet says. Factur-X's sheets say nothing: there, a rule of the standard (BR-*) is fatal, and a
    restriction of the profile alone (an element that it does not use, a code) is a warning.
    """
    override = _OVERRIDES.get((usage, root), {}).get(rule)
    if override is not None:
        return override
    if flag is None:
        return Severity.FATAL if rule.startswith("BR-") else Severity.WARNING
    return _FLAGS.get(flag.strip().lower(), Severity.FATAL)
