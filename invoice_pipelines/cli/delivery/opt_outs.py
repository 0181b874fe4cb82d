"""`invoice-pipelines opt-outs`: addresses that nothing is sent to."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import typer

from invoice_pipelines.cli.batch.work import Slug
from invoice_pipelines.cli.output import console, literal, table
from invoice_pipelines.cli.person import person, scope_of
from invoice_pipelines.cli.registered import CHANNEL
from invoice_pipelines.delivery.messages.opt_outs import add_opt_out, end_opt_out, list_opt_outs
from invoice_pipelines.delivery.values import DeliveryError

app = typer.Typer(help="Addresses that nothing is sent to: list, add, end.", no_args_is_help=True)

Channel = Annotated[str, typer.Argument(help="By which nothing is sent there.", **CHANNEL)]
Address = Annotated[str, typer.Argument(help="Email address or phone number.", metavar="ADDRESS")]


@app.command("list")
def list_(
    organization: Slug,
    all_: Annotated[bool, typer.Option("--all", help="Also those that were ended.")] = False,
    limit: Annotated[int, typer.Option(help="How many, the oldest first.", min=1, max=10_000)] = 100,
    after: Annotated[str | None, typer.Option(help="Go on after the one with this id.", metavar="ID")] = None,
) -> None:
    """List the addresses that nothing is sent to."""
    with scope_of(organization) as connection:
        found = list_opt_outs(connection, with_ended=all_, after=_uuid(after) if after else None, limit=limit)
    if not found:
        console.print("Messages go to all addresses.")
        return
    shown = table(None, "channel", "address", "why", "note", "since", "by", "ended")
    for each in found:
        shown.add_row(
            each.channel,
            each.recipient,
            each.reason,
            each.note or "",
            f"{each.created_at:%Y-%m-%d}",
            each.created_by,
            f"{each.ended_at:%Y-%m-%d} by {each.ended_by}" if each.ended_at else "",
        )
    console.print(shown)
    if len(found) == limit:
        console.print(f"There may be more; go on with --after {found[-1].id}")


@app.command()
def add(
    organization: Slug,
    channel: Channel,
    address: Address,
    note: Annotated[str | None, typer.Option(help="How they said so.")] = None,
) -> None:
    """Send nothing to an address any more, because its owner said so."""
    with scope_of(organization) as connection:
        is_new = add_opt_out(connection, channel, address, note=note, created_by=person())
    shown = f"No {channel} goes to {address} any more." if is_new else f"No {channel} went to {address} before."
    console.print(literal(shown))


@app.command()
def end(organization: Slug, channel: Channel, address: Address) -> None:
    """Let messages go to an address again."""
    with scope_of(organization) as connection:
        if not end_opt_out(connection, channel, address, ended_by=person()):
            raise DeliveryError(f"nothing keeps {channel} from {address}; `opt-outs list` shows all")
    console.print(literal(f"{channel.capitalize()} goes to {address} again."))


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise typer.BadParameter(f"{text[:60]!r} is not the id of an opt-out") from None
