"""Requests for invoices: each is checked and becomes a batch job, which `processing` works through.

The rules are in `requests.sql`; each function runs in the transaction of its connection, which must come from
`organization_scope`: so a request can be committed together with what led to it, such as an idempotency key.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, TypedDict, Unpack
from uuid import UUID

from sqlalchemy import Connection, text

from invoice_pipelines.billing.errors import BillingError, check_text, refusals_for_people, storable
from invoice_pipelines.work import BatchAnswer

_INTEGER = 2**31
_NUMBERS_AT_ONCE = 10_000
_ID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class RequestOptions(TypedDict, total=False):
    """The options that all requests have.

    `invoice_date` is the issue date (BT-2), by default the day on which they are issued, in the organization's time
    zone; `due_days` later they are due (BT-9). `language` (ISO 639-1) stands above those of customer and organization.
    With `generate_pdf` the document of each invoice is made once it is issued; with `send_immediately` the customer is
    sent it by `communication_method` (a messaging channel). The batch job keeps these three, and
    delivery acts on them.
    """

    invoice_date: date | None
    due_days: int
    language: str | None
    generate_pdf: bool
    send_immediately: bool
    communication_method: str | None


def batch_invoice_orders(
    connection: Connection,
    sales_order_ids: Iterable[UUID | str],
    *,
    created_by: str,
    **options: Unpack[RequestOptions],
) -> BatchAnswer:
    """Asks for the invoices of sales orders, in the order given; returns at once.

    There is no limit to how many ids are given. An id that is unknown, of another organization or no id at all becomes
    an item that fails with a reason. Raises BillingError for a date, number of days, language or way of sending that is
    not possible.
    """
    subjects = {"ids": _ids("sales_order_ids", sales_order_ids)}
    return _ask(connection, "batch_invoice_orders(cast(:ids as text[]),", subjects, created_by, options)


def batch_invoice_open_orders(
    connection: Connection, *, created_by: str, **options: Unpack[RequestOptions]
) -> BatchAnswer:
    """Asks for the invoices of all orders that are pending or reviewed, the oldest first. See batch_invoice_orders."""
    return _ask(connection, "batch_invoice_open_orders(", {}, created_by, options)


def batch_invoice_customers(
    connection: Connection,
    customer_ids: Iterable[UUID | str],
    items: Sequence[Mapping[str, Any]],
    *,
    created_by: str,
    **options: Unpack[RequestOptions],
) -> BatchAnswer:
    """Asks for one invoice per customer over the same items, without orders. See batch_invoice_orders.

    An item has a `quantity`, a `description` or the `inventory_item_id` of an item of the catalogue, and `unit_price`,
    `discount_percent`, `tax_category` and `tax_rate` where the catalogue has none or another. Numbers are Decimal, int
    or text. Raises BillingError that names the item and field that is wrong.
    """
    for place, item in enumerate(items, start=1):
        for field, value in item.items():
            check_text(f"items[{place}]", field)
            check_text(f"items[{place}].{field}", value if isinstance(value, str) else None)
    stated = [{field: value for field, value in item.items() if value is not None} for item in items]
    subjects = {"ids": _ids("customer_ids", customer_ids), "items": json.dumps(stated, default=str)}
    call = "batch_invoice_customers(cast(:ids as text[]), cast(:items as jsonb),"
    return _ask(connection, call, subjects, created_by, options)


def retry_with_date(connection: Connection, job_id: UUID, *, requested_by: str, invoice_date: date | None) -> int:
    """Opens the failed items of a job of invoices again, and dates all that it issues from now on: `invoice_date`, or
    for None the day of issue. This helps where a given date is now earlier than the last one of the series.

    Returns how many were opened; the history of the job has it. Raises BillingError for a date that is not possible,
    an unknown job, one that was cancelled, and one that issues no invoices.
    """
    with refusals_for_people():
        retried: int = connection.execute(
            text("select billing.retry_failed_items(:job_id, :by, :invoice_date)"),
            {"job_id": job_id, "by": requested_by, "invoice_date": str(invoice_date or "today")},
        ).scalar_one()
    return retried


def order_ids(connection: Connection, references: Iterable[str]) -> list[str]:
    """Ids of orders that are named by id or by order number, in the order given; what is unknown stays as it is, and
    what looks like an id is taken for one.
    """
    return _ids_named(connection, "sales_order", "order_number", references)


def customer_ids(connection: Connection, references: Iterable[str]) -> list[str]:
    """The same of customers, by id or by customer number."""
    return _ids_named(connection, "customer", "customer_number", references)


def item_ids(connection: Connection, references: Iterable[str]) -> list[str]:
    """The same of items, by id or by SKU."""
    return _ids_named(connection, "item", "sku", references)


def parse_date(field: str, value: str) -> date:
    """A date in ISO form, such as 2026-03-31. Raises BillingError that names the field."""
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise BillingError(f"{field}: {repr(value)[:40]} is not a date like 2026-03-31.") from None


_DEFAULTS: RequestOptions = {
    "invoice_date": None,
    "due_days": 0,
    "language": None,
    "generate_pdf": False,
    "send_immediately": False,
    "communication_method": None,
}
_OPTIONS = """cast(:invoice_date as date), cast(:due_days as integer), :language, :created_by, :generate_pdf,
    :send_immediately, :communication_method)"""


def _ask(
    connection: Connection, call: str, subjects: Mapping[str, object], created_by: str, options: RequestOptions
) -> BatchAnswer:
    if unknown := options.keys() - _DEFAULTS.keys():
        raise TypeError(f"There is no option {', '.join(sorted(unknown))}.")
    values: dict[str, Any] = {**_DEFAULTS, **options, "created_by": created_by}
    if isinstance(values["invoice_date"], datetime):
        raise BillingError("invoice_date: expected a date, not a time.")
    if not -_INTEGER <= values["due_days"] < _INTEGER:
        raise BillingError("due_days: the number is far outside of 0 to 3650.")
    if not created_by.strip():
        raise BillingError("created_by: say who asks.")
    for field in ("language", "communication_method", "created_by"):
        check_text(field, values[field])
    with refusals_for_people():
        row = connection.execute(text(f"select * from billing.{call} {_OPTIONS}"), {**subjects, **values}).one()
    return BatchAnswer(row.job_id, row.total_items, float(row.estimated_seconds))


def _ids_named(connection: Connection, table: str, name: str, references: Iterable[str]) -> list[str]:
    given = [storable(reference) for reference in references]
    names = [reference for reference in given if not _ID.fullmatch(reference)]
    ids: dict[str, str] = {}
    for start in range(0, len(names), _NUMBERS_AT_ONCE):
        rows = connection.execute(
            text(
                f"""select {name}, id::text from billing.{table}
                    where organization_id = organizations.current() and {name} = any(cast(:names as text[]))"""
            ),
            {"names": names[start : start + _NUMBERS_AT_ONCE]},
        )
        ids.update(rows.tuples().all())
    return [ids.get(reference, reference) for reference in given]


def _ids(field: str, ids: Iterable[UUID | str]) -> list[str]:
    if isinstance(ids, str | bytes | UUID):
        raise BillingError(f"{field}: expected a list of ids, not one text.")
    return [storable(str(given)) for given in ids]
