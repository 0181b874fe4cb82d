"""How the schema of a database compares with this program: one cheap query, without Alembic.

`db migrate` leaves two marks in the schema `database`: the revision of the tables, and a hash of the SQL functions and
views that it applied. Everything else only reads them.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from graphlib import TopologicalSorter
from pathlib import Path

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from invoice_pipelines.database.errors import LOCK_NOT_AVAILABLE, DatabaseError, sqlstate
from invoice_pipelines.registry import Registry

PACKAGE = Path(__file__).parent.parent

MIGRATION_LOCK = 7_206_113_845
"""Key of the advisory lock that lets one process migrate at a time; any fixed number does."""

BEFORE_RELEASE, SAME_TABLES = "0027", "0111"
"""The last revision before there was one migration per schema, and the one of the very same tables: a database at the
first is taken over as it stands.
"""

_UNDEFINED_TABLE, _INVALID_SCHEMA, _INSUFFICIENT_PRIVILEGE = "42P01", "3F000", "42501"


class Comparison(StrEnum):
    """What the database is to this program."""

    SAME = "same"
    ABSENT = "absent"
    OLDER = "older"
    NEWER = "newer"
    OUT_OF_REACH = "out of reach"
    """Older than what the migrations of this program begin with."""
    OTHER_FUNCTIONS = "other functions"


@dataclass(frozen=True, slots=True)
class SchemaState:
    """The revision of the tables, and whether they and the functions are those of this program. `revision` is None
    where there is none, or where the login may not read it.
    """

    comparison: Comparison
    revision: str | None


class SchemaError(DatabaseError):
    """The schema is not the one that this program works with; the message says what to do."""

    def __init__(self, state: SchemaState) -> None:
        super().__init__(_what_to_do(state))
        self.comparison = state.comparison


def sql_files() -> list[Path]:
    """The SQL functions and views of all domains, in the order in which they are applied.

    A file that says `-- after: billing/numbers.sql` comes after that one. Only views and triggers need that: PostgreSQL
    looks into the bodies of functions when they are called.
    """
    files = {file.relative_to(PACKAGE).as_posix(): file for file in sorted(PACKAGE.glob("**/*.sql"))}
    sorter = TopologicalSorter(
        {name: re.findall(r"^-- after: (\S+)$", file.read_text(encoding="utf-8"), re.M) for name, file in files.items()}
    )
    return [files[name] for name in sorter.static_order()]


def statements_of(file: Path) -> str:
    """What a SQL file says. Where it asks for the names of a registry, there they are."""

    def names(asked: re.Match[str]) -> str:
        return ", ".join("'" + name.replace("'", "''") + "'" for name in Registry(asked[1], asked[1]).names())

    return re.sub(r"/\* names of ([a-z_.]+) \*/", names, file.read_text(encoding="utf-8"))


@lru_cache(maxsize=1)
def functions_sha256() -> str:
    """Hash of all that `sql_files` names: their names, order and contents."""
    digest = hashlib.sha256()
    for file in sql_files():
        content = statements_of(file).encode()
        digest.update(f"{file.relative_to(PACKAGE).as_posix()} {len(content)}\n".encode() + content)
    return digest.hexdigest()


@lru_cache(maxsize=1)
def newest_revision() -> str:
    """The revision that the migrations of this program lead to: the name of the last one begins with it."""
    return max(_revisions())


def _revisions() -> list[str]:
    return [file.name.split("_")[0] for file in Path(__file__).parent.glob("migrations/versions/[0-9]*.py")]


def read_state(connection: Connection) -> SchemaState:
    """Compares the database with this program. The transaction is over afterwards."""
    try:
        found = connection.execute(
            text(
                """select v.version_num, f.sha256
                   from database.schema_version v left join database.applied_functions f on true"""
            )
        ).one_or_none()
    except DBAPIError as error:
        state = sqlstate(error)
        if state not in (_UNDEFINED_TABLE, _INVALID_SCHEMA, _INSUFFICIENT_PRIVILEGE):
            raise
        connection.rollback()
        return _without_marks(connection)
    connection.rollback()
    if found is None:
        return SchemaState(Comparison.ABSENT, None)
    revision = str(found.version_num)
    if revision > newest_revision():
        return SchemaState(Comparison.NEWER, revision)
    if revision < min(_revisions()) and revision != BEFORE_RELEASE:
        return SchemaState(Comparison.OUT_OF_REACH, revision)
    if revision != newest_revision():
        return SchemaState(Comparison.OLDER, revision)
    same = found.sha256 == functions_sha256()
    return SchemaState(Comparison.SAME if same else Comparison.OTHER_FUNCTIONS, revision)


def require_current(engine: Engine) -> None:
    """Raises SchemaError unless the schema is the one of this program. A migration under way is waited for."""
    with engine.connect() as connection:
        state = read_state(connection)
        if state.comparison is Comparison.SAME:
            return
        _wait_for_migration(connection)
        state = read_state(connection)
    if state.comparison is not Comparison.SAME:
        raise SchemaError(state)


def _without_marks(connection: Connection) -> SchemaState:
    """Tells an empty database from one of a version that left no marks, or let nobody read them."""
    exists = connection.execute(text("select exists (select from pg_namespace where nspname = 'work')")).scalar_one()
    connection.rollback()
    return SchemaState(Comparison.OLDER if exists else Comparison.ABSENT, None)


def _wait_for_migration(connection: Connection) -> None:
    try:
        connection.execute(text("select pg_advisory_xact_lock_shared(:key)"), {"key": MIGRATION_LOCK})
    except DBAPIError as error:
        if sqlstate(error) != LOCK_NOT_AVAILABLE:
            raise
        raise DatabaseError("The database is being migrated at this moment. Try again when that is done.") from None
    finally:
        connection.rollback()


def _what_to_do(state: SchemaState) -> str:
    here = f" at revision {state.revision}" if state.revision else ""
    match state.comparison:
        case Comparison.ABSENT:
            return "The database is empty. Run `invoice-pipelines db migrate` to set it up."
        case Comparison.NEWER:
            return (
                f"The database is{here}, which is newer than this program ({newest_revision()}). "
                "Run the version of the program that migrated it."
            )
        case Comparison.OUT_OF_REACH:
            return (
                f"The database was made before the first release and is{here}, from which this program cannot migrate "
                f"it. First run `db migrate` of the last version of the program that leads to {BEFORE_RELEASE}, then "
                "that of this one; or begin with an empty database."
            )
        case Comparison.OTHER_FUNCTIONS:
            return (
                "The SQL functions in the database are not those of this version of the program. "
                "Run `invoice-pipelines db migrate`."
            )
        case _:
            return (
                f"The database is{here or ' of an older version'}, and this program needs {newest_revision()}. "
                "Run `invoice-pipelines db migrate`."
            )
