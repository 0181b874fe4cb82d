"""Reads issued invoices with their lines and taxes as plain rows, for many at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from invoice_pipelines_tests.integration.billing.conftest import BillingDesk


@dataclass(frozen=True)
class Book:
    """One invoice or credit note: its header row, lines by number, and taxes."""

    header: Any
    lines: list[Any]
    taxes: list[Any]


def books(desk: BillingDesk, invoice_ids: Sequence[UUID]) -> list[Book]:
    """The invoices with these ids, in that order."""
    ids = list(invoice_ids)
    headers = {row.id: row for row in desk.rows("select * from billing.issued_invoice where id = any(:ids)", ids=ids)}
    lines: dict[UUID, list[Any]] = {invoice_id: [] for invoice_id in ids}
    taxes: dict[UUID, list[Any]] = {invoice_id: [] for invoice_id in ids}
    for row in desk.rows(
        "select * from billing.issued_invoice_line where invoice_id = any(:ids) order by line_number", ids=ids
    ):
        lines[row.invoice_id].append(row)
    for row in desk.rows(
        """select * from billing.issued_invoice_tax where invoice_id = any(:ids)
           order by tax_category, tax_rate""",
        ids=ids,
    ):
        taxes[row.invoice_id].append(row)
    return [Book(headers[invoice_id], lines[invoice_id], taxes[invoice_id]) for invoice_id in ids]


def books_of_orders(desk: BillingDesk, order_ids: Sequence[UUID]) -> list[Book]:
    """The invoices of orders, in that order."""
    found = {
        row.sales_order_id: row.id
        for row in desk.rows(
            """select sales_order_id, id from billing.invoice
               where sales_order_id = any(:ids) and status <> 'void' and document_kind = 'invoice'""",
            ids=list(order_ids),
        )
    }
    return books(desk, [found[order_id] for order_id in order_ids])
