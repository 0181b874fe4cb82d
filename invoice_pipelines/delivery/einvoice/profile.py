"""Holds the two rule sets that invoices are written to, and what each calls itself in a document."""

from __future__ import annotations

from enum import StrEnum

from invoice_pipelines.delivery.values import DocumentFormat


class Profile(StrEnum):
    """Whose rules a document promises to keep; the value is its specification identifier (BT-24)."""

    EN16931 = "urn:cen.eu:en16931:2017"
    """The standard itself, which Factur-X and ZUGFeRD call EN 16931 or COMFORT."""
    XRECHNUNG = "urn:cen.eu:en16931:2017#compliant#urn:xeinkauf.de:kosit:xrechnung_3.0"
    """XRechnung 3.0, which German authorities ask for."""

    @property
    def business_process(self) -> str | None:
        """BT-23, which XRechnung asks for (PEPPOL-EN16931-R001): billing without an order process around it."""
        return "urn:fdc:peppol.eu:2017:poacc:billing:01:1.0" if self is Profile.XRECHNUNG else None


def profile_of(format: DocumentFormat) -> Profile:
    """The rules that a format of documents keeps."""
    return Profile.EN16931 if format is DocumentFormat.ZUGFERD else Profile.XRECHNUNG
