"""The command `invoices pdf`: one document of an issued invoice as a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from invoice_pipelines.billing.issued_invoices import find_invoice
from invoice_pipelines.cli.options import LanguageOfInvoice, OrganizationOption
from invoice_pipelines.cli.output import console, say
from invoice_pipelines.cli.person import opened
from invoice_pipelines.delivery.values import DocumentFormat
from invoice_pipelines.storage import root_path, write_file_atomically

app = typer.Typer()


@app.command()
def pdf(
    number: Annotated[str, typer.Argument(help="Number of the invoice or credit note.", metavar="NUMBER")],
    organization: OrganizationOption,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where to; if left out, under its own name here.")
    ] = None,
    format: Annotated[
        DocumentFormat, typer.Option(help="A PDF with its XML (zugferd), XML alone, or a plain PDF.")
    ] = DocumentFormat.ZUGFERD,
    language: LanguageOfInvoice = None,
) -> None:
    """Write the newest document of an invoice to a file; it is made if there is none."""
    from invoice_pipelines.delivery.documents.rows import document_bytes  # loads the engine of pages
    from invoice_pipelines.delivery.documents.single import make_one

    with opened(organization) as office:
        with office.scope() as connection:
            document = make_one(connection, office, find_invoice(connection, number).id, format, language)
        data = document_bytes(office, document)
    path = (output or Path(document.file_name)).absolute()
    write_file_atomically(root_path(str(path.parent)) / path.name, data)
    pages = "" if document.pages is None else f", {document.pages} page{'s' if document.pages > 1 else ''}"
    if document.plain_reason is not None:
        console.print(f"A plain PDF, as it cannot be an e-invoice. {document.plain_reason}")
    say(f"{path}: {len(data):,} bytes{pages}, version {document.version}")
