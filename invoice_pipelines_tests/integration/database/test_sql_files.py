"""The SQL files of the domains: applied in any order that they allow, and each with bodies that PostgreSQL accepts."""

from __future__ import annotations

import re

from sqlalchemy import Engine, text

from invoice_pipelines.database import create_login_engine, migrate
from invoice_pipelines.database.schema import PACKAGE, sql_files

CATALOGUE = """
    with ours as (select oid from pg_namespace where nspname not in ('pg_catalog', 'information_schema'))
    select 'view ' || oid::regclass as name, pg_get_viewdef(oid) || coalesce(relacl::text, '') as definition
    from pg_class where relkind = 'v' and relnamespace in (select oid from ours)
    union all
    select 'function ' || oid::regprocedure,
           pg_get_functiondef(oid) || coalesce(proacl::text, '') || proowner::regrole
    from pg_proc where pronamespace in (select oid from ours)
    union all
    select 'trigger ' || tgrelid::regclass || ' ' || tgname, pg_get_triggerdef(oid)
    from pg_trigger where not tgisinternal
"""


def catalogue(engine: Engine) -> dict[str, str]:
    with engine.connect() as connection:
        return {row.name: row.definition for row in connection.execute(text(CATALOGUE))}


def from_the_end() -> list:
    """The files in the order of their paths from the end, each as soon as what it comes after is there."""
    waiting = sorted(sql_files(), reverse=True)
    order: list = []
    while waiting:
        done = {file.relative_to(PACKAGE).as_posix() for file in order}
        file = next(f for f in waiting if set(re.findall(r"^-- after: (\S+)$", f.read_text("utf-8"), re.M)) <= done)
        waiting.remove(file)
        order.append(file)
    return order


def test_the_order_of_files_comes_from_what_they_say_they_need_alone(empty_database, shared_database, monkeypatch):
    assert from_the_end() != sql_files()
    monkeypatch.setattr(migrate, "sql_files", from_the_end)
    migrate.migrate(empty_database)
    other = create_login_engine(empty_database)
    assert catalogue(other) == catalogue(shared_database.superuser)
    other.dispose()


def test_the_bodies_of_all_functions_are_valid(database):
    """A migration does not look into them, as they may call what a later file makes."""
    with database.superuser.begin() as connection:
        definitions = connection.execute(
            text(
                """select pg_get_functiondef(oid) from pg_proc
                   where pronamespace::regnamespace::text not in ('pg_catalog', 'information_schema')"""
            )
        ).scalars()
        bodies = list(definitions)
        assert len(bodies) > 150
        for body in bodies:
            connection.exec_driver_sql(body.replace("%", "%%"))


def test_the_organization_in_scope_is_asked_for_in_one_way():
    """`organizations.current()`, which says what it is; the setting behind it is named where a scope is entered."""
    files = [file for kind in ("py", "sql") for file in PACKAGE.rglob(f"*.{kind}")]
    cast = [
        file.name
        for file in files
        if re.search(r"current_setting\('app\.organization_id'\)::uuid", file.read_text("utf-8"))
    ]
    assert sorted(cast) == ["0102_organizations.py", "0109_accounts.py"]
