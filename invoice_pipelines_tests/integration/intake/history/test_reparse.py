"""Reading history again: shown first, written only where asked, bounded, and nobody's decision is lost."""

from __future__ import annotations

import csv
import io
import json
import threading
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from PIL import Image
from sqlalchemy import text

from invoice_pipelines.einvoice.model import Line
from invoice_pipelines.intake.documents import Limits
from invoice_pipelines.intake.documents.ocr import recognizer
from invoice_pipelines.intake.documents.ocr.engine import (
    EngineIdentity,
    EngineSpec,
    EngineUnavailable,
    RecognizedPage,
    RecognizedWord,
)
from invoice_pipelines.intake.documents.ocr.engines import identify
from invoice_pipelines.intake.documents.ocr.kept_pages import keep_page
from invoice_pipelines.intake.documents.ocr.pictures import page_key
from invoice_pipelines.intake.documents.pictured_pages import pictured_pages
from invoice_pipelines.intake.documents.text_layer.page.words import read_pages
from invoice_pipelines.intake.exports.formats import choose_validated
from invoice_pipelines.intake.history import reparse
from invoice_pipelines.intake.history.changes import MOST_CHANGES, change_files, differences, sample_changes
from invoice_pipelines.intake.history.reparse import ReparseReport, reparse_invoices
from invoice_pipelines.intake.reading import Reading
from invoice_pipelines.intake.received_invoices import IntakeError
from invoice_pipelines.intake.rows import json_text, plain, reading_json
from invoice_pipelines.intake.stages.stages import export_invoices, parse_uploads, validate_invoices
from invoice_pipelines.organizations import change_organization
from invoice_pipelines_tests.integration.intake.conftest import IntakeDesk, make_reading
from invoice_pipelines_tests.integration.intake.review.pages import page_of
from invoice_pipelines_tests.integration.intake.stages.test_recognizing import PAPER, as_jpeg, picture_of
from invoice_pipelines_tests.integration.intake.test_rows import any_text, readings
from invoice_pipelines_tests.support.intake.documents.text_layer.drawing import draw
from invoice_pipelines_tests.support.intake.reading import read_all
from invoice_pipelines_tests.support.intake.review.lane import codes, correct, look, reject, uploaded
from invoice_pipelines_tests.support.intake.validation.specimens import UBL
from invoice_pipelines_tests.support.sizes import example_count


def ubl(number: str) -> bytes:
    return UBL.replace("<cbc:ID>2026-001<", f"<cbc:ID>{number}<").encode()


def received(desk: IntakeDesk, data: bytes, name: str) -> UUID:
    upload_id = desk.upload(data, name)
    parse_uploads(desk.intake())
    validate_invoices(desk.intake())
    found: UUID = desk.one("select id from intake.received_invoice where upload_id = :id", id=upload_id)
    return found


def read_otherwise(desk: IntakeDesk, invoice_id: UUID, **values: str) -> None:
    """Leaves a reading as an older reader may have made it; values by field of the reading, as JSON."""
    for field, value in values.items():
        desk.behind(
            """update intake.received_invoice
               set reading_json = jsonb_set(reading_json, cast(:path as text[]), cast(:value as jsonb))
               where id = :id""",
            id=invoice_id,
            path=field.split("__"),
            value=value,
        )


def run(desk: IntakeDesk, **choices: Any) -> ReparseReport:
    return reparse_invoices(desk.intake(), **choices)


def changes(desk: IntakeDesk, report: ReparseReport) -> list[tuple[str, str, str | None, str | None, str]]:
    with desk.scope() as connection:
        found = sample_changes(connection, report.id, 1000)
    return [(c.file_name, c.field, c.old_value, c.new_value, c.effect_in_words) for c in found]


def state(desk: IntakeDesk) -> list[Any]:
    """All that a dry run must leave as it was."""
    return [
        desk.rows("select id, status, processing_version, reading_json::text from intake.received_invoice order by id"),
        desk.rows(
            "select received_invoice_id, line_number, net_amount from intake.received_invoice_line order by 1, 2"
        ),
        desk.rows("select id from intake.verdict order by 1"),
        desk.rows("select received_invoice_id, position, code from intake.review_reason order by 1, 2"),
        desk.rows("select received_invoice_id, processing_version from intake.status_change order by 1, 2"),
        desk.rows("select id from intake.processing_error order by 1"),
        desk.rows("select id, status from work.batch_item order by 1"),
    ]


def due_date(desk: IntakeDesk, invoice_id: UUID) -> str:
    return str(desk.one("select due_date from intake.received_invoice where id = :id", id=invoice_id))


def test_what_is_read_as_before_is_no_change(desk: IntakeDesk) -> None:
    received(desk, ubl("A-1"), "a.xml")
    received(desk, page_of("HW-1", "1000.00"), "waits.pdf")
    received(desk, b"not an invoice", "x.bin")
    before = state(desk)
    for write in (False, True):
        report = run(desk, write=write)
        assert (report.read, report.finished, report.by_effect, report.by_field) == (3, True, {}, {})
    assert state(desk) == before


def test_what_was_left_out_of_a_seller_is_no_change(desk: IntakeDesk) -> None:
    lines = ["Kasse 3", "Grimmaische Straße 14", "04109 Leipzig", "Kassenbon", "Datum: 02.03.2026 17:27"]
    lines += ["SUMME EUR 11,90", "19 % MwSt. EUR 1,90", "Vielen Dank für Ihren Einkauf"]
    receipt = received(desk, draw([(50, 50 + 16 * at, line) for at, line in enumerate(lines)]), "receipt.pdf")
    assert desk.one("select unconfirmed_seller from intake.received_invoice where id = :id", id=receipt) == "Kasse 3"
    for status in ("VALIDATED", "EXPORTED"):
        assert desk.status(receipt) == status
        report = run(desk, write=True, include_exported=True)
        assert (report.read, report.by_effect) == (1, {})
        export_invoices(desk.intake())
    read_otherwise(desk, receipt, due_date='"2026-04-30"')
    assert run(desk, write=True, include_exported=True, restart=True).by_field == {"due_date": 1}
    assert desk.one("select unconfirmed_seller from intake.received_invoice where id = :id", id=receipt) == "Kasse 3"


def test_a_dry_run_is_the_default_and_shows_what_would_change_and_writes_nothing(desk: IntakeDesk) -> None:
    invoice = received(desk, ubl("A-1"), "a.xml")
    read_otherwise(desk, invoice, due_date='"2026-04-30"', lines__0__name='"Nägel"')
    before = state(desk)
    report = run(desk)
    assert not report.writes
    assert report.by_effect == {"VALIDATED -> VALIDATED": 1}
    assert report.by_field == {"due_date": 1, "lines.name": 1}
    assert changes(desk, report) == [
        ("a.xml", "due_date", "2026-04-30", "2026-03-31", "VALIDATED -> VALIDATED"),
        ("a.xml", "lines[0].name", "Nägel", "Schrauben", "VALIDATED -> VALIDATED"),
    ]
    assert state(desk) == before


def test_written_it_takes_the_place_of_the_old_reading_is_validated_and_goes_on(desk: IntakeDesk) -> None:
    invoice = received(desk, ubl("A-1"), "a.xml")
    read_otherwise(desk, invoice, due_date='"2026-04-30"')
    desk.behind("update intake.received_invoice set due_date = '2026-04-30' where id = :id", id=invoice)
    verdicts = desk.one("select count(*) from intake.verdict")
    report = run(desk, write=True)
    assert report.by_effect == {"VALIDATED -> VALIDATED": 1}
    assert due_date(desk, invoice) == "2026-03-31"
    assert desk.one("select count(*) from intake.verdict") == verdicts + 1
    trail = desk.rows("select to_status from intake.status_change order by processing_version")
    assert [row.to_status for row in trail] == ["UPLOADED", "PARSED", "VALIDATED", "CREATED", "PARSED", "VALIDATED"]
    assert run(desk, write=True).by_effect == {}
    export_invoices(desk.intake())
    validate_invoices(desk.intake())
    assert desk.statuses() == {"a.xml": "EXPORTED"}
    assert desk.one("select count(*) from intake.export_invoice") == 1


def test_what_the_new_reading_breaks_is_shown_before_and_fails_when_written(desk: IntakeDesk) -> None:
    invoice = received(desk, UBL.replace(">119.00<", ">120.00<").encode(), "a.xml")
    assert desk.status(invoice) == "FAILED"
    # As if an older reader had read amounts that tie.
    read_otherwise(desk, invoice, gross_amount='"119.00"')
    for status in ("CREATED", "PARSED", "VALIDATED"):
        desk.rows("update intake.received_invoice set status = :status returning id", status=status)
    assert run(desk).by_effect == {"VALIDATED -> FAILED": 1}
    assert desk.status(invoice) == "VALIDATED"
    assert run(desk, write=True).by_effect == {"VALIDATED -> FAILED": 1}
    assert desk.status(invoice) == "FAILED"
    assert desk.one("select gross_amount from intake.received_invoice") == Decimal("120.00")


def test_exported_invoices_are_listed_and_left_unless_they_are_asked_for(desk: IntakeDesk) -> None:
    invoice = received(desk, ubl("A-1"), "a.xml")
    export_invoices(desk.intake())
    read_otherwise(desk, invoice, due_date='"2026-04-30"')
    before = state(desk)
    for write in (False, True):
        report = run(desk, write=write)
        assert report.by_effect == {"exported": 1}
        assert changes(desk, report)[0][1:3] == ("due_date", "2026-04-30")
    assert state(desk) == before
    assert run(desk, include_exported=True).by_effect == {"EXPORTED -> VALIDATED": 1}
    assert state(desk) == before
    assert run(desk, write=True, include_exported=True).by_effect == {"EXPORTED -> VALIDATED": 1}
    assert desk.status(invoice) == "VALIDATED"
    export_invoices(desk.intake())
    assert desk.statuses() == {"a.xml": "EXPORTED"}
    assert desk.one("select count(*) from intake.export_invoice") == 2


def test_an_exported_invoice_whose_new_reading_is_not_valid_stays_exported(desk: IntakeDesk) -> None:
    invoice = received(desk, UBL.replace(">119.00<", ">120.00<").encode(), "a.xml")
    read_otherwise(desk, invoice, gross_amount='"119.00"')
    for status in ("CREATED", "PARSED", "VALIDATED", "EXPORTED"):
        desk.rows("update intake.received_invoice set status = :status returning id", status=status)
    before = state(desk)
    assert run(desk, write=True, include_exported=True).by_effect == {"new reading not valid": 1}
    assert state(desk) == before


def test_an_invoice_in_an_export_that_has_begun_is_left_alone(desk: IntakeDesk) -> None:
    invoice = received(desk, ubl("A-1"), "a.xml")
    with desk.scope() as connection:
        choose_validated(connection, "CSV", [invoice], "test")
    read_otherwise(desk, invoice, due_date='"2026-04-30"')
    before = state(desk)
    assert run(desk, write=True).by_effect == {"in a pending export": 1}
    assert state(desk) == before


def test_what_was_not_readable_and_is_now_goes_on(desk: IntakeDesk) -> None:
    invoice = received(desk, ubl("A-1"), "a.xml")
    desk.rows("update intake.received_invoice set status = 'FAILED' returning id")
    desk.behind(
        """insert into intake.processing_error (organization_id, received_invoice_id, stage, code, message)
           values (:organization, :id, 'parse', 'XML_TOO_DEEP', 'Too deep.')""",
        id=invoice,
    )
    report = run(desk)
    assert changes(desk, report) == [("a.xml", "(document)", "XML_TOO_DEEP", "readable", "FAILED -> VALIDATED")]
    assert desk.status(invoice) == "FAILED"
    run(desk, write=True)
    assert desk.status(invoice) == "VALIDATED"


def test_what_cannot_be_read_any_more_is_listed_and_left(desk: IntakeDesk) -> None:
    invoice = received(desk, ubl("A-1"), "a.xml")
    report = reparse_invoices(desk.intake(limits=Limits(file_bytes=100)), write=True)
    ((_, field, old, _, effect),) = changes(desk, report)
    assert (field, old) == ("(document)", "read")
    assert effect.startswith("original missing")
    assert desk.status(invoice) == "VALIDATED"


def test_what_people_corrected_confirmed_and_rejected_stays(desk: IntakeDesk) -> None:
    corrected = received(desk, page_of("HW-1", "1000.00", day=1), "corrected.pdf")
    rejected = received(desk, page_of("HW-2", "2000.00", day=2), "rejected.pdf")
    correct(desk, corrected, number="HW-1")
    assert desk.status(corrected) == "VALIDATED"
    reject(desk, rejected, "We did not order this.")
    before = state(desk)
    assert run(desk, write=True).by_effect == {}
    assert state(desk) == before
    read_otherwise(desk, corrected, due_date='"2026-04-30"')
    read_otherwise(desk, rejected, due_date='"2026-04-30"')
    assert run(desk, write=True).by_effect == {"VALIDATED -> VALIDATED": 1}
    assert desk.one("select invoice_number from intake.received_invoice where id = :id", id=corrected) == "HW-1"
    assert desk.status(rejected) == "FAILED"


def test_a_value_that_a_person_confirmed_is_kept_where_the_new_rules_read_another(desk: IntakeDesk) -> None:
    invoice = received(desk, page_of("HW-1", "1000.00"), "a.pdf")
    assert ("IP-REQ-01", "number") in codes(desk, invoice)
    correct(desk, invoice, number="HW-1")
    desk.behind(
        """insert into intake.review_decision (organization_id, received_invoice_id, decision_number,
               processing_version, decision, field, code, old_value, new_value, decided_by)
           values (:organization, :id, 9, 1, 'accepted', 'seller.name', 'LOW_CONFIDENCE', 'Zimmerei H.', 'Zimmerei H.',
                   'Ada')""",
        id=invoice,
    )
    report = run(desk, write=True)
    assert changes(desk, report)[0][1:4] == ("seller.name", "Zimmerei Holzwurm GmbH", "Zimmerei H.")
    assert desk.one("select seller_name from intake.received_invoice") == "Zimmerei H."
    assert run(desk, write=True).by_effect == {}


def test_a_waiting_invoice_that_is_read_more_surely_now_passes(desk: IntakeDesk) -> None:
    first = received(desk, page_of("HW-1", "1000.00"), "taught.pdf")
    waiting = received(desk, page_of("HW-2", "1100.00", day=6), "waits.pdf")
    assert desk.status(waiting) == "PARSED"
    # A correction teaches where the number stands: a new rule, as it were.
    number = next(one for one in look(desk, first).candidates["number"] if one.value == "HW-1")
    assert number.page == 1
    correct(desk, first, number="HW-1")
    report = run(desk)
    assert report.by_effect == {"PARSED -> VALIDATED": 1}
    assert desk.status(waiting) == "PARSED"
    run(desk, write=True)
    assert desk.status(waiting) == "VALIDATED"


@pytest.fixture(scope="module")
def paper() -> Image.Image:
    return picture_of(PAPER)


def keep(desk: IntakeDesk, scan: bytes, paper: Image.Image, identity: EngineIdentity) -> None:
    """Keeps what a perfect engine reads on the scan."""
    (page,) = read_pages(PAPER.read_bytes(), Limits())
    scale = paper.width / page.width
    words = tuple(RecognizedWord(word.text, tuple(side * scale for side in word.box), 1.0) for word in page.words)
    ((_, image),) = pictured_pages(scan, Limits())
    with desk.scope() as connection:
        keep_page(connection, page_key(image), identity, RecognizedPage(words, paper.width, paper.height), "test")


def test_a_scan_is_read_again_from_what_was_recognized_whatever_the_engine_is_now(
    desk: IntakeDesk, paper: Image.Image
) -> None:
    scan = as_jpeg(paper)
    spec = EngineSpec("rapidocr", threads=2)
    keep(desk, scan, paper, identify(spec))
    desk.upload(scan, "scan.jpg")
    read_all(desk.intake(ocr=spec))
    validate_invoices(desk.intake())
    (row,) = desk.rows("select id, status, source from intake.received_invoice")
    assert row.source == "ocr"
    read_otherwise(desk, row.id, due_date='"2020-04-30"')
    for ocr in (None, EngineSpec("tesseract"), spec):
        report = reparse_invoices(desk.intake(ocr=ocr))
        assert report.by_field == {"due_date": 1}, ocr
    assert desk.one("select count(*) from intake.ocr_page") == 1


def test_a_page_that_nobody_recognized_is_listed_and_not_paid_for(desk: IntakeDesk, paper: Image.Image) -> None:
    scan = as_jpeg(paper)
    spec = EngineSpec("rapidocr", threads=2)
    keep(desk, scan, paper, identify(spec))
    desk.upload(scan, "scan.jpg")
    read_all(desk.intake(ocr=spec))
    desk.behind("delete from intake.ocr_page where organization_id = :organization")
    report = reparse_invoices(desk.intake(ocr=spec), write=True)
    ((_, field, _, _, effect),) = changes(desk, report)
    assert field == "(document)"
    assert effect.startswith("not recognized")
    assert desk.one("select count(*) from intake.ocr_page") == 0


class OtherEngine:
    """Stands where the engine stands: reads all pages as one, or cannot work."""

    def __init__(self, result: RecognizedPage | Exception) -> None:
        self.result = result
        self.asked = 0

    def recognize(self, images: Iterable[object]) -> Iterator[RecognizedPage]:
        for _ in images:
            self.asked += 1
            if isinstance(self.result, Exception):
                raise self.result
            yield self.result


def test_pages_are_recognized_where_that_is_asked_for_and_each_is_paid_for_once(
    desk: IntakeDesk, paper: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan, spec = as_jpeg(paper), EngineSpec("rapidocr", threads=2)
    keep(desk, scan, paper, EngineIdentity("cloud_vision", "1", "{}"))
    desk.upload(scan, "scan.jpg")
    keep(desk, scan, paper, identify(spec))
    read_all(desk.intake(ocr=spec))
    desk.behind(
        "delete from intake.ocr_page where organization_id = :organization and engine <> 'cloud_vision'",
    )
    as_cloud_read_it = reparse_invoices(desk.intake(ocr=spec))
    assert as_cloud_read_it.by_field == {}
    engine = OtherEngine(RecognizedPage((RecognizedWord("Rechnung", (10, 10, 90, 30), 0.9),), 1240, 1754))
    monkeypatch.setattr(recognizer, "open_recognizer", lambda *_: nullcontext(engine))
    for _ in range(2):
        report = reparse_invoices(desk.intake(ocr=spec), recognize=True)
        assert "gross_amount" in report.by_field
    assert engine.asked == 1
    assert desk.one("select count(*) from intake.ocr_page") == 2


def test_recognizing_without_an_engine_is_refused_and_one_that_stops_stops_the_pass(
    desk: IntakeDesk, paper: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan, spec = as_jpeg(paper), EngineSpec("rapidocr", threads=2)
    keep(desk, scan, paper, identify(spec))
    desk.upload(scan, "scan.jpg")
    read_all(desk.intake(ocr=spec))
    desk.behind("delete from intake.ocr_page where organization_id = :organization")
    before = state(desk)
    with pytest.raises(IntakeError, match="switched off"):
        reparse_invoices(desk.intake(), recognize=True)
    engine = OtherEngine(EngineUnavailable("no credentials"))
    monkeypatch.setattr(recognizer, "open_recognizer", lambda *_: nullcontext(engine))
    with pytest.raises(IntakeError, match="no credentials"):
        reparse_invoices(desk.intake(ocr=spec), write=True, recognize=True)
    assert state(desk) == before


def test_a_pass_goes_on_where_its_time_was_up(desk: IntakeDesk) -> None:
    invoices = [received(desk, ubl(f"A-{number}"), f"{number}.xml") for number in range(5)]
    for invoice in invoices:
        read_otherwise(desk, invoice, due_date='"2026-04-30"')
    first = run(desk, write=True, time_box=timedelta(0))
    assert (first.read, first.finished) == (0, False)
    seen: list[Any] = []
    with pytest.raises(KeyboardInterrupt):
        run(desk, write=True, chunk_size=2, on_progress=lambda done: stop(seen, done.done))
    assert seen == [2]
    readings = [
        desk.one("select reading_json ->> 'due_date' from intake.received_invoice where id = :id", id=i)
        for i in invoices
    ]
    assert readings == ["2026-03-31"] * 2 + ["2026-04-30"] * 3
    last = run(desk, write=True)
    assert (last.id, last.read, last.finished) == (first.id, 5, True)
    assert last.by_effect == {"VALIDATED -> VALIDATED": 5}
    assert run(desk, write=True).id != first.id


def stop(seen: list[int], read: int) -> None:
    seen.append(read)
    raise KeyboardInterrupt


def test_a_kill_within_a_chunk_loses_and_doubles_nothing(desk: IntakeDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    invoices = [received(desk, ubl(f"A-{number}"), f"{number}.xml") for number in range(4)]
    for invoice in invoices:
        read_otherwise(desk, invoice, due_date='"2026-04-30"')
    record, calls = reparse.record_changes, []  # type: ignore[attr-defined]

    def killed_at_the_third(*arguments: Any, **named: Any) -> None:
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        record(*arguments, **named)

    monkeypatch.setattr(reparse, "record_changes", killed_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        run(desk, write=True)
    versions = [desk.version(invoice).processing_version for invoice in invoices]
    assert versions == [6, 6, 3, 3]
    report = run(desk, write=True)
    assert (report.read, report.by_effect) == (4, {"VALIDATED -> VALIDATED": 4})
    assert [desk.version(invoice).processing_version for invoice in invoices] == [6] * 4


def test_an_invoice_that_changes_while_it_is_read_is_left_to_who_changed_it(
    desk: IntakeDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoice = received(desk, ubl("A-1"), "a.xml")
    read_otherwise(desk, invoice, due_date='"2026-04-30"')
    read = reparse.read_document  # type: ignore[attr-defined]

    def somebody_is_faster(*arguments: Any, **named: Any) -> Any:
        desk.rows("update intake.received_invoice set status = 'FAILED' returning id")
        return read(*arguments, **named)

    monkeypatch.setattr(reparse, "read_document", somebody_is_faster)
    assert run(desk, write=True).by_effect == {"changed meanwhile": 1}
    assert desk.status(invoice) == "FAILED"


def test_of_two_at_the_same_pass_one_goes_on_and_the_other_is_told(
    desk: IntakeDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoice = received(desk, ubl("A-1"), "a.xml")
    read_otherwise(desk, invoice, due_date='"2026-04-30"')
    run(desk, write=True, time_box=timedelta(0))  # begins the pass that both go on with
    read, both = reparse.read_document, threading.Barrier(2)  # type: ignore[attr-defined]

    def together(*arguments: Any, **named: Any) -> Any:
        both.wait(timeout=30)
        return read(*arguments, **named)

    monkeypatch.setattr(reparse, "read_document", together)
    results: list[Any] = []

    def work() -> None:
        try:
            results.append(run(desk, write=True).by_effect)
        except IntakeError as error:
            results.append(str(error)[:15])

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=60)
    assert sorted(results, key=str) == ["another process", {"VALIDATED -> VALIDATED": 1}]
    assert desk.version(invoice).processing_version == 6


def test_one_document_that_breaks_a_reader_does_not_stop_the_pass(
    desk: IntakeDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = received(desk, ubl("A-1"), "bad.xml"), received(desk, ubl("A-2"), "good.xml")
    read_otherwise(desk, good, due_date='"2026-04-30"')
    read = reparse.read_document  # type: ignore[attr-defined]

    def breaks(data: bytes, name: str, *arguments: Any) -> Any:
        if name == "bad.xml":
            raise RuntimeError("a defect")
        return read(data, name, *arguments)

    monkeypatch.setattr(reparse, "read_document", breaks)
    report = run(desk, write=True)
    assert report.by_effect == {"VALIDATED -> VALIDATED": 1, "not readable": 1}
    assert desk.status(bad) == "VALIDATED"


def test_another_organization_is_not_touched(desk: IntakeDesk, other_desk: IntakeDesk) -> None:
    for one in (desk, other_desk):
        read_otherwise(one, received(one, ubl("A-1"), "a.xml"), due_date='"2026-04-30"')
    before = state(other_desk)
    report = run(desk, write=True)
    assert report.read == 1
    assert state(other_desk) == before
    with other_desk.scope() as connection:
        assert sample_changes(connection, report.id, 10) == []
        assert connection.execute(text("select count(*) from intake.reparse")).scalar_one() == 0


def test_all_changes_are_in_csv_files_of_bounded_size(desk: IntakeDesk) -> None:
    for number in range(3):
        invoice = received(desk, ubl(f"A-{number}"), f"={number}.xml")
        read_otherwise(desk, invoice, due_date='"2026-04-30"', lines__0__name='"=1+1"')
    report = run(desk)
    with desk.scope() as connection:
        files = list(change_files(connection, report.id, rows_of_a_file=4))
    rows = [list(csv.DictReader(io.StringIO(data.decode(), newline=""))) for data in files]
    assert [len(part) for part in rows] == [4, 2]
    assert {row["old_value"] for part in rows for row in part} == {"2026-04-30", "'=1+1"}
    assert {row["file_name"] for part in rows for row in part} == {"'=0.xml", "'=1.xml", "'=2.xml"}
    assert {row["is_written"] for part in rows for row in part} == {"False"}


@settings(max_examples=example_count(60))
@given(reading=readings(any_text), number=any_text)
def test_a_reading_differs_from_itself_as_it_was_stored_in_nothing_and_from_another_in_that(
    reading: Reading, number: str
) -> None:
    stored = json.loads(json_text(reading_json(reading)))
    assert differences(stored, reading, with_confidence=True) == []
    other = replace(reading, number=f"{number}x", warnings=("Another remark.",))
    found = differences(stored, other, with_confidence=False)
    assert [one.field for one in found] == ([] if plain(reading.number) == plain(f"{number}x") else ["number"])


def test_many_differences_are_counted_and_not_left_out_silently() -> None:
    one = make_reading("A", lines=tuple(Line(str(number)) for number in range(2 * MOST_CHANGES)))
    stored = json.loads(json_text(reading_json(replace(one, lines=()))))
    found = differences(stored, one, with_confidence=False)
    assert len(found) == MOST_CHANGES + 1
    assert found[-1].new == f"{MOST_CHANGES} further differences"


def test_the_organization_is_never_the_seller_of_what_it_receives_when_read_first_and_again(desk: IntakeDesk) -> None:
    change_organization(desk.engine, desk.slug, vat_id="DE136695976", iban="DE02120300000000202051")
    lines = [
        "Invoice",
        "Invoice number: A-17",
        "Invoice date: 2026-02-03",
        "Seller: Northern Tools Ltd.",
        "Currency: EUR",
        "VAT ID: DE136695976",
        "VAT ID: GB980780684",
        "We collect from IBAN: DE02 1203 0000 0000 2020 51",
        "Net amount 100.00",
        "VAT 19 % 19.00",
        "Total 119.00",
    ]
    uploaded(desk, draw([(60, 60 + 20 * row, text) for row, text in enumerate(lines)]))
    reading = desk.one("select reading_json from intake.received_invoice")
    assert (reading["seller"]["vat_id"], reading.get("payments")) == ("GB980780684", None)
    assert reparse_invoices(desk.intake()).by_effect == {}
