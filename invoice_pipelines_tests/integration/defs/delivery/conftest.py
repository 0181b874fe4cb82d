"""Fixtures of delivery in Dagster: organizations with issued invoices, and how their runs are looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import dagster as dg
import pytest
from pydantic import SecretStr
from sqlalchemy import text

from invoice_pipelines.billing import add_customers, add_orders, add_tax_rates, batch_invoice_orders, process_jobs
from invoice_pipelines.database import organization_scope
from invoice_pipelines.delivery.documents.requests import DocumentRequest, ask_for_documents
from invoice_pipelines.delivery.messages.messages import ask_for_communications, read_request
from invoice_pipelines.delivery.sending.sending import SendReport, send_messages
from invoice_pipelines.organizations import Address, OrganizationSettings, add_organization
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.organizations.settings import MessageSettings
from invoice_pipelines.settings import Settings, load_settings
from invoice_pipelines.workshop.sandbox.mail import MailServer
from invoice_pipelines.workshop.sandbox.twilio import TwilioServer
from invoice_pipelines_tests.integration.defs.conftest import DagsterHouse
from invoice_pipelines_tests.integration.delivery.conftest import settings_of

CUSTOMERS = [
    {
        "customer_number": f"C{number}",
        "name": f"Käufer {number} GmbH",
        "country_code": "DE",
        "street": "Marktplatz 3",
        "post_code": "04109",
        "city": "Leipzig",
        "email": f"rechnung{number}@kaeufer.example",
        "phone": f"+49 341 55500{number}",
    }
    for number in range(1, 4)
]


@dataclass
class PostRoom:
    """An installation whose organizations have issued invoices."""

    house: DagsterHouse

    def open(self, *slugs: str, **messages: Any) -> None:
        """Adds organizations that can issue invoices and have customers who can be reached; without quiet hours, unless
        `messages` says so.
        """
        wanted = MessageSettings.model_validate({"quiet_from": "00:00", "quiet_until": "00:00", **messages})
        for slug in slugs:
            add_organization(
                self.house.database.engine,
                slug,
                f"{slug.title()} GmbH",
                country_code="DE",
                time_zone="Europe/Berlin",
                currency="EUR",
                vat_id="DE100000008",
                address=Address(street="Hafenweg 1", post_code="28195", city="Bremen"),
                iban="DE75512108001245126199",
                settings=OrganizationSettings(messages=wanted),
            )
            with self.scope(slug) as connection:
                add_tax_rates(connection, [{"tax_category": "S", "rate": "19", "name": "USt"}])
                add_customers(connection, CUSTOMERS, created_by="test")
        self.house.keep_partitions_in_step()

    def order(self, slug: str, count: int) -> list[UUID]:
        """Adds orders over 119.00 of the customers in turn; their ids."""
        there = self.value(slug, "select count(*) from billing.sales_order")
        line = {"description": "Work", "quantity": "1", "unit_price": "100", "tax_category": "S", "tax_rate": "19"}
        orders = [
            {
                "order_number": f"O-{there + number}",
                "customer_number": f"C{number % len(CUSTOMERS) + 1}",
                "order_date": "2026-01-15",
                "lines": [line],
            }
            for number in range(count)
        ]
        with self.scope(slug) as connection:
            return [order.id for order in add_orders(connection, orders, created_by="test")]

    def issue(self, slug: str, count: int = 1, **options: Any) -> list[UUID]:
        """Issues invoices over 119.00 to the customers in turn; their ids by number."""
        engine = self.house.database.engine
        context = OrganizationContext.of(engine, slug, load_settings(), "anna")
        orders = self.order(slug, count)
        with context.scope() as connection:
            answer = batch_invoice_orders(connection, orders, created_by="anna", **options)
        process_jobs(context, job_id=answer.job_id)
        rows = self.house.rows(
            slug, "select id from billing.issued_invoice where batch_job_id = :job order by number", job=answer.job_id
        )
        assert len(rows) == count
        return [row[0] for row in rows]

    def ask_for_documents(self, slug: str, invoice_ids: Iterable[UUID | str], **request: Any) -> UUID:
        with self.scope(slug) as connection:
            return ask_for_documents(connection, invoice_ids, DocumentRequest.of(request), created_by="anna").job_id

    def ask_for_messages(self, slug: str, invoice_ids: Iterable[UUID | str], **request: Any) -> UUID:
        wanted = read_request({"include_pdf": False, **request})
        with self.scope(slug) as connection:
            return ask_for_communications(connection, invoice_ids, wanted, created_by="anna").job_id

    def scope(self, slug: str) -> Any:
        return organization_scope(self.house.database.engine, self.house.id_of(slug))

    def context(self, slug: str) -> OrganizationContext:
        return OrganizationContext.of(self.house.database.engine, slug, load_settings(), "test")

    def send(self, slug: str) -> SendReport:
        """Sends what waits, without Dagster."""
        return send_messages(self.context(slug), time_box=timedelta(seconds=60))

    def value(self, slug: str, statement: str, **values: Any) -> Any:
        return self.house.rows(slug, statement, **values)[0][0]

    def change(self, slug: str, statement: str, **values: Any) -> None:
        """A change within an organization, as the application may make it."""
        with self.scope(slug) as connection:
            connection.execute(text(statement), values)

    def number(self, slug: str, invoice_id: UUID) -> str:
        statement = "select invoice_number from billing.invoice_number where invoice_id = :id"
        return str(self.value(slug, statement, id=invoice_id))

    def file_of(self, slug: str) -> Path:
        """The file of the newest document of an organization."""
        sha256 = self.value(slug, "select sha256 from public.invoice_documents order by created_at desc limit 1")
        (path,) = [path for path in Path(load_settings().documents_root).rglob("*") if path.name.startswith(sha256)]
        return path

    def tick(self) -> dg.SensorResult:
        """One tick of the sensor of delivery."""
        with self.house.sensor_context() as context:
            result = self.house.defs.resolve_sensor_def("pending_deliveries")(context)
        assert isinstance(result, dg.SensorResult)
        return result

    def asked_for(self) -> list[str]:
        """Slugs for which a tick asks for a run of their own."""
        return sorted(str(request.partition_key) for request in self.tick().run_requests or [])

    def run(self, slug: str, **config: Any) -> dg.ExecuteInProcessResult:
        """A run of one organization, as the sensor asks for it."""
        return self.house.run("delivery", slug, {"ops": {"delivery__invoice_documents": {"config": config}}})

    def launch(self, job: str, op: str, **config: Any) -> dg.ExecuteInProcessResult:
        """Runs a job of the launchpad."""
        return self.house.run(job, config={"ops": {op: {"config": config}}})

    def refused(self, job: str, op: str, **config: Any) -> str:
        """Runs a job of the launchpad that must fail; what it says."""
        result = self.launch(job, op, **config)
        (failure,) = [event for event in result.all_events if event.event_type_value == "STEP_FAILURE"]
        told = failure.step_failure_data.user_failure_data
        assert told is not None
        return str(told.description)


def shown(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, Any]:
    """Metadata of the only materialization of an asset."""
    (materialization,) = [
        event.step_materialization_data.materialization
        for event in result.get_asset_materialization_events()
        if event.asset_key == dg.AssetKey(["delivery", asset])
    ]
    return {
        name: [dict(record.data) for record in value.records]
        if isinstance(value, dg.TableMetadataValue)
        else value.value
        for name, value in materialization.metadata.items()
    }


def failed_checks(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckSeverity]:
    """Names of the checks that did not pass, and how bad that is."""
    return {
        evaluation.check_name: evaluation.severity
        for evaluation in result.get_asset_check_evaluations()
        if not evaluation.passed
    }


@pytest.fixture
def mail(configure: Callable[..., None]) -> Iterator[MailServer]:
    """A mail server that the settings name, with the mailbox of blind copies."""
    with MailServer() as server:
        configure(**named(settings_of(server, None, imap_bounces_mailbox=None)))
        yield server


@pytest.fixture
def twilio(configure: Callable[..., None]) -> Iterator[TwilioServer]:
    """A Twilio that the settings name."""
    with TwilioServer() as server:
        configure(**named(settings_of(None, server)))
        yield server


def named(settings: Settings) -> dict[str, Any]:
    """What is set besides the defaults, as environment variables have it."""
    usual = Settings()
    changed = {name: value for name, value in settings if value is not None and value != getattr(usual, name)}
    return {n: value.get_secret_value() if isinstance(value, SecretStr) else value for n, value in changed.items()}


@pytest.fixture
def post_room(house: DagsterHouse, configure: Callable[..., None]) -> PostRoom:
    configure(document_processes=1)
    return PostRoom(house)


@pytest.fixture
def kept_post_room(kept_house: DagsterHouse, configure: Callable[..., None]) -> PostRoom:
    """One whose runs can be executed again."""
    configure(document_processes=1)
    return PostRoom(kept_house)
