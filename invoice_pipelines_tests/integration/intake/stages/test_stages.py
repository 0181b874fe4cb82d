"""The stages end to end: the examples become what is expected of them, and running again changes nothing."""

from __future__ import annotations

import csv
import functools
import io
import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from pydantic import TypeAdapter
from sqlalchemy import text

from invoice_pipelines.intake import promises
from invoice_pipelines.intake.documents import read_document
from invoice_pipelines.intake.overview import failure_reasons, status_counts
from invoice_pipelines.intake.reading import Reading
from invoice_pipelines.intake.received_invoices import (
    NotProcessable,
    UnknownUpload,
    invoices_of_uploads,
    mark_exported,
    retry_failed,
    statistics,
)
from invoice_pipelines.intake.stages.asked_uploads import ask_for_uploads, asked_invoices, process_uploads
from invoice_pipelines.intake.stages.stages import (
    Intake,
    export_invoices,
    intake_of,
    parse_uploads,
    take_uploads,
    validate_invoices,
)
from invoice_pipelines.intake.states import PARSE, Status
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.settings import Settings
from invoice_pipelines.work import claim
from invoice_pipelines_tests.conftest import PROJECT, TestDatabase
from invoice_pipelines_tests.integration.intake.conftest import IntakeDesk, open_desk
from invoice_pipelines_tests.support.intake.validation.specimens import UBL

EXAMPLES = PROJECT / "examples"
SLUG = "nordwind-handel"
EXPECTED: dict[str, dict[str, Any]] = {
    document["file"]: document
    for organization in json.loads((EXAMPLES / "expected.json").read_text("utf-8"))["organizations"]
    if organization["slug"] == SLUG
    for document in organization["documents"]
    if document["kind"] != "fax"  # `test_recognizing` has a scan, `test_examples` all of them
}


def ubl(number: str) -> bytes:
    return UBL.replace("<cbc:ID>2026-001<", f"<cbc:ID>{number}<").encode()


def run(intake: Intake) -> dict[str, Counter[str]]:
    """All four stages; what each did."""
    taken = take_uploads(intake)
    parsed, validated, exported = parse_uploads(intake), validate_invoices(intake), export_invoices(intake)
    return {
        "take": Counter(taken=taken.taken, duplicates=len(taken.duplicates)),
        "parse": Counter(succeeded=parsed.succeeded, failed=parsed.failed),
        "validate": Counter(succeeded=validated.succeeded, failed=validated.failed),
        "export": Counter(invoices=sum(export.invoice_count for export in exported.exports)),
    }


@pytest.fixture(scope="module")
def processed(
    intake_database: TestDatabase, tmp_path_factory: pytest.TempPathFactory
) -> tuple[IntakeDesk, dict[str, Counter[str]]]:
    """An organization after one run over examples, and what the run said."""
    desk = open_desk(intake_database, tmp_path_factory.mktemp("examples"))
    for file_name in EXPECTED:
        desk.drop(file_name, (EXAMPLES / SLUG / file_name).read_bytes())
    desk.sight()
    return desk, run(desk.intake())


@pytest.mark.parametrize("file_name", list(EXPECTED))
def test_an_example_becomes_what_is_expected(processed: tuple[IntakeDesk, Any], file_name: str) -> None:
    desk, _ = processed
    expected = EXPECTED[file_name]
    rows = desk.rows("select * from public.received_invoice where file_name = :name", name=file_name)
    if expected["state"] == "DUPLICATE":
        assert rows == []
        outcome = desk.one("select outcome from intake.arrival where path = :name", name=file_name)
        assert outcome == "duplicate"
        return
    (row,) = rows
    reasons = {
        code
        for (code,) in desk.rows(
            """select code from intake.processing_error where received_invoice_id = :id
               union select rule from intake.violation v join intake.verdict t on t.id = v.verdict_id
               where t.received_invoice_id = :id""",
            id=row.id,
        )
    }
    assert row.status == expected["state"], reasons
    assert expected["reason"] is None or expected["reason"] in reasons
    if expected["state"] == "EXPORTED":
        assert (row.invoice_number, str(row.issue_date), row.seller_name, row.currency) == (
            expected["number"],
            expected["issue_date"],
            expected["seller"],
            expected["currency"],
        )
        for name in ("net_amount", "tax_amount", "gross_amount"):
            assert (getattr(row, name) or Decimal(0)) == Decimal(expected[name]), name


def test_the_run_says_how_many_it_took_read_passed_and_exported(processed: tuple[IntakeDesk, Any]) -> None:
    desk, said = processed
    states = Counter(document["state"] for document in EXPECTED.values())
    with desk.scope() as connection:
        found = statistics(connection)
    assert said["take"] == Counter(taken=len(EXPECTED) - states["DUPLICATE"], duplicates=states["DUPLICATE"])
    assert said["parse"].total() == said["take"]["taken"]
    waiting = found.by_status[Status.PARSED]
    assert waiting == states["PARSED"]
    assert said["validate"].total() + waiting == said["parse"]["succeeded"]
    assert said["export"]["invoices"] == said["validate"]["succeeded"] == found.by_status[Status.EXPORTED]
    assert found.by_status[Status.FAILED] == said["parse"]["failed"] + said["validate"]["failed"]
    assert found.total == found.by_status[Status.EXPORTED] + found.by_status[Status.FAILED] + waiting
    assert status_counts(desk.engine)[desk.organization_id] == found.by_status


def test_a_second_run_changes_nothing(processed: tuple[IntakeDesk, Any]) -> None:
    desk, _ = processed

    def everything() -> list[Any]:
        return [
            desk.rows("select * from public.received_invoice order by id"),
            desk.rows("select * from intake.verdict order by id"),
            desk.rows("select * from intake.export order by id"),
            desk.rows("select * from intake.processing_error order by id"),
            sorted((path.name, path.read_bytes()) for path in (desk.folder / "exports").rglob("*.csv")),
        ]

    before = everything()
    desk.sight()
    assert {name: said.total() for name, said in run(desk.intake()).items()} == dict.fromkeys(
        ("take", "parse", "validate", "export"), 0
    )
    assert everything() == before


def test_all_promises_are_kept(processed: tuple[IntakeDesk, Any]) -> None:
    desk, _ = processed
    with desk.scope() as connection:
        assert promises.uploads_without_invoice(connection).kept
        assert promises.failures_without_reason(connection).kept
        assert promises.totals_that_do_not_tie(connection).kept
        assert promises.passed_without_verdict(connection).kept
        assert promises.exported_without_file(connection).kept
        assert promises.stuck_invoices(connection, timedelta(0)).kept
        assert all(reason.message and "\n" not in reason.message for reason in failure_reasons(connection))


@functools.cache
def read_again(file_name: str) -> Reading:
    return read_document((EXAMPLES / SLUG / file_name).read_bytes(), file_name)


def test_what_was_read_comes_back_from_the_database_as_it_was(processed: tuple[IntakeDesk, Any]) -> None:
    desk, _ = processed
    adapter = TypeAdapter(Reading)
    rows = desk.rows(
        """select r.reading_json, r.raw_json, r.id, u.file_name from intake.received_invoice r
           join intake.upload u on u.id = r.upload_id where r.reading_json is not null"""
    )
    assert len(rows) > 15
    for row in rows:
        read = read_again(row.file_name)
        stored = adapter.validate_python(row.reading_json)
        for name in Reading.__dataclass_fields__:
            if name not in ("raw", "xml"):
                assert getattr(stored, name) == getattr(read, name), f"{row.file_name}: {name}"
        assert row.raw_json == json.loads(json.dumps(read.raw)), row.file_name
        # Amounts print as they were written, too.
        assert str(stored.gross_amount) == str(read.gross_amount)


def test_every_line_and_tax_of_a_document_is_a_row(processed: tuple[IntakeDesk, Any]) -> None:
    desk, _ = processed
    for row in desk.rows("select id, file_name from public.received_invoice where status = 'EXPORTED'"):
        read = read_again(row.file_name)
        lines = desk.rows(
            """select line_identifier, description, quantity, unit, unit_price, net_amount, tax_category, tax_rate
               from public.received_invoice_line where received_invoice_id = :id order by line_number""",
            id=row.id,
        )
        assert [tuple(line) for line in lines] == [
            (
                line.identifier,
                line.name or line.description,
                line.quantity,
                line.unit,
                line.unit_price,
                line.net_amount,
                line.tax_category,
                line.tax_rate,
            )
            for line in read.lines
        ], row.file_name
        taxes = desk.rows(
            """select category, rate, taxable_amount, tax_amount from intake.received_invoice_tax
               where received_invoice_id = :id order by position""",
            id=row.id,
        )
        assert [tuple(tax) for tax in taxes] == [
            (tax.category, tax.rate, tax.taxable_amount, tax.tax_amount) for tax in read.tax_breakdowns
        ], row.file_name


def test_every_verdict_names_its_rules_and_every_violation_its_message_in_two_languages(
    processed: tuple[IntakeDesk, Any],
) -> None:
    desk, _ = processed
    verdicts = desk.rows("select * from intake.verdict")
    assert len(verdicts) == len(desk.rows("select 1 from intake.received_invoice where reading_json is not null"))
    assert all("invoice_pipelines" in verdict.rules_version for verdict in verdicts)
    violations = desk.rows("select * from intake.violation")
    assert violations
    assert all(violation.message and violation.message_de and violation.rule for violation in violations)
    fatal = {violation.verdict_id for violation in violations if violation.severity == "fatal"}
    assert fatal == {verdict.id for verdict in verdicts if not verdict.is_valid}


def test_the_export_files_hold_the_exported_invoices_and_no_others(processed: tuple[IntakeDesk, Any]) -> None:
    desk, _ = processed
    rows = [
        row
        for path in (desk.folder / "exports").rglob("*_invoices.csv")
        for row in csv.DictReader(io.StringIO(path.read_bytes().decode(), newline=""))
    ]
    exported = desk.rows("select file_name, gross_amount from public.received_invoice where status = 'EXPORTED'")
    assert sorted((row["file_name"], Decimal(row["gross_amount"])) for row in rows) == sorted(map(tuple, exported))


def test_settings_become_an_intake(desk: IntakeDesk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("INVOICE_PIPELINES_UPLOAD_MAX_MEGABYTES", "2")
    monkeypatch.setenv("INVOICE_PIPELINES_INBOX_AFTER_INTAKE", "keep")
    intake = intake_of(OrganizationContext.of(desk.engine, desk.slug, Settings(), "x"))
    assert Path(str(intake.inbox)) == tmp_path / "home" / "inbox" / desk.slug
    assert intake.limits.file_bytes == 2_000_000
    assert not intake.remove_taken


def test_named_uploads_are_processed_at_once_and_the_others_wait(desk: IntakeDesk) -> None:
    named = [desk.upload(ubl("N-1"), "1.xml"), desk.upload(b"not an invoice", "2.xml")]
    desk.upload(ubl("N-3"), "3.xml")
    job_id, report = process_uploads(desk.intake(), named)
    assert desk.statuses() == {"1.xml": "EXPORTED", "2.xml": "FAILED", "3.xml": "UPLOADED"}
    assert (report.succeeded, report.failed, report.skipped) == (1, 1, 0)
    job = desk.rows("select * from work.batch_job where id = :id", id=job_id)[0]
    assert (job.status, job.successful_items, job.failed_items) == ("completed_with_errors", 1, 1)
    # The ordinary run finds nothing left to do on them.
    run(desk.intake())
    assert desk.statuses() == {"1.xml": "EXPORTED", "2.xml": "FAILED", "3.xml": "EXPORTED"}
    assert desk.one("select count(*) from intake.verdict") == 2
    assert desk.one("select count(*) from intake.export_invoice") == 2


def test_named_uploads_are_refused_where_one_of_them_does_not_wait_to_be_read(desk: IntakeDesk) -> None:
    done, read = desk.upload(ubl("N-1"), "done.xml"), desk.upload(ubl("N-2"), "read.xml")
    process_uploads(desk.intake(), [done])
    parse_uploads(desk.intake())
    fresh = desk.upload(ubl("N-3"), "fresh.xml")
    with pytest.raises(NotProcessable, match=f"{done} is EXPORTED, {read} is PARSED"):
        process_uploads(desk.intake(), [fresh, done, read, done])
    assert desk.statuses() == {"done.xml": "EXPORTED", "read.xml": "PARSED", "fresh.xml": "UPLOADED"}
    assert desk.one("select count(*) from work.batch_job") == 1


def test_a_failed_upload_can_be_processed_once_it_is_retried(desk: IntakeDesk) -> None:
    failed = desk.upload(b"not an invoice", "failed.xml")
    process_uploads(desk.intake(), [failed])
    with pytest.raises(NotProcessable, match=f"{failed} is FAILED"):
        process_uploads(desk.intake(), [failed])
    with desk.scope() as connection:
        retry_failed(connection)
    _, report = process_uploads(desk.intake(), [failed, failed])
    assert (report.failed, report.skipped) == (1, 0)


def test_asked_uploads_are_the_first_that_any_run_reads(desk: IntakeDesk) -> None:
    uploads = [desk.upload(ubl(f"N-{number}"), f"{number}.xml") for number in range(4)]
    with desk.scope() as connection:
        ask_for_uploads(connection, uploads[2:3], asked_by="test")
    with desk.scope() as connection:
        claimed = claim(connection, PARSE, chunk_size=1, lease=timedelta(minutes=1))
    assert claimed is not None
    (first,) = claimed.items
    with desk.scope() as connection:
        assert first.subject_id == str(invoices_of_uploads(connection, uploads)[2])


def test_an_upload_that_is_not_there_stops_the_job_before_it_begins(desk: IntakeDesk, other_desk: IntakeDesk) -> None:
    known, foreign = desk.upload(ubl("N-1")), other_desk.upload(ubl("N-2"))
    for unknown in (uuid4(), foreign):
        with pytest.raises(UnknownUpload, match=str(unknown)):
            process_uploads(desk.intake(), [known, unknown])
    assert set(desk.statuses().values()) == set(other_desk.statuses().values()) == {"UPLOADED"}
    assert desk.rows("select 1 from work.batch_job") == []


def test_no_uploads_are_a_job_that_is_done(desk: IntakeDesk) -> None:
    job_id, report = process_uploads(desk.intake(), [])
    assert report.done == 0
    assert desk.one("select status from work.batch_job where id = :id", id=job_id) == "completed"


def test_uploads_that_are_asked_for_twice_at_once_are_processed_once(desk: IntakeDesk) -> None:
    named = [desk.upload(ubl(f"N-{number}"), f"{number}.xml") for number in range(6)]
    intake = desk.intake(chunk_size=2)
    with desk.scope() as connection:
        for _ in range(2):
            invoices = asked_invoices(connection, ask_for_uploads(connection, named, asked_by="test"))

    def stages() -> None:
        for stage in (parse_uploads, validate_invoices, export_invoices):
            stage(intake, only=invoices)

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(stages), pool.submit(stages)]:
            done.result()
    assert set(desk.statuses().values()) == {"EXPORTED"}
    assert desk.one("select count(*) from intake.verdict") == 6
    assert desk.one("select count(*) from intake.export_invoice") == 6
    jobs = desk.rows("select status, successful_items from work.batch_job")
    assert [tuple(job) for job in jobs] == [("completed", 6)] * 2


def test_a_job_whose_run_was_killed_is_ended_by_the_next_run_of_the_intake(desk: IntakeDesk) -> None:
    with desk.scope() as connection:
        job_id = ask_for_uploads(connection, [desk.upload(ubl("N-1")), desk.upload(b"no invoice")], asked_by="test")
    run(desk.intake())
    (job,) = desk.rows("select * from work.batch_job")
    assert (job.id, job.status, job.successful_items, job.failed_items) == (job_id, "completed_with_errors", 1, 1)
    assert desk.one("select error_code from work.batch_item where job_id = :id and status = 'failed'", id=job_id)


def test_uploads_that_wait_for_a_storage_that_is_down_are_named_and_go_on_later(desk: IntakeDesk) -> None:
    upload_id = desk.upload(ubl("N-1"))
    folder = desk.folder / "originals"
    folder.rename(desk.folder / "away")
    _, report = process_uploads(desk.intake(), [upload_id])
    (failure,) = report.failures
    assert (report.done, report.due, failure.is_final) == (0, 1, False)
    (desk.folder / "away").rename(folder)
    _, report = process_uploads(desk.intake(), [upload_id])
    assert (report.succeeded, report.due, report.failures) == (1, 0, ())


def test_a_run_out_of_time_leaves_the_rest_to_the_next(desk: IntakeDesk) -> None:
    for number in range(5):
        desk.upload(ubl(f"N-{number}"), f"{number}.xml")
    report = parse_uploads(desk.intake(time_box=timedelta(0)))
    assert (report.done, report.due, report.ended) == (0, 5, "time box")
    assert parse_uploads(desk.intake()).succeeded == 5


def test_broken_promises_are_found(desk: IntakeDesk) -> None:
    invoice = desk.validated()
    with desk.scope() as connection:
        assert promises.passed_without_verdict(connection).sample == (str(invoice.id),)
        assert promises.totals_that_do_not_tie(connection).kept
        mark_exported(connection, [invoice])
        assert promises.exported_without_file(connection).count == 1
        connection.execute(text("update intake.received_invoice set gross_amount = 119.01"))
        assert promises.totals_that_do_not_tie(connection).sample == (str(invoice.id),)
        connection.execute(text("update intake.received_invoice set status = 'FAILED'"))
        assert promises.failures_without_reason(connection).sample == (str(invoice.id),)
        connection.execute(
            text(
                """insert into intake.processing_error (organization_id, received_invoice_id, stage, code, message,
                                                        will_be_retried)
                   values (organizations.current(), :id, 'export', 'DISK_FULL', 'x', true)"""
            ),
            {"id": invoice.id},
        )
        assert not promises.failures_without_reason(connection).kept, "by that one it did not fail"
        assert promises.passed_without_verdict(connection).kept
    desk.behind(
        """insert into intake.upload (organization_id, sha256, size_bytes, file_name, source, created_by)
           values (:organization, repeat('a', 64), 1, 'lost.xml', 'inbox', 'x')"""
    )
    with desk.scope() as connection:
        assert promises.uploads_without_invoice(connection).count == 1
        retry_failed(connection)
    with desk.scope() as connection:
        assert promises.stuck_invoices(connection, timedelta(0)).sample == (str(invoice.id),)
