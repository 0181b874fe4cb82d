"""The command group `batch`: asking for work in bulk, and looking after batch jobs of all kinds."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID
from zoneinfo import ZoneInfo

import typer

from invoice_pipelines.billing.errors import BillingError
from invoice_pipelines.billing.requests import parse_date, retry_with_date
from invoice_pipelines.cli.batch import asking, show
from invoice_pipelines.cli.batch.work import JobId, PageSize, open_jobs, process
from invoice_pipelines.cli.options import After, AsJson, OrganizationOption, examples
from invoice_pipelines.cli.output import console, exit_if, print_list
from invoice_pipelines.cli.person import opened
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.work import JobStatus, cancel_job, find_job, history, retry_failed

app = typer.Typer(
    help="Work in bulk: ask for invoices, documents and messages; list, show, cancel, retry and run batch jobs.",
    no_args_is_help=True,
    epilog=examples(
        "batch invoices --all-open --due-days 14 --organization acme",
        "batch list --status completed_with_errors --since 7d --organization acme",
        "batch show 456789ab --items failed --organization acme",
        "batch retry 456789ab --organization acme",
    ),
)
app.add_typer(asking.app)


@app.command("list")
def list_(
    organization: OrganizationOption,
    kind: Annotated[
        str | None, typer.Option(help="Of one kind, such as invoice_orders; `batch stats` shows them.", metavar="KIND")
    ] = None,
    status: Annotated[list[JobStatus] | None, typer.Option(help="With this status; can be repeated.")] = None,
    by: Annotated[
        str | None, typer.Option(help="Asked for by this person, as in the column `by`.", metavar="WHO")
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="Asked for since: 2026-03-31, 2026-03-31T14:00, 12h or 7d.", metavar="WHEN")
    ] = None,
    limit: PageSize = 20,
    after: After = None,
    as_json: AsJson = False,
) -> None:
    """List batch jobs of all kinds, the newest first, in pages."""
    with opened(organization) as office, office.scope() as connection:
        zone = office.organization.time_zone
        shown = history(
            connection,
            kind=kind,
            statuses=status or None,
            created_by=by,
            created_from=None if since is None else _moment(since, zone),
            before=None if after is None else find_job(connection, after),
            limit=limit,
        )
    columns = (
        "~job=id !kind !status #items=total_items #done=successful_items #failed=failed_items asked=created_at "
        "by=created_by #skipped=skipped_items #seconds=actual_duration_seconds"
    )
    print_list(shown.jobs, columns, as_json=as_json, limit=limit, zone=zone, none="There is none.")


@app.command()
def cancel(organization: OrganizationOption, job: JobId) -> None:
    """Cancel a batch job. What is done stays done; a chunk in work is finished."""
    with opened(organization) as office, office.scope() as connection:
        job_id = find_job(connection, job)
        if not cancel_job(connection, job_id, cancelled_by=office.actor):
            raise BillingError(f"Batch job {job_id} has ended before.")
    console.print(f"Cancelled {job_id}.")


@app.command()
def retry(
    organization: OrganizationOption,
    job: JobId,
    invoice_date: Annotated[
        str | None,
        typer.Option(
            help="Another issue date for what a job of invoices still issues, or `today` for the day of issue.",
            metavar="DATE",
        ),
    ] = None,
    now: Annotated[
        bool, typer.Option("--now", help="Do it in this process, where that is possible; see `batch run`.")
    ] = False,
) -> None:
    """Try the failed items of a batch job again."""
    with opened(organization) as office:
        with office.scope() as connection:
            job_id = find_job(connection, job)
            if invoice_date is None:
                items = retry_failed(connection, job_id, requested_by=office.actor)
            else:
                date = None if invoice_date == "today" else parse_date("--invoice-date", invoice_date)
                items = retry_with_date(connection, job_id, requested_by=office.actor, invoice_date=date)
        console.print(f"{items} items wait again." if items else "No item of this job has failed.")
        exit_if(now and items > 0 and process(office, job_id))


@app.command()
def run(
    organization: OrganizationOption,
    job: Annotated[str | None, typer.Argument(help="Id of the batch job; all open ones if left out.")] = None,
    as_json: AsJson = False,
) -> None:
    """Work through open jobs in this process, also an interrupted one: invoices, documents and messages. Dagster does
    the same, and all other kinds. Exits 1 if items failed, or wait because something is wrong, such as a mail server
    that cannot be reached.
    """
    with opened(organization) as office:
        jobs = open_jobs(office) if job is None else [_find(office, job)]
        failed = False
        for each in jobs:
            if not as_json:
                console.print(f"Batch job {each}")
            failed |= process(office, each, as_json=as_json)
    if not jobs and not as_json:
        console.print("No job is open that can be done here.")
    exit_if(failed)


app.add_typer(show.app)


def _find(office: OrganizationContext, job: str) -> UUID:
    with office.scope() as connection:
        return find_job(connection, job)


def _moment(given: str, zone: ZoneInfo) -> datetime:
    """A moment that was typed: a day or a time in the organization's zone, or so many hours or days ago."""
    try:
        if given[-1:] in ("h", "d"):
            number = int(given[:-1])
            return datetime.now(zone) - (timedelta(hours=number) if given[-1] == "h" else timedelta(days=number))
        moment = datetime.fromisoformat(given)
        return moment if moment.tzinfo else moment.replace(tzinfo=zone)
    except (ValueError, OverflowError):
        raise typer.BadParameter(
            f"--since: {given[:40]!r} is neither a day like 2026-03-31 nor a time like 2026-03-31T14:00 nor a while "
            "like 12h or 7d"
        ) from None
