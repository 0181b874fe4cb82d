"""How DATEV exports are shown in the Dagster UI. Nothing is counted here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dagster as dg
from sqlalchemy import Connection

from invoice_pipelines.defs.metadata import LONGEST_TABLE, table
from invoice_pipelines.intake.exports.datev.ledger import BookedFailure, Sum, booked_failures, sums
from invoice_pipelines.intake.exports.export_files import Export
from invoice_pipelines.intake.exports.exporting import WaitingInvoice, waiting_count, waiting_invoices


def datev_metadata(connection: Connection, exports: Sequence[Export]) -> dict[str, Any]:
    """Bookings of exports, their sums, and the invoices that cannot be booked; nothing where DATEV plays no part."""
    ids = [export.id for export in exports if export.format == "DATEV"]
    waiting = waiting_count(connection)
    failed = booked_failures(connection, LONGEST_TABLE)
    if not ids and not waiting and not failed:
        return {}
    found = sums(connection, ids)
    return {
        "DATEV exports": len(ids),
        "DATEV bookings": sum(row.bookings for row in found),
        "DATEV sums": sums_table(found),
        "not booked": waiting,
        "not booked, with reasons": refused_table(waiting_invoices(connection, LONGEST_TABLE)),
        "booked, but failed since": failed_table(failed),
    }


def sums_table(found: Sequence[Sum]) -> dg.TableMetadataValue:
    """What bookings come to, by account and rate."""
    return table(
        [
            {
                "account": row.contra_account,
                "BU key": row.tax_key,
                "VAT": f"{row.tax_category or ''} {'' if row.tax_rate is None else format(row.tax_rate, 'f')}".strip(),
                "currency": row.currency,
                "bookings": row.bookings,
                "gross amount": str(row.amount),
            }
            for row in found
        ]
    )


def refused_table(invoices: Sequence[WaitingInvoice]) -> dg.TableMetadataValue:
    """Invoices that cannot be booked, a row per reason."""
    return table(
        [
            {
                "file": invoice.file_name[:200],
                "number": (invoice.invoice_number or "")[:80],
                "seller": (invoice.seller_name or "")[:80],
                "gross amount": "" if invoice.gross_amount is None else f"{invoice.gross_amount} {invoice.currency}",
                "code": reason.code,
                "what is missing": reason.message,
                "invoice id": str(invoice.id),
            }
            for invoice in invoices
            for reason in invoice.reasons
        ]
    )


def failed_table(failed: Sequence[BookedFailure]) -> dg.TableMetadataValue:
    """Invoices that failed after they were booked; `datev take-back` takes them out of the books."""
    return table(
        [
            {
                "file": invoice.file_name[:200],
                "number": (invoice.invoice_number or "")[:80],
                "booked": f"{invoice.amount} {invoice.currency}",
                "invoice id": str(invoice.id),
            }
            for invoice in failed
        ]
    )
