"""The commands that list batch jobs of all kinds, cancel, retry and run them."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from invoice_pipelines.billing.errors import BillingError
from invoice_pipelines.billing.requests import parse_date, retry_with_date
from invoice_pipelines.cli.batch.work import (
    AsJson,
    JobId,
    Limit,
    Slug,
    exit_if,
    minute,
    open_jobs,
    opened,
    parse_job_id,
    process,
)
from invoice_pipelines.cli.output import console, print_json, table
from invoice_pipelines.cli.person import person
from invoice_pipelines.database import organization_scope
from invoice_pipelines.work import JobStatus, cancel_job, history, retry_failed


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("list")(list_)
    app.command()(cancel)
    app.command()(retry)
    app.command()(run)


def list_(
    organization: Slug,
    kind: Annotated[
        str | None, typer.Option(help="Of one kind, such as invoice_orders; `batch stats` shows them.", metavar="KIND")
    ] = None,
    status: Annotated[
        list[JobStatus] | None, typer.Option(help="With this status; can be given more than once.")
    ] = None,
    by: Annotated[str | None, typer.Option(help="Asked for by; as the column `by` has it.", metavar="WHO")] = None,
    since: Annotated[
        str | None, typer.Option(help="Asked for since: 2026-03-31, 2026-03-31T14:00, 12h or 7d.", metavar="WHEN")
    ] = None,
    limit: Limit = 20,
    page: Annotated[
        str | None, typer.Option(help="The page after this job, as the page before says.", metavar="JOB")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List batch jobs of all kinds, the newest first, in pages."""
    with opened(organization) as (engine, found), organization_scope(engine, found.id) as connection:
        shown = history(
            connection,
            kind=kind,
            statuses=status or None,
            created_by=by,
            created_from=None if since is None else _moment(since, found.time_zone),
            before=None if page is None else parse_job_id(page),
            limit=limit,
        )
    if as_json:
        for job in shown.jobs:
            print_json(asdict(job))
        return
    jobs = table(None, "job", "kind", "status", "#items", "#done", "#failed", "#skipped", "#seconds", "asked", "by")
    jobs.columns[0].no_wrap = True  # as it is copied into other commands
    for job in shown.jobs:
        jobs.add_row(
            str(job.id),
            job.kind,
            job.status,
            str(job.total_items),
            str(job.successful_items),
            str(job.failed_items),
            str(job.skipped_items),
            "" if job.actual_duration_seconds is None else str(job.actual_duration_seconds),
            minute(job.created_at, found),
            job.created_by,
        )
    console.print(jobs)
    if shown.next_page is not None:
        console.print(f"There are more: add --page {shown.next_page}")


def cancel(organization: Slug, job: JobId) -> None:
    """Cancel a batch job. What is done stays done; a chunk in work is finished."""
    with opened(organization) as (engine, found), organization_scope(engine, found.id) as connection:
        if not cancel_job(connection, parse_job_id(job), cancelled_by=person()):
            raise BillingError(f"Batch job {job} has ended before.")
    console.print(f"Cancelled {job}.")


def retry(
    organization: Slug,
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
    job_id = parse_job_id(job)
    with opened(organization) as (engine, found):
        with organization_scope(engine, found.id) as connection:
            if invoice_date is None:
                items = retry_failed(connection, job_id, requested_by=person())
            else:
                date = None if invoice_date == "today" else parse_date("--invoice-date", invoice_date)
                items = retry_with_date(connection, job_id, requested_by=person(), invoice_date=date)
        console.print(f"{items} items wait again." if items else "No item of this job has failed.")
        failed = now and items > 0 and process(engine, found, job_id)
    exit_if(failed)


def run(
    organization: Slug,
    job: Annotated[str | None, typer.Argument(help="Id of the batch job; all open ones if left out.")] = None,
    as_json: AsJson = False,
) -> None:
    """Work through open jobs in this process, also one that was interrupted: invoices, documents and messages.
    Dagster does the same, and all other kinds. Exits 1 if items failed, or wait since something is wrong, such as a
    mail server that cannot be reached.
    """
    with opened(organization) as (engine, found):
        jobs = [parse_job_id(job)] if job is not None else open_jobs(engine, found)
        failed = False
        for each in jobs:
            if not as_json:
                console.print(f"Batch job {each}")
            failed |= process(engine, found, each, as_json=as_json)
        if not jobs and not as_json:
            console.print("No job is open that can be done here.")
    exit_if(failed)


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
