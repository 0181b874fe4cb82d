"""Holds the command `quickbooks sync`: everything at once, without Dagster, with progress."""

from __future__ import annotations

import sys
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from invoice_pipelines.cli.output import console, literal, table
from invoice_pipelines.cli.person import person
from invoice_pipelines.database import organization_scope
from invoice_pipelines.database.access import open_database
from invoice_pipelines.organizations import find_organization
from invoice_pipelines.quickbooks.api.faults import QuickBooksError
from invoice_pipelines.quickbooks.push.requests import ask_for_invoices
from invoice_pipelines.quickbooks.sync import SyncReport, sync
from invoice_pipelines.quickbooks.values import EntityType
from invoice_pipelines.settings import load_settings

PROBLEMS = 1
_NO_END = timedelta(days=365)


class Direction(StrEnum):
    """Which way a sync goes."""

    BOTH = "both"
    PUSH = "push"
    PULL = "pull"


def register(app: typer.Typer) -> None:
    """Adds the command to those of `quickbooks`."""
    app.command("sync")(sync_command)


def sync_command(
    slug: Annotated[str, typer.Argument(help="Organization.", metavar="ORG")],
    entity: Annotated[
        list[EntityType] | None, typer.Option(help="What is synced; may be given several times. None: all.")
    ] = None,
    direction: Annotated[Direction, typer.Option(help="Only send, or only read.")] = Direction.BOTH,
    full: Annotated[
        bool, typer.Option("--full", help="Read everything there, not only what was changed since the last pull.")
    ] = False,
    invoices: Annotated[
        str | None,
        typer.Option(
            help="File with a number or id of an invoice per line, which are pushed as one batch job; - is stdin.",
            metavar="FILE",
        ),
    ] = None,
) -> None:
    """Sync an organization with QuickBooks now: read what was changed there, send what waits here."""
    settings = load_settings()
    with open_database(settings, application_name=person()) as engine:
        organization = find_organization(engine, slug)
        if invoices is not None:
            named = _lines(invoices)
            with organization_scope(engine, organization.id) as connection:
                job_id = ask_for_invoices(connection, named, created_by=person())
            console.print(f"Batch job {job_id}: {len(named)} invoices.")
        report = sync(
            engine,
            settings,
            organization.id,
            tuple(entity or EntityType),
            do_push=direction is not Direction.PULL,
            do_pull=direction is not Direction.PUSH,
            full=full,
            time_box=_NO_END,
            on_progress=lambda line: console.print(literal(line)),
        )
    if not report.is_connected:
        raise QuickBooksError(f"{slug} is not connected with QuickBooks; `quickbooks connect {slug}` does that.")
    _show(report)
    if report.stopped or any(pushed.failed for pushed in report.pushed.values()):
        raise typer.Exit(PROBLEMS)


def _lines(file: str) -> list[str]:
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise QuickBooksError(f"{file} is not a text file in UTF-8.") from None
    return [line.strip() for line in text.splitlines() if line.strip()]


def _show(report: SyncReport) -> None:
    shown = table(None, "", "#read", "#new here", "#changed here", "#conflicts", "#sent", "#failed", "#waiting")
    for entity in EntityType:
        pulled, pushed = report.pulled.get(entity), report.pushed.get(entity)
        if pulled is None and pushed is None:
            continue
        read = ("", "", "", "")
        if pulled is not None:
            applied = pulled.applied
            read = (str(pulled.documents), str(applied.created), str(applied.updated), str(applied.conflicts))
        sent = ("", "", "")
        if pushed is not None:
            sent = (str(pushed.pushed), str(pushed.failed), str(pushed.waiting + pushed.retried))
        shown.add_row(f"{entity}s", *read, *sent)
    console.print(shown)
    console.print(f"{report.usage.calls} calls in {report.seconds:.1f} s.")
    for pushed in report.pushed.values():
        for failure in pushed.failures:
            console.print(literal(f"{failure.code}: {failure.message}"), soft_wrap=True)
    if report.stopped:
        console.print(literal(f"Stopped: {report.stopped}"), soft_wrap=True)
