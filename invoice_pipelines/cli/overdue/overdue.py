"""The commands of `overdue`, for runs that look for overdue invoices, and of `notifications`, for what they made."""

from __future__ import annotations

from typing import Annotated

import typer

from invoice_pipelines.cli.options import After, AsJson, Limit, OrganizationOption, day, examples
from invoice_pipelines.cli.output import console, exit_if, print_json, print_list, print_one, print_record, print_rows
from invoice_pipelines.cli.person import opened, scope_of
from invoice_pipelines.overdue import ExecutionReport, ExecutionStatus, notify_overdue
from invoice_pipelines.overdue.execution_log import find_execution, list_executions
from invoice_pipelines.overdue.notifications import NotificationStatus, find_notification, list_notifications

app = typer.Typer(
    help="Runs that look for overdue invoices: list, show, run.",
    no_args_is_help=True,
    epilog=examples(
        "overdue run --organization acme",
        "overdue list --status PARTIAL --organization acme",
        "overdue show 456789ab --organization acme",
    ),
)
notifications = typer.Typer(
    help="Notifications of overdue invoices: list, show.",
    no_args_is_help=True,
    epilog=examples(
        "notifications list --status open --organization acme",
        "notifications show 456789ab --organization acme",
    ),
)

RUNS = (
    "~run=id !status started=start_time #overdue=overdue_count #made=created_count #closed=closed_count "
    "#errors=error_count #opened_again=reopened_count !day=as_of #seconds=duration_seconds"
)


@app.command("list")
def list_(
    organization: OrganizationOption,
    status: Annotated[
        list[ExecutionStatus] | None, typer.Option(help="Only with this outcome; can be repeated.")
    ] = None,
    limit: Limit = 50,
    after: After = None,
    as_json: AsJson = False,
) -> None:
    """List runs, the newest first."""
    with opened(organization) as office, office.scope() as connection:
        last = None if after is None else find_execution(connection, after).id
        found = list_executions(connection, statuses=status, after=last, limit=limit)
    zone = office.organization.time_zone
    print_list(found, RUNS, as_json=as_json, limit=limit, zone=zone, none="Nobody has looked yet.")


@app.command()
def show(
    organization: OrganizationOption,
    run: Annotated[str, typer.Argument(help="Id of the run; its first or last characters are enough.", metavar="RUN")],
    as_json: AsJson = False,
) -> None:
    """Show a run, and the first hundred of its errors."""
    with scope_of(organization) as connection:
        found = find_execution(connection, run)
    _show(found, as_json)


@app.command()
def run(
    organization: OrganizationOption,
    as_of: Annotated[
        str | None, typer.Option(help="Judge by this day, such as 2026-03-31; by today if left out.", metavar="DATE")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Look for overdue invoices now, in this process. Exits 1 if invoices had errors."""
    with opened(organization) as office:
        report = notify_overdue(office, as_of=day("--as-of", as_of))
    _show(report, as_json)
    exit_if(report.status is not ExecutionStatus.SUCCESS)


@notifications.command("list")
def list_notifications_(
    organization: OrganizationOption,
    status: Annotated[
        list[NotificationStatus] | None, typer.Option(help="Only with this status; can be repeated.")
    ] = None,
    limit: Limit = 50,
    after: After = None,
    as_json: AsJson = False,
) -> None:
    """List notifications, the newest first."""
    with opened(organization) as office, office.scope() as connection:
        last = None if after is None else find_notification(connection, after).id
        found = list_notifications(connection, statuses=status, after=last, limit=limit)
    columns = (
        "~notification=id !invoice=invoice_number !status #due=amount_due currency #days=days_overdue #level "
        "customer=customer_name !due_date made=created_at sent=sent_at closed=closed_at why=closed_reason"
    )
    zone = office.organization.time_zone
    print_list(found, columns, as_json=as_json, limit=limit, zone=zone, none="There is none.")


@notifications.command("show")
def show_notification(
    organization: OrganizationOption,
    notification: Annotated[
        str,
        typer.Argument(help="Id of the notification; its first or last characters are enough.", metavar="NOTIFICATION"),
    ],
    as_json: AsJson = False,
) -> None:
    """Show a notification."""
    with scope_of(organization) as connection:
        found = find_notification(connection, notification)
    print_one(found, as_json=as_json)


def _show(report: ExecutionReport, as_json: bool) -> None:
    if as_json:
        print_json(report)
        return
    print_record(report, without=["errors"])
    rows = [{"invoice_number": None, "level": None, **error} for error in report.errors]
    print_rows(rows, "!invoice=invoice_number #level reason", title="\nErrors")
    if report.error_count > len(report.errors):
        console.print(f"{report.error_count:,} errors in all")
