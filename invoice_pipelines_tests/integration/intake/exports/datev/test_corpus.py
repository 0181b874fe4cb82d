"""Every document of the corpus is booked or refused with a reason; no batch breaks one of the vendor's expressions."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest

from invoice_pipelines.intake.documents import Limits, read_document
from invoice_pipelines.intake.documents.pdf_invoice import read_pdf
from invoice_pipelines.intake.exports.datev.currencies import add_rates, check_rates
from invoice_pipelines.intake.reading import Reading
from invoice_pipelines.intake.received_invoices import InvoiceVersion, mark_parsed, mark_validated
from invoice_pipelines_tests.conftest import CORPUS
from invoice_pipelines_tests.integration.intake.conftest import IntakeDesk
from invoice_pipelines_tests.support.intake.exports.datev.books import Books
from invoice_pipelines_tests.support.intake.exports.datev.validator import needs_expressions, read_batch, violations

pytestmark = [
    pytest.mark.corpus,
    pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus of real e-invoices is not on this machine"),
]
RULES = (
    {"account": "4930", "line_text": "papier", "priority": "10"},
    {"account": "3200", "category": "K", "tax_key": "19"},
    {"account": "4910", "category": "E", "tax_key": "none"},
    {"account": "4910", "category": "Z", "tax_key": "none"},
    {"account": "4910", "category": "O", "tax_key": "none"},
    {"account": "4910", "category": "G", "tax_key": "none"},
    {"account": "4911", "region": "EU", "category": "S", "tax_key": "none"},
    {"account": "4911", "region": "OTHER", "category": "S", "tax_key": "none"},
    {"account": "4980"},
)
RATES = {"SEK": "11.2", "DKK": "7.46", "NOK": "11.7", "USD": "1.08", "GBP": "0.86"}


def documents(index: str) -> list[Path]:
    return [CORPUS / json.loads(line)["file"] for line in (CORPUS / index).read_text(encoding="utf-8").splitlines()]


def receive(desk: IntakeDesk, paths: list[Path], read: Callable[[bytes, str], Reading]) -> set[UUID]:
    """The documents as validated invoices; whether the rules of EN 16931 would let them pass is not asked here."""
    uploads = {desk.upload(path.read_bytes(), path.name): path for path in paths}
    of_upload = dict(map(tuple, desk.rows("select upload_id, id from intake.received_invoice")))
    readings = {of_upload[upload]: read(path.read_bytes(), path.name) for upload, path in uploads.items()}
    with desk.scope() as connection:
        mark_parsed(connection, [(InvoiceVersion(key, 1), reading) for key, reading in readings.items()])
        assert len(mark_validated(connection, [InvoiceVersion(key, 2) for key in readings])) == len(readings)
    return set(readings)


def booked_share(books: Books, ids: set[UUID]) -> float:
    """Exports, judges every file, holds the ledger against the invoices, and says which share of them is booked."""
    export = books.export_datev()
    for batch in books.batches(export):
        assert violations(batch) == []
    ledger, refusals = books.ledger(), books.refusals()
    booked = {row.received_invoice_id for row in ledger}
    assert booked.isdisjoint(refusals)
    assert all(refusals.values())
    print(f"{len(ids)} documents, {len(booked)} booked, {len(ids - booked - set(refusals))} over nothing; refused:")
    print(Counter(code for codes in refusals.values() for code in codes).most_common())
    gross: dict[UUID, Decimal] = dict(
        map(
            tuple,
            books.desk.rows(
                """select id, case when type_code in ('81', '83', '381', '396', '532') then -gross_amount
                                   else gross_amount end
                   from intake.received_invoice"""
            ),
        )
    )
    sums: Counter[UUID] = Counter()
    for row in ledger:
        sums[row.received_invoice_id] += row.invoice_amount
    assert dict(sums) == {invoice_id: gross[invoice_id] for invoice_id in booked}
    assert all(not gross[invoice_id] for invoice_id in ids - booked - set(refusals))
    assert sum(len(read_batch(batch).rows) for batch in books.batches(export)) == len(ledger)
    return len(booked) / len(ids)


@pytest.fixture
def books(desk: IntakeDesk) -> Books:
    """Books with rules and rates for what the corpus holds."""
    made = Books(desk)
    made.set_up(also_booked_types=("204", "877"))
    made.rules(*RULES)
    rows = [
        {"currency": currency, "valid_from": "2000-01-01", "valid_until": "2099-12-31", "rate": rate}
        for currency, rate in RATES.items()
    ]
    with desk.scope() as connection:
        add_rates(connection, check_rates(rows)[0], "test")
    return made


@pytest.mark.slow
@needs_expressions
def test_every_export_over_the_e_invoices_keeps_all_expressions(books: Books) -> None:
    ids = receive(books.desk, documents("expected.jsonl"), read_document)
    assert booked_share(books, ids) > 0.85


@pytest.mark.slow
@needs_expressions
def test_every_export_over_text_layers_keeps_all_expressions(books: Books) -> None:
    def read(data: bytes, name: str) -> Reading:
        return read_pdf(data, Limits(), ignore_attached_xml=True)

    ids = receive(books.desk, documents("text_layer_expected.jsonl"), read)
    assert booked_share(books, ids) > 0.5
