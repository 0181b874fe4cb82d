"""The commands about exchange rates, by which VAT of invoices in other currencies is stated in the seller's."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from invoice_pipelines.billing.errors import BillingError, RowsRefused
from invoice_pipelines.billing.exchange_rates import (
    add_exchange_rates,
    exchange_rates,
    read_ecb_file,
    remove_exchange_rate,
)
from invoice_pipelines.billing.requests import parse_date
from invoice_pipelines.cli.options import AsJson, OrganizationOption, day, examples
from invoice_pipelines.cli.output import console, exit_if, print_json_lines, print_rows
from invoice_pipelines.cli.person import person, scope_of

_AT_ONCE = 20_000

app = typer.Typer(
    help="Exchange rates: import, set, list, remove.",
    no_args_is_help=True,
    epilog=examples(
        "exchange-rates import eurofxref.csv --organization acme",
        "exchange-rates set EUR USD 1.0823 --date 2026-03-31 --source ECB --organization acme",
    ),
)

Base = Annotated[str, typer.Argument(help="Base currency (one unit of it), such as EUR.")]
Other = Annotated[str, typer.Argument(help="Code of the other currency, such as USD.")]
Day = Annotated[str, typer.Option("--date", help="Day such as 2026-03-31.", metavar="DATE")]


@app.command("import")
def import_rates(
    file: Annotated[str, typer.Argument(help="File of the ECB, CSV or XML; - is stdin.", metavar="FILE")],
    organization: OrganizationOption,
    since: Annotated[str | None, typer.Option(help="Only rates of this day and later.", metavar="DATE")] = None,
) -> None:
    """Import euro reference rates of the European Central Bank: a day's or all of them.

    The files are eurofxref.csv, eurofxref-hist.csv, eurofxref-daily.xml, eurofxref-hist-90d.xml and eurofxref-hist.xml,
    as the ECB publishes them. Nothing is downloaded here. Rates of days that are known already are corrected.
    """
    try:
        content = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise BillingError(f"{file} cannot be read: {error.strerror}.") from None
    try:
        rates = list(read_ecb_file(content, since=day("--since", since)))
    except BillingError as error:
        raise BillingError(f"{file}: {error}") from None
    added = changed = 0
    with scope_of(organization) as connection:
        for start in range(0, len(rates), _AT_ONCE):
            written = add_exchange_rates(connection, rates[start : start + _AT_ONCE], created_by=person())
            added += written.added
            changed += written.changed
    known = len(rates) - added - changed
    newest = f" The newest are of {max(rate.rate_date for rate in rates)}." if rates else ""
    console.print(f"{added:,} rates added, {changed:,} corrected, {known:,} known already.{newest}")


@app.command("set")
def set_rate(
    base: Base,
    currency: Other,
    rate: Annotated[str, typer.Argument(help="Units of the other currency for one unit, such as 1.0823.")],
    organization: OrganizationOption,
    source: Annotated[str, typer.Option(help="Who published it; it is printed on invoices.")],
    date: Day,
) -> None:
    """Enter a rate by hand: one unit of BASE is worth RATE units of CURRENCY on a day."""
    row = {
        "base_currency": base,
        "currency": currency,
        "rate_date": parse_date("--date", date),
        "rate": rate,
        "source": source,
    }
    with scope_of(organization) as connection:
        try:
            written = add_exchange_rates(connection, [row], created_by=person())
        except RowsRefused as refused:
            (problem,) = refused.problems
            raise BillingError(f"{problem.field}: {problem.message}.") from None
    said = "added" if written.added else "corrected" if written.changed else "known already"
    console.print(f"1 {base} = {rate} {currency} on {date} ({source}): {said}.")


@app.command("list")
def list_rates(
    organization: OrganizationOption,
    currency: Annotated[str | None, typer.Option(help="Only rates of this currency.", metavar="CODE")] = None,
    until: Annotated[str | None, typer.Option(help="Only rates of this day and earlier.", metavar="DATE")] = None,
    limit: Annotated[int, typer.Option(help="At most this many.", min=1, max=100_000)] = 100,
    as_json: AsJson = False,
) -> None:
    """List the newest rates."""
    with scope_of(organization) as connection:
        rates = exchange_rates(connection, currency=currency, until=day("--until", until), limit=limit)
    if as_json:
        print_json_lines(rates)
        return
    print_rows(
        rates,
        "date=rate_date #1=base_currency #is_worth=rate currency source entered_by=created_by",
        none="No rates: import some with `exchange-rates import FILE`.",
    )


@app.command("remove")
def remove_rate(base: Base, currency: Other, organization: OrganizationOption, date: Day) -> None:
    """Remove a rate that was entered by mistake. Invoices keep what they were converted with. Exits 1 without one."""
    with scope_of(organization) as connection:
        removed = remove_exchange_rate(connection, base, currency, parse_date("--date", date))
    if not removed:
        console.print(f"There is no rate between {base} and {currency} on {date}.")
        exit_if(True)
    console.print(f"The rate between {base} and {currency} on {date} is removed.")
