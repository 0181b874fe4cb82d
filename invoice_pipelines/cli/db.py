"""The commands of `db`."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import URL, text

from invoice_pipelines.cli.options import examples
from invoice_pipelines.cli.output import console, say
from invoice_pipelines.database import libpq_url
from invoice_pipelines.database.access import (
    database_urls,
    embedded_server,
    make_embedded_database,
    open_database,
    prepare_databases,
    running_server,
    session_limits,
)
from invoice_pipelines.organizations import find_organization
from invoice_pipelines.settings import load_settings
from invoice_pipelines.workers.shared import note_installation

app = typer.Typer(
    help="The database: its URL, its schema, a shell in it.",
    no_args_is_help=True,
    epilog=examples(
        "db migrate",
        'db psql --organization acme -c "select * from batch_job_queue"',
        "db check",
    ),
)


@app.command()
def url(
    dagster: Annotated[bool, typer.Option("--dagster", help="Dagster's database instead.")] = False,
    owner: Annotated[
        bool, typer.Option("--owner", help="With the login that migrates; pg_dump needs it to see all rows.")
    ] = False,
) -> None:
    """Print the URL that everything works with, for psql, pg_dump and other programs. It holds the password.

    With the embedded server it is good as long as `up` runs.
    """
    if dagster and owner:
        raise typer.BadParameter("--dagster and --owner are two different URLs; ask for one of them")
    urls = database_urls(load_settings())
    print(libpq_url(urls.dagster if dagster else urls.owner if owner else urls.app))  # noqa: T201


@app.command()
def migrate(
    to: Annotated[str, typer.Option(help="Revision to go to, up or down: a number, `base` or `head`.")] = "head",
    force: Annotated[
        bool, typer.Option("--force", help="Apply all SQL functions and views again, even if unchanged.")
    ] = False,
    wait: Annotated[
        int, typer.Option(help="How long to keep trying while other sessions hold the locks.", min=0, metavar="SECONDS")
    ] = 120,
    dagster: Annotated[
        bool, typer.Option("--dagster", help="Make or upgrade Dagster's tables, too, where `up` never runs.")
    ] = False,
    new_key: Annotated[
        bool, typer.Option("--new-key", help="The key that encrypted secrets is lost: go on with the first one set.")
    ] = False,
) -> None:
    """Bring the database to the newest schema; safe to repeat, and when two do it at once.

    Work goes on meanwhile: the migration waits for a lock only two seconds, then gives way and tries again. On a server
    of your own it notes which key encrypts, and leaves a mark in object storage, for workers on other machines.
    """
    from invoice_pipelines.database.migrate import migrate as migrate_to

    settings = load_settings()
    patience = timedelta(seconds=wait)
    with running_server(settings):
        if to == "head":
            reached = prepare_databases(settings, force=force, wait=patience, on_wait=say)
        else:
            reached = migrate_to(database_urls(settings).owner, to, wait=patience, on_wait=say)
        if dagster:
            from invoice_pipelines.cli.dagster_storage import make_tables

            make_tables(database_urls(settings).dagster.render_as_string(hide_password=False))
    console.print(f"The database is at revision {reached}.")
    if to == "head":
        note_installation(settings, replaces_key=new_key)


@app.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
def psql(
    context: typer.Context,
    organization: Annotated[
        str | None, typer.Option(help="See only this organization, as the application does; otherwise all of them.")
    ] = None,
) -> None:
    """Open psql; what follows is handed to it, such as -c 'select * from batch_job_queue'.

    A transaction that stands idle there for five minutes is ended, as it would hold up work.
    """
    settings = load_settings()
    with running_server(settings) as server:
        if server is not None:
            make_embedded_database(settings, server)
        urls = database_urls(settings)
        limits = replace(session_limits(settings), idle_transaction=settings.psql_idle_transaction_seconds)
        options = limits.options
        login = urls.owner
        if organization is not None:
            login = urls.app
            with open_database(settings) as engine:
                found = find_organization(engine, organization)
            options += f" -c role=invoice_pipelines_app -c app.organization_id={found.id}"
        program = str(server.binary("psql")) if server is not None else "psql"
        login, secrets = _without_password(login)
        own_options = os.environ.get("PGOPTIONS", "")
        code = _run([program, libpq_url(login), *context.args], {"PGOPTIONS": f"{options} {own_options}", **secrets})
    raise typer.Exit(code)


@app.command()
def check() -> None:
    """Connect as the application does, and say to what. Exits with 2 where the schema is not that of this program."""
    with open_database(load_settings()) as engine, engine.connect() as connection:
        version, role = connection.execute(text("select version(), current_user")).one()
    where = "embedded server" if embedded_server(load_settings()) else "server of INVOICE_PIPELINES_DATABASE_URL"
    console.print(f"{where}: {version.split(',')[0]}, working as {role}")


def _without_password(url: URL) -> tuple[URL, dict[str, str]]:
    """The URL for a command line, which every user of the machine can read, and the environment with its password."""
    in_query = url.query.get("password")
    password = url.password or (in_query if isinstance(in_query, str) else None)
    query = {name: value for name, value in url.query.items() if name != "password"}
    bare = URL.create("postgresql", url.username, None, url.host, url.port, url.database, query)
    return bare, {"PGPASSWORD": password} if password else {}


def _run(command: list[str], environment: dict[str, str]) -> int:
    if "/" not in command[0] and not any((Path(folder) / command[0]).exists() for folder in os.get_exec_path()):
        raise typer.BadParameter("psql is not installed on this machine")
    return subprocess.run(command, env={**os.environ, **environment}, check=False).returncode
