"""A new installation on a server of one's own, from deploy/postgresql/roles.sql to the first session of each login."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from sqlalchemy import text

from invoice_pipelines.database import libpq_url, login_session
from invoice_pipelines.database.embedded import EmbeddedServer
from invoice_pipelines_tests.conftest import PROJECT
from invoice_pipelines_tests.support.programs import run_command
from invoice_pipelines_tests.support.server import DisposableServer

pytestmark = pytest.mark.slow

MIGRATOR = "invoice_pipelines_migrator"


def make_roles(server: EmbeddedServer, app_password: str) -> None:
    passwords = {"APP_PASSWORD": app_password, "WEB_PASSWORD": "w'e\\b", "DAGSTER_PASSWORD": "d"}
    url = libpq_url(server.url("postgres", MIGRATOR))
    command = [server.binary("psql"), url, "-qX", "-f", PROJECT / "deploy/postgresql/roles.sql"]
    done = subprocess.run(command, env=os.environ | passwords, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


def test_an_installation_begins_without_a_superuser(tmp_path: Path) -> None:
    server = DisposableServer(tmp_path / "postgresql")
    server.acquire()
    try:
        with login_session(server.url("postgres"), autocommit=True) as session:
            session.execute(text(f"create role {MIGRATOR} login createrole createdb"))
        make_roles(server, "first")
        variables = {
            f"INVOICE_PIPELINES_{name}": libpq_url(server.url(database, role))
            for name, database, role in (
                ("DATABASE_URL", "invoice_pipelines", "invoice_pipelines_app"),
                ("DATABASE_OWNER_URL", "invoice_pipelines", MIGRATOR),
                ("DAGSTER_DATABASE_URL", "invoice_pipelines_dagster", "invoice_pipelines_dagster"),
            )
        }
        for _ in range(2):  # also an upgrade that changes nothing, and passwords that change
            done = run_command(tmp_path / "home", "db", "migrate", "--dagster", **variables)
            assert done.returncode == 0, done.stderr
            make_roles(server, "second")
        assert "working as invoice_pipelines_app" in run_command(tmp_path / "home", "db", "check", **variables).stdout
        with login_session(server.url("invoice_pipelines_dagster", "invoice_pipelines_dagster")) as session:
            assert session.execute(text("select count(*) from runs")).scalar_one() == 0
            assert session.execute(text("select version_num from alembic_version")).scalar_one()
        with login_session(server.url("postgres")) as session:
            verifiers = dict(session.execute(text("select rolname, rolpassword from pg_authid")).tuples().all())
        assert all(verifiers[f"invoice_pipelines_{name}"] for name in ("app", "web", "dagster"))
    finally:
        server.release()
