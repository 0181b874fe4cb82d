"""The format CSV: a file of invoices and one of their lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from invoice_pipelines import storage
from invoice_pipelines.intake.exports.export_file import ExportFile, Place, write_export_file
from invoice_pipelines.intake.exports.formats import ExportFormat, PendingExport

INVOICE_COLUMNS = {
    "invoice_record_id": "id of the received invoice",
    "file_name": "name of the upload",
    "sha256": "SHA-256 of the upload",
    "invoice_number": "BT-1",
    "type_code": "BT-3, UNTDID 1001",
    "issue_date": "BT-2, ISO 8601",
    "due_date": "BT-9, ISO 8601",
    "currency": "BT-5, ISO 4217",
    "seller_name": "BT-27",
    "seller_vat_id": "BT-31",
    "seller_tax_id": "BT-32",
    "buyer_name": "BT-44",
    "buyer_vat_id": "BT-48",
    "buyer_reference": "BT-10",
    "order_reference": "BT-13",
    "iban": "BT-84",
    "net_amount": "BT-109, decimal point",
    "tax_amount": "BT-110, decimal point",
    "gross_amount": "BT-112, decimal point",
    "payable_amount": "BT-115, decimal point",
    "source": "xml, text or ocr",
    "format": "UBL, CII, ZUGFERD1, PDF, or PICTURE for a scan or photo that is no PDF",
    "profile": "short name of the specification (BT-24)",
    "confidence": "0 to 1: the lowest of number, issue date, seller, gross amount and currency",
}
"""Columns of the invoice file in their order, and what they hold."""

LINE_COLUMNS = {
    "invoice_record_id": "id of the received invoice",
    "invoice_number": "BT-1",
    "line_number": "position in the document, from 1",
    "line_identifier": "BT-126",
    "description": "BT-153",
    "quantity": "BT-129, decimal point",
    "unit": "BT-130",
    "unit_price": "BT-146, decimal point",
    "net_amount": "BT-131, decimal point",
    "tax_category": "BT-151",
    "tax_rate": "BT-152, percent",
}
"""Columns of the line file in their order, and what they hold."""

_AMOUNTS = frozenset(
    {
        *("net_amount", "tax_amount", "gross_amount", "payable_amount"),
        *("quantity", "unit_price", "tax_rate", "confidence", "line_number"),
    }
)


def write(connection: Connection, export: PendingExport, place: Place) -> tuple[ExportFile, ...]:
    """Writes the two files of an export."""
    name = f"{place.slug}/{place.slug}_{export.number:06}_{export.created_at:%Y%m%d}"
    ids = export.invoice_ids
    return (
        _write(place, f"{name}_invoices.csv", INVOICE_COLUMNS, _invoice_rows(connection, ids)),
        _write(place, f"{name}_lines.csv", LINE_COLUMNS, _line_rows(connection, ids)),
    )


def _invoice_rows(connection: Connection, ids: Sequence[UUID]) -> list[dict[str, Any]]:
    columns = ", ".join(name for name in INVOICE_COLUMNS if name != "invoice_record_id")
    statement = f"""select id as invoice_record_id, {columns} from public.received_invoice
                    where id = any(:ids) order by id"""
    return [dict(row) for row in connection.execute(text(statement), {"ids": list(ids)}).mappings()]


def _line_rows(connection: Connection, ids: Sequence[UUID]) -> list[dict[str, Any]]:
    columns = ", ".join(f"l.{name}" for name in LINE_COLUMNS if name not in ("invoice_record_id", "invoice_number"))
    statement = f"""select l.received_invoice_id as invoice_record_id, r.invoice_number, {columns}
                    from public.received_invoice_line l
                    join intake.received_invoice r on r.id = l.received_invoice_id
                    where l.received_invoice_id = any(:ids) order by l.received_invoice_id, l.line_number"""
    return [dict(row) for row in connection.execute(text(statement), {"ids": list(ids)}).mappings()]


def _write(place: Place, path: str, columns: dict[str, str], rows: Sequence[dict[str, Any]]) -> ExportFile:
    return write_export_file(place.exports, path, to_csv(list(columns), rows), len(rows))


def to_csv(columns: Sequence[str], rows: Sequence[dict[str, Any]]) -> bytes:
    """A file of some of the columns above; see `storage.to_csv` for its form."""
    return storage.to_csv(columns, rows, _AMOUNTS)


CSV = ExportFormat(write=write, is_set_up=lambda _: True)
