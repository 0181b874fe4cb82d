"""The commands of `templates`: an organization's own files for what its documents look like."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from invoice_pipelines.cli.options import AsJson, OrganizationOption, examples
from invoice_pipelines.cli.output import console, print_json, say, table
from invoice_pipelines.cli.person import person, scope_of
from invoice_pipelines.delivery.rendering.bundle import project_files
from invoice_pipelines.delivery.rendering.template_checks import not_accessible
from invoice_pipelines.delivery.rendering.template_files import (
    check_templates,
    list_own_files,
    load_bundle,
    remove_template_file,
    set_template_files,
)
from invoice_pipelines.delivery.values import DeliveryError

app = typer.Typer(
    help="How documents look: templates, texts, logo of an organization.",
    no_args_is_help=True,
    epilog=examples(
        "templates list --organization acme",
        "templates show letterhead.typ --output letterhead.typ --organization acme",
        "templates set letterhead.typ logo.svg --organization acme",
    ),
)

Name = Annotated[str, typer.Argument(help="Name of a template file, such as letterhead.typ or texts/de.toml.")]


@app.command("list")
def list_files(organization: OrganizationOption, as_json: AsJson = False) -> None:
    """List the template files that its documents are made with, and which of them are its own."""
    with scope_of(organization) as connection:
        own = {file.name: file for file in list_own_files(connection)}
        files = load_bundle(connection).files
    shown = table(None, "file", "#bytes", "whose", "since", "by")
    for name, content in files.items():
        file = own.get(name)
        whose = "own" if file and name not in project_files() else "own, instead of the project's" if file else ""
        since, by = (file.created_at, file.created_by) if file else (None, None)
        if as_json:
            line = {"name": name, "size_bytes": len(content), "is_own": file is not None}
            print_json(line | {"created_at": since, "created_by": by})
        shown.add_row(name, len(content), whose or "project", since, by)
    if not as_json:
        console.print(shown)


@app.command()
def show(
    name: Name,
    organization: OrganizationOption,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Where to write it; else to stdout.")] = None,
) -> None:
    """Show a template file as it is used: to change it, write it to a file and `set` that."""
    with scope_of(organization) as connection:
        content = load_bundle(connection).files.get(name)
    if content is None:
        raise DeliveryError(f"there is no template file {name!r}; `templates list` shows all")
    if output is not None:
        output.write_bytes(content)
    elif name.endswith((".typ", ".toml", ".svg")):
        sys.stdout.write(content.decode("utf-8"))
    else:
        raise DeliveryError(f"{name} is a picture; write it to a file with --output")


@app.command("set")
def set_files(
    files: Annotated[list[Path], typer.Argument(help="Files; each replaces the project's file of the same name.")],
    organization: OrganizationOption,
    name: Annotated[str | None, typer.Option(help="Name of the template file, if it is not that of the FILE.")] = None,
) -> None:
    """Store template files, checked by samples: a file with an error is refused, with its line.

    A logo is logo.svg, logo.png or logo.jpg; a TOML file is a catalogue of texts, such as de.toml.
    """
    if name is not None and len(files) != 1:
        raise typer.BadParameter("--name is for one file")
    contents = {name or _name_of(file): file.read_bytes() for file in files}
    with scope_of(organization) as connection:
        set_template_files(connection, contents, created_by=person())
    console.print(f"{len(contents)} template files stored and checked; new documents are made with them.")


@app.command()
def remove(name: Name, organization: OrganizationOption) -> None:
    """Take a template file back, so that the project's applies again. Existing documents stay as they are."""
    with scope_of(organization) as connection:
        remove_template_file(connection, name, created_by=person())
    console.print(f"{name} is taken back.")


@app.command()
def check(
    organization: OrganizationOption,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Folder for the samples, as PDFs.")] = None,
) -> None:
    """Make samples with its template files: an invoice, one of many pages, a credit note, in each language."""
    with scope_of(organization) as connection:
        samples = check_templates(connection)
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
        for file_name, pdf in samples.items():
            (output / file_name).write_bytes(pdf)
    where = f" in {output}" if output else ""
    say(f"{len(samples)} samples are made{where}: {', '.join(samples)}.")
    if silent := not_accessible(samples):
        say(
            f"Not accessible (PDF/UA-1): {', '.join(silent)}. Usually a picture lacks an alternative text: "
            'image(..., alt: "...").'
        )


def _name_of(file: Path) -> str:
    return f"texts/{file.name}" if file.suffix == ".toml" else file.name
