"""A terminal in which tests type commands, which run in the process of the test."""

from __future__ import annotations

import io
import signal
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
import typer

from invoice_pipelines.cli.main import main
from invoice_pipelines.cli.output import console
from invoice_pipelines.settings import load_settings

command_of = cache(typer.main.get_command)
"""All commands, built once; a process builds them for the one it runs."""

PLACE = ("--country", "DE", "--time-zone", "Europe/Berlin", "--currency", "EUR")
SELLER = (*PLACE, *("--vat-id", "DE123456788", "--street", "Hafenweg 1", "--city", "Bremen", "--post-code", "28195"))


@dataclass(frozen=True)
class Ended:
    """How a command ended and what it printed."""

    returncode: int
    stdout: str
    stderr: str


class Terminal:
    """Types commands. They run in this process, as starting one and loading everything takes more than a second."""

    width = 200

    def __init__(self, home: Path, database_url: str = "") -> None:
        self.home = home
        self.environment = {"DAGSTER_HOME": str(home)}
        if database_url:
            self.environment["INVOICE_PIPELINES_DATABASE_URL"] = database_url

    def run(self, *words: str, **variables: str) -> Ended:
        """Types a command, in an environment with further variables."""
        stdout, stderr = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(stdout), redirect_stderr(stderr):
            for name, value in {**self.environment, **variables}.items():
                patch.setenv(name, value)
            patch.setattr(signal, "signal", lambda *handler: None)
            patch.setattr(console, "width", self.width)
            patch.setattr(typer.main, "get_command", command_of)
            patch.setattr(sys, "argv", ["invoice-pipelines", *words])
            load_settings.cache_clear()
            with pytest.raises(SystemExit) as ended:
                main()
        load_settings.cache_clear()
        assert "Traceback" not in stderr.getvalue()
        return Ended(int(ended.value.code or 0), stdout.getvalue(), stderr.getvalue())

    def acme(self, *words: str, **variables: str) -> Ended:
        """Types a command about the organization acme."""
        return self.run(*words, "--organization", "acme", **variables)

    def add(self, slug: str, *given: str) -> None:
        """Adds an organization."""
        added = self.run("organizations", "add", slug, "--name", f"{slug.title()} GmbH", *given)
        assert added.returncode == 0, added.stderr

    def file(self, name: str, content: str | bytes) -> str:
        """Writes a file into the home; returns its path."""
        path = self.home / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)


def one_line(ended: Ended) -> str:
    """What a command said that could not be done: one line on stderr, and exit code 2."""
    assert ended.returncode == 2, ended.stdout
    assert len(ended.stderr.splitlines()) == 1, ended.stderr
    return ended.stderr
