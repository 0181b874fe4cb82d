"""What the tests of DATEV share: an organization that is set up, its export, and what stands in the files."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

from invoice_pipelines.einvoice.model import Party, TaxBreakdown
from invoice_pipelines.intake.exports.datev.accounts.rules import check_rules, replace_rules
from invoice_pipelines.intake.exports.datev.choosing import retry_waiting
from invoice_pipelines.intake.exports.datev.settings import (
    DatevSettings,
    checked_settings,
    require_settings,
    save_settings,
)
from invoice_pipelines.intake.exports.export_files import Export
from invoice_pipelines.intake.reading import Reading
from invoice_pipelines.intake.received_invoices import (
    ProcessingError,
    mark_failed,
    mark_parsed,
    mark_validated,
    retry_failed,
)
from invoice_pipelines.intake.stages import stages
from invoice_pipelines_tests.integration.intake.conftest import IntakeDesk, make_reading
from invoice_pipelines_tests.support.intake.exports.datev.validator import read_batch

CONSULTANT, CLIENT = 29098, 55003
ANYTHING = {"account": "4980"}


def dec(value: str | int) -> Decimal:
    return Decimal(value)


def tax(taxable: str, amount: str, category: str | None = "S", rate: str | None = "19") -> TaxBreakdown:
    return TaxBreakdown(dec(taxable), dec(amount), category, None if rate is None else dec(rate))


def invoice(*taxes: TaxBreakdown, number: str | None = None, **changes: Any) -> Reading:
    """A reading whose totals are those of its VAT breakdown, by default 119.00 EUR at 19 %."""
    rows = taxes or (tax("100.00", "19.00"),)
    net = sum(((row.taxable_amount or dec(0)) for row in rows), dec(0))
    vat = sum(((row.tax_amount or dec(0)) for row in rows), dec(0))
    totals = {"net_amount": net, "tax_amount": vat, "gross_amount": net + vat, "payable_amount": net + vat, "lines": ()}
    return make_reading(number, **{"tax_breakdowns": rows, **totals, **changes})


def seller(name: str = "Muster GmbH", vat_id: str | None = "DE136695976", **changes: Any) -> Party:
    return Party(name=name, vat_id=vat_id, **changes)


@dataclass(frozen=True)
class Books:
    """The books of a desk."""

    desk: IntakeDesk

    def set_up(self, **changes: Any) -> DatevSettings:
        values = {"consultant": CONSULTANT, "client": CLIENT, "chart": "SKR03", **changes}
        settings = checked_settings(**values)
        with self.desk.scope() as connection:
            save_settings(connection, settings, "test")
        return settings

    def rules(self, *rows: Mapping[str, str]) -> None:
        with self.desk.scope() as connection:
            rules, problems = check_rules(rows, require_settings(connection).accounts)
            assert problems == []
            replace_rules(connection, rules, "test")
            retry_waiting(connection)

    def export(self) -> list[Export]:
        return list(stages.export_invoices(self.desk.intake()).exports)

    def export_datev(self) -> Export:
        """Exports, and the one DATEV export that this made."""
        (export,) = (export for export in self.export() if export.format == "DATEV")
        return export

    def path(self, name: str) -> Path:
        return self.desk.folder / "exports" / name

    def batches(self, export: Export) -> list[bytes]:
        return [self.path(file.path).read_bytes() for file in export.files if file.path.endswith(".csv")]

    def rows(self, export: Export) -> list[list[str]]:
        """The rows of all batches of an export."""
        return [row for data in self.batches(export) for row in read_batch(data).rows]

    def zips(self, export: Export) -> list[zipfile.ZipFile]:
        return [zipfile.ZipFile(self.path(file.path)) for file in export.files if file.path.endswith(".zip")]

    def refusals(self) -> dict[UUID, set[str]]:
        """Codes of what is missing, by invoice that waits."""
        rows = self.desk.rows("select received_invoice_id, reasons from public.datev_waiting_invoice")
        return {row[0]: {reason["code"] for reason in row[1]} for row in rows}

    def ledger(self) -> list[Any]:
        return self.desk.rows(
            "select * from public.datev_ledger order by export_number, received_invoice_id, is_reversal desc, position"
        )

    def read_again(self, invoice_id: UUID, reading: Reading) -> None:
        """An exported or failed invoice that is read and validated again."""
        if self.desk.status(invoice_id) != "FAILED":
            error = ProcessingError("export", "WRONG", "Read wrong.")
            with self.desk.scope() as connection:
                mark_failed(connection, [(self.desk.version(invoice_id), error)])
        with self.desk.scope() as connection:
            retry_failed(connection, [invoice_id])
        with self.desk.scope() as connection:
            mark_parsed(connection, [(self.desk.version(invoice_id), reading)])
        with self.desk.scope() as connection:
            mark_validated(connection, [self.desk.version(invoice_id)])


def amounts(rows: Sequence[Sequence[str]]) -> list[tuple[str, str, str, str, str]]:
    """Amount, side, creditor, expense account and BU-Schlüssel of rows."""
    return [(row[0], row[1].strip('"'), row[6], row[7], row[8].strip('"')) for row in rows]


def column(row: Sequence[str], number: int) -> str:
    """A field by its number, without quotes."""
    value = row[number - 1]
    return value[1:-1].replace('""', '"') if value.startswith('"') else value
