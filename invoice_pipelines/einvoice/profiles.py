"""The syntaxes of e-invoices, and the profiles: the rules that an invoice promises to keep (BT-24)."""

from __future__ import annotations

import re
from enum import StrEnum


class Syntax(StrEnum):
    """How the terms of EN 16931 are put into XML. ZUGFeRD 1.0, which is older than the standard, is only read."""

    UBL = "UBL"
    CII = "CII"
    ZUGFERD1 = "ZUGFERD1"


class Profile(StrEnum):
    """The rules that this project writes by; the value is what stands in the document (BT-24)."""

    EN16931 = "urn:cen.eu:en16931:2017"
    """The standard itself, which Factur-X and ZUGFeRD call EN 16931 or COMFORT."""
    XRECHNUNG = "urn:cen.eu:en16931:2017#compliant#urn:xeinkauf.de:kosit:xrechnung_3.0"
    """XRechnung 3.0, which German authorities ask for."""

    @property
    def business_process(self) -> str | None:
        """BT-23, which XRechnung asks for (PEPPOL-EN16931-R001): billing without an order process around it."""
        return "urn:fdc:peppol.eu:2017:poacc:billing:01:1.0" if self is Profile.XRECHNUNG else None


# The first pattern that occurs in a specification identifier gives the short name.
_NAMES = (
    (re.compile(r"xrechnung", re.IGNORECASE), "XRECHNUNG"),
    (re.compile(r"peppol\.eu:2017:poacc:billing", re.IGNORECASE), "PEPPOL"),
    (re.compile(r"(factur-x\.eu|zugferd\.de):\dp\d:minimum$", re.IGNORECASE), "MINIMUM"),
    (re.compile(r"(factur-x\.eu|zugferd\.de):\dp\d:basicwl$", re.IGNORECASE), "BASIC WL"),
    (re.compile(r"(factur-x\.eu|zugferd\.de):\dp\d:basic$", re.IGNORECASE), "BASIC"),
    (re.compile(r"(factur-x\.eu|zugferd\.de):\dp\d:extended$", re.IGNORECASE), "EXTENDED"),
    (re.compile(r"^urn:cen\.eu:en16931:2017$", re.IGNORECASE), "EN 16931"),
    (re.compile(r"^urn:ferd:.*:basic$", re.IGNORECASE), "BASIC"),
    (re.compile(r"^urn:ferd:.*:comfort$", re.IGNORECASE), "COMFORT"),
    (re.compile(r"^urn:ferd:.*:extended$", re.IGNORECASE), "EXTENDED"),
)


def profile_name(specification: str | None) -> str | None:
    """A short name for a specification identifier: XRECHNUNG, EN 16931, ...; its last part where it is not known."""
    if specification is None:
        return None
    for pattern, name in _NAMES:
        if pattern.search(specification):
            return name
    return re.split(r"[:#]", specification)[-1] or None
