"""The commands that look after the connection with QuickBooks, against a sandbox, as a person uses them."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator

import httpx
import pytest
from cryptography.fernet import Fernet

from invoice_pipelines.database import libpq_url
from invoice_pipelines.workshop.sandbox.quickbooks import Sandbox, Switches
from invoice_pipelines_tests.conftest import TestDatabase
from invoice_pipelines_tests.support.programs import COMMAND_LINE, Program
from invoice_pipelines_tests.support.terminal import Terminal, one_line

REALM = "9130001"
OLD_KEY = Fernet.generate_key().decode()


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(switches=Switches(throttled=False, latency_per_call=0)) as sandbox:
        sandbox.add_company(REALM, name="Acme [bold]Inc.")
        sandbox.add_company("9130002", name="Another Company")
        yield sandbox


@pytest.fixture(scope="module")
def terminal(bare_terminal: Terminal, sandbox: Sandbox) -> Terminal:
    """A terminal in a home with an organization that is not connected yet."""
    terminal = bare_terminal
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    terminal.environment |= {
        "INVOICE_PIPELINES_QUICKBOOKS_CLIENT_ID": "client",
        "INVOICE_PIPELINES_QUICKBOOKS_CLIENT_SECRET": "very-secret",
        "INVOICE_PIPELINES_QUICKBOOKS_API_URL": sandbox.url,
        "INVOICE_PIPELINES_QUICKBOOKS_AUTHORIZATION_URL": f"{sandbox.url}/connect/oauth2",
        "INVOICE_PIPELINES_QUICKBOOKS_TOKEN_URL": f"{sandbox.url}/oauth2/v1/tokens/bearer",
        "INVOICE_PIPELINES_QUICKBOOKS_REVOKE_URL": f"{sandbox.url}/v2/oauth2/tokens/revoke",
        "INVOICE_PIPELINES_QUICKBOOKS_REDIRECT_URI": f"http://127.0.0.1:{port}/callback",
        "INVOICE_PIPELINES_ENCRYPTION_KEYS": OLD_KEY,
    }
    terminal.add("acme", "--country", "US", "--time-zone", "America/New_York", "--currency", "USD")
    return terminal


def connect_here(terminal: Terminal, realm: str) -> str:
    """Runs `quickbooks connect`, and does with its page what a person on this machine does; returns what it said."""
    process = Program(COMMAND_LINE, "quickbooks", "connect", "acme", environment=terminal.environment)
    said = ""
    deadline = time.monotonic() + 30
    while "realm" not in said and "state=" not in said and time.monotonic() < deadline:
        said += process.stdout.readline()
    page = re.search(r"http://\S+/connect/oauth2\?\S+", said)
    assert page, said
    back = httpx.get(f"{page[0]}&realm={realm}").headers["location"]
    assert "Thank you" in httpx.get(back).text
    rest, errors = process.communicate()
    assert process.returncode == 0, errors
    return said + rest


def test_from_a_page_in_the_browser_to_a_connection_and_back(
    terminal: Terminal, sandbox: Sandbox, module_database: TestDatabase
) -> None:
    assert "No organization is connected" in terminal.run("quickbooks", "status").stdout
    assert f"acme is connected with Acme [bold]Inc. ({REALM})." in connect_here(terminal, REALM)
    assert re.search(rf"acme +connected +Acme \[bold\]Inc\. +{REALM}", terminal.run("quickbooks", "status").stdout)

    shown = terminal.run("quickbooks", "options", "acme", "conflict_policy=review", "tax_codes.S:19.00=5")
    assert re.search(r"conflict_policy +review", shown.stdout), shown.stderr
    assert re.search(r"tax_codes +\{'S:19\.00': '5'\}", shown.stdout)
    shown = terminal.run("quickbooks", "options", "acme", "conflict_policy=", "tax_codes.S:19.00=")
    assert re.search(r"conflict_policy +newest", shown.stdout)
    assert re.search(r"tax_codes +\{\}", shown.stdout)
    for wrong, said in (
        ("conflict_policy=oldest", "conflict_policy"),
        ("colour=red", "no option"),
        ("x", "NAME=VALUE"),
    ):
        refused = terminal.run("quickbooks", "options", "acme", wrong)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert said in refused.stderr

    new_key = Fernet.generate_key().decode()
    terminal.environment["INVOICE_PIPELINES_ENCRYPTION_KEYS"] = f"{new_key},{OLD_KEY}"
    assert "1 organizations" in terminal.run("quickbooks", "rotate-keys").stdout
    with_old = terminal.run("quickbooks", "rotate-keys", INVOICE_PIPELINES_ENCRYPTION_KEYS=OLD_KEY)
    assert "encrypts with a key that is not here" in one_line(with_old)
    owner = libpq_url(module_database.owner_url)
    go_on = {f"INVOICE_PIPELINES_{name}": owner for name in ("DATABASE_OWNER_URL", "DAGSTER_DATABASE_URL")}
    for key, opens in ((Fernet.generate_key().decode(), False), (new_key, True)):
        terminal.environment["INVOICE_PIPELINES_ENCRYPTION_KEYS"] = key
        assert terminal.run("db", "migrate", "--new-key", **go_on).returncode == 0
        rotated = terminal.run("quickbooks", "rotate-keys")
        assert (rotated.returncode, "acme" not in rotated.stdout) == (not opens, opens)

    # The browser is on another machine, and the address that it was sent back to is given by hand.
    terminal.environment["INVOICE_PIPELINES_QUICKBOOKS_REDIRECT_URI"] = "https://example.com/callback"
    page = re.search(r"http://\S+/connect/oauth2\?\S+", terminal.run("quickbooks", "connect", "acme").stdout)
    assert page
    back = httpx.get(f"{page[0]}&realm=9130002").headers["location"]
    assert back.startswith("https://example.com/callback?")
    assert "before it was 9130001" in terminal.run("quickbooks", "callback", "acme", back).stdout
    assert re.search(r"unconfirmed +Another Company +9130002", terminal.run("quickbooks", "status", "acme").stdout)
    assert "is connected with Another Company" in terminal.run("quickbooks", "confirm", "acme").stdout

    assert terminal.run("quickbooks", "disconnect", "acme").returncode == 0
    assert re.search(r"disconnected +Another Company +9130002", terminal.run("quickbooks", "status").stdout)
    assert sandbox.calls("", "revoke")[-1].status == 200


def test_connect_says_which_port_is_taken_before_anybody_opens_a_page(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        there = f"http://127.0.0.1:{taken.getsockname()[1]}/callback"
        monkeypatch.setitem(terminal.environment, "INVOICE_PIPELINES_QUICKBOOKS_REDIRECT_URI", there)
        refused = terminal.run("quickbooks", "connect", "acme")
    assert refused.returncode == 2
    assert refused.stdout == ""
    (line,) = refused.stderr.splitlines()
    assert f"Nothing can listen at {there}" in line
    assert "Address already in use" in line


def test_a_callback_that_nobody_asked_for_is_refused_in_one_line(terminal: Terminal) -> None:
    refused = terminal.run("quickbooks", "callback", "acme", "http://127.0.0.1/callback?code=1&state=2&realmId=3")
    assert refused.returncode == 2
    assert "does not belong to an open request" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_wrong_keys_are_named_and_not_repeated(terminal: Terminal) -> None:
    refused = terminal.run("quickbooks", "status", INVOICE_PIPELINES_ENCRYPTION_KEYS="hunter2")
    assert refused.returncode == 2
    assert "INVOICE_PIPELINES_ENCRYPTION_KEYS" in refused.stderr
    assert "hunter2" not in refused.stderr
