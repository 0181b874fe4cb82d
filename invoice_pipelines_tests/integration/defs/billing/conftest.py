"""Fixtures of billing in Dagster: an organization that sells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import dagster as dg
import pytest

from invoice_pipelines.billing import (
    add_customers,
    add_items,
    add_orders,
    add_tax_rates,
    batch_invoice_customers,
    batch_invoice_orders,
    process_jobs,
)
from invoice_pipelines.database import organization_scope
from invoice_pipelines.organizations import add_organization
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines_tests.integration.defs.conftest import DagsterHouse

CUSTOMER = {"customer_number": "C1", "name": "Müller GmbH", "country_code": "DE"}


@dataclass
class SellersHouse:
    """An installation whose organizations sell a chair for 100.00 at 19 %, of which five are on hand."""

    house: DagsterHouse

    def open(self, *slugs: str) -> None:
        """Adds organizations that can issue invoices."""
        for slug in slugs:
            self.register(slug)
            self.stock(slug)
        self.house.keep_partitions_in_step()

    def register(self, slug: str) -> None:
        """Adds an organization that may charge VAT."""
        add_organization(
            self.house.database.engine,
            slug,
            slug.title(),
            country_code="DE",
            time_zone="Europe/Berlin",
            currency="EUR",
            vat_id="DE100000008",
        )

    def stock(self, slug: str) -> None:
        """Gives an organization its tax rate, customer and chairs."""
        with organization_scope(self.house.database.engine, self.house.id_of(slug)) as connection:
            add_tax_rates(connection, [{"tax_category": "S", "rate": "19", "name": "USt"}])
            add_customers(connection, [CUSTOMER], created_by="test")
            add_items(
                connection,
                [
                    {"sku": "CHAIR", "name": "Chair", "unit_price": "100", "tax_category": "S", "tax_rate": "19",
                     "tracks_stock": True, "quantity_on_hand": "5"}
                ],
                created_by="test",
            )  # fmt: skip

    def orders(self, slug: str, *quantities: str, **columns: Any) -> list[str]:
        """Adds an order of chairs for each quantity; returns their ids. An empty quantity: an order without lines."""
        count = self.value(slug, "select count(*) from billing.sales_order")
        rows: list[Mapping[str, Any]] = [
            {
                "order_number": f"O-{count + number}",
                "customer_number": "C1",
                "order_date": "2026-01-15",
                "lines": [{"sku": "CHAIR", "quantity": quantity}] if quantity else [],
                **columns,
            }
            for number, quantity in enumerate(quantities, start=1)
        ]
        with organization_scope(self.house.database.engine, self.house.id_of(slug)) as connection:
            return [str(added.id) for added in add_orders(connection, rows, created_by="test")]

    def ask(self, slug: str, ids: list[str], **how: Any) -> UUID:
        """Asks for the invoices of orders, as an application does."""
        with self.context(slug).scope() as connection:
            return batch_invoice_orders(connection, ids, created_by="anna", **how).job_id

    def issue(self, slug: str, *quantities: str, **how: Any) -> None:
        """Issues the invoice of an order for each quantity, without a run."""
        self.ask(slug, self.orders(slug, *quantities), **how)
        process_jobs(self.house.context(slug))

    def ask_for_customers(self, slug: str, ids: list[str], items: list[Mapping[str, Any]]) -> UUID:
        with self.context(slug).scope() as connection:
            return batch_invoice_customers(connection, ids, items, created_by="anna").job_id

    def context(self, slug: str) -> OrganizationContext:
        return self.house.context(slug, "anna")

    def tick(self) -> dg.SensorResult:
        """One tick of the sensor of billing."""
        return self.house.look("pending_invoice_jobs")

    def asked_for(self) -> list[str]:
        """Slugs for which a tick asks for a run of their own."""
        return self.house.wanted("pending_invoice_jobs")

    def numbers(self, slug: str) -> list[tuple[str, str]]:
        """Number of each issued invoice, with the order, by number."""
        rows = self.house.rows(
            slug, "select invoice_number, order_number from billing.issued_invoice order by period, number"
        )
        return [(row[0], row[1]) for row in rows]

    def value(self, slug: str, statement: str, **values: Any) -> Any:
        return self.house.rows(slug, statement, **values)[0][0]

    def launch(self, **config: Any) -> dg.ExecuteInProcessResult:
        """Runs the job of the launchpad."""
        return self.house.run("batch_invoice_orders", config={"ops": {"ask_for_invoices": {"config": config}}})


@pytest.fixture
def shop(house: DagsterHouse) -> SellersHouse:
    return SellersHouse(house)
