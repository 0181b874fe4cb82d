"""How a process gets at the database that the settings name: a server of the operator's, or the embedded one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

from sqlalchemy import URL, Engine, text
from sqlalchemy.exc import OperationalError

from invoice_pipelines.database.embedded import EmbeddedServer
from invoice_pipelines.database.engine import (
    SessionLimits,
    create_app_engine,
    create_web_engine,
    driver_url,
    login_session,
)
from invoice_pipelines.database.errors import DatabaseError, sqlstate
from invoice_pipelines.database.installation import require_key
from invoice_pipelines.database.roles import APP, DAGSTER, WEB
from invoice_pipelines.database.schema import Comparison, SchemaError, SchemaState, read_state, require_current
from invoice_pipelines.settings import Settings, SettingsError, variable_of

EMBEDDED_DATABASE = "invoice_pipelines"


class _Kept(dict[URL, Engine]):
    """Engines whose sessions outlive the blocks of `open_database`, by their URLs; none unless it `is_on`."""

    is_on = False


_kept = _Kept()


@dataclass(frozen=True, slots=True)
class DatabaseUrls:
    """The logins of an installation: `app` does the work, `web` what the web asks for, `owner` migrates, `dagster`
    keeps Dagster's records.
    """

    app: URL
    web: URL
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
        web = server.url(EMBEDDED_DATABASE, WEB)
        owner = server.url(EMBEDDED_DATABASE)
        dagster = server.url(f"{EMBEDDED_DATABASE}_dagster", DAGSTER)
    else:
        app = _url(settings, "database_url")
        web = _url(settings, "web_database_url") if settings.web_database_url else app.set(username=WEB)
        owner = _url(settings, "database_owner_url") if settings.database_owner_url else app
        dagster = app.set(database=f"{app.database}_dagster")
    if settings.dagster_database_url is not None:
        dagster = _url(settings, "dagster_database_url")
    return DatabaseUrls(app=app, web=web, owner=owner, dagster=dagster.set(drivername="postgresql+psycopg2"))


def session_limits(settings: Settings) -> SessionLimits:
    """How long sessions wait, as the operator wants it."""
    return SessionLimits(
        lock=settings.database_lock_timeout_seconds,
        idle_transaction=settings.database_idle_transaction_seconds,
        connect=settings.database_connect_seconds,
    )


@contextmanager
def open_database(
    settings: Settings, *, application_name: str = "invoice_pipelines", actor: str | None = None
) -> Iterator[Engine]:
    """The engine for all work, for as long as the block lasts; starts the embedded server if there is no other.

    Raises SchemaError unless the schema is the one of this program: nothing is migrated here. Only an embedded
    database that is not there yet is made first. Raises EncryptionError for keys that are not the installation's.
    `application_name` is how PostgreSQL shows the sessions, `actor` who the audit trail shows for changes made through
    this engine; None: the same.
    """
    with running_server(settings) as server:
        engine = _app_engine(settings, application_name, actor or application_name)
        try:
            try:
                require_current(engine)
            except (SchemaError, OperationalError) as error:
                _set_up_or_raise(settings, server, error)
                require_current(engine)
            _require_key(settings, engine)
            yield engine
        finally:
            if not _kept.is_on:
                engine.dispose()


def keep_sessions() -> None:
    """Lets this process keep its sessions for the next `open_database`: what PostgreSQL has learned in a session, of
    tables and plans, costs more than the small work of a run. To be called before the first, in a process that forks
    no others that work with the database.
    """
    _kept.is_on = True


def sessions_are_kept() -> bool:
    """Whether `keep_sessions` was called in this process."""
    return _kept.is_on


def _app_engine(settings: Settings, application_name: str, actor: str) -> Engine:
    url, limits = database_urls(settings).app, session_limits(settings)
    if not _kept.is_on:
        return create_app_engine(url, application_name=application_name, actor=actor, limits=limits)
    if url not in _kept:
        _kept[url] = create_app_engine(url, limits=limits)
    return _kept[url].execution_options(shown_as=application_name, actor=actor)


@contextmanager
def open_web_database(settings: Settings, *, pool_size: int) -> Iterator[Engine]:
    """The engine of the web, for as long as the block lasts; see `create_web_engine` and `open_database`.

    Raises DatabaseError where it cannot log in and nobody named a login.
    """
    with running_server(settings):
        # Somebody waits for the answer, and is told sooner than work is that it has to come again.
        limits = replace(session_limits(settings), lock=settings.web_lock_timeout_seconds)
        engine = create_web_engine(database_urls(settings).web, pool_size=pool_size, limits=limits)
        try:
            try:
                require_current(engine)
            except OperationalError as error:
                # A refused login has no SQLSTATE in libpq; what PostgreSQL itself said begins with FATAL.
                if settings.web_database_url is not None or "FATAL" not in str(error.orig):
                    raise
                raise DatabaseError(
                    f"The web cannot log in as {WEB}: {str(error.orig).strip().splitlines()[-1]}. Give that role a "
                    f"password, and name the login in {variable_of('web_database_url')}."
                ) from None
            _require_key(settings, engine)
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


def prepare_databases(
    settings: Settings,
    *,
    force: bool = False,
    wait: timedelta = timedelta(minutes=2),
    on_wait: Callable[[str], None] | None = None,
) -> str:
    """Makes what is missing: both databases, the roles, the schema. Returns the revision reached; see `migrate`."""
    # Alembic costs a third of a second, which every run of Dagster would pay for nothing.
    from invoice_pipelines.database.migrate import (
        create_dagster_database,
        create_database,
        hand_over_database,
        migrate,
    )

    urls = database_urls(settings)
    server = embedded_server(settings)
    if server is not None:
        create_database(server.url("postgres"), EMBEDDED_DATABASE)
    reached = migrate(urls.owner, force=force, wait=wait, on_wait=on_wait)
    dagster = str(urls.dagster.database)
    if settings.dagster_database_url is not None:
        return reached
    if server is not None:
        create_dagster_database(urls.owner, dagster)
    elif urls.owner.username in (None, urls.dagster.username):
        create_database(urls.owner, dagster)
    else:
        hand_over_database(urls.owner, dagster, str(urls.dagster.username))
    return reached


def make_embedded_database(settings: Settings, server: EmbeddedServer) -> None:
    """Makes the database of the embedded server if it is not there yet; one that is there stays as it is."""
    if _is_empty(settings, server):
        prepare_databases(settings)


def _require_key(settings: Settings, engine: Engine) -> None:
    if settings.database_url is not None:  # the embedded server has one machine only
        with engine.connect() as connection:
            require_key(connection, settings)


def _set_up_or_raise(settings: Settings, server: EmbeddedServer | None, error: SchemaError | OperationalError) -> None:
    """Makes an embedded database that is not there yet. In all other cases raises the error, or what it comes from."""
    if isinstance(error, SchemaError) and error.comparison is not Comparison.ABSENT:
        raise error
    # That there is no database or no role of a name has no SQLSTATE in libpq; what has one is something else.
    if sqlstate(error) is not None or not _is_empty(settings, server):
        raise error
    if server is None:
        raise SchemaError(SchemaState(Comparison.ABSENT, None)) from None
    prepare_databases(settings)


def _is_empty(settings: Settings, server: EmbeddedServer | None) -> bool:
    """Whether there is no database or no schema of ours in it, as the login itself sees it: the role of the
    application may not be there either.
    """
    urls, limits = database_urls(settings), session_limits(settings)
    if server is not None:
        with login_session(server.url("postgres"), limits=limits) as connection:
            known = text("select exists (select from pg_database where datname = :name)")
            if not connection.execute(known, {"name": EMBEDDED_DATABASE}).scalar_one():
                return True
    with login_session(urls.app if server is None else urls.owner, limits=limits) as connection:
        return read_state(connection).comparison is Comparison.ABSENT


def _url(settings: Settings, field: str) -> URL:
    value = getattr(settings, field)
    try:
        return driver_url(value.get_secret_value())
    except ValueError as error:
        raise SettingsError(f"{variable_of(field)}: {error}") from None
