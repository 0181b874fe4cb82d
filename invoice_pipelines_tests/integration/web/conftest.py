"""The web that the tests of this folder call."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from invoice_pipelines_tests.conftest import TestDatabase
from invoice_pipelines_tests.integration.web import probe
from invoice_pipelines_tests.support.web import Site, running_site


@pytest.fixture(scope="session")
def site(shared_database: TestDatabase) -> Iterator[Site]:
    """The running web over the shared database, without limits of rates, and with the routes of `probe`."""
    with running_site(shared_database, [probe.router], lock_seconds=0.5) as site:
        yield site
