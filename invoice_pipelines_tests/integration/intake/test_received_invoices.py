"""Received invoices: one of many workers wins, failures have reasons and can be retried, numbers tell how it stands."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Connection, text

from invoice_pipelines.intake.overview import failure_reasons
from invoice_pipelines.intake.received_invoices import (
    InvoiceVersion,
    ProcessingError,
    UnknownUpload,
    ask_for_new_export,
    find_stuck,
    invoices_of_uploads,
    mark_exported,
    mark_failed,
    mark_parsed,
    mark_validated,
    retry_failed,
    statistics,
)
from invoice_pipelines.intake.stages import stages
from invoice_pipelines.intake.states import PARSE, Status
from invoice_pipelines_tests.integration.intake.conftest import IntakeDesk, make_reading
from invoice_pipelines_tests.support.intake.validation.specimens import UBL
from invoice_pipelines_tests.support.programs import Program, begin_together, run

REASON = ProcessingError("validate", "BR-CO-15", "The totals do not add up.")


def ubl(number: str) -> bytes:
    return UBL.replace("<cbc:ID>2026-001<", f"<cbc:ID>{number}<").encode()


def at_the_same_moment(*works: Callable[[], set[UUID]]) -> list[set[UUID]]:
    """Runs each in a thread of its own, all released together."""
    barrier = threading.Barrier(len(works))

    def run(work: Callable[[], set[UUID]]) -> set[UUID]:
        barrier.wait(timeout=30)
        return work()

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(run, works))


def test_of_workers_that_read_and_fail_one_upload_at_once_exactly_one_wins(desk: IntakeDesk) -> None:
    for _ in range(15):
        invoice = desk.invoice()

        def read(invoice: InvoiceVersion = invoice) -> set[UUID]:
            with desk.scope() as connection:
                return mark_parsed(connection, [(invoice, make_reading())])

        def fail(invoice: InvoiceVersion = invoice) -> set[UUID]:
            with desk.scope() as connection:
                return mark_failed(connection, [(invoice, REASON)])

        results = at_the_same_moment(read, fail, read, fail)
        assert sorted(map(len, results)) == [0, 0, 0, 1]
        assert desk.version(invoice.id).processing_version == 2
        # The loser leaves nothing behind: lines come with PARSED only, a reason with FAILED only.
        lines = desk.one(
            "select count(*) from intake.received_invoice_line where received_invoice_id = :id", id=invoice.id
        )
        errors = desk.one("select count(*) from intake.processing_error where received_invoice_id = :id", id=invoice.id)
        assert (lines, errors) == ((1, 0) if desk.status(invoice.id) == "PARSED" else (0, 1))


def test_of_workers_that_pass_and_fail_one_invoice_at_once_exactly_one_wins(desk: IntakeDesk) -> None:
    for _ in range(15):
        invoice = desk.parsed()

        def passes(invoice: InvoiceVersion = invoice) -> set[UUID]:
            with desk.scope() as connection:
                return mark_validated(connection, [invoice])

        def fails(invoice: InvoiceVersion = invoice) -> set[UUID]:
            with desk.scope() as connection:
                return mark_failed(connection, [(invoice, REASON)])

        assert sorted(map(len, at_the_same_moment(passes, fails, passes, fails))) == [0, 0, 0, 1]
        assert desk.version(invoice.id).processing_version == 3


READ_ALL = """
import sys
from datetime import timedelta
from uuid import UUID
from invoice_pipelines.database import create_app_engine
from invoice_pipelines.intake.stages.parsing import parse_handler
from invoice_pipelines.intake.documents import Limits
from invoice_pipelines.storage import root_path
from invoice_pipelines.work import drain
url, organization, originals = sys.argv[1:]
handler = parse_handler(root_path(originals), Limits(), None)
print("ready", flush=True); sys.stdin.readline()
report = drain(create_app_engine(url), UUID(organization), "parse_upload", handler, chunk_size=5)
print(report.succeeded, report.failed, report.lost)
"""


def test_two_processes_at_one_queue_read_every_upload_once(desk: IntakeDesk) -> None:
    for number in range(30):
        desk.upload(ubl(f"N-{number}"))
    url = desk.engine.url.render_as_string(hide_password=False)
    readers = [Program(READ_ALL, url, desk.organization_id, desk.originals) for _ in range(2)]
    begin_together(readers)
    results = [[int(word) for word in reader.communicate()[0].split()] for reader in readers]
    assert sum(succeeded for succeeded, _, _ in results) == 30
    assert [row[1:] for row in results] == [[0, 0]] * 2
    assert desk.rows("select distinct status, processing_version from intake.received_invoice") == [("PARSED", 2)]


def test_statistics_count_every_status_and_rate_what_is_finished(desk: IntakeDesk) -> None:
    with desk.scope() as connection:
        empty = statistics(connection)
    assert (empty.total, empty.success_rate, empty.failure_rate) == (0, None, None)
    assert (empty.success_share, empty.failure_share) == (None, None)
    assert set(empty.by_status) == set(Status)
    desk.invoice()
    desk.parsed()
    exported = [desk.validated() for _ in range(3)]
    failed = desk.parsed()
    with desk.scope() as connection:
        mark_exported(connection, exported)
        mark_failed(connection, [(failed, REASON)])
        found = statistics(connection)
    assert found.total == 6
    assert {status: count for status, count in found.by_status.items() if count} == {
        Status.UPLOADED: 1,
        Status.PARSED: 1,
        Status.EXPORTED: 3,
        Status.FAILED: 1,
    }
    assert (found.success_rate, found.failure_rate) == (0.75, 0.25)
    assert (found.success_share, found.failure_share) == (3 / 6, 1 / 6)


def test_stuck_is_what_the_pipeline_should_have_gone_on_with_oldest_first(desk: IntakeDesk) -> None:
    waiting, parsed, fresh = desk.invoice(), desk.parsed(), desk.invoice()
    exported, failed = desk.validated(), desk.parsed()
    with desk.scope() as connection:
        mark_exported(connection, [exported])
        mark_failed(connection, [(failed, REASON)])
    for invoice, hours in [(waiting, 3), (parsed, 5), (exported, 9), (failed, 9)]:
        desk.behind(
            """update intake.received_invoice set created_at = now() - make_interval(hours => 10),
                   last_processed_at = case when status = 'UPLOADED' then null
                                            else now() - make_interval(hours => :hours) end
               where organization_id = :organization and id = :id""",
            id=invoice.id,
            hours=hours,
        )
    with desk.scope() as connection:
        assert find_stuck(connection, timedelta(hours=2)) == [waiting.id, parsed.id]
        assert find_stuck(connection, timedelta(hours=8)) == [waiting.id]
        assert find_stuck(connection, timedelta(hours=11)) == []
        assert fresh.id in find_stuck(connection, timedelta(0))


def test_a_retry_reads_failed_invoices_anew_and_leaves_the_others(desk: IntakeDesk) -> None:
    original = ubl("N-1")
    broken, sound = desk.upload(b"%PDF-1.7 broken"), desk.upload(original)
    stages.parse_uploads(desk.intake())
    with desk.scope() as connection:
        (failed_id, sound_id) = invoices_of_uploads(connection, [broken, sound])
    assert (desk.status(failed_id), desk.status(sound_id)) == ("FAILED", "PARSED")
    with desk.scope() as connection:
        assert retry_failed(connection) == [failed_id]
        assert retry_failed(connection) == []
    assert desk.status(failed_id) == "CREATED"
    stages.parse_uploads(desk.intake())
    assert desk.status(failed_id) == "FAILED"
    # Both failures are kept: the trail of an invoice is not overwritten.
    assert desk.one("select count(*) from intake.processing_error") == 2
    assert desk.version(failed_id).processing_version == 4


def test_a_retry_of_named_invoices_takes_only_those_that_failed(desk: IntakeDesk) -> None:
    first, second, parsed = desk.invoice(), desk.invoice(), desk.parsed()
    with desk.scope() as connection:
        mark_failed(connection, [(first, REASON), (second, REASON)])
        assert retry_failed(connection, [second.id, parsed.id, uuid4()]) == [second.id]
        assert retry_failed(connection, []) == []
    assert [desk.status(invoice.id) for invoice in (first, second, parsed)] == ["FAILED", "CREATED", "PARSED"]


def test_a_second_reading_replaces_the_lines_of_the_first(desk: IntakeDesk) -> None:
    invoice = desk.parsed(make_reading(lines=make_reading().lines * 3))
    with desk.scope() as connection:
        mark_failed(connection, [(invoice, REASON)])
        retry_failed(connection)
    with desk.scope() as connection:
        mark_parsed(connection, [(desk.version(invoice.id), make_reading(tax_breakdowns=()))])
    assert desk.one("select count(*) from intake.received_invoice_line") == 1
    assert desk.one("select count(*) from intake.received_invoice_tax") == 0


def test_asking_for_a_new_export_takes_exported_invoices_only(desk: IntakeDesk) -> None:
    exported, failed, waiting = desk.validated(), desk.parsed(), desk.validated()
    with desk.scope() as connection:
        mark_exported(connection, [exported])
        mark_failed(connection, [(failed, REASON)])
        assert ask_for_new_export(connection, [exported.id, failed.id, waiting.id]) == [exported.id]
        assert ask_for_new_export(connection, []) == []
    assert [desk.status(invoice.id) for invoice in (exported, failed, waiting)] == ["VALIDATED", "FAILED", "VALIDATED"]


def test_an_upload_that_nobody_has_is_named(desk: IntakeDesk, other_desk: IntakeDesk) -> None:
    mine, foreign, nowhere = desk.upload(b"1"), other_desk.upload(b"2"), uuid4()
    with desk.scope() as connection, pytest.raises(UnknownUpload) as raised:
        invoices_of_uploads(connection, [mine, foreign, nowhere])
    assert str(foreign) in str(raised.value)
    assert str(nowhere) in str(raised.value)
    assert str(mine) not in str(raised.value)


def test_a_lost_original_is_tried_again_and_then_fails_with_the_reason_while_its_neighbours_go_on(
    desk: IntakeDesk,
) -> None:
    lost, sound = desk.upload(ubl("N-1"), "lost.xml"), desk.upload(ubl("N-2"), "sound.xml")
    sha256 = desk.one("select sha256 from intake.upload where id = :id", id=lost)
    (blob,) = (desk.folder / "originals").rglob(sha256)
    content = blob.read_bytes()
    blob.unlink()
    for attempt in range(1, 4):
        report = stages.parse_uploads(desk.intake())
        assert desk.statuses() == {"sound.xml": "PARSED", "lost.xml": "FAILED" if attempt == 3 else "UPLOADED"}
        assert report.retried == (attempt < 3)
        desk.let_pauses_pass()
    with desk.scope() as connection:
        (reason,) = failure_reasons(connection)
    assert "missing in the storage" in reason.message
    assert sha256 in reason.message
    assert "\n" not in reason.message
    # Restored from a backup, it is read.
    blob.write_bytes(content)
    with desk.scope() as connection:
        retry_failed(connection)
    stages.parse_uploads(desk.intake())
    assert set(desk.statuses().values()) == {"PARSED"}
    assert sound != lost


DIE = """
import os, sys
from uuid import UUID
from invoice_pipelines.database import create_app_engine
from invoice_pipelines.work import drain
drain(create_app_engine(sys.argv[1]), UUID(sys.argv[2]), "parse_upload", lambda *_: os._exit(9), max_attempts=1)
"""


def test_an_invoice_over_which_every_worker_died_fails_with_that_reason(desk: IntakeDesk) -> None:
    desk.upload(ubl("N-1"))
    url = desk.engine.url.render_as_string(hide_password=False)
    assert run(DIE, url, desk.organization_id).returncode == 9
    assert set(desk.statuses().values()) == {"UPLOADED"}
    # Under the lease of the dead, nobody may touch it.
    assert stages.parse_uploads(desk.intake()).done == 0
    assert set(desk.statuses().values()) == {"UPLOADED"}
    desk.let_leases_expire()
    stages.parse_uploads(desk.intake())
    assert set(desk.statuses().values()) == {"FAILED"}
    with desk.scope() as connection:
        (reason,) = failure_reasons(connection)
    assert reason.code == "WORKER_DIED"


def test_an_invoice_over_which_one_worker_died_is_read_by_the_next(desk: IntakeDesk) -> None:
    desk.upload(ubl("N-1"))
    url = desk.engine.url.render_as_string(hide_password=False)
    die = DIE.replace("max_attempts=1", "max_attempts=3")
    assert run(die, url, desk.organization_id).returncode == 9
    desk.let_leases_expire()
    report = stages.parse_uploads(desk.intake())
    assert (report.succeeded, report.died) == (1, 1)
    assert set(desk.statuses().values()) == {"PARSED"}


def test_what_was_given_up_once_is_not_failed_again_after_a_retry(desk: IntakeDesk) -> None:
    desk.upload(ubl("N-1"))
    (blob,) = (path for path in (desk.folder / "originals").rglob("*") if path.is_file())
    moved = blob.rename(desk.folder / "moved")
    stages.parse_uploads(desk.intake(max_attempts=1))
    assert set(desk.statuses().values()) == {"FAILED"}
    moved.rename(blob)
    with desk.scope() as connection:
        retry_failed(connection)
    # Another run finds the old failed item, and the new one that waits.
    stages.parse_uploads(desk.intake(time_box=timedelta(0)))
    assert set(desk.statuses().values()) == {"CREATED"}
    stages.parse_uploads(desk.intake())
    assert set(desk.statuses().values()) == {"PARSED"}


def test_a_reason_of_one_organization_is_not_seen_by_another(desk: IntakeDesk, other_desk: IntakeDesk) -> None:
    desk.upload(b"%PDF-1.7 broken")
    stages.parse_uploads(desk.intake())
    with other_desk.scope() as connection:
        assert failure_reasons(connection) == []
        assert statistics(connection).total == 0


def waiting_of(connection: Connection, kind: str) -> int:
    statement = "select count(*) from work.batch_item where kind = :kind and status = 'pending'"
    return int(connection.execute(text(statement), {"kind": kind}).scalar_one())


def test_a_change_and_its_place_in_the_next_queue_are_one_transaction(desk: IntakeDesk) -> None:
    invoice = desk.invoice()
    with desk.scope() as connection:
        mark_parsed(connection, [(invoice, make_reading())])
        assert waiting_of(connection, "validate_invoice") == 1
        connection.rollback()
    with desk.scope() as connection:
        assert waiting_of(connection, "validate_invoice") == 0
        assert waiting_of(connection, PARSE) == 1
    assert desk.version(invoice.id) == invoice


def test_amounts_keep_their_decimals(desk: IntakeDesk) -> None:
    invoice = desk.parsed(
        make_reading(net_amount=Decimal("900"), tax_amount=Decimal("0.10"), gross_amount=Decimal("-1234567890123.4500"))
    )
    row = desk.rows(
        "select net_amount, tax_amount, gross_amount from intake.received_invoice where id = :id", id=invoice.id
    )[0]
    assert [str(value) for value in row] == ["900", "0.10", "-1234567890123.4500"]
