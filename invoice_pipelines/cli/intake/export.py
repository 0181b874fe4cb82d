"""The commands of `export`: run one, see what it would do, ask for invoices again, write lost files again."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from invoice_pipelines.cli.intake import exports
from invoice_pipelines.cli.intake.datev import show_refused
from invoice_pipelines.cli.options import AsJson, OrganizationOption, examples
from invoice_pipelines.cli.output import console, exit_if, listed, print_json, print_rows
from invoice_pipelines.cli.person import database, opened, scope_of
from invoice_pipelines.intake.exports.datev.writing import completed_batches, rewrite_batches
from invoice_pipelines.intake.exports.export_file import Place
from invoice_pipelines.intake.exports.exporting import WaitingInvoice, preview_exports, waiting_invoices
from invoice_pipelines.intake.lists import find_received
from invoice_pipelines.intake.received_invoices import ask_for_new_export
from invoice_pipelines.intake.stages.stages import export_invoices, intake_of
from invoice_pipelines.organizations import change_organization, find_organization
from invoice_pipelines.storage import root_path

SHOWN_BOOKINGS = 50

app = typer.Typer(
    help="Export of received invoices: list, show, run, preview, again, rewrite, formats.",
    no_args_is_help=True,
    epilog=examples(
        "export preview --organization acme",
        "export run --organization acme",
        "export list --format DATEV --organization acme",
        "export formats CSV DATEV --organization acme",
    ),
)
app.add_typer(exports.app)


@app.command()
def run(
    organization: OrganizationOption,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would go, as `preview` does.")] = False,
    as_json: AsJson = False,
) -> None:
    """Export what is validated, in all formats of the organization. Exits 1 if DATEV refuses something."""
    if dry_run:
        preview(organization, as_json)
        return
    with opened(organization) as office:
        report = export_invoices(intake_of(office))
        with office.scope() as connection:
            refused = waiting_invoices(connection)
    if as_json:
        print_json(asdict(report) | {"refused": refused})
        exit_if(bool(refused))
        return
    files = [{"export": export, "file": file} for export in report.exports for file in export.files]
    columns = "#export=export.number format=export.format file=file.path #rows=file.rows #bytes=file.size_bytes"
    print_rows(files, columns)
    console.print(f"{sum(export.newly_exported for export in report.exports)} invoices exported.")
    _show_refused(refused)


@app.command()
def preview(organization: OrganizationOption, as_json: AsJson = False) -> None:
    """Show what an export would do now, without doing it. Exits 1 if DATEV would refuse something."""
    with opened(organization) as office:
        found = preview_exports(office)
    if as_json:
        print_json(found)
        exit_if(bool(found.refused))
        return
    plain = "".join(f" {name}: {count} invoices." for name, count in found.invoices.items() if name != "DATEV")
    console.print(f"Formats: {', '.join(found.formats)}.{plain}")
    if "DATEV" in found.formats:
        console.print(f"DATEV: {found.invoices['DATEV']} invoices, {found.booking_count} bookings.")
        columns = (
            "number=invoice_number date=document_date #amount currency side #account #contra_account key=tax_key "
            "document=document_field text=booking_text reversal=is_reversal"
        )
        print_rows(found.bookings[:SHOWN_BOOKINGS], columns)
        if found.booking_count > SHOWN_BOOKINGS:
            console.print(f"... and {found.booking_count - SHOWN_BOOKINGS} more")
        columns = (
            "#account=contra_account key=tax_key category=tax_category #rate=tax_rate #bookings #sum=amount currency"
        )
        print_rows(found.sums, columns)
    _show_refused(list(found.refused))


@app.command()
def again(
    organization: OrganizationOption,
    invoices: Annotated[
        list[str],
        typer.Argument(help="Ids of received invoices; their first or last characters are enough.", metavar="ID..."),
    ],
) -> None:
    """Put exported invoices into the next export again. Identical bookings are not made twice."""
    with scope_of(organization) as connection:
        ids = [find_received(connection, each) for each in invoices]
        changed = ask_for_new_export(connection, ids)
    console.print(f"{len(changed)} invoices wait for the next export.")
    if len(changed) < len(set(ids)):
        console.print(f"{len(set(ids)) - len(changed)} are not EXPORTED here and were left as they are.")
    exit_if(len(changed) < len(set(ids)))


@app.command()
def rewrite(
    organization: OrganizationOption,
    number: Annotated[int, typer.Argument(help="Number of a completed DATEV export.", min=1)],
) -> None:
    """Write the files of a DATEV export again, identical to the byte, as when they were lost."""
    with opened(organization) as office:
        settings = office.settings
        place = Place(office.id, office.slug, root_path(settings.exports_root), root_path(settings.originals_root))
        with office.scope() as connection:
            export_id = completed_batches(connection, number)
            if export_id is None:
                raise typer.BadParameter(f"{organization} has no completed DATEV export {number}")
            files = rewrite_batches(connection, export_id, place)
    console.print(listed(files, "file=path #rows #bytes=size_bytes"))


@app.command()
def formats(
    organization: OrganizationOption,
    chosen: Annotated[
        list[str] | None,
        typer.Argument(help="Such as CSV and DATEV; none: CSV, and DATEV where it is set up."),
    ] = None,
) -> None:
    """Choose the export formats of an organization."""
    with database() as engine:
        known = find_organization(engine, organization)
        values = tuple(dict.fromkeys(chosen or ())) or None
        settings = known.settings.model_copy(update={"export_formats": values})
        change_organization(engine, organization, settings=settings)
    console.print(f"{organization} exports {', '.join(values) if values else 'CSV, and DATEV where it is set up'}.")


def _show_refused(refused: list[WaitingInvoice]) -> None:
    if refused:
        console.print(f"{len(refused)} invoices cannot be booked:")
        show_refused(refused)
    exit_if(bool(refused))
