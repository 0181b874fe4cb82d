"""`invoice-pipelines webhooks`: endpoints of programs, and what they were told."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from invoice_pipelines.cli.events.events import EventTypes
from invoice_pipelines.cli.options import (
    After,
    AsJson,
    Limit,
    OrganizationOption,
    examples,
    moment_before,
    parse_id_or_none,
)
from invoice_pipelines.cli.output import (
    console,
    exit_if,
    print_json,
    print_json_lines,
    print_list,
    print_one,
    print_rows,
)
from invoice_pipelines.cli.person import database, opened
from invoice_pipelines.database.installation import note_key
from invoice_pipelines.events.values import DeliveryStatus
from invoice_pipelines.events.webhooks.deliveries import (
    find_delivery,
    list_attempts,
    list_deliveries,
    replay_delivery,
    replay_since,
)
from invoice_pipelines.events.webhooks.endpoints import (
    Endpoint,
    NewSecret,
    add_endpoint,
    disable_endpoint,
    enable_endpoint,
    find_endpoint,
    list_endpoints,
    remove_endpoint,
    rotate_keys,
    rotate_secret,
)
from invoice_pipelines.settings import load_settings

app = typer.Typer(
    help="Endpoints that are told of events: add, list, show, attempts, replay, rotate, disable, enable, remove.",
    no_args_is_help=True,
    epilog=examples(
        "webhooks add https://shop.example/hooks --type invoice.paid --organization acme",
        "webhooks attempts 456789ab --status failed --organization acme",
        "webhooks replay 456789ab --since 2d --organization acme",
    ),
)

EndpointArgument = Annotated[
    str, typer.Argument(help="Id of the endpoint; its first or last characters are enough.", metavar="ENDPOINT")
]


@app.command()
def add(
    organization: OrganizationOption,
    url: Annotated[str, typer.Argument(help="Where events are posted to: https://...", metavar="URL")],
    types: EventTypes = None,
    description: Annotated[str, typer.Option(help="What it is for.")] = "",
    as_json: AsJson = False,
) -> None:
    """Tell an endpoint of events from now on; of all, or of those of some types. Shows its secret, once."""
    with opened(organization) as office, office.scope() as connection:
        made = add_endpoint(
            connection,
            office.settings,
            url,
            event_types=types or (),
            description=description,
            created_by=office.actor,
        )
    _show_secret(made, as_json)


@app.command("list")
def list_(organization: OrganizationOption, as_json: AsJson = False) -> None:
    """List the endpoints, the oldest first."""
    with opened(organization) as office, office.scope() as connection:
        found = list_endpoints(connection)
    if as_json:
        print_json_lines(found)
        return
    rows = [_row(endpoint) for endpoint in found]
    columns = "~endpoint=id url !status #waiting types why=status_reason failing_since description"
    print_rows(rows, columns, zone=office.organization.time_zone, none="There is none: `webhooks add` adds one.")


@app.command()
def show(organization: OrganizationOption, endpoint: EndpointArgument, as_json: AsJson = False) -> None:
    """Show an endpoint."""
    with opened(organization) as office, office.scope() as connection:
        found = find_endpoint(connection, endpoint)
    print_one(found, as_json=as_json)


@app.command()
def attempts(
    organization: OrganizationOption,
    endpoint: EndpointArgument,
    status: Annotated[DeliveryStatus | None, typer.Option(help="Only with this status.")] = None,
    delivery: Annotated[
        str | None,
        typer.Option(help="All attempts of this delivery, the first one first.", metavar="DELIVERY"),
    ] = None,
    limit: Limit = 50,
    after: After = None,
    as_json: AsJson = False,
) -> None:
    """List what an endpoint was told, the newest first, with the last attempt of each."""
    last = parse_id_or_none(after, "a delivery")
    with opened(organization) as office, office.scope() as connection:
        zone = office.organization.time_zone
        found = find_endpoint(connection, endpoint)
        if delivery is not None:
            each = list_attempts(connection, find_delivery(connection, delivery).id)
            columns = "#attempt started_at #answered=status_code #seconds=duration_seconds why=error_message answer"
            print_list(each, columns, as_json=as_json, limit=len(each) + 1, zone=zone)
            return
        told = list_deliveries(connection, found.id, status=status, after=last, limit=limit)
    columns = (
        "~delivery=id type=event_type !status #attempts #answered=status_code last=started_at why=error_message "
        "#seconds=duration_seconds"
    )
    print_list(told, columns, as_json=as_json, limit=limit, zone=zone, none="It was told nothing yet.")


@app.command()
def replay(
    organization: OrganizationOption,
    endpoint: EndpointArgument,
    since: Annotated[
        str | None, typer.Option(help="All events since then: 12h, 7d, 2026-03-31 or 2026-03-31T14:00.", metavar="WHEN")
    ] = None,
    delivery: Annotated[str | None, typer.Option(help="This delivery only.", metavar="DELIVERY")] = None,
) -> None:
    """Tell an endpoint again: with the same ids, by which it knows what it was told before."""
    if (since is None) == (delivery is None):
        raise typer.BadParameter("give either --since or --delivery")
    with opened(organization) as office, office.scope() as connection:
        found = find_endpoint(connection, endpoint)
        if delivery is not None:
            replay_delivery(connection, find_delivery(connection, delivery).id)
            count = 1
        else:
            moment = moment_before("--since", since or "", office.organization.time_zone)
            count = replay_since(connection, found.id, moment)
    console.print(f"{found.url} is told of {count:,} {'event' if count == 1 else 'events'} again.")


@app.command()
def rotate(
    organization: OrganizationOption,
    endpoint: EndpointArgument,
    keep_hours: Annotated[
        int, typer.Option(help="For how many hours the previous secrets stay valid; 0: not at all.", min=0, max=720)
    ] = 24,
    as_json: AsJson = False,
) -> None:
    """Give an endpoint a new secret, and show it, once."""
    with opened(organization) as office, office.scope() as connection:
        found = find_endpoint(connection, endpoint)
        made = rotate_secret(
            connection, office.settings, found.id, keep_earlier=timedelta(hours=keep_hours), created_by=office.actor
        )
    _show_secret(made, as_json)


@app.command()
def disable(
    organization: OrganizationOption,
    endpoint: EndpointArgument,
    reason: Annotated[str, typer.Option(help="Why, for those who look at it later.")] = "",
) -> None:
    """Tell an endpoint nothing any more, until it is enabled."""
    with opened(organization) as office, office.scope() as connection:
        found = find_endpoint(connection, endpoint)
        disable_endpoint(connection, found.id, reason or f"disabled by {office.actor}")
    console.print(f"{found.url} no longer receives events.")


@app.command()
def enable(organization: OrganizationOption, endpoint: EndpointArgument) -> None:
    """Tell an endpoint of events again, from now on; `replay` tells what it missed."""
    with opened(organization) as office, office.scope() as connection:
        found = find_endpoint(connection, endpoint)
        enable_endpoint(connection, found.id)
    console.print(f"{found.url} is told of events from now on.")


@app.command()
def remove(organization: OrganizationOption, endpoint: EndpointArgument) -> None:
    """Remove an endpoint for good."""
    with opened(organization) as office, office.scope() as connection:
        found = find_endpoint(connection, endpoint)
        remove_endpoint(connection, found.id, office.actor)
    console.print(f"{found.url} is removed.")


@app.command("rotate-keys")
def rotate_keys_command() -> None:
    """Encrypt the secrets of all endpoints with the first of the keys in INVOICE_PIPELINES_ENCRYPTION_KEYS."""
    with database() as engine:
        with engine.begin() as connection:
            note_key(connection, load_settings())
        rotated, failed = rotate_keys(engine, load_settings())
    console.print(f"Encrypted {rotated} secrets with the first key.")
    if failed:
        console.print(f"No configured key decrypts those of {', '.join(failed)}: rotate their secrets.")
    exit_if(bool(failed))


def _row(endpoint: Endpoint) -> dict[str, object]:
    return {
        "id": endpoint.id,
        "url": endpoint.url,
        "status": endpoint.status,
        "waiting": endpoint.waiting,
        "types": ", ".join(endpoint.event_types) or "all",
        "status_reason": endpoint.status_reason,
        "failing_since": endpoint.failing_since,
        "description": endpoint.description,
    }


def _show_secret(made: NewSecret, as_json: bool) -> None:
    if as_json:
        print_json(made)
        return
    console.print(f"Endpoint {made.endpoint_id}")
    console.print(f"Secret   {made.secret}")
    console.print("Give the secret to the receiver now: it is shown this once.")
