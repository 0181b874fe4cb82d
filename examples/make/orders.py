"""What the sales orders of the examples are made from, and what must become of each when all of an organization
are invoiced at once, in their order.

The outcome is worked out here from EN 16931 (BR-CO-10 to BR-CO-17: VAT once per category and rate) and from the stock
as it goes down order by order. Who buys what stands in `sales_orders`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

DIGITS = {"JPY": 0}
"""Digits after the point, where these are not two."""


@dataclass(frozen=True)
class Item:
    sku: str
    name: str
    unit: str  # UN/ECE Recommendation 20
    price: str
    rate: str
    stock: str | None = None
    is_active: bool = True
    category: str = "S"


@dataclass(frozen=True)
class Customer:
    """A buyer. `category` is that of all its lines (UNTDID 5305); None: that of the item."""

    number: str
    name: str
    street: str
    post_code: str
    city: str
    country: str
    email: str
    language: str | None = None
    currency: str | None = None
    vat_id: str | None = None
    buyer_reference: str | None = None
    category: str | None = None
    is_active: bool = True


@dataclass(frozen=True)
class Line:
    """`item` by its SKU, or None for what is in no catalogue. Without price and rate, those of the item."""

    item: str | None
    quantity: str
    price: str | None = None
    discount: str = "0"
    description: str | None = None
    category: str | None = None
    rate: str | None = None
    period: tuple[str, str] | None = None


@dataclass(frozen=True)
class Order:
    """`refused` is the code with which it must fail; None: it becomes an invoice unless the stock is not enough."""

    lines: Sequence[Line]
    customer: str | None
    refused: str | None = None
    currency: str | None = None
    status: str = "pending"
    discount: str = "0"
    purchase_order: str | None = None
    note: str | None = None
    period: tuple[str, str] | None = None  # else it has a date of delivery


@dataclass
class Book:
    """The master data and orders of an organization. What a euro is worth stands by currency and day."""

    currency: str
    prefix: str
    tax_rates: Sequence[Mapping[str, Any]]
    customers: Sequence[Customer]
    items: Sequence[Item]
    orders: Sequence[Order]
    euro_rates: Mapping[tuple[str, str], str] = field(default_factory=dict)
    stock: dict[str, Decimal] = field(init=False)

    def __post_init__(self) -> None:
        self.stock = {item.sku: Decimal(item.stock) for item in self.items if item.stock is not None}

    def as_json(self, slug: str) -> dict[str, Any]:
        """What stands in `sales_orders.json`; examples/README.md explains it."""
        orders = [self._order(number, order) for number, order in enumerate(self.orders, start=1)]
        return {
            "slug": slug,
            "tax_rates": list(self.tax_rates),
            "exchange_rates": [
                {"base_currency": "EUR", "currency": currency, "rate_date": day, "rate": rate, "source": "demo"}
                for (currency, day), rate in self.euro_rates.items()
            ],
            "customers": [_customer(customer) for customer in self.customers],
            "items": [_item(item) for item in self.items],
            "orders": orders,
            "stock_afterwards": {sku: str(left) for sku, left in self.stock.items()},
        }

    def _order(self, number: int, order: Order) -> dict[str, Any]:
        customers = {customer.number: customer for customer in self.customers}
        items = {item.sku: item for item in self.items}
        customer = customers[order.customer] if order.customer else None
        currency = order.currency or (customer and customer.currency) or self.currency
        lines = [_line(line, items, customer) for line in order.lines]
        refused = order.refused or self._take(lines)
        day = 1 + (number - 1) * 2 % 28
        row = {
            "order_number": f"{self.prefix}{number:04}",
            "customer_number": order.customer,
            "status": order.status,
            "currency": currency,
            "order_date": f"2026-0{1 + number // 15}-{day:02}",
            "delivery_date": None if order.period else f"2026-0{2 + number // 15}-{day:02}",
            **_period(order.period),
            "purchase_order_reference": order.purchase_order,
            "discount_percent": order.discount,
            "note": order.note,
            "lines": lines,
        }
        return {
            "order": _given(row),
            "refused": refused,
            "gross_amount": None if refused else str(gross_amount(lines, Decimal(order.discount), currency)),
        }

    def _take(self, lines: Iterable[Mapping[str, Any]]) -> str | None:
        """Takes the stock of all lines, or of none."""
        wanted: dict[str, Decimal] = {}
        for line in lines:
            if line.get("sku") in self.stock:
                wanted[line["sku"]] = wanted.get(line["sku"], Decimal(0)) + Decimal(line["quantity"])
        if any(self.stock[sku] < quantity for sku, quantity in wanted.items()):
            return "INSUFFICIENT_STOCK"
        for sku, quantity in wanted.items():
            self.stock[sku] -= quantity
        return None


def gross_amount(lines: Iterable[Mapping[str, Any]], discount: Decimal, currency: str) -> Decimal:
    """The amount of an invoice with VAT (BT-112)."""

    def rounded(value: Decimal) -> Decimal:
        return value.quantize(Decimal(1).scaleb(-DIGITS.get(currency, 2)), ROUND_HALF_UP)

    sums: dict[tuple[str, Decimal], Decimal] = {}
    for line in lines:
        net = Decimal(line["quantity"]) * Decimal(line["unit_price"]) * (100 - Decimal(line["discount_percent"])) / 100
        key = line["tax_category"], Decimal(line["tax_rate"])
        sums[key] = sums.get(key, Decimal(0)) + rounded(net)
    gross = Decimal(0)
    for (_, rate), amount in sums.items():
        taxable = amount - rounded(amount * discount / 100)
        gross += taxable + rounded(taxable * rate / 100)
    return gross


def _line(line: Line, items: Mapping[str, Item], customer: Customer | None) -> dict[str, Any]:
    item = items[line.item] if line.item else None
    category = line.category or (customer and customer.category) or (item.category if item else "S")
    rate = line.rate or ("0" if category != "S" else item.rate if item else "0")
    row = {
        "sku": line.item,
        "description": line.description,
        "quantity": line.quantity,
        "unit_price": line.price or (item.price if item else None),
        "discount_percent": line.discount,
        "tax_category": category,
        "tax_rate": rate,
        **_period(line.period),
    }
    return _given(row)


def _period(days: tuple[str, str] | None) -> dict[str, str | None]:
    start, end = days or (None, None)
    return {"period_start": start, "period_end": end}


def _customer(customer: Customer) -> dict[str, Any]:
    return _given(
        {
            "customer_number": customer.number,
            "name": customer.name,
            "street": customer.street,
            "post_code": customer.post_code,
            "city": customer.city,
            "country_code": customer.country,
            "email": customer.email,
            "language": customer.language,
            "currency": customer.currency,
            "vat_id": customer.vat_id,
            "buyer_reference": customer.buyer_reference,
            "is_active": customer.is_active,
        }
    )


def _item(item: Item) -> dict[str, Any]:
    row = {
        "sku": item.sku,
        "name": item.name,
        "unit_code": item.unit,
        "unit_price": item.price,
        "tax_category": item.category,
        "tax_rate": item.rate,
        "is_active": item.is_active,
    }
    if item.stock is not None:
        row |= {"tracks_stock": True, "quantity_on_hand": item.stock}
    return row


def _given(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value is not None}
