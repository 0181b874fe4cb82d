"""The push and a migration as Dagster itself runs them: daemon, code server, queue and UI are those of `up`."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from invoice_pipelines.billing import add_customers
from invoice_pipelines.database import organization_scope
from invoice_pipelines.organizations import add_organization
from invoice_pipelines.settings import PREFIX
from invoice_pipelines.workshop.sandbox.quickbooks import Sandbox
from invoice_pipelines_tests.support.quickbooks.companies import connect_organization, settings_for
from invoice_pipelines_tests.support.sizes import AT_FULL_SIZE
from invoice_pipelines_tests.support.waiting import wait_for
from invoice_pipelines_tests.system.overdue.test_daemon import BACKFILL, RUNS, running

REALMS = {"acme": "9130001", "beta": "9130002"}


@pytest.mark.skipif(not AT_FULL_SIZE, reason="runs with `make test-full`: CI has too little time for it")
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_waits_is_pushed_by_itself_and_a_backfill_takes_companies_in(tmp_path: Path) -> None:
    with Sandbox() as sandbox:
        settings = settings_for(sandbox, tmp_path)
        assert settings.encryption_keys is not None
        assert settings.quickbooks_client_secret is not None
        variables = {
            "QUICKBOOKS_CLIENT_ID": "client",
            "QUICKBOOKS_CLIENT_SECRET": settings.quickbooks_client_secret.get_secret_value(),
            "QUICKBOOKS_API_URL": settings.quickbooks_api_url,
            "QUICKBOOKS_TOKEN_URL": settings.quickbooks_token_url,
            "ENCRYPTION_KEYS": settings.encryption_keys.get_secret_value(),
        }
        with running(tmp_path, {PREFIX + name: value for name, value in variables.items()}) as up:
            engine = up.database.engine
            for slug, realm in REALMS.items():
                organization = add_organization(
                    engine, slug, slug.title(), country_code="DE", time_zone="Europe/Berlin", currency="EUR"
                )
                connect_organization(up.database, sandbox, settings, organization, realm, country="DE")
                with organization_scope(engine, organization) as connection:
                    customers = [{"customer_number": "1", "name": f"Customer of {slug}", "country_code": "DE"}]
                    add_customers(connection, customers, created_by="test")
            changed = time.monotonic()
            accountants = [sandbox.accountant(realm) for realm in REALMS.values()]
            wait_for("the push", lambda: all(accountant.count("Customer") == 1 for accountant in accountants))
            assert time.monotonic() - changed < 300, "five minutes are promised"

            for accountant in accountants:
                accountant.customer("Theirs")
            launched = up.ask(
                BACKFILL,
                parameters={
                    "assetSelection": [{"path": ["quickbooks", "imported_company"]}],
                    "partitionNames": list(REALMS),
                    "runConfigData": {
                        "ops": {"quickbooks__imported_company": {"config": {"entities": ["customers", "items"]}}}
                    },
                },
            )["launchPartitionBackfill"]
            assert launched["__typename"] == "LaunchBackfillSuccess", launched
            of_backfill = {"tags": [{"key": "dagster/backfill", "value": launched["backfillId"]}]}

            def done() -> list[str] | None:
                found = [run["status"] for run in up.ask(RUNS, filter=of_backfill)["runsOrError"]["results"]]
                return found if len(found) == 2 and set(found) <= {"SUCCESS", "FAILURE", "CANCELED"} else None

            assert wait_for("the backfill", done) == ["SUCCESS", "SUCCESS"]
            with up.database.superuser.connect() as connection:
                names = connection.exec_driver_sql("select name from billing.customer order by name").scalars().all()
            assert names == ["Customer of acme", "Customer of beta", "Theirs", "Theirs"]
            assert [accountant.count("Customer") for accountant in accountants] == [2, 2]
