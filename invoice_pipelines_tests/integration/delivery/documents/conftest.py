"""Fixtures of documents: one database for the tests of a module, in which each has an organization of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from invoice_pipelines_tests.conftest import EmbeddedServer, TestDatabase, fresh_database
from invoice_pipelines_tests.support.delivery.press import Press, open_press


@pytest.fixture(scope="module")
def database(server: EmbeddedServer, template: str) -> Iterator[TestDatabase]:
    with fresh_database(server, template) as made:
        yield made


@pytest.fixture
def press(database: TestDatabase, tmp_path: Path) -> Press:
    """It makes its documents in a process that is kept warm for all tests."""
    return open_press(database, tmp_path)
