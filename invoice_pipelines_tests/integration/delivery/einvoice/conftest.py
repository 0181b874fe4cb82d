"""Fixtures of e-invoices: one database for all of them, in which invoices are issued by billing itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from invoice_pipelines.database.embedded import EmbeddedServer
from invoice_pipelines_tests.conftest import TestDatabase, fresh_database


@pytest.fixture(scope="module")
def billing_database(server: EmbeddedServer, template: str) -> Iterator[TestDatabase]:
    """A migrated database for the module; organizations keep apart what is in it."""
    with fresh_database(server, template) as database:
        yield database
