"""A mail server of our own on this machine: SMTP that takes mail and IMAP that shows it, over one store, with the
faults that real ones have.

`MailServer` runs it in a thread, `invoice-pipelines sandbox mail` as a process.
"""

from invoice_pipelines.workshop.sandbox.mail.faults import Fault
from invoice_pipelines.workshop.sandbox.mail.reports import ReportStyle, delivery_report
from invoice_pipelines.workshop.sandbox.mail.server import MailServer
from invoice_pipelines.workshop.sandbox.mail.store import Received

__all__ = ["Fault", "MailServer", "Received", "ReportStyle", "delivery_report"]
