"""The commands of `export`: run one, see what it would do, ask for invoices again, write lost files again."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import typer

from invoice_pipelines.cli.intake.datev import show_refused
from invoice_pipelines.cli.output import console, table
from invoice_pipelines.cli.person import person, scope_of
from invoice_pipelines.database import organization_scope
from invoice_pipelines.database.access import open_database
from invoice_pipelines.intake.exports.datev.ledger import Sum
from invoice_pipelines.intake.exports.datev.writing import completed_batches, rewrite_batches
from invoice_pipelines.intake.exports.export_file import ExportFile, Place
from invoice_pipelines.intake.exports.exporting import preview_exports, waiting_invoices
from invoice_pipelines.intake.received_invoices import ask_for_new_export
from invoice_pipelines.intake.stages.stages import export_invoices, make_intake
from invoice_pipelines.organizations import change_organization, find_organization
from invoice_pipelines.settings import load_settings
from invoice_pipelines.storage import root_path

PROBLEMS = 1
SHOWN_BOOKINGS = 50

app = typer.Typer(help="Export of received invoices: run, preview, again, rewrite, formats.", no_args_is_help=True)

Slug = Annotated[str, typer.Option("--organization", help="Slug of the organization.")]


@app.command()
def run(
    organization: Slug,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would go, as `preview` does.")] = False,
) -> None:
    """Export what is validated, in all formats of the organization. Exits 1 if DATEV refuses something."""
    if dry_run:
        preview(organization)
        return
    settings = load_settings()
    with open_database(settings, application_name="command line") as engine:
        found = find_organization(engine, organization)
        report = export_invoices(make_intake(engine, found, settings, person()))
        with organization_scope(engine, found.id) as connection:
            refused = waiting_invoices(connection)
    shown = table(None, "#export", "format", "file", "#rows", "#bytes")
    for export in report.exports:
        for file in export.files:
            shown.add_row(str(export.number), export.format, file.path, str(file.rows), f"{file.size_bytes:,}")
    console.print(shown)
    console.print(f"{sum(export.newly_exported for export in report.exports)} invoices exported.")
    if refused:
        console.print(f"{len(refused)} invoices cannot be booked:")
        show_refused(refused)
        raise typer.Exit(PROBLEMS)


@app.command()
def preview(organization: Slug) -> None:
    """Show what an export would do now, without doing it. Exits 1 if DATEV would refuse something."""
    with open_database(load_settings(), application_name="command line") as engine:
        found = preview_exports(engine, find_organization(engine, organization), person())
    plain = "".join(f" {name}: {count} invoices." for name, count in found.invoices.items() if name != "DATEV")
    console.print(f"Formats: {', '.join(found.formats)}.{plain}")
    if "DATEV" in found.formats:
        console.print(f"DATEV: {found.invoices['DATEV']} invoices, {found.booking_count} bookings.")
        shown = table(
            None,
            "number",
            "date",
            "#amount",
            "",
            "",
            "#account",
            "#contra account",
            "key",
            "document",
            "text",
            "reversal",
        )
        for booking in found.bookings[:SHOWN_BOOKINGS]:
            shown.add_row(
                booking["invoice_number"],
                str(booking["document_date"]),
                f"{booking['amount']:,}",
                booking["currency"],
                booking["side"],
                booking["account"],
                booking["contra_account"],
                booking["tax_key"],
                booking["document_field"],
                booking["booking_text"],
                "yes" if booking["is_reversal"] else "",
            )
        console.print(shown)
        if found.booking_count > SHOWN_BOOKINGS:
            console.print(f"... and {found.booking_count - SHOWN_BOOKINGS} more")
        _show_sums(found.sums)
    if found.refused:
        console.print(f"{len(found.refused)} invoices cannot be booked:")
        show_refused(list(found.refused))
        raise typer.Exit(PROBLEMS)


@app.command()
def again(
    organization: Slug,
    ids: Annotated[
        list[UUID], typer.Argument(help="Ids of received invoices, as in the export file.", metavar="ID...")
    ],
) -> None:
    """Let exported invoices stand in the next export again. Bookings that say the same are not made twice."""
    with scope_of(organization) as connection:
        changed = ask_for_new_export(connection, ids)
    console.print(f"{len(changed)} invoices wait for the next export.")
    if len(changed) < len(set(ids)):
        console.print(
            f"{len(set(ids)) - len(changed)} are not EXPORTED in this organization and were left as they are."
        )
        raise typer.Exit(PROBLEMS)


@app.command()
def rewrite(
    organization: Slug,
    number: Annotated[int, typer.Argument(help="Number of a completed DATEV export.", min=1)],
) -> None:
    """Write the files of a DATEV export again, byte by byte as they were, such as after they were lost."""
    settings = load_settings()
    with open_database(settings, application_name="command line") as engine:
        found = find_organization(engine, organization)
        place = Place(found.id, found.slug, root_path(settings.exports_root), root_path(settings.originals_root))
        with organization_scope(engine, found.id) as connection:
            export_id = completed_batches(connection, number)
            if export_id is None:
                raise typer.BadParameter(f"{organization} has no completed DATEV export {number}")
            files = rewrite_batches(connection, export_id, place)
    _show_files(files)


@app.command()
def formats(
    organization: Slug,
    chosen: Annotated[
        list[str] | None,
        typer.Argument(help="Such as CSV and DATEV; none: CSV, and DATEV where it is set up."),
    ] = None,
) -> None:
    """Choose the formats of an organization's exports."""
    with open_database(load_settings(), application_name="command line") as engine:
        known = find_organization(engine, organization)
        values = tuple(dict.fromkeys(chosen or ())) or None
        settings = known.settings.model_copy(update={"export_formats": values})
        change_organization(engine, organization, settings=settings)
    console.print(f"{organization} exports {', '.join(values) if values else 'CSV, and DATEV where it is set up'}.")


def _show_files(files: tuple[ExportFile, ...]) -> None:
    shown = table(None, "file", "#rows", "#bytes")
    for file in files:
        shown.add_row(file.path, str(file.rows), f"{file.size_bytes:,}")
    console.print(shown)


def _show_sums(sums: tuple[Sum, ...]) -> None:
    shown = table(None, "#account", "key", "category", "#rate", "#bookings", "#sum", "")
    for row in sums:
        rate = "" if row.tax_rate is None else f"{row.tax_rate.normalize():f}"
        shown.add_row(
            row.contra_account,
            row.tax_key,
            row.tax_category or "",
            rate,
            str(row.bookings),
            f"{row.amount:,}",
            row.currency,
        )
    console.print(shown)
