"""The words of delivery: formats, purposes, where a message stands, and the kinds of its work. No database here, and no
channels: those are declared in `channels`.
"""

from __future__ import annotations

from enum import StrEnum

from invoice_pipelines.einvoice.profiles import Profile, Syntax
from invoice_pipelines.errors import InvoicePipelinesError
from invoice_pipelines.overdue.sending import WORK_KIND

MAKE_DOCUMENTS = "invoice_documents"
"""Work of making documents; a subject is the id of an issued invoice, or `job/` with the id of a job of this kind that
has ended and wants its documents as one file."""
COMMUNICATIONS = "communications"
"""Work of sending invoices, as a batch job; a subject is the id of an issued invoice."""
SEND_MESSAGE = "send_message"
"""Work of sending a message that is written already; a subject is the id of a message."""
SEND_OVERDUE_NOTIFICATION = WORK_KIND
"""Work of reminding a customer; a subject is as overdue.sending.notification_and_channel tells."""
SENDING_KINDS = (SEND_OVERDUE_NOTIFICATION, SEND_MESSAGE, COMMUNICATIONS)


class DeliveryError(InvoicePipelinesError):
    """A request or a template is wrong; the message says what and where, for people."""

    code = "INVALID_VALUE"


class DocumentFormat(StrEnum):
    """What a document is. ZUGFeRD (Factur-X) is a PDF/A-3 that carries the XML of EN 16931; XRechnung is XML alone; a
    plain one is a PDF/A-3 without XML, which is also made instead of ZUGFeRD where no XML could say its amounts.
    """

    ZUGFERD = "zugferd"
    XRECHNUNG_CII = "xrechnung_cii"
    XRECHNUNG_UBL = "xrechnung_ubl"
    PLAIN = "plain"

    @property
    def is_pdf(self) -> bool:
        return self in (DocumentFormat.ZUGFERD, DocumentFormat.PLAIN)

    @property
    def profile(self) -> Profile:
        """The rules that the XML keeps."""
        return Profile.EN16931 if self is DocumentFormat.ZUGFERD else Profile.XRECHNUNG

    @property
    def syntax(self) -> Syntax:
        """What the XML is written in."""
        return Syntax.UBL if self is DocumentFormat.XRECHNUNG_UBL else Syntax.CII


E_INVOICES = (DocumentFormat.ZUGFERD, DocumentFormat.XRECHNUNG_CII, DocumentFormat.XRECHNUNG_UBL)
"""The formats with the XML of EN 16931."""


class Purpose(StrEnum):
    """Why a message goes out."""

    INVOICE = "invoice"
    REMINDER = "reminder"


class MessageStatus(StrEnum):
    """Where a message stands; see delivery.message.status."""

    WAITING = "waiting"
    SENDING = "sending"
    SENT = "sent"
    DELIVERED = "delivered"
    FAILED = "failed"
    BOUNCED = "bounced"
    UNKNOWN = "unknown"
    CANCELLED = "cancelled"
