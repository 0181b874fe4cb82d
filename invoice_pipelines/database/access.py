"""Holds how a process gets at the database that the settings name: a server of the operator's, or the embedded one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import URL, Engine

from invoice_pipelines.database.embedded import EmbeddedServer
from invoice_pipelines.database.engine import create_app_engine, driver_url
from invoice_pipelines.database.roles import APP, DAGSTER
from invoice_pipelines.settings import Settings, SettingsError, variable_of

EMBEDDED_DATABASE = "invoice_pipelines"


@dataclass(frozen=True, slots=True)
class DatabaseUrls:
    """The three logins of an installation: `app` does the work, `owner` migrates, `dagster` keeps Dagster's records."""

    app: URL
    owner: URL
    dagster: URL


def embedded_server(settings: Settings) -> EmbeddedServer | None:
    """The embedded server of the home folder; None where the operator names a server."""
    if settings.database_url is not None:
        return None
    return EmbeddedServer(settings.home / "postgresql", settings.postgresql_bin)


def database_urls(settings: Settings) -> DatabaseUrls:
    """Where the databases are. Raises SettingsError that names the variable with an unusable URL."""
    server = embedded_server(settings)
    if server is not None:
        app = server.url(EMBEDDED_DATABASE, APP)
        owner = server.url(EMBEDDED_DATABASE)
        dagster = server.url(f"{EMBEDDED_DATABASE}_dagster", DAGSTER)
    else:
        app = _url(settings, "database_url")
        owner = _url(settings, "database_owner_url") if settings.database_owner_url else app
        dagster = owner.set(database=f"{owner.database}_dagster")
    if settings.dagster_database_url is not None:
        dagster = _url(settings, "dagster_database_url")
    return DatabaseUrls(app=app, owner=owner, dagster=dagster.set(drivername="postgresql+psycopg2"))


@contextmanager
def open_database(
    settings: Settings, *, migrated: bool = False, application_name: str = "invoice_pipelines"
) -> Iterator[Engine]:
    """The engine for all work, for as long as the block lasts; starts the embedded server if there is no other.

    With `migrated` the database is first brought to the newest revision. `application_name` is what the audit trail
    shows for changes made through this engine.
    """
    with running_server(settings):
        if migrated:
            prepare_databases(settings)
        engine = create_app_engine(database_urls(settings).app, application_name=application_name)
        try:
            yield engine
        finally:
            engine.dispose()


@contextmanager
def running_server(settings: Settings) -> Iterator[EmbeddedServer | None]:
    """Holds the embedded server for the block; does nothing where the operator names a server."""
    server = embedded_server(settings)
    if server is None:
        yield None
        return
    server.acquire()
    try:
        yield server
    finally:
        server.release()


def prepare_databases(settings: Settings) -> str:
    """Makes what is missing: both databases, the roles, the schema. Returns the revision reached."""
    # Alembic costs a third of a second, which every run of Dagster would pay for nothing.
    from invoice_pipelines.database.migrate import create_dagster_database, create_database, migrate

    urls = database_urls(settings)
    server = embedded_server(settings)
    if server is not None:
        create_database(server.url("postgres"), EMBEDDED_DATABASE)
        if settings.dagster_database_url is None:
            create_dagster_database(urls.owner, str(urls.dagster.database))
    elif settings.dagster_database_url is None:
        create_database(urls.owner, str(urls.dagster.database))
    return migrate(urls.owner)


def _url(settings: Settings, field: str) -> URL:
    value = getattr(settings, field)
    try:
        return driver_url(value.get_secret_value())
    except ValueError as error:
        raise SettingsError(f"{variable_of(field)}: {error}") from None
