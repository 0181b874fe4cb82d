"""Changes the status of orders, voids invoices and issues credit notes.

The rules are in `corrections.sql`. Each function runs in the transaction of its connection, which must come from
`organization_scope`. After a BillingError that transaction can only be rolled back.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

from sqlalchemy import Connection, text

from invoice_pipelines.billing.errors import BillingError, check_text, refusals_for_people

_DECIMALS_OF_QUANTITIES = -3


@dataclass(frozen=True, slots=True)
class StatusChange:
    """The orders whose status was changed, and why the others were refused."""

    changed: tuple[UUID, ...]
    refused: Mapping[UUID, str]


def void_invoice(
    connection: Connection, invoice_id: UUID, *, reason: str, voided_by: str, reopen_order: bool = False
) -> None:
    """Voids an invoice on which nothing was paid or credited. It keeps its number, and its stock goes back.

    With `reopen_order` its order is reviewed again and can be invoiced anew. What was sent to a customer is better
    credited. Raises BillingError where the invoice is unknown, void, paid or credited in part, or a credit note.
    """
    check_text("reason", reason)
    with refusals_for_people():
        connection.execute(
            text("select billing.void_invoice(:id, :reason, :who, :reopen_order)"),
            {"id": invoice_id, "reason": reason, "who": voided_by, "reopen_order": reopen_order},
        )


def credit_invoice(
    connection: Connection,
    invoice_id: UUID,
    *,
    reason: str,
    created_by: str,
    issue_date: date | None = None,
    quantities: Mapping[int, Decimal] | None = None,
    return_stock: bool = False,
    note: str | None = None,
) -> UUID:
    """Issues a credit note for an invoice and returns its id: for all that is left of it, or for some quantities by
    line number. Its amounts are positive and reduce what is due.

    `reason` is for the books and never leaves them; `note` is what the credit note says to the customer, on its page
    and in its XML (BT-22). `issue_date` is today in the organization's time zone by default. With `return_stock` the
    quantities go back.
    Raises BillingError where there is nothing (left) to credit, or the unpaid amount is less than the credit note.
    """
    check_text("reason", reason)
    check_text("note", note)
    for line_number, quantity in (quantities or {}).items():
        exponent = quantity.as_tuple().exponent
        if not isinstance(exponent, int) or exponent < _DECIMALS_OF_QUANTITIES:
            raise BillingError(f"quantities[{line_number}]: {quantity} is not a quantity of at most three decimals.")
    stated = None if quantities is None else json.dumps({str(line): str(q) for line, q in quantities.items()})
    with refusals_for_people():
        credit_note: UUID = connection.execute(
            text(
                """select billing.credit_invoice(:id, :reason, :who, cast(:issue_date as date),
                                                 cast(:quantities as jsonb), :return_stock, :note)"""
            ),
            {
                "id": invoice_id,
                "reason": reason,
                "who": created_by,
                "issue_date": issue_date,
                "quantities": stated,
                "return_stock": return_stock,
                "note": note,
            },
        ).scalar_one()
    return credit_note


def set_order_status(
    connection: Connection, sales_order_ids: Iterable[UUID], status: str, *, changed_by: str, reason: str | None = None
) -> StatusChange:
    """Makes orders draft, pending, reviewed or cancelled, and notes who did it and why.

    An order that is invoiced, unknown or may not become this is left as it is, with the reason. An order that already
    has this status counts as changed, without a note. Raises BillingError for another status.
    """
    check_text("reason", reason)
    wanted = list(dict.fromkeys(sales_order_ids))
    with refusals_for_people():
        found = {
            row.id: row
            for row in connection.execute(
                text("select * from billing.set_order_status(cast(:ids as uuid[]), :status, :reason, :who)"),
                {"ids": wanted, "status": status, "reason": reason, "who": changed_by},
            )
        }
    refused = {
        order: f"The order is {found[order].status_before} and cannot become {status}."
        if order in found
        else f"This organization has no sales order {order}."
        for order in wanted
        if order not in found or not (found[order].is_changed or found[order].status_before == status)
    }
    return StatusChange(tuple(order for order in wanted if order not in refused), refused)
