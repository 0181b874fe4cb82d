"""How the application connects: engines, and the scope of one organization."""

from __future__ import annotations

import math
import select
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote
from uuid import UUID

from sqlalchemy import URL, Connection, Dialect, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, InvalidatePoolError

from invoice_pipelines.database.errors import CANNOT_CONNECT_NOW, TOO_MANY_CONNECTIONS, DatabaseError, sqlstate
from invoice_pipelines.database.lock_watch import LockWatch
from invoice_pipelines.database.roles import APP, WEB

_PASSING_REFUSALS = frozenset({TOO_MANY_CONNECTIONS, CANNOT_CONNECT_NOW})
_SECONDS_BETWEEN_CONNECTS = 0.25
_SECONDS_BELIEVED = 20.0
"""After so long an idle session is asked whether it lives: what lies between may have dropped it without a word."""
_ENTER = text(
    """select set_config('app.organization_id', :organization_id, true), set_config('app.actor', :actor, true),
              set_config('app.credential', :credential, true),
              set_config('application_name', coalesce(:shown_as, current_setting('application_name')), true)"""
)
_IDLE_SINCE = "invoice_pipelines_idle_since"


def driver_url(url: str | URL) -> URL:
    """The URL with its driver named, as SQLAlchemy and Dagster differ in what they take for granted.

    Raises ValueError for anything but a PostgreSQL URL; the message does not repeat the URL, which holds a password.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise ValueError("not a database URL; expected postgresql://user:password@host:5432/database") from None
    if parsed.get_backend_name() not in ("postgresql", "postgres"):
        raise ValueError(f"a {parsed.get_backend_name()} URL; only PostgreSQL is supported")
    return parsed.set(drivername="postgresql+psycopg")


def libpq_url(url: URL) -> str:
    """The URL with its password, as psql, pg_dump and everything else on libpq reads it.

    SQLAlchemy's own text names a driver, and writes `+` for a space in a parameter, which libpq takes literally.
    """
    login = quote(url.username or "", safe="") + (f":{quote(str(url.password), safe='')}" if url.password else "")
    host = f"[{url.host}]" if url.host and ":" in url.host else quote(url.host or "", safe=",")
    port = f":{url.port}" if url.port else ""
    values = {name: value if isinstance(value, str) else ",".join(value) for name, value in url.query.items()}
    query = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in values.items())
    at = f"{login}@" if login else ""
    return f"postgresql://{at}{host}{port}/{quote(url.database or '', safe='')}" + (f"?{query}" if query else "")


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """How long the sessions of an engine wait at the most, in seconds.

    `lock` is for each lock of another transaction. `idle_transaction` is how long a transaction may do nothing before
    PostgreSQL ends its session, as that of a program that stands still while it holds locks. `connect` is for a
    connection, also while all are taken or the server is just starting. There is no limit on statements: those of a
    large batch may take as long as they need.
    """

    lock: float = 30.0
    idle_transaction: float = 1800.0
    connect: float = 10.0

    @property
    def options(self) -> str:
        """The limits of a session as start-up options."""
        return (
            f"-c lock_timeout={self.lock * 1000:.0f}ms "
            f"-c idle_in_transaction_session_timeout={self.idle_transaction * 1000:.0f}ms"
        )


def create_app_engine(
    url: str | URL,
    *,
    pool_size: int = 5,
    application_name: str = "invoice_pipelines",
    actor: str | None = None,
    limits: SessionLimits = SessionLimits(),
) -> Engine:
    """Engine whose sessions have the role `invoice_pipelines_app`, whatever login the URL names.

    The role is set in the start-up packet, so that no statement of ours can be seen before it, and `reset role`
    leads back to it. So are the limits; `migrate` sets their defaults for the role as well, for poolers that keep
    start-up options to themselves. `application_name` is how PostgreSQL shows the sessions (at most 63 bytes), `actor`
    who the audit trail says changed something; None: the same.
    """
    engine = _create_working(
        driver_url(url),
        limits,
        {"options": f"-c role={APP} -c timezone=UTC {limits.options}", "application_name": application_name},
        pool_size=pool_size,
        max_overflow=10,
    )
    engine.update_execution_options(actor=actor or application_name)
    _look_at_sessions(engine, APP)
    look_at_idle_sessions(engine)
    return engine


def create_web_engine(url: str | URL, *, pool_size: int, limits: SessionLimits = SessionLimits()) -> Engine:
    """Engine for the web, which logs in as the role `invoice_pipelines_web`; at most `pool_size` sessions.

    Its transactions see an organization only where the execution option `credential` may enter it (see `accounts`).
    The first session raises DatabaseError for a login that is another one, or may become another one.
    """
    from invoice_pipelines.database.opening import make_like_new  # psycopg is not there before it is needed

    engine = _create_working(
        driver_url(url),
        limits,
        {"options": f"-c timezone=UTC {limits.options}", "application_name": "invoice_pipelines_web"},
        pool_size=pool_size,
        max_overflow=0,
    )
    _look_at_sessions(engine, WEB)

    event.listen(engine, "checkout", make_like_new)

    @event.listens_for(engine, "first_connect")
    def is_no_more(session: Any, _: object) -> None:
        login, others = session.execute(
            """select session_user, (select string_agg(r.rolname, ', ') from pg_roles r
                                     where r.rolname <> session_user and pg_has_role(session_user, r.oid, 'set'))"""
        ).fetchone()
        session.rollback()
        if login != WEB or others:
            session.close()
            raise DatabaseError(
                f"The web must log in to PostgreSQL as {WEB}, which can become no other role; this login is {login}"
                + (f", and can become {others}." if others else ".")
            )

    return engine


def _create_working(url: URL, limits: SessionLimits, arguments: dict[str, Any], **options: Any) -> Engine:
    """`hide_parameters`, as an error must not carry an organization's data into a log. The session that was asked last
    is asked next, as it knows the plans of what it was asked before: few are kept warm, the rest sleeps.
    """
    return _create(url, limits, arguments, hide_parameters=True, pool_use_lifo=True, **options)


def engine_apart(engine: Engine) -> Engine:
    """Engine with a pool of its own for sessions like those of `engine`, which keeps its sessions and their plans.

    For sessions that are held for long. Its owner disposes of it.
    """
    return Engine(
        engine.pool.recreate(),
        engine.dialect,
        engine.url,
        hide_parameters=engine.hide_parameters,
        execution_options=engine.get_execution_options(),
    )


def create_login_engine(url: str | URL, *, limits: SessionLimits | None = None) -> Engine:
    """Engine with the rights of the login itself: for migrations and the operator's shell only.

    Without `limits` it waits for locks as long as it takes.
    """
    arguments: dict[str, Any] = {"application_name": "invoice_pipelines_owner"}
    if limits is None:
        arguments |= {"connect_timeout": math.ceil(SessionLimits().connect)}
        engine = create_engine(driver_url(url), pool_size=2, connect_args=arguments)
    else:
        engine = _create(driver_url(url), limits, arguments | {"options": limits.options}, pool_size=2)
    _look_at_sessions(engine)
    return engine


@contextmanager
def login_session(
    url: str | URL, *, limits: SessionLimits | None = None, autocommit: bool = False
) -> Iterator[Connection]:
    """One connection with the rights of the login, for as long as the block lasts; see `create_login_engine`."""
    engine = create_login_engine(url, limits=limits)
    try:
        with engine.connect() as connection:
            yield connection.execution_options(isolation_level="AUTOCOMMIT") if autocommit else connection
    finally:
        engine.dispose()


def _create(url: URL, limits: SessionLimits, arguments: dict[str, Any], **options: Any) -> Engine:
    import psycopg  # not before it is needed: the processes that make documents know no database

    seconds = max(2, math.ceil(limits.connect))  # libpq takes 1 for 2
    engine = create_engine(url, connect_args=arguments | {"connect_timeout": seconds}, **options)

    @event.listens_for(engine, "do_connect")
    def connect(dialect: Dialect, _: object, words: Any, values: Any) -> Any:
        """Tries again for a while where PostgreSQL is there and takes nobody for now."""
        deadline = time.monotonic() + limits.connect
        while True:
            try:
                return dialect.connect(*words, **values)
            except psycopg.OperationalError as error:
                if sqlstate(error) not in _PASSING_REFUSALS or time.monotonic() > deadline:
                    raise
                time.sleep(_SECONDS_BETWEEN_CONNECTS)

    LockWatch(engine, limits.lock, {"application_name": "invoice_pipelines_lock_watch", "connect_timeout": 2})
    return engine


def _look_at_sessions(engine: Engine, required_role: str | None = None) -> None:
    """Asks PostgreSQL in each new session whose rights it has, and whether there is a pooler.

    Behind a pooler, which shows itself by a process that is not the one at the server, each transaction may get another
    session there: nothing is prepared then. A pooler that keeps the role to itself is refused, as all work would be
    done with the rights of the login. It may stand before any session, as where the address leads to another host now.
    """

    @event.listens_for(engine, "connect")
    def look(session: Any, _: object) -> None:
        session.autocommit = True
        process, role = session.execute("select pg_backend_pid(), current_user").fetchone()
        session.autocommit = False
        if required_role not in (None, role):
            session.close()
            raise DatabaseError(
                f"The pooler before PostgreSQL drops start-up options, so that all work would be done as {role}. "
                f"Let INVOICE_PIPELINES_DATABASE_URL log in as {required_role}."
            )
        if process != session.info.backend_pid:
            session.prepare_threshold = None


def look_at_idle_sessions(engine: Engine) -> None:
    """Replaces `pool_pre_ping`, which asks PostgreSQL before each transaction. A session that the server has ended, or
    has anything to say about, shows at its socket.
    """

    @event.listens_for(engine, "checkin")
    def note(_: Any, record: Any) -> None:
        record.info[_IDLE_SINCE] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def look(session: Any, record: Any, _: Any) -> None:
        since = record.info.get(_IDLE_SINCE)
        if since is None or (time.monotonic() - since < _SECONDS_BELIEVED and not _has_something_to_read(session)):
            return
        if not _answers(engine, session):
            raise InvalidatePoolError


def _has_something_to_read(session: Any) -> bool:
    poll = select.poll()
    try:
        poll.register(session.fileno(), select.POLLIN)
    except Exception:  # noqa: BLE001 - each driver has its own for a session that is closed
        return True
    return bool(poll.poll(0))


def _answers(engine: Engine, session: Any) -> bool:
    driver = engine.dialect.loaded_dbapi
    try:
        return engine.dialect.do_ping(session)
    except driver.Error:
        return False


@contextmanager
def organization_scope(engine: Engine, organization_id: UUID) -> Iterator[Connection]:
    """One transaction that sees one organization; committed at the end, rolled back on an exception.

    Without this scope every access to a tenant table is an error: the policies read `app.organization_id`, which
    is local to the transaction and has no default.
    """
    with engine.begin() as connection:
        enter_organization(connection, organization_id)
        yield connection


def enter_organization(connection: Connection, organization_id: UUID) -> None:
    """Puts the running transaction into the scope of an organization, in the name of the engine's execution option
    `actor`, and of `credential` where it is the web's. PostgreSQL shows it as the execution option `shown_as`, where
    the session has served others before.
    """
    options = connection.get_execution_options()
    connection.execute(
        _ENTER,
        {
            "organization_id": str(organization_id),
            "actor": options.get("actor", ""),
            "credential": options.get("credential", ""),
            "shown_as": options.get("shown_as"),
        },
    )
