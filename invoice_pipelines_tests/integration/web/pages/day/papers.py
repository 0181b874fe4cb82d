"""What the post brings on a day: papers and e-invoices as suppliers send them, most of them with something odd."""

from __future__ import annotations

from decimal import Decimal
from io import BytesIO

import pypdf

from invoice_pipelines_tests.conftest import PROJECT
from invoice_pipelines_tests.integration.intake.review.pages import page_of
from invoice_pipelines_tests.support.intake.documents.text_layer.drawing import draw
from invoice_pipelines_tests.support.intake.validation.specimens import UBL

MARKUP = "<img src=x onerror=alert(1)>.pdf"
CREDIT_NOTE = (PROJECT / "examples" / "nordwind-handel" / "polder-bloemen-gutschrift.xml").read_bytes()
"""Over 36.38 EUR."""


def e_invoice(number: str, *, iban: str = "", currency: str = "EUR", gross: str = "119.00") -> bytes:
    """Over 100.00 net and 19.00 VAT."""
    account = (
        "<cac:PaymentMeans><cbc:PaymentMeansCode>58</cbc:PaymentMeansCode><cac:PayeeFinancialAccount>"
        f"<cbc:ID>{iban}</cbc:ID></cac:PayeeFinancialAccount></cac:PaymentMeans><cac:TaxTotal>"
    )
    found = UBL.replace("<cbc:ID>2026-001<", f"<cbc:ID>{number}<").replace("EUR", currency)
    found = found.replace(">119.00<", f">{gross}<")
    return (found.replace("<cac:TaxTotal>", account, 1) if iban else found).encode()


def paper(number: str, net: str = "1000.00") -> bytes:
    """A page on which the number stands where nobody looks for it."""
    return page_of(number, net)


def scan(number: str, net: str) -> bytes:
    """Two pages, of which the first is a letter, as scanners with a text layer make them."""
    writer = pypdf.PdfWriter()
    for data in (draw([(50, 100, "Sehr geehrte Damen und Herren, anbei unsere Rechnung.")]), page_of(number, net)):
        writer.append(BytesIO(data))
    buffer = BytesIO()
    writer.write(buffer)
    return buffer.getvalue()


def gross_of(net: str) -> Decimal:
    """With 19 % VAT."""
    return (Decimal(net) * Decimal("1.19")).quantize(Decimal("0.01"))
