"""Fixtures of the tests of the command line: a terminal for each module, whose tests share its organization."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from invoice_pipelines.database.embedded import EmbeddedServer
from invoice_pipelines.workshop.sandbox.mail import MailServer
from invoice_pipelines_tests.conftest import TestDatabase, fresh_database
from invoice_pipelines_tests.support.terminal import SELLER, Terminal


@pytest.fixture(scope="module")
def module_database(server: EmbeddedServer, template: str) -> Iterator[TestDatabase]:
    """A database that the tests of a module share."""
    with fresh_database(server, template) as database:
        yield database


@pytest.fixture(scope="module")
def bare_terminal(module_database: TestDatabase, tmp_path_factory: pytest.TempPathFactory) -> Terminal:
    """A terminal in a home without organizations."""
    url = module_database.app_url.render_as_string(hide_password=False)
    return Terminal(tmp_path_factory.mktemp("home"), url)


@pytest.fixture(scope="module")
def terminal(bare_terminal: Terminal) -> Terminal:
    """A terminal in a home with the organization acme."""
    bare_terminal.add("acme", *SELLER)
    return bare_terminal


@pytest.fixture(scope="module")
def mail() -> Iterator[MailServer]:
    """A mail server on this machine."""
    with MailServer() as server:
        yield server
