"""Issued invoices as the XML of EN 16931: in CII for ZUGFeRD/Factur-X, and in CII and UBL for XRechnung.

`lacking` says what an invoice must have before it can be written; what is written without it breaks rules.
`impossible` says why one can never be.
"""

from invoice_pipelines.billing import IssuedInvoice
from invoice_pipelines.delivery.einvoice.cii import cii
from invoice_pipelines.delivery.einvoice.lacking import impossible, lacking
from invoice_pipelines.delivery.einvoice.seller import Seller
from invoice_pipelines.delivery.einvoice.ubl import ubl
from invoice_pipelines.delivery.values import DocumentFormat
from invoice_pipelines.einvoice.profiles import Profile

__all__ = ["Profile", "Seller", "cii", "impossible", "lacking", "ubl", "write_xml"]


def write_xml(invoice: IssuedInvoice, seller: Seller, format: DocumentFormat) -> bytes:
    """The XML of an invoice as a format has it: ZUGFeRD carries CII by EN 16931, XRechnung is CII or UBL by its own."""
    write = ubl if format is DocumentFormat.XRECHNUNG_UBL else cii
    return write(invoice, seller, profile=format.profile)
