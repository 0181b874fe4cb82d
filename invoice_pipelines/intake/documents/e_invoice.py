"""Turns an XML invoice into a `Reading`, whether it came alone or attached to a PDF."""

from __future__ import annotations

from dataclasses import fields

from invoice_pipelines.einvoice.model import Invoice
from invoice_pipelines.einvoice.reading.limits import XmlLimits
from invoice_pipelines.einvoice.reading.xml_invoice import read_xml
from invoice_pipelines.intake.reading import Format, Reading, Source


def read_e_invoice(data: bytes, limits: XmlLimits) -> Reading:
    """Read an XML document. Raises what `read_xml` raises."""
    document = read_xml(data, limits)
    return Reading(
        **{term.name: getattr(document.invoice, term.name) for term in fields(Invoice)},
        source=Source.XML,
        format=Format(document.syntax),
        profile=document.profile,
        raw=document.raw,
        xml=document.xml,
        warnings=document.warnings,
    )
