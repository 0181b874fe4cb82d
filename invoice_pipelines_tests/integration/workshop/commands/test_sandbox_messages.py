"""The commands `sandbox mail` and `sandbox twilio`, as processes, with the addresses that they print."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from invoice_pipelines.delivery.channels.channel import channel_of
from invoice_pipelines.settings import Settings
from invoice_pipelines.workshop.sandbox.mail import MailServer
from invoice_pipelines.workshop.sandbox.twilio import TwilioServer
from invoice_pipelines_tests.support.delivery.channels.outgoing import CUSTOMER, PHONE, email, sms

pytestmark = pytest.mark.slow


@contextmanager
def running(*arguments: str) -> Iterator[dict[str, str]]:
    """The variables that the command prints, while it runs; then Ctrl-C."""
    command = [
        sys.executable,
        "-c",
        "from invoice_pipelines.cli.main import main; main()",
        "sandbox",
        *arguments,
        "--json",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        try:
            yield json.loads(line)["environment"]
        finally:
            os.kill(process.pid, signal.SIGTERM)
            _, errors = process.communicate(timeout=20)
        assert process.returncode == 0
        assert b"Traceback" not in errors


@pytest.mark.parametrize("security", ["none", "starttls"])
def test_mail_that_goes_into_the_sandbox_stays_in_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, security: str
) -> None:
    state = tmp_path / "mail.sqlite"
    arguments = ("--smtp-port", "0", "--imap-port", "0", "--security", security, "--state", str(state))
    with running("mail", *arguments) as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        channel = channel_of("email").open(Settings())
        outgoing = email()
        channel.send(outgoing)
        assert channel.look_up(outgoing, outgoing.date).went_out is True
        channel.close()
    with MailServer(state) as server:
        assert len(server.messages(CUSTOMER)) == 1


def test_sms_that_go_into_the_sandbox_stay_in_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = tmp_path / "twilio.sqlite"
    with running("twilio", "--port", "0", "--state", str(state)) as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        channel = channel_of("sms").open(Settings())
        channel.send(sms())
        channel.close()
    with TwilioServer(state) as server:
        assert len(server.messages(PHONE)) == 1


def test_a_file_that_is_none_of_the_sandbox_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.txt"
    other.write_text("not a database " * 100)
    for name in ("mail", "twilio"):
        command = [sys.executable, "-c", "from invoice_pipelines.cli.main import main; main()", "sandbox", name]
        done = subprocess.run([*command, "--state", str(other)], capture_output=True, timeout=60, check=False)
        assert done.returncode != 0
        assert b"--state" in done.stderr
        assert b"Traceback" not in done.stderr
