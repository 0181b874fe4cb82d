"""The commands of `sandbox`: servers on this machine that stand in for outside services."""

from __future__ import annotations

import json
import sqlite3
import sys
import threading
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from invoice_pipelines.cli.output import console
from invoice_pipelines.workshop.commands.sandbox_messages import mail, twilio
from invoice_pipelines.workshop.sandbox.quickbooks import Sandbox, Switches, Tokens, add_sample

app = typer.Typer(help="Servers on this machine that stand in for outside services, for trying out.")


app.command()(mail)
app.command()(twilio)


@app.command()
def quickbooks(
    realm: Annotated[
        list[str] | None, typer.Option(help="Id of a company, digits; may be given several times.")
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0: any that is free.")] = 8780,
    state: Annotated[
        Path | None, typer.Option(dir_okay=False, help="File that keeps everything over a restart; none: memory.")
    ] = None,
    country: Annotated[str, typer.Option(help="Country of new companies: their taxes and currency.")] = "US",
    sample: Annotated[bool, typer.Option(help="Give new companies some customers, items, invoices, payments.")] = False,
    switch: Annotated[
        list[str] | None,
        typer.Option(help="NAME=VALUE of a switch, such as latency_per_call=0.02 or window=fixed; several times."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print addresses and tokens as one line of JSON.")] = False,
) -> None:
    """Serve QuickBooks Online's protocol on this machine until Ctrl-C, with addresses and first tokens printed."""
    switches = _switches(switch or [])
    for one in realm or []:
        if not (one.isascii() and one.isdigit() and len(one) <= 20):
            raise typer.BadParameter(f"--realm {one!r} is not 1 to 20 digits")
    if not (len(country) == 2 and country.isascii() and country.isalpha()):
        raise typer.BadParameter(f"--country {country!r} is not a two-letter code such as US or DE")
    try:
        opened = Sandbox(state, port, switches=switches)
    except sqlite3.DatabaseError as error:
        raise typer.BadParameter(f"--state {state}: {error}") from None
    with opened as sandbox:
        for one in realm or ([] if sandbox.realms else ["9130000000000001"]):
            new = one not in sandbox.realms
            accountant = sandbox.add_company(one, country=country.upper(), name=f"Sandbox Company {one}")
            if new and sample:
                add_sample(accountant)
        tokens = [sandbox.tokens(one) for one in sandbox.realms]
        _show_json(sandbox, tokens) if as_json else _show(sandbox, tokens)
        sys.stdout.flush()
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return


def _switches(given: list[str]) -> Switches:
    values = dict(one.partition("=")[::2] for one in given)
    try:
        return Switches.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        if name not in Switches.model_fields:
            known = ", ".join(Switches.model_fields)
            raise typer.BadParameter(f"--switch {name}: there is none of that name; there are {known}") from None
        raise typer.BadParameter(f"--switch {name}={values[name]}: {first['msg']}") from None


def _addresses(url: str) -> dict[str, str]:
    return {
        "INVOICE_PIPELINES_QUICKBOOKS_API_URL": url,
        "INVOICE_PIPELINES_QUICKBOOKS_AUTHORIZATION_URL": f"{url}/connect/oauth2",
        "INVOICE_PIPELINES_QUICKBOOKS_TOKEN_URL": f"{url}/oauth2/v1/tokens/bearer",
        "INVOICE_PIPELINES_QUICKBOOKS_REVOKE_URL": f"{url}/v2/oauth2/tokens/revoke",
        "INVOICE_PIPELINES_QUICKBOOKS_CLIENT_ID": "sandbox",
        "INVOICE_PIPELINES_QUICKBOOKS_CLIENT_SECRET": "sandbox",
    }


def _show_json(sandbox: Sandbox, tokens: list[Tokens]) -> None:
    companies = {one.realm: {"access_token": one.access_token, "refresh_token": one.refresh_token} for one in tokens}
    shown = {"url": sandbox.url, "environment": _addresses(sandbox.url), "companies": companies}
    sys.stdout.write(json.dumps(shown) + "\n")


def _show(sandbox: Sandbox, tokens: list[Tokens]) -> None:
    console.print(f"QuickBooks sandbox at {sandbox.url}, control under {sandbox.url}/sandbox. Ctrl-C ends it.\n")
    for name, value in _addresses(sandbox.url).items():
        console.print(f"export {name}={value}", soft_wrap=True)
    for one in tokens:
        console.print(f"\ncompany {one.realm}")
        console.print(f"  access token   {one.access_token}", soft_wrap=True)
        console.print(f"  refresh token  {one.refresh_token}", soft_wrap=True)
