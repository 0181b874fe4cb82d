"""Holds the commands of `db`."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import text

from invoice_pipelines.cli.output import console
from invoice_pipelines.database.access import (
    database_urls,
    embedded_server,
    open_database,
    prepare_databases,
    running_server,
)
from invoice_pipelines.organizations import find_organization
from invoice_pipelines.settings import load_settings

app = typer.Typer(help="The database: its URL, its schema, a shell in it.", no_args_is_help=True)


@app.command()
def url(
    dagster: Annotated[bool, typer.Option("--dagster", help="Dagster's database instead.")] = False,
) -> None:
    """Print the URL that everything works with. With the embedded server it is good as long as `up` runs."""
    urls = database_urls(load_settings())
    print((urls.dagster if dagster else urls.app).render_as_string(hide_password=False))  # noqa: T201


@app.command()
def migrate(
    to: Annotated[str, typer.Option(help="Revision to go to, up or down: a number, `base` or `head`.")] = "head",
) -> None:
    """Bring the database to the newest schema; safe to repeat, and when two do it at once."""
    from invoice_pipelines.database.migrate import migrate as migrate_to

    settings = load_settings()
    with running_server(settings):
        reached = prepare_databases(settings) if to == "head" else migrate_to(database_urls(settings).owner, to)
    console.print(f"The database is at revision {reached}.")


@app.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
def psql(
    context: typer.Context,
    organization: Annotated[
        str | None, typer.Option(help="See only this organization, as the application does; otherwise all of them.")
    ] = None,
) -> None:
    """Open psql; what follows is handed to it, such as -c 'select * from batch_job_queue'."""
    settings = load_settings()
    with running_server(settings) as server:
        urls = database_urls(settings)
        environment: dict[str, str] = {}
        login = urls.owner
        if organization is not None:
            login = urls.app
            with open_database(settings, migrated=True) as engine:
                found = find_organization(engine, organization)
            environment["PGOPTIONS"] = f"-c role=invoice_pipelines_app -c app.organization_id={found.id}"
        program = str(server.binary("psql")) if server is not None else "psql"
        plain = login.set(drivername="postgresql").render_as_string(hide_password=False)
        code = _run([program, plain, *context.args], environment)
    raise typer.Exit(code)


@app.command()
def check() -> None:
    """Connect as the application does, and say to what."""
    with open_database(load_settings()) as engine, engine.connect() as connection:
        version, role = connection.execute(text("select version(), current_user")).one()
    where = "embedded server" if embedded_server(load_settings()) else "server of INVOICE_PIPELINES_DATABASE_URL"
    console.print(f"{where}: {version.split(',')[0]}, working as {role}")


def _run(command: list[str], environment: dict[str, str]) -> int:
    import os

    if "/" not in command[0] and not any((Path(folder) / command[0]).exists() for folder in os.get_exec_path()):
        raise typer.BadParameter("psql is not installed on this machine")
    return subprocess.run(command, env={**os.environ, **environment}, check=False).returncode
