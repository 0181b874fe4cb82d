"""The commands of `datev`: an organization's settings, account rules, suppliers and rates, and what waits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any
from uuid import UUID

import typer
from sqlalchemy import Connection

from invoice_pipelines.billing.requests import parse_date
from invoice_pipelines.cli.billing.csv_files import read_csv
from invoice_pipelines.cli.output import console, one_line, table
from invoice_pipelines.cli.person import person
from invoice_pipelines.database import organization_scope
from invoice_pipelines.database.access import open_database
from invoice_pipelines.intake.exports.datev import currencies
from invoice_pipelines.intake.exports.datev.accounts import rules, suppliers
from invoice_pipelines.intake.exports.datev.choosing import ask_for_bookings, retry_waiting, take_back
from invoice_pipelines.intake.exports.datev.ledger import booked_failures
from invoice_pipelines.intake.exports.datev.settings import (
    DatevSettings,
    checked_settings,
    load_settings,
    require_settings,
    save_settings,
)
from invoice_pipelines.intake.exports.export_files import complete_exports
from invoice_pipelines.intake.exports.exporting import WaitingInvoice, waiting_invoices
from invoice_pipelines.organizations import find_organization
from invoice_pipelines.settings import load_settings as load_deployment
from invoice_pipelines.storage import root_path

PROBLEMS = 1
SHOWN = 50

app = typer.Typer(help="DATEV: set up, account rules, suppliers, exchange rates.", no_args_is_help=True)
rules_app = typer.Typer(help="Account rules: import, list.", no_args_is_help=True)
suppliers_app = typer.Typer(help="Creditor accounts of suppliers: import, list.", no_args_is_help=True)
rates_app = typer.Typer(help="Exchange rates: import.", no_args_is_help=True)
app.add_typer(rules_app, name="rules")
app.add_typer(suppliers_app, name="suppliers")
app.add_typer(rates_app, name="rates")

Slug = Annotated[str, typer.Option("--organization", help="Slug of the organization.")]
File = Annotated[str, typer.Argument(help="CSV file in UTF-8; - is stdin.", metavar="FILE")]


@app.command("set-up")
def set_up(
    organization: Slug,
    consultant: Annotated[int | None, typer.Option(help="Beraternummer, 1001 to 9999999.")] = None,
    client: Annotated[int | None, typer.Option(help="Mandantennummer, 1 to 99999.")] = None,
    chart: Annotated[str | None, typer.Option(help="Chart of accounts: SKR03 or SKR04.")] = None,
    account_length: Annotated[int | None, typer.Option(help="Digits of general ledger accounts, 4 to 8.")] = None,
    fiscal_year_start_month: Annotated[int | None, typer.Option(help="Month in which fiscal years begin.")] = None,
    locked: Annotated[
        bool | None, typer.Option("--locked/--not-locked", help="Festschreibung: imported bookings are final.")
    ] = None,
    first_creditor: Annotated[str | None, typer.Option(help="First account to be given to a supplier.")] = None,
    last_creditor: Annotated[str | None, typer.Option(help="Last account to be given to a supplier.")] = None,
    chart_account: Annotated[
        bool | None,
        typer.Option(
            "--chart-account/--no-chart-account", help="Use the chart's goods account where no rule names another."
        ),
    ] = None,
    initials: Annotated[str | None, typer.Option(help="Diktatkürzel, two capital letters.")] = None,
    also_book: Annotated[
        list[str] | None, typer.Option(help="Document type (BT-3) to be booked as well; can be repeated.")
    ] = None,
) -> None:
    """Set DATEV up, or change what is given here. From then on exports hold DATEV batches as well."""
    given = {
        "consultant": consultant,
        "client": client,
        "chart": chart,
        "account_length": account_length,
        "fiscal_year_start_month": fiscal_year_start_month,
        "locked": locked,
        "first_creditor": first_creditor,
        "last_creditor": last_creditor,
        "chart_account": chart_account,
        "initials": initials,
        "also_booked_types": also_book,
    }
    with _scope(organization) as connection:
        known = load_settings(connection)
        values: dict[str, Any] = known.settings.model_dump() if known else {}
        settings = checked_settings(**values | {name: value for name, value in given.items() if value is not None})
        save_settings(connection, settings, person())
        waiting = retry_waiting(connection)
    _show(settings)
    _say_waiting(waiting)


@app.command()
def show(organization: Slug) -> None:
    """Show the DATEV settings."""
    with _scope(organization) as connection:
        settings = require_settings(connection)
    _show(settings)


@app.command()
def waiting(organization: Slug) -> None:
    """List the invoices that cannot be booked, each with all that is missing, and those that failed after they were.

    Exits 1 if there are any.
    """
    with _scope(organization) as connection:
        found, failed = waiting_invoices(connection), booked_failures(connection)
    show_refused(found)
    if failed:
        console.print(f"{len(failed)} invoices FAILED and still stand in the books; `datev take-back` takes them out:")
        shown = table(None, "invoice id", "file", "number", "#booked")
        for invoice in failed:
            amount = f"{invoice.amount:,} {invoice.currency}"
            shown.add_row(str(invoice.id), one_line(invoice.file_name), invoice.invoice_number or "", amount)
        console.print(shown)
    if found or failed:
        raise typer.Exit(PROBLEMS)


@app.command("take-back")
def take_back_(
    organization: Slug,
    ids: Annotated[list[UUID], typer.Argument(help="Ids of received invoices that FAILED.", metavar="ID...")],
) -> None:
    """Take bookings of FAILED invoices back (Generalumkehr), in a batch of their own, written at once."""
    settings = load_deployment()
    with open_database(settings, application_name="command line") as engine:
        found = find_organization(engine, organization)
        with organization_scope(engine, found.id) as connection:
            export_id = take_back(connection, ids, person())
        exports, originals = root_path(settings.exports_root), root_path(settings.originals_root)
        completed = complete_exports(engine, found.id, found.slug, exports, originals)
    export = next((export for export in completed if export.id == export_id), None)
    if export is None:
        console.print("None of these invoices is FAILED and stands in the books.")
        raise typer.Exit(PROBLEMS)
    console.print(f"{export.invoice_count} invoices were taken back by export {export.number}.")


@app.command()
def book(
    organization: Slug,
    since: Annotated[str, typer.Option(help="Issue date of the oldest invoice to be booked, such as 2026-01-01.")],
) -> None:
    """Let invoices that were exported before DATEV was set up be booked by the next export. No other format changes."""
    day = parse_date("--since", since)
    with _scope(organization) as connection:
        require_settings(connection)
        asked = ask_for_bookings(connection, day)
    console.print(f"{asked} invoices wait for the next export.")


@rules_app.command("import")
def import_rules(file: File, organization: Slug) -> None:
    """Replace all account rules by those of a file. Exits 1 if a row is wrong; then nothing changes.

    Columns: priority, seller, line_text, category, rate, region, account, tax_key, cost_center; only account is needed.
    """
    with _scope(organization) as connection:
        chart = require_settings(connection).accounts
        rows, lines = _rows(file, tuple(rules.COLUMNS), ("account",))
        found, problems = rules.check_rules(rows, chart)
        _stop_at(file, [(lines[problem.row - 1], problem.field, problem.message) for problem in problems])
        rules.replace_rules(connection, found, person())
        again = retry_waiting(connection)
    console.print(f"{len(found)} rules hold from now on.")
    _say_waiting(again)


@rules_app.command("list")
def list_rules(organization: Slug) -> None:
    """List the account rules in the order in which they are tried."""
    with _scope(organization) as connection:
        found = rules.load_rules(connection)
    shown = table(None, *(f"#{name}" if name in ("priority", "rate") else name for name in rules.COLUMNS))
    for rule in found.rules:
        key = rules.NO_KEY if rule.tax_key == "" else rule.tax_key
        values = {**{name: getattr(rule, name) for name in rules.COLUMNS}, "tax_key": key}
        shown.add_row(*("" if value is None else str(value) for value in values.values()))
    console.print(shown)


@suppliers_app.command("import")
def import_suppliers(file: File, organization: Slug) -> None:
    """Take over creditor accounts that suppliers have already. Exits 1 if a row is wrong; then nothing changes.

    Columns: account, and vat_id, tax_id or name. An account that a supplier has never changes.
    """
    with _scope(organization) as connection:
        settings = require_settings(connection)
        rows, lines = _rows(file, tuple(suppliers.COLUMNS), ("account",))
        new, problems = suppliers.import_suppliers(connection, rows, settings, person())
        _stop_at(file, [(lines[row - 1], field, message) for row, field, message in problems])
        again = retry_waiting(connection)
    console.print(f"{new} suppliers added; {len(rows) - new} had their account already.")
    _say_waiting(again)


@suppliers_app.command("list")
def list_suppliers(organization: Slug) -> None:
    """List suppliers and their creditor accounts."""
    with _scope(organization) as connection:
        found = suppliers.list_suppliers(connection)
    shown = table(None, "#account", "supplier", "told by", "from")
    for supplier in found:
        origin = "import" if supplier.is_imported else "given"
        shown.add_row(supplier.account, supplier.seller_name or "", supplier.seller_key, origin)
    console.print(shown)


@rates_app.command("import")
def import_rates(file: File, organization: Slug) -> None:
    """Add exchange rates. Exits 1 if a row is wrong; then nothing changes.

    Columns: currency, valid_from, valid_until (the same day where empty), rate (units of the currency for 1 EUR).
    """
    with _scope(organization) as connection:
        rows, lines = _rows(file, tuple(currencies.COLUMNS), ("currency", "valid_from", "rate"))
        found, problems = currencies.check_rates(rows)
        _stop_at(file, [(lines[row - 1], field, message) for row, field, message in problems])
        currencies.add_rates(connection, found, person())
        again = retry_waiting(connection)
    console.print(f"{len(found)} rates added.")
    _say_waiting(again)


def show_refused(invoices: list[WaitingInvoice]) -> None:
    """Prints invoices that cannot be booked; a line per reason."""
    shown = table(None, "file", "number", "date", "seller", "#gross", "code", "what is missing")
    for invoice in invoices:
        for reason in invoice.reasons:
            shown.add_row(
                one_line(invoice.file_name),
                invoice.invoice_number or "",
                str(invoice.issue_date or ""),
                invoice.seller_name or "",
                "" if invoice.gross_amount is None else f"{invoice.gross_amount:,} {invoice.currency or ''}",
                reason.code,
                reason.message,
            )
    console.print(shown)


@contextmanager
def _scope(slug: str) -> Iterator[Connection]:
    """One transaction of an organization."""
    with open_database(load_deployment(), application_name="command line") as engine:
        found = find_organization(engine, slug)
        with organization_scope(engine, found.id) as connection:
            yield connection


def _rows(file: str, columns: tuple[str, ...], needed: tuple[str, ...]) -> tuple[list[Mapping[str, str]], list[int]]:
    """The rows of a file and the lines where they stand; a row with too many cells ends the command."""
    records = list(read_csv(file, columns, needed))
    _stop_at(file, [(record.line, *record.problem) for record in records if record.problem])
    return [record.values for record in records], [record.line for record in records]


def _stop_at(file: str, problems: list[tuple[int, str, str]]) -> None:
    if not problems:
        return
    shown = table(None, "#line", "column", "what is wrong")
    for line, field, message in problems[:SHOWN]:
        shown.add_row(str(line), field, message)
    console.print(shown)
    console.print(f"{len(problems)} problems in {file}; nothing was changed.", markup=False)
    raise typer.Exit(PROBLEMS)


def _show(settings: DatevSettings) -> None:
    shown = table(None, "setting", "value")
    first, last = settings.creditors
    for name, value in {**settings.model_dump(), "first_creditor": first, "last_creditor": last}.items():
        listed = ", ".join(value) if isinstance(value, tuple) else value
        shown.add_row(name, "" if listed is None else str(listed))
    console.print(shown)


def _say_waiting(count: int) -> None:
    if count:
        console.print(f"{count} invoices that could not be booked are tried again by the next export.")
