"""Names of files and folders are data: no command takes them for markup, for control of the terminal, or for lines."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import pytest
from rich.console import Console

from invoice_pipelines.cli import output
from invoice_pipelines.cli.output import console, styled, table
from invoice_pipelines_tests.support.intake.validation.specimens import UBL
from invoice_pipelines_tests.support.terminal import PLACE, Terminal, one_line

MARKUP = "red] [bold]a [link=x] :smile:.xml"
LINES = "b\nvalid  c\x1b[2J\u202elmx.xml"
NAMES = (MARKUP, LINES)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("names") / "in ["
    folder.mkdir()
    (folder / MARKUP).write_text(UBL, encoding="utf-8")
    (folder / LINES).write_bytes(b"no invoice")
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff.xml")).write_bytes(b"")
    return folder


@pytest.mark.parametrize("command", ["read", "validate"])
def test_files_and_folders_are_named_as_they_are(folder: Path, command: str) -> None:
    done = Terminal(folder.parent).run(command, str(folder), str(folder / MARKUP))
    assert done.returncode == 1, done.stderr
    assert done.stderr == ""
    assert done.stdout.count("in [/red] [bold]a [link=x] :smile:.xml") == 2
    assert "b\ufffdvalid  c\ufffd[2J\ufffdlmx.xml" in done.stdout
    assert not {"\x1b", "\u202e"} & set(done.stdout)


@pytest.mark.parametrize("command", ["read", "validate"])
def test_as_json_too(folder: Path, command: str) -> None:
    done = Terminal(folder.parent).run(command, str(folder), "--jsonl")
    assert done.returncode == 1, done.stderr
    assert {json.loads(line)["file"] for line in done.stdout.splitlines()} == {*NAMES, "?.xml"}


@pytest.mark.parametrize("command", ["read", "validate"])
def test_a_folder_that_is_missing_is_named_as_it_was(tmp_path: Path, command: str) -> None:
    said = one_line(Terminal(tmp_path).run(command, str(tmp_path / "[" / "red]\x1b[2J")))
    assert "[/red]\ufffd[2J" in said


def test_stored_documents_are_named_as_they_are(folder: Path, bare_terminal: Terminal) -> None:
    terminal = bare_terminal
    assert terminal.run("organizations", "add", "acme", "--name", "[/red] GmbH", *PLACE).returncode == 0
    uploaded = terminal.acme("upload", *(str(folder / name) for name in NAMES))
    assert uploaded.returncode == 0, uploaded.stderr
    upload = next(line.split()[-1] for line in uploaded.stdout.splitlines() if "lmx.xml" in line)
    assert terminal.acme("intake", "process", upload).returncode == 1
    for words in (
        ("intake", "errors"),
        ("intake", "stuck", "--minutes", "0"),
        ("intake", "stats"),
        ("review", "list"),
    ):
        done = terminal.acme(*words)
        assert done.returncode in (0, 1), (words, done.stderr)
        assert done.stderr == "", words
        assert not {"\x1b", "\u202e"} & set(done.stdout), words
    assert "red] [bold]a" in terminal.acme("intake", "stuck", "--minutes", "0").stdout
    assert "Formate" in terminal.acme("intake", "errors", "--language", "de").stdout
    assert "[/red] GmbH" in terminal.run("organizations", "list").stdout


@pytest.mark.parametrize("text", ["[/red]", "[bold]x[/bold]", ":smile:", "\x1b]0;x\x07", "\u202e", "[link=x]"])
def test_whatever_is_printed_is_shown_literally(text: str) -> None:
    written = io.StringIO()
    own = type(console)(file=written, highlight=False, markup=False, emoji=False, width=200)
    rows = table(text, text)
    rows.add_row(text)
    own.print(text, styled(text, "bold"), output.one_line(text))
    own.print(rows)
    assert written.getvalue().count("".join(sign if sign.isprintable() else "\ufffd" for sign in text)) >= 4
    assert not {"\x1b", "\x07", "\u202e"} & set(written.getvalue())
    assert isinstance(console, Console)
