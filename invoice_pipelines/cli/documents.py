"""Holds the commands `read` and `validate`, which work on files and folders without a database."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from invoice_pipelines.cli.output import console, table
from invoice_pipelines.settings import load_settings

PROBLEMS = 1

Paths = Annotated[list[Path], typer.Argument(help="Files and folders.", metavar="PATH...")]
Jsonl = Annotated[bool, typer.Option("--jsonl", help="One JSON object per file, in path order.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command()(read)
    app.command()(validate)


def read(paths: Paths, jsonl: Jsonl = False) -> None:
    """Read invoices and print their fields. Exits 1 if a file could not be read."""
    from invoice_pipelines.intake.read_report import read_report

    _report(paths, jsonl, read_report, "ok", _show_read)


def validate(paths: Paths, jsonl: Jsonl = False) -> None:
    """Validate invoices and print the rules they break. Exits 1 if one is not valid."""
    from invoice_pipelines.intake.validate_report import validate_report

    rules = load_settings().rules_dir
    today = datetime.now(UTC).date()

    def report(path: Path, name: str) -> dict[str, Any]:
        return validate_report(path, name, today=today, rules_directory=rules)

    _report(paths, jsonl, report, "valid", _show_validated)


def _report(
    paths: list[Path],
    jsonl: bool,
    report: Callable[[Path, str], dict[str, Any]],
    good: str,
    show: Callable[[dict[str, Any]], None],
) -> None:
    from invoice_pipelines.intake.read_report import documents_below

    missing = [str(path) for path in paths if not path.exists()]
    if missing:
        raise typer.BadParameter(f"there is no {', '.join(missing)}")
    problems = 0
    for name, path in documents_below(paths):
        result = report(path, name)
        problems += not result[good]
        if jsonl:
            sys.stdout.write(json.dumps(result, ensure_ascii=False) + "\n")
            sys.stdout.flush()
        else:
            show(result)
    if problems:
        raise typer.Exit(PROBLEMS)


def _show_read(result: dict[str, Any]) -> None:
    if not result["ok"]:
        console.print(f"[red]{result['file']}[/red]: {result['error']}", soft_wrap=True)
        return
    console.print(f"[bold]{result['file']}[/bold]  {result['format']} {result['profile'] or ''}", soft_wrap=True)
    fields = table(None, "field", "value")
    for name, value in result["fields"].items():
        if value is not None:
            fields.add_row(name, str(value))
    console.print(fields)


def _show_validated(result: dict[str, Any]) -> None:
    mark = "[green]valid[/green]" if result["valid"] else "[red]not valid[/red]"
    console.print(f"{mark}  {result['file']}", soft_wrap=True)
    for violation in result["violations"]:
        console.print(f"    {violation['severity']} {violation['rule']}: {violation['message']}", soft_wrap=True)
