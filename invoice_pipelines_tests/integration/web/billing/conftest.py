"""An organization that sells, as programs reach it over the API, and the work that Dagster would do for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from invoice_pipelines.billing.imports.batch import import_asked_rows
from invoice_pipelines.billing.processing import process_jobs
from invoice_pipelines.delivery.documents.making import make_documents
from invoice_pipelines.organizations import Address, change_organization
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines_tests.conftest import TestDatabase
from invoice_pipelines_tests.support.web import Site, Tenant, open_tenant, running_site

RATE = {"tax_category": "S", "rate": "19", "name": "19 %"}
CUSTOMERS = [
    {"customer_number": f"C-{n}", "name": f"Kunde {n} GmbH", "country_code": "DE", "email": f"ap{n}@kunde.example"}
    for n in range(1, 4)
]
ITEM = {"sku": "LAMP-1", "name": "Lampe", "unit_price": "50", "tax_category": "S", "tax_rate": "19"}


@dataclass
class Seller:
    """The organization, and a program of it that may do everything."""

    site: Site
    tenant: Tenant
    client: httpx.Client

    @property
    def context(self) -> OrganizationContext:
        """As a run of Dagster has it."""
        return OrganizationContext.of(self.site.database.engine, self.tenant.slug, self.site.settings, "a run")

    def get(self, path: str, **parameters: Any) -> Any:
        """What is there."""
        answer = self.client.get(path, params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: Any = None, status: int = 200, **headers: str) -> Any:
        """What is answered."""
        answer = self.client.post(path, json=body, headers=headers)
        assert answer.status_code == status, answer.text
        return answer.json()

    def orders(self, count: int = 1, **fields: Any) -> list[str]:
        """Numbers of new orders over 119.00 each."""
        rows = [
            {
                "order_number": f"O-{uuid4()}",
                "customer_number": "C-1",
                "order_date": "2026-01-02",
                "lines": [{"sku": "LAMP-1", "quantity": "2"}],
                **fields,
            }
            for _ in range(count)
        ]
        answer = self.post("sales-orders/bulk", {"rows": rows})
        assert answer["created"] == count, answer
        return [row["order_number"] for row in rows]

    def issue(self, count: int = 1, **request: Any) -> list[str]:
        """Numbers of new invoices, in the order of their numbers."""
        numbers = self.orders(count)
        asked = self.post("batch-operations/invoices", {"sales_order_ids": numbers, **request}, 202)
        self.work(asked["job_id"])
        return [self.get(f"sales-orders/{number}")["invoice_number"] for number in numbers]

    def work(self, job_id: str | None = None) -> None:
        """Issues invoices and writes imports, as Dagster does."""
        process_jobs(self.context, job_id=None if job_id is None else UUID(job_id))
        import_asked_rows(self.context)

    def make_documents(self) -> None:
        """Makes the documents that wait."""
        make_documents(self.context, time_box=timedelta(minutes=5))


@pytest.fixture(scope="package")
def shops(shared_database: TestDatabase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The web with a store of documents."""
    with running_site(shared_database, documents=str(tmp_path_factory.mktemp("documents"))) as site:
        yield site


@pytest.fixture(scope="module")
def seller(shops: Site) -> Iterator[Seller]:
    """An organization with a tax rate, customers C-1 to C-3 and the item LAMP-1."""
    tenant = open_tenant(shops.database)
    change_organization(
        shops.database.engine,
        tenant.slug,
        vat_id="DE123456788",
        iban="DE02120300000000202051",
        address=Address(street="Hafenweg 1", city="Bremen", post_code="28195"),
    )
    with shops.client(tenant.tokens["writer"]) as client:
        client.base_url = client.base_url.join(shops.path(tenant, ""))
        made = Seller(shops, tenant, client)
        made.post("tax-rates", RATE, 201)
        made.post("customers/bulk", {"rows": CUSTOMERS})
        made.post("items", ITEM, 201)
        yield made
