"""The commands `batch show`, for one batch job, its history and its items, and `batch stats`, for all by kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from sqlalchemy import Connection

from invoice_pipelines.cli.batch.work import JobId, PageSize, copied, has_problems, report, show_bundles
from invoice_pipelines.cli.options import After, AsJson, OrganizationOption, parse_id_or_none
from invoice_pipelines.cli.output import (
    compact_json,
    console,
    exit_if,
    listed,
    moment,
    print_json,
    print_json_lines,
    say,
    table,
)
from invoice_pipelines.cli.person import database, opened, scope_of
from invoice_pipelines.delivery.overview import waiting_reasons
from invoice_pipelines.delivery.values import MAKE_DOCUMENTS
from invoice_pipelines.work import (
    ItemStatus,
    Job,
    JobStatistics,
    find_job,
    get_job,
    job_events,
    job_items,
    statistics,
    statistics_of_all,
)

if TYPE_CHECKING:
    from invoice_pipelines.delivery.documents.bundles import DocumentBundle


app = typer.Typer()


@app.command()
def show(
    organization: OrganizationOption,
    job: JobId,
    items: Annotated[
        str | None,
        typer.Option(help="Show its items, too: `all`, or those with this status, such as failed.", metavar="STATUS"),
    ] = None,
    limit: PageSize = 50,
    after: After = None,
    folder: Annotated[
        Path | None, typer.Option(help="Copy its combined PDF and ZIP there, as far as they were asked for.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show a batch job: who asked for what, its counts, why items failed or wait, its files and items. Exits 1 if some
    failed, or wait because something is wrong.

    With --json, print a line for the job and, with --items, one for each item.
    """
    status = _item_status(items)
    last = parse_id_or_none(after, "an item, as the page before says it")
    with opened(organization) as office:
        with office.scope() as connection:
            job_id = find_job(connection, job)
            found, events = get_job(connection, job_id), job_events(connection, job_id)
            listing = job_items(connection, job_id, status=status, after=last, limit=limit) if items else None
            waiting = waiting_reasons(connection, (found.kind,), job_id)
            bundles = _files(connection, found)
        if as_json:
            files = [asdict(each) | {"path": copied(office, each, folder)} for each in bundles]
            print_json(asdict(found) | {"events": events, "waiting": waiting, "files": files})
            print_json_lines(listing.items if listing else ())
            exit_if(has_problems(found, waiting))
            return
        console.print(f"{found.kind}  {found.id}")
        if found.parameters:
            say(f"asked for  {compact_json(found.parameters)}")
        for event in events:
            detail = f" ({compact_json(event.detail)})" if event.detail else ""
            when = moment(event.created_at, office.organization.time_zone)
            say(f"{when}  {event.action} by {event.created_by}{detail}")
        failed = report(office, job_id)
        show_bundles(office, bundles, folder)
    if listing is not None:
        shown = table(None, "subject", "!status", "#attempts", "!code", "message or result")
        for item in listing.items:
            said = item.message or (compact_json(item.result) if item.result else "")
            shown.add_row(item.subject_id, item.status, item.attempts, item.code, said)
        console.print(shown)
        if listing.next_page is not None:
            console.print(f"There are more: add --after {listing.next_page}")
    exit_if(failed)


@app.command()
def stats(
    organization: Annotated[
        str | None, typer.Option("--organization", help="Slug; if left out, all organizations together.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show counts, success rate and durations of batch jobs by kind, in all and today (UTC)."""
    if organization is None:
        with database() as engine, engine.begin() as connection:
            found: Sequence[JobStatistics] = statistics_of_all(connection)
    else:
        with scope_of(organization) as connection:
            found = statistics(connection)
    if as_json:
        print_json_lines(found)
        return
    jobs = (
        "kind=job_type #jobs=total_jobs #pending=pending_jobs #in_work=processing_jobs #completed=completed_jobs "
        "#with_errors=completed_with_errors_jobs #failed=failed_jobs #cancelled=cancelled_jobs "
        "#seconds_each=average_duration_seconds"
    )
    items = (
        "kind=job_type #items=total_items #succeeded=successful_items #failed=failed_items #skipped=skipped_items "
        "#success_in_%=success_rate #waiting=waiting_items #in_work=leased_items"
    )
    today = (
        "today=job_type #asked=jobs_created_today #ended=jobs_ended_today #succeeded=successful_items_today "
        "#failed=failed_items_today #skipped=skipped_items_today #seconds_each=average_duration_seconds_today"
    )
    busy = [one for one in found if one.jobs_created_today or one.jobs_ended_today]
    for rows_of, columns in ((found, jobs), (found, items), (busy, today)):
        if rows_of:
            console.print(listed(rows_of, columns))
            console.print()
    console.print(
        "The columns waiting and in work include entries without a batch job." if found else "There was no batch job."
    )


def _files(connection: Connection, job: Job) -> Sequence[DocumentBundle]:
    if job.kind != MAKE_DOCUMENTS:
        return ()
    from invoice_pipelines.delivery.documents.bundles import find_bundles  # loads the PDF libraries

    return find_bundles(connection, job.id)


def _item_status(given: str | None) -> ItemStatus | None:
    if given is None or given == "all":
        return None
    try:
        return ItemStatus(given)
    except ValueError:
        raise typer.BadParameter(f"--items: {given!r} is none of all, {', '.join(ItemStatus)}") from None
