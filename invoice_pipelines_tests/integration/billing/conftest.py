"""Fixtures of billing: an organization that sells, and short ways to fill its books."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Connection, text

from invoice_pipelines.billing.processing import InvoicingReport, process_jobs
from invoice_pipelines.billing.promises import PROMISES
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines_tests.conftest import TestDatabase, open_organization
from invoice_pipelines_tests.support.billing.shop import Shop, open_shop
from invoice_pipelines_tests.support.organization_view import OrganizationView

RATES = (
    ("S", "19", None),
    ("S", "7", None),
    ("S", "5.5", None),
    ("Z", "0", None),
    ("E", "0", "Medical care"),
    ("AE", "0", "Reverse charge"),
    ("K", "0", "Intra-community supply"),
    ("G", "0", "Export outside the EU"),
)
"""The tax rates of every test organization: category, percent, reason."""
EXCHANGE_RATES = {"JPY": "160.12", "KWD": "0.3327", "USD": "1.0823"}
"""What one euro is worth to every test organization, all the time."""


@dataclass(frozen=True)
class Item:
    """What became of an item of a job."""

    status: str
    code: str | None
    message: str | None


class BillingDesk(OrganizationView):
    """One organization that sells: short ways to fill its books and to bill."""

    def behind(self, statement: str) -> None:
        """Changes something as the superuser, as no application could."""
        with self.superuser.begin() as connection:
            connection.exec_driver_sql(statement.format(organization=self.organization_id))

    def customer(self, **columns: Any) -> UUID:
        columns = {"customer_number": f"C-{uuid4()}", "name": "Buyer AG", "country_code": "DE"} | columns
        return self._insert("customer", columns)

    def item(self, **columns: Any) -> UUID:
        columns = {"sku": f"I-{uuid4()}", "name": "Bolt", "unit_price": 1} | columns
        return self._insert("item", columns)

    def stocked(self, quantity: Decimal | int | str, **columns: Any) -> UUID:
        """An item of which so much is on hand."""
        return self.item(tracks_stock=True, quantity_on_hand=quantity, **columns)

    def _insert(self, table: str, columns: Mapping[str, Any]) -> UUID:
        names = ", ".join(columns)
        values = ", ".join(f":{name}" for name in columns)
        return self.value(
            f"""insert into billing.{table} (organization_id, {names})
                values (organizations.current(), {values}) returning id""",
            **columns,
        )

    def order(self, *lines: Mapping[str, Any], **columns: Any) -> UUID:
        """A reviewed order; without `lines` it has one line of 10.00 at 19 %. See `line`."""
        return self.orders([{"lines": list(lines or [line()])} | columns])[0]

    def orders(self, orders: Sequence[Mapping[str, Any]]) -> list[UUID]:
        """Many orders at once, each with `lines` and columns of its own."""
        with self.scope() as connection:
            customer = self._usual_customer(connection)
            given = [
                {
                    "id": str(uuid4()),
                    "order_number": f"O-{uuid4()}",
                    "customer_id": customer,
                    "status": "reviewed",
                    "currency": "EUR",
                    "order_date": "2026-01-02",
                    "delivery_date": "2026-01-03",
                    "discount_percent": 0,
                    **order,
                }
                for order in orders
            ]
            connection.execute(
                text(
                    """insert into billing.sales_order (
                           organization_id, id, order_number, customer_id, status, currency, order_date, delivery_date,
                           period_start, period_end, purchase_order_reference, discount_percent, note)
                       select organizations.current(), o.id, o.order_number, o.customer_id,
                              o.status, o.currency, o.order_date, o.delivery_date, o.period_start, o.period_end,
                              o.purchase_order_reference, o.discount_percent, o.note
                       from jsonb_to_recordset(cast(:orders as jsonb)) as o (
                           id uuid, order_number text, customer_id uuid, status text, currency text, order_date date,
                           delivery_date date, period_start date, period_end date, purchase_order_reference text,
                           discount_percent numeric, note text)"""
                ),
                {"orders": json.dumps([{**order, "lines": None} for order in given], default=str)},
            )
            lines = [
                {"sales_order_id": order["id"], "line_number": number} | dict(entry)
                for order in given
                for number, entry in enumerate(order["lines"], 1)
            ]
            connection.execute(
                text(
                    """insert into billing.sales_order_line (
                           organization_id, sales_order_id, line_number, item_id, description, quantity, unit_price,
                           discount_percent, tax_category, tax_rate, period_start, period_end)
                       select organizations.current(), l.*
                       from jsonb_to_recordset(cast(:lines as jsonb)) as l (
                           sales_order_id uuid, line_number integer, item_id uuid, description text, quantity numeric,
                           unit_price numeric, discount_percent numeric, tax_category text, tax_rate numeric,
                           period_start date, period_end date)"""
                ),
                {"lines": json.dumps(lines, default=str)},
            )
        return [UUID(str(order["id"])) for order in given]

    def many_orders(self, count: int, lines: int = 3, items: Sequence[UUID] = ()) -> list[UUID]:
        """Orders of the usual customer, made by the database. Their items are taken in turn."""
        with self.scope() as connection:
            ids = connection.execute(
                text(
                    """insert into billing.sales_order (organization_id, order_number, customer_id, status, currency,
                                                        order_date)
                       select organizations.current(), 'M-' || uuidv7(), :customer, 'reviewed',
                              'EUR', date '2026-01-02'
                       from generate_series(1, :count) returning id"""
                ),
                {"customer": self._usual_customer(connection), "count": count},
            ).scalars()
            orders = list(ids)
            connection.execute(
                text(
                    """insert into billing.sales_order_line (organization_id, sales_order_id, line_number, item_id,
                                                             description, quantity, unit_price, tax_category, tax_rate)
                       select organizations.current(), o.id, n,
                              (cast(:items as uuid[]))[1 + (o.place * :lines + n) % greatest(1, cardinality(
                                  cast(:items as uuid[])))],
                              'Work', n, 9.99, 'S', 19
                       from unnest(cast(:orders as uuid[])) with ordinality o (id, place), generate_series(1, :lines) n
                    """
                ),
                {"items": list(items), "orders": orders, "lines": lines},
            )
        return orders

    def _usual_customer(self, connection: Connection) -> UUID:
        found = connection.execute(
            text("select id from billing.customer where customer_number = 'usual'")
        ).scalar_one_or_none()
        return (
            found
            or connection.execute(
                text(
                    """insert into billing.customer (organization_id, customer_number, name, country_code, vat_id)
                   values (organizations.current(), 'usual', 'Usual GmbH', 'DE', 'DE136695976')
                   returning id"""
                )
            ).scalar_one()
        )

    def ask(self, order_ids: Sequence[object], **request: Any) -> UUID:
        """Asks for invoices of orders; returns the job. The date is today unless `invoice_date` is given."""
        values = {"invoice_date": None, "due_days": 14, "language": None, "creator": "anna"} | request
        return self.value(
            """select job_id from billing.batch_invoice_orders(
                   cast(:orders as text[]), cast(:invoice_date as date), :due_days, :language, :creator)""",
            orders=[None if order is None else str(order) for order in order_ids],
            **values,
        )

    @cached_property
    def opened(self) -> OrganizationContext:
        """As it was when it was opened: some tests store settings that no application would."""
        return self.context()

    def work(self, job_id: UUID | None = None, chunk_size: int = 1000) -> InvoicingReport:
        return process_jobs(self.opened, job_id=job_id, chunk_size=chunk_size)

    def invoice(self, order_ids: Sequence[object], chunk_size: int = 1000, **request: Any) -> dict[str, Item]:
        """Asks and works at once; what became of each order."""
        job_id = self.ask(order_ids, **request)
        self.work(job_id, chunk_size)
        return self.outcomes(job_id)

    def one(self, order_id: UUID, **request: Any) -> Item:
        """What becomes of one order."""
        return self.invoice([order_id], **request)[str(order_id)]

    def issue(self, *lines: Mapping[str, Any], **columns: Any) -> UUID:
        """An issued invoice of a new order; its id."""
        order_id = self.order(*lines, **columns)
        item = self.one(order_id)
        assert item.status == "succeeded", item
        return self.invoice_of(order_id)

    def outcomes(self, job_id: UUID) -> dict[str, Item]:
        rows = self.rows(
            """select subject_id, status, error_code, error_message from work.batch_item
               where job_id = :job order by id""",
            job=job_id,
        )
        return {row[0]: Item(*row[1:]) for row in rows}

    def job(self, job_id: UUID) -> Any:
        return self.rows("select * from work.batch_job where id = :job", job=job_id)[0]

    def invoice_of(self, order_id: UUID) -> UUID:
        return self.value(
            "select id from billing.issued_invoice where sales_order_id = :order and status <> 'void'", order=order_id
        )

    def numbers(self, series: str = "invoice", period: str | None = None) -> list[int]:
        return [
            row[0]
            for row in self.rows(
                """select number from billing.invoice_number where series = :series
                   and (cast(:period as text) is null or period = :period) order by period, number""",
                series=series,
                period=period,
            )
        ]

    def on_hand(self, item_id: UUID) -> Decimal:
        return self.value("select quantity_on_hand from billing.item where id = :item", item=item_id)

    def set_settings(self, **settings: Any) -> None:
        self.rows(
            "update organizations.organization set settings = settings || cast(:settings as jsonb)",
            settings=json.dumps(settings),
        )

    @property
    def today(self) -> date:
        return self.value("select billing.today()")

    def assert_in_order(self) -> None:
        """The books keep all promises: no gap, no double, every order invoiced once or not at all, and so on."""
        with self.scope() as connection:
            found = {promise.name: promise.find(connection, None) for promise in PROMISES if promise.find}
        assert {name: finding for name, finding in found.items() if not finding.kept} == {}


def line(
    quantity: object = 1, unit_price: object = 10, category: str | None = "S", rate: object = 19, **more: Any
) -> Any:
    """A line of an order as `BillingDesk.order` takes it."""
    if "item_id" not in more:
        more.setdefault("description", "Work")
    entry = {"quantity": quantity, "unit_price": unit_price, "tax_category": category, "tax_rate": rate}
    return {"discount_percent": 0} | entry | more


def open_desk(database: TestDatabase, **registered: Any) -> BillingDesk:
    """A new organization with tax rates."""
    desk = open_organization(database, BillingDesk, **{"vat_id": "DE123456788"} | registered)
    assert desk.opened.id == desk.organization_id
    with desk.scope() as connection:
        connection.execute(
            text(
                """insert into billing.tax_rate (organization_id, tax_category, rate, name, exemption_reason)
                   values (organizations.current(), :category, :rate, :name, :reason)"""
            ),
            [
                {"category": category, "rate": rate, "name": f"{category} {rate}", "reason": reason}
                for category, rate, reason in RATES
            ],
        )
        connection.execute(
            text(
                """insert into billing.exchange_rate (organization_id, base_currency, currency, rate_date, rate, source)
                   select organizations.current(), 'EUR', r.key, d::date, r.value::numeric, 'ECB'
                   from jsonb_each_text(cast(:rates as jsonb)) r,
                        generate_series(date '2023-06-01', current_date, interval '7 days') d"""
            ),
            {"rates": json.dumps(EXCHANGE_RATES)},
        )
    return desk


@pytest.fixture
def desk(shared_database: TestDatabase) -> BillingDesk:
    """One organization that sells."""
    return open_desk(shared_database)


@pytest.fixture(scope="module")
def busy_desk(shared_database: TestDatabase) -> BillingDesk:
    """One organization for all examples of a property."""
    return open_desk(shared_database)


@pytest.fixture(scope="module")
def shop(shared_database: TestDatabase) -> Shop:
    """A shop for tests that change nothing that another one asks."""
    return open_shop(shared_database)


@pytest.fixture
def own_shop(shared_database: TestDatabase) -> Shop:
    return open_shop(shared_database)
