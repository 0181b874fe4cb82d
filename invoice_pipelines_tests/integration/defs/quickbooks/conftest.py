"""Fixtures of the sync in Dagster: organizations that sell, each with a QuickBooks company of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import dagster as dg
import pytest
from cryptography.fernet import Fernet
from sqlalchemy import text

from invoice_pipelines.billing import process_jobs
from invoice_pipelines.database import organization_scope
from invoice_pipelines.quickbooks.connection.connections import change_options
from invoice_pipelines.quickbooks.online import QUICKBOOKS
from invoice_pipelines.quickbooks.push.requests import ask_for_invoices
from invoice_pipelines.settings import load_settings
from invoice_pipelines.workshop.sandbox.quickbooks import Accountant, Sandbox, Switches
from invoice_pipelines_tests.integration.defs.billing.conftest import SellersHouse
from invoice_pipelines_tests.integration.defs.conftest import DagsterHouse
from invoice_pipelines_tests.support.quickbooks.companies import connect_organization


@dataclass
class Bridge:
    """An installation whose organizations sell chairs, and the QuickBooks that they are connected with."""

    house: DagsterHouse
    shop: SellersHouse
    sandbox: Sandbox
    realms: dict[str, str] = field(default_factory=dict)

    def open(self, *slugs: str, connected: bool = True) -> None:
        """Adds organizations with a customer and an item, which wait to be pushed where they are connected."""
        for slug in slugs:
            self.shop.register(slug)
            if connected:
                self.connect(slug)
            self.shop.stock(slug)
        self.house.keep_partitions_in_step()

    def connect(self, slug: str) -> None:
        self.realms[slug] = str(9130000 + len(self.realms))
        connect_organization(
            self.house.database,
            self.sandbox,
            load_settings(),
            self.house.id_of(slug),
            self.realms[slug],
            country="DE",
        )
        codes = {"tax_codes": {"S:19.00": "1"}}
        change_options(self.house.database.engine, self.house.id_of(slug), codes, changed_by="test")

    def accountant(self, slug: str) -> Accountant:
        return self.sandbox.accountant(self.realms[slug])

    def issue(self, slug: str, *quantities: str) -> None:
        """Issues an invoice over so many chairs each, 119.00 with VAT."""
        self.shop.ask(slug, self.shop.orders(slug, *quantities))
        process_jobs(self.shop.context(slug))

    def ask(self, slug: str) -> str:
        """Asks for the push of the newest invoice, as an application does; the id of the batch job."""
        with organization_scope(self.house.database.engine, self.house.id_of(slug)) as connection:
            newest = "select id::text from billing.issued_invoice order by number desc limit 1"
            invoice = connection.execute(text(newest)).scalar_one()
            return str(ask_for_invoices(connection, [invoice], created_by="anna"))

    def tags(self, result: dg.ExecuteInProcessResult) -> Mapping[str, str]:
        """Those that a run has at its end."""
        run = self.house.instance.get_run_by_id(result.run_id)
        assert run is not None
        return run.tags

    def exchange(self, slug: str, *, pull: bool = False) -> None:
        """Sends what waits, and takes what is new where `pull` says so, without a run: one costs more than the work."""
        names = [entity.name for entity in QUICKBOOKS.entities]
        QUICKBOOKS.sync(
            self.house.context(slug),
            names,
            push=True,
            pull=pull,
            full=False,
            time_box=timedelta(seconds=30),
            on_progress=lambda _: None,
        )

    def push(self, slug: str) -> dg.ExecuteInProcessResult:
        """The run that the sensor asks for."""
        return self.house.run("quickbooks_push", slug)

    def sync(self, **config: Any) -> dg.ExecuteInProcessResult:
        """The job of the launchpad."""
        return self.house.run("quickbooks_sync", config={"ops": {"sync_now": {"config": config}}})

    def tick(self) -> dg.SensorResult:
        """One tick of the sensor."""
        with self.house.sensor_context() as context:
            result = self.house.defs.resolve_sensor_def("quickbooks_push_due")(context)
        assert isinstance(result, dg.SensorResult)
        return result

    def asked_for(self) -> list[str]:
        """Slugs for which a tick asks for a run of their own."""
        return sorted(str(request.partition_key) for request in self.tick().run_requests or [])

    def schedule_tick(self, name: str = "quickbooks_customers_daily") -> dg.ScheduleExecutionData:
        """One tick of a schedule."""
        with self.house.schedule_context() as context:
            return self.house.defs.resolve_schedule_def(name).evaluate_tick(context)

    def age(self, by: timedelta) -> None:
        """Lets connections and pulls be from so much earlier."""
        for table, columns in (
            ("connection", ("connected_at",)),
            ("pull", ("started_at", "finished_at")),
        ):
            changes = ", ".join(f"{column} = {column} - :by" for column in columns)
            self.house.behind(f"update quickbooks.{table} set {changes}", by=by)

    def shown(self, result: dg.ExecuteInProcessResult, asset: str) -> dict[str, Any]:
        """Metadata of the only materialization of an asset in a run."""
        events = [
            event.step_materialization_data.materialization
            for event in result.all_events
            if event.is_step_materialization and event.asset_key == dg.AssetKey(["quickbooks", asset])
        ]
        (materialization,) = events
        return {
            name: [dict(record.data) for record in value.records]
            if isinstance(value, dg.TableMetadataValue)
            else value.value
            for name, value in materialization.metadata.items()
        }

    def failed_checks(self, result: dg.ExecuteInProcessResult) -> dict[str, str]:
        """Severity of each check that did not pass, by asset and name."""
        return {
            f"{found.asset_key.path[-1]}: {found.check_name}": found.severity.value
            for found in result.get_asset_check_evaluations()
            if not found.passed
        }

    def value(self, slug: str, statement: str, **values: Any) -> Any:
        with organization_scope(self.house.database.engine, self.house.id_of(slug)) as connection:
            return connection.execute(text(statement), values).scalar()

    def change(self, slug: str, statement: str) -> None:
        """A change that somebody makes here."""
        with organization_scope(self.house.database.engine, self.house.id_of(slug)) as connection:
            connection.execute(text(statement))


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(switches=Switches(throttled=False, latency_per_call=0)) as sandbox:
        yield sandbox


@pytest.fixture
def bridge(house: DagsterHouse, sandbox: Sandbox, configure: Callable[..., None]) -> Bridge:
    point_to(sandbox, configure)
    return Bridge(house, SellersHouse(house), sandbox)


@pytest.fixture
def kept_bridge(kept_house: DagsterHouse, sandbox: Sandbox, configure: Callable[..., None]) -> Bridge:
    """With Dagster's records in files."""
    point_to(sandbox, configure)
    return Bridge(kept_house, SellersHouse(kept_house), sandbox)


def point_to(sandbox: Sandbox, configure: Callable[..., None]) -> None:
    """Settings by which runs reach the sandbox."""
    configure(
        quickbooks_client_id="client",
        quickbooks_client_secret="secret",
        quickbooks_api_url=sandbox.url,
        quickbooks_token_url=f"{sandbox.url}/oauth2/v1/tokens/bearer",
        quickbooks_revoke_url=f"{sandbox.url}/v2/oauth2/tokens/revoke",
        encryption_keys=Fernet.generate_key().decode(),
        quickbooks_requests_per_minute=100_000,
        quickbooks_requests_per_second=1000,
        quickbooks_batches_per_minute=10_000,
    )
