"""How a database is made ready: roles, migrations, SQL functions, and Dagster's own database."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine, event, text
from sqlalchemy.exc import DBAPIError, OperationalError, ProgrammingError

from invoice_pipelines.database.engine import SessionLimits, create_login_engine, login_session
from invoice_pipelines.database.errors import DEADLOCK, LOCK_NOT_AVAILABLE, DatabaseError, holders_of, sqlstate
from invoice_pipelines.database.roles import ACCOUNTS, APP, BOOKS, DAGSTER, OVERVIEW, OWNER, RECORDER, WEB
from invoice_pipelines.database.schema import (
    BEFORE_RELEASE,
    MIGRATION_LOCK,
    SAME_TABLES,
    Comparison,
    SchemaError,
    functions_sha256,
    newest_revision,
    read_state,
    sql_files,
    statements_of,
)

log = logging.getLogger(__name__)

OLDEST_SERVER = 180000
"""PostgreSQL 18: ids are made by `uuidv7()`."""

LOCK_SECONDS = 2.0
"""How long a migration waits for a lock. Everybody who wants the table after it waits as long, behind it. More than a
second, after which autovacuum gives way.
"""
DEFINERS = f"{OVERVIEW}, {RECORDER}, {BOOKS}, {ACCOUNTS}"
"""The roles that own what is `security definer`."""

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 15.0


EXCESSIVE_RIGHTS = """
    select format('revoke create, temporary on database %I from public, %I', current_database(), r.role)
    from unnest(cast(:lesser as text[])) r (role)
    where has_database_privilege(r.role, current_database(), 'create, temporary')
    union all
    select format('revoke create on schema %I from public, %I', n.nspname, r.role)
    from unnest(cast(:lesser as text[])) r (role), pg_namespace n
    where has_schema_privilege(r.role, n.oid, 'create')
    union all
    select format('revoke %I from %I', l.role, r.role)
    from unnest(cast(:lesser as text[])) r (role), unnest(array[:owner] || cast(:lesser as text[])) l (role)
    where r.role <> l.role and (r.role, l.role) not in (('invoice_pipelines_books', 'invoice_pipelines_app'),
                                   ('invoice_pipelines_web', 'invoice_pipelines_app'))
      and pg_has_role(r.role, l.role, 'member')
    union all
    select format('grant %I to %I with inherit false', r.role, :owner)
    from unnest(cast(:lesser as text[])) r (role)
    where r.role <> 'invoice_pipelines_app' and pg_has_role(:owner, r.role, 'usage')
"""
"""The statements that take from roles what makes more of them than they must be: each a way to run code as another."""


class MigrationError(DatabaseError):
    """A database cannot be made ready; the message says why and what to do."""


def migrate(
    owner_url: str | URL,
    revision: str = "head",
    *,
    force: bool = False,
    wait: timedelta = timedelta(minutes=2),
    on_wait: Callable[[str], None] | None = None,
) -> str:
    """Brings a database to a revision (`head`, or a number such as `0101` or `base` to go down).

    Idempotent; of two processes at once the second waits and finds nothing to do. Each migration is one transaction,
    and then all SQL functions and views are applied in another one. Where both are those of this program already, and
    no role may do more than it must, nothing is done, except with `force`, which applies the functions once more.
    Returns the revision reached.

    What it needs is often locked by work that goes on. It waits for a lock only shortly, as all later work queues up
    behind it, then gives way and tries again, for `wait` altogether; `on_wait` is told who held the lock each time.
    Raises MigrationError when that time is up, for a server that is too old or a login that lacks a right, and
    SchemaError for a database that a newer version migrated, or that is older than the first migration.
    """
    engine = create_login_engine(owner_url, limits=SessionLimits(lock=LOCK_SECONDS))
    tell = on_wait or log.warning
    deadline, pause = time.monotonic() + wait.total_seconds(), FIRST_PAUSE_SECONDS
    try:
        while True:
            try:
                return _migrate(engine, revision, force)
            except OperationalError as error:
                if sqlstate(error) not in (LOCK_NOT_AVAILABLE, DEADLOCK):
                    raise
                held = " and ".join(map(str, holders_of(error))) or "another session"
                if time.monotonic() + pause > deadline:
                    raise MigrationError(
                        f"The migration did not get a lock that it needs within {wait.total_seconds():.0f} s: it is "
                        f"held by {held}. Migrate again once that transaction has ended; what was done is kept."
                    ) from None
            tell(f"A lock that the migration needs is held by {held}. It tries again in {pause:.0f} s.")
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
    except ProgrammingError as error:
        if sqlstate(error) == "42501":
            raise MigrationError(
                f"the login lacks a right ({str(error.orig).splitlines()[0]}); "
                "migrate with a login that may create roles and schemas: INVOICE_PIPELINES_DATABASE_OWNER_URL"
            ) from None
        raise
    finally:
        engine.dispose()


def _migrate(engine: Engine, revision: str, force: bool) -> str:
    """One try; what it has committed is not done again by the next one."""
    with engine.connect() as connection:
        _check_version(connection)
        if revision == "head" and not force and _is_ready(connection):
            return newest_revision()
    with _migration_lock(engine) as connection:
        state = read_state(connection)  # again, as somebody else may have migrated just now
        if state.comparison in (Comparison.NEWER, Comparison.OUT_OF_REACH):
            raise SchemaError(state)
        if revision == "head" and not force and _is_ready(connection):
            return newest_revision()
        _create_roles(connection)
        _begin_with(connection, f"set local role {OWNER}")
        _create_marks(connection)
        if state.revision != newest_revision() or revision != "head":
            # The tables are about to change: until functions are applied to them, none are the right ones.
            connection.execute(text("delete from database.applied_functions"))
        connection.commit()
        config = _alembic_config(connection)
        current = MigrationContext.configure(
            connection, opts={"version_table": "schema_version", "version_table_schema": "database"}
        ).get_current_revision()
        if current == BEFORE_RELEASE:
            connection.execute(text("update database.schema_version set version_num = :same"), {"same": SAME_TABLES})
            current = SAME_TABLES
        connection.commit()
        if _is_down(config, current, revision):
            command.downgrade(config, revision)
        else:
            command.upgrade(config, revision)
            if revision == "head":
                _apply_sql(connection)
        connection.execute(text(f"grant select on all tables in schema database to {APP}"))
        connection.commit()
        _check_rights(connection)
        reached = connection.execute(text("select max(version_num) from database.schema_version")).scalar()
        return str(reached or "base")


def _apply_sql(connection: Connection) -> None:
    """Applies the SQL files. The roles that own what is `security definer` may create objects while it lasts.

    At no other time, as what they run must never be able to leave something behind that others call.
    """
    own = connection.execute(
        text("select string_agg(quote_ident(nspname), ', ') from pg_namespace where nspowner = cast(:o as regrole)"),
        {"o": OWNER},
    ).scalar_one()
    schemas = ((OWNER, own), ("none", "public"))  # `public` belongs to the owner of the database
    for role, names in schemas:
        connection.execute(text(f"set local role {role}"))
        connection.execute(text(f"grant usage, create on schema {names} to {DEFINERS}"))
    connection.execute(text("set local check_function_bodies = off"))  # they may call what a later file makes
    for file in sql_files():
        connection.execute(text(f"set local role {OWNER}"))
        connection.exec_driver_sql(statements_of(file).replace("%", "%%"))
    for role, names in schemas:
        connection.execute(text(f"set local role {role}"))
        connection.execute(text(f"revoke create on schema {names} from {DEFINERS}"))
    connection.execute(text(f"set local role {OWNER}"))
    connection.execute(text("delete from database.applied_functions"))
    connection.execute(
        text("insert into database.applied_functions (sha256) values (:sha256)"), {"sha256": functions_sha256()}
    )


def create_database(admin_url: str | URL, name: str, owner: str | None = None) -> None:
    """Makes a database on the server of a URL where it does not exist yet."""
    with login_session(admin_url, autocommit=True) as connection:
        known = text("select exists (select from pg_database where datname = :name)")
        if connection.execute(known, {"name": name}).scalar_one():
            return
        with_owner = f' owner "{owner}"' if owner else ""
        try:
            connection.execute(text(f'create database "{name}"{with_owner}'))
        except DBAPIError as error:
            state = sqlstate(error)
            if state == "42501":
                raise MigrationError(
                    f"the login may not create the database {name}; create it, or name one in "
                    "INVOICE_PIPELINES_DAGSTER_DATABASE_URL"
                ) from None
            if state not in ("42P04", "23505"):  # made by another process just now
                raise


def create_dagster_database(admin_url: str | URL, name: str) -> None:
    """Makes Dagster's own database on the embedded server, owned by a role that sees no business data."""
    with login_session(admin_url, autocommit=True) as connection:
        _create_role(connection, DAGSTER, "login")
    create_database(admin_url, name, DAGSTER)


def hand_over_database(owner_url: URL, name: str, login: str) -> None:
    """Makes a database, and all tables in it, the property of a login: what the owner's login made there before."""
    create_database(owner_url, name, login)
    with login_session(owner_url.set(database=name)) as connection, connection.begin():
        mine = connection.execute(
            text(
                """select 'database' as kind, quote_ident(datname) as name from pg_database
                   where datname = current_database() and datdba = current_user::regrole
                   union all
                   select 'table', oid::regclass::text from pg_class
                   where relkind = 'r' and relnamespace = 'public'::regnamespace
                     and relowner = current_user::regrole"""
            )
        ).all()
        quoted = connection.dialect.identifier_preparer.quote(login)
        for thing in mine:
            connection.execute(text(f"alter {thing.kind} {thing.name} owner to {quoted}"))


@contextmanager
def _migration_lock(engine: Engine) -> Iterator[Connection]:
    """A connection to migrate with, while no other process migrates.

    The lock is that of a transaction which stays open in a connection of its own: it lasts over all transactions of
    the migration, and ends with the process, also behind a pooler.
    """
    with engine.connect() as lock, engine.connect() as connection:
        for each in (lock, connection):
            _begin_with(each, f"set local lock_timeout = '{LOCK_SECONDS}s'")
        lock.execute(text("select pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
        yield connection


def _begin_with(connection: Connection, statement: str) -> None:
    """Begins each transaction of a connection with a statement, which lasts as long behind a pooler as well."""
    event.listen(connection, "begin", lambda begun: begun.exec_driver_sql(statement))


def _create_marks(connection: Connection) -> None:
    """The table in which a migration notes the functions it applied; see `schema`."""
    connection.execute(
        text(
            """create table if not exists database.applied_functions (
                   sha256 text not null,
                   applied_at timestamptz not null default clock_timestamp(),
                   applied_by text not null default session_user
               )"""
        )
    )
    connection.execute(text(f"grant usage on schema database to {APP}"))


def _check_version(connection: Connection) -> None:
    version = int(connection.execute(text("show server_version_num")).scalar_one())
    if version < OLDEST_SERVER:
        raise MigrationError(f"the server is PostgreSQL {version // 10000}; PostgreSQL 18 or newer is needed")


def _create_roles(connection: Connection) -> None:
    _create_role(connection, OWNER, "nologin")
    _create_role(connection, APP, "login")
    _create_role(connection, OVERVIEW, "nologin")
    _create_role(connection, RECORDER, "nologin")
    _create_role(connection, BOOKS, "nologin")
    _create_role(connection, ACCOUNTS, "nologin")
    _create_role(connection, WEB, "login")
    name = connection.execute(text("select quote_ident(current_database())")).scalar_one()
    for statement in (
        # Without inheritance the policies of these roles do not let the owner see any record.
        f"grant {DEFINERS} to {OWNER} with admin false, inherit false, set true",
        f"grant {APP} to {BOOKS} with admin false, inherit true, set false",
        f"grant {APP} to {WEB} with admin false, inherit true, set false",
        f"grant {OWNER}, {APP} to current_user",
        f"create schema if not exists database authorization {OWNER}",
        f"grant usage, create on schema public to {OWNER}",
        f"revoke create on schema public from public, {OVERVIEW}",
        f"grant usage on schema public to {APP}",
        f"grant create on database {name} to {OWNER}",
        # Nobody needs temporary objects, which a name without its schema would find first.
        f"revoke temporary on database {name} from public",
    ):
        if not _superfluous(connection, statement):
            connection.execute(text(statement))
    for role in (APP, WEB):
        _limit_sessions(connection, name, role)
    connection.commit()


def _is_ready(connection: Connection) -> bool:
    same = read_state(connection).comparison is Comparison.SAME
    ready = same and not _excessive_rights(connection)
    connection.rollback()
    return ready


def _excessive_rights(connection: Connection) -> list[str]:
    roles = {"owner": OWNER, "lesser": [APP, OVERVIEW, RECORDER, BOOKS, ACCOUNTS, WEB]}
    return list(connection.execute(text(EXCESSIVE_RIGHTS), roles).scalars())


def _check_rights(connection: Connection) -> None:
    """Raises MigrationError where roles may do more than they must, and the login could not take it from them."""
    if mends := _excessive_rights(connection):
        raise MigrationError(
            "roles may do more than they must, and this login may not take it from them; "
            f"as a superuser, run in this database: {'; '.join(mends)}"
        )


def _limit_sessions(connection: Connection, database: str, role: str) -> None:
    """Gives a role of this program the limits and the time zone of its sessions as defaults, for logins through a
    pooler that drops start-up options. Where the role has settings of its own in this database, an operator chose them.
    """
    chosen = connection.execute(
        text(
            """select exists (select from pg_db_role_setting s join pg_database d on d.oid = s.setdatabase
                              where s.setrole = to_regrole(:role) and d.datname = current_database())"""
        ),
        {"role": role},
    ).scalar_one()
    if chosen:
        return
    limits = SessionLimits()
    for name, value in (
        ("lock_timeout", f"{limits.lock:.0f}s"),
        ("idle_in_transaction_session_timeout", f"{limits.idle_transaction:.0f}s"),
        ("timezone", "UTC"),
    ):
        connection.execute(text(f"alter role {role} in database {database} set {name} = '{value}'"))


def _superfluous(connection: Connection, statement: str) -> bool:
    """Whether the login is the owner role itself, which cannot be granted to itself."""
    if "to current_user" not in statement:
        return False
    return connection.execute(text("select current_user")).scalar_one() in (OWNER, APP)


def _create_role(connection: Connection, name: str, kind: str) -> None:
    connection.execute(
        text(
            f"""do $$ begin
                create role {name} {kind} nosuperuser nobypassrls;
            exception when duplicate_object or unique_violation then null;
            end $$"""
        )
    )


def _alembic_config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def _is_down(config: Config, current: str | None, revision: str) -> bool:
    if revision == "head" or current is None:
        return False
    if revision == "base":
        return True
    ancestors = {script.revision for script in ScriptDirectory.from_config(config).iterate_revisions(current, "base")}
    return revision in ancestors and revision != current
