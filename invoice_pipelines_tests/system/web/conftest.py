"""The installation that the tests of this folder have in common; a test that harms it has one of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from invoice_pipelines.billing.records.master_data import add_customers
from invoice_pipelines_tests.system.web.process import Installation, installation

CUSTOMERS = 300


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A web with two organizations that have customers, each named after its organization."""
    with installation(tmp_path_factory.mktemp("web")) as site:
        for tenant in (site.a, site.b):
            rows = [
                {"customer_number": f"C-{n:03}", "name": f"{tenant.slug} {n}", "country_code": "DE"}
                for n in range(CUSTOMERS)
            ]
            with tenant.view.scope() as connection:
                add_customers(connection, rows, created_by="test")
        yield site
