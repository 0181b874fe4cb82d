"""Holds the commands of `batch`: asking for invoices in bulk, and looking at, cancelling and retrying batch jobs."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from sqlalchemy import Engine

from invoice_pipelines.billing.errors import BillingError
from invoice_pipelines.billing.overview import job_failures, job_outcome
from invoice_pipelines.billing.processing import KINDS, process_jobs
from invoice_pipelines.billing.requests import (
    BatchAnswer,
    batch_invoice_open_orders,
    batch_invoice_orders,
    order_ids,
    parse_date,
)
from invoice_pipelines.cli.output import console, table
from invoice_pipelines.cli.person import person
from invoice_pipelines.database import organization_scope
from invoice_pipelines.database.access import open_database
from invoice_pipelines.organizations import Organization, find_organization
from invoice_pipelines.settings import load_settings
from invoice_pipelines.work import Job, JobStatus, cancel_job, get_job, history, retry_failed

PROBLEMS = 1
_LOOK_EVERY_SECONDS = 0.5
_NO_END = timedelta(days=365)
_OPEN = (JobStatus.PENDING, JobStatus.PROCESSING)

app = typer.Typer(help="Work in bulk: invoice many orders, follow, cancel and retry batch jobs.", no_args_is_help=True)

Slug = Annotated[str, typer.Option("--organization", help="Slug of the organization.")]
JobId = Annotated[str, typer.Argument(help="Id of the batch job.", metavar="JOB")]


@app.command()
def invoices(
    organization: Slug,
    orders: Annotated[
        str | None, typer.Option(help="File with one order id or order number per line; - is stdin.", metavar="FILE")
    ] = None,
    all_open: Annotated[bool, typer.Option("--all-open", help="All pending and reviewed orders.")] = False,
    invoice_date: Annotated[
        str | None, typer.Option(help="Issue date, such as 2026-03-31; today if left out.", metavar="DATE")
    ] = None,
    due_days: Annotated[int, typer.Option(help="Due so many days after the issue date.")] = 0,
    language: Annotated[
        str | None, typer.Option(help="Code of two letters; if left out, that of the customer.", metavar="CODE")
    ] = None,
    now: Annotated[bool, typer.Option("--now", help="Issue them in this process.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until Dagster has issued them.")] = False,
) -> None:
    """Invoice sales orders. Without --now the job is left to Dagster. Exits 1 if an order was not invoiced."""
    if (orders is None) != all_open:
        raise typer.BadParameter("give either --orders FILE or --all-open")
    if now and wait:
        raise typer.BadParameter("give --now or --wait, not both")
    date = None if invoice_date is None else parse_date("--invoice-date", invoice_date)
    references = None if orders is None else _lines(orders)
    with _opened(organization) as (engine, found):
        if references is None:
            answer = batch_invoice_open_orders(
                engine, found, invoice_date=date, due_days=due_days, language=language, created_by=person()
            )
        else:
            with organization_scope(engine, found.id) as connection:
                ids = order_ids(connection, references)
            answer = batch_invoice_orders(
                engine, found, ids, invoice_date=date, due_days=due_days, language=language, created_by=person()
            )
        _say(answer)
        failed = False
        if now:
            failed = _process(engine, found, answer.job_id)
        elif wait:
            failed = _wait(engine, found, answer.job_id)
        elif answer.total:
            console.print("Dagster takes it up within seconds; without it: `batch run`.")
    _exit(failed)


@app.command("list")
def list_(
    organization: Slug,
    limit: Annotated[int, typer.Option(help="How many jobs, the newest first.", min=1, max=1000)] = 20,
) -> None:
    """List batch jobs of all kinds, the newest first."""
    shown = table(None, "job", "kind", "status", "#items", "#done", "#failed", "#skipped", "asked", "by")
    with _opened(organization) as (engine, found):
        with organization_scope(engine, found.id) as connection:
            jobs = history(connection, limit=limit).jobs
        for job in jobs:
            shown.add_row(
                str(job.id),
                job.kind,
                job.status,
                str(job.total_items),
                str(job.successful_items),
                str(job.failed_items),
                str(job.skipped_items),
                f"{job.created_at.astimezone(found.time_zone):%Y-%m-%d %H:%M}",
                job.created_by,
            )
    console.print(shown)


@app.command()
def show(organization: Slug, job: JobId) -> None:
    """Show a batch job: its counts, and what became of its items. Exits 1 if some failed."""
    with _opened(organization) as (engine, found):
        failed = _report(engine, found, _job_id(job))
    _exit(failed)


@app.command()
def cancel(organization: Slug, job: JobId) -> None:
    """Cancel a batch job. What is done stays done; a chunk in work is finished."""
    with _opened(organization) as (engine, found), organization_scope(engine, found.id) as connection:
        if not cancel_job(connection, _job_id(job), cancelled_by=person()):
            raise BillingError(f"Batch job {job} has ended before.")
    console.print(f"Cancelled {job}.")


@app.command()
def retry(
    organization: Slug,
    job: JobId,
    now: Annotated[bool, typer.Option("--now", help="Do it in this process (invoicing jobs).")] = False,
) -> None:
    """Try the failed items of a batch job again."""
    with _opened(organization) as (engine, found):
        with organization_scope(engine, found.id) as connection:
            items = retry_failed(connection, _job_id(job), requested_by=person())
        console.print(f"{items} items wait again." if items else "No item of this job has failed.")
        failed = now and items > 0 and _process(engine, found, _job_id(job))
    _exit(failed)


@app.command()
def run(
    organization: Slug,
    job: Annotated[str | None, typer.Argument(help="Id of the batch job; all open ones if left out.")] = None,
) -> None:
    """Work through open invoicing jobs in this process, also one that was interrupted. Dagster does the same."""
    with _opened(organization) as (engine, found):
        jobs = [_job_id(job)] if job is not None else _open_jobs(engine, found)
        failed = False
        for each in jobs:
            console.print(f"Batch job {each}")
            failed |= _process(engine, found, each)
        if not jobs:
            console.print("No invoicing job is open.")
    _exit(failed)


@contextmanager
def _opened(slug: str) -> Iterator[tuple[Engine, Organization]]:
    with open_database(load_settings(), migrated=True, application_name="command line") as engine:
        yield engine, find_organization(engine, slug)


def _open_jobs(engine: Engine, organization: Organization) -> list[UUID]:
    with organization_scope(engine, organization.id) as connection:
        jobs = [
            job
            for kind in KINDS
            for job in history(connection, kind=kind, statuses=_OPEN, limit=1000).jobs
        ]  # fmt: skip
    return sorted(job.id for job in jobs)


def _job_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise BillingError(f"{repr(text)[:60]} is not the id of a batch job; `batch list` shows them.") from None


def _lines(file: str) -> list[str]:
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise BillingError(f"{file} is not a text file in UTF-8.") from None
    return [line.strip() for line in text.splitlines() if line.strip()]


def _say(answer: BatchAnswer) -> None:
    console.print(f"Batch job {answer.job_id}: {answer.total} items, about {_duration(answer.estimated_seconds)}.")


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min"


def _process(engine: Engine, organization: Organization, job_id: UUID) -> bool:
    job = _get(engine, organization, job_id)
    if job.kind not in KINDS:
        raise BillingError(f"Batch job {job_id} is of the kind {job.kind}; only invoicing jobs can be run here.")
    try:
        with _bar(job) as advance:
            process_jobs(
                engine,
                organization.id,
                job_id=job_id,
                time_box=_NO_END,
                on_progress=lambda progress: advance(job.processed_items + progress.done),
            )
    except KeyboardInterrupt:
        console.print(f"Stopped. What is issued stays; `batch run {job_id}` or Dagster goes on.")
        raise
    return _report(engine, organization, job_id)


def _wait(engine: Engine, organization: Organization, job_id: UUID) -> bool:
    job = _get(engine, organization, job_id)
    with _bar(job) as advance:
        while job.status in _OPEN:
            time.sleep(_LOOK_EVERY_SECONDS)
            job = _get(engine, organization, job_id)
            advance(job.processed_items)
    return _report(engine, organization, job_id)


@contextmanager
def _bar(job: Job) -> Iterator[Callable[[int], None]]:
    columns = (
        TextColumn("issuing"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left:"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=job.total_items, completed=job.processed_items)
        yield lambda done: progress.update(task, completed=done)


def _get(engine: Engine, organization: Organization, job_id: UUID) -> Job:
    with organization_scope(engine, organization.id) as connection:
        return get_job(connection, job_id)


def _report(engine: Engine, organization: Organization, job_id: UUID) -> bool:
    """Prints what became of a job; returns whether items failed."""
    job = _get(engine, organization, job_id)
    counts = table(
        None, "status", "#items", "#succeeded", "#failed", "#skipped", "#cancelled", "#seconds", "#per second"
    )
    rate = None if job.items_per_second is None else f"{job.items_per_second:,.0f}"
    counts.add_row(
        job.status,
        str(job.total_items),
        str(job.successful_items),
        str(job.failed_items),
        str(job.skipped_items),
        str(job.cancelled_items),
        "" if job.actual_duration_seconds is None else str(job.actual_duration_seconds),
        rate or "",
    )
    console.print(counts)
    with organization_scope(engine, organization.id) as connection:
        if job.kind in KINDS:
            outcome = job_outcome(connection, job_id)
            failures = outcome.failures
            if outcome.money:
                console.print(f"Numbers {outcome.first_number} to {outcome.last_number}")
                money = table(None, "currency", "#invoices", "#net", "#VAT", "#gross")
                for amount in outcome.money:
                    money.add_row(
                        amount.currency,
                        str(amount.invoices),
                        f"{amount.net_amount:,}",
                        f"{amount.tax_amount:,}",
                        f"{amount.gross_amount:,}",
                    )
                console.print(money)
        else:
            failures = job_failures(connection, job_id)
    if failures:
        reasons = table(None, "why failed", "#items", "for example", "message")
        for failure in failures:
            reasons.add_row(failure.code, str(failure.items), failure.example, failure.message)
        console.print(reasons)
    return job.failed_items > 0


def _exit(failed: bool) -> None:
    if failed:
        raise typer.Exit(PROBLEMS)
