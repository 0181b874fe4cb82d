"""Formats of exports are found by their names: our own, and those that other packages bring."""

from __future__ import annotations

from pathlib import Path

import pytest

from invoice_pipelines.intake.exports.export_files import complete_exports
from invoice_pipelines.intake.exports.exporting import choose_exports, preview_exports
from invoice_pipelines.intake.stages.stages import export_invoices
from invoice_pipelines.organizations import OrganizationError, OrganizationSettings, change_organization
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.registry import EXPORT_FORMATS, UnknownName
from invoice_pipelines.settings import Settings
from invoice_pipelines_tests.integration.intake.conftest import IntakeDesk, make_reading
from invoice_pipelines_tests.support.plug_in import install

NUMBERS = """
    from sqlalchemy import text

    from invoice_pipelines.intake.exports.export_file import write_export_file
    from invoice_pipelines.intake.exports.formats import ExportFormat

    def write(connection, export, place):
        statement = "select invoice_number from public.received_invoice where id = any(:ids) order by 1"
        numbers = connection.execute(text(statement), {"ids": list(export.invoice_ids)}).scalars().all()
        data = "\\n".join(numbers).encode()
        return (write_export_file(place.exports, f"{place.slug}/{export.number}.numbers", data, len(numbers)),)

    NUMBERS = ExportFormat(write=write)
"""


@pytest.fixture
def numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another package, whose format writes the numbers of invoices."""
    install(tmp_path, monkeypatch, EXPORT_FORMATS.group, "numbers", "NUMBERS", NUMBERS)


def choose_formats(desk: IntakeDesk, *formats: str) -> None:
    change_organization(desk.engine, desk.slug, settings=OrganizationSettings(export_formats=formats))


@pytest.mark.usefixtures("numbers")
def test_a_format_of_another_package_is_exported_beside_our_own(desk: IntakeDesk) -> None:
    choose_formats(desk, "numbers", "CSV")
    invoices = [desk.validated(make_reading(number)) for number in ("R-2", "R-1")]
    preview = preview_exports(OrganizationContext.of(desk.engine, desk.slug, Settings(), "test"))
    assert (preview.formats, preview.invoices) == (("numbers", "CSV"), {"numbers": 2, "CSV": 2})
    csv, other = export_invoices(desk.intake()).exports
    assert (csv.format, other.format, other.invoice_count) == ("CSV", "numbers", 2)
    (file,) = other.files
    assert (desk.folder / "exports" / file.path).read_bytes() == b"R-1\nR-2"
    assert {desk.status(invoice.id) for invoice in invoices} == {"EXPORTED"}
    assert export_invoices(desk.intake()).exports == (), "each invoice once"


def test_an_organization_that_did_not_choose_it_does_not_get_it(desk: IntakeDesk, numbers: None) -> None:
    desk.validated(make_reading("R-1"))
    assert [export.format for export in export_invoices(desk.intake()).exports] == ["CSV"]


def test_a_name_that_nobody_registered_is_refused_with_those_that_are_known(desk: IntakeDesk) -> None:
    known = "There is no export format called 'SAP'. Choose one of: CSV, DATEV"
    with pytest.raises(OrganizationError, match=known):
        choose_formats(desk, "SAP")
    invoice = desk.validated(make_reading("R-1"))
    with desk.scope() as connection, pytest.raises(UnknownName, match=known):
        choose_exports(connection, [invoice.id], ["CSV", "SAP"], "test")


def test_a_format_that_was_taken_away_is_told_of_and_what_it_began_stays_pending(
    desk: IntakeDesk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, monkeypatch, EXPORT_FORMATS.group, "numbers", "NUMBERS", NUMBERS)
    choose_formats(desk, "numbers")
    invoice = desk.validated(make_reading("R-1"))
    with desk.scope() as connection:
        choose_exports(connection, [invoice.id], ["numbers"], "test")
    monkeypatch.undo()
    assert complete_exports(desk.engine, desk.organization_id, desk.slug, desk.exports, desk.originals) == []
    assert desk.one("select status from intake.export") == "pending"
    with pytest.raises(UnknownName, match="no export format called 'numbers'"):
        export_invoices(desk.intake())
