"""What the planner knows of tables, in three states. A look-up by key reads its own rows in all of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, event, text

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


_READ = "select coalesce(sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0)), 0) from pg_stat_xact_user_tables"


@contextmanager
def most_rows_read() -> Iterator[dict[str, int]]:
    """How many rows each statement of this process read, by its text; of one that came often, the most."""
    most: dict[str, int] = {}

    def begin(connection: Connection, cursor: Any, statement: str, _: Any, context: Any, __: bool) -> None:
        context.rows_before = cursor.connection.execute(_READ).fetchone()[0]

    def end(connection: Connection, cursor: Any, statement: str, _: Any, context: Any, __: bool) -> None:
        read = cursor.connection.execute(_READ).fetchone()[0] - context.rows_before
        most[statement] = max(most.get(statement, 0), int(read))

    listeners = {"before_cursor_execute": begin, "after_cursor_execute": end}
    for name, listener in listeners.items():
        event.listen(Engine, name, listener)
    try:
        yield most
    finally:
        for name, listener in listeners.items():
            event.remove(Engine, name, listener)


_COLUMNS = """
    select t.schemaname || '.' || t.relname as name, array_agg(a.attname::text) as names,
           array_agg(format_type(a.atttypid, null)) as types,
           array_agg(exists (select from pg_index i where i.indrelid = a.attrelid and i.indisunique
                                                      and a.attnum = any (i.indkey::smallint[]))) as unique_ones
    from pg_stat_user_tables t join pg_attribute a on a.attrelid = t.relid
    where a.attnum > 0 and not a.attisdropped and a.attgenerated = '' and a.attidentity = ''
      and t.schemaname not in ('public', 'database')
    group by 1"""


def multiply(superuser: Engine, organization_id: UUID, times: int) -> None:
    """Copies rows of an organization in each table so many times, as far as what is unique can be made anew. Ids and
    what refers to them change in the same way.
    """
    with superuser.begin() as connection:
        connection.exec_driver_sql("set local session_replication_role = replica")
        for table in connection.execute(text(_COLUMNS)).all():
            if "organization_id" in table.names:
                columns = zip(table.names, table.types, table.unique_ones, strict=True)
                values = [_anew(name, kind, is_unique) for name, kind, is_unique in columns]
                names = ", ".join(f'"{name}"' for name in table.names)
                connection.execute(
                    text(
                        f"""insert into {table.name} ({names}) select {", ".join(values)}
                            from {table.name} s, generate_series(1, :times) n where s.organization_id = :organization
                            on conflict do nothing"""
                    ),
                    {"times": times, "organization": organization_id},
                )


def _anew(name: str, kind: str, is_unique: bool) -> str:
    """The value of a column in the copy `n`."""
    value = f's."{name}"'
    if name == "organization_id":
        return value
    if kind == "uuid":
        return f"md5({value} || '-' || n)::uuid"
    if kind == "bigint" and name == "number":
        return f"{value} + n * 1000"
    if kind != "text" or name in ("realm_id", "vat_id", "tax_number", "b_id"):
        return value
    if name == "quickbooks_id":
        return f"{value} || lpad(n::text, 4, '0')"
    if "sha256" in name:
        return f"encode(sha256(({value} || n)::bytea), 'hex')" if is_unique else value
    if (is_unique and name in ("recipient", "external_id", "name")) or name.endswith(("_id", "number", "sku")):
        return f"""case when pg_input_is_valid({value}, 'uuid') then md5({value} || '-' || n)::uuid::text
                        when {value} = '' then {value} else {value} || '~' || n end"""
    return value
