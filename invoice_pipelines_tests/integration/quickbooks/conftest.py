"""Fixtures of the sync's tests: a QuickBooks for each test, and organizations that are connected with it.

Tests that look across organizations share a database that is emptied before each of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from invoice_pipelines.settings import Settings
from invoice_pipelines.workshop.sandbox.quickbooks import Sandbox, Switches
from invoice_pipelines_tests.conftest import TestDatabase
from invoice_pipelines_tests.integration.quickbooks.both_sides import Ground, Sides
from invoice_pipelines_tests.integration.quickbooks.till import Till, Town
from invoice_pipelines_tests.support.quickbooks.companies import connect_organization, settings_for
from invoice_pipelines_tests.support.quickbooks.pushing import House, Opener, open_house

REALM = "9130001"


@pytest.fixture
def database(emptied_database: TestDatabase) -> TestDatabase:
    """A database without organizations."""
    return emptied_database


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A QuickBooks without companies, on a port of its own.

    Its throttles are off: tests of the rate put them on. Each refresh changes the token, as that is when one is lost.
    Lines count without an item: tests of what becomes of them say otherwise.
    """
    switches = Switches(
        throttled=False, latency_per_call=0, refresh_token_rotates_after=timedelta(), line_without_item="counted"
    )
    with Sandbox(switches=switches) as sandbox:
        yield sandbox


@pytest.fixture
def quickbooks_settings(sandbox: Sandbox, tmp_path: Path) -> Settings:
    return settings_for(sandbox, tmp_path)


@pytest.fixture
def connected(
    database: TestDatabase,
    sandbox: Sandbox,
    quickbooks_settings: Settings,
    make_organization: Callable[[str], UUID],
) -> Callable[..., UUID]:
    """Adds an organization that is connected with a company of its own; the fields of `Company` may be given."""

    def connect(slug: str, realm: str = REALM, **company: Any) -> UUID:
        organization_id = make_organization(slug)
        connect_organization(database, sandbox, quickbooks_settings, organization_id, realm, **company)
        return organization_id

    return connect


@pytest.fixture
def opened(
    database: TestDatabase, sandbox: Sandbox, quickbooks_settings: Settings, connected: Callable[..., UUID]
) -> Opener:
    """Opens a house that calls in turn; its slug, its realm and the fields of `Company` may be given."""
    in_turn = quickbooks_settings.model_copy(update={"quickbooks_parallel_calls": 1})

    def open_one(*names: str, **company: Any) -> House:
        return open_house(database, sandbox, in_turn, connected, *names, **company)

    return open_one


@pytest.fixture
def house(opened: Opener) -> House:
    return opened()


@pytest.fixture
def ground(shared_database: TestDatabase, sandbox: Sandbox, quickbooks_settings: Settings) -> Ground:
    settings = quickbooks_settings.model_copy(update={"quickbooks_parallel_calls": 1})
    return Ground(shared_database, sandbox, settings)


@pytest.fixture
def sides(ground: Ground) -> Sides:
    return ground.sides()


@pytest.fixture
def town(shared_database: TestDatabase, sandbox: Sandbox, quickbooks_settings: Settings) -> Town:
    return Town(shared_database, sandbox, quickbooks_settings)


@pytest.fixture
def till(town: Town) -> Till:
    return town.open()
