"""The command `bench`, and those that make of what it found what `docs/scale.md` shows."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from invoice_pipelines.cli.output import console, table
from invoice_pipelines.workshop.bench.benches import BENCHES, OPTIONS, run_bench
from invoice_pipelines.workshop.bench.installation.bill import Prices, as_table, bill
from invoice_pipelines.workshop.bench.installation.drawing import drawing
from invoice_pipelines.workshop.bench.result import Bar, BenchError, BenchResult

PROBLEMS = 1


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(bench)
    app.command("draw-scale")(draw_scale)
    app.command("bill-scale")(bill_scale)


def bench(
    name: Annotated[str, typer.Argument(help="What to measure: " + ", ".join(BENCHES) + ".")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    documents: Annotated[
        Path | None,
        typer.Option(
            help="Of reading: a folder with labelled/, unlabelled/ and expected.jsonl. Of intake: e-invoices."
        ),
    ] = None,
    hybrids: Annotated[Path | None, typer.Option(help="Of reading: a folder of PDFs with e-invoices in them.")] = None,
    pages: Annotated[Path | None, typer.Option(help="Of reading: where recognized pages are kept.")] = None,
    organizations: Annotated[int | None, typer.Option(help="Of scale: how many there are in all.")] = None,
    active: Annotated[int | None, typer.Option(help="Of scale: how many of them get documents.")] = None,
    largest: Annotated[int | None, typer.Option(help="Of scale: how many documents the largest one gets.")] = None,
    seconds: Annotated[int | None, typer.Option(help="Of scale: how long the day is.")] = None,
) -> None:
    """Measure how fast and right the project is, and whether it keeps its promises. Exits 1 where one is not kept."""
    if name not in BENCHES:
        raise typer.BadParameter(f"there is no benchmark {name!r}; there are: {', '.join(BENCHES)}")
    options: dict[str, Path | int | None] = {"documents": documents, "hybrids": hybrids, "pages": pages}
    options |= {"organizations": organizations, "active": active, "largest": largest, "seconds": seconds}
    given = {option: value for option, value in options.items() if value is not None}
    for option in given:
        if option not in OPTIONS.get(name, ()):
            takers = [bench for bench, its_options in OPTIONS.items() if option in its_options]
            raise typer.BadParameter(f"--{option} is for {', '.join(takers)}")
    progress = Console(stderr=True, highlight=False)
    try:
        result = run_bench(name, lambda doing: progress.print(f"{name}: {doing}", style="dim"), **given)
    except BenchError as error:
        raise typer.TyperException(str(error)) from None
    if as_json:
        sys.stdout.write(json.dumps(result.as_json(), indent=2) + "\n")
    else:
        _show(result)
    if not result.holds:
        raise typer.Exit(PROBLEMS)


def draw_scale(
    found: Annotated[Path, typer.Argument(help="What `bench scale --json` printed.")],
    picture: Annotated[Path, typer.Argument(help="The SVG file to write.")],
) -> None:
    """Draw what `bench scale --json` found: the day of many organizations."""
    picture.write_text(drawing(json.loads(found.read_text("utf-8"))), "utf-8")


def bill_scale(
    found: Annotated[Path, typer.Argument(help="What `bench scale --json` printed.")],
    cpu_hour: Annotated[float, typer.Option(help="Price of a CPU for an hour.", min=0)],
    memory_hour: Annotated[float, typer.Option(help="Of a gigabyte of memory for an hour.", min=0)],
    database_month: Annotated[float, typer.Option(help="Of a gigabyte in PostgreSQL for a month.", min=0)],
    files_month: Annotated[float, typer.Option(help="Of a gigabyte in the storage of files for a month.", min=0)],
    currency: Annotated[str, typer.Option(help="In which the prices are.")] = "USD",
) -> None:
    """Print what a million documents cost, as a table of Markdown, by what bench scale --json found and your prices."""
    prices = Prices(cpu_hour, memory_hour, database_month, files_month)
    sys.stdout.write(as_table(bill(json.loads(found.read_text("utf-8")), prices), currency) + "\n")


def _show(result: BenchResult) -> None:
    shown = result.as_json()
    cases = table(None, "case", "#median", "#rounds", "unit", "what")
    for name, case in shown["cases"].items():
        cases.add_row(name, f"{case['median']:,}", str(case["n"]), case["unit"], case["about"])
    console.print(cases)
    ratios = table("\nRatios", "ratio", "#value", "#limit", "")
    for name, value in shown["ratios"].items():
        bar = shown["bars"].get(name)
        holds = "" if bar is None else Text("holds", "green") if bar["holds"] else Text("does not hold", "red")
        ratios.add_row(name, f"{value:.2f}", "" if bar is None else _limit(result.bars[name]), holds)
    console.print(ratios)
    console.print("\n" + ", ".join(f"{name} {value}" for name, value in shown["environment"].items()), style="dim")


def _limit(bar: Bar) -> str:
    return f"{'≤' if bar.at_most else '≥'} {bar.limit}"
