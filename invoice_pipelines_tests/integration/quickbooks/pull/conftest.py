"""Fixtures of the pull: one QuickBooks for a file, and an organization with a company in it for each test."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from invoice_pipelines.database.embedded import EmbeddedServer
from invoice_pipelines_tests.integration.quickbooks.both_sides import Ground, Sides, open_ground


@pytest.fixture(scope="module")
def ground(server: EmbeddedServer, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with open_ground(server, template, tmp_path_factory.mktemp("home")) as ground:
        yield ground


@pytest.fixture
def sides(ground: Ground) -> Iterator[Sides]:
    yield ground.sides()
    ground.sandbox.faults.clear()
    ground.sandbox.clock.set(datetime.now(UTC))
