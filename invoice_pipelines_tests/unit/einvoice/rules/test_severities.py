"""The severities of KoSIT's validator configuration for XRechnung, by usage and syntax."""

from __future__ import annotations

import pytest

from invoice_pipelines.einvoice.rules.severities import severity_of
from invoice_pipelines.einvoice.rules.verdict import Severity
from invoice_pipelines.einvoice.rules.xml_document import Root, Usage, usage_of

STANDARD = "urn:cen.eu:en16931:2017#compliant#urn:xeinkauf.de:kosit:xrechnung_3.0"


@pytest.mark.parametrize(
    ("identifier", "usage"),
    [
        ("urn:cen.eu:en16931:2017", Usage.EN_16931),
        ("urn:cen.eu:en16931:2017#compliant#urn:fdc:peppol.eu:2017:poacc:billing:3.0", Usage.PEPPOL),
        ("urn:cen.eu:en16931:2017#compliant#urn:fdc:peppol.eu:2017:poacc:selfbilling:3.0", Usage.PEPPOL),
        ("urn:cen.eu:en16931:2017#compliant#urn:factur-x.eu:1p0:basic", Usage.EN_16931),
        (STANDARD, Usage.XRECHNUNG),
        ("urn:cen.eu:en16931:2017#compliant#urn:xoev-de:kosit:standard:xrechnung_2.3", Usage.XRECHNUNG),
        (STANDARD + "#conformant#urn:xeinkauf.de:kosit:extension:xrechnung_3.0", Usage.XRECHNUNG_EXTENSION),
        (STANDARD + "#compliant#urn:xeinkauf.de:kosit:xrechnung:cvd_1.0", Usage.XRECHNUNG_CVD),
        ("urn:factur-x.eu:1p0:minimum", Usage.FACTURX_MINIMUM),
        ("urn:zugferd.de:2p0:minimum", Usage.FACTURX_MINIMUM),
        (" urn:factur-x.eu:1p0:basicwl\n", Usage.FACTURX_BASIC_WL),
        ("urn:cen.eu:en16931:2017#conformant#urn:factur-x.eu:1p0:extended", Usage.FACTURX_EXTENDED),
        (None, Usage.EN_16931),
    ],
)
def test_the_specification_identifier_decides_whose_rules_apply(identifier: str | None, usage: Usage) -> None:
    assert usage_of(identifier) is usage


@pytest.mark.parametrize(
    ("rule", "usage", "syntax", "severity"),
    [
        ("BR-CL-23", Usage.EN_16931, Root.UBL_INVOICE, Severity.FATAL),
        ("BR-CL-23", Usage.XRECHNUNG, Root.UBL_INVOICE, Severity.WARNING),
        ("BR-CL-21", Usage.XRECHNUNG, Root.CII, Severity.WARNING),
        ("BR-CL-10", Usage.XRECHNUNG, Root.CII, Severity.FATAL),
        ("BR-CL-10", Usage.XRECHNUNG_EXTENSION, Root.CII, Severity.INFORMATION),
        ("BR-CO-16", Usage.XRECHNUNG_EXTENSION, Root.UBL_INVOICE, Severity.INFORMATION),
        ("BR-CO-16", Usage.XRECHNUNG_EXTENSION, Root.CII, Severity.FATAL),
        ("BR-CO-16", Usage.XRECHNUNG, Root.UBL_INVOICE, Severity.FATAL),
        ("BR-CL-13", Usage.XRECHNUNG_CVD, Root.UBL_INVOICE, Severity.INFORMATION),
        ("BR-CL-13", Usage.XRECHNUNG, Root.UBL_INVOICE, Severity.FATAL),
        ("BR-CO-15", Usage.XRECHNUNG_EXTENSION, Root.UBL_INVOICE, Severity.FATAL),
        ("PEPPOL-COMMON-R049", Usage.PEPPOL, Root.UBL_INVOICE, Severity.WARNING),
        ("SE-R-013", Usage.PEPPOL, Root.CII, Severity.WARNING),
        ("SE-R-004", Usage.PEPPOL, Root.UBL_INVOICE, Severity.FATAL),
        ("PEPPOL-COMMON-R042", Usage.PEPPOL, Root.UBL_INVOICE, Severity.FATAL),
    ],
)
def test_a_usage_overrides_the_severity_of_some_rules_only(
    rule: str, usage: Usage, syntax: Root, severity: Severity
) -> None:
    assert severity_of(rule, "fatal", usage, syntax) is severity


def test_xrechnung_raises_sub_lines_from_warning_to_fatal() -> None:
    assert severity_of("UBL-CR-646", "warning", Usage.XRECHNUNG, Root.UBL_INVOICE) is Severity.FATAL
    assert severity_of("UBL-CR-646", "warning", Usage.EN_16931, Root.UBL_INVOICE) is Severity.WARNING
