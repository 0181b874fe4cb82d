"""What people do in Dagster's UI, by real clicks in a real browser, with the daemon, queue and UI of `up`."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text

from invoice_pipelines.billing import add_customers, add_orders, add_tax_rates
from invoice_pipelines.database import organization_scope
from invoice_pipelines.organizations import add_organization
from invoice_pipelines_tests.conftest import TestDatabase
from invoice_pipelines_tests.support.desk.visitors import needs_chromium
from invoice_pipelines_tests.support.sizes import only_at_full_size
from invoice_pipelines_tests.support.waiting import wait_for
from invoice_pipelines_tests.system.overdue.test_daemon import running
from invoice_pipelines_tests.system.ui.browser import browsing

CUSTOMER = {"customer_number": "1", "name": "Müller GmbH", "country_code": "DE"}
LINE = {"description": "Work", "quantity": "1", "unit_price": "100", "tax_category": "S", "tax_rate": "19"}
PARTITIONS = '{assetNodeOrError(assetKey: {path: ["billing", "backlog"]}) {... on AssetNode {partitionKeys}}}'
EDITOR = ".CodeMirror-lines, .cm-content"


@only_at_full_size
@pytest.mark.slow
@pytest.mark.timeout(900)
@needs_chromium
def test_a_migration_is_backfilled_over_organizations_by_clicks_with_the_config_of_its_description(
    tmp_path: Path,
) -> None:
    with running(tmp_path / "home", {}) as up, browsing(tmp_path / "profile") as page:
        for slug in ("acme", "beta"):
            open_shop(up.database, slug)
        url = f"http://127.0.0.1:{up.port}"
        wait_for("partitions", lambda: len(up.ask(PARTITIONS)["assetNodeOrError"]["partitionKeys"]) == 2)

        page.open(f"{url}/assets/billing/backlog")
        page.see("invoice_date")
        config = page.look("document.querySelector('pre code').innerText")
        for button in ("Materialize…", "All", "Config", "Add config"):
            page.click(button)
        page.see("Scaffold missing config")
        page.click(css=EDITOR)
        page.paste(config)
        for button in ("Save config", "Launch backfill"):
            page.click(button)
        wait_for("the backfill", lambda: [invoices(up.database, slug) for slug in ("acme", "beta")] == [1, 1])


def open_shop(database: TestDatabase, slug: str) -> None:
    """Adds an organization that can issue invoices, with an order."""
    organization = add_organization(
        database.engine, slug, f"{slug.title()} GmbH", country_code="DE", time_zone="Europe/Berlin", currency="EUR",
        vat_id="DE100000008",
    )  # fmt: skip
    order = {"order_number": "1", "customer_number": "1", "order_date": "2026-01-15", "lines": [LINE]}
    with organization_scope(database.engine, organization) as connection:
        add_tax_rates(connection, [{"tax_category": "S", "rate": "19", "name": "USt"}])
        add_customers(connection, [CUSTOMER], created_by="test")
        add_orders(connection, [order], created_by="test")


def invoices(database: TestDatabase, slug: str) -> int:
    """How many an organization has issued."""
    statement = """select count(*) from billing.invoice i
                   join organizations.organization o on o.id = i.organization_id where o.slug = :slug"""
    with database.superuser.connect() as connection:
        return int(connection.execute(text(statement), {"slug": slug}).scalar_one())
