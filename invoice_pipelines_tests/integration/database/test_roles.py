"""What the roles may do: a hostile login of the application gets no further than the application's own rights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import DBAPIError

from invoice_pipelines.database.engine import driver_url
from invoice_pipelines.database.migrate import MigrationError, migrate
from invoice_pipelines.database.roles import ACCOUNTS, APP, BOOKS, OVERVIEW, OWNER, RECORDER, WEB
from invoice_pipelines_tests.conftest import TestDatabase
from invoice_pipelines_tests.integration.database.catalogue import (
    creatable_places,
    inherited_roles,
    owners_of_functions,
    security_definer_functions,
)

# What runs when a security definer function uses a type, an operator, a function or a table that is not where it
# thinks: it leaves the marks of whom it ran as in a function that operators call.
PAYLOAD = """
    create function {schema}.payload() returns boolean language plpgsql as $$
    begin
        if current_user = 'invoice_pipelines_app' then
            return true;
        end if;
        execute $code$
            drop function public.get_batch_processing_stats();
            create function public.get_batch_processing_stats() returns table (job_type text)
            language plpgsql as 'begin alter role invoice_pipelines_app superuser; end' $code$;
        return true;
    end $$"""


@contextmanager
def hostile(database: TestDatabase) -> Iterator[Connection]:
    """A login of the application with nothing of ours around it. Each statement is a transaction of its own."""
    unprepared = {"prepare_threshold": None}  # behind a pooler, what one session prepared another one does not know
    engine = create_engine(driver_url(database.app_url), isolation_level="AUTOCOMMIT", connect_args=unprepared)
    with engine.connect() as connection:
        assert connection.execute(text("select session_user")).scalar_one() == APP
        yield connection
    engine.dispose()


def attempt(connection: Connection, statement: str) -> str:
    """The SQLSTATE with which a statement is refused; empty where it is not."""
    try:
        connection.exec_driver_sql(statement)
    except DBAPIError as error:
        return str(getattr(error.orig, "sqlstate", ""))
    return ""


PLANTS = {
    "a type": """create domain {schema}.jsonb as pg_catalog.jsonb check ({schema}.payload());
                 create domain {schema}.bigint as pg_catalog.int8 check ({schema}.payload());
                 create domain {schema}.record as pg_catalog.int8 check ({schema}.payload());
                 create domain {schema}.interval as pg_catalog.interval check ({schema}.payload())""",
    "a function": """create function {schema}.jsonb_build_object(text, text) returns pg_catalog.jsonb language sql
                     as $$ select case when {schema}.payload() then pg_catalog.jsonb_build_object($1, $2) end $$;
                     create function {schema}.now() returns timestamptz language sql
                     as $$ select case when {schema}.payload() then pg_catalog.now() end $$""",
    "an operator": """create function {schema}.earlier(timestamptz, timestamptz) returns boolean language sql
                      as $$ select {schema}.payload() $$;
                      create operator {schema}.< (leftarg = timestamptz, rightarg = timestamptz,
                                                  function = {schema}.earlier)""",
    "a table": """create table {schema}.batch_job as select {schema}.payload() as status;
                  create view {schema}.pg_class as select {schema}.payload() as relname""",
    "a cast": """create type {schema}.word as (word text);
                 create function {schema}.to_word(text) returns {schema}.word language sql
                 as $$ select row(case when {schema}.payload() then $1 end)::{schema}.word $$;
                 create cast (text as {schema}.word) with function {schema}.to_word as implicit""",
    "an aggregate": """create function {schema}.next(bigint, boolean) returns bigint language sql
                       as $$ select case when {schema}.payload() then $1 + 1 end $$;
                       create aggregate {schema}.count(boolean) (sfunc = {schema}.next, stype = bigint,
                                                                 initcond = '0')""",
}


@pytest.mark.direct
@pytest.mark.parametrize("plant", PLANTS.values(), ids=PLANTS)
@pytest.mark.parametrize("with_temporary_objects", [False, True], ids=["as migrated", "temporary objects allowed"])
def test_nothing_that_the_application_plants_runs_as_another_role(
    database: TestDatabase, plant: str, with_temporary_objects: bool
) -> None:
    """Each wall is tried by itself: with the right to make temporary objects, the search path still has to hold."""
    if with_temporary_objects:
        with database.superuser.begin() as connection:
            name = connection.execute(text("select current_database()")).scalar_one()
            connection.execute(text(f"grant temporary on database {name} to public"))
    with hostile(database) as connection:
        for schema in ("pg_temp", "public", "work", "pg_catalog"):
            planted = attempt(connection, PAYLOAD.format(schema=schema)) == ""
            assert planted == (with_temporary_objects and schema == "pg_temp"), schema
            for statement in plant.format(schema=schema).split(";"):
                attempt(connection, statement)
        for schema in (OVERVIEW, "postgres", APP):
            assert attempt(connection, f"create schema {schema}") == "42501"
        connection.exec_driver_sql("set search_path = pg_temp, public, work, pg_catalog")
        with database.superuser.connect() as everything:
            functions = security_definer_functions(everything)
        for function in functions:
            if function.returned != "trigger":
                attempt(connection, "begin")
                attempt(connection, "select set_config('app.organization_id', gen_random_uuid()::text, true)")
                attempt(connection, f"select * from {function.name}({', '.join(['null'] * function.arguments)})")
                attempt(connection, "rollback")
                attempt(connection, f"select * from {function.name}()")
    with database.superuser.begin() as operator:
        operator.execute(text("select * from public.get_batch_processing_stats()"))
        operator.execute(text("select * from public.cleanup_stuck_batch_jobs()"))
        superusers = operator.execute(text("select rolname from pg_roles where rolsuper and rolname ~ '^invoice_'"))
        assert superusers.all() == []
        assert {function.owner for function in owners_of_functions(operator)} <= {
            OWNER,
            OVERVIEW,
            RECORDER,
            BOOKS,
            ACCOUNTS,
        }


@pytest.mark.direct  # a pooler would give its session, which stays another role's, to somebody else
def test_code_that_ran_as_a_role_of_ours_could_leave_nothing_behind(shared_database: TestDatabase) -> None:
    """The last wall: whatever came to run as one of these roles, what operators call is not theirs to replace."""
    for role in (APP, OVERVIEW, RECORDER, BOOKS):
        with shared_database.superuser.connect() as connection:
            connection.detach()  # a session that began as the role; nobody else is to be given it
            connection.execute(text(f"set session authorization {role}"))
            connection.commit()
            for statement in (
                "create or replace function public.get_batch_processing_stats() returns void language sql as ''",
                "create function public.other() returns void language sql as ''",
                "create function work.other() returns void language sql as ''",
                "create schema other",
                "create temporary table other ()",
                "alter function work.processing_statistics() security definer",
                f"set local role {OWNER}",
                f"grant {OWNER} to {APP}",
                "alter role invoice_pipelines_app superuser",
                "copy work.batch_job to program 'true'",
            ):
                assert attempt(connection, statement) in ("42501", "0LP01"), f"{role}: {statement}"
                connection.rollback()


def test_only_the_owner_can_create_anything(up_again: Engine) -> None:
    with up_again.connect() as connection:
        assert {role for _, role in creatable_places(connection)} == {OWNER}
        assert inherited_roles(connection, OWNER) == []
        assert inherited_roles(connection, APP) == []


def test_no_role_of_ours_goes_around_row_security_and_the_application_owns_nothing(
    shared_database: TestDatabase,
) -> None:
    with shared_database.engine.connect() as connection:
        roles = connection.execute(
            text(
                """select rolname, rolcanlogin, rolsuper or rolbypassrls as is_free,
                          pg_has_role(:app, oid, 'member') as is_of_app,
                          exists (select from pg_class where relowner = r.oid) as owns
                   from pg_roles r where rolname = any(:ours)"""
            ),
            {"app": APP, "ours": [APP, OWNER, OVERVIEW, RECORDER, BOOKS, ACCOUNTS, WEB]},
        ).all()
        assert connection.execute(text("select current_user")).scalar_one() == APP
    assert len(roles) == 7
    assert not any(role.is_free for role in roles)
    assert [role.rolname for role in roles if role.is_of_app] == [APP]
    assert {role.rolname for role in roles if role.rolcanlogin} == {APP, WEB}
    assert [role.rolname for role in roles if role.owns] == [OWNER]


def test_the_owner_reads_no_records(database: TestDatabase, make_organization) -> None:
    make_organization("acme")
    with database.superuser.connect() as connection:
        assert connection.execute(text("select count(*) from organizations.organization")).scalar_one() == 1
        connection.execute(text(f"set role {OWNER}"))
        assert connection.execute(text("select count(*) from organizations.organization")).scalar_one() == 0


def test_every_function_is_safe_to_call_for_who_may_do_more_than_its_owner(shared_database: TestDatabase) -> None:
    with shared_database.superuser.connect() as connection:
        definers = security_definer_functions(connection)
        others = owners_of_functions(connection)
    assert len(definers) >= 16
    for function in definers:
        paths = [setting for setting in function.settings if setting.startswith("search_path=")]
        assert paths == ["search_path=pg_catalog, pg_temp"], function.name
        assert not function.is_public, function.name
        if function.returned == "trigger":
            assert (function.owner, function.grantees) == (RECORDER, [OWNER]), function.name
        elif function.owner == ACCOUNTS:
            assert set(function.grantees) in (set(), {APP}, {APP, BOOKS, OVERVIEW, RECORDER}), function.name
        else:
            assert function.owner in (OVERVIEW, BOOKS), function.name
            assert function.grantees == [APP], function.name
    for function in others:
        if not function.is_definer:
            assert function.owner == OWNER, function.name


def test_a_migration_mends_an_older_installation(database: TestDatabase) -> None:
    name = database.owner_url.database
    with database.superuser.begin() as connection:
        for statement in (
            f"grant temporary on database {name} to public",
            f"grant create on schema work, intake, public to {OVERVIEW}",
            "grant create on schema public to public",
            f"grant {OVERVIEW} to {OWNER} with inherit true",
            "alter function public.cleanup_stuck_batch_jobs(interval) set search_path = pg_catalog",
        ):
            connection.exec_driver_sql(statement)
    migrate(database.owner_url)
    with database.superuser.connect() as connection:
        assert {role for _, role in creatable_places(connection)} == {OWNER}
        assert inherited_roles(connection, OWNER) == []
    test_every_function_is_safe_to_call_for_who_may_do_more_than_its_owner(database)


def test_a_right_that_the_login_cannot_take_away_is_named(database: TestDatabase) -> None:
    """As where another role granted it: the migration says what a superuser is to run."""
    name = database.owner_url.database
    with database.superuser.begin() as connection:
        connection.exec_driver_sql(f"grant temporary on database {name} to {APP}")
    with pytest.raises(MigrationError, match=rf"revoke create, temporary on database {name} from public, {APP}"):
        migrate(database.owner_url)
    with database.superuser.begin() as connection:
        connection.exec_driver_sql(f"revoke temporary on database {name} from {APP}")
    migrate(database.owner_url)


def test_a_password_that_the_application_gave_itself_closes_the_embedded_server_to_nobody(
    database: TestDatabase,
) -> None:
    """PostgreSQL lets every role change its own password. Where none is asked for, that changes nothing."""
    try:
        with hostile(database) as connection:
            assert attempt(connection, f"alter role {APP} password 'mine'") == ""
            assert attempt(connection, f"alter role {OWNER} password 'mine'") == "42501"
            assert attempt(connection, f"alter role {APP} valid until '2020-01-01'") == "42501"
        with hostile(database) as connection:
            assert connection.execute(text("select 1")).scalar_one() == 1
    finally:
        with database.superuser.begin() as connection:
            connection.execute(text(f"alter role {APP} password null"))
