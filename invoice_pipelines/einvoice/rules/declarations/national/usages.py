"""Which rules a usage has beside the syntax: those of EN 16931, of code lists, of XRechnung, Peppol or a profile.

What only some usages need is loaded at their first document.
"""

from __future__ import annotations

from collections.abc import Iterable

from invoice_pipelines.einvoice.rules.declarations.national import code_lists
from invoice_pipelines.einvoice.rules.engine.declaration import Declaration
from invoice_pipelines.einvoice.rules.xml_document import Usage

# The rules of EN 16931 that a profile of Factur-X takes over as they are, without the BR- of their ids.
_TAKEN_OVER = {
    "MINIMUM": (
        "13 14 15 CO-09 CO-26 DEC-12 DEC-13 DEC-14 DEC-18 E-02 E-03 E-04 E-05 E-06 E-07 E-10 G-02 G-03 G-04 G-05 "
        "G-06 G-07 G-08 G-09 G-10 IC-02 IC-03 IC-04 IC-05 IC-06 IC-07 IC-08 IC-09 IC-10 IC-11 IC-12 O-03 O-04 O-06 "
        "O-08 O-09 O-10 O-11 O-12 O-13 O-14 "
    ),
    "BASIC_WL": (
        "12 13 14 15 17 18 19 20 29 31 32 33 36 37 38 49 50 53 55 56 57 61 62 63 AE-03 AE-04 AE-06 AE-07 AE-09 "
        "AE-10 AF-03 AF-04 AF-06 AF-07 AF-09 AF-10 AG-03 AG-04 AG-06 AG-07 AG-09 AG-10 CO-03 CO-09 CO-11 CO-13 "
        "CO-14 CO-15 CO-16 CO-19 CO-21 CO-22 CO-26 DEC-01 DEC-02 DEC-05 DEC-06 DEC-09 DEC-10 DEC-11 DEC-12 DEC-13 "
        "DEC-14 DEC-15 DEC-16 DEC-17 DEC-18 DEC-19 DEC-20 E-03 E-04 E-06 E-07 E-09 E-10 G-03 G-04 G-06 G-07 G-09 "
        "G-10 IC-03 IC-04 IC-06 IC-07 IC-09 IC-10 IC-11 IC-12 O-03 O-04 O-06 O-07 O-09 O-10 O-11 O-13 O-14 S-03 "
        "S-04 S-06 S-07 S-09 S-10 Z-03 Z-04 Z-06 Z-07 Z-09 Z-10 "
    ),
    "EXTENDED": (
        "12 13 14 15 16 17 18 19 20 21 25 29 30 31 32 33 36 37 41 42 43 49 50 51 52 53 55 56 57 61 62 63 64 65 "
        "AE-02 AE-03 AE-04 AE-05 AE-06 AE-07 AE-09 AE-10 AF-02 AF-03 AF-04 AF-05 AF-06 AF-07 AF-09 AG-02 AG-03 "
        "AG-04 AG-05 AG-06 AG-07 AG-09 CO-03 CO-09 CO-14 CO-19 CO-20 CO-21 CO-23 CO-26 DEC-01 DEC-02 DEC-05 DEC-06 "
        "DEC-09 DEC-10 DEC-11 DEC-12 DEC-13 DEC-14 DEC-15 DEC-16 DEC-17 DEC-18 DEC-19 DEC-20 DEC-23 DEC-24 DEC-25 "
        "DEC-27 DEC-28 E-02 E-03 E-04 E-05 E-06 E-07 E-09 E-10 G-02 G-03 G-04 G-05 G-06 G-07 G-09 G-10 IC-02 IC-03 "
        "IC-04 IC-05 IC-06 IC-07 IC-09 IC-10 IC-11 IC-12 O-05 O-06 O-07 O-09 O-10 S-02 S-03 S-04 S-05 S-06 S-07 "
        "Z-02 Z-03 Z-04 Z-05 Z-06 Z-07 Z-09 "
    ),
}
_PROFILES = {
    Usage.FACTURX_MINIMUM: "MINIMUM",
    Usage.FACTURX_BASIC_WL: "BASIC_WL",
    Usage.FACTURX_EXTENDED: "EXTENDED",
}
_XRECHNUNG = frozenset((Usage.XRECHNUNG, Usage.XRECHNUNG_EXTENSION, Usage.XRECHNUNG_CVD))
_NEWEST = "XRechnung 3.0.2"


def rules_for(usage: Usage, core: Iterable[Declaration], *, is_cii: bool) -> tuple[Declaration, ...]:
    """The declarations that a document of this usage is asked. `core` are those of EN 16931 without its code lists.

    The profiles of Factur-X are of CII only; a document in UBL that names one is asked for EN 16931.
    """
    profile = _PROFILES.get(usage)
    if profile is not None and is_cii:
        from invoice_pipelines.einvoice.rules.declarations.national import factur_x

        own: tuple[Declaration, ...] = getattr(factur_x, profile)
        taken_over = {f"BR-{number}" for number in _TAKEN_OVER[profile].split()}
        return (*own, *(rule for rule in core if rule.id in taken_over))
    rules = (*core, *code_lists.RULES)
    if usage in _XRECHNUNG:
        return (*rules, *_of_xrechnung(usage))
    if usage is Usage.PEPPOL:
        from invoice_pipelines.einvoice.rules.declarations.national import peppol, peppol_codes

        return (*rules, *peppol.RULES, *peppol_codes.RULES)
    return rules


def _of_xrechnung(usage: Usage, release: str = _NEWEST) -> tuple[Declaration, ...]:
    from invoice_pipelines.einvoice.rules.declarations.national import peppol, xrechnung

    rules = (*xrechnung.RULES, *peppol.IN_XRECHNUNG)
    if usage is not Usage.XRECHNUNG:
        from invoice_pipelines.einvoice.rules.declarations.national import extension

        rules += extension.RULES
    return tuple(rule for rule in rules if not rule.releases or release in rule.releases)
