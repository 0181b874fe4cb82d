"""Users and tokens at the command line."""

from __future__ import annotations

import json

from invoice_pipelines.accounts.sessions import accept_invitation, sign_in
from invoice_pipelines.database import create_web_engine
from invoice_pipelines.database.roles import WEB
from invoice_pipelines_tests.conftest import TestDatabase
from invoice_pipelines_tests.support.terminal import Terminal, one_line


def test_a_user_is_invited_signs_in_and_is_kept_out(terminal: Terminal, module_database: TestDatabase) -> None:
    added = terminal.run(
        *("users", "add", "Anna@acme.example", "--name", "Anna", "--organization", "acme", "--role", "admin", "--json"),
        INVOICE_PIPELINES_WEB_URL="https://invoices.example.com/",
    )
    (line,) = [json.loads(line) for line in added.stdout.splitlines()]
    assert line["link"].startswith("https://invoices.example.com/invitations/")
    web = create_web_engine(module_database.app_url.set(username=WEB), pool_size=2)
    accept_invitation(web, line["link"].rpartition("/")[2], "a long enough sentence", address="192.0.2.1")
    sign_in(web, "anna@acme.example", "a long enough sentence", address="192.0.2.1")
    web.dispose()
    (known,) = [json.loads(line) for line in terminal.run("users", "list", "--json").stdout.splitlines()]
    assert (known["email"], known["roles"], known["has_password"]) == ("anna@acme.example", {"acme": "admin"}, True)
    assert terminal.run("users", "role", "anna@acme.example", "acme", "viewer").returncode == 0
    assert terminal.run("users", "disable", "anna@acme.example").returncode == 0
    shown = terminal.run("users", "list").stdout
    assert "disabled" in shown
    assert "acme: viewer" in shown
    assert terminal.run("users", "enable", "anna@acme.example").returncode == 0
    assert terminal.run("users", "role", "anna@acme.example", "acme", "none").returncode == 0
    assert "acme" not in terminal.run("users", "list", "--json").stdout.replace("acme.example", "")


def test_what_is_wrong_with_users_is_said_in_one_line(terminal: Terminal) -> None:
    terminal.run("users", "add", "bert@acme.example", "--name", "Bert")
    assert "There is a user bert@acme.example already" in one_line(
        terminal.run("users", "add", "BERT@acme.example", "--name", "Bert")
    )
    assert "not a valid email address" in one_line(terminal.run("users", "add", "bert", "--name", "Bert"))
    assert "There is no user carl@acme.example" in one_line(terminal.run("users", "invite", "carl@acme.example"))
    assert "There is no organization nowhere" in one_line(
        terminal.run("users", "role", "bert@acme.example", "nowhere", "viewer")
    )
    assert "is no role" in one_line(terminal.run("users", "role", "bert@acme.example", "acme", "boss"))


def test_a_token_is_shown_once_and_revoked_by_its_name(terminal: Terminal) -> None:
    made = terminal.acme("tokens", "add", "shop", "--scope", "read", "--scope", "billing:write", "--json")
    token = json.loads(made.stdout)["token"]
    assert token.startswith("ip_live_")
    listed = terminal.acme("tokens", "list", "--json").stdout
    assert token not in listed
    assert json.loads(listed)["prefix"] == token[:12]
    assert "There is a token shop already" in one_line(terminal.acme("tokens", "add", "shop", "--scope", "read"))
    assert "is not a scope" in one_line(terminal.acme("tokens", "add", "till", "--scope", "everything"))
    assert terminal.acme("tokens", "revoke", "shop").stdout == "Revoked shop.\n"
    assert "no token shop" in one_line(terminal.acme("tokens", "revoke", "shop"))
    assert terminal.acme("tokens", "add", "shop", "--scope", "read").returncode == 0
