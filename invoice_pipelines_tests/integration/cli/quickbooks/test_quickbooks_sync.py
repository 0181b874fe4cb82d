"""`quickbooks sync` and what `status` says of the sync, as a person uses them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest
from pydantic import SecretStr

from invoice_pipelines.billing import add_customers, add_items, add_tax_rates, batch_invoice_customers, process_jobs
from invoice_pipelines.database import organization_scope
from invoice_pipelines.organizations import change_organization
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.quickbooks.connection.connections import change_options
from invoice_pipelines.settings import Settings, load_settings
from invoice_pipelines.workshop.sandbox.quickbooks import Sandbox
from invoice_pipelines_tests.conftest import TestDatabase
from invoice_pipelines_tests.integration.quickbooks.conftest import REALM, connected, quickbooks_settings, sandbox
from invoice_pipelines_tests.support.terminal import Terminal

__all__ = ["connected", "quickbooks_settings", "sandbox"]


@pytest.fixture
def terminal(database: TestDatabase, quickbooks_settings: Settings, tmp_path: Path) -> Terminal:
    """A terminal whose settings lead to the sandbox."""
    url = database.app_url.render_as_string(hide_password=False)
    terminal = Terminal(tmp_path, url)
    terminal.environment["INVOICE_PIPELINES_DAGSTER_DATABASE_URL"] = url
    for name, value in quickbooks_settings.model_dump().items():
        if name in quickbooks_settings.model_fields_set and name != "home":
            given = value.get_secret_value() if isinstance(value, SecretStr) else value
            terminal.environment[f"INVOICE_PIPELINES_{name.upper()}"] = str(given)
    return terminal


def test_a_person_syncs_and_sees_what_came_of_it(
    terminal: Terminal, database: TestDatabase, sandbox: Sandbox, connected: Callable[..., UUID]
) -> None:
    organization_id = connected("acme", country="DE", name="Acme [bold]Books")
    engine = database.engine
    change_organization(engine, "acme", vat_id="DE100000008")
    change_options(engine, organization_id, {"tax_codes": {"S:19.00": "1"}}, changed_by="test")
    with organization_scope(engine, organization_id) as connection:
        add_tax_rates(connection, [{"tax_category": "S", "rate": "19", "name": "USt"}])
        (customer,) = add_customers(
            connection, [{"customer_number": "1", "name": "Buyer", "country_code": "DE"}], created_by="test"
        )
        add_items(connection, [{"sku": "FEE", "name": "Fee", "unit_price": "1"}], created_by="test")
    item = {"description": "Fee", "quantity": "1", "unit_price": "100", "tax_category": "S", "tax_rate": "19"}
    acme = OrganizationContext.of(engine, "acme", load_settings(), "test")
    with acme.scope() as connection:
        batch_invoice_customers(connection, [str(customer)], [item], created_by="test")
    process_jobs(acme)
    accountant = sandbox.accountant(REALM)
    accountant.customer("Theirs")

    read = terminal.run("quickbooks", "sync", "acme", "--direction", "pull", "--entity", "customer")
    assert read.returncode == 0, read.stderr
    assert accountant.count("Customer") == 1

    status = terminal.run("status").stdout
    assert "Acme [bold]Books 9130001" in status
    assert "customers 20" in status, "when they were pulled"

    done = terminal.run("quickbooks", "sync", "acme")
    assert done.returncode == 0, done.stdout + done.stderr
    assert [accountant.count(entity) for entity in ("Customer", "Item", "Invoice")] == [2, 1, 1]
    rows = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines() if line}
    assert rows["invoices"][-3:] == ["1", "0", "0"]
    (listed,) = map(json.loads, terminal.acme("invoices", "list", "--json").stdout.splitlines())
    assert listed["synced_at"]
    again = json.loads(terminal.run("quickbooks", "sync", "acme", "--json").stdout)
    assert (again["is_connected"], again["stopped"], again["entities"]["invoices"]["pushed"]["sent"]) == (True, None, 0)

    (tmp := terminal.home / "numbers.txt").write_text("INV-2026-000001\n\nnonsense\n")
    refused = terminal.run("quickbooks", "sync", "acme", "--invoices", str(tmp))
    assert refused.returncode == 2
    assert "invoices: there is no nonsense" in refused.stderr


def test_without_a_connection_it_says_what_to_do(terminal: Terminal, make_organization: Callable[[str], UUID]) -> None:
    make_organization("acme")
    refused = terminal.run("quickbooks", "sync", "acme")
    assert refused.returncode == 2
    assert "`quickbooks connect acme`" in refused.stderr
    assert "QuickBooks" not in terminal.run("status").stdout
