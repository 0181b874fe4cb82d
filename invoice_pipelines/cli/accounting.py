"""The command `sync` of each accounting system: everything at once, without Dagster, with progress."""

import sys
from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from invoice_pipelines.accounting.reports import SyncReport
from invoice_pipelines.accounting.system import AccountingSystem, RequestError
from invoice_pipelines.accounting.systems import accounting_systems
from invoice_pipelines.cli.output import console, literal, table
from invoice_pipelines.cli.person import person
from invoice_pipelines.database.access import open_database
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.settings import load_settings

PROBLEMS = 1
_NO_END = timedelta(days=365)


class Direction(StrEnum):
    """Which way a sync goes."""

    BOTH = "both"
    PUSH = "push"
    PULL = "pull"


def register(app: typer.Typer, **commands: typer.Typer) -> None:
    """Adds a group for each accounting system, with its own `commands` where it has any."""
    for system in accounting_systems():
        group = commands.get(system.name) or typer.Typer(help=f"The books in {system.title}.", no_args_is_help=True)
        _add_sync(group, system)
        app.add_typer(group, name=system.name)


def _add_sync(group: typer.Typer, system: AccountingSystem) -> None:
    choices = {entity.one: entity.name for entity in system.entities}

    @group.command(
        "sync", help=f"Sync an organization with {system.title} now: read what was changed there, send what waits here."
    )
    def sync_command(
        slug: Annotated[str, typer.Argument(help="Organization.", metavar="ORG")],
        entity: Annotated[
            list[str] | None,
            typer.Option(
                help="What is synced; may be given several times. None: all.", metavar=f"[{'|'.join(choices)}]"
            ),
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
        for named in entity or ():
            if named not in choices:
                known = ", ".join(f"'{each}'" for each in choices)
                raise typer.BadParameter(f"Invalid value for '--entity': {named[:60]!r} is not one of {known}.")
        settings = load_settings()
        with open_database(settings, application_name=person()) as engine:
            organization = OrganizationContext.of(engine, slug, settings, person())
            if invoices is not None:
                _ask(system, organization, _lines(invoices))
            report = system.sync(
                organization,
                [choices[each] for each in entity or choices],
                push=direction is not Direction.PULL,
                pull=direction is not Direction.PUSH,
                full=full,
                time_box=_NO_END,
                on_progress=lambda line: console.print(literal(line)),
            )
        if not report.is_connected:
            connect = f"`{system.name} connect {slug}` does that"
            raise RequestError(f"{slug} is not connected with {system.title}; {connect}.")
        _show(report)
        if report.stopped or any(told.pushed.failed for told in report.entities.values() if told.pushed):
            raise typer.Exit(PROBLEMS)


def _ask(system: AccountingSystem, organization: OrganizationContext, invoices: Sequence[str]) -> None:
    with organization.scope() as connection:
        job_id = system.ask_for_invoices(connection, invoices, created_by=organization.actor)
    console.print(f"Batch job {job_id}: {len(invoices)} invoices.")


def _lines(file: str) -> list[str]:
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise RequestError(f"{file} is not a text file in UTF-8.") from None
    return [line.strip() for line in text.splitlines() if line.strip()]


def _show(report: SyncReport) -> None:
    shown = table(None, "", "#read", "#new here", "#changed here", "#conflicts", "#sent", "#failed", "#waiting")
    for entity, told in report.entities.items():
        pulled, pushed = told.pulled, told.pushed
        if pulled is None and pushed is None:
            continue
        read = (pulled.read, pulled.created, pulled.changed, pulled.conflicts) if pulled else ("", "", "", "")
        sent = (pushed.sent, pushed.failed, pushed.waiting) if pushed else ("", "", "")
        shown.add_row(entity, *map(str, (*read, *sent)))
    console.print(shown)
    console.print(f"{report.calls} calls in {report.seconds:.1f} s.")
    for told in report.entities.values():
        for failure in told.pushed.failures if told.pushed else ():
            console.print(literal(f"{failure.code}: {failure.message}"), soft_wrap=True)
    if report.stopped:
        console.print(literal(f"Stopped: {report.stopped}"), soft_wrap=True)
