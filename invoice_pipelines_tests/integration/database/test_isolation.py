"""Organizations are kept apart by PostgreSQL itself: proved for every table, function and view that the catalogue has.

Nothing here names a table of a domain. A new table is covered as soon as a migration makes it, and fails here until it
is closed to other organizations.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import count
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from invoice_pipelines.database import organization_scope
from invoice_pipelines.database.embedded import EmbeddedServer
from invoice_pipelines.database.roles import ACCOUNTS, APP, BOOKS, OVERVIEW, RECORDER
from invoice_pipelines_tests.conftest import fresh_database
from invoice_pipelines_tests.integration.database.catalogue import (
    NOT_OF_A_DOMAIN,
    REGISTRY,
    Table,
    openings,
    read_catalogue,
    security_definer_functions,
)

# What functions across organizations may return: whose it is, how many, since when. The registry is the exception, as
# who the organizations are is not a record of any of them.
OVERVIEW_COLUMNS = {
    "organization_id",
    "kind",  # of work, such as parse_upload
    "job_type",
    "status",
    "is_valid",
    "source",  # xml, text, ocr
    "outcome",  # of a document, such as validated
    "lanes",  # of a warm worker, such as express
}
OVERVIEW_TYPES = {"bigint", "integer", "numeric", "interval", "timestamp with time zone", "boolean"}
REGISTRY_COLUMNS = {"id", "slug", "name", "country_code", "time_zone", "currency"}
REGISTRY_FUNCTION = "organizations.list_organizations"


_numbers = count(1)


def value_of(kind: str) -> Any:
    """A value of a PostgreSQL type that was not used before."""
    number = next(_numbers)
    base = kind.removesuffix("[]")
    if kind.endswith("[]"):
        return []
    values: dict[str, Any] = {
        "uuid": uuid4(),
        "text": f"x{number}",
        "character varying": f"x{number}",
        "integer": number,
        "bigint": number,
        "smallint": number % 30000,
        "numeric": Decimal(0),
        "double precision": 0.5,
        "boolean": False,
        "date": date(2026, 1, 1),
        "timestamp with time zone": datetime(2026, 1, 1, tzinfo=UTC),
        "jsonb": "{}",
        "interval": "1 second",
        "bytea": b"x",
        "inet": "127.0.0.1",
    }
    assert base in values, f"the type {kind} is new here: give it a value in this test"
    return values[base]


@dataclass
class Prepared:
    """A database in which the organizations A and B have one row in each table.

    Check constraints are dropped and triggers are off, so that rows can be made from the catalogue alone; what keeps
    organizations apart is as migrated.
    """

    app: Engine
    superuser: Engine
    tables: dict[str, Table]
    a: UUID
    b: UUID
    rows: dict[tuple[str, UUID], dict[str, Any]]

    @contextmanager
    def as_a(self) -> Iterator[Connection]:
        """Work as organization A that is always rolled back."""
        with self.app.connect() as connection:
            connection.execute(text("select set_config('app.organization_id', :id, true)"), {"id": str(self.a)})
            yield connection
            connection.rollback()

    def row(self, table: Table, organization: UUID) -> dict[str, Any]:
        """A new row for an organization, whose foreign keys point at the rows that the organization has."""
        row = {column.name: value_of(column.type) for column in table.columns if not column.is_generated}
        for key in table.foreign_keys:
            if key.target in (REGISTRY, table.name):
                continue
            target = self.rows[key.target, organization]
            for column, target_column in zip(key.columns, key.target_columns, strict=True):
                row[column] = target[target_column]
        for key in table.foreign_keys:
            if key.target == table.name:
                row |= {column: None for column in key.columns if column not in table.key}
        row[table.organization_column] = organization
        return row

    def content(self, table: Table, organization: UUID) -> list[Any]:
        with self.superuser.connect() as connection:
            statement = f"select * from {table.name} where {table.organization_column} = :id order by 1, 2"
            return list(connection.execute(text(statement), {"id": organization}).all())


def insert_as_app(connection: Connection, table: Table, row: dict[str, Any]) -> None:
    """Without what the application may not choose, so that nothing but the organization is refused."""
    given = {column.name for column in table.columns if column.can_be_given}
    insert(connection, table, {name: value for name, value in row.items() if name in given} or row)


def insert(connection: Connection, table: Table, row: dict[str, Any]) -> None:
    types = {column.name: column.type for column in table.columns}
    names = ", ".join(f'"{name}"' for name in row)
    values = ", ".join(f"cast(:{name} as {types[name]})" for name in row)
    connection.execute(text(f"insert into {table.name} ({names}) values ({values})"), row)


def in_order(tables: dict[str, Table]) -> list[Table]:
    """Tables after those that they point at."""
    done: list[Table] = []
    left = list(tables.values())
    while left:
        ready = [
            table
            for table in left
            if all(key.target == table.name or key.target in {d.name for d in done} for key in table.foreign_keys)
        ]
        assert ready, f"the foreign keys of {[table.name for table in left]} go in a circle"
        done += ready
        left = [table for table in left if table not in ready]
    return done


@pytest.fixture(scope="module")
def prepared(server: EmbeddedServer, template: str) -> Iterator[Prepared]:
    with fresh_database(server, template) as database:
        yield prepare(database.engine, database.superuser)


def prepare(app: Engine, superuser: Engine) -> Prepared:
    with superuser.connect() as connection:
        tables = read_catalogue(connection)
    result = Prepared(app, superuser, tables, uuid4(), uuid4(), {})
    with superuser.begin() as connection:
        for constraint in connection.execute(
            text(
                """select conrelid::regclass::text as relation, conname from pg_constraint
                   where contype = 'c' and conrelid <> 0
                     and connamespace not in (select oid from pg_namespace where nspname = any(:others))"""
            ),
            {"others": list(NOT_OF_A_DOMAIN)},
        ).all():
            connection.execute(text(f'alter table {constraint.relation} drop constraint "{constraint.conname}"'))
        for table in in_order(tables):
            connection.execute(text(f"alter table {table.name} disable trigger user"))
            for organization in (result.a, result.b):
                row = result.row(table, organization)
                insert(connection, table, row)
                result.rows[table.name, organization] = row
    return result


def refusal(error: DBAPIError) -> str:
    return str(getattr(error.orig, "sqlstate", ""))


def rows_touched(connection: Connection, statement: str, **values: Any) -> int:
    """How many rows a statement changed: none as well where the application lacks the right to any such change."""
    try:
        with connection.begin_nested():
            return connection.execute(text(statement), values).rowcount
    except DBAPIError as error:
        if refusal(error) == "42501":
            return 0
        raise


def test_every_table_of_every_domain_is_closed(prepared: Prepared) -> None:
    assert len(prepared.tables) >= 15
    found = {name: problems for name, table in prepared.tables.items() if (problems := openings(table))}
    assert found == {}


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("create table intake.note (id uuid primary key, body text)", "has no organization_id"),
        ("create table intake.note (organization_id uuid, id uuid)", "has no row-level security"),
        (
            "create table intake.note (organization_id uuid); alter table intake.note enable row level security",
            "does not force row-level security",
        ),
        (
            """create table intake.note (organization_id uuid); alter table intake.note enable row level security;
               alter table intake.note force row level security""",
            "has no policy for the application",
        ),
        (
            "create policy everything on intake.upload to invoice_pipelines_app using (true)",
            "has the policy everything that does not ask for the organization",
        ),
        ("create policy everybody on intake.upload using (true)", "has the policy everybody for"),
        (
            """create unique index alone on intake.upload (id);
               alter table intake.arrival add foreign key (upload_id) references intake.upload (id)""",
            "without organization_id",
        ),
        ("create unique index tells on intake.upload (sha256)", "across organizations"),
        ("create materialized view public.copy as select * from intake.upload", "has no row-level security"),
    ],
)
def test_a_migration_that_leaves_something_open_is_found(prepared: Prepared, statement: str, problem: str) -> None:
    with prepared.superuser.connect() as connection:
        connection.exec_driver_sql(statement)
        found = [f"{name} {p}" for name, table in read_catalogue(connection).items() for p in openings(table)]
        connection.rollback()
    assert any(problem in line for line in found), found


def test_an_organization_sees_its_own_rows_and_no_others(prepared: Prepared) -> None:
    for table in prepared.tables.values():
        with prepared.as_a() as connection:
            seen = connection.execute(text(f"select {table.organization_column} from {table.name}")).scalars().all()
        assert set(seen) == {prepared.a}, table.name


def test_nothing_can_be_inserted_for_another_organization(prepared: Prepared) -> None:
    for table in prepared.tables.values():
        before = prepared.content(table, prepared.b)
        row = prepared.row(table, prepared.b)
        if table.name == REGISTRY:
            row["id"] = uuid4()
        with prepared.as_a() as connection, pytest.raises(DBAPIError) as raised:
            insert_as_app(connection, table, row)
        assert refusal(raised.value) == "42501", table.name
        assert prepared.content(table, prepared.b) == before


def test_an_organization_can_insert_for_itself_what_it_cannot_for_another(prepared: Prepared) -> None:
    """Otherwise the refusals above would prove nothing: the same kind of row, for A, is let in."""
    let_in = set()
    for table in prepared.tables.values():
        row = prepared.row(table, prepared.a)
        with prepared.as_a() as connection, suppress(DBAPIError):
            insert_as_app(connection, table, row)
            let_in.add(table.name)
    assert len(let_in) >= len(prepared.tables) / 2, let_in


def test_nothing_of_another_organization_can_be_changed(prepared: Prepared) -> None:
    for table in prepared.tables.values():
        before = prepared.content(table, prepared.b)
        with prepared.as_a() as connection:
            for column in table.columns:
                if not column.is_generated:
                    change = f'update {table.name} set "{column.name}" = "{column.name}"'
                    whose = f"where {table.organization_column} = :b"
                    assert rows_touched(connection, f"{change} {whose}", b=prepared.b) == 0, (
                        f"{table.name}.{column.name}"
                    )
        assert prepared.content(table, prepared.b) == before


def test_a_row_cannot_be_given_to_another_organization(prepared: Prepared) -> None:
    for table in prepared.tables.values():
        with prepared.as_a() as connection, pytest.raises(DBAPIError) as raised:
            connection.execute(
                text(f"update {table.name} set {table.organization_column} = :other"), {"other": uuid4()}
            )
        assert refusal(raised.value) == "42501", table.name


def test_nothing_of_another_organization_can_be_deleted(prepared: Prepared) -> None:
    for table in prepared.tables.values():
        before = prepared.content(table, prepared.b)
        assert len(before) == 1
        deletion = f"delete from {table.name} where {table.organization_column} = :b"
        with organization_scope(prepared.app, prepared.a) as connection:
            assert rows_touched(connection, deletion, b=prepared.b) == 0, table.name
        assert prepared.content(table, prepared.b) == before, table.name


def test_no_foreign_key_can_point_at_a_row_of_another_organization(prepared: Prepared) -> None:
    tried = 0
    for table in prepared.tables.values():
        for key in table.foreign_keys:
            if key.target == REGISTRY:
                continue
            row = prepared.row(table, prepared.a)
            foreign = prepared.rows[key.target, prepared.b]
            for column, target_column in zip(key.columns, key.target_columns, strict=True):
                if column != "organization_id":
                    row[column] = foreign[target_column]
            # Where the application may not choose the columns at all, that is what it is refused.
            chosen = all(column.can_be_given for column in table.columns if column.name in key.columns)
            add = insert_as_app if chosen else insert
            with prepared.as_a() as connection, pytest.raises(DBAPIError) as raised:
                add(connection, table, row)
            assert refusal(raised.value) in ("23503", "42501"), f"{table.name}.{key.name}: {raised.value}"
            # Even for the superuser, whom no policy stops.
            with prepared.superuser.connect() as connection, pytest.raises(DBAPIError) as raised:
                insert(connection, table, row)
            assert refusal(raised.value) == "23503", f"{table.name}.{key.name}: {raised.value}"
            tried += 1
    assert tried >= 10


def test_tables_cannot_be_emptied_or_changed_by_the_application(prepared: Prepared) -> None:
    for table in prepared.tables.values():
        for statement in (
            f"truncate {table.name}",
            f"alter table {table.name} disable row level security",
            f"drop table {table.name}",
            f"create policy more on {table.name} using (true)",
        ):
            with prepared.as_a() as connection, pytest.raises(DBAPIError) as raised:
                connection.execute(text(statement))
            assert refusal(raised.value) == "42501", statement


def test_outside_of_a_scope_every_access_is_an_error(prepared: Prepared) -> None:
    for table in prepared.tables.values():
        # On a new connection, and on one from the pool that was in a scope before.
        for _ in range(2):
            with prepared.app.connect() as connection, pytest.raises(DBAPIError):
                connection.execute(text(f"select count(*) from {table.name}"))
            with organization_scope(prepared.app, prepared.a) as connection:
                assert connection.execute(text(f"select count(*) from {table.name}")).scalar() == 1


def test_every_view_shows_what_its_caller_may_see(prepared: Prepared) -> None:
    with prepared.superuser.connect() as connection:
        views = connection.execute(
            text(
                """select n.nspname || '.' || c.relname as name, coalesce(c.reloptions, '{}') as options,
                          has_table_privilege(:app, c.oid, 'select') as shown,
                          exists (select from pg_attribute a where a.attrelid = c.oid
                                  and a.attname = 'organization_id') as scoped
                   from pg_class c join pg_namespace n on n.oid = c.relnamespace
                   where c.relkind = 'v' and n.nspname <> all(:others)"""
            ),
            {"app": APP, "others": list(NOT_OF_A_DOMAIN)},
        ).all()
    assert len(views) >= 3
    for view in views:
        assert "security_invoker=true" in view.options, view.name
        if view.shown:
            with prepared.as_a() as connection:
                rows = connection.execute(text(f"select * from {view.name}")).mappings().all()
            assert len(rows) <= 1, view.name
            if view.scoped:
                assert {row["organization_id"] for row in rows} <= {prepared.a}, view.name
            with prepared.app.connect() as connection, pytest.raises(DBAPIError):
                connection.execute(text(f"select * from {view.name}"))


def test_functions_across_organizations_return_no_business_data(prepared: Prepared) -> None:
    with prepared.superuser.connect() as connection:
        functions = security_definer_functions(connection)
    for function in functions:
        if function.owner in (BOOKS, ACCOUNTS):
            continue
        allowed = OVERVIEW_COLUMNS | (REGISTRY_COLUMNS if function.name == REGISTRY_FUNCTION else set())
        columns = [column.split(":") for column in function.columns] or [["", function.returned]]
        for name, kind in columns:
            is_plain = name in allowed or kind in OVERVIEW_TYPES | {"void", "trigger"}
            assert is_plain, f"{function.name} returns {name} {kind}"


def test_functions_across_organizations_show_a_session_in_a_scope_its_own_organization_only(
    prepared: Prepared,
) -> None:
    """The policies of their owner say so. Outside of a scope they show all."""
    kinds = [prepared.rows["work.batch_item", organization]["kind"] for organization in (prepared.a, prepared.b)]
    with prepared.superuser.begin() as connection:
        connection.execute(text("update work.batch_item set status = 'pending', available_at = '2026-01-01'"))
        connection.execute(text("update work.batch_job set status = 'processing', last_progress_at = '2026-01-01'"))
        connection.execute(text("update organizations.organization set removed_at = null"))
    for counted in (
        "sum(total_jobs) from public.get_batch_processing_stats()",
        "sum(organizations) from public.get_job_execution_totals()",
        "sum(reopened_jobs + closed_jobs + ended_jobs) from public.cleanup_stuck_batch_jobs('1 second')",
        "sum(invoices) from intake.status_counts()",
        "count(*) from organizations.list_organizations(true)",
        "sum(due_items) from work.organizations_with_work(cast(:kinds as text[]))",
    ):
        query, values = text(f"select {counted}"), {"kinds": kinds} if ":kinds" in counted else {}
        with prepared.as_a() as connection:
            assert connection.execute(query, values).scalar_one() == 1, counted
        with prepared.app.connect() as connection:
            assert connection.execute(query, values).scalar_one() == 2, counted


def test_the_overview_role_reads_no_column_that_holds_what_people_wrote(prepared: Prepared) -> None:
    """What the functions across organizations could return at all: keys, statuses, numbers and times."""
    plain_columns = OVERVIEW_COLUMNS | {"subject_id", "error_code", "error_message", "last_error", "outcome", "id"}
    plain_columns |= {"realm_id", "entity_type"}  # digits that QuickBooks gave, and words such as customer
    plain_columns |= {"channel", "message_id_header"}  # words such as email, and random ids
    plain_columns |= {"type", "event_types"}  # words such as invoice.paid
    with prepared.superuser.connect() as connection:
        columns = connection.execute(
            text(
                """select n.nspname || '.' || c.relname as relation, a.attname,
                          format_type(a.atttypid, null) as type
                   from pg_attribute a join pg_class c on c.oid = a.attrelid
                   join pg_namespace n on n.oid = c.relnamespace
                   where c.relkind in ('r', 'p') and a.attnum > 0 and n.nspname <> all(:others)
                     and has_column_privilege(:overview, c.oid, a.attnum, 'select')"""
            ),
            {"others": list(NOT_OF_A_DOMAIN), "overview": OVERVIEW},
        ).all()
    assert columns
    for column in columns:
        allowed = plain_columns | (REGISTRY_COLUMNS if column.relation == REGISTRY else set())
        assert column.attname in allowed or column.type in OVERVIEW_TYPES | {"uuid"}, (
            f"{column.relation}.{column.attname}"
        )


def test_a_database_that_went_down_and_up_again_is_as_closed(up_again: Engine) -> None:
    with up_again.connect() as connection:
        tables = read_catalogue(connection)
        assert len(tables) >= 15
        assert {name: found for name, table in tables.items() if (found := openings(table))} == {}
        owners = {function.owner for function in security_definer_functions(connection)}
        assert owners <= {OVERVIEW, RECORDER, BOOKS, ACCOUNTS}
