"""The commands of `quickbooks`: connecting an organization with its company, and looking after the connection."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from sqlalchemy import Connection

from invoice_pipelines.cli.options import AsJson, OrganizationArgument, examples
from invoice_pipelines.cli.output import console, exit_if, print_facts, print_json, say, table
from invoice_pipelines.cli.person import database, opened
from invoice_pipelines.cli.quickbooks.callback import Callback
from invoice_pipelines.database import organization_scope
from invoice_pipelines.database.installation import note_key
from invoice_pipelines.organizations import find_organization, list_organizations
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.quickbooks.api.client import QuickBooks
from invoice_pipelines.quickbooks.api.faults import QuickBooksError
from invoice_pipelines.quickbooks.api.options import ConnectionOptions
from invoice_pipelines.quickbooks.connection.authorization import LASTS, begin_authorization, finish_authorization
from invoice_pipelines.quickbooks.connection.connections import (
    Connected,
    change_options,
    confirm_company,
    disconnect,
    find_connection,
)
from invoice_pipelines.quickbooks.connection.secrets import rotate_keys
from invoice_pipelines.quickbooks.connection.tokens import expiry_warnings
from invoice_pipelines.quickbooks.invoices.chosen_items import CHOSEN, find_chosen
from invoice_pipelines.quickbooks.promises import differing_totals
from invoice_pipelines.settings import is_local_url, load_settings

app = typer.Typer(
    help="The connection of organizations with QuickBooks Online.",
    no_args_is_help=True,
    epilog=examples(
        "quickbooks connect acme",
        "quickbooks sync acme --entity customer --direction pull",
        "quickbooks status",
        "quickbooks options acme conflict_policy=review",
    ),
)


@app.command("connect")
def connect_command(slug: OrganizationArgument) -> None:
    """Connect an organization: prints the page on which a person of the company allows it."""
    with opened(slug) as office:
        here = office.settings.quickbooks_redirect_uri
        callback = Callback(here) if here is not None and is_local_url(here) else None
        with office.scope() as connection:
            page = begin_authorization(connection, office.settings, requested_by=office.actor)
        console.print("Open this page and choose the company:")
        say(page)
        if callback is None:
            say(
                "The browser then goes to the redirect URI of the app, where no page needs to be. Within 15 minutes, "
                "copy the whole address out of it and run:"
            )
            say(f"invoice-pipelines quickbooks callback {slug} 'ADDRESS'")
            return
        redirected_to = callback.wait(LASTS.total_seconds())
        if redirected_to is None:
            raise QuickBooksError("Nobody allowed the connection within 15 minutes; begin again.")
        _finish(office, redirected_to)


@app.command("callback")
def callback_command(
    slug: OrganizationArgument,
    address: Annotated[str, typer.Argument(help="The whole address that the browser was sent back to.")],
) -> None:
    """Finish a connection whose callback went to another machine."""
    with opened(slug) as office:
        _finish(office, address)


@app.command("confirm")
def confirm_command(slug: OrganizationArgument) -> None:
    """Confirm that an organization works with another company from now on."""
    with opened(slug) as office, office.scope() as connection:
        _say(slug, confirm_company(connection, confirmed_by=office.actor))


@app.command("disconnect")
def disconnect_command(slug: OrganizationArgument) -> None:
    """End a connection. What was synced stays known for when the same company is connected again."""
    with opened(slug) as office:
        disconnect(office.engine, office.settings, office.id, disconnected_by=office.actor)
    console.print(f"Disconnected {slug}.")


@app.command("status")
def status_command(
    slug: Annotated[str | None, typer.Argument(help="Organization; none: all.", metavar="[ORG]")] = None,
    as_json: AsJson = False,
) -> None:
    """Show connections, and what is wrong with them."""
    with database() as engine:
        chosen = [find_organization(engine, slug)] if slug else list_organizations(engine)
        shown = table(None, "!organization", "!status", "company", "!realm", "note")
        for organization in chosen:
            with organization_scope(engine, organization.id) as connection:
                if connected := find_connection(connection):
                    notes = _notes(connection, connected)
                    if as_json:
                        print_json(_as_json(organization.slug, connected) | {"notes": notes})
                        continue
                    note = "; ".join(notes)
                    shown.add_row(organization.slug, connected.status, connected.company.name, connected.realm_id, note)
    if as_json:
        return
    if shown.row_count:
        console.print(shown)
    else:
        console.print("No organization is connected with QuickBooks.")


@app.command("options")
def options_command(
    slug: OrganizationArgument,
    changes: Annotated[
        list[str] | None,
        typer.Argument(
            help="What to change, such as conflict_policy=review or tax_codes.S:19.00=5; nothing behind the = takes "
            "it back to its default.",
            metavar="[NAME=VALUE]...",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show or change what an organization chose for its sync."""
    with opened(slug) as office:
        options = _options(office)
        if changes:
            wanted = _changes(options, changes)
            if any(wanted.get(name) for name in CHOSEN):
                with QuickBooks(office.engine, office.settings, office.id) as quickbooks:
                    wanted = find_chosen(quickbooks, wanted)
            options = change_options(office.engine, office.id, wanted, changed_by=office.actor)
    if as_json:
        print_json(options.model_dump(mode="json"))
        return
    print_facts({name: value if value is None else str(value) for name, value in options}, "option", "value")


@app.command("rotate-keys")
def rotate_keys_command() -> None:
    """Encrypt all stored tokens with the first of the keys in INVOICE_PIPELINES_ENCRYPTION_KEYS."""
    with database() as engine:
        with engine.begin() as connection:
            note_key(connection, load_settings())
        rotated, failed = rotate_keys(engine, load_settings())
    console.print(f"Encrypted the tokens of {rotated} organizations with the first key.")
    if failed:
        console.print(f"No configured key decrypts those of {', '.join(failed)}: connect them again.")
    exit_if(bool(failed))


def _finish(office: OrganizationContext, address: str) -> None:
    _say(office.slug, finish_authorization(office, address).connected)


def _say(slug: str, connected: Connected) -> None:
    console.print(f"{slug} is connected with {connected.company.name} ({connected.realm_id}).")
    if connected.status_reason:
        say(connected.status_reason)


def _as_json(slug: str, connected: Connected) -> dict[str, Any]:
    return {
        "organization": slug,
        "status": connected.status,
        "status_reason": connected.status_reason,
        "company": connected.company.name,
        "realm_id": connected.realm_id,
        "paused_until": connected.paused_until,
        "paused_reason": connected.paused_reason,
    }


def _notes(connection: Connection, connected: Connected) -> list[str]:
    now = datetime.now(UTC)
    notes = [connected.status_reason] if connected.status_reason else []
    if connected.is_paused(now):
        notes.append(f"{connected.paused_reason} Nothing is asked until {connected.paused_until:%Y-%m-%d %H:%M} UTC.")
    notes += expiry_warnings(connection, now).values()
    if differing := differing_totals(connection).count:
        notes.append(f"Invoices whose total there is not ours: {differing}; the check `totals_agree` names them.")
    return notes


def _options(office: OrganizationContext) -> ConnectionOptions:
    with office.scope() as connection:
        connected = find_connection(connection)
    if connected is None:
        raise QuickBooksError("The organization is not connected with QuickBooks; `quickbooks connect` does that.")
    return connected.options


def _changes(options: ConnectionOptions, changes: list[str]) -> dict[str, Any]:
    changed: dict[str, Any] = {}
    tax_codes = dict(options.tax_codes)
    for change in changes:
        name, sign, value = change.partition("=")
        if not sign:
            raise QuickBooksError(f"{change[:60]!r} must be NAME=VALUE, such as conflict_policy=review.")
        if name.startswith("tax_codes."):
            rate = name.removeprefix("tax_codes.")
            tax_codes.pop(rate, None)
            changed["tax_codes"] = tax_codes = {**tax_codes, rate: value} if value else tax_codes
        elif name in ConnectionOptions.model_fields:
            changed[name] = value or ConnectionOptions.model_fields[name].get_default(call_default_factory=True)
        else:
            raise QuickBooksError(f"There is no option {name[:60]!r}; `quickbooks options ORG` shows them.")
    return changed
