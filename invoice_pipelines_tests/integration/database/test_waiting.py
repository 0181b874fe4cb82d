"""Nothing waits for ever: not for a lock, not for a connection, not in a transaction that does nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, OperationalError

from invoice_pipelines.billing.processing import process_jobs
from invoice_pipelines.database import SessionLimits, create_app_engine, libpq_url, login_session
from invoice_pipelines.database.access import open_web_database
from invoice_pipelines.database.embedded import SUPERUSER, EmbeddedServer
from invoice_pipelines.database.errors import explain, holders_of, sqlstate
from invoice_pipelines.database.roles import WEB
from invoice_pipelines.settings import Settings
from invoice_pipelines.work import drain
from invoice_pipelines_tests.conftest import open_organization
from invoice_pipelines_tests.integration.billing.conftest import open_desk as open_sales_desk
from invoice_pipelines_tests.integration.work.conftest import WorkDesk
from invoice_pipelines_tests.integration.work.effects import EFFECTS, KIND, leave_effects
from invoice_pipelines_tests.support.programs import run_command
from invoice_pipelines_tests.support.terminal import Terminal

pytestmark = pytest.mark.direct  # limits are start-up options here, and whoever holds a lock is named by its process

IMPATIENT = SessionLimits(lock=0.4, idle_transaction=0.4, connect=1)


@pytest.fixture
def work_desks(shared_database) -> tuple[WorkDesk, WorkDesk]:
    """Two organizations with a place for effects."""
    with shared_database.superuser.begin() as connection:
        connection.exec_driver_sql(EFFECTS)
    return open_organization(shared_database, WorkDesk), open_organization(shared_database, WorkDesk)


@pytest.fixture
def impatient(shared_database) -> Iterator:
    """The application's engine with a short patience. Its login may not see how long others have been at it."""
    engine = create_app_engine(shared_database.app_url, limits=IMPATIENT)
    yield engine
    engine.dispose()


@contextmanager
def left_open(desk, statement: str) -> Iterator[psycopg.Connection]:
    """An operator's psql in which somebody began a transaction and went home."""
    with psycopg.connect(libpq_url(desk.url.set(username=SUPERUSER)), application_name="psql of anna") as session:
        session.execute(statement)
        yield session
        session.rollback()


def holding(organization_id) -> str:
    return f"update organizations.organization set name = name where id = '{organization_id}'"


def change_the_organization(connection, chunk):
    """A handler whose work needs a row that somebody may hold."""
    connection.execute(text("update organizations.organization set name = name"))
    return leave_effects(connection, chunk)


def test_a_worker_puts_off_what_somebody_holds_says_who_and_does_it_later(work_desks, impatient):
    held, other = work_desks
    job_id, _ = held.make("a", "b", "c"), other.make("a", "b", "c")

    def work(desk):
        return drain(impatient, desk.organization_id, KIND, change_the_organization)

    with left_open(held, holding(held.organization_id)) as session:
        begun = time.monotonic()
        with pytest.raises(OperationalError) as refused:
            work(held)
        assert time.monotonic() - begun < 3
        assert sqlstate(refused.value) == "55P03"
        assert [holder.pid for holder in holders_of(refused.value)] == [session.info.backend_pid]
        assert f"held by process {session.info.backend_pid} ('psql of anna', user postgres)." in str(
            explain(refused.value)
        )
        assert work(other).succeeded == 3

        rows = held.rows(
            "select status, attempts, error_code, error_message, available_at > now() from work.batch_item"
        )
        assert [row[:3] + row[4:] for row in rows] == [("pending", 0, "LOCK_TIMEOUT", True)] * 3
        assert f"process {session.info.backend_pid}" in rows[0].error_message
        assert str(held.job(job_id).status) == "processing"

    assert work(held).done == 0  # it waits a minute
    held.let_pauses_pass()
    assert work(held).succeeded == 3
    assert held.effects() == ["a", "b", "c"]


def test_items_behind_one_that_somebody_holds_are_given_back(work_desks, impatient):
    desk = work_desks[0]
    desk.make("a", "b", "c")

    def one_after_the_other(connection, chunk):
        if len(chunk.items) > 1:
            raise ValueError("one of them is at fault")
        return (change_the_organization if chunk.items[0].subject_id == "b" else leave_effects)(connection, chunk)

    with left_open(desk, holding(desk.organization_id)), pytest.raises(OperationalError):
        drain(impatient, desk.organization_id, KIND, one_after_the_other)
    states = desk.rows("select subject_id, status, attempts, error_code, claim_alone from work.batch_item order by id")
    assert [tuple(state) for state in states] == [
        ("a", "succeeded", 1, None, False),
        ("b", "pending", 0, "LOCK_TIMEOUT", False),
        ("c", "pending", 0, None, False),
    ]
    assert desk.run().succeeded == 1


def test_a_job_that_somebody_holds_stops_its_worker_for_a_moment_only(work_desks, impatient):
    """As after `update batch_job_queue ...` in an open transaction: then not even the outcomes can be written."""
    desk = work_desks[0]
    job_id = desk.make("a", "b")
    with left_open(desk, f"update work.batch_job set kind = kind where id = '{job_id}'"):
        begun = time.monotonic()
        with pytest.raises(OperationalError):
            drain(impatient, desk.organization_id, KIND, leave_effects)
        assert time.monotonic() - begun < 5
    desk.let_leases_expire()
    assert desk.run().succeeded == 2
    assert desk.effects() == ["a", "b"]


def test_issuing_gives_up_says_who_is_in_the_way_and_leaves_the_job_open(shared_database, impatient, tmp_path):
    held, other = open_sales_desk(shared_database), open_sales_desk(shared_database)
    held.issue()  # so that there is a counter to hold
    slug = held.value("select slug from organizations.organization")
    job_id = held.ask([held.order(), held.order()])
    terminal = Terminal(tmp_path, libpq_url(shared_database.owner_url))
    terminal.environment["INVOICE_PIPELINES_DATABASE_LOCK_TIMEOUT_SECONDS"] = "0.4"
    counter = f"select from billing.invoice_counter where organization_id = '{held.organization_id}' for update"
    with left_open(held, counter) as session:
        begun = time.monotonic()
        with pytest.raises(OperationalError) as refused:
            process_jobs(replace(held.context(), engine=impatient))
        assert time.monotonic() - begun < 2
        assert [holder.pid for holder in holders_of(refused.value)] == [session.info.backend_pid]
        assert f"held by process {session.info.backend_pid}" in str(refused.value)
        assert held.job(job_id).processed_items == 0
        assert other.one(other.order()).status == "succeeded"

        # A login that may see other sessions is told more.
        told = terminal.run("batch", "run", str(job_id), "--organization", slug)
        assert told.returncode == 2
        assert "'psql of anna', user postgres, idle in transaction, in a transaction since 20" in told.stderr
        assert f"pg_terminate_backend({session.info.backend_pid})" in told.stderr
    assert process_jobs(replace(held.context(), engine=impatient)).succeeded == 2
    assert held.numbers() == [1, 2, 3]


def test_a_transaction_of_ours_that_stands_still_is_ended(impatient):
    with impatient.connect() as connection:
        connection.execute(text("select 1"))
        time.sleep(0.6)  # PostgreSQL has no other clock
        with pytest.raises(DBAPIError) as ended:
            connection.execute(text("select 1"))
    assert "stood idle for too long" in str(explain(ended.value))


def test_a_long_statement_is_not_cut_off(impatient):
    with impatient.connect() as connection:
        assert connection.execute(text("select 1 from pg_sleep(1)")).scalar_one() == 1


def test_a_login_through_a_pooler_that_drops_start_up_options_has_the_limits_of_its_role(server, template):
    with psycopg.connect(libpq_url(server.url(template, "invoice_pipelines_app"))) as session:
        names = ("lock_timeout", "idle_in_transaction_session_timeout", "statement_timeout")
        assert [session.execute(f"show {name}").fetchall()[0][0] for name in names] == ["30s", "30min", "0"]


def test_a_connection_is_waited_for_shortly_and_taken_when_one_comes_free(database, server):
    name = database.app_url.database
    with login_session(server.url("postgres"), autocommit=True) as connection:
        connection.execute(text(f"alter database {name} connection limit 1"))
    patient = create_app_engine(database.app_url, limits=SessionLimits(connect=3))
    taken = psycopg.connect(libpq_url(database.app_url))
    begun = time.monotonic()
    with pytest.raises(OperationalError) as refused, create_app_engine(database.app_url, limits=IMPATIENT).connect():
        pass
    assert 1 <= time.monotonic() - begun < 3
    assert "All connections of PostgreSQL are taken" in str(explain(refused.value))
    threading.Timer(0.5, taken.close).start()
    with patient.connect() as connection:
        assert connection.execute(text("select 1")).scalar_one() == 1
    patient.dispose()


def test_with_all_connections_taken_commands_say_so_and_the_server_counts_as_running(tmp_path):
    server = EmbeddedServer(tmp_path / "postgresql")
    server.acquire()
    sessions: list[psycopg.Connection] = []
    try:
        with suppress(psycopg.OperationalError):
            while True:
                sessions.append(psycopg.connect(libpq_url(server.url("postgres"))))
        assert server.running()  # else `up` would start Dagster over
        begun = time.monotonic()
        refused = run_command(tmp_path, "organizations", "list", INVOICE_PIPELINES_DATABASE_CONNECT_SECONDS="1")
        assert time.monotonic() - begun < 20
        assert refused.returncode == 2
        assert "All connections of PostgreSQL are taken. Close some" in refused.stderr
    finally:
        for session in sessions:
            session.close()
        server.release()


def test_a_session_that_an_administrator_ended_says_so(shared_database, impatient):
    with impatient.connect() as connection, shared_database.superuser.begin() as administrator:
        process = connection.execute(text("select pg_backend_pid()")).scalar_one()
        administrator.execute(text("select pg_terminate_backend(:process)"), {"process": process})
        with pytest.raises(DBAPIError) as ended:
            connection.execute(text("select 1"))
    assert sqlstate(ended.value) == "57P01"
    assert "an administrator ended it" in str(explain(ended.value))


def test_a_request_waits_for_a_shorter_time_than_work(shared_database, work_desks, tmp_path):
    held, _ = work_desks
    chosen = {
        "DAGSTER_HOME": tmp_path,
        "database_url": libpq_url(shared_database.app_url),
        "web_database_url": libpq_url(shared_database.app_url.set(username=WEB)),
        "web_lock_timeout_seconds": 0.4,
    }
    settings = Settings.model_validate(chosen)
    with (
        left_open(held, "lock table organizations.organization in access exclusive mode"),
        open_web_database(settings, pool_size=1) as web,
        web.connect() as connection,
    ):
        begun = time.monotonic()
        with pytest.raises(OperationalError) as waited:
            connection.execute(text("select from organizations.organization"))
    assert sqlstate(waited.value) == "55P03"
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ("FATAL:  sorry, too many clients already", "53300"),
        ("FATAL:  remaining connection slots are reserved for roles with the SUPERUSER attribute", "53300"),
        ("FATAL:  the database system is starting up", "57P03"),
        ("FATAL:  the database system is in recovery mode", "57P03"),
        ('FATAL:  database "x" does not exist', None),
    ],
)
def test_refused_connections_are_told_apart_by_what_the_server_says(said, state):
    """libpq keeps their SQLSTATE to itself."""
    assert sqlstate(psycopg.OperationalError(f"connection failed: {said}")) == state
