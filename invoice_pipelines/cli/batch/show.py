"""The command `batch show`: one batch job, who did what to it, and its items."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated
from uuid import UUID

import typer
from sqlalchemy import Engine

from invoice_pipelines.cli.batch.work import (
    AsJson,
    JobId,
    Limit,
    Slug,
    exit_if,
    has_problems,
    minute,
    opened,
    parse_job_id,
    report,
)
from invoice_pipelines.cli.output import compact_json, console, print_json, table
from invoice_pipelines.database import organization_scope
from invoice_pipelines.delivery.overview import waiting_reasons
from invoice_pipelines.organizations import Organization
from invoice_pipelines.work import ItemStatus, get_job, job_events, job_items

_LONGEST_RESULT = 120


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(show)


def show(
    organization: Slug,
    job: JobId,
    items: Annotated[
        str | None,
        typer.Option(help="Show its items, too: `all`, or those with this status, such as failed.", metavar="STATUS"),
    ] = None,
    limit: Limit = 50,
    page: Annotated[
        str | None, typer.Option(help="The page after this item, as the page before says.", metavar="ITEM")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show a batch job: who asked for what, its counts, why items failed or wait, and its items. Exits 1 if some
    failed, or wait since something is wrong.

    With --json it is a line for the job and, with --items, one for each item.
    """
    status = _item_status(items)
    after = None if page is None else _item_id(page)
    with opened(organization) as (engine, found):
        job_id = parse_job_id(job)
        if as_json:
            exit_if(_show_json(engine, found, job_id, items is not None, status, after, limit))
            return
        _say_who(engine, found, job_id)
        failed = report(engine, found, job_id)
        if items is not None:
            _show_items(engine, found, job_id, status, after, limit)
    exit_if(failed)


def _say_who(engine: Engine, organization: Organization, job_id: UUID) -> None:
    with organization_scope(engine, organization.id) as connection:
        job = get_job(connection, job_id)
        events = job_events(connection, job_id)
    console.print(f"{job.kind}  {job.id}", markup=False)
    if job.parameters:
        console.print(f"asked for  {compact_json(job.parameters)}", markup=False, soft_wrap=True)
    for event in events:
        detail = f" ({compact_json(event.detail)})" if event.detail else ""
        who = f"{event.action} by {event.created_by}{detail}"
        console.print(f"{minute(event.created_at, organization)}  {who}", markup=False, soft_wrap=True)


def _show_items(
    engine: Engine, organization: Organization, job_id: UUID, status: ItemStatus | None, after: UUID | None, limit: int
) -> None:
    with organization_scope(engine, organization.id) as connection:
        found = job_items(connection, job_id, status=status, after=after, limit=limit)
    shown = table(None, "subject", "status", "#attempts", "code", "message or result")
    for item in found.items:
        said = item.message or (compact_json(item.result)[:_LONGEST_RESULT] if item.result else "")
        shown.add_row(item.subject_id, item.status, str(item.attempts), item.code or "", said)
    console.print(shown)
    if found.next_page is not None:
        console.print(f"There are more: add --page {found.next_page}")


def _show_json(
    engine: Engine,
    organization: Organization,
    job_id: UUID,
    with_items: bool,
    status: ItemStatus | None,
    after: UUID | None,
    limit: int,
) -> bool:
    with organization_scope(engine, organization.id) as connection:
        job = get_job(connection, job_id)
        events = job_events(connection, job_id)
        found = job_items(connection, job_id, status=status, after=after, limit=limit) if with_items else None
        waiting = waiting_reasons(connection, (job.kind,), job_id)
    page = {} if found is None else {"next_page": found.next_page}
    reasons = {"waiting": [asdict(reason) for reason in waiting]}
    print_json(asdict(job) | {"events": [asdict(event) for event in events]} | reasons | page)
    for item in found.items if found is not None else ():
        print_json(asdict(item))
    return has_problems(job, waiting)


def _item_status(given: str | None) -> ItemStatus | None:
    if given is None or given == "all":
        return None
    try:
        return ItemStatus(given)
    except ValueError:
        raise typer.BadParameter(f"--items: {given!r} is none of all, {', '.join(ItemStatus)}") from None


def _item_id(given: str) -> UUID:
    try:
        return UUID(given)
    except ValueError:
        raise typer.BadParameter(f"--page: {given[:60]!r} is not what a page before said") from None
