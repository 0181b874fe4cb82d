"""What --help shows, what the shell completes, and that a command loads no other ones."""

from __future__ import annotations

import ast
import inspect
import shlex
from pathlib import Path

import pytest
from typer.core import TyperGroup

from invoice_pipelines.cli import main
from invoice_pipelines.cli.main import COMMANDS, command
from invoice_pipelines_tests.support.terminal import Terminal


@pytest.mark.parametrize("name", [*COMMANDS, "quickbooks"])
def test_examples_in_the_help_can_be_typed(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("invoice.txt").touch()
    assert command(name).epilog, f"{name} has no examples"
    title, *examples = command(name).epilog.split("\n\n")
    assert title == "Examples:"
    for example in examples:
        program, *words = shlex.split(example)
        assert program == "invoice-pipelines"
        typed = command(words.pop(0))
        while isinstance(typed, TyperGroup):
            typed = typed.commands[words.pop(0)]
        typed.make_context(example, words)  # raises for an option that there is not, or one that is missing


def test_help_is_shown_with_examples_and_flowing_text(tmp_path: Path) -> None:
    shown = Terminal(tmp_path).run("intake", "--help").stdout
    assert "invoice-pipelines intake list --status FAILED --organization acme" in shown
    everything = " ".join(Terminal(tmp_path).run("--help").stdout.split())
    for name in (*COMMANDS, "quickbooks", "demo"):
        assert f" {name} " in everything


@pytest.mark.parametrize(("typed", "place", "completed"), [("inv", 1, "invoices"), ("intake st", 2, "stuck\nstats")])
def test_the_shell_completes_nouns_and_verbs(tmp_path: Path, typed: str, place: int, completed: str) -> None:
    ended = Terminal(tmp_path).run(
        COMP_WORDS=f"invoice-pipelines {typed}",
        COMP_CWORD=str(place),
        _INVOICE_PIPELINES_COMPLETE="complete_bash",
    )
    assert ended.stdout.strip() == completed


def test_a_command_loads_no_module_of_another_one() -> None:
    """So that it starts in half the time, and completion as well."""
    imported = {
        node.module
        for node in ast.parse(inspect.getsource(main)).body
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("invoice_pipelines.cli")
    }
    assert imported == {"invoice_pipelines.cli.output"}
