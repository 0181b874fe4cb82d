"""Fixtures of the client's tests: they share a database, as hardly any of them has more than a few rows in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import text

from invoice_pipelines.database.embedded import EmbeddedServer
from invoice_pipelines_tests.conftest import TestDatabase, fresh_database


@pytest.fixture(scope="module")
def database_of_module(server: EmbeddedServer, template: str) -> Iterator[TestDatabase]:
    """A migrated database."""
    with fresh_database(server, template) as database:
        yield database


@pytest.fixture
def database(database_of_module: TestDatabase) -> Iterator[TestDatabase]:
    """The same without organizations."""
    yield database_of_module
    with database_of_module.superuser.begin() as connection:
        connection.execute(text("set local session_replication_role = replica"))
        tables = connection.execute(text("select tablename from pg_tables where schemaname = 'quickbooks'")).scalars()
        for table in tables.all():
            connection.execute(text(f"delete from quickbooks.{table}"))
        connection.execute(text("delete from organizations.organization"))
