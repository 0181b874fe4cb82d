"""Migrations: repeatable, safe when two run at once, and reversible."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text

from invoice_pipelines.database import create_app_engine, libpq_url, login_session, organization_scope
from invoice_pipelines.database.access import prepare_databases
from invoice_pipelines.database.migrate import create_database
from invoice_pipelines.database.roles import APP
from invoice_pipelines.organizations import add_organization
from invoice_pipelines.settings import Settings
from invoice_pipelines_tests.support.programs import Program
from invoice_pipelines_tests.support.server import DisposableServer

MIGRATE = "import sys; from invoice_pipelines.database.migrate import migrate; print(migrate(sys.argv[1]))"


def test_two_processes_at_once_both_end_well(empty_database):
    url = empty_database.render_as_string(hide_password=False)
    both = [Program(MIGRATE, url) for _ in range(2)]
    outputs = [process.communicate() for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    assert outputs[0][0] == outputs[1][0] != ""


@pytest.mark.direct
def test_a_superuser_login_works_as_the_application_role(shared_database):
    engine = create_app_engine(shared_database.owner_url)
    with engine.connect() as connection:
        assert connection.execute(text("select current_user")).scalar_one() == "invoice_pipelines_app"
        connection.execute(text("reset role"))
        assert connection.execute(text("select current_user")).scalar_one() == "invoice_pipelines_app"
    engine.dispose()


def test_a_login_without_superuser_that_may_create_roles_and_databases_makes_all_of_it(tmp_path: Path) -> None:
    """As managed servers give one: twice, and a second database beside the first."""
    server = DisposableServer(tmp_path / "postgresql")
    server.acquire()
    try:
        with login_session(server.url("postgres"), autocommit=True) as connection:
            connection.execute(text("create role operator login createrole createdb nosuperuser nobypassrls"))
        for name in ("first", "second"):
            url = server.url(name, "operator")
            create_database(server.url("postgres", "operator"), name)
            settings = Settings.model_validate({"DAGSTER_HOME": tmp_path, "database_url": libpq_url(url)})
            assert prepare_databases(settings) == prepare_databases(settings, force=True)
            engine = create_app_engine(url)
            place = {"country_code": "DE", "time_zone": "Europe/Berlin", "currency": "EUR"}
            acme, beta = (add_organization(engine, slug, slug, **place) for slug in ("acme", "beta"))
            for inside, others in ((acme, beta), (beta, acme)):
                with organization_scope(engine, inside) as connection:
                    assert connection.execute(text("select current_user, session_user")).one() == (APP, "operator")
                    change = text("update organizations.organization set name = name where id = :other")
                    assert connection.execute(change, {"other": others}).rowcount == 0
                    seen = connection.execute(text("select array_agg(id) from organizations.organization")).scalar_one()
                    assert seen == [inside]
            engine.dispose()
            dagster = server.url(f"{name}_dagster", "operator")
            with login_session(dagster) as connection:
                connection.execute(text("create table records ()"))
    finally:
        server.release()
