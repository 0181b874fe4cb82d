"""The command `invoices pdf`: one document of an issued invoice as a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from invoice_pipelines.billing.issued_invoices import find_invoice
from invoice_pipelines.cli.output import console
from invoice_pipelines.cli.person import person
from invoice_pipelines.database.access import open_database
from invoice_pipelines.delivery.values import DocumentFormat
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.settings import load_settings
from invoice_pipelines.storage import root_path, write_file_atomically


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(pdf)


def pdf(
    number: Annotated[str, typer.Argument(help="Number of the invoice or credit note.", metavar="NUMBER")],
    organization: Annotated[str, typer.Option("--organization", help="Slug of the organization.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where to; if left out, under its own name here.")
    ] = None,
    format: Annotated[
        DocumentFormat, typer.Option(help="A PDF with its XML (zugferd), XML alone, or a plain PDF.")
    ] = DocumentFormat.ZUGFERD,
    language: Annotated[
        str | None, typer.Option(help="Code of two letters; if left out, that of the invoice.", metavar="CODE")
    ] = None,
) -> None:
    """Write the newest document of an invoice to a file; it is made if there is none."""
    from invoice_pipelines.delivery.documents.rows import document_bytes  # loads the engine of pages
    from invoice_pipelines.delivery.documents.single import make_one

    settings, me = load_settings(), person()
    with open_database(settings, application_name=me[:60]) as engine:
        context = OrganizationContext.of(engine, organization, settings, me)
        with context.scope() as connection:
            document = make_one(connection, context, find_invoice(connection, number).id, format, language)
        data = document_bytes(context, document)
    path = (output or Path(document.file_name)).absolute()
    write_file_atomically(root_path(str(path.parent)) / path.name, data)
    pages = "" if document.pages is None else f", {document.pages} page{'s' if document.pages > 1 else ''}"
    if document.plain_reason is not None:
        console.print(f"A plain PDF, as it cannot be an e-invoice. {document.plain_reason}", markup=False)
    console.print(f"{path}: {len(data):,} bytes{pages}, version {document.version}", markup=False, soft_wrap=True)
