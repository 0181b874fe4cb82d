"""The command `sync` of each accounting system: everything at once, without Dagster, with progress."""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated

import typer

from invoice_pipelines.accounting.reports import SyncReport
from invoice_pipelines.accounting.system import AccountingSystem, RequestError
from invoice_pipelines.accounting.systems import accounting_systems
from invoice_pipelines.cli.batch.work import asked
from invoice_pipelines.cli.options import AsJson, OrganizationArgument, lines_of
from invoice_pipelines.cli.output import console, exit_if, print_json, say, table
from invoice_pipelines.cli.person import opened
from invoice_pipelines.work import answer_of

_NO_END = timedelta(days=365)
_SECONDS_PER_INVOICE = 0.2


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
        slug: OrganizationArgument,
        entity: Annotated[
            list[str] | None,
            typer.Option(help="What to sync; can be repeated. None: all.", metavar=f"[{'|'.join(choices)}]"),
        ] = None,
        direction: Annotated[Direction, typer.Option(help="Only send, or only read.")] = Direction.BOTH,
        full: Annotated[
            bool, typer.Option("--full", help="Read everything there, not only what was changed since the last pull.")
        ] = False,
        invoices: Annotated[
            str | None,
            typer.Option(
                help="File with one invoice number or id per line, which are pushed as one batch job; - is stdin.",
                metavar="FILE",
            ),
        ] = None,
        as_json: AsJson = False,
    ) -> None:
        for named in entity or ():
            if named not in choices:
                known = ", ".join(f"'{each}'" for each in choices)
                raise typer.BadParameter(f"Invalid value for '--entity': {named[:60]!r} is not one of {known}.")
        with opened(slug) as organization:
            if invoices is not None:
                references = lines_of(invoices)
                with organization.scope() as connection:
                    job_id = system.ask_for_invoices(connection, references, created_by=organization.actor)
                    answer = answer_of(connection, job_id, seconds_per_item=_SECONDS_PER_INVOICE)
                asked(organization, answer, as_json=as_json)
            report = system.sync(
                organization,
                [choices[each] for each in entity or choices],
                push=direction is not Direction.PULL,
                pull=direction is not Direction.PUSH,
                full=full,
                time_box=_NO_END,
                on_progress=(lambda _: None) if as_json else console.print,
            )
        if not report.is_connected:
            connect = f"`{system.name} connect {slug}` does that"
            raise RequestError(f"{slug} is not connected with {system.title}; {connect}.")
        if as_json:
            print_json(report)
        else:
            _show(report)
        exit_if(bool(report.stopped) or any(told.pushed.failed for told in report.entities.values() if told.pushed))


def _show(report: SyncReport) -> None:
    shown = table(None, "", "#read", "#new here", "#changed here", "#conflicts", "#sent", "#failed", "#waiting")
    for entity, told in report.entities.items():
        if (pulled := told.pulled) or told.pushed:
            read = (pulled.read, pulled.created, pulled.changed, pulled.conflicts) if pulled else ("",) * 4
            sent = (told.pushed.sent, told.pushed.failed, told.pushed.waiting) if told.pushed else ("",) * 3
            shown.add_row(entity, *read, *sent)
    console.print(shown)
    console.print(f"{report.calls} calls in {report.seconds:.1f} s.")
    for told in report.entities.values():
        for failure in told.pushed.failures if told.pushed else ():
            say(f"{failure.code}: {failure.message}")
    if report.stopped:
        say(f"Stopped: {report.stopped}")
