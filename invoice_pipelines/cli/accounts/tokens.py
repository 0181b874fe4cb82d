"""`invoice-pipelines tokens`: credentials of programs, each for one organization."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from invoice_pipelines.accounts.roles import SCOPES
from invoice_pipelines.accounts.tokens import add_token, list_tokens, revoke_token
from invoice_pipelines.cli.options import AsJson, OrganizationOption, examples
from invoice_pipelines.cli.output import console, print_json, print_json_lines, say, table
from invoice_pipelines.cli.person import person, scope_of

app = typer.Typer(
    help="API tokens of programs: add, list, revoke.",
    no_args_is_help=True,
    epilog=examples(
        "tokens add shop --scope read --scope billing:write --organization acme",
        "tokens list --organization acme",
    ),
)


@app.command()
def add(
    organization: OrganizationOption,
    name: Annotated[str, typer.Argument(help="What the token is for.", metavar="NAME")],
    scope: Annotated[list[str], typer.Option(help=f"What it may do: {', '.join(SCOPES)}. May be repeated.")],
    days: Annotated[int, typer.Option(help="For how many days it is valid.", min=1, max=3660)] = 365,
    as_json: AsJson = False,
) -> None:
    """Make a token. It is printed once and cannot be shown again."""
    with scope_of(organization) as connection:
        token_id, secret = add_token(connection, name, scope, actor=person(), lasts=timedelta(days=days))
    if as_json:
        print_json({"id": token_id, "token": secret})
        return
    say(f"The token {name} of {organization}; it is not shown again:")
    say(secret)


@app.command("list")
def list_(organization: OrganizationOption, as_json: AsJson = False) -> None:
    """List the tokens of an organization, without their secrets, the oldest first."""
    with scope_of(organization) as connection:
        found = list_tokens(connection)
    if as_json:
        print_json_lines(found)
        return
    if not found:
        console.print("There are no tokens yet; `tokens add` makes one.")
        return
    shown = table(None, "id", "name", "begins", "scopes", "by", "expires", "last used", "revoked")
    for token in found:
        used, revoked = (f"{at:%Y-%m-%d}" if at else "" for at in (token.last_used_at, token.revoked_at))
        scopes = ", ".join(token.scopes)
        shown.add_row(
            token.id, token.name, token.prefix, scopes, token.created_by, token.expires_at.date(), used, revoked
        )
    console.print(shown)


@app.command()
def revoke(
    organization: OrganizationOption,
    token: Annotated[str, typer.Argument(help="Name or id of the token.", metavar="NAME")],
) -> None:
    """Revoke a token at once."""
    with scope_of(organization) as connection:
        revoked = revoke_token(connection, token, actor=person())
    console.print(f"Revoked {revoked}.")
