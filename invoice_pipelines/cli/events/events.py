"""`invoice-pipelines events`: what changed, as programs are told of it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from invoice_pipelines.cli.options import AsJson, Limit, OrganizationOption, examples
from invoice_pipelines.cli.output import compact_json, print_list
from invoice_pipelines.cli.person import opened
from invoice_pipelines.events.feed import newest_events, read_events

app = typer.Typer(
    help="What changed, for programs: list.",
    no_args_is_help=True,
    epilog=examples(
        "events list --organization acme",
        "events list --type invoice.paid --type 'received_invoice.*' --organization acme --json",
    ),
)

EventTypes = Annotated[
    list[str] | None,
    typer.Option("--type", help="Only of this type, such as invoice.paid or invoice.*; can be repeated."),
]


@app.callback()
def _group() -> None:
    """Makes a group of it."""


@app.command("list")
def list_(
    organization: OrganizationOption,
    types: EventTypes = None,
    limit: Limit = 50,
    after: Annotated[
        str | None,
        typer.Option(help="Read on from this cursor, that of the last event that was read.", metavar="CURSOR"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the newest events, or those after a cursor, the oldest first."""
    with opened(organization) as office, office.scope() as connection:
        page = (
            newest_events(connection, types=types or (), limit=limit)
            if after is None
            else read_events(connection, after=after, types=types or (), limit=limit)
        )
    zone = office.organization.time_zone
    rows = [event if as_json else asdict(event) | {"data": compact_json(event.data)} for event in page.events]
    columns = "at=created_at !type data ~event=id"
    print_list(
        rows, columns, as_json=as_json, limit=limit, zone=zone, none="Nothing new has happened.", cursor="cursor"
    )
