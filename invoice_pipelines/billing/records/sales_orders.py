"""Sales orders that come in. An order number is taken once: the same order again changes nothing.

Whether an order can be invoiced is decided when it is invoiced, as customers, items and stock change until then.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from pydantic import model_validator
from sqlalchemy import Connection, text

from invoice_pipelines.billing.errors import RowProblem, RowsRefused
from invoice_pipelines.billing.records.rows import (
    Currency,
    IsoDate,
    LongText,
    Percent,
    Price,
    Quantity,
    Row,
    TaxCategory,
    Text,
    UnitCode,
    check_rows,
)


class NewLine(Row):
    """A line of an order. With an item, what is left out is taken from the item as it is now."""

    sku: Text | None = None
    description: LongText | None = None
    quantity: Quantity
    unit_code: UnitCode | None = None
    unit_price: Price | None = None
    discount_percent: Percent = Decimal(0)
    tax_category: TaxCategory | None = None
    tax_rate: Percent | None = None
    period_start: IsoDate | None = None
    """BT-134, the first day of a service that is rendered over a period"""
    period_end: IsoDate | None = None
    """BT-135, the last day"""

    @model_validator(mode="after")
    def _has_a_price_and_a_whole_period(self) -> NewLine:
        if self.sku is None and self.unit_price is None:
            raise ValueError("unit_price is needed where there is no sku")
        _check_period(self.period_start, self.period_end)
        return self


class NewOrder(Row):
    """A sales order. Without a customer it can be taken but not invoiced. `currency` is the customer's by default, or
    else that of the organization.

    The date of supply on its invoice is `delivery_date`, else the end of its period, else the latest end of its lines'
    periods where all have one, else the issue date.
    """

    order_number: Text
    customer_number: Text | None = None
    status: Literal["draft", "pending", "reviewed"] = "pending"
    currency: Currency | None = None
    order_date: IsoDate
    delivery_date: IsoDate | None = None
    period_start: IsoDate | None = None
    """BT-73, the first day of a service that is rendered over a period"""
    period_end: IsoDate | None = None
    """BT-74, the last day"""
    purchase_order_reference: Text | None = None
    discount_percent: Percent = Decimal(0)
    note: LongText | None = None
    lines: tuple[NewLine, ...] = ()

    @model_validator(mode="after")
    def _has_a_whole_period_and_lines_within_it(self) -> NewOrder:
        start, end = self.period_start, self.period_end
        _check_period(start, end)
        if start is None or end is None:
            return self
        for number, line in enumerate(self.lines, start=1):
            if line.period_start is None or line.period_end is None:
                continue
            if line.period_start < start or line.period_end > end:
                raise ValueError(
                    f"line {number}: its period, {line.period_start} to {line.period_end}, is not within that of the "
                    f"order, {start} to {end} (PEPPOL-EN16931-R110, R111)"
                )
        return self


@dataclass(frozen=True, slots=True)
class AddedOrder:
    """An order that is in the database now. `is_new` is false where its number was taken before."""

    id: UUID
    is_new: bool


def add_orders(
    connection: Connection, orders: Iterable[NewOrder | Mapping[str, Any]], *, created_by: str
) -> list[AddedOrder]:
    """Adds orders with their lines; returns them in the order given. An order whose number exists is left as it is.

    Thousands at once are a few statements; the connection must come from `organization_scope`. Raises RowsRefused,
    which names rows and fields (also an unknown customer_number or sku); then none was written.
    """
    rows = check_rows(NewOrder, orders, ("order_number",))
    customers = _known(connection, "customer", "customer_number", (row.customer_number for row in rows))
    items = _known(connection, "item", "sku", (line.sku for row in rows for line in row.lines))
    problems = [
        problem for place, row in enumerate(rows, start=1) for problem in _unknown(place, row, customers, items)
    ]
    if problems:
        raise RowsRefused(problems)
    home_currency = connection.execute(text("select currency from organizations.organization")).scalar_one()
    headers = [
        {
            **row.model_dump(mode="json", exclude={"lines", "customer_number", "currency"}),
            "customer_id": str(customers[row.customer_number].id) if row.customer_number else None,
            "currency": row.currency
            or (customers[row.customer_number].currency if row.customer_number else None)
            or home_currency,
        }
        for row in rows
    ]
    added = {
        row.order_number: row.id
        for row in connection.execute(text(_ADD_ORDERS), {"rows": json.dumps(headers), "creator": created_by})
    }
    lines = [
        _line(added[row.order_number], number, line, items)
        for row in rows
        if row.order_number in added
        for number, line in enumerate(row.lines, start=1)
    ]
    connection.execute(text(_ADD_LINES), {"rows": json.dumps(lines)})
    before = _known(
        connection, "sales_order", "order_number", (row.order_number for row in rows if row.order_number not in added)
    )
    return [
        AddedOrder(added[row.order_number], True)
        if row.order_number in added
        else AddedOrder(before[row.order_number].id, False)
        for row in rows
    ]


_ADD_ORDERS = """
    insert into billing.sales_order (
        organization_id, id, order_number, customer_id, status, currency, order_date, delivery_date,
        period_start, period_end, purchase_order_reference, discount_percent, note, created_by)
    select organizations.current(), new_id, order_number, customer_id, status, currency,
           order_date, delivery_date, period_start, period_end, purchase_order_reference, discount_percent, note,
           :creator
    from (select *, uuidv7() as new_id  -- in the order given, which is that of the invoices of a day
          from jsonb_populate_recordset(null::billing.sales_order, cast(:rows as jsonb))) given
    order by order_number
    on conflict (order_number, organization_id) do nothing
    returning id, order_number
"""
_ADD_LINES = """
    insert into billing.sales_order_line (
        organization_id, sales_order_id, line_number, item_id, description, quantity, unit_code, unit_price,
        discount_percent, tax_category, tax_rate, period_start, period_end)
    select organizations.current(), sales_order_id, line_number, item_id, description, quantity,
           unit_code, unit_price, discount_percent, tax_category, tax_rate, period_start, period_end
    from jsonb_populate_recordset(null::billing.sales_order_line, cast(:rows as jsonb))
"""
_WANTED = {
    "customer": "id, customer_number as key, currency",
    "item": "id, sku as key, unit_price, tax_category, tax_rate",
    "sales_order": "id, order_number as key",
}


def _check_period(start: date | None, end: date | None) -> None:
    if (start is None) != (end is None):
        raise ValueError("period_start and period_end go together")
    if start is not None and end is not None and start > end:
        raise ValueError(f"period_end {end} is before period_start {start} (BR-29, BR-30)")


def _known(connection: Connection, table: str, key: str, names: Iterable[str | None]) -> dict[str, Any]:
    wanted = sorted({name for name in names if name is not None})
    rows = connection.execute(
        text(
            f"""select {_WANTED[table]} from billing.{table} t
                where t.organization_id = organizations.current() and t.{key} = any(cast(:wanted as text[]))"""
        ),
        {"wanted": wanted},
    )
    return {row.key: row for row in rows}


def _unknown(place: int, row: NewOrder, customers: Mapping[str, Any], items: Mapping[str, Any]) -> Sequence[RowProblem]:
    if row.customer_number is not None and row.customer_number not in customers:
        return [
            RowProblem(place, "customer_number", f"this organization has no customer {repr(row.customer_number)[:60]}")
        ]
    for number, line in enumerate(row.lines, start=1):
        if line.sku is not None and line.sku not in items:
            return [RowProblem(place, f"lines[{number}].sku", f"this organization has no item {repr(line.sku)[:60]}")]
    return []


def _line(order: UUID, number: int, line: NewLine, items: Mapping[str, Any]) -> dict[str, Any]:
    values = line.model_dump(mode="json", exclude={"sku"})
    values.update(sales_order_id=str(order), line_number=number)
    if line.sku is not None:
        item = items[line.sku]
        values["item_id"] = str(item.id)
        if values["unit_price"] is None:
            values["unit_price"] = str(item.unit_price)
        if line.tax_category is None and line.tax_rate is None and item.tax_category is not None:
            values.update(tax_category=item.tax_category, tax_rate=str(item.tax_rate or 0))
    return values
