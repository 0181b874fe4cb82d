"""Holds how a database is made ready: roles, migrations, SQL functions, and Dagster's own database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine, text
from sqlalchemy.exc import ProgrammingError

from invoice_pipelines.database.engine import create_login_engine
from invoice_pipelines.database.errors import DatabaseError
from invoice_pipelines.database.roles import APP, DAGSTER, OVERVIEW, OWNER, RECORDER

PACKAGE = Path(__file__).parent.parent
OLDEST_SERVER = 180000
"""PostgreSQL 18: ids are made by `uuidv7()`."""

MIGRATION_LOCK = 7_206_113_845
"""Key of the advisory lock that lets one process migrate at a time; any fixed number does."""


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
    where r.role <> l.role and pg_has_role(r.role, l.role, 'member')
    union all
    select format('grant %I to %I with inherit false', r.role, :owner)
    from unnest(cast(:lesser as text[])) r (role)
    where r.role <> 'invoice_pipelines_app' and pg_has_role(:owner, r.role, 'usage')
"""
"""The statements that take from roles what makes more of them than they must be: each a way to run code as another."""


class MigrationError(DatabaseError):
    """A database cannot be made ready; the message says why and what to do."""


def migrate(owner_url: str | URL, revision: str = "head") -> str:
    """Brings a database to a revision (`head`, or a number such as `0001` or `base` to go down).

    Idempotent; of two processes at once the second waits and finds nothing to do. Each migration is one transaction,
    and the SQL functions are re-applied at the end of every call. Returns the revision reached.
    Raises MigrationError for a server that is too old or a login that lacks a right.
    """
    engine = create_login_engine(owner_url)
    try:
        with _migration_lock(engine) as connection:
            _check_version(connection)
            _create_roles(connection)
            connection.execute(text(f"set role {OWNER}"))
            connection.commit()
            config = _alembic_config(connection)
            current = MigrationContext.configure(
                connection, opts={"version_table": "schema_version", "version_table_schema": "database"}
            ).get_current_revision()
            connection.commit()
            if _is_down(config, current, revision):
                command.downgrade(config, revision)
            else:
                command.upgrade(config, revision)
                if revision == "head":
                    _apply_sql(connection)
            connection.commit()
            _check_rights(connection)
            reached = connection.execute(text("select max(version_num) from database.schema_version")).scalar()
            return str(reached or "base")
    except ProgrammingError as error:
        if getattr(error.orig, "sqlstate", "") == "42501":
            raise MigrationError(
                f"the login lacks a right ({str(error.orig).splitlines()[0]}); "
                "migrate with a login that may create roles and schemas: INVOICE_PIPELINES_DATABASE_OWNER_URL"
            ) from None
        raise
    finally:
        engine.dispose()


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
        connection.execute(text(f"grant usage, create on schema {names} to {OVERVIEW}, {RECORDER}"))
    for file in sql_files():
        connection.execute(text(f"set local role {OWNER}"))
        connection.exec_driver_sql(file.read_text(encoding="utf-8").replace("%", "%%"))
    for role, names in schemas:
        connection.execute(text(f"set local role {role}"))
        connection.execute(text(f"revoke create on schema {names} from {OVERVIEW}, {RECORDER}"))


def sql_files() -> list[Path]:
    """The SQL functions and views of all domains, in the order in which they are applied (by path)."""
    return sorted(PACKAGE.glob("*/*.sql"))


def create_database(admin_url: str | URL, name: str, owner: str | None = None) -> None:
    """Makes a database on the server of a URL where it does not exist yet."""
    engine = create_login_engine(admin_url)
    try:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            with_owner = f' owner "{owner}"' if owner else ""
            try:
                connection.execute(text(f'create database "{name}"{with_owner}'))
            except ProgrammingError as error:
                state = getattr(error.orig, "sqlstate", "")
                if state == "42501":
                    raise MigrationError(
                        f"the login may not create the database {name}; create it, or name one in "
                        "INVOICE_PIPELINES_DAGSTER_DATABASE_URL"
                    ) from None
                if state not in ("42P04", "23505"):  # exists already, or was made by another process just now
                    raise
    finally:
        engine.dispose()


def create_login_role(admin_url: str | URL, name: str) -> None:
    """Makes a role that may log in, where it does not exist yet."""
    engine = create_login_engine(admin_url)
    try:
        with engine.begin() as connection:
            _create_role(connection, name, "login")
    finally:
        engine.dispose()


def create_dagster_database(admin_url: str | URL, name: str) -> None:
    """Makes Dagster's own database on the embedded server, owned by a role that sees no business data."""
    create_login_role(admin_url, DAGSTER)
    create_database(admin_url, name, DAGSTER)


@contextmanager
def _migration_lock(engine: Engine) -> Iterator[Connection]:
    with engine.connect() as connection:
        connection.execute(text("select pg_advisory_lock(:key)"), {"key": MIGRATION_LOCK})
        connection.commit()
        try:
            yield connection
        finally:
            connection.rollback()
            connection.execute(text("reset role"))
            connection.execute(text("select pg_advisory_unlock(:key)"), {"key": MIGRATION_LOCK})
            connection.commit()


def _check_version(connection: Connection) -> None:
    version = int(connection.execute(text("show server_version_num")).scalar_one())
    if version < OLDEST_SERVER:
        raise MigrationError(f"the server is PostgreSQL {version // 10000}; PostgreSQL 18 or newer is needed")


def _create_roles(connection: Connection) -> None:
    _create_role(connection, OWNER, "nologin")
    _create_role(connection, APP, "login")
    _create_role(connection, OVERVIEW, "nologin")
    _create_role(connection, RECORDER, "nologin")
    name = connection.execute(text("select quote_ident(current_database())")).scalar_one()
    for statement in (
        # Without inheritance the policies of these roles do not let the owner see any record.
        f"grant {OVERVIEW}, {RECORDER} to {OWNER} with admin false, inherit false, set true",
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
    connection.commit()


def _check_rights(connection: Connection) -> None:
    """Raises MigrationError where roles may do more than they must, and the login could not take it from them."""
    found = connection.execute(text(EXCESSIVE_RIGHTS), {"owner": OWNER, "lesser": [APP, OVERVIEW, RECORDER]}).scalars()
    if mends := list(found):
        raise MigrationError(
            "roles may do more than they must, and this login may not take it from them; "
            f"as a superuser, run in this database: {'; '.join(mends)}"
        )


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
