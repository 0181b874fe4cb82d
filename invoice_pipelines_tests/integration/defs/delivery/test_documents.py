"""The asset of documents: what a run makes, what it shows of that, and what its checks say."""

from __future__ import annotations

from uuid import UUID

import dagster as dg
import pytest

from invoice_pipelines.billing import void_invoice
from invoice_pipelines.defs.checks import evaluated
from invoice_pipelines.defs.delivery.checks import OF_DOCUMENTS
from invoice_pipelines.delivery.documents.rows import NewDocument, add_documents
from invoice_pipelines.delivery.overview import database_time
from invoice_pipelines.delivery.values import DocumentFormat
from invoice_pipelines.settings import load_settings
from invoice_pipelines.storage import root_path, store_blob
from invoice_pipelines_tests.integration.defs.conftest import WRONG_TOTAL
from invoice_pipelines_tests.integration.defs.delivery.conftest import PostRoom, failed_checks, shown

ERROR = dg.AssetCheckSeverity.ERROR


def test_what_is_asked_for_is_made_and_shown_with_a_picture_and_reasons(post_room: PostRoom) -> None:
    post_room.open("acme", "beta")
    invoices = post_room.issue("acme", 3)
    post_room.issue("beta")
    number = post_room.number("acme", invoices[1])
    with post_room.scope("acme") as connection:
        void_invoice(connection, invoices[1], reason="wrong", voided_by="anna")
    post_room.ask_for_documents("acme", [*invoices, "no invoice"], combined=True)
    result = post_room.run("acme")
    assert result.success
    metadata = shown(result, "invoice_documents")
    assert (metadata["documents made"], metadata["invoices failed"], metadata["pages"]) == (2, 2, 2)
    (by_format,) = metadata["by format"]
    assert (by_format["format"], by_format["documents"], by_format["new versions"]) == ("zugferd", 2, 0)
    assert {(failure["invoice"], failure["code"]) for failure in metadata["failures"]} == {
        (number, "VOID"),
        ("no invoice", "NOT_FOUND"),
    }
    (combined,) = metadata["files of jobs"]
    assert (combined["kind"], combined["documents"], combined["pages"]) == ("combined_pdf", 2, 2)
    assert "![first page](data:image/jpeg;base64," in metadata["first page"]
    assert failed_checks(result) == {}
    assert post_room.value("beta", "select count(*) from public.invoice_documents") == 0

    path = post_room.file_of("acme")
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:-9] + b"tampered!")
    assert failed_checks(post_room.run("acme")) == {"documents_match_their_files": ERROR}


def test_what_an_importer_would_refuse_or_waits_for_long_breaks_a_promise(post_room: PostRoom) -> None:
    post_room.open("acme")
    (invoice,) = post_room.issue("acme")
    organization = post_room.house.id_of("acme")
    sha256, size = store_blob(root_path(load_settings().documents_root), organization, WRONG_TOTAL.read_bytes())
    post_room.house.behind(
        """insert into work.batch_item (organization_id, kind, subject_id, available_at)
           select id, 'invoice_documents', 'x', now() - interval '2 hours' from organizations.organization"""
    )
    with post_room.scope("acme") as connection:
        since = database_time(connection)
        formats = (DocumentFormat.XRECHNUNG_UBL, DocumentFormat.PLAIN)  # a plain one is no e-invoice, and not judged
        add_documents(connection, [_document(invoice, format, sha256, size) for format in formats])
        results = evaluated(OF_DOCUMENTS, connection, post_room.context("acme"), since)
    refused, late = (result for result in results if not result.passed)
    assert (refused.check_name, refused.severity) == ("documents_are_valid_e_invoices", ERROR)
    assert (refused.metadata["judged"].value, late.check_name) == (1, "no_document_is_late")
    assert "BR-CO-" in str(refused.metadata["sample"])


def _document(invoice_id: UUID, format: DocumentFormat, sha256: str, size: int) -> NewDocument:
    return NewDocument(
        invoice_id=invoice_id,
        invoice_number="RE-1",
        format=format,
        language="de",
        version=1,
        file_name="RE-1.xml",
        sha256=sha256,
        size_bytes=size,
        pages=1 if format.is_pdf else None,
        missing_glyphs=None,
        plain_reason=None,
        input_sha256="0" * 64,
        template_sha256="0" * 64 if format.is_pdf else None,
        engine="test",
        batch_job_id=None,
    )


def test_a_backfill_makes_documents_of_all_that_have_none_and_nothing_twice(post_room: PostRoom) -> None:
    post_room.open("acme")
    post_room.issue("acme", 2)
    assert shown(post_room.run("acme", all=True), "invoice_documents")["documents made"] == 2
    assert "nothing to do" in shown(post_room.run("acme", all=True), "invoice_documents")
    assert post_room.house.rows("acme", "select version from public.invoice_documents") == [(1,), (1,)]
    assert post_room.value("acme", "select created_by from batch_job_queue where job_type like '%documents'")


@pytest.mark.slow
def test_the_job_of_the_launchpad_takes_numbers_and_ids(post_room: PostRoom) -> None:
    post_room.open("acme")
    first, second = post_room.issue("acme", 2)
    config = {
        "organization": "acme",
        "invoice_ids": [post_room.number("acme", first), str(second)],
        "formats": ["xrechnung_ubl"],
    }
    result = post_room.launch("batch_documents", "make_batch_of_documents", **config)
    assert result.success
    items = post_room.house.rows("acme", "select subject_id, error_code from public.batch_item_queue order by id")
    of_documents = [row for row in items if row.error_code]
    assert of_documents == [(str(first), "LACKS_DATA"), (str(second), "LACKS_DATA")]  # who is asked about an invoice
    job = post_room.house.rows("acme", "select created_by from batch_job_queue where job_type = 'invoice_documents'")
    assert job == [(f"run {result.dagster_run.run_id}",)]
    assert result.dagster_run.job_name == "batch_documents"
