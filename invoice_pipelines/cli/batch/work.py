"""What the commands of `batch` share: how a job is worked through in this process or waited for, and its report.

What can be done here is a table of kinds; a job of another kind is left to Dagster.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import timedelta, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from invoice_pipelines.billing.errors import BillingError
from invoice_pipelines.billing.imports.batch import IMPORT_CSV, import_asked_rows
from invoice_pipelines.billing.overview import job_failures, job_outcome
from invoice_pipelines.billing.processing import KINDS as INVOICING
from invoice_pipelines.billing.processing import process_jobs
from invoice_pipelines.cli.output import console, exit_if, listed, print_json, print_rows, say
from invoice_pipelines.delivery.overview import WaitingReason, waiting_reasons
from invoice_pipelines.delivery.values import COMMUNICATIONS, MAKE_DOCUMENTS
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.storage import read_blob, root_path, write_file_atomically
from invoice_pipelines.work import BatchAnswer, Job, JobStatus, get_job, history

if TYPE_CHECKING:
    from invoice_pipelines.delivery.documents.bundles import DocumentBundle

LOOK_EVERY_SECONDS = 0.5
NO_END = timedelta(days=365)
_OPEN = (JobStatus.PENDING, JobStatus.PROCESSING)

JobId = Annotated[
    str, typer.Argument(help="Id of the batch job; its first or last characters are enough.", metavar="JOB")
]
PageSize = Annotated[int, typer.Option("--limit", help="How many on one page.", min=1, max=1000)]
Do = Callable[[OrganizationContext, UUID, Callable[[object], None]], object]
"""Does a job in this process; what it is given last is called after each chunk."""


def _issue(office: OrganizationContext, job_id: UUID, step: Callable[[object], None]) -> object:
    return process_jobs(office, job_id=job_id, time_box=NO_END, on_progress=step)


def _make_documents(office: OrganizationContext, job_id: UUID, step: Callable[[object], None]) -> object:
    from invoice_pipelines.delivery.documents.making import make_documents  # loads the engine of pages

    return make_documents(office, time_box=NO_END, job_id=job_id, on_progress=step)


def _send(office: OrganizationContext, job_id: UUID, step: Callable[[object], None]) -> object:
    from invoice_pipelines.delivery.sending.sending import send_messages  # loads the clients of mail server and Twilio

    return send_messages(office, time_box=NO_END, job_id=job_id, on_progress=step)


def _import(office: OrganizationContext, job_id: UUID, step: Callable[[object], None]) -> object:
    return import_asked_rows(office, time_box=NO_END, on_progress=step)


KINDS: Mapping[str, tuple[str, Do]] = {
    **dict.fromkeys(INVOICING, ("issuing", _issue)),
    IMPORT_CSV: ("importing", _import),
    MAKE_DOCUMENTS: ("making documents", _make_documents),
    COMMUNICATIONS: ("sending", _send),
}
"""What can be done in this process, and what doing it is called."""


def open_jobs(office: OrganizationContext) -> list[UUID]:
    """Jobs that can be done here and are not, the oldest first."""
    with office.scope() as connection:
        pages = [history(connection, kind=kind, statuses=_OPEN, limit=1000) for kind in KINDS]
    return sorted(job.id for page in pages for job in page.jobs)


def asked(office: OrganizationContext, answer: BatchAnswer, *, as_json: bool) -> None:
    """Says that a job was asked for, how many items it has, and how long it will take."""
    job_id, total, seconds = answer.job_id, answer.total, answer.estimated_seconds
    duration = f"about {seconds:.1f} s" if seconds < 120 else f"about {seconds / 60:.0f} min"
    message = f"Batch job {job_id}: {total} items, {duration}."
    if not as_json:
        console.print(message)
        return
    show = f"invoice-pipelines batch show {job_id} --organization {office.slug}"
    print_json(
        {
            "job_id": job_id,
            "total": total,
            "estimated_duration_seconds": seconds,
            "message": message,
            "follow": f"{show} --json",
        }
    )


def follow(office: OrganizationContext, job_id: UUID, *, now: bool, wait: bool, as_json: bool = False) -> None:
    """What a command does with the job that it asked for: all of it here (`now`), or wait until Dagster did it, or
    say who will. Exits with 1 where items failed, or wait because something is wrong.
    """
    if now:
        exit_if(process(office, job_id, as_json=as_json))
    elif wait:
        exit_if(wait_for(office, job_id, as_json=as_json))
    elif not as_json and _get(office, job_id).total_items:
        console.print("Dagster starts it within seconds; without Dagster: `batch run`.")


def process(office: OrganizationContext, job_id: UUID, *, as_json: bool = False) -> bool:
    """Works through a job in this process; returns whether items failed, or wait because something is wrong. Raises
    BillingError for a kind that cannot be done here.
    """
    job = _get(office, job_id)
    if job.kind not in KINDS:
        raise BillingError(
            f"Batch job {job_id} is of the kind {job.kind}, which Dagster does; here: {', '.join(KINDS)}."
        )
    what, do = KINDS[job.kind]
    try:
        with _bar(job, what) as advance:
            do(office, job_id, lambda _: advance(_get(office, job_id).processed_items))
    except KeyboardInterrupt:
        console.print(f"Stopped. Finished items stay; `batch run {job_id}` or Dagster continues.")
        raise
    return report(office, job_id, as_json=as_json)


def wait_for(office: OrganizationContext, job_id: UUID, *, as_json: bool = False) -> bool:
    """Waits until somebody else has done a job; returns what `report` does."""
    job = _get(office, job_id)
    with _bar(job, "waiting") as advance:
        while not job.status.is_final:
            time.sleep(LOOK_EVERY_SECONDS)
            job = _get(office, job_id)
            advance(job.processed_items)
    return report(office, job_id, as_json=as_json)


def report(office: OrganizationContext, job_id: UUID, *, as_json: bool = False) -> bool:
    """Prints what became of a job, to people or as one line of JSON; returns whether items failed, or wait because
    something is wrong.
    """
    with office.scope() as connection:
        job = get_job(connection, job_id)
        failures = job_failures(connection, job_id)
        outcome = job_outcome(connection, job_id) if job.kind in INVOICING and not as_json else None
        waiting = waiting_reasons(connection, (job.kind,), job_id)
    if as_json:
        reasons = {"failures": [*map(asdict, failures)], "waiting": [*map(asdict, waiting)]}
        print_json(asdict(job) | reasons)
        return has_problems(job, waiting)
    counts = (
        "status #items=total_items #succeeded=successful_items #failed=failed_items #skipped=skipped_items "
        "#cancelled=cancelled_items #seconds=actual_duration_seconds #per_second=items_per_second"
    )
    console.print(listed([job], counts))
    if outcome is not None and outcome.money:
        console.print(f"Numbers {outcome.first_number} to {outcome.last_number}")
        console.print(listed(outcome.money, "currency #invoices #net=net_amount #VAT=tax_amount #gross=gross_amount"))
    print_rows(failures, "why_failed=code #items for_example=example message")
    print_waiting(waiting, office.organization.time_zone)
    return has_problems(job, waiting)


def copied(office: OrganizationContext, bundle: DocumentBundle, folder: Path | None) -> Path | None:
    """Copies a file of a job into a folder, if one is given; returns where it is then."""
    if folder is None:
        return None
    path = folder.absolute() / bundle.file_name
    data = read_blob(root_path(office.settings.documents_root), office.id, bundle.sha256, bundle.size_bytes)
    write_file_atomically(root_path(str(path.parent)) / path.name, data)
    return path


def show_bundles(
    office: OrganizationContext, bundles: Sequence[DocumentBundle], folder: Path | None, *, as_json: bool = False
) -> None:
    """Names the files of a job, and copies them into a folder if one is given."""
    for bundle in bundles:
        path = copied(office, bundle, folder)
        if as_json:
            print_json(asdict(bundle) | {"path": path})
            continue
        where = f", in {path}" if path else ""
        say(f"{bundle.file_name}: {bundle.documents:,} documents, {bundle.size_bytes / 1e6:,.1f} MB{where}")


def print_waiting(waiting: Sequence[WaitingReason], zone: tzinfo) -> None:
    """Prints why items wait that were tried."""
    print_rows(waiting, "why_waiting=code #items next_try=next_at message", zone=zone)


def has_problems(job: Job, waiting: Sequence[WaitingReason]) -> bool:
    """Whether somebody should look at a job: items failed, or wait because something is wrong."""
    return job.failed_items > 0 or any(reason.is_fault for reason in waiting)


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


def _get(office: OrganizationContext, job_id: UUID) -> Job:
    with office.scope() as connection:
        return get_job(connection, job_id)
