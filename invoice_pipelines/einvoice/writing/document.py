"""Writes an invoice as the bytes of a document in a syntax."""

from __future__ import annotations

from dataclasses import replace

from invoice_pipelines.einvoice.model import Invoice, Payment
from invoice_pipelines.einvoice.profiles import Syntax
from invoice_pipelines.einvoice.syntaxes.cii import write_cii
from invoice_pipelines.einvoice.syntaxes.ubl import write_ubl


def write_xml(invoice: Invoice, syntax: Syntax) -> bytes:
    """The document in UTF-8."""
    if syntax is Syntax.ZUGFERD1:
        raise ValueError("ZUGFeRD 1.0 is only read; write CII")
    if any(len(payment.accounts) > 1 for payment in invoice.payments):
        invoice = replace(invoice, payments=tuple(one for payment in invoice.payments for one in _one_each(payment)))
    return (write_ubl if syntax is Syntax.UBL else write_cii)(invoice).encode()


def _one_each(payment: Payment) -> list[Payment]:
    """Both syntaxes have one account for each means of payment."""
    return [replace(payment, accounts=(account,)) for account in payment.accounts] or [payment]
