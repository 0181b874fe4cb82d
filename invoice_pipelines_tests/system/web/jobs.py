"""Requests for batch operations, and forms of the desk, of which one can count what they have made."""

from __future__ import annotations

from contextlib import closing
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import urlencode
from uuid import UUID, uuid4

from sqlalchemy import text

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.billing.processing import process_jobs
from invoice_pipelines.billing.records.master_data import add_tax_rates
from invoice_pipelines.billing.records.sales_orders import add_orders
from invoice_pipelines.billing.requests import batch_invoice_open_orders
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.settings import Settings
from invoice_pipelines.web.callers import SESSION_COOKIE
from invoice_pipelines_tests.system.web.calls import Answer, ApiClient
from invoice_pipelines_tests.system.web.process import Installation


def request() -> dict[str, Any]:
    """One that nobody has made before."""
    return {"sales_order_ids": [str(uuid4()) for _ in range(20)], "due_days": 14}


def ask(site: Installation, key: str, body: Any, port: int | None = None) -> Answer:
    path = site.path(site.a, "batch-operations/invoices")
    return ApiClient(port or site.web.port).call("POST", path, site.a.tokens["writer"], body=body, key=key)


def jobs(site: Installation, body: Any) -> list[str]:
    """The batch operations that a request has made."""
    with site.database.superuser.connect() as connection:
        rows = connection.execute(
            text("select distinct job_id::text from work.batch_item where subject_id = :first"),
            {"first": body["sales_order_ids"][0]},
        )
        return list(rows.scalars())


class Form:
    """A form of the desk over a payment on an invoice, as a browser without scripts sends it."""

    def __init__(self, site: Installation, invoice: UUID) -> None:
        self._site, self._invoice = site, invoice
        self.key, self.reference = str(uuid4()), str(uuid4())

    def send(self, port: int | None = None) -> Answer:
        """Sends it, the same each time; without an answer, the status is 0."""
        tenant = self._site.a
        headers = {
            "Cookie": f"{SESSION_COOKIE}={tenant.sessions[Role.ACCOUNTANT]}",
            "Sec-Fetch-Site": "same-origin",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        body = urlencode({"key": self.key, "amount": "1.00", "reference": self.reference})
        with closing(HTTPConnection("127.0.0.1", port or self._site.web.port, timeout=60)) as connection:
            try:
                connection.request("POST", f"/desk/{tenant.slug}/invoices/{self._invoice}/payments", body, headers)
                answer = connection.getresponse()
                return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
            except (OSError, HTTPException):
                return Answer(0, {}, b"")

    def made(self) -> list[str]:
        """The payments that it has made."""
        with self._site.database.superuser.connect() as connection:
            rows = connection.execute(
                text("select id::text from billing.payment where reference = :reference"), {"reference": self.reference}
            )
            return list(rows.scalars())


class Call:
    """A request for a batch operation over the API."""

    def __init__(self, site: Installation) -> None:
        self._site, self._key, self._body = site, str(uuid4()), request()

    def send(self, port: int | None = None) -> Answer:
        """Sends it, the same each time."""
        return ask(self._site, self._key, self._body, port)

    def made(self) -> list[str]:
        """The batch operations that it has made."""
        return jobs(self._site, self._body)


def invoice_of(site: Installation) -> UUID:
    """A new invoice of the first organization over 119.00 EUR."""
    line = {"description": "Work", "quantity": "1", "unit_price": "100", "tax_category": "S", "tax_rate": "19"}
    order = {"order_number": f"O-{uuid4()}", "customer_number": "C-001", "order_date": "2026-01-02", "lines": [line]}
    with site.a.view.scope() as connection:
        add_tax_rates(connection, [{"tax_category": "S", "rate": "19", "name": "19 %"}])
        add_orders(connection, [order], created_by="test")
        asked = batch_invoice_open_orders(connection, created_by="test")
    process_jobs(OrganizationContext.of(site.database.engine, site.a.slug, Settings(), "test"), job_id=asked.job_id)
    found: UUID = site.a.view.value("select id from billing.invoice")
    return found
