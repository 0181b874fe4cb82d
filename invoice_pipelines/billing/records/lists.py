"""What is on record before an invoice: customers, items, tax rates and sales orders, in pages. Reads only.

The connection is in the scope of the organization. `after` is the last one of the page before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from invoice_pipelines.billing.errors import BillingError, storable
from invoice_pipelines.database.ids import find_id


@dataclass(frozen=True, slots=True)
class Customer:
    """A customer, as orders are invoiced to it."""

    id: UUID
    customer_number: str
    name: str
    email: str | None
    phone: str | None
    language: str | None
    currency: str | None
    vat_id: str | None
    tax_number: str | None
    buyer_reference: str | None
    street: str | None
    additional_street: str | None
    city: str | None
    post_code: str | None
    country_code: str
    is_active: bool
    created_at: datetime
    created_by: str
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Item:
    """Something that is sold, with its stock where that is kept."""

    id: UUID
    sku: str
    name: str
    description: str | None
    unit_code: str
    unit_price: Decimal
    tax_category: str | None
    tax_rate: Decimal | None
    is_active: bool
    tracks_stock: bool
    quantity_on_hand: Decimal
    created_at: datetime
    created_by: str
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class TaxRate:
    """A rate that invoices may have."""

    tax_category: str
    rate: Decimal
    name: str
    exemption_reason: str | None
    exemption_reason_code: str | None
    is_active: bool


@dataclass(frozen=True, slots=True)
class SalesOrder:
    """An order. `net_amount` is the sum of its lines before its discount; `invoice_number` that of its invoice, unless
    that is void.
    """

    id: UUID
    order_number: str
    status: str
    customer_number: str | None
    customer_name: str | None
    currency: str
    net_amount: Decimal
    line_count: int
    order_date: date
    delivery_date: date | None
    period_start: date | None
    period_end: date | None
    purchase_order_reference: str | None
    discount_percent: Decimal
    note: str | None
    invoice_number: str | None
    created_at: datetime
    created_by: str
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class OrderLine:
    """A line of an order, with what it takes from its item."""

    line_number: int
    sku: str | None
    description: str | None
    quantity: Decimal
    unit_code: str
    unit_price: Decimal
    discount_percent: Decimal
    tax_category: str | None
    tax_rate: Decimal | None
    period_start: date | None
    period_end: date | None


@dataclass(frozen=True, slots=True)
class OrderEvent:
    """A change of an order's status, and who made it."""

    from_status: str | None
    to_status: str
    reason: str | None
    created_at: datetime
    created_by: str


def list_customers(
    connection: Connection, *, active: bool | None = None, after: str | None = None, limit: int = 50
) -> list[Customer]:
    """Customers by number; `active` None: those that are and those that are not."""
    return _by_key(connection, Customer, "customer", "customer_number", active, after, limit)


def list_items(
    connection: Connection, *, active: bool | None = None, after: str | None = None, limit: int = 50
) -> list[Item]:
    """Items by SKU; `active` None: those that are and those that are not."""
    return _by_key(connection, Item, "item", "sku", active, after, limit)


def find_customer(connection: Connection, customer_number: str) -> Customer:
    """The customer with a number. Raises BillingError."""
    found: Customer = _one(connection, Customer, "customer", "customer_number", customer_number)
    return found


def find_item(connection: Connection, sku: str) -> Item:
    """The item with a SKU. Raises BillingError."""
    found: Item = _one(connection, Item, "item", "sku", sku)
    return found


def list_tax_rates(connection: Connection) -> list[TaxRate]:
    """All tax rates, by category and rate."""
    rows = connection.execute(
        text(
            f"""select {", ".join(TaxRate.__slots__)} from billing.tax_rate
                where organization_id = organizations.current() order by tax_category, rate"""
        )
    )
    return [TaxRate(*row) for row in rows]


def list_orders(
    connection: Connection,
    *,
    statuses: Sequence[str] | None = None,
    customer_number: str | None = None,
    after: UUID | None = None,
    limit: int = 50,
) -> list[SalesOrder]:
    """Sales orders, the newest first."""
    rows = connection.execute(
        text(
            f"""{_ORDERS}
                where o.organization_id = organizations.current()
                  and (cast(:statuses as text[]) is null or o.status = any (cast(:statuses as text[])))
                  and (cast(:customer as text) is null or c.customer_number = :customer)
                  and (cast(:after as uuid) is null or o.id < cast(:after as uuid))
                order by o.id desc limit :limit"""
        ),
        {
            "statuses": None if statuses is None else list(statuses),
            "customer": None if customer_number is None else storable(customer_number),
            "after": after,
            "limit": limit,
        },
    )
    return [SalesOrder(*row) for row in rows]


def find_order(connection: Connection, order_number: str) -> SalesOrder:
    """The order with a number. Raises BillingError."""
    row = connection.execute(
        text(f"{_ORDERS} where o.organization_id = organizations.current() and o.order_number = :number"),
        {"number": storable(order_number)},
    ).one_or_none()
    if row is None:
        raise BillingError(f"This organization has no sales order {order_number[:60]!r}.")
    return SalesOrder(*row)


def find_order_id(connection: Connection, written: str) -> UUID:
    """The id of the order whose id begins or ends with what was written. Raises UnknownId."""
    return find_id(connection, "billing.sales_order", written, "an order", "orders list")


def lines_of_order(connection: Connection, order_id: UUID) -> list[OrderLine]:
    """The lines of an order."""
    rows = connection.execute(
        text(
            """select l.line_number, i.sku, coalesce(l.description, i.name), l.quantity,
                      coalesce(l.unit_code, i.unit_code, 'C62'), l.unit_price, l.discount_percent, l.tax_category,
                      l.tax_rate, l.period_start, l.period_end
               from billing.sales_order_line l
               left join billing.item i on i.organization_id = l.organization_id and i.id = l.item_id
               where l.organization_id = organizations.current() and l.sales_order_id = :id order by l.line_number"""
        ),
        {"id": order_id},
    )
    return [OrderLine(*row) for row in rows]


def events_of_order(connection: Connection, order_id: UUID) -> list[OrderEvent]:
    """Who changed the status of an order, the first change first. That it was invoiced, its invoice says."""
    rows = connection.execute(
        text(
            """select from_status, to_status, reason, created_at, created_by from billing.sales_order_event
               where organization_id = organizations.current() and sales_order_id = :id order by id"""
        ),
        {"id": order_id},
    )
    return [OrderEvent(*row) for row in rows]


_ORDERS = """
    select o.id, o.order_number, o.status, c.customer_number, c.name, o.currency, l.net_amount, l.line_count,
           o.order_date, o.delivery_date, o.period_start, o.period_end, o.purchase_order_reference, o.discount_percent,
           o.note, i.invoice_number, o.created_at, o.created_by, o.updated_at
    from billing.sales_order o
    left join billing.customer c on c.organization_id = o.organization_id and c.id = o.customer_id
    cross join lateral (
        select coalesce(sum(round(l.quantity * l.unit_price * (1 - l.discount_percent / 100), 2)), 0) as net_amount,
               count(*) as line_count
        from billing.sales_order_line l
        where l.organization_id = o.organization_id and l.sales_order_id = o.id) l
    left join lateral (
        select n.invoice_number from billing.invoice i
        join billing.invoice_number n on n.organization_id = i.organization_id and n.invoice_id = i.id
        where i.organization_id = o.organization_id and i.sales_order_id = o.id and i.status <> 'void'
          and i.document_kind = 'invoice') i on true"""


def _by_key(
    connection: Connection, model: type[Any], table: str, key: str, active: bool | None, after: str | None, limit: int
) -> list[Any]:
    rows = connection.execute(
        text(
            f"""select {", ".join(model.__slots__)} from billing.{table}
                where organization_id = organizations.current()
                  and (cast(:active as boolean) is null or is_active = :active)
                  and (cast(:after as text) is null or {key} > :after)
                order by {key} limit :limit"""
        ),
        {"active": active, "after": None if after is None else storable(after), "limit": limit},
    )
    return [model(*row) for row in rows]


def _one(connection: Connection, model: type[Any], table: str, key: str, wanted: str) -> Any:
    row = connection.execute(
        text(
            f"""select {", ".join(model.__slots__)} from billing.{table}
                where organization_id = organizations.current() and {key} = :wanted"""
        ),
        {"wanted": storable(wanted)},
    ).one_or_none()
    if row is None:
        raise BillingError(f"This organization has no {table} {wanted[:60]!r}.")
    return model(*row)
