"""Whatever pages, programs and runs ask of a full database: no statement reads all rows for each row.

Where the planner knows nothing of a table, or what was so when there was next to nothing in it, reading it all looks as
cheap as a look-up by key, and what should take milliseconds takes minutes. For the web, `organizations.current()` as a
condition looks up its credential for each row that is read; `(select organizations.current())` does so once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.billing import add_customers
from invoice_pipelines.billing.processing import process_jobs
from invoice_pipelines.database.embedded import EmbeddedServer
from invoice_pipelines.defs.operations.promises import look_at_all
from invoice_pipelines.delivery.promises import OF_MESSAGES
from invoice_pipelines.intake.received_invoices import find_stuck
from invoice_pipelines.intake.stages.stages import export_invoices, parse_uploads, validate_invoices
from invoice_pipelines.organizations import Address
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.organizations.registry import change_organization
from invoice_pipelines.overdue.execution import notify_overdue
from invoice_pipelines.overdue.promises import missing_notifications, notifications_without_reason
from invoice_pipelines.quickbooks.promises import PROMISES
from invoice_pipelines.quickbooks.sync import sync
from invoice_pipelines.quickbooks.values import EntityType
from invoice_pipelines_tests.conftest import PROJECT
from invoice_pipelines_tests.integration.intake.conftest import IntakeDesk
from invoice_pipelines_tests.integration.quickbooks.payments.test_any_payments import booked, documents, sold
from invoice_pipelines_tests.integration.quickbooks.till import Till, open_town
from invoice_pipelines_tests.integration.web.pages.test_map import NOBODY, PAGES
from invoice_pipelines_tests.support.delivery.delivered import DELIVERED
from invoice_pipelines_tests.support.intake.review.lane import judged, on_paper
from invoice_pipelines_tests.support.organization_view import OrganizationView
from invoice_pipelines_tests.support.statistics import STATES, keep_statistics, most_rows_read, multiply, put
from invoice_pipelines_tests.support.web import DOCUMENT, Site, Tenant, let_people_in, running_site

pytestmark = [pytest.mark.slow, pytest.mark.direct]  # sessions keep plans, and these need new ones

EXAMPLES = PROJECT / "examples" / "nordwind-handel"
OVERDUE = """
    set local session_replication_role = replica;
    update billing.invoice set issue_date = current_date - 60, due_date = current_date - 40;
    update billing.invoice_number set issue_date = current_date - 60;
"""
LISTS = {
    "invoice_id": "received-invoices",
    "upload_id": "uploads",
    "job_id": "batch-operations",
    "message_id": "messages",
    "document_id": "documents",
    "endpoint_id": "webhooks",
}
"""Where ids of paths are listed, which have the same names in pages."""


class Full:
    """An organization with some of everything, a hundred times."""

    def __init__(self, site: Site, till: Till) -> None:
        self.site, self.till = site, till
        self.database = site.database
        self.slug: str = till.desk.value("select slug from organizations.organization")
        view = OrganizationView(
            self.database.engine, self.database.superuser, self.database.app_url, till.desk.organization_id
        )
        self.tenant: Tenant = let_people_in(self.database, view, self.slug)
        self.desk = IntakeDesk(self.database, till.desk.organization_id, self.slug, site.settings.home)
        self.values: dict[str, list[str]] = {}

    @property
    def context(self) -> OrganizationContext:
        return OrganizationContext.of(self.database.engine, self.slug, self.site.settings, "test")

    def program(self) -> httpx.Client:
        return self.site.client(self.tenant.tokens["writer"])

    def fill(self, times: int) -> None:
        address = Address(street="Hafenweg 1", city="Bremen", post_code="28195")
        change_organization(self.database.engine, self.slug, iban="DE02120300000000202051", address=address)
        sold(self.till, 20)
        booked(self.till, documents(20, "5"))
        with self.till.desk.scope() as connection:
            customers = [{"customer_number": f"C{n}", "name": f"Buyer {n}", "country_code": "DE"} for n in range(20)]
            add_customers(connection, customers, created_by="test")
        self.receive({file.name: file.read_bytes() for file in EXAMPLES.glob("*.xml")})
        for n in range(5):
            judged(self.desk, on_paper(f"W-{n}", gross_amount=0.5))
        with self.program() as client:
            self.sell(client)
        sync(self.context, list(EntityType), time_box=timedelta(minutes=1))
        with self.program() as client:
            for name, listed in LISTS.items():
                items = client.get(self.site.path(self.tenant, listed)).json()["items"]
                self.values[name] = [item.get("id") or item["endpoint_id"] for item in items]
            numbers = client.get(self.site.path(self.tenant, "invoices")).json()["items"]
            self.values["invoice"] = [item["invoice_number"] for item in numbers]
        self.values |= {name.removesuffix("_id"): found for name, found in self.values.items() if name != "invoice_id"}
        multiply(self.database.superuser, self.till.desk.organization_id, times)

    def receive(self, documents: Mapping[str, bytes]) -> None:
        for name, document in documents.items():
            self.desk.upload(document, name)
        parse_uploads(self.desk.intake())
        validate_invoices(self.desk.intake())
        export_invoices(self.desk.intake())

    def sell(self, client: httpx.Client) -> None:
        """Through the API: orders, and messages and documents of their invoices."""

        def post(rest: str, body: Any) -> None:
            answer = client.post(self.site.path(self.tenant, rest), json=body)
            assert answer.is_success, f"{rest}: {answer.text}"

        post("items", {"sku": "LAMP", "name": "Lamp", "unit_price": "9.90", "tax_category": "S", "tax_rate": "19"})
        line = {"description": "Work", "quantity": "2", "unit_price": "50", "tax_category": "S", "tax_rate": "19"}
        for n in range(6):
            order = {"order_number": f"O{n}", "customer_number": f"C{n}", "order_date": "2026-01-02", "lines": [line]}
            post("sales-orders", order)
        wish = {"send_immediately": True, "communication_method": "email"}
        post("batch-operations/invoices", {"sales_order_ids": [f"O{n}" for n in range(5)], **wish})
        process_jobs(self.context)
        with self.database.superuser.begin() as connection:
            connection.execute(text(OVERDUE + DELIVERED))
        notify_overdue(self.context)
        number = client.get(self.site.path(self.tenant, "invoices")).json()["items"][0]["invoice_number"]
        client.get(self.site.path(self.tenant, f"invoices/{number}/document")).raise_for_status()
        post("batch-operations/pdfs", {"invoice_ids": [number]})
        post("webhooks", {"url": "https://example.com/hook", "event_types": ["invoice.issued"]})

    def address_of(self, path: str) -> str:
        path = path.replace("{organization}", self.slug)
        return re.sub(r"\{(\w+)(:\w+)?\}", lambda name: self.values.get(name[1], [NOBODY])[0], path)

    def look(self) -> None:
        """At every page and resource, narrowed by each of its filters."""
        with self.program() as client:
            for path, methods in DOCUMENT["paths"].items():
                if "get" in methods:
                    for narrowed in ({}, *filters_of(methods["get"])):
                        read(client, self.address_of(path), narrowed)
        with self.site.browser(self.tenant.sessions[Role.ADMIN]) as client:
            for page in PAGES:
                if page.methods == {"GET"}:
                    read(client, self.address_of(page.path))
            for job in self.values["job_id"]:
                read(client, f"/desk/{self.slug}/batch-operations/{job}")

    def run(self, name: str) -> None:
        """What runs of each domain do, and what they promise."""
        notify_overdue(self.context)
        sync(self.context, list(EntityType), time_box=timedelta(minutes=1))
        document = (EXAMPLES / "polder-bloemen-20260214.xml").read_bytes()
        self.receive({f"{name}.xml": document + f"<!-- {name} -->".encode()})
        process_jobs(self.context)
        look_at_all(self.context)
        promises = {*OF_MESSAGES, *(promise for kept in PROMISES.values() for promise in kept)}
        looks: list[Callable[..., object]] = [promise.find for promise in promises if promise.find]
        looks += [notifications_without_reason, lambda connection: missing_notifications(connection, levels=(1, 14))]
        for find in (*looks, lambda connection: find_stuck(connection, timedelta(0))):
            with self.till.desk.scope() as connection:
                find(connection)


def filters_of(operation: Any) -> Iterator[dict[str, str]]:
    examples = {"date": "2026-10-01", "boolean": "true"}
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "query":
            schema = parameter["schema"]
            for kind in schema.get("anyOf", [schema]):
                value = next(iter(kind.get("enum", ())), examples.get(kind.get("format") or kind.get("type", "")))
                if value is not None:
                    yield {parameter["name"]: value}


def read(client: httpx.Client, path: str, narrowed: dict[str, str] | None = None) -> None:
    with client.stream("GET", path, params=narrowed) as answer:
        assert answer.status_code < 500, path
        if not answer.headers.get("content-type", "").startswith("text/event-stream"):  # which has no end
            answer.read()


@pytest.fixture(scope="module")
def full(server: EmbeddedServer, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Full]:
    home: Path = tmp_path_factory.mktemp("home")
    with open_town(server, template, home) as town:
        keep_statistics(town.database.superuser, tables(town.database))
        named = {name: getattr(town.settings, name) for name in town.settings.model_fields_set - {"home"}}
        with running_site(town.database, DAGSTER_HOME=home, **named) as site:
            full = Full(site, town.open())
            full.fill(100)
            full.run("what waits")
            yield full


def tables(database: Any) -> list[str]:
    """All of the product."""
    with database.superuser.connect() as connection:
        return list(
            connection.execute(
                text(
                    """select schemaname || '.' || relname from pg_stat_user_tables
                       where schemaname not in ('public', 'database')"""
                )
            ).scalars()
        )


@pytest.mark.parametrize("state", STATES)
def test_no_statement_reads_all_rows_for_each_row(full: Full, state: str) -> None:
    put(full.database.superuser, tables(full.database), state)
    for engine in (full.site.engine, full.database.engine):
        engine.dispose()
    with most_rows_read() as read:
        full.look()
        full.run(state)
    a_few_times = 8 * full.till.desk.value("select count(*) from billing.invoice")
    assert {statement: rows for statement, rows in read.items() if rows > a_few_times} == {}
