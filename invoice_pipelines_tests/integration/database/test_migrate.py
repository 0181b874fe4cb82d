"""Migrations: repeatable, safe when two run at once, and reversible."""

from __future__ import annotations

import subprocess
import sys

import pytest
from sqlalchemy import text

from invoice_pipelines.database import create_login_engine
from invoice_pipelines.database.migrate import create_database, migrate

MIGRATE = "import sys; from invoice_pipelines.database.migrate import migrate; print(migrate(sys.argv[1]))"


@pytest.fixture
def empty_database(server, request):
    name = f"empty_{abs(hash(request.node.name)) % 10**8}"
    create_database(server.url("postgres"), name)
    return server.url(name)


def test_migrating_twice_changes_nothing(database):
    assert migrate(database.owner_url) == migrate(database.owner_url)


def test_two_processes_at_once_both_end_well(empty_database):
    url = empty_database.render_as_string(hide_password=False)
    both = [
        subprocess.Popen([sys.executable, "-c", MIGRATE, url], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    outputs = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    assert outputs[0][0] == outputs[1][0] != b""


def test_down_to_nothing_and_up_again(empty_database):
    newest = migrate(empty_database)
    assert migrate(empty_database, "base") == "base"
    engine = create_login_engine(empty_database)
    with engine.connect() as connection:
        left = connection.execute(
            text(
                """select table_schema || '.' || table_name from information_schema.tables
                   where table_schema not in ('pg_catalog', 'information_schema', 'database')"""
            )
        ).scalars()
        assert list(left) == []
    engine.dispose()
    assert migrate(empty_database) == newest


def test_the_application_role_is_neither_superuser_nor_owner_nor_free_of_row_security(database):
    with database.engine.connect() as connection:
        role = connection.execute(
            text("select rolname, rolsuper, rolbypassrls from pg_roles where rolname = current_user")
        ).one()
        owned = connection.execute(
            text("select count(*) from pg_class where relowner = current_user::regrole")
        ).scalar_one()
    assert tuple(role) == ("invoice_pipelines_app", False, False)
    assert owned == 0


@pytest.mark.direct
def test_a_superuser_login_works_as_the_application_role(database):
    from invoice_pipelines.database import create_app_engine

    engine = create_app_engine(database.owner_url)
    with engine.connect() as connection:
        assert connection.execute(text("select current_user")).scalar_one() == "invoice_pipelines_app"
        connection.execute(text("reset role"))
        assert connection.execute(text("select current_user")).scalar_one() == "invoice_pipelines_app"
    engine.dispose()
