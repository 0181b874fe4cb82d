"""The commands of `datev`: an organization's settings, account rules, suppliers and rates, and what waits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any

import typer

from invoice_pipelines.billing.requests import parse_date
from invoice_pipelines.cli.billing.csv_files import read_csv
from invoice_pipelines.cli.options import AsJson, CsvFile, OrganizationOption, examples
from invoice_pipelines.cli.output import (
    PROBLEMS,
    console,
    exit_if,
    one_line,
    print_facts,
    print_json,
    print_json_lines,
    print_rows,
    table,
)
from invoice_pipelines.cli.person import opened, person, scope_of
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
from invoice_pipelines.intake.lists import find_received
from invoice_pipelines.storage import root_path

SHOWN = 50

app = typer.Typer(
    help="DATEV: set up, account rules, suppliers, exchange rates.",
    no_args_is_help=True,
    epilog=examples(
        "datev set-up --consultant 1001 --client 1 --chart SKR03 --organization acme",
        "datev rules import rules.csv --organization acme",
        "datev waiting --organization acme",
    ),
)
rules_app = typer.Typer(help="Account rules: import, list.", no_args_is_help=True)
suppliers_app = typer.Typer(help="Creditor accounts of suppliers: import, list.", no_args_is_help=True)
rates_app = typer.Typer(help="Exchange rates: import.", no_args_is_help=True)
app.add_typer(rules_app, name="rules")
app.add_typer(suppliers_app, name="suppliers")
app.add_typer(rates_app, name="rates")


@app.command("set-up")
def set_up(
    organization: OrganizationOption,
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
    with scope_of(organization) as connection:
        known = load_settings(connection)
        values: dict[str, Any] = known.settings.model_dump() if known else {}
        settings = checked_settings(**values | {name: value for name, value in given.items() if value is not None})
        save_settings(connection, settings, person())
        waiting = retry_waiting(connection)
    _show(settings)
    _say_waiting(waiting)


@app.command()
def show(organization: OrganizationOption, as_json: AsJson = False) -> None:
    """Show the DATEV settings."""
    with scope_of(organization) as connection:
        settings = require_settings(connection)
    if as_json:
        print_json(settings.model_dump(mode="json"))
    else:
        _show(settings)


@app.command()
def waiting(organization: OrganizationOption, as_json: AsJson = False) -> None:
    """List the invoices that cannot be booked, with all that is missing, and those that failed after they were booked.

    Exits 1 if there are any.
    """
    with scope_of(organization) as connection:
        found, failed = waiting_invoices(connection), booked_failures(connection)
    if as_json:
        print_json_lines(asdict(each) | {"is_booked": False} for each in found)
        print_json_lines(asdict(each) | {"is_booked": True} for each in failed)
        exit_if(bool(found or failed))
        return
    show_refused(found)
    if failed:
        console.print(f"{len(failed)} invoices FAILED but are still in the books; `datev take-back` takes them out:")
    print_rows(failed, "~invoice_id=id file=file_name !number=invoice_number #booked=amount currency")
    exit_if(bool(found or failed))


@app.command("take-back")
def take_back_(
    organization: OrganizationOption,
    invoices: Annotated[list[str], typer.Argument(help="Ids of received invoices that FAILED.", metavar="ID...")],
) -> None:
    """Take bookings of FAILED invoices back (Generalumkehr), in a batch of their own, written at once."""
    with opened(organization) as office:
        with office.scope() as connection:
            ids = [find_received(connection, each) for each in invoices]
            export_id = take_back(connection, ids, office.actor)
        exports, originals = root_path(office.settings.exports_root), root_path(office.settings.originals_root)
        completed = complete_exports(office.engine, office.id, office.slug, exports, originals)
    export = next((export for export in completed if export.id == export_id), None)
    if export is None:
        console.print("None of these invoices is FAILED and still in the books.")
        raise typer.Exit(PROBLEMS)
    console.print(f"{export.invoice_count} invoices were taken back by export {export.number}.")


@app.command()
def book(
    organization: OrganizationOption,
    since: Annotated[str, typer.Option(help="Issue date of the oldest invoice to be booked, such as 2026-01-01.")],
) -> None:
    """Let invoices that were exported before DATEV was set up be booked by the next export. No other format changes."""
    day = parse_date("--since", since)
    with scope_of(organization) as connection:
        require_settings(connection)
        asked = ask_for_bookings(connection, day)
    console.print(f"{asked} invoices wait for the next export.")


@rules_app.command("import")
def import_rules(file: CsvFile, organization: OrganizationOption) -> None:
    """Replace all account rules by those of a file. Exits 1 if a row is wrong; then nothing changes.

    Columns: priority, seller, line_text, category, rate, region, account, tax_key, cost_center; only account is needed.
    """
    with scope_of(organization) as connection:
        chart = require_settings(connection).accounts
        rows, lines = _rows(file, tuple(rules.COLUMNS), ("account",))
        found, problems = rules.check_rules(rows, chart)
        _stop_at(file, [(lines[problem.row - 1], problem.field, problem.message) for problem in problems])
        rules.replace_rules(connection, found, person())
        again = retry_waiting(connection)
    console.print(f"{len(found)} rules apply from now on.")
    _say_waiting(again)


@rules_app.command("list")
def list_rules(organization: OrganizationOption, as_json: AsJson = False) -> None:
    """List the account rules in the order in which they are tried."""
    with scope_of(organization) as connection:
        found = rules.load_rules(connection)
    if as_json:
        print_json_lines(found.rules)
        return
    shown = table(None, *(f"#{name}" if name in ("priority", "rate") else name for name in rules.COLUMNS))
    for rule in found.rules:
        key = rules.NO_KEY if rule.tax_key == "" else rule.tax_key
        shown.add_row(*(key if name == "tax_key" else getattr(rule, name) for name in rules.COLUMNS))
    console.print(shown)


@suppliers_app.command("import")
def import_suppliers(file: CsvFile, organization: OrganizationOption) -> None:
    """Take over creditor accounts that suppliers have already. Exits 1 if a row is wrong; then nothing changes.

    Columns: account, and vat_id, tax_id or name. An account that a supplier has never changes.
    """
    with scope_of(organization) as connection:
        settings = require_settings(connection)
        rows, lines = _rows(file, tuple(suppliers.COLUMNS), ("account",))
        new, problems = suppliers.import_suppliers(connection, rows, settings, person())
        _stop_at(file, [(lines[row - 1], field, message) for row, field, message in problems])
        again = retry_waiting(connection)
    console.print(f"{new} suppliers added; {len(rows) - new} had their account already.")
    _say_waiting(again)


@suppliers_app.command("list")
def list_suppliers(organization: OrganizationOption, as_json: AsJson = False) -> None:
    """List suppliers and their creditor accounts."""
    with scope_of(organization) as connection:
        found = suppliers.list_suppliers(connection)
    if as_json:
        print_json_lines(found)
        return
    shown = table(None, "#account", "supplier", "told by", "from")
    for supplier in found:
        origin = "import" if supplier.is_imported else "given"
        shown.add_row(supplier.account, supplier.seller_name or "", supplier.seller_key, origin)
    console.print(shown)


@rates_app.command("import")
def import_rates(file: CsvFile, organization: OrganizationOption) -> None:
    """Add exchange rates. Exits 1 if a row is wrong; then nothing changes.

    Columns: currency, valid_from, valid_until (the same day where empty), rate (units of the currency for 1 EUR).
    """
    with scope_of(organization) as connection:
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
            gross = "" if invoice.gross_amount is None else f"{invoice.gross_amount:,} {invoice.currency or ''}"
            shown.add_row(
                *(one_line(invoice.file_name), invoice.invoice_number, invoice.issue_date, invoice.seller_name),
                *(gross, reason.code, reason.message),
            )
    console.print(shown)


def _rows(file: str, columns: tuple[str, ...], needed: tuple[str, ...]) -> tuple[list[Mapping[str, str]], list[int]]:
    """The rows of a file and the lines where they stand; a row with too many cells ends the command."""
    records = list(read_csv(file, columns, needed))
    _stop_at(file, [(record.line, *record.problem) for record in records if record.problem])
    return [record.values for record in records], [record.line for record in records]


def _stop_at(file: str, problems: list[tuple[int, str, str]]) -> None:
    found = [{"line": line, "column": field, "message": message} for line, field, message in problems[:SHOWN]]
    print_rows(found, "#line column what_is_wrong=message")
    if problems:
        console.print(f"{len(problems)} problems in {file}; nothing was changed.")
    exit_if(bool(problems))


def _show(settings: DatevSettings) -> None:
    first, last = settings.creditors
    values = {**settings.model_dump(), "first_creditor": first, "last_creditor": last}
    shown = {name: ", ".join(value) if isinstance(value, tuple) else value for name, value in values.items()}
    print_facts({name: None if value is None else str(value) for name, value in shown.items()}, "setting", "value")


def _say_waiting(count: int) -> None:
    if count:
        console.print(f"{count} invoices that could not be booked are tried again by the next export.")
