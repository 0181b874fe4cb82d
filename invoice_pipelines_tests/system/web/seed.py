"""An organization with something of everything, made through its API and by the runs that Dagster would start."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import httpx

from invoice_pipelines.billing.processing import process_jobs
from invoice_pipelines.intake.stages.stages import export_invoices, parse_uploads, validate_invoices
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.settings import Settings
from invoice_pipelines_tests.conftest import PROJECT
from invoice_pipelines_tests.integration.intake.conftest import IntakeDesk
from invoice_pipelines_tests.support.intake.review.lane import judged, on_paper
from invoice_pipelines_tests.support.web import Tenant
from invoice_pipelines_tests.system.web.process import Installation

DOCUMENTS = (
    "polder-bloemen-20260214.xml",
    "polder-bloemen-gutschrift.xml",
    "Lindner Fotografie R-26-009.xml",
    "XRechnung falsche Summe.xml",
    "ohne Rechnungsnummer.xml",
    "kaputt.xml",
    "Alpenblick AP-2026-0131.pdf",
    "RE-2026-0042 Sonnenkorn.pdf",
)
LINE = {"quantity": "2", "unit_price": "50", "tax_category": "S", "tax_rate": "19"}


def fill(site: Installation, tenant: Tenant) -> None:
    """Received invoices in many states, orders, issued invoices, payments, messages, a webhook."""
    with httpx.Client(
        base_url=f"{site.web.url}/api/v1/organizations/{tenant.slug}/",
        headers={"Authorization": f"Bearer {tenant.tokens['writer']}"},
        timeout=60,
    ) as client:

        def post(rest: str, body: Any) -> Any:
            answer = client.post(rest, json=body)
            assert answer.is_success, f"{rest}: {answer.text}"
            return answer.json() if answer.content else None

        for name in DOCUMENTS:
            data = (PROJECT / "examples" / "nordwind-handel" / name).read_bytes()
            client.post("uploads", files={"file": (name, data)}).raise_for_status()
        desk = IntakeDesk(site.database, tenant.id, tenant.slug, site.web.home)
        parse_uploads(desk.intake())
        validate_invoices(desk.intake())
        export_invoices(desk.intake())
        for n in range(5):
            judged(desk, on_paper(f"W-{n}", gross_amount=0.5))

        post("tax-rates", {"tax_category": "S", "rate": "19", "name": "19 %"})
        post("items", {"sku": "LAMP", "name": "Lamp", "unit_price": "9.90", "tax_category": "S", "tax_rate": "19"})
        for n in range(8):
            order = {"order_number": f"O-{n}", "customer_number": f"C-00{n}", "order_date": "2026-01-02"}
            post("sales-orders", order | {"lines": [{"description": "Work", **LINE}]})
        orders = [f"O-{n}" for n in range(6)]
        post("batch-operations/invoices", {"sales_order_ids": [*orders, "O-unknown"], "due_days": 14})
        process_jobs(OrganizationContext.of(site.database.engine, tenant.slug, Settings(), "test"))
        numbers = [invoice["invoice_number"] for invoice in client.get("invoices").json()["items"]]
        assert len(numbers) == len(orders)
        post(f"invoices/{numbers[0]}/payments", {"amount": "20.00", "payment_date": "2026-02-01"})
        post("batch-operations/pdfs", {"invoice_ids": numbers[:2]})
        client.get(f"invoices/{numbers[1]}/document").raise_for_status()
        post("batch-operations/communications", {"invoice_ids": numbers[:2], "method": "email"})


LISTS = {
    "upload_id": ("uploads", "id"),
    "invoice_id": ("received-invoices", "id"),
    "customer": ("customers", "customer_number"),
    "item": ("items", "sku"),
    "tax_rate": ("tax-rates", "id"),
    "order": ("sales-orders", "order_number"),
    "invoice": ("invoices", "invoice_number"),
    "document": ("documents", "id"),
    "message": ("messages", "id"),
    "opt_out": ("opt-outs", "id"),
    "job_id": ("batch-operations", "id"),
    "endpoint_id": ("webhooks", "id"),
}
"""Where the values of a parameter of a path are listed."""


def known_values(site: Installation, tenant: Tenant) -> dict[str, list[Any]]:
    """Values of parameters that name something of the organization."""
    found = defaultdict[str, list[Any]](list)
    headers = {"Authorization": f"Bearer {tenant.tokens['writer']}"}
    for name, (rest, field) in LISTS.items():
        answer = httpx.get(f"{site.web.url}{site.path(tenant, rest)}", headers=headers, params={"limit": 10})
        assert answer.status_code == 200, answer.text
        found[name] += [str(item[field]) for item in answer.json()["items"]]
    found["number"] += [1]
    return {name: values for name, values in found.items() if values}
