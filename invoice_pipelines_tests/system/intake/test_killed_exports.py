"""Kills: whenever an export of both formats dies, the next run completes it, and nothing is lost or there twice."""

from __future__ import annotations

import csv
import io
import signal

import pytest

from invoice_pipelines.intake.stages import stages
from invoice_pipelines_tests.integration.intake.conftest import IntakeDesk
from invoice_pipelines_tests.support.intake.exports.datev.books import ANYTHING, Books, invoice
from invoice_pipelines_tests.support.intake.exports.datev.validator import read_batch
from invoice_pipelines_tests.support.programs import run

EXPORT_AND_DIE = """
import os, signal, sys
from pathlib import Path
from uuid import UUID
from invoice_pipelines.database import create_app_engine, organization_scope
from invoice_pipelines.intake.exports import export_file, export_files, exporting
from invoice_pipelines.storage import root_path
url, organization, slug, folder, moment, *ids = sys.argv[1:]
engine = create_app_engine(url)
kind, _, place = moment.partition(" ")
def die():
    os.kill(os.getpid(), signal.SIGKILL)
with organization_scope(engine, UUID(organization)) as connection:
    exporting.choose_exports(connection, [UUID(i) for i in ids], ("CSV", "DATEV"), "test")
    if kind == "choosing":
        die()
if kind == "chosen":
    die()
write, written = export_file.write_file_atomically, 0
def write_and_die(*arguments):
    global written
    write(*arguments)
    written += 1
    if kind == "file" and written == int(place):
        die()
export_file.write_file_atomically = write_and_die
mark, marked = export_files.mark_exported, 0
def mark_and_die(*arguments):
    global marked
    marked += 1
    if kind == "commit" and marked == int(place):
        die()
    return mark(*arguments)
export_files.mark_exported = mark_and_die
root = Path(folder)
places = root_path(str(root / "exports")), root_path(str(root / "originals"))
export_files.complete_exports(engine, UUID(organization), slug, *places)
"""


MOMENTS = ["choosing", "chosen", "file 1", "file 2", "file 3", "file 4", "file 5", "commit 1", "commit 2"]


@pytest.mark.slow
@pytest.mark.parametrize("moment", MOMENTS)
def test_after_a_kill_the_next_run_completes_both_formats(desk: IntakeDesk, moment: str) -> None:
    books = Books(desk)
    books.set_up(fiscal_year_start_month=3)
    books.rules(ANYTHING)
    day = invoice().issue_date
    assert day is not None
    ids = [
        desk.validated(invoice(number="R-1")).id,
        desk.validated(invoice(number="R-2", issue_date=day.replace(month=2))).id,
    ]
    url = desk.engine.url.render_as_string(hide_password=False)
    killed = run(EXPORT_AND_DIE, url, desk.organization_id, desk.slug, desk.folder, moment, *ids)
    assert killed.returncode == -signal.SIGKILL
    before = {path: path.read_bytes() for path in (desk.folder / "exports").rglob("*.*")}
    stages.export_invoices(desk.intake())
    assert stages.export_invoices(desk.intake()).exports == ()
    after = {path: path.read_bytes() for path in (desk.folder / "exports").rglob("*.*")}
    assert len(after) == 5  # two CSV files, two fiscal years, one ZIP
    # What lay there was whole, and what was decided before the kill is what stands there now.
    assert {path: after.get(path) for path in before} == before
    assert [desk.status(invoice_id) for invoice_id in ids] == ["EXPORTED", "EXPORTED"]
    rows = [row for path, data in after.items() if path.name.startswith("EXTF_") for row in read_batch(data).rows]
    assert sorted(row[10] for row in rows) == ['"R-1"', '"R-2"']
    assert len(books.ledger()) == 2
    in_csv = [
        row["invoice_record_id"]
        for path, data in after.items()
        if path.name.endswith("_invoices.csv")
        for row in csv.DictReader(io.StringIO(data.decode(), newline=""))
    ]
    assert sorted(in_csv) == sorted(map(str, ids))


def test_a_missing_document_keeps_the_batch_waiting_and_nothing_else(desk: IntakeDesk) -> None:
    from invoice_pipelines.storage import StorageError

    books = Books(desk)
    books.set_up()
    books.rules(ANYTHING)
    first = desk.validated()
    blob = next(path for path in (desk.folder / "originals").rglob("*") if path.is_file())
    content = blob.read_bytes()
    blob.unlink()
    with pytest.raises(StorageError, match="is missing"):
        stages.export_invoices(desk.intake())
    assert desk.status(first.id) == "EXPORTED"  # by CSV
    assert books.desk.one("select count(*) from intake.export where status = 'pending'") == 1
    blob.write_bytes(content)
    (export,) = stages.export_invoices(desk.intake()).exports
    assert (export.format, export.newly_exported) == ("DATEV", 0)
    assert len(books.ledger()) == 1
