"""`invoice-pipelines opt-outs`: addresses that nothing is sent to."""

from __future__ import annotations

from typing import Annotated

import typer

from invoice_pipelines.cli.options import CHANNEL, After, AsJson, Limit, OrganizationOption, examples, parse_id_or_none
from invoice_pipelines.cli.output import console, print_json_lines, table
from invoice_pipelines.cli.person import person, scope_of
from invoice_pipelines.delivery.messages.opt_outs import add_opt_out, end_opt_out, list_opt_outs
from invoice_pipelines.delivery.values import DeliveryError

app = typer.Typer(
    help="Addresses that opted out of messages: list, add, end.",
    no_args_is_help=True,
    epilog=examples(
        'opt-outs add email anna@buyer.example --note "by phone" --organization acme',
        "opt-outs list --organization acme",
    ),
)

Channel = Annotated[str, typer.Argument(help="Channel that the address opted out of.", **CHANNEL)]
Address = Annotated[str, typer.Argument(help="Email address or phone number.", metavar="ADDRESS")]


@app.command("list")
def list_(
    organization: OrganizationOption,
    all_: Annotated[bool, typer.Option("--all", help="Also ended ones.")] = False,
    limit: Limit = 100,
    after: After = None,
    as_json: AsJson = False,
) -> None:
    """List the addresses that nothing is sent to, the oldest first."""
    last = parse_id_or_none(after, "an opt-out")
    with scope_of(organization) as connection:
        found = list_opt_outs(connection, with_ended=all_, after=last, limit=limit)
    if as_json:
        print_json_lines(found)
        return
    if not found:
        console.print("No address has opted out.")
        return
    shown = table(None, "channel", "address", "why", "note", "since", "by", "ended")
    for each in found:
        ended = f"{each.ended_at:%Y-%m-%d} by {each.ended_by}" if each.ended_at else ""
        since = each.created_at.date()
        shown.add_row(each.channel, each.recipient, each.reason, each.note, since, each.created_by, ended)
    console.print(shown)
    if len(found) == limit:
        console.print(f"There may be more: add --after {found[-1].id}")


@app.command()
def add(
    organization: OrganizationOption,
    channel: Channel,
    address: Address,
    note: Annotated[str | None, typer.Option(help="How the customer opted out.")] = None,
) -> None:
    """Send nothing to an address any more, because its owner said so."""
    with scope_of(organization) as connection:
        is_new = add_opt_out(connection, channel, address, note=note, created_by=person())
    shown = f"No {channel} goes to {address} any more." if is_new else f"No {channel} went to {address} before."
    console.print(shown)


@app.command()
def end(organization: OrganizationOption, channel: Channel, address: Address) -> None:
    """Let messages go to an address again."""
    with scope_of(organization) as connection:
        if not end_opt_out(connection, channel, address, ended_by=person()):
            raise DeliveryError(f"nothing keeps {channel} from {address}; `opt-outs list` shows all")
    console.print(f"{channel.capitalize()} goes to {address} again.")
