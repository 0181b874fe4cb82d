"""E-invoices after EN 16931: one model of an invoice, which is read from XML, written to XML and judged by rules.

Usable on its own; `docs/einvoice.md` shows how. PDF files, pages and scans are not known here: see `intake` for what
is read from them, and `delivery` for what is made of issued invoices.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

from invoice_pipelines.einvoice.errors import ReadingError
from invoice_pipelines.einvoice.model import Invoice
from invoice_pipelines.einvoice.profiles import Profile, Syntax
from invoice_pipelines.einvoice.rules.verdict import Verdict

__all__ = ["Invoice", "Profile", "ReadingError", "Syntax", "Verdict", "read", "validate", "write"]


def read(xml: bytes) -> Invoice:
    """The invoice that an XML document says: UBL, CII (so ZUGFeRD, Factur-X and XRechnung), or ZUGFeRD 1.0.

    Raises `ReadingError` for anything else. `reading.xml_invoice` gives its profile and what could not be understood.
    """
    # Here, so that whoever only needs the model does not load lxml.
    from invoice_pipelines.einvoice.reading.xml_invoice import read_xml

    return read_xml(xml).invoice


def write(invoice: Invoice, syntax: Syntax) -> bytes:
    """The XML of an invoice, with the terms in the order of the schema. It keeps the rules where the invoice does.

    `read` finds the same in it, but for what the syntax cannot say. A text loses what XML cannot hold, and blanks at
    its ends. UBL has one due date and no parts of lines (BT-X-304); CII has one remittance information (BT-83) and one
    mandate (BT-89) for all payments.
    """
    from invoice_pipelines.einvoice.writing.document import write_xml

    return write_xml(invoice, syntax)


def validate(xml: bytes, *, rules_directory: Path | None = None, on: date | None = None) -> Verdict:
    """Whether an XML invoice keeps its schema and the business rules of its specification. Nothing in it is corrected.

    The business rules are also asked of a document that fails its schema, so that its sender learns of everything at
    once, unless it fails in too many places. They are those of the releases in force `on` a day, or the newest that are
    known; `Verdict.rules_version` names them. `rules_directory` holds official release files, which then decide,
    whatever the day (see `docs/validation.md`). Raises `rules.official.rule_files.RulesDirectoryError` where it cannot
    be used, `ReadingError` where the XML cannot be parsed, and `ChildProcessError` where no process can be started for
    a large document.
    """
    from invoice_pipelines.einvoice.rules.judge import judge

    judged = judge(xml, rules_directory, on=on)
    return Verdict.of(judged.violations, judged.versions)
