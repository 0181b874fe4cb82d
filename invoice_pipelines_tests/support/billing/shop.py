"""An organization whose books are filled through the Python API alone, as another domain or a script would."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection, Engine, text

from invoice_pipelines.billing import add_customers, add_items, add_orders, add_tax_rates, process_jobs
from invoice_pipelines.billing.requests import batch_invoice_orders
from invoice_pipelines.database import organization_scope
from invoice_pipelines.organizations import Address, Organization, add_organization, find_organization
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.settings import load_settings
from invoice_pipelines.work import BatchAnswer
from invoice_pipelines_tests.conftest import TestDatabase

TAX_RATES = [
    {"tax_category": "S", "rate": "19", "name": "19 %"},
    {"tax_category": "S", "rate": "7", "name": "7 %"},
    {"tax_category": "AE", "rate": 0, "name": "Reverse charge", "exemption_reason": "Reverse charge"},
]
WORK = {"description": "Work", "quantity": 2, "unit_price": "50", "tax_category": "S", "tax_rate": 19}


@dataclass(frozen=True)
class Shop:
    """One organization, and the superuser's view for breaking what no application could break."""

    engine: Engine
    superuser: Engine
    organization: Organization

    def scope(self) -> AbstractContextManager[Connection]:
        return organization_scope(self.engine, self.organization.id)

    def value(self, statement: str, **values: Any) -> Any:
        with self.scope() as connection:
            return connection.execute(text(statement), values).scalar_one()

    def orders(self, *orders: Mapping[str, Any]) -> list[UUID]:
        """Orders of customer C1; each has one line of 100.00 at 19 % unless it says otherwise."""
        rows = [
            {
                "order_number": f"O-{uuid4()}",
                "customer_number": "C1",
                "order_date": "2026-01-02",
                "lines": [WORK],
                **order,
            }
            for order in orders
        ]
        with self.scope() as connection:
            return [added.id for added in add_orders(connection, rows, created_by="anna")]

    def ask(self, order_ids: Iterable[UUID | str], **request: Any) -> BatchAnswer:
        with self.scope() as connection:
            return batch_invoice_orders(connection, order_ids, created_by="anna", **request)

    def context(self, actor: str = "anna") -> OrganizationContext:
        return OrganizationContext(self.engine, self.organization, load_settings(), actor)

    def outcomes(self, answer: BatchAnswer) -> list[tuple[str, str, str | None]]:
        """Works through a job; subject, status and code of its items, in the order of the request."""
        process_jobs(self.context(), job_id=answer.job_id)
        with self.scope() as connection:
            rows = connection.execute(
                text("select subject_id, status, error_code from work.batch_item where job_id = :job order by id"),
                {"job": answer.job_id},
            )
            return [tuple(row) for row in rows]

    def issue(self, *orders: Mapping[str, Any], **request: Any) -> list[UUID]:
        """Issued invoices of new orders; their ids."""
        ids = self.orders(*orders)
        outcomes = self.outcomes(self.ask(ids, **request))
        assert {status for _, status, _ in outcomes} == {"succeeded"}, outcomes
        with self.scope() as connection:
            rows = connection.execute(
                text("select sales_order_id, id from billing.invoice where sales_order_id = any(:ids)"), {"ids": ids}
            )
            found = {row[0]: row[1] for row in rows}
        return [found[order] for order in ids]


def open_shop(database: TestDatabase, **registered: Any) -> Shop:
    """A new organization with tax rates, customer C1 and items A (no stock) and B (10 on hand)."""
    slug = f"shop-{uuid4()}"
    values = {
        "country_code": "DE",
        "time_zone": "Europe/Berlin",
        "currency": "EUR",
        "vat_id": "DE123456788",
        "iban": "DE02120300000000202051",
        "address": Address(street="Hafenweg 1", city="Bremen", post_code="28195"),
    } | registered
    add_organization(database.engine, slug, "Shop GmbH", **values)
    shop = Shop(database.engine, database.superuser, find_organization(database.engine, slug))
    with shop.scope() as connection:
        add_tax_rates(connection, TAX_RATES)
        add_customers(
            connection,
            [{"customer_number": "C1", "name": "Käufer & Söhne", "country_code": "AT", "vat_id": "ATU12345675"}],
            created_by="anna",
        )
        item = {"unit_price": "9.99", "tax_category": "S", "tax_rate": 19}
        add_items(
            connection,
            [
                {"sku": "A", "name": "Lamp", **item},
                {"sku": "B", "name": "Bolt", "tracks_stock": True, "quantity_on_hand": 10, **item},
            ],
            created_by="anna",
        )
    return shop
