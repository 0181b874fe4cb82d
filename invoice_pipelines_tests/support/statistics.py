"""What the planner knows of tables, in three states. A look-up by key reads its own rows in all of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, text

STATES = ["none", "bad", "fresh"]
"""As for a new table; as for one that was nearly empty, with one row for each organization; as just collected."""

_NONE = """
    select pg_clear_relation_stats(n.nspname, c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.oid = cast(:table as regclass)
       or c.oid in (select indexrelid from pg_index where indrelid = cast(:table as regclass))
"""
_NONE_OF_COLUMNS = """
    select pg_clear_attribute_stats(schemaname, tablename, attname, inherited) from pg_stats
    where format('%I.%I', schemaname, tablename)::regclass = cast(:table as regclass)
"""
_NEARLY_EMPTY = """
    select pg_restore_relation_stats('schemaname', n.nspname::text, 'relname', c.relname::text,
                                     'relpages', (pg_relation_size(c.oid) / 8192)::integer, 'reltuples', 1::real)
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.oid = cast(:table as regclass)
       or c.oid in (select indexrelid from pg_index where indrelid = cast(:table as regclass))
"""
_ONE_ROW_EACH = """
    select pg_restore_attribute_stats('schemaname', n.nspname::text, 'relname', c.relname::text,
                                      'attname', 'organization_id', 'inherited', false,
                                      'null_frac', 0::real, 'n_distinct', '-1'::real)
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.oid = cast(:table as regclass)
      and exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'organization_id')
"""


def keep_statistics(superuser: Engine, tables: Iterable[str]) -> None:
    """From now on statistics about the tables are collected by `put` alone."""
    with superuser.begin() as connection:
        for table in tables:
            connection.exec_driver_sql(f"alter table {table} set (autovacuum_enabled = false)")


def put(superuser: Engine, tables: Iterable[str], state: str) -> None:
    """Puts a state on tables. Sessions that are open may keep plans from before: begin new ones."""
    tables = list(tables)
    with superuser.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if state == "fresh":
            connection.exec_driver_sql(f"vacuum analyze {', '.join(tables)}")
            return
        for table in tables:
            for statement in (_NONE, _NONE_OF_COLUMNS, *((_NEARLY_EMPTY, _ONE_ROW_EACH) if state == "bad" else ())):
                done = connection.execute(text(statement), {"table": table}).scalars().all()
                assert False not in done, "PostgreSQL did not take these statistics"


def rows_read(connection: Connection) -> dict[str, int]:
    """How many rows of each table this transaction has read, in full and by index."""
    rows = connection.execute(
        text(
            """select schemaname || '.' || relname as name,
                      coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) as read
               from pg_stat_xact_user_tables"""
        )
    )
    return {row.name: row.read for row in rows}


@contextmanager
def reading_at_most(connection: Connection, rows: dict[str, int], others: int = 10) -> Iterator[None]:
    """Fails if more than so many rows of a table are read meanwhile; `others`: of any other one in their schemas."""
    assert rows, "name a table: only those in the schemas of named tables are looked at"
    schemas = {name.split(".")[0] for name in rows}
    before = rows_read(connection)
    yield
    read = {name: now - before.get(name, 0) for name, now in rows_read(connection).items()}
    excess = {
        name: count for name, count in read.items() if name.split(".")[0] in schemas and count > rows.get(name, others)
    }
    assert not excess, f"so many rows were read: {excess}"
