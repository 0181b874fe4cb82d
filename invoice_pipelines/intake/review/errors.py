"""Errors of decisions about invoices; each message says what to do."""

from invoice_pipelines.errors import InvoicePipelinesError


class ReviewError(InvoicePipelinesError):
    """Something cannot be decided; the message says why and what to do."""


class ReviewConflict(ReviewError):
    """Somebody else decided about the invoice after it was looked at."""
