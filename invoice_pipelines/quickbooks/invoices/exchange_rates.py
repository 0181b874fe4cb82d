"""At which exchange rates foreign invoices are booked in QuickBooks."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

from sqlalchemy import Connection, text


def rates_to_home(connection: Connection, invoice_ids: Sequence[UUID], home_currency: str) -> dict[UUID, Decimal]:
    """What a unit of the currency of each invoice is worth in that of the company; invoices of no known rate are left
    out.

    It is the rate with which the VAT of the invoice was converted, if that is between the same two currencies, else the
    newest one of the day of the invoice (see `billing.newest_rate`).
    """
    rows = connection.execute(
        text("select invoice_id, rate from quickbooks.rates_to_home(cast(:ids as uuid[]), :home)"),
        {"ids": list(invoice_ids), "home": home_currency},
    )
    return {row.invoice_id: row.rate for row in rows}
