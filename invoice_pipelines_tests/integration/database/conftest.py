"""Databases that were not cloned, but migrated by the test that looks at them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import URL, Engine, text

from invoice_pipelines.database import create_login_engine
from invoice_pipelines.database.embedded import EmbeddedServer
from invoice_pipelines.database.migrate import create_database, migrate
from invoice_pipelines_tests.conftest import drop_database


@pytest.fixture
def empty_database(server: EmbeddedServer, request: pytest.FixtureRequest) -> Iterator[URL]:
    """A database without anything in it."""
    name = f"empty_{abs(hash(request.node.name)) % 10**8}"
    create_database(server.url("postgres"), name)
    yield server.url(name)
    drop_database(server, name)


@pytest.fixture(scope="session")
def up_again(server: EmbeddedServer) -> Iterator[Engine]:
    """A database that was migrated, taken down to nothing and migrated again; a superuser's engine."""
    create_database(server.url("postgres"), "up_again")
    url = server.url("up_again")
    newest = migrate(url)
    assert migrate(url, "base") == "base"
    engine = create_login_engine(url)
    with engine.connect() as connection:
        left = connection.execute(
            text(
                """select table_schema || '.' || table_name from information_schema.tables
                   where table_schema not in ('pg_catalog', 'information_schema', 'database')"""
            )
        )
        assert left.scalars().all() == []
    assert migrate(url) == newest
    yield engine
    engine.dispose()
