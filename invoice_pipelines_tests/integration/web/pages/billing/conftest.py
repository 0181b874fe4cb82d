"""The books of an organization that the desk shows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.billing import add_customers, add_items, add_orders, add_tax_rates, process_jobs
from invoice_pipelines.billing.corrections import credit_invoice, void_invoice
from invoice_pipelines.billing.payments import record_payment
from invoice_pipelines.billing.requests import batch_invoice_orders, order_ids
from invoice_pipelines.database import organization_scope
from invoice_pipelines.organizations import Address, change_organization
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines_tests.support.web import Site, Tenant, open_tenant

TODAY = datetime.now(UTC).date()
CUSTOMERS = [
    ("C-1001", "Bauhaus Schmidt GmbH", "Berlin"),
    ("C-1002", "Miller & Sons Ltd", "Hamburg"),
    ("C-1003", "Ingenieurbüro für Brückenbau und Tragwerksplanung Dr.-Ing. Hohenstein-Wernigerode mbH", "Köln"),
    ("C-1004", "Café Müller", "München"),
]


@dataclass
class SellingTenant:
    """An organization that has sold something."""

    site: Site
    tenant: Tenant

    @property
    def desk(self) -> str:
        return f"/desk/{self.tenant.slug}"

    @property
    def session(self) -> str:
        return self.tenant.sessions[Role.ACCOUNTANT]

    def run(self, statement: str, **values: Any) -> list[Any]:
        with organization_scope(self.site.database.engine, self.tenant.id) as connection:
            return list(connection.execute(text(statement), values))

    def orders(self, first: int, count: int, **fields: Any) -> list[str]:
        """Numbers of new orders, over 1,000.00 net each at 19 %."""
        numbers = [f"{n}" for n in range(first, first + count)]
        rows = [
            {
                "order_number": number,
                "customer_number": CUSTOMERS[n % len(CUSTOMERS)][0],
                "order_date": TODAY - timedelta(days=50),
                "lines": [{"sku": "LAMP-1", "quantity": "20"}],
                **fields,
            }
            for n, number in enumerate(numbers)
        ]
        with organization_scope(self.site.database.engine, self.tenant.id) as connection:
            add_orders(connection, rows, created_by="shop")
        return numbers

    def issue(self, first: int, count: int, *, orders: dict[str, Any] | None = None, **request: Any) -> list[UUID]:
        """Ids of new invoices."""
        numbers = self.orders(first, count, **(orders or {}))
        with organization_scope(self.site.database.engine, self.tenant.id) as connection:
            asked = batch_invoice_orders(connection, order_ids(connection, numbers), created_by="anna", **request)
        engine, settings = self.site.database.engine, self.site.settings
        process_jobs(OrganizationContext.of(engine, self.tenant.slug, settings, "a run"), job_id=asked.job_id)
        rows = self.run(
            "select i.id from billing.invoice i join billing.sales_order o on o.id = i.sales_order_id "
            "where o.order_number = any(:numbers) order by o.order_number",
            numbers=numbers,
        )
        assert len(rows) == count
        return [row.id for row in rows]

    def jobs(self, kind: str) -> list[int]:
        """How many items each job of a kind has, the first job first."""
        return [
            row.total_items
            for row in self.run("select total_items from work.batch_job where kind = :kind order by id", kind=kind)
        ]

    def browse(self) -> httpx.Client:
        client = self.site.browser(self.session)
        client.headers["Accept-Language"] = "en"
        return client


@pytest.fixture(scope="package")
def books(site: Site) -> SellingTenant:
    """Orders in all states, and invoices that are new, late, partly paid, paid, void and credited."""
    tenant = open_tenant(site.database)
    engine = site.database.engine
    change_organization(
        engine,
        tenant.slug,
        vat_id="DE123456788",
        iban="DE02120300000000202051",
        address=Address(street="Hafenweg 1", city="Bremen", post_code="28195"),
    )
    made = SellingTenant(site, tenant)
    with organization_scope(engine, tenant.id) as connection:
        add_tax_rates(connection, [{"tax_category": "S", "rate": "19", "name": "19 %"}])
        add_items(
            connection,
            [{"sku": "LAMP-1", "name": "Schreibtischlampe", "unit_price": "50", "tax_category": "S", "tax_rate": 19}],
            created_by="anna",
        )
        rows = [
            {
                "customer_number": number,
                "name": name,
                "country_code": "DE",
                "city": city,
                "email": f"ap@{number.lower()}.example",
            }
            for number, name, city in CUSTOMERS
        ]
        add_customers(connection, rows, created_by="anna")
    late = made.issue(4701, 6, invoice_date=TODAY - timedelta(days=40), due_days=14)
    with organization_scope(engine, tenant.id) as connection:
        record_payment(connection, late[1], Decimal("190.00"), recorded_by="anna", reference="Auszug 7")
        record_payment(connection, late[2], Decimal("1190.00"), recorded_by="anna")
        void_invoice(connection, late[3], reason="falscher Empfänger", voided_by="anna")
        credit_invoice(connection, late[4], reason="defekt", created_by="anna", quantities={1: Decimal(3)})
    made.issue(4711, 4, due_days=30, orders={"lines": [{"sku": "LAMP-1", "quantity": "12345.5"}]})
    made.orders(4720, 9)
    made.orders(4730, 2, status="draft")
    made.orders(
        4735,
        1,
        lines=[
            {
                "description": "Montage, zwei Tage mit Anfahrt und Material nach Aufwand, inklusive "
                "Entsorgung der alten Anlage",
                "quantity": 2,
                "unit_price": "850",
                "tax_category": "S",
                "tax_rate": 19,
            }
        ],
    )
    return made


def key_of(page: str) -> str:
    found = re.search(r'name="key" value="([^"]+)"', page)
    assert found is not None
    return found[1]


def invoice_of(books: SellingTenant, order: str) -> Any:
    (row,) = books.run(
        "select i.* from billing.invoice i join billing.sales_order o on o.id = i.sales_order_id "
        "where o.order_number = :order",
        order=order,
    )
    return row
