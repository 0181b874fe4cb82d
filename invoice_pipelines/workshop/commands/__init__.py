"""The commands of the workshop, which `pyproject.toml` adds to the command line by an entry point."""

import typer

from invoice_pipelines.workshop.commands import bench, mutants, sandbox
from invoice_pipelines.workshop.demo import demo


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    demo.register(app)
    bench.register(app)
    app.add_typer(mutants.app)
    app.add_typer(sandbox.app, name="sandbox")
