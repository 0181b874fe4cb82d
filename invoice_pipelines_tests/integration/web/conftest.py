"""The web that the tests of this folder call."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from invoice_pipelines_tests.conftest import TestDatabase
from invoice_pipelines_tests.support.web import Site, running_site


@pytest.fixture(scope="session")
def site(shared_database: TestDatabase) -> Iterator[Site]:
    """The running web over the shared database, without limits of rates."""
    with running_site(shared_database) as site:
        yield site
