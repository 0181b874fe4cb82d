"""Customers, items and tax rates: added, or changed where they exist already.

Customer number, SKU, and category with rate identify them. A field that a row leaves out keeps its value, or gets its
default in a new row. Each function runs in the transaction of its connection, which must come from
`organization_scope`, and takes thousands of rows at once. Issued invoices hold copies, so nothing here changes them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field, model_validator
from sqlalchemy import Connection

from invoice_pipelines.billing.records.rows import (
    CountryCode,
    Currency,
    Language,
    LongText,
    Number,
    Percent,
    Price,
    Row,
    RowOutcome,
    TaxCategory,
    Text,
    UnitCode,
)
from invoice_pipelines.billing.records.writing import Table, ids_of, write_rows
from invoice_pipelines.einvoice.vat_categories import VAT_CATEGORIES


class NewCustomer(Row):
    """A customer: the buyer (BG-7) of invoices from now on."""

    customer_number: Text
    name: Text
    country_code: CountryCode
    email: Text | None = None
    phone: Text | None = None
    language: Language | None = None
    """of invoices; none: that of the organization"""
    currency: Currency | None = None
    """the only one of the orders; none: any"""
    vat_id: Text | None = None
    tax_number: Text | None = None
    buyer_reference: Text | None = None
    """BT-10, such as the Leitweg-ID of a German authority"""
    street: Text | None = None
    additional_street: Text | None = None
    city: Text | None = None
    post_code: Text | None = None
    is_active: bool = True


class NewItem(Row):
    """Something that is sold. `quantity_on_hand` is the stock as counted now; leave it out to keep what is booked."""

    sku: Text
    name: Text
    description: LongText | None = None
    unit_code: UnitCode = "C62"
    unit_price: Annotated[Price, Field(ge=0)] = Decimal(0)
    tax_category: TaxCategory | None = None
    tax_rate: Percent | None = None
    """percent; of the category S, the others are zero"""
    is_active: bool = True
    tracks_stock: bool = False
    quantity_on_hand: Annotated[Number, Field(ge=0, max_digits=15, decimal_places=3)] = Decimal(0)


class NewTaxRate(Row):
    """A VAT category (UNTDID 5305) with a rate that lines may have.

    Categories without VAT say why (BT-120, BT-121; BR-E-10, BR-AE-10, BR-IC-10, BR-G-10), but for the zero rate.
    """

    tax_category: TaxCategory
    rate: Percent
    name: Text
    exemption_reason: Text | None = None
    exemption_reason_code: Annotated[str, Field(pattern=r"^VATEX-[A-Z0-9-]+$")] | None = None
    is_active: bool = True

    @model_validator(mode="after")
    def _rate_fits_category(self) -> NewTaxRate:
        needs = VAT_CATEGORIES[self.tax_category].needs
        if ("rate" in needs) != (self.rate > 0):
            raise ValueError(
                f"category {self.tax_category} with a rate of {self.rate}: S is above zero, all others zero"
            )
        has_reason = self.exemption_reason is not None or self.exemption_reason_code is not None
        if ("reason" in needs) != has_reason:
            raise ValueError(
                f"category {self.tax_category} {'has no' if has_reason else 'needs an'} exemption_reason (or its code)"
            )
        return self


CUSTOMERS = Table("customer", NewCustomer, ("customer_number",))
ITEMS = Table("item", NewItem, ("sku",))
TAX_RATES = Table("tax_rate", NewTaxRate, ("tax_category", "rate"), has_author=False, has_rules=True)


def upsert_customers(
    connection: Connection, customers: Iterable[Row | Mapping[str, Any]], *, created_by: str
) -> list[RowOutcome]:
    """Adds customers, or changes those whose customer_number exists; what became of each, in the order given. A wrong
    one stops no other.
    """
    return write_rows(connection, CUSTOMERS, customers, created_by=created_by)


def upsert_items(
    connection: Connection, items: Iterable[Row | Mapping[str, Any]], *, created_by: str
) -> list[RowOutcome]:
    """Adds items, or changes those whose SKU exists. See upsert_customers."""
    return write_rows(connection, ITEMS, items, created_by=created_by)


def upsert_tax_rates(connection: Connection, tax_rates: Iterable[Row | Mapping[str, Any]]) -> list[RowOutcome]:
    """Adds tax rates, or changes those that exist by category and rate. See upsert_customers."""
    return write_rows(connection, TAX_RATES, tax_rates)


def add_customers(
    connection: Connection, customers: Iterable[NewCustomer | Mapping[str, Any]], *, created_by: str
) -> list[UUID]:
    """As upsert_customers, but all or none; returns their ids in the order given.

    Raises RowsRefused, which names rows and fields; then none was written.
    """
    return ids_of(write_rows(connection, CUSTOMERS, customers, created_by=created_by, all_or_none=True))


def add_items(connection: Connection, items: Iterable[NewItem | Mapping[str, Any]], *, created_by: str) -> list[UUID]:
    """As upsert_items, but all or none; see add_customers."""
    return ids_of(write_rows(connection, ITEMS, items, created_by=created_by, all_or_none=True))


def add_tax_rates(connection: Connection, tax_rates: Iterable[NewTaxRate | Mapping[str, Any]]) -> list[UUID]:
    """As upsert_tax_rates, but all or none; see add_customers."""
    return ids_of(write_rows(connection, TAX_RATES, tax_rates, all_or_none=True))
