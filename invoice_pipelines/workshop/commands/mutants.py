"""The command `mutants`: e-invoices that are broken at random, to compare rules on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from invoice_pipelines.cli.options import examples
from invoice_pipelines.cli.output import say

app = typer.Typer()


@app.command(epilog=examples("mutants inbox/ --to broken/ --count 1000", "rules compare broken/ --official rules/"))
def mutants(
    paths: Annotated[list[Path], typer.Argument(help="Files and folders with e-invoices in XML.", metavar="PATH...")],
    to: Annotated[Path, typer.Option(help="Folder to write them to.", metavar="DIR")],
    count: Annotated[int, typer.Option(help="How many.", min=1)] = 1000,
    seed: Annotated[int, typer.Option(help="Others for another number.")] = 1,
    crowded: Annotated[
        bool,
        typer.Option("--crowded", help="Instead, as many as have all that the schemas let stand in these invoices."),
    ] = False,
) -> None:
    """Make copies of e-invoices that are broken at random, always the same ones for the same seed."""
    from invoice_pipelines.workshop.mutants import crowded as crowds
    from invoice_pipelines.workshop.mutants import mutants as singles

    files = [file for path in paths for file in (sorted(path.rglob("*")) if path.is_dir() else [path])]
    documents = {str(file): file.read_bytes() for file in files if file.suffix.lower() == ".xml"}
    to.mkdir(parents=True, exist_ok=True)
    try:
        made = list(crowds.crowded(documents, seed) if crowded else singles.mutants(documents, count, seed))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    lines = []
    for mutant in made:
        name = f"{mutant.number:05}.xml"
        (to / name).write_bytes(mutant.xml)
        lines.append(f"{name}: {mutant.base}: {'; '.join(mutant.changes)}\n")
    (to / "changes.txt").write_text("".join(lines), encoding="utf-8")
    say(f"{len(made):,} mutants of {len(documents):,} documents are in {to}; changes.txt says what was done to each.")
