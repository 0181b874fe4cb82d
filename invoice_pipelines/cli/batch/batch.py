"""The command group `batch`: asking for work in bulk, and looking after batch jobs of all kinds."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import typer

from invoice_pipelines.billing.errors import BillingError
from invoice_pipelines.billing.requests import parse_date, retry_with_date
from invoice_pipelines.cli.batch import asking, show
from invoice_pipelines.cli.batch.work import JobId, PageSize, open_jobs, process
from invoice_pipelines.cli.options import After, AsJson, OlderThan, OrganizationOption, examples, moment_before
from invoice_pipelines.cli.output import console, exit_if, print_list
from invoice_pipelines.cli.person import opened
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.work import JobStatus, cancel_job, find_job, history, retry_failed

_WITH_FAILURES = (JobStatus.COMPLETED_WITH_ERRORS, JobStatus.FAILED)

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
            created_from=None if since is None else moment_before("--since", since, zone),
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
    job: Annotated[
        str | None,
        typer.Argument(help="Id of the batch job; its first or last characters are enough.", metavar="[JOB]"),
    ] = None,
    older_than: OlderThan = None,
    kind: Annotated[str | None, typer.Option(help="With --older-than, only of this kind.", metavar="KIND")] = None,
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
    """Try the failed items of a batch job again, or of all that were asked for longer ago."""
    if (job is None) == (older_than is None):
        raise typer.BadParameter("give a JOB or --older-than")
    with opened(organization) as office:
        jobs = [_find(office, job)] if job is not None else _failed_before(office, older_than or "", kind)
        items = {job_id: _retry(office, job_id, invoice_date) for job_id in jobs}
        waiting = sum(items.values())
        console.print(f"{waiting} items wait again." if waiting else "No item has failed.")
        failed = [process(office, job_id) for job_id in jobs if now and items[job_id]]
    exit_if(any(failed))


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


def _retry(office: OrganizationContext, job_id: UUID, invoice_date: str | None) -> int:
    with office.scope() as connection:
        if invoice_date is None:
            return retry_failed(connection, job_id, requested_by=office.actor)
        date = None if invoice_date == "today" else parse_date("--invoice-date", invoice_date)
        return retry_with_date(connection, job_id, requested_by=office.actor, invoice_date=date)


def _failed_before(office: OrganizationContext, older_than: str, kind: str | None) -> list[UUID]:
    until = moment_before("--older-than", older_than, office.organization.time_zone)
    with office.scope() as connection:
        found = history(connection, kind=kind, statuses=_WITH_FAILURES, created_until=until, limit=10_000)
    return [job.id for job in reversed(found.jobs)]
