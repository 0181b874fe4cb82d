"""What lies on the disk: files of whole jobs, a full disk, and two runs that make the same documents at once."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID, uuid4

import fsspec
import pikepdf
import pytest
from sqlalchemy import text

from invoice_pipelines.billing.corrections import credit_invoice
from invoice_pipelines.delivery.documents.bundles import COMBINED_PDF, ZIP, DocumentBundle, find_bundles
from invoice_pipelines.delivery.documents.pool import DocumentPool, PoolBounds
from invoice_pipelines.delivery.documents.writing import file_name
from invoice_pipelines.delivery.values import MAKE_DOCUMENTS, DocumentFormat
from invoice_pipelines.work import cancel_job, enqueue, retry_failed
from invoice_pipelines_tests.conftest import PROJECT, TestDatabase
from invoice_pipelines_tests.support.delivery.full_disk import full_disk
from invoice_pipelines_tests.support.delivery.press import Press


def bundles(press: Press, job_id: UUID) -> dict[str, DocumentBundle]:
    with press.shop.scope() as connection:
        return {bundle.kind: bundle for bundle in find_bundles(connection, job_id)}


def numbers(press: Press) -> list[str]:
    return [
        row[0] for row in press.rows("select invoice_number from billing.invoice_number order by series desc, number")
    ]


def test_a_job_can_end_in_one_pdf_with_bookmarks_and_a_zip_in_the_order_of_numbers(press: Press) -> None:
    invoices = press.shop.issue({}, {}, {})
    with press.shop.scope() as connection:
        credit_note = credit_invoice(connection, invoices[1], reason="returned", created_by="anna")
    press.make(invoices[:1])  # what exists is among them, what fails is not
    job_id = press.ask([credit_note, *reversed(invoices), "no id"], combined=True, zip=True)
    report = press.work()
    assert press.job(job_id).status == "completed_with_errors"
    made = bundles(press, job_id)
    assert {bundle.kind for bundle in report.bundles} == set(made) == {COMBINED_PDF, ZIP}
    with pikepdf.open(press.path(made[COMBINED_PDF].sha256)) as pdf, pdf.open_outline() as outline:
        assert [item.title for item in outline.root] == numbers(press)
        assert len(pdf.pages) == made[COMBINED_PDF].pages == 4
    with zipfile.ZipFile(press.path(made[ZIP].sha256)) as archive:
        assert archive.namelist() == [f"{number}.pdf" for number in numbers(press)]
        document = press.newest(invoices[0])
        assert archive.read(document.file_name) == press.file(document)


def test_files_of_a_job_that_nobody_came_to_make_are_made_by_the_next_run_and_only_once(press: Press) -> None:
    invoices = press.shop.issue({}, {})
    job_id = press.ask(invoices, combined=True)
    press.work(should_stop=lambda: press.job(job_id).status == "completed")  # as if killed right after the last item
    assert bundles(press, job_id) == {}
    assert press.work().bundles
    first = bundles(press, job_id)
    with press.shop.scope() as connection:
        enqueue(connection, MAKE_DOCUMENTS, [f"job/{job_id}"])  # as if killed before that was committed
    press.work()
    assert bundles(press, job_id) == first
    assert len(press.rows("select 1 from delivery.document_bundle")) == 1


def test_files_of_a_job_that_the_clean_up_ended_are_made(press: Press, database: TestDatabase) -> None:
    (invoice,) = press.shop.issue({})
    job_id = press.ask([invoice], combined=True)
    with database.superuser.begin() as connection:  # without an organization in scope, as the clean-up has none
        connection.execute(
            text("update work.batch_item set status = 'skipped', finished_at = now() where job_id = :id"),
            {"id": job_id},
        )
        connection.execute(
            text(
                "update work.batch_job set status = 'completed', skipped_items = 1, completed_at = now() where id = :id"
            ),
            {"id": job_id},
        )
    press.make([invoice])
    press.work()
    assert set(bundles(press, job_id)) == {COMBINED_PDF}


def test_files_of_a_job_that_is_open_again_or_removed_are_not_made(press: Press) -> None:
    (invoice,) = press.shop.issue({})
    job_id = press.ask(["no id", invoice], combined=True)
    press.work()
    before = bundles(press, job_id)
    with press.shop.scope() as connection:
        enqueue(connection, MAKE_DOCUMENTS, [f"job/{job_id}", f"job/{uuid4()}", "job/no id"])
        connection.execute(
            text("update work.batch_item set available_at = now() - interval '1 day' where job_id is null")
        )
        assert retry_failed(connection, job_id, requested_by="anna") == 1
    report = press.work(
        should_stop=lambda: not press.rows("select from work.batch_item where job_id is null and status = 'pending'")
    )
    assert report.bundles == ()
    assert bundles(press, job_id) == before


def test_a_cancelled_job_has_no_files(press: Press) -> None:
    (invoice,) = press.shop.issue({})
    job_id = press.ask([invoice], combined=True, zip=True)
    with press.shop.scope() as connection:
        cancel_job(connection, job_id, cancelled_by="anna")
    press.work()
    assert bundles(press, job_id) == {}


def test_a_full_disk_fails_items_with_a_clear_reason_and_leaves_nothing_behind(press: Press, tmp_path: Path) -> None:
    invoices = press.shop.issue(*[{}] * 8)
    folder = tmp_path / "full"
    full = press.settings.model_copy(update={"documents": str(folder)})
    press, roomy = Press(press.shop, full), press
    with full_disk(folder):
        job_id = press.ask(invoices)
        press.work()
        waiting = [item for item in press.ended(job_id) if item.status == "pending"]
        assert waiting, "not all of them fit"
        assert {item.code for item in waiting} == {"STORAGE"}
        assert all(item.message is not None and "no space is left" in item.message for item in waiting)
        stored = [path for path in folder.rglob("*") if path.is_file()]
        documents = press.rows("select invoice_id, sha256 from delivery.invoice_document")
        assert sorted(path.name for path in stored) == sorted(sha256 for _, sha256 in documents)
        for invoice_id, _ in documents:
            press.file(press.newest(invoice_id))
    roomy.rows("update work.batch_item set available_at = now() where status = 'pending'")
    roomy.work()
    assert [item.status for item in roomy.ended(job_id)] == ["succeeded"] * 8
    assert roomy.versions() == {invoice: [1] for invoice in invoices}


@pytest.mark.slow
def test_a_template_that_comes_to_no_end_fails_the_job_after_three_documents(press: Press) -> None:
    invoices = press.shop.issue(*[{}] * 40)
    press.override("invoice.typ", "#for a in range(100000) { for b in range(100000) { let c = a + b } }\n")
    with DocumentPool(1, PoolBounds(document_seconds=1.0)) as impatient:
        job_id = press.ask(invoices)
        press.work(pool=impatient)
    codes = Counter(item.code for item in press.ended(job_id))
    assert codes == {"TIMEOUT": 2, "TEMPLATE": 38}


def test_two_runs_at_once_make_each_document_once(press: Press) -> None:
    invoices = press.shop.issue(*[{}] * 30)
    jobs = [press.ask(invoices), press.ask(list(reversed(invoices)))]
    with ThreadPoolExecutor(2) as runs:
        list(runs.map(lambda _: press.work(), range(2)))
    assert press.versions() == {invoice: [1] for invoice in invoices}
    ended = [item.status for job_id in jobs for item in press.ended(job_id)]
    assert sorted(ended) == ["skipped"] * 30 + ["succeeded"] * 30
    with press.shop.scope() as connection:
        assert retry_failed(connection, jobs[0], requested_by="anna") == 0


@pytest.mark.slow
@pytest.mark.usefixtures("s3_server")
def test_documents_can_be_kept_in_an_object_store(press: Press) -> None:
    fsspec.filesystem("s3").mkdir("documents-of-all")
    invoices = press.shop.issue({}, {})
    stored = press.settings.model_copy(update={"documents": "s3://documents-of-all/kept"})
    press = Press(press.shop, stored)
    job_id = press.ask(invoices, zip=True)
    with DocumentPool(1) as pool:  # as one that an earlier test left has no credentials, which it got when it started
        press.work(pool=pool)
    assert [(item.status, item.message) for item in press.ended(job_id)] == [("succeeded", None)] * 2
    assert press.file(press.newest(invoices[0])).startswith(b"%PDF")
    assert set(bundles(press, job_id)) == {ZIP}


def test_a_file_name_holds_safe_signs_only_whatever_the_number_is() -> None:
    assert file_name("RE 1/2026", DocumentFormat.ZUGFERD) == "RE_1_2026.pdf"
    assert file_name("../../etc/passwd", DocumentFormat.XRECHNUNG_UBL) == "etc_passwd_ubl.xml"
    assert file_name("///", DocumentFormat.ZUGFERD) == "invoice.pdf"


def test_a_process_for_documents_knows_no_database_and_not_how_invoices_come_to_be() -> None:
    code = "import sys; import invoice_pipelines.delivery.documents.process; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=PROJECT, check=True)
    needless = {"psycopg", "dagster", "lxml", *(f"invoice_pipelines.{name}" for name in ("settings", "work"))}
    assert needless.isdisjoint(found.stdout.split())
