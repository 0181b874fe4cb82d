"""The commands `export list` and `export show`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from invoice_pipelines.cli.intake.received import RECEIVED, rows_of
from invoice_pipelines.cli.language import AskedLanguage, language_of
from invoice_pipelines.cli.options import AsJson, Limit, OrganizationOption
from invoice_pipelines.cli.output import console, print_json, print_list, print_record, print_rows
from invoice_pipelines.cli.person import opened
from invoice_pipelines.intake.lists import find_export, list_exported, list_exports

app = typer.Typer()


@app.command("list")
def list_(
    organization: OrganizationOption,
    format: Annotated[str | None, typer.Option(help="Only in this format, such as CSV or DATEV.")] = None,
    limit: Limit = 50,
    after: Annotated[int | None, typer.Option(help="Go on after this number.", metavar="NUMBER")] = None,
    as_json: AsJson = False,
) -> None:
    """List exports, the newest first, with how many invoices and files each has."""
    with opened(organization) as office, office.scope() as connection:
        found = list_exports(connection, format=format, after=after, limit=limit)
    if as_json:
        print_list(found, "", as_json=True, limit=limit)
        return
    rows = [asdict(export) | {"files": len(export.files)} for export in found]
    columns = (
        "#export=number !format !status #invoices=invoice_count #files asked=created_at written=completed_at "
        "by=created_by"
    )
    zone = office.organization.time_zone
    print_list(rows, columns, as_json=False, limit=limit, zone=zone, none="There is none.", cursor="number")


@app.command()
def show(
    organization: OrganizationOption,
    number: Annotated[int, typer.Argument(help="Number of the export.", min=1)],
    limit: Limit = 50,
    language: AskedLanguage = None,
    as_json: AsJson = False,
) -> None:
    """Show an export: its files, and the invoices in it."""
    with opened(organization) as office, office.scope() as connection:
        found = find_export(connection, number)
        invoices = list_exported(connection, found.id, limit=limit)
    if as_json:
        print_json(asdict(found) | {"invoices": invoices})
        return
    print_record(found, without=["files"])
    print_rows(found.files, "file=path #rows #bytes=size_bytes", title="\nFiles")
    spoken = language_of(language, office.organization.settings.language)
    print_rows(rows_of(invoices, spoken), RECEIVED[spoken], title="\nInvoices", zone=office.organization.time_zone)
    if len(invoices) < found.invoice_count:
        console.print(f"{found.invoice_count:,} in all; --limit shows more")
