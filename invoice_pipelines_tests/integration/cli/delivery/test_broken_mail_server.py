"""A mail server that takes nothing: the command line says why, to people and programs, and ends with 1."""

from __future__ import annotations

import json
import re
import socket
from typing import Any

import pytest
from pydantic import ValidationError

from invoice_pipelines.settings import Settings
from invoice_pipelines.workshop.sandbox.mail import MailServer
from invoice_pipelines_tests.integration.cli.batch.test_batch_delivery import FILES, import_files
from invoice_pipelines_tests.support.terminal import Ended, Terminal

SMTP = "INVOICE_PIPELINES_SMTP_"


@pytest.fixture(scope="module")
def terminal(terminal: Terminal) -> Terminal:
    """A terminal of an organization with three invoices, all to a customer with an address."""
    terminal.environment |= {
        f"{SMTP}HOST": "127.0.0.1",
        f"{SMTP}SECURITY": "none",
        f"{SMTP}TIMEOUT_SECONDS": "0.3",
        "INVOICE_PIPELINES_EMAIL_FROM": "invoices@acme.example",
    }
    import_files(terminal, customers=FILES["customers"].replace("Bonn,\n", "Bonn,zwei@kunde.example\n"))
    issued = terminal.acme("batch", "invoices", "--all-open", "--now")
    assert issued.returncode == 0, issued.stdout
    (terminal.environment["JOB"],) = re.findall(r"Batch job ([0-9a-f-]{36})", issued.stdout)
    return terminal


def send(terminal: Terminal, *words: str, **smtp: str) -> Ended:
    """Asks for the invoices to be sent and works through that job, with another mail server."""
    job = terminal.environment["JOB"]
    asked = terminal.acme("batch", "communications", "--job", job, "--method", "email", "--no-pdf")
    (job,) = re.findall(r"Batch job ([0-9a-f-]{36})", asked.stdout)
    return terminal.acme(
        "batch", "run", job, *words, **{f"{SMTP}{name.upper()}": value for name, value in smtp.items()}
    )


@pytest.fixture
def closed_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return str(listening.getsockname()[1])


def test_a_server_that_refuses_the_connection(terminal: Terminal, closed_port: str) -> None:
    ended = send(terminal, port=closed_port)
    assert ended.returncode == 1, ended.stdout
    assert re.search(r"why waiting +items +next try +message", ended.stdout)
    assert re.search(r"CONNECTION +3 ", ended.stdout)
    assert f"The mail server 127.0.0.1:{closed_port} cannot be reached: Connection refused" in ended.stdout


def test_a_server_that_says_nothing(terminal: Terminal) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        ended = send(terminal, port=str(silent.getsockname()[1]))
    assert ended.returncode == 1, ended.stdout
    assert re.search(r"CONNECTION +3 ", ended.stdout)
    assert "did not answer within 0.3 seconds (SMTP_TIMEOUT_SECONDS)" in ended.stdout


def test_a_server_whose_certificate_nobody_vouches_for(terminal: Terminal) -> None:
    with MailServer(tls="starttls") as server:
        ended = send(terminal, port=str(server.smtp_port), security="starttls", timeout_seconds="5")
    assert ended.returncode == 1, ended.stdout
    assert re.search(r"TLS +3 ", ended.stdout)
    assert "certificate verify failed" in ended.stdout


def test_a_server_that_refuses_the_login_told_to_a_program(terminal: Terminal) -> None:
    with MailServer() as server:
        wrong = {"user": server.user, "password": "not-the-password"}
        ended = send(terminal, "--json", port=str(server.smtp_port), timeout_seconds="5", **wrong)
        assert server.count() == 0
    assert ended.returncode == 1, ended.stdout
    (line,) = ended.stdout.splitlines()
    told = json.loads(line)
    assert (told["status"], told["total_items"], told["failures"]) == ("processing", 3, [])
    (reason,) = told["waiting"]
    assert (reason["code"], reason["items"]) == ("LOGIN_REFUSED", 3)
    assert "refused the login (SMTP_USER, SMTP_PASSWORD)" in reason["message"]
    assert "not-the-password" not in line


def test_messages_run_and_batch_show_say_it_too(terminal: Terminal, closed_port: str) -> None:
    send(terminal, port=closed_port)
    (job, *_) = re.findall(r"([0-9a-f-]{36}) +communications", terminal.acme("batch", "list").stdout)
    shown = terminal.acme("batch", "show", job)
    assert shown.returncode == 1
    assert "cannot be reached: Connection refused" in shown.stdout
    ran = terminal.acme("messages", "run")
    assert ran.returncode == 1
    assert re.search(r"CONNECTION +\d+ .* The mail server 127.0.0.1:\d+ ", ran.stdout)


def test_nothing_starts_that_would_send_unencrypted_to_another_machine(terminal: Terminal) -> None:
    ended = terminal.run("status", **{f"{SMTP}HOST": "mail.example.com"})
    assert ended.returncode == 2
    assert f"{SMTP}SECURITY: Value error, login and invoices would go to mail.example.com unencrypted" in ended.stderr
    assert "use starttls or tls" in ended.stderr


@pytest.mark.parametrize("service", ["smtp", "imap"])
def test_only_this_machine_may_be_reached_unencrypted(service: str) -> None:
    def wanted(host: str) -> Settings:
        given: dict[str, Any] = {f"{service}_host": host, f"{service}_security": "none"}
        return Settings(**given)

    for host in ("127.0.0.1", "127.8.8.8", "::1", "[::1]", "localhost", "LOCALHOST.", "mail.localhost"):
        assert wanted(host)
    for host in (
        "mail.example.com",
        "192.168.1.20",
        "localhost.example.com",
        "::2",
        "0.0.0.0",
        "127.0.0.1.example.com",
    ):
        with pytest.raises(ValidationError, match=f"{service}_security\n.*unencrypted"):
            wanted(host)
