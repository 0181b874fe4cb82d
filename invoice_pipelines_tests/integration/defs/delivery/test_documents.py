"""The asset of documents: what a run makes, what it shows of that, and what its checks say."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import dagster as dg
import pytest

from invoice_pipelines.billing import void_invoice
from invoice_pipelines.defs.checks import evaluated
from invoice_pipelines.defs.delivery.checks import OF_DOCUMENTS
from invoice_pipelines.delivery.documents.rows import NewDocument, add_documents
from invoice_pipelines.delivery.overview import database_time
from invoice_pipelines.delivery.values import DocumentFormat
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.settings import load_settings
from invoice_pipelines.storage import root_path, store_blob
from invoice_pipelines_tests.integration.defs.conftest import WRONG_TOTAL
from invoice_pipelines_tests.integration.defs.delivery.conftest import PostRoom, failed_checks, shown

ERROR, WARN = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN


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


def test_a_document_that_an_importer_would_refuse_fails_its_check(post_room: PostRoom) -> None:
    post_room.open("acme")
    (invoice,) = post_room.issue("acme")
    organization = post_room.house.id_of("acme")
    sha256, size = store_blob(root_path(load_settings().documents_root), organization, WRONG_TOTAL.read_bytes())
    with post_room.scope("acme") as connection:
        since = database_time(connection)
        add_documents(connection, [_document(invoice, sha256, size)])
        context = OrganizationContext.of(post_room.house.database.engine, "acme", load_settings(), "test")
        results = evaluated(OF_DOCUMENTS, connection, context, since)
    (result,) = [result for result in results if not result.passed]
    assert (result.check_name, result.severity) == ("documents_are_valid_e_invoices", ERROR)
    assert "BR-CO-" in str(result.metadata["sample"])


def test_a_plain_document_is_no_e_invoice_and_not_judged_as_one(post_room: PostRoom) -> None:
    post_room.open("acme")
    post_room.issue("acme")
    result = post_room.run("acme", all=True, formats=["plain"])
    assert failed_checks(result) == {}
    (by_format,) = shown(result, "invoice_documents")["by format"]
    assert (by_format["format"], by_format["documents"]) == ("plain", 1)


def _document(invoice_id: UUID, sha256: str, size: int) -> NewDocument:
    return NewDocument(
        invoice_id=invoice_id,
        invoice_number="RE-1",
        format=DocumentFormat.XRECHNUNG_UBL,
        language="de",
        version=1,
        file_name="RE-1.xml",
        sha256=sha256,
        size_bytes=size,
        pages=None,
        missing_glyphs=None,
        plain_reason=None,
        input_sha256="0" * 64,
        template_sha256=None,
        engine="test",
        batch_job_id=None,
    )


def test_a_backfill_makes_documents_of_all_that_have_none_and_nothing_twice(post_room: PostRoom) -> None:
    post_room.open("acme")
    post_room.issue("acme", 2)
    assert shown(post_room.run("acme"), "invoice_documents")["documents made"] == 0
    assert shown(post_room.run("acme", all=True), "invoice_documents")["documents made"] == 2
    assert shown(post_room.run("acme", all=True), "invoice_documents")["documents made"] == 0
    assert post_room.house.rows("acme", "select version from public.invoice_documents") == [(1,), (1,)]
    assert post_room.value("acme", "select created_by from batch_job_queue where job_type like '%documents'")
    assert not post_room.run("acme", all=True, formats=["docx"]).success


def test_documents_that_wait_for_long_are_pointed_out(post_room: PostRoom) -> None:
    post_room.open("acme")
    post_room.house.behind(
        """insert into work.batch_item (organization_id, kind, subject_id, available_at)
           select id, 'invoice_documents', 'x', now() - interval '2 hours' from organizations.organization"""
    )
    with post_room.scope("acme") as connection:
        context = OrganizationContext.of(post_room.house.database.engine, "acme", load_settings(), "test")
        results = evaluated(OF_DOCUMENTS, connection, context, database_time(connection))
    assert [result.check_name for result in results if not result.passed] == ["no_document_is_late"]


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


def test_what_cannot_be_asked_for_fails_the_run_in_one_line(post_room: PostRoom) -> None:
    post_room.open("acme")
    for config, words in (
        ({}, "invoice_ids or all"),
        ({"all": True, "formats": ["docx"]}, "formats"),
        ({"all": True, "language": "german"}, "language"),
        ({"organization": "nobody", "all": True}, "nobody"),
    ):
        wanted: dict[str, Any] = {"organization": "acme", **config}
        told = post_room.refused("batch_documents", "make_batch_of_documents", **wanted)
        assert words in told
        assert "\n" not in told
