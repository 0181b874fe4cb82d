"""What is on record before an invoice: customers, items, tax rates and sales orders, in pages. Reads only.

The connection is in the scope of the organization. `after` is the last one of the page before.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, TypedDict, Unpack
from uuid import UUID

from sqlalchemy import Connection, text

from invoice_pipelines.billing.errors import BillingError, storable
from invoice_pipelines.database.filters import containing, narrowed, planned_by_order
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

    id: UUID
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
    connection: Connection,
    *,
    active: bool | None = None,
    words: str | None = None,
    after: str | None = None,
    limit: int = 50,
) -> list[Customer]:
    """Customers by number; `active` None: those that are and those that are not. `words` stand in the number, the name,
    the city, the email or the VAT id.
    """
    return _by_key(connection, _CUSTOMERS, active, words, after, limit)


def list_items(
    connection: Connection,
    *,
    active: bool | None = None,
    words: str | None = None,
    after: str | None = None,
    limit: int = 50,
) -> list[Item]:
    """Items by SKU; `active` None: those that are and those that are not. `words` stand in the SKU, the name or the
    description.
    """
    return _by_key(connection, _ITEMS, active, words, after, limit)


def find_customer(connection: Connection, reference: str) -> Customer:
    """The customer with a number or id. Raises BillingError."""
    found: Customer = _one(connection, _CUSTOMERS, reference)
    return found


def find_item(connection: Connection, reference: str) -> Item:
    """The item with a SKU or id. Raises BillingError."""
    found: Item = _one(connection, _ITEMS, reference)
    return found


def find_tax_rate(connection: Connection, tax_rate_id: UUID) -> TaxRate:
    """A tax rate. Raises BillingError."""
    for found in list_tax_rates(connection):
        if found.id == tax_rate_id:
            return found
    raise BillingError(f"This organization has no tax rate {tax_rate_id}.", code="TAX_RATE_NOT_FOUND")


def list_tax_rates(connection: Connection) -> list[TaxRate]:
    """All tax rates, by category and rate."""
    rows = connection.execute(
        text(
            f"""select {", ".join(TaxRate.__slots__)} from billing.tax_rate
                where organization_id = (select organizations.current()) order by tax_category, rate"""
        )
    )
    return [TaxRate(*row) for row in rows]


class SoughtOrders(TypedDict, total=False):
    """What narrows a list of orders; None: nothing. Both ends of dates are included; `words` stand in the number of the
    order or that of the buyer, or in the name of the customer. `limit` is 50 if it is not given.
    """

    statuses: Sequence[str] | None
    customer_number: str | None
    ordered_from: date | None
    ordered_until: date | None
    words: str | None
    after: UUID | None
    limit: int


def list_orders(connection: Connection, **sought: Unpack[SoughtOrders]) -> list[SalesOrder]:
    """Sales orders, the newest first."""
    return _orders(connection, orders_matching(connection, **sought))


def orders_matching(connection: Connection, **sought: Unpack[SoughtOrders]) -> list[UUID]:
    """The ids of the orders that list_orders shows, for whoever does something with many of them."""
    statuses, words = sought.get("statuses"), sought.get("words")
    ordered_from, ordered_until = sought.get("ordered_from"), sought.get("ordered_until")
    customer_id: UUID | None = None
    if (customer_number := sought.get("customer_number")) is not None:
        customer_id = _id_of(connection, "customer", "customer_number", customer_number)
        if customer_id is None:
            return []
    conditions, values = narrowed(
        {
            "statuses": (
                "o.status = any (cast(:statuses as text[]))",
                None if statuses is None else list(statuses),
            ),
            "customer_id": ("o.customer_id = :customer_id", customer_id),
            "ordered_from": ("o.order_date >= :ordered_from", ordered_from),
            "ordered_until": ("o.order_date <= :ordered_until", ordered_until),
            "words": (
                "concat_ws(' ', o.order_number, o.purchase_order_reference, c.name) ilike :words",
                containing(None if words is None else storable(words)),
            ),
            "after": ("o.id < :after", sought.get("after")),
        }
    )
    source = _ORDERS
    is_rare = any(limits is not None for limits in (words, statuses, ordered_from, ordered_until))
    if customer_id is not None and (is_rare or _are_few(connection, customer_id)):
        source = _ORDERS_OF_CUSTOMER
    # Statuses have an index of what is open, which the planner may prefer; else the way is along the ids.
    with nullcontext() if statuses is not None else planned_by_order(connection):
        page = connection.execute(
            text(
                f"""select o.id from {source} o {"" if words is None else _CUSTOMER}
                    where o.organization_id = (select organizations.current()) {conditions}
                    order by o.id desc limit :limit"""
            ),
            {"limit": sought.get("limit", 50), **values},
        ).scalars()
    return list(page)


def find_order(connection: Connection, reference: str) -> SalesOrder:
    """The order with a number or id. Raises BillingError."""
    order_id = _id_of(connection, "sales_order", "order_number", reference)
    found = [] if order_id is None else _orders(connection, [order_id])
    if not found:
        raise BillingError(f"This organization has no sales order {reference[:60]!r}.", code="SALES_ORDER_NOT_FOUND")
    return found[0]


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
               where organization_id = (select organizations.current()) and sales_order_id = :id order by id"""
        ),
        {"id": order_id},
    )
    return [OrderEvent(*row) for row in rows]


def _are_few(connection: Connection, customer_id: UUID) -> bool:
    """Whether a customer has so few orders that a page of them is found by all; of more, the latest come soon."""
    found = connection.execute(
        text(f"select count(*) from ({_IDS_OF_CUSTOMER} limit {_MANY}) k"), {"customer_id": customer_id}
    ).scalar_one()
    return bool(found < _MANY)


def _orders(connection: Connection, ids: Sequence[UUID]) -> list[SalesOrder]:
    """What is shown of orders, in the order given; those that the organization does not have are left out."""
    with planned_by_order(connection):
        rows = connection.execute(text(_SHOWN), {"ids": list(ids)}).all()
    return [SalesOrder(*row) for row in rows]


_MANY = 5_000
_ORDERS = "billing.sales_order"
# What is invoiced is found by its invoices, so that an order that is invoiced writes no further index.
# demanded by test_a_page_is_read_without_the_rest
_IDS_OF_CUSTOMER = """
    select k.id from billing.sales_order k
    where k.organization_id = organizations.current() and k.customer_id = :customer_id and k.status <> 'invoiced'
    union all
    select i.sales_order_id from billing.invoice i
    where i.organization_id = (select organizations.current()) and i.customer_id = :customer_id and i.status <> 'void'
      and i.document_kind = 'invoice' and i.sales_order_id is not null"""
_ORDERS_OF_CUSTOMER = f"""(
    select o.* from ({_IDS_OF_CUSTOMER}) k
    cross join lateral (
        select * from billing.sales_order o
        where o.organization_id = (select organizations.current()) and o.id = k.id offset 0) o)"""
_CUSTOMER = """
    left join lateral (
        select c.customer_number, c.name from billing.customer c
        where c.organization_id = o.organization_id and c.id between o.customer_id and o.customer_id
        order by c.id) c on true"""
_SHOWN = f"""
    select o.id, o.order_number, o.status, c.customer_number, c.name, o.currency, l.net_amount, l.line_count,
           o.order_date, o.delivery_date, o.period_start, o.period_end, o.purchase_order_reference, o.discount_percent,
           o.note, n.invoice_number, o.created_at, o.created_by, o.updated_at
    from unnest(cast(:ids as uuid[])) with ordinality k (id, place)
    cross join lateral (
        select * from billing.sales_order o
        where o.organization_id = (select organizations.current()) and o.id between k.id and k.id order by o.id) o
    {_CUSTOMER}
    cross join lateral (
        select coalesce(sum(round(l.quantity * l.unit_price * (1 - l.discount_percent / 100), 2)), 0) as net_amount,
               count(*) as line_count
        from billing.sales_order_line l
        where l.organization_id = o.organization_id and l.sales_order_id = o.id) l
    left join lateral (
        select i.id from billing.invoice i
        where i.organization_id = o.organization_id and i.sales_order_id between o.id and o.id and i.status <> 'void'
          and i.document_kind = 'invoice'
        order by i.sales_order_id) i on true
    left join lateral (
        select n.invoice_number from billing.invoice_number n
        where n.organization_id = o.organization_id and n.invoice_id between i.id and i.id
        order by n.invoice_id) n on true
    order by k.place"""


@dataclass(frozen=True, slots=True)
class _List:
    """A table that is listed by a key."""

    model: type[Any]
    table: str
    key: str
    words: str
    """what is searched for words"""


_CUSTOMERS = _List(Customer, "customer", "customer_number", "customer_number, name, city, email, vat_id")
_ITEMS = _List(Item, "item", "sku", "sku, name, description")


def _by_key(
    connection: Connection, listed: _List, active: bool | None, words: str | None, after: str | None, limit: int
) -> list[Any]:
    key = listed.key
    conditions, values = narrowed(
        {
            "active": ("is_active = :active", active),
            "words": (
                f"concat_ws(' ', {listed.words}) ilike :words",
                containing(None if words is None else storable(words)),
            ),
            "after": (f"{key} > :after", None if after is None else storable(after)),
        }
    )
    rows = connection.execute(
        text(
            f"""select {", ".join(listed.model.__slots__)} from billing.{listed.table}
                where organization_id = (select organizations.current()) and {key} <> '' {conditions}
                order by {key} limit :limit"""
        ),
        {"limit": limit, **values},
    )
    return [listed.model(*row) for row in rows]


def _one(connection: Connection, listed: _List, reference: str) -> Any:
    found = _id_of(connection, listed.table, listed.key, reference)
    row = connection.execute(
        text(
            f"""select {", ".join(listed.model.__slots__)} from billing.{listed.table}
                where organization_id = (select organizations.current()) and id = :id"""
        ),
        {"id": found},
    ).one_or_none()
    if row is None:
        raise BillingError(
            f"This organization has no {listed.table} {reference[:60]!r}.", code=f"{listed.table.upper()}_NOT_FOUND"
        )
    return listed.model(*row)


def _id_of(connection: Connection, table: str, key: str, reference: str) -> UUID | None:
    """The id of what has a key; or else what was given, if that is an id."""
    found: UUID | None = connection.execute(
        text(f"select id from billing.{table} where organization_id = organizations.current() and {key} = :wanted"),
        {"wanted": storable(reference)},
    ).scalar_one_or_none()
    if found is None:
        with suppress(ValueError):
            return UUID(reference)
    return found
