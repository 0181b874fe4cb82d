"""The commands of `db` hand out URLs that other programs understand, and passwords to nobody else."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from urllib.parse import quote

import pytest
from sqlalchemy import URL

from invoice_pipelines.database import create_login_engine, libpq_url
from invoice_pipelines.database.embedded import EmbeddedServer
from invoice_pipelines_tests.support.programs import run_command
from invoice_pipelines_tests.support.terminal import PLACE, Terminal

pytestmark = pytest.mark.direct  # psql and its settings are of a session

PASSWORD = "p@ss/wörd +%?"


def psql(server: EmbeddedServer, url: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(server.binary("psql")), url, "-Atc", *words], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
def url(database) -> str:
    """As an operator writes it, with a password."""
    host = quote(str(database.owner_url.query["host"]), safe="")
    return f"postgresql://postgres:{quote(PASSWORD, safe='')}@/{database.owner_url.database}?host={host}"


def on_path(server: EmbeddedServer) -> str:
    return f"{server.binary('psql').parent}{os.pathsep}{os.environ['PATH']}"


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="needs /proc")
def test_psql_gets_the_password_and_no_other_user_of_the_machine_does(server, url, tmp_path):
    show = r"\! tr '\0' ' ' < /proc/$PPID/cmdline; echo; printenv PGPASSWORD"
    for given in (url, f"{url.replace(':' + quote(PASSWORD, safe='') + '@', '@')}&password={quote(PASSWORD, safe='')}"):
        shown = run_command(
            tmp_path, "db", "psql", "-c", show, INVOICE_PIPELINES_DATABASE_URL=given, PATH=on_path(server)
        )
        command, password = shown.stdout.splitlines()
        assert "postgresql://postgres@/" in command, shown.stderr
        for written in (PASSWORD, quote(PASSWORD, safe=""), "wörd"):
            assert written not in command
        assert password == PASSWORD


def test_sessions_of_psql_give_way_to_work(server, url, tmp_path):
    names = ("lock_timeout", "idle_in_transaction_session_timeout", "enable_sort")
    show = "select " + ", ".join(f"current_setting('{name}')" for name in names)
    shown = run_command(
        tmp_path,
        *("db", "psql", "-Atc", show),
        INVOICE_PIPELINES_DATABASE_URL=url,
        INVOICE_PIPELINES_PSQL_IDLE_TRANSACTION_SECONDS="77",
        PGOPTIONS="-c enable_sort=off",
        PATH=on_path(server),
    )
    assert shown.stdout.strip() == "30s|77s|off", shown.stderr


def test_the_url_is_one_for_psql_and_pg_dump(server, database, url, tmp_path):
    terminal = Terminal(tmp_path, url)
    printed = terminal.run("db", "url").stdout.strip()
    assert psql(server, printed, "select current_database()").stdout.strip() == database.owner_url.database
    dumped = subprocess.run(
        [str(server.binary("pg_dump")), "--schema-only", "--table", "work.batch_job", printed],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "CREATE TABLE work.batch_job" in dumped.stdout, dumped.stderr
    assert printed == libpq_url(create_login_engine(url).url)
    assert terminal.run("db", "url", "--dagster").stdout.strip() == printed.replace("?", "_dagster?")


def test_psql_sees_one_organization_in_its_scope(server, database, url, tmp_path):
    terminal = Terminal(tmp_path, url)
    for slug in ("acme", "globex"):
        terminal.add(slug, *PLACE)
    variables = {"INVOICE_PIPELINES_DATABASE_URL": url, "PATH": on_path(server)}
    count = "select count(*) from organizations.organization"
    scoped = run_command(tmp_path, "db", "psql", "--organization", "acme", "-Atc", count, **variables)
    assert scoped.stdout.strip() == "1", scoped.stderr
    assert run_command(tmp_path, "db", "psql", "-Atc", count, **variables).stdout.strip() == "2"


def test_the_urls_of_an_embedded_server_lead_to_it_also_from_a_home_whose_path_needs_quoting(tmp_path):
    home = tmp_path / "a home & more"
    server = EmbeddedServer(home / "postgresql")
    server.acquire()
    try:
        terminal = Terminal(home)
        first, second = terminal.run("db", "migrate"), terminal.run("db", "migrate")
        assert (first.returncode, first.stdout) == (0, second.stdout)
        application, owner = (terminal.run("db", "url", *words).stdout.strip() for words in ([], ["--owner"]))
        assert application.startswith("postgresql://invoice_pipelines_app@")
        assert psql(server, application, "select current_user").stdout.strip() == "invoice_pipelines_app"
        assert psql(server, owner, "select rolsuper from pg_roles where rolname = current_user").stdout.strip() == "t"
        assert terminal.run("db", "url", "--owner", "--dagster").returncode == 2
    finally:
        server.release()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (
            URL.create("postgresql+psycopg", "a b", "+ %", "db.example", 5433, "x y"),
            "//a%20b:%2B%20%25@db.example:5433/x%20y",
        ),
        (URL.create("postgresql", host="::1", database="d"), "//[::1]/d"),
        (
            URL.create("postgresql", "u", database="d", query={"host": "/a b", "sslmode": "require"}),
            "//u@/d?host=%2Fa%20b&sslmode=require",
        ),
    ],
)
def test_a_url_is_written_as_libpq_reads_it(url, expected):
    assert libpq_url(url) == f"postgresql:{expected}"
