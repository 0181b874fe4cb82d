"""The error of documents that cannot be read as an invoice."""

from __future__ import annotations

from invoice_pipelines.errors import InvoicePipelinesError


class ReadingError(InvoicePipelinesError):
    """A document that cannot be read, with a reason that its sender would understand.

    `code` is stable and in capitals (XML_DOCTYPE, PDF_ENCRYPTED, TOO_LARGE, NOT_AN_INVOICE, ...); `message` is one
    English sentence that says what is wrong and, where there is something, what to do.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
