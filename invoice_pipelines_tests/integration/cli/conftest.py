"""Fixtures of the tests of the command line: a terminal for each module, whose tests share its organization."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from invoice_pipelines.cli.output import console
from invoice_pipelines.cli.tables import Grid
from invoice_pipelines.database.embedded import EmbeddedServer
from invoice_pipelines.encryption import make_key
from invoice_pipelines.settings import Settings
from invoice_pipelines.workshop.sandbox.mail import MailServer
from invoice_pipelines_tests.conftest import TestDatabase, fresh_database
from invoice_pipelines_tests.support.narrow import assert_fits
from invoice_pipelines_tests.support.terminal import SELLER, Terminal


@pytest.fixture(autouse=True)
def every_table_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever table a command prints in these tests also fits into a terminal of 80 columns."""
    print_it = type(console).print

    def checked(self: Any, *objects: Any, **options: Any) -> None:
        for shown in objects:
            if isinstance(shown, Grid):
                assert_fits(shown, 80)
        print_it(self, *objects, **options)

    monkeypatch.setattr(type(console), "print", checked)


@pytest.fixture(scope="module")
def module_database(server: EmbeddedServer, template: str) -> Iterator[TestDatabase]:
    """A database that the tests of a module share."""
    with fresh_database(server, template) as database:
        yield database


@pytest.fixture(scope="module")
def bare_terminal(module_database: TestDatabase, tmp_path_factory: pytest.TempPathFactory) -> Terminal:
    """A terminal in a home without organizations, with a key, as `up` makes one."""
    home = tmp_path_factory.mktemp("home")
    make_key(Settings.model_validate({"DAGSTER_HOME": home}))
    return Terminal(home, module_database.app_url.render_as_string(hide_password=False))


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
