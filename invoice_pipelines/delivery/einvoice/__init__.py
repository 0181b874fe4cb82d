"""Issued invoices as e-invoices: CII for ZUGFeRD/Factur-X, CII and UBL for XRechnung.

`lacking` says what an invoice must have before it can be written; what is written without it breaks rules.
`impossible` says why one can never be. Syntaxes and profiles are the business of `invoice_pipelines.einvoice`.
"""

from invoice_pipelines.billing import IssuedInvoice
from invoice_pipelines.delivery.einvoice.issued import invoice_of
from invoice_pipelines.delivery.einvoice.lacking import impossible, lacking
from invoice_pipelines.delivery.einvoice.seller import Seller
from invoice_pipelines.delivery.values import DocumentFormat
from invoice_pipelines.einvoice import write

__all__ = ["Seller", "impossible", "invoice_of", "lacking", "write_xml"]


def write_xml(invoice: IssuedInvoice, seller: Seller, format: DocumentFormat) -> bytes:
    """The XML of an invoice as a format has it."""
    return write(invoice_of(invoice, seller, format.profile), format.syntax)
