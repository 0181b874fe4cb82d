"""The sales orders of the demo: each comes out as the examples say, and the demo notices one that does not."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from sqlalchemy import Engine, text

from invoice_pipelines.billing import process_jobs
from invoice_pipelines.database import organization_scope
from invoice_pipelines.organizations import add_organization
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.settings import load_settings
from invoice_pipelines.workshop.demo.orders import Batch, ask_for_invoices, is_done, order_books, problems
from invoice_pipelines_tests.conftest import PROJECT, TestDatabase

BOOKS = order_books(PROJECT / "examples")
HOME = {"nordwind-handel": ("DE", "EUR"), "harbour-and-hill": ("IE", "EUR"), "maple-ridge": ("CA", "CAD")}


def invoiced(database: TestDatabase, slug: str) -> tuple[Engine, Batch]:
    country, currency = HOME[slug]
    organization = add_organization(
        database.engine,
        slug,
        slug.title(),
        country_code=country,
        time_zone="UTC",
        currency=currency,
        vat_id="DE100000008" if country != "CA" else None,
        tax_number="100000009RT0001" if country == "CA" else None,
    )
    batch = ask_for_invoices(database.engine, organization, BOOKS[slug])
    assert not is_done(database.engine, batch)
    process_jobs(OrganizationContext.of(database.engine, slug, load_settings(), "test"), chunk_size=7)
    return database.engine, batch


@pytest.fixture
def acme(database: TestDatabase) -> tuple[Engine, Batch]:
    return invoiced(database, "nordwind-handel")


@pytest.mark.parametrize("slug", sorted(BOOKS))
def test_every_order_of_the_examples_becomes_what_they_say(database: TestDatabase, slug: str) -> None:
    engine, batch = invoiced(database, slug)
    assert is_done(engine, batch)
    assert list(problems(engine, batch)) == []


def test_a_wrong_amount_outcome_number_or_stock_is_named(acme: tuple[Engine, Batch]) -> None:
    engine, batch = acme
    first, *others = batch.orders
    assert first.gross_amount is not None
    dearer = replace(first, gross_amount=first.gross_amount + Decimal("0.01"))
    (problem,) = problems(engine, replace(batch, orders=(dearer, *others)))
    assert problem.startswith(f"nordwind-handel/{first.number}: expected invoice 1 over {dearer.gross_amount}")

    refused = replace(first, refused="NO_LINES", gross_amount=None)
    assert f"{batch.slug}/{first.number}: expected NO_LINES" in next(
        problems(engine, replace(batch, orders=(refused, *others)))
    )
    swapped = (others[0], first, *others[1:])
    found = list(problems(engine, replace(batch, orders=swapped)))
    assert len(found) == 2, "numbers out of the order of the request"
    (problem,) = problems(engine, replace(batch, stock_afterwards={"STUHL-BUCHE": Decimal(1)}))
    assert "expected a stock of 1 STUHL-BUCHE, found 244" in problem


def test_invoices_are_due_after_two_weeks(acme: tuple[Engine, Batch]) -> None:
    engine, batch = acme
    with organization_scope(engine, batch.organization_id) as connection:
        dates = connection.execute(text("select distinct issue_date, due_date from billing.invoice")).all()
    ((issued, due),) = dates
    assert isinstance(issued, date)
    assert (due - issued).days == 14
