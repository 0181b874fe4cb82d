"""`invoice-pipelines users`: people with accounts, and the organizations where they belong."""

from __future__ import annotations

from typing import Annotated

import typer

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.accounts.users import INVITATION_LASTS, add_user, invite, list_users, set_disabled, set_role
from invoice_pipelines.cli.options import AsJson, examples
from invoice_pipelines.cli.output import console, print_json, print_json_lines, say, table
from invoice_pipelines.cli.person import database, person
from invoice_pipelines.settings import load_settings

app = typer.Typer(
    help="People who may sign in: add, invite, role, disable, enable, list.",
    no_args_is_help=True,
    epilog=examples(
        "users add anna@acme.example --name Anna --organization acme --role admin",
        "users invite anna@acme.example",
        "users role anna@acme.example acme viewer",
        "users list --json",
    ),
)

Email = Annotated[str, typer.Argument(help="Email address of the user.", metavar="EMAIL")]


@app.command()
def add(
    email: Email,
    name: Annotated[str, typer.Option(help="Name of the person.")],
    organization: Annotated[str | None, typer.Option(help="Slug of an organization where the person belongs.")] = None,
    role: Annotated[Role, typer.Option(help="Role there: viewer, accountant or admin.", metavar="ROLE")] = Role.VIEWER,
    operator: Annotated[
        bool, typer.Option("--operator", help="Sees health, counts and queues of all organizations.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Add a user. Prints the link by which the person chooses a password."""
    with database() as engine, engine.begin() as connection:
        add_user(connection, email, name, is_operator=operator, actor=person())
        if organization is not None:
            set_role(connection, email, organization, role, actor=person())
        secret = invite(connection, email, actor=person())
    _print_link(email, secret, as_json)


@app.command("invite")
def invite_(email: Email, as_json: AsJson = False) -> None:
    """Print a new link by which a user chooses a password, also one who forgot it. Earlier links end."""
    with database() as engine, engine.begin() as connection:
        secret = invite(connection, email, actor=person())
    _print_link(email, secret, as_json)


@app.command("role")
def role_(
    email: Email,
    organization: Annotated[str, typer.Argument(help="Slug of the organization.", metavar="ORG")],
    role: Annotated[str, typer.Argument(help="viewer, accountant, admin, or none.", metavar="ROLE")],
) -> None:
    """Give a user a role in an organization, or none."""
    with database() as engine, engine.begin() as connection:
        set_role(connection, email, organization, _role(role), actor=person())
    shown = f"{email} is {role} in {organization}" if role != "none" else f"{email} may enter {organization} no more"
    console.print(f"{shown}.")


@app.command()
def disable(email: Email) -> None:
    """Keep a user out everywhere. Sessions and links end at once; what the person did stays on record."""
    _set_disabled(email, True)
    console.print(f"{email} cannot sign in any more.")


@app.command()
def enable(email: Email) -> None:
    """Let a disabled user in again."""
    _set_disabled(email, False)
    console.print(f"{email} may sign in again.")


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List all users, by email."""
    with database() as engine, engine.begin() as connection:
        found = list_users(connection)
    if as_json:
        print_json_lines(found)
        return
    if not found:
        console.print("There are no users yet; `users add` adds one.")
        return
    shown = table(None, "email", "name", "roles", "last seen", "state")
    for user in found:
        roles = [*(["operator"] if user.is_operator else []), *(f"{slug}: {role}" for slug, role in user.roles.items())]
        state = "disabled" if user.disabled_at else "" if user.has_password else "invited"
        seen = f"{user.last_used_at:%Y-%m-%d}" if user.last_used_at else ""
        shown.add_row(user.email, user.name, ", ".join(roles), seen, state)
    console.print(shown)


def _role(typed: str) -> Role | None:
    names = [role.value for role in Role if role is not Role.OPERATOR]
    if typed not in (*names, "none"):
        raise typer.BadParameter(f"{typed[:40]!r} is no role; choose from {', '.join(names)} and none")
    return None if typed == "none" else Role(typed)


def _set_disabled(email: str, disabled: bool) -> None:
    with database() as engine, engine.begin() as connection:
        set_disabled(connection, email, disabled, actor=person())


def _print_link(email: str, secret: str, as_json: bool) -> None:
    link = f"{load_settings().web_url.rstrip('/')}/invitations/{secret}"
    if as_json:
        print_json({"email": email, "link": link})
        return
    say(f"{email} chooses a password with this, within {INVITATION_LASTS.total_seconds() / 3600:.0f} hours, once:")
    say(link)
