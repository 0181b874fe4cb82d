"""The overdue invoices of the demo: what is expected of its two runs, and that the demo notices what is not so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from invoice_pipelines.billing import process_jobs
from invoice_pipelines.cli.supervisor import Services
from invoice_pipelines.organizations import OrganizationSettings, add_organization
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.overdue import ExecutionReport, notify_overdue
from invoice_pipelines.settings import load_settings
from invoice_pipelines.workshop.demo import overdue as demo_overdue
from invoice_pipelines.workshop.demo.orders import Batch, ask_for_invoices, order_books
from invoice_pipelines.workshop.demo.overdue import DAYS_AGO, LEVELS, Noticed, look_twice, problems
from invoice_pipelines_tests.conftest import PROJECT, TestDatabase
from invoice_pipelines_tests.system.demo.test_orders import HOME

BOOKS = order_books(PROJECT / "examples")


@pytest.fixture
def noticed(database: TestDatabase, monkeypatch: pytest.MonkeyPatch) -> tuple[tuple[Noticed, ...], list[Batch]]:
    """What the demo finds, with runs in this process instead of Dagster's."""
    engine, batches = database.engine, []
    for slug, (country, currency) in HOME.items():
        organization = add_organization(
            engine,
            slug,
            slug.title(),
            country_code=country,
            time_zone="UTC",
            currency=currency,
            vat_id="DE100000008" if country != "CA" else None,
            tax_number="100000009RT0001" if country == "CA" else None,
            settings=OrganizationSettings(overdue_levels=LEVELS[slug]),
        )
        batches.append(ask_for_invoices(engine, organization, BOOKS[slug], days_ago=DAYS_AGO[slug]))
        process_jobs(OrganizationContext.of(engine, slug, load_settings(), "test"))

    def look(*_: object) -> dict[str, ExecutionReport]:
        found = [OrganizationContext.of(engine, batch.slug, load_settings(), "test") for batch in batches]
        return {organization.slug: notify_overdue(organization) for organization in found}

    monkeypatch.setattr(demo_overdue, "_look", look)
    return look_twice(cast(Services, Path()), engine, batches), batches


def test_the_second_run_makes_nothing_and_what_is_wrong_is_named(
    noticed: tuple[tuple[Noticed, ...], list[Batch]],
) -> None:
    found, batches = noticed
    assert list(problems(found, batches)) == []
    by_slug = {each.slug: each for each in found}
    assert by_slug["maple-ridge"].open == 0
    assert by_slug["nordwind-handel"].open == 3 * 34
    first, second = by_slug["nordwind-handel"].reports
    again = replace(by_slug["nordwind-handel"], reports=(first, replace(second, created_count=1)))
    assert list(problems([again], batches)) == ["nordwind-handel: expected 0 notifications of the second run, found 1"]
