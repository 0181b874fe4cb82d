"""Documents that were read line by line and found right, kept as files: the writer must say exactly this.

Blanks between elements do not count. After a change on purpose, read the new documents, then store them:
`python -m invoice_pipelines_tests.unit.delivery.einvoice.test_golden`.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from lxml import etree

from invoice_pipelines.billing import IssuedInvoice
from invoice_pipelines.delivery.einvoice import Seller, lacking, write_xml
from invoice_pipelines.delivery.values import E_INVOICES, DocumentFormat
from invoice_pipelines_tests.support.delivery.einvoice.judge import assert_reads_back, factur_x_violations, rules
from invoice_pipelines_tests.unit.delivery.einvoice.samples import (
    SELLER,
    sample_credit_note,
    sample_invoice,
    sample_line,
)

FOLDER = Path(__file__).parent / "golden"

INVOICE = sample_invoice(
    sample_line("2", "149.90", description="Lamp <Nord>\nred, 3 m of cable", sku="A-1"),
    sample_line("1.5", "88.5000", discount="12.5", description="Assembly & delivery", unit_code="HUR"),
    sample_line("12", "3.9950", "S", "7", description="Book"),
    discount_percent="10",
    note="Thank you!\nSee you soon.",
)
CREDIT_NOTE = sample_credit_note(
    sample_line("1", "149.90", description="Lamp <Nord>\nred, 3 m of cable", sku="A-1"), discount_percent="10"
)
SUPPLY = sample_invoice(
    sample_line("3", "100", "K", "0", description="Pump", unit_code="H87"),
    purchase_order_reference=None,
)
DOCUMENTS = {
    "invoice": (INVOICE, SELLER),
    "credit_note": (CREDIT_NOTE, replace(SELLER, payment_terms=None)),
    "intra_community_supply": (SUPPLY, SELLER),
}


@pytest.mark.parametrize("format", E_INVOICES)
@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_says_what_was_read_in_it_before(name: str, format: DocumentFormat) -> None:
    invoice, seller = DOCUMENTS[name]
    assert lacking(invoice, seller, format) == []
    xml = write_xml(invoice, seller, format)
    stored = (FOLDER / f"{name}_{format}.xml").read_text(encoding="utf-8")
    assert etree.canonicalize(xml.decode(), strip_text=True) == etree.canonicalize(stored, strip_text=True)
    assert rules(xml, date(2026, 3, 20)) == set()
    if seller.payment_terms is None:
        seller = replace(seller, payment_terms="Set off against invoice INV-2026-000042.")
    assert_reads_back(xml, invoice, seller, format)
    if format is DocumentFormat.ZUGFERD:
        assert factur_x_violations(xml, with_schematron=False) == []


def _pretty(invoice: IssuedInvoice, seller: Seller, format: DocumentFormat) -> bytes:
    root = etree.fromstring(write_xml(invoice, seller, format), etree.XMLParser(remove_blank_text=True))
    etree.indent(root)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8") + b"\n"


if __name__ == "__main__":
    for document, (written, said_by) in DOCUMENTS.items():
        for each in E_INVOICES:
            (FOLDER / f"{document}_{each}.xml").write_bytes(_pretty(written, said_by, each))
