"""What operators see: each failed attempt with its number and trace, what is stuck and why, how the intake goes."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from invoice_pipelines.database import create_app_engine
from invoice_pipelines.intake import promises
from invoice_pipelines.intake.operations import (
    intake_statistics,
    logged_errors,
    newest_verdict,
    stage_times,
    stuck_invoices,
    violations_by_class,
)
from invoice_pipelines.intake.received_invoices import ProcessingError, mark_failed, retry_failed
from invoice_pipelines.intake.stages.stages import parse_uploads, validate_invoices
from invoice_pipelines.intake.tracing import PROCESS_TRACE_ID
from invoice_pipelines_tests.integration.intake.conftest import IntakeDesk
from invoice_pipelines_tests.support.intake.validation.specimens import UBL


def log_of(desk: IntakeDesk, *invoice_ids: UUID) -> list[tuple[str, int, bool, str, str | None]]:
    with desk.scope() as connection:
        found = logged_errors(connection, invoice_ids=invoice_ids or None)
    return [(e.stage, e.attempt, e.will_be_retried, e.code, e.violation_class) for e in reversed(found)]


def original(desk: IntakeDesk) -> Path:
    (path,) = [path for path in Path(str(desk.originals)).rglob("*") if path.is_file()]
    return path


def test_each_attempt_that_a_fault_of_ours_broke_is_in_the_log_and_the_last_one_fails_the_invoice(
    desk: IntakeDesk,
) -> None:
    desk.upload(UBL.encode(), "lost.xml")
    original(desk).unlink()
    for _ in range(3):
        parse_uploads(desk.intake())
        desk.let_pauses_pass()
    assert log_of(desk) == [
        ("parse", 1, True, "UNEXPECTED_ERROR", None),
        ("parse", 2, True, "UNEXPECTED_ERROR", None),
        ("parse", 3, False, "UNEXPECTED_ERROR", None),
    ]
    assert desk.statuses() == {"lost.xml": "FAILED"}
    # Developers see where it was; nobody else does.
    stacks = [stack for (stack,) in desk.rows("select stack from intake.processing_error")]
    assert [("read_original" in stack, stack.splitlines()[-1]) for stack in stacks] == [(True, "StorageError")] * 3
    (shown,) = desk.rows("select * from public.invoice_processing_errors limit 1")
    assert "stack" not in shown._mapping


def test_a_damaged_original_fails_its_invoice_at_once_and_no_other(desk: IntakeDesk) -> None:
    desk.upload(UBL.encode(), "damaged.xml")
    original(desk).write_bytes(b"bits have rotten")
    desk.upload(UBL.replace("</cbc:ID>", "-2</cbc:ID>", 1).encode(), "whole.xml")
    parse_uploads(desk.intake())
    assert log_of(desk) == [("parse", 1, False, "ORIGINAL_DAMAGED", None)]
    assert desk.one("select stack from intake.processing_error") is None
    assert desk.statuses() == {"damaged.xml": "FAILED", "whole.xml": "PARSED"}


def test_the_log_goes_on_counting_after_a_retry(desk: IntakeDesk) -> None:
    desk.upload(b"not an invoice", "x.bin")
    for _ in range(2):
        parse_uploads(desk.intake())
        with desk.scope() as connection:
            retry_failed(connection)
    assert log_of(desk) == [("parse", number, False, "UNKNOWN_TYPE", "format") for number in (1, 2)]


def test_an_attempt_is_traced_to_the_dagster_run_or_to_the_process(desk: IntakeDesk) -> None:
    run_id = str(uuid4())
    desk.upload(b"not an invoice", "x.bin")
    parse_uploads(desk.intake())
    desk.upload(b"not an invoice either", "y.bin")
    engine = create_app_engine(desk.database.app_url, application_name=f"run {run_id}")
    parse_uploads(desk.intake(engine=engine))
    engine.dispose()
    rows = desk.rows("select file_name, trace_id from public.invoice_processing_errors order by file_name")
    assert [tuple(row) for row in rows] == [("x.bin", PROCESS_TRACE_ID), ("y.bin", run_id)]


@pytest.mark.parametrize(
    ("document", "stage", "violation_class"),
    [
        (UBL[:500], "parse", "format"),
        (UBL.replace("<cbc:ID>2026-001</cbc:ID>", ""), "validate", "format"),
        (UBL.replace(">19.00<", ">18.00<", 1), "validate", "business_rule"),
    ],
    ids=["not well-formed", "against the schema", "against EN 16931"],
)
def test_an_error_of_the_document_has_the_class_of_the_tax_authority(
    desk: IntakeDesk, document: str, stage: str, violation_class: str
) -> None:
    desk.upload(document.encode(), "wrong.xml")
    parse_uploads(desk.intake())
    validate_invoices(desk.intake())
    ((found_stage, _, _, _, found_class),) = log_of(desk)
    assert (found_stage, found_class) == (stage, violation_class)


def test_violations_are_counted_by_class_and_severity(desk: IntakeDesk) -> None:
    desk.upload(UBL.replace(">19.00<", ">18.00<", 1).encode(), "wrong.xml")
    parse_uploads(desk.intake())
    with desk.scope() as connection:
        assert newest_verdict(connection) is None
    validate_invoices(desk.intake())
    with desk.scope() as connection:
        counts = [(row.violation_class, row.severity, row.invoices) for row in violations_by_class(connection)]
        newest = newest_verdict(connection)
        assert newest is not None
        assert violations_by_class(connection, newest) == []
    assert counts == [("business_rule", "fatal", 1), ("content", "fatal", 1)]


def test_the_log_is_the_organizations_own(desk: IntakeDesk, other_desk: IntakeDesk) -> None:
    desk.upload(b"not an invoice", "x.bin")
    parse_uploads(desk.intake())
    (row,) = desk.rows("select received_invoice_id from public.invoice_processing_errors")
    assert log_of(other_desk) == log_of(other_desk, row.received_invoice_id) == []


def test_of_two_failures_at_once_one_is_logged(desk: IntakeDesk) -> None:
    invoice = desk.parsed()
    error = ProcessingError("validate", "BR-01", "Wrong.", "business_rule")
    with desk.scope() as connection:
        assert mark_failed(connection, [(invoice, error)]) == {invoice.id}
    with desk.scope() as connection:
        assert mark_failed(connection, [(invoice, error)]) == set()
    assert log_of(desk, invoice.id) == [("validate", 1, False, "BR-01", "business_rule")]


def age(desk: IntakeDesk, invoice_id: UUID, minutes: int) -> None:
    desk.behind(
        """update intake.received_invoice
           set created_at = created_at - cast(:minutes as integer) * interval '1 minute',
               last_processed_at = last_processed_at - cast(:minutes as integer) * interval '1 minute'
           where id = :id""",
        id=invoice_id,
        minutes=minutes,
    )


def test_what_is_stuck_says_what_it_waits_for(desk: IntakeDesk) -> None:
    waiting, lost, young = desk.invoice(), desk.invoice(), desk.invoice()
    pausing = desk.invoice(b"pausing")
    for invoice in (waiting, lost, pausing):
        age(desk, invoice.id, 10)
    desk.behind("delete from work.batch_item where subject_id = :id", id=str(lost.id))
    held = desk.invoice()
    age(desk, held.id, 60)
    desk.behind(
        """update work.batch_item set status = 'processing', lease_token = uuidv7(), attempts = 1,
                  lease_expires_at = now() - interval '1 minute' where subject_id = :id""",
        id=str(held.id),
    )
    desk.behind(
        """update work.batch_item set attempts = 1, available_at = now() + interval '1 hour' where subject_id = :id""",
        id=str(pausing.id),
    )
    with desk.scope() as connection:
        count, found = stuck_invoices(connection)
    assert count == 4
    waits = {one.id: one.waits_for for one in found}
    assert waits[waiting.id] == "a run of this organization"
    assert waits[lost.id].startswith("nothing: it is in no queue")
    assert waits[held.id].startswith("a process that died")
    assert waits[pausing.id].startswith("attempt 2, at ")
    assert found[0].id == held.id
    assert young.id not in waits


def test_the_check_lets_what_is_in_the_queue_wait_its_turn(desk: IntakeDesk) -> None:
    queued, lost = desk.invoice(), desk.invoice()
    for invoice in (queued, lost):
        age(desk, invoice.id, 10)
    desk.behind("delete from work.batch_item where subject_id = :id", id=str(lost.id))
    five, hour = timedelta(minutes=5), timedelta(hours=1)
    with desk.scope() as connection:
        assert promises.stuck_invoices(connection, five, hour).sample == (str(lost.id),)
    age(desk, queued.id, 60)
    with desk.scope() as connection:
        assert promises.stuck_invoices(connection, five, hour).count == 2


def test_statistics_hold_statuses_reasons_classes_and_attempts(desk: IntakeDesk) -> None:
    desk.upload(UBL.encode(), "good.xml")
    desk.upload(UBL.replace(">19.00<", ">18.00<", 1).replace("2026-001", "2").encode(), "wrong.xml")
    desk.upload(b"not an invoice", "x.bin")
    parse_uploads(desk.intake())
    validate_invoices(desk.intake())
    with desk.scope() as connection:
        found = intake_statistics(connection)
    assert found.invoices.total == 3
    assert {reason.code for reason in found.failures} == {"UNKNOWN_TYPE", "BR-CO-15"}
    assert found.failed_attempts == {"parse": 1, "validate": 1}
    assert ("business_rule", "fatal", 1) in [(v.violation_class, v.severity, v.invoices) for v in found.violations]
    assert found.ocr == ()


def test_the_time_of_each_stage_is_that_since_the_one_before(desk: IntakeDesk) -> None:
    for _ in range(2):
        desk.validated()
    desk.parsed()
    desk.behind(
        """update intake.status_change
           set changed_at = timestamptz '2026-03-01T12:00:00Z'
               + (array['0 seconds', '1 minute', '3 minutes'])[processing_version]::interval
           where organization_id = :organization"""
    )
    with desk.scope() as connection:
        times = [(one.stage, one.invoices, one.mean_seconds, one.median_seconds) for one in stage_times(connection)]
        assert times == [("parse", 3, 60.0, 60.0), ("validate", 2, 120.0, 120.0)]
        assert stage_times(connection, timedelta(0)) == ()
        assert [one.stage for one in intake_statistics(connection).stage_times] == ["parse", "validate"]
