"""Whatever billing issues becomes a PDF/A-3 that a machine books from its XML, and a person reads."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from hypothesis import Phase, given, settings

from invoice_pipelines.billing import DocumentKind, IssuedInvoice
from invoice_pipelines.delivery.einvoice import Seller, lacking, write_xml
from invoice_pipelines.delivery.rendering.bundle import bundle_of
from invoice_pipelines.delivery.rendering.renderer import Look, Renderer
from invoice_pipelines.delivery.values import DocumentFormat
from invoice_pipelines.intake.documents import read_document
from invoice_pipelines.organizations.settings import DocumentSettings
from invoice_pipelines_tests.conftest import TestDatabase
from invoice_pipelines_tests.integration.delivery.einvoice.conftest import billing_database  # noqa: F401 - a fixture
from invoice_pipelines_tests.integration.delivery.einvoice.test_issued_invoices import (
    LENIENT,
    ORDERS_AT_ONCE,
    Example,
    examples,
    issue,
)
from invoice_pipelines_tests.support.delivery.pdf_a import assert_is_pdf_a_3
from invoice_pipelines_tests.support.delivery.rendering.looking import page_texts
from invoice_pipelines_tests.support.sizes import size


def digits(text: str) -> str:
    return re.sub(r"\D", "", text)


def assert_is_readable(renderer: Renderer, invoice: IssuedInvoice, seller: Seller, language: str) -> bool:
    """Fails where the document of an invoice breaks a claim or says otherwise. False: it cannot be an e-invoice."""
    if lacking(invoice, seller, DocumentFormat.ZUGFERD):
        return False
    xml = write_xml(invoice, seller, DocumentFormat.ZUGFERD)
    document = renderer.render(invoice, xml, language=language)
    assert_is_pdf_a_3(document.pdf, xml, language=language)
    read = read_document(document.pdf)
    assert (read.number, read.issue_date, read.currency, read.net_amount, read.tax_amount, read.gross_amount) == (
        invoice.invoice_number,
        invoice.issue_date,
        invoice.currency,
        invoice.net_amount,
        invoice.tax_amount,
        invoice.gross_amount,
    )
    assert [line.net_amount for line in read.lines] == [line.net_amount for line in invoice.lines]
    pages = page_texts(document.pdf)
    assert len(pages) == document.pages
    assert invoice.invoice_number in pages[0]
    lines = [digits(line) for page in pages for line in page.splitlines()]
    for amount in (invoice.gross_amount, *(line.net_amount for line in invoice.lines)):
        assert any(digits(str(amount)) in line for line in lines), (amount, pages)
    return True


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_random_invoices_become_pdf_a_3_that_says_what_was_issued(
    billing_database: TestDatabase,  # noqa: F811
) -> None:
    made: Counter[tuple[bool, DocumentKind]] = Counter()
    renderers = {language: Renderer(bundle_of({}), Look(DocumentSettings(), language)) for language in ("de", "en")}

    @settings(
        max_examples=size(30, 450) // ORDERS_AT_ONCE,
        suppress_health_check=LENIENT,
        phases=[Phase.explicit, Phase.generate],
    )
    @given(example=examples(ORDERS_AT_ONCE))
    def check(example: Example) -> None:
        invoices, seller = issue(billing_database, example)
        for place, invoice in enumerate(invoices):
            language = ("de", "en")[place % 2]
            done = assert_is_readable(renderers[language], invoice, seller, language)
            made[done, invoice.document_kind] += 1

    check()
    assert sum(number for (done, _), number in made.items() if done) >= size(15, 500)
    print(dict(made))
