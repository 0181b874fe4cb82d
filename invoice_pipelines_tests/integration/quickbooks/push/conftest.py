"""Fixtures of the push: an organization that is connected with a company, and what it takes to send."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from invoice_pipelines.settings import Settings
from invoice_pipelines.workshop.sandbox.quickbooks import Sandbox
from invoice_pipelines_tests.conftest import TestDatabase
from invoice_pipelines_tests.support.quickbooks.pushing import House, open_house

Opener = Callable[..., House]


@pytest.fixture
def opened(
    database: TestDatabase, sandbox: Sandbox, quickbooks_settings: Settings, connected: Callable[..., UUID]
) -> Opener:
    """Opens a house; the fields of `Company` may be given."""

    def open_one(**company: Any) -> House:
        return open_house(database, sandbox, quickbooks_settings, connected, **company)

    return open_one


@pytest.fixture
def house(opened: Opener) -> House:
    return opened()
