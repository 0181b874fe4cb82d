"""The web that the tests of this folder call."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from invoice_pipelines.workshop.sandbox.quickbooks import Sandbox, Switches
from invoice_pipelines_tests.conftest import TestDatabase
from invoice_pipelines_tests.integration.web import probe
from invoice_pipelines_tests.support.billing.shop import Shop, open_shop
from invoice_pipelines_tests.support.organization_view import OrganizationView
from invoice_pipelines_tests.support.quickbooks.companies import settings_for
from invoice_pipelines_tests.support.web import Site, Tenant, let_people_in, running_site


@pytest.fixture(scope="session")
def site(shared_database: TestDatabase) -> Iterator[Site]:
    """The running web over the shared database, without limits of rates, and with the routes of `probe`."""
    with running_site(shared_database, [probe.router], lock_seconds=0.5) as site:
        yield site


@pytest.fixture
def shop(site: Site) -> Shop:
    """A shop of its own."""
    return open_shop(site.database)


@pytest.fixture
def tenant(site: Site, shop: Shop) -> Tenant:
    """Its people; where a module needs no shop it has a tenant of its own."""
    view = OrganizationView(shop.engine, shop.superuser, site.database.app_url, shop.organization.id)
    return let_people_in(site.database, view, shop.organization.slug)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """QuickBooks."""
    with Sandbox(switches=Switches(throttled=False, latency_per_call=0)) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def books(shared_database: TestDatabase, sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site that leads to the sandbox."""
    settings = settings_for(sandbox, tmp_path_factory.mktemp("home"))
    named = {name: getattr(settings, name) for name in settings.model_fields_set - {"home"}}
    with running_site(shared_database, DAGSTER_HOME=settings.home, **named) as site:
        yield site
