"""QuickBooks in the demo: what is expected of it, and that the demo notices what is not so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
from sqlalchemy import Engine

from invoice_pipelines.billing import process_jobs
from invoice_pipelines.cli.supervisor import Services
from invoice_pipelines.organizations import add_organization
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.quickbooks.sync import sync
from invoice_pipelines.quickbooks.values import EntityType
from invoice_pipelines.settings import load_settings
from invoice_pipelines.workshop.demo import quickbooks as demo_quickbooks
from invoice_pipelines.workshop.demo.orders import ask_for_invoices, order_books
from invoice_pipelines.workshop.demo.quickbooks import (
    COMPANIES,
    Company,
    Synced,
    begin_sync,
    change_both_sides,
    connect,
    end,
    outcome,
    problems,
    running_quickbooks,
    sync_now,
)
from invoice_pipelines_tests.conftest import PROJECT, TestDatabase
from invoice_pipelines_tests.system.demo.test_orders import HOME

BOOKS = order_books(PROJECT / "examples")


class _NoServices:
    def check(self) -> None:
        """Nothing runs that could end."""


@pytest.fixture
def demo(
    database: TestDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Engine, list[Company], list[Synced]]]:
    """What the demo finds, with runs in this process instead of Dagster's."""
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    engine, services = database.engine, cast(Services, _NoServices())
    with running_quickbooks() as sandbox:
        settings = load_settings()
        sandbox.switches.latency_per_call = sandbox.switches.latency_per_item = 0
        sandbox.switches.throttled = False
        fast = settings.model_copy(
            update={"quickbooks_requests_per_second": 1000, "quickbooks_requests_per_minute": 100_000}
        )
        organizations = {
            slug: add_organization(
                engine,
                slug,
                slug.title(),
                country_code=HOME[slug][0],
                time_zone="UTC",
                currency=HOME[slug][1],
                vat_id="DE100000008" if HOME[slug][0] != "CA" else None,
                tax_number="100000009RT0001" if HOME[slug][0] == "CA" else None,
            )
            for slug in COMPANIES
        }
        for slug, organization in organizations.items():
            ask_for_invoices(engine, organization, BOOKS[slug])
            process_jobs(OrganizationContext.of(engine, slug, load_settings(), "test"))
        companies = connect(engine, settings, sandbox, organizations)

        def launch(*_: object, **__: object) -> None:
            for company in companies:
                organization = OrganizationContext.of(engine, company.slug, fast, "test")
                sync(organization, tuple(EntityType), time_box=organization.time_box)

        monkeypatch.setattr(demo_quickbooks, "_launch", launch)
        begin_sync(services, companies)
        edited = change_both_sides(services, engine, companies)
        sync_now(services, engine, companies)
        yield engine, companies, outcome(engine, sandbox, companies, edited)
        end(engine, settings, companies)
    load_settings.cache_clear()


def test_both_sides_are_the_same_and_what_is_not_is_named(
    demo: tuple[Engine, list[Company], list[Synced]],
) -> None:
    engine, companies, synced = demo
    assert list(problems(engine, synced)) == []
    harbour, _ = companies
    assert [found.state.open_conflicts for found in synced] == [1, 0]
    (customer, *_) = harbour.accountant.documents("Customer")
    harbour.accountant.edit("Customer", customer["Id"], DisplayName="Somebody else")
    harbour.accountant.invoice(customer["Id"], 10, DocNumber="X-1")
    found = list(problems(engine, synced))
    assert any("customers that are on one side only" in problem for problem in found)
    assert any(problem.startswith("harbour-and-hill: X-1 is over None here, over") for problem in found)
    assert "harbour-and-hill: X-1 is over None here, over 12.30 in QuickBooks" in found
    wrong = replace(synced[1], statuses={"paid": 2})
    assert any("after the payments" in problem for problem in problems(engine, [wrong]))
