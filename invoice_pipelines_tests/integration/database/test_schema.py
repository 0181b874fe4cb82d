"""Only `up`, `demo` and `db migrate` migrate. All else compares the schema with the program and says what to do."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import text

from invoice_pipelines.database import SessionLimits, create_app_engine, create_login_engine, libpq_url, schema
from invoice_pipelines.database.access import database_urls, open_database, prepare_databases
from invoice_pipelines.database.embedded import EmbeddedServer
from invoice_pipelines.database.migrate import MigrationError, create_database, migrate
from invoice_pipelines.database.roles import APP
from invoice_pipelines.database.schema import Comparison, SchemaError, read_state, require_current
from invoice_pipelines.settings import Settings
from invoice_pipelines_tests.conftest import drop_database
from invoice_pipelines_tests.integration.billing.conftest import open_desk
from invoice_pipelines_tests.support.terminal import Terminal
from invoice_pipelines_tests.support.waiting import wait_for, wait_for_blocked

ASK = [str(Path(sys.executable).parent / "invoice-pipelines")]


@pytest.fixture
def terminal(database, tmp_path) -> Terminal:
    """A terminal whose login is the application's role, and can do nothing else."""
    return Terminal(tmp_path, libpq_url(database.app_url))


@contextmanager
def open_transaction(url, *statements: str) -> Iterator[psycopg.Connection]:
    """Somebody's transaction that did something and now stands idle."""
    with psycopg.connect(libpq_url(url), application_name="psql of anna") as connection:
        for statement in statements:
            connection.execute(statement)
        yield connection
        connection.rollback()


def state_of(engine) -> Comparison:
    with engine.connect() as connection:
        return read_state(connection).comparison


def change(database, statement: str) -> None:
    with database.superuser.begin() as connection:
        connection.execute(text(statement))


def test_the_names_of_the_migrations_say_which_one_is_the_newest():
    config = Config()
    config.set_main_option("script_location", str(Path(schema.__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    assert schema.newest_revision() == ScriptDirectory.from_config(config).get_current_head()


@pytest.mark.parametrize(
    ("statement", "comparison", "words"),
    [
        (
            "update database.schema_version set version_num = '0102'",
            Comparison.OLDER,
            "at revision 0102, and this program needs .* Run `invoice-pipelines db migrate`",
        ),
        (
            "update database.schema_version set version_num = '0027'",
            Comparison.OLDER,
            "at revision 0027, and this program needs .* Run `invoice-pipelines db migrate`",
        ),
        (
            "update database.schema_version set version_num = '0026'",
            Comparison.OUT_OF_REACH,
            "made before the first release and is at revision 0026, .* First run `db migrate` of .* leads to 0027",
        ),
        (
            "update database.schema_version set version_num = '9999'",
            Comparison.NEWER,
            "at revision 9999, which is newer than this program",
        ),
        (
            "update database.applied_functions set sha256 = 'another'",
            Comparison.OTHER_FUNCTIONS,
            "SQL functions .* not those of this version .* Run `invoice-pipelines db migrate`",
        ),
        (
            "revoke usage on schema database from invoice_pipelines_app",
            Comparison.OLDER,
            "of an older version.* Run `invoice-pipelines db migrate`",
        ),
        ("drop schema database, work cascade", Comparison.ABSENT, "is empty. Run `invoice-pipelines db migrate`"),
    ],
)
def test_a_command_says_how_the_schema_differs_and_changes_nothing(database, terminal, statement, comparison, words):
    assert state_of(database.engine) is Comparison.SAME
    require_current(database.engine)
    change(database, statement)
    assert state_of(database.engine) is comparison
    with pytest.raises(SchemaError, match=words):
        require_current(database.engine)
    ended = terminal.run("organizations", "list")
    assert ended.returncode == 2
    assert "db migrate" in ended.stderr or comparison is Comparison.NEWER
    assert state_of(database.engine) is comparison


@pytest.mark.direct
def test_a_server_without_a_role_of_ours_is_called_empty(empty_database, tmp_path):
    for login in (empty_database, empty_database.set(username=APP)):
        ended = Terminal(tmp_path, libpq_url(login)).run("status")
        assert (ended.returncode, ended.stdout) == (2, "")
        assert "is empty. Run `invoice-pipelines db migrate`" in ended.stderr


def test_an_older_program_does_not_migrate_what_a_newer_one_left(database):
    change(database, "update database.schema_version set version_num = '9999'")
    with pytest.raises(SchemaError, match="newer than this program"):
        migrate(database.owner_url)


def test_what_stands_at_the_last_revision_before_the_release_is_taken_over(database):
    desk = open_desk(database)
    desk.order()
    migrate(database.owner_url, schema.SAME_TABLES)
    change(database, "update database.schema_version set version_num = '0027'")
    assert migrate(database.owner_url) == schema.newest_revision()
    require_current(database.engine)
    assert desk.one(desk.order()).status == "succeeded"
    assert desk.value("select count(*) from billing.sales_order") == 2


def test_what_is_older_than_the_first_migration_is_left_as_it_is(database):
    change(database, "update database.schema_version set version_num = '0026'")
    for force in (False, True):
        with pytest.raises(SchemaError, match="before the first release and is at revision 0026"):
            migrate(database.owner_url, force=force)
    with database.superuser.connect() as connection:
        applied = connection.execute(text("select sha256 from database.applied_functions")).scalar_one()
    assert applied == schema.functions_sha256()
    assert state_of(database.engine) is Comparison.OUT_OF_REACH


def test_a_login_of_the_application_alone_can_do_all_daily_work(database, terminal):
    place = ("--country", "DE", "--time-zone", "Europe/Berlin", "--currency", "EUR")
    assert terminal.run("organizations", "add", "acme", "--name", "Acme", *place).returncode == 0
    for words in (["status"], ["batch", "list", "--organization", "acme"], ["invoices", "list"], ["db", "check"]):
        ended = terminal.run(*words) if words[0] != "invoices" else terminal.acme(*words)
        assert ended.returncode == 0, (words, ended.stderr)


def test_a_list_of_jobs_waits_for_nobody_and_holds_up_nobody(database, terminal):
    """While one organization's transaction holds what a migration would need."""
    mine, theirs = open_desk(database), open_desk(database)
    order = theirs.order()
    slug = mine.value("select slug from organizations.organization")
    terminal.environment["INVOICE_PIPELINES_DATABASE_LOCK_TIMEOUT_SECONDS"] = "1"
    with theirs.scope() as connection:
        issued = connection.execute(
            text("select invoice_number from create_invoice_from_sales_order_sql(:order)"), {"order": order}
        ).all()
        assert len(issued) == 1
        begun = time.monotonic()
        listed = terminal.run("batch", "list", "--organization", slug)
        assert listed.returncode == 0, listed.stderr
        assert mine.one(mine.order()).status == "succeeded"
        assert time.monotonic() - begun < 5
    assert theirs.numbers() == [1]
    assert mine.numbers() == [1]


def test_migrating_what_is_the_same_touches_nothing_unless_it_is_forced(database):
    with database.superuser.connect() as connection:
        function = text("select xmin::text from pg_proc where proname = 'claim_items'")
        before = connection.execute(function).scalar_one()
        connection.rollback()
        newest = migrate(database.owner_url)
        assert connection.execute(function).scalar_one() == before
        connection.rollback()
        assert migrate(database.owner_url, force=True) == newest
        assert connection.execute(function).scalar_one() != before


@pytest.mark.parametrize(
    "mark", ["update database.applied_functions set sha256 = 'another'", "drop table database.applied_functions"]
)
def test_functions_that_differ_or_are_not_known_are_applied_again_by_the_owner_alone(database, terminal, mark):
    change(database, mark)
    change(database, "drop function work.release_items(uuid)")
    refused = terminal.run("db", "migrate")
    assert refused.returncode == 2
    assert "INVOICE_PIPELINES_DATABASE_OWNER_URL" in refused.stderr
    migrate(database.owner_url)
    require_current(database.engine)
    with database.superuser.connect() as connection:
        assert connection.execute(text("select to_regproc('work.release_items') is not null")).scalar_one()


@pytest.mark.direct
def test_a_migration_names_who_is_in_its_way_and_lets_everybody_else_pass(database):
    desk = open_desk(database)
    waited: list[str] = []
    ended: list[object] = []

    def migrate_now() -> None:
        try:
            ended.append(migrate(database.owner_url, force=True, wait=timedelta(seconds=60), on_wait=waited.append))
        except MigrationError as error:
            ended.append(error)

    migrating = threading.Thread(target=migrate_now)
    with open_transaction(database.owner_url, "lock table billing.invoice in row exclusive mode") as holder:
        migrating.start()
        wait_for("word of the wait", lambda: waited)
        assert f"process {holder.info.backend_pid} ('psql of anna', user postgres, idle in transaction" in waited[0]
        begun = time.monotonic()
        assert desk.one(desk.order()).status == "succeeded"
        assert time.monotonic() - begun < 5
    migrating.join(timeout=60)
    assert ended == [schema.newest_revision()]


@pytest.mark.direct
def test_a_migration_gives_up_in_the_end(database):
    with (
        open_transaction(database.owner_url, "lock table billing.invoice in row exclusive mode"),
        pytest.raises(MigrationError, match=r"within 0 s: it is held by process .*'psql of anna'.* Migrate again"),
    ):
        migrate(database.owner_url, force=True, wait=timedelta(0))
    require_current(database.engine)


@pytest.mark.direct
def test_a_command_waits_for_a_migration_under_way_and_then_works(database):
    change(database, "update database.applied_functions set sha256 = 'another'")
    lock = f"select pg_advisory_xact_lock({schema.MIGRATION_LOCK})"
    impatient = create_app_engine(database.app_url, limits=SessionLimits(lock=0.2))
    with open_transaction(database.owner_url, lock), pytest.raises(Exception, match="is being migrated at this moment"):
        require_current(impatient)
    impatient.dispose()
    with psycopg.connect(libpq_url(database.owner_url)) as migrating:
        migrating.execute(lock)
        ended = threading.Event()

        def look() -> None:
            require_current(database.engine)
            ended.set()

        waiting = threading.Thread(target=look)
        waiting.start()
        with database.superuser.connect() as connection:
            wait_for_blocked(connection)
        assert not ended.is_set()
        migrating.execute("update database.applied_functions set sha256 = %s", [schema.functions_sha256()])
        migrating.commit()
    waiting.join(timeout=10)
    assert ended.is_set()


def test_the_first_command_makes_a_fresh_embedded_database_also_two_at_once(tmp_path):
    home = tmp_path / "a home & more"
    environment = {"DAGSTER_HOME": str(home), "PATH": "/usr/bin:/bin", "COLUMNS": "200"}
    place = ["--country", "DE", "--time-zone", "Europe/Berlin", "--currency", "EUR"]
    commands = [
        subprocess.Popen(
            [*ASK, "organizations", "add", slug, "--name", slug, *place],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for slug in ("acme", "globex")
    ]
    outputs = [command.communicate(timeout=120) for command in commands]
    assert [command.returncode for command in commands] == [0, 0], outputs
    assert not (home / "postgresql" / "data" / "postmaster.pid").exists()

    server = EmbeddedServer(home / "postgresql")
    server.acquire()
    try:
        engine = create_login_engine(server.url("invoice_pipelines"))
        with engine.begin() as connection:
            assert connection.execute(text("select count(*) from organizations.organization")).scalar_one() == 2
            connection.execute(text("update database.applied_functions set sha256 = 'another'"))
        with (
            pytest.raises(SchemaError, match="Run `invoice-pipelines db migrate`"),
            open_database(Settings(DAGSTER_HOME=home)),  # type: ignore[call-arg]
        ):
            pass
        with engine.connect() as connection:
            applied = connection.execute(text("select sha256 from database.applied_functions")).scalar_one()
        assert applied == "another"
        engine.dispose()
    finally:
        server.release()


def test_dagsters_database_belongs_to_the_login_that_works_there_whoever_made_it(database, server, monkeypatch):
    name = f"{database.owner_url.database}_dagster"
    create_database(server.url("postgres"), name)  # as an earlier version left it, with a table of the owner's
    engine = create_login_engine(server.url(name))
    with engine.begin() as connection:
        connection.execute(text("create table runs (id serial)"))
    monkeypatch.setenv("INVOICE_PIPELINES_DATABASE_URL", libpq_url(database.app_url))
    both = Settings(database_owner_url=libpq_url(database.owner_url))
    try:
        assert prepare_databases(both) == schema.newest_revision()
        application_alone = Settings()
        assert prepare_databases(application_alone) == schema.newest_revision()
        engine_of_dagster = create_login_engine(database_urls(application_alone).dagster.set(drivername="postgresql"))
        with engine_of_dagster.begin() as connection:
            assert connection.execute(text("select current_user")).scalar_one() == APP
            connection.execute(text("insert into runs default values"))
            connection.execute(text("create table events (id serial)"))
        engine_of_dagster.dispose()
    finally:
        engine.dispose()
        drop_database(server, name)
