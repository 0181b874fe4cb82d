"""What the commands of `batch` share: how a job is worked through in this process or waited for, and its report.

What can be done here is a table of kinds; a job of another kind is left to Dagster.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from sqlalchemy import Engine

from invoice_pipelines.billing.errors import BillingError
from invoice_pipelines.billing.overview import job_failures, job_outcome
from invoice_pipelines.billing.processing import KINDS as INVOICING
from invoice_pipelines.billing.processing import process_jobs
from invoice_pipelines.cli.output import console, print_json, table
from invoice_pipelines.cli.person import person
from invoice_pipelines.database import organization_scope
from invoice_pipelines.database.access import open_database
from invoice_pipelines.delivery.overview import WaitingReason, waiting_reasons
from invoice_pipelines.delivery.values import COMMUNICATIONS, MAKE_DOCUMENTS
from invoice_pipelines.organizations import Organization, find_organization
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.settings import Settings, load_settings
from invoice_pipelines.work import Job, JobStatus, get_job, history

PROBLEMS = 1
_LOOK_EVERY_SECONDS = 0.5
_NO_END = timedelta(days=365)
_OPEN = (JobStatus.PENDING, JobStatus.PROCESSING)

Slug = Annotated[str, typer.Option("--organization", help="Slug of the organization.")]
JobId = Annotated[str, typer.Argument(help="Id of the batch job.", metavar="JOB")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object per line, for programs.")]
Limit = Annotated[int, typer.Option(help="How many on one page.", min=1, max=1000)]
Step = Callable[[object], None]
"""Called after each chunk."""


@dataclass(frozen=True, slots=True)
class Doing:
    """How jobs of a kind are done in this process, and what that is called."""

    what: str
    do: Callable[[Engine, Settings, Organization, UUID, Step], object]


def _issue(engine: Engine, _: Settings, organization: Organization, job_id: UUID, step: Step) -> object:
    return process_jobs(engine, organization.id, job_id=job_id, time_box=_NO_END, on_progress=step)


def _make_documents(engine: Engine, settings: Settings, organization: Organization, job_id: UUID, step: Step) -> object:
    from invoice_pipelines.delivery.documents.making import make_documents  # loads the engine of pages

    context = OrganizationContext(engine, organization, settings, person())
    return make_documents(context, time_box=_NO_END, job_id=job_id, on_progress=step)


def _send(engine: Engine, settings: Settings, organization: Organization, job_id: UUID, step: Step) -> object:
    from invoice_pipelines.delivery.sending.sending import send_messages  # loads the clients of mail server and Twilio

    context = OrganizationContext(engine, organization, settings, person())
    return send_messages(context, time_box=_NO_END, job_id=job_id, on_progress=step)


KINDS: Mapping[str, Doing] = {
    **{kind: Doing("issuing", _issue) for kind in INVOICING},
    MAKE_DOCUMENTS: Doing("making documents", _make_documents),
    COMMUNICATIONS: Doing("sending", _send),
}


@contextmanager
def opened(slug: str) -> Iterator[tuple[Engine, Organization]]:
    """The database and an organization, for a command."""
    with open_database(load_settings(), application_name="command line") as engine:
        yield engine, find_organization(engine, slug)


def parse_job_id(text: str) -> UUID:
    """The id of a job as it was typed. Raises BillingError."""
    try:
        return UUID(text)
    except ValueError:
        raise BillingError(f"{repr(text)[:60]} is not the id of a batch job; `batch list` shows them.") from None


def lines_of(file: str) -> list[str]:
    """The lines of a file that hold something; `-` is stdin. Raises BillingError where it is no text."""
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise BillingError(f"{file} is not a text file in UTF-8.") from None
    return [line.strip() for line in text.splitlines() if line.strip()]


def open_jobs(engine: Engine, organization: Organization) -> list[UUID]:
    """Jobs that can be done here and are not, the oldest first."""
    with organization_scope(engine, organization.id) as connection:
        jobs = [
            job
            for kind in KINDS
            for job in history(connection, kind=kind, statuses=_OPEN, limit=1000).jobs
        ]  # fmt: skip
    return sorted(job.id for job in jobs)


def follow(engine: Engine, organization: Organization, job_id: UUID, *, now: bool, wait: bool) -> None:
    """What a command does with the job that it asked for: all of it here (`now`), or wait until Dagster did it, or
    say who will. Exits with 1 as `exit_if` does.
    """
    if now:
        exit_if(process(engine, organization, job_id))
    elif wait:
        exit_if(wait_for(engine, organization, job_id))
    elif _get(engine, organization, job_id).total_items:
        console.print("Dagster takes it up within seconds; without it: `batch run`.")


def process(engine: Engine, organization: Organization, job_id: UUID, *, as_json: bool = False) -> bool:
    """Works through a job in this process; returns whether items failed, or wait since something is wrong. Raises
    BillingError for a kind that cannot be done here.
    """
    job = _get(engine, organization, job_id)
    if (doing := KINDS.get(job.kind)) is None:
        raise BillingError(
            f"Batch job {job_id} is of the kind {job.kind}, which Dagster does; here: {', '.join(KINDS)}."
        )
    try:
        with _bar(job, doing.what) as advance:
            doing.do(
                engine,
                load_settings(),
                organization,
                job_id,
                lambda _: advance(_get(engine, organization, job_id).processed_items),
            )
    except KeyboardInterrupt:
        console.print(f"Stopped. What is done stays; `batch run {job_id}` or Dagster goes on.")
        raise
    return (report_json if as_json else report)(engine, organization, job_id)


def wait_for(engine: Engine, organization: Organization, job_id: UUID) -> bool:
    """Waits until somebody else has done a job; returns what `report` does."""
    job = _get(engine, organization, job_id)
    with _bar(job, "waiting") as advance:
        while not job.status.is_final:
            time.sleep(_LOOK_EVERY_SECONDS)
            job = _get(engine, organization, job_id)
            advance(job.processed_items)
    return report(engine, organization, job_id)


def report(engine: Engine, organization: Organization, job_id: UUID) -> bool:
    """Prints what became of a job; returns whether items failed, or wait since something is wrong."""
    job = _get(engine, organization, job_id)
    counts = table(
        None, "status", "#items", "#succeeded", "#failed", "#skipped", "#cancelled", "#seconds", "#per second"
    )
    counts.add_row(
        job.status,
        str(job.total_items),
        str(job.successful_items),
        str(job.failed_items),
        str(job.skipped_items),
        str(job.cancelled_items),
        "" if job.actual_duration_seconds is None else str(job.actual_duration_seconds),
        "" if job.items_per_second is None else f"{job.items_per_second:,.0f}",
    )
    console.print(counts)
    with organization_scope(engine, organization.id) as connection:
        if job.kind in INVOICING:
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
        waiting = waiting_reasons(connection, (job.kind,), job_id)
    if failures:
        reasons = table(None, "why failed", "#items", "for example", "message")
        for failure in failures:
            reasons.add_row(failure.code, str(failure.items), failure.example, failure.message)
        console.print(reasons)
    print_waiting(waiting, organization)
    return has_problems(job, waiting)


def report_json(engine: Engine, organization: Organization, job_id: UUID) -> bool:
    """The same as one line of JSON: the job, why items failed, and why others wait."""
    with organization_scope(engine, organization.id) as connection:
        job = get_job(connection, job_id)
        waiting = waiting_reasons(connection, (job.kind,), job_id)
        failures = job_failures(connection, job_id)
    reasons = {"failures": [asdict(failure) for failure in failures], "waiting": [asdict(reason) for reason in waiting]}
    print_json(asdict(job) | reasons)
    return has_problems(job, waiting)


def print_waiting(waiting: Sequence[WaitingReason], organization: Organization) -> None:
    """Prints why items wait that were tried."""
    if not waiting:
        return
    reasons = table(None, "why waiting", "#items", "next try", "message")
    for reason in waiting:
        reasons.add_row(reason.code, str(reason.items), minute(reason.next_at, organization), reason.message)
    console.print(reasons)


def has_problems(job: Job, waiting: Sequence[WaitingReason]) -> bool:
    """Whether somebody should look at a job: items failed, or wait since something is wrong."""
    return job.failed_items > 0 or any(reason.is_fault for reason in waiting)


def exit_if(failed: bool) -> None:
    """Ends the command with 1 where items failed, or wait since something is wrong."""
    if failed:
        raise typer.Exit(PROBLEMS)


def minute(moment: datetime, organization: Organization) -> str:
    """A moment as the clock of an organization shows it."""
    return f"{moment.astimezone(organization.time_zone):%Y-%m-%d %H:%M}"


@contextmanager
def _bar(job: Job, what: str) -> Iterator[Callable[[int], None]]:
    columns = (
        TextColumn(what),
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
