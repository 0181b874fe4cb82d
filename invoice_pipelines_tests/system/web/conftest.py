"""The installation that the tests of this folder have in common, each with two new organizations; a test that harms it
has one of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from invoice_pipelines.billing.records.master_data import add_customers
from invoice_pipelines_tests.support.web import Tenant, open_tenant
from invoice_pipelines_tests.system.web.process import THAT_SELLS, Installation, installation

CUSTOMERS = 300


@pytest.fixture(scope="session")
def common_installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """The running web."""
    with installation(tmp_path_factory.mktemp("web")) as running:
        yield running


@pytest.fixture
def site(common_installation: Installation) -> Installation:
    """The running web, with two organizations that have customers, each named after its organization."""
    a, b = (_with_customers(common_installation) for _ in range(2))
    return replace(common_installation, a=a, b=b)


def _with_customers(running: Installation) -> Tenant:
    tenant = open_tenant(running.database, **THAT_SELLS)
    rows = [
        {"customer_number": f"C-{n:03}", "name": f"{tenant.slug} {n}", "country_code": "DE"} for n in range(CUSTOMERS)
    ]
    with tenant.view.scope() as connection:
        add_customers(connection, rows, created_by="test")
    return tenant
