"""Sales orders: what is to be invoiced."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Path, Query
from pydantic import ConfigDict

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.billing.records import lists
from invoice_pipelines.billing.records.rows import changes_of, only
from invoice_pipelines.billing.records.sales_orders import ChangedOrder, NewOrder, upsert_orders
from invoice_pipelines.web.api.billing.bulk import MOST_BYTES, BulkAnswer, Resource, Rows, examples
from invoice_pipelines.web.callers import At, Caller
from invoice_pipelines.web.paging import Page, PageQuery
from invoice_pipelines.web.routing import OrganizationRouter
from invoice_pipelines.web.values import Amount, Answer, Day, Exact, Instant, Text

router = OrganizationRouter(tags=["sales orders"])

Reference = Annotated[str, Path(description="Id or number of the order", examples=["4711"])]
Status = Literal["draft", "pending", "reviewed", "invoiced", "cancelled"]
_NEW = {
    "order_number": "4711",
    "customer_number": "C-1042",
    "order_date": "2026-03-31",
    "lines": [{"sku": "LAMP-1", "quantity": "2"}],
}


class OrderIn(NewOrder, Exact):
    """A sales order. What a line leaves out is taken from its item, the currency from the customer."""

    model_config = examples(_NEW)


class OrderRows(Rows):
    """Sales orders to be added or changed, known by their number."""

    model_config = examples({"rows": [_NEW, {"order_number": "4710", "status": "reviewed"}]})


class OrderChanges(changes_of(ChangedOrder, without=["order_number"]), Exact):  # type: ignore[misc]
    """What is to be different of an order. What is left out stays, null clears; `lines` replace all that it had."""

    model_config = examples({"status": "reviewed", "note": None})


_ORDER: dict[str, Any] = {
    "id": "0199a1b2-0000-7000-8000-000000000004",
    "order_number": "4711",
    "status": "pending",
    "customer_number": "C-1042",
    "customer_name": "Bauhaus Schmidt GmbH",
    "currency": "EUR",
    "net_amount": "37.50",
    "line_count": 1,
    "order_date": "2026-03-31",
    "delivery_date": None,
    "period_start": None,
    "period_end": None,
    "purchase_order_reference": "PO-88",
    "discount_percent": "0.00",
    "note": None,
    "invoice_number": None,
    "created_at": "2026-03-31T12:00:00Z",
    "created_by": "token shop",
    "updated_at": "2026-03-31T12:00:00Z",
}


class OrderOut(Resource):
    """An order. `net_amount` is the sum of its lines before its discount; `invoice_number` that of its invoice, unless
    that is void.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [_ORDER]})

    id: UUID
    order_number: str
    status: Status
    customer_number: str | None
    customer_name: str | None
    currency: str
    net_amount: Amount
    line_count: int
    order_date: Day
    delivery_date: Day | None
    period_start: Day | None
    period_end: Day | None
    purchase_order_reference: str | None
    discount_percent: Amount
    note: str | None
    invoice_number: str | None
    created_at: Instant
    created_by: str
    updated_at: Instant


class OrderLineOut(Answer):
    """A line of an order, with what it takes from its item."""

    line_number: int
    sku: str | None
    description: str | None
    quantity: Amount
    unit_code: str
    unit_price: Amount
    discount_percent: Amount
    tax_category: str | None
    tax_rate: Amount | None
    period_start: Day | None
    period_end: Day | None


class OrderEventOut(Answer):
    """A change of the status of an order, and who made it."""

    from_status: str | None
    to_status: str
    reason: str | None
    created_at: Instant
    created_by: str


class OrderDetail(OrderOut):
    """An order with its lines, and who changed its status."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    **_ORDER,
                    "lines": [
                        {
                            "line_number": 1,
                            "sku": "LAMP-1",
                            "description": "Desk lamp",
                            "quantity": "2.000",
                            "unit_code": "C62",
                            "unit_price": "18.7500",
                            "discount_percent": "0.00",
                            "tax_category": "S",
                            "tax_rate": "19.00",
                            "period_start": None,
                            "period_end": None,
                        }
                    ],
                    "events": [],
                }
            ]
        }
    )

    lines: list[OrderLineOut]
    events: list[OrderEventOut]


@router.get("/sales-orders", role=Role.VIEWER)
def list_sales_orders(
    caller: Caller,
    page: PageQuery,
    status: Annotated[list[Status] | None, Query(description="Only in one of these statuses")] = None,
    customer: Annotated[Text | None, Query(description="Only of the customer with this number")] = None,
    ordered_from: Annotated[Day | None, Query(description="Of this day or later")] = None,
    ordered_until: Annotated[Day | None, Query(description="Of this day or earlier")] = None,
    text: Annotated[
        Text | None, Query(max_length=200, description="Stands in its number, the buyer's, or the name of the customer")
    ] = None,
) -> Page[OrderOut]:
    """List sales orders, the newest first."""
    with caller.enter() as at:
        rows = lists.list_orders(
            at.connection,
            statuses=status,
            customer_number=customer,
            ordered_from=ordered_from,
            ordered_until=ordered_until,
            words=text,
            after=page.after_id,
            limit=page.one_more,
        )
    return page.of(rows, key=lambda row: row.id)


@router.post("/sales-orders", role=Role.ACCOUNTANT, area="billing", status_code=201)
def create_sales_order(caller: Caller, body: OrderIn) -> OrderDetail:
    """Add a sales order.

    What a line leaves out is taken from its item as it is now; the currency from the customer.
    """

    def create(at: At) -> OrderDetail:
        created = only(upsert_orders(at.connection, [body], created_by=at.entry.actor), is_new=True)
        return _shown(at, str(created)).made_at(at.url("sales-orders", created))

    return caller.once(body, create)


@router.post("/sales-orders/bulk", role=Role.ACCOUNTANT, area="billing", max_bytes=MOST_BYTES)
def upsert_sales_orders_in_bulk(caller: Caller, body: OrderRows) -> BulkAnswer:
    """Add or change up to 1,000 sales orders.

    Each row has its own outcome; a wrong one stops no other. An order is known by its number. One that is invoiced or
    cancelled is not changed.
    """

    def upsert(at: At) -> BulkAnswer:
        return BulkAnswer.of(upsert_orders(at.connection, body.rows, created_by=at.entry.actor))

    return caller.once(body, upsert)


@router.get("/sales-orders/{order}", role=Role.VIEWER)
def get_sales_order(caller: Caller, order: Reference) -> OrderDetail:
    """Get a sales order with its lines."""
    with caller.enter() as at:
        return _shown(at, order)


@router.patch("/sales-orders/{order}", role=Role.ACCOUNTANT, area="billing")
def change_sales_order(
    caller: Caller,
    order: Reference,
    body: OrderChanges,
) -> OrderDetail:
    """Change some fields of a sales order, or its status.

    What is left out stays, null clears; `lines` replace all that it had. An order that is invoiced stays as it is, and
    a cancelled one can only become a draft again.
    """
    with caller.enter() as at:
        found = lists.find_order(at.connection, order)
        row = {"order_number": found.order_number, **body.model_dump(exclude_unset=True)}
        only(upsert_orders(at.connection, [row], created_by=at.entry.actor), is_new=False)
        return _shown(at, str(found.id))


def _shown(at: At, reference: str) -> OrderDetail:
    found = lists.find_order(at.connection, reference)
    return OrderDetail.model_validate(
        {
            **{name: getattr(found, name) for name in found.__slots__},
            "lines": lists.lines_of_order(at.connection, found.id),
            "events": lists.events_of_order(at.connection, found.id),
        }
    )
