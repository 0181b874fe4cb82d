"""How DATEV exports are shown in the Dagster UI. Nothing is counted here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from invoice_pipelines.defs.metadata import LONGEST_TABLE, table_of
from invoice_pipelines.intake.exports.datev.ledger import booked_failures, sums
from invoice_pipelines.intake.exports.export_files import Export
from invoice_pipelines.intake.exports.exporting import waiting_count, waiting_invoices


def datev_metadata(connection: Connection, exports: Sequence[Export]) -> dict[str, Any]:
    """Bookings of exports, their sums, and the invoices that cannot be booked; nothing where DATEV plays no part."""
    ids = [export.id for export in exports if export.format == "DATEV"]
    waiting = waiting_count(connection)
    failed = booked_failures(connection, LONGEST_TABLE)
    if not ids and not waiting and not failed:
        return {}
    found = sums(connection, ids)
    reasons = [
        {"invoice": invoice, "reason": reason}
        for invoice in waiting_invoices(connection, LONGEST_TABLE)
        for reason in invoice.reasons
    ]
    return {
        "DATEV exports": len(ids),
        "DATEV bookings": sum(row.bookings for row in found),
        "DATEV sums": table_of(
            found,
            "account=contra_account BU_key=tax_key VAT=tax_category rate=tax_rate currency bookings "
            "gross_amount=amount",
        ),
        "not booked": waiting,
        "not booked, with reasons": table_of(
            reasons,
            "file=invoice.file_name number=invoice.invoice_number seller=invoice.seller_name "
            "gross_amount=invoice.gross_amount currency=invoice.currency code=reason.code "
            "what_is_missing=reason.message invoice_id=invoice.id",
        ),
        "booked, but failed since": table_of(
            failed, "file=file_name number=invoice_number booked=amount currency invoice_id=id"
        ),
    }
