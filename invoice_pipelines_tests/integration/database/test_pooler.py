"""Behind a pooler in transaction mode a transaction may get any session. `pytest --pooler` runs all tests so."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import URL, text

from invoice_pipelines.database import create_app_engine, create_login_engine
from invoice_pipelines.database.errors import DatabaseError
from invoice_pipelines.database.migrate import migrate
from invoice_pipelines.database.roles import APP
from invoice_pipelines_tests.support.server import PGBOUNCER, PooledServer, pgbouncer

pytestmark = pytest.mark.skipif(PGBOUNCER is None, reason="pgbouncer is not installed")


@pytest.fixture
def pooled(server, database) -> Iterator[URL]:
    """The application's login, through a pgbouncer, with the limits that `migrate` gives it in a database."""
    migrate(database.owner_url, force=True)  # a clone has none
    if isinstance(server, PooledServer):
        yield database.app_url
        return
    with pgbouncer(server) as socket:
        yield database.app_url.set(query={"host": str(socket)})


def test_a_session_is_another_one_with_each_transaction_and_nothing_depends_on_it(pooled):
    engine = create_app_engine(pooled)
    processes = set()
    with engine.connect() as one, engine.connect() as other:
        for _ in range(12):  # more often than psycopg waits before it prepares a statement
            for connection in (one, other):
                processes.add(connection.execute(text("select pg_backend_pid()")).scalar_one())
                asked = text("select current_user, current_setting('timezone'), current_setting('lock_timeout')")
                assert tuple(connection.execute(asked).one()) == (APP, "UTC", "30s")
            one.commit()
            other.commit()
    engine.dispose()
    assert len(processes) > 1


def test_a_login_that_would_keep_its_own_rights_is_refused(pooled):
    engine = create_app_engine(pooled.set(username="postgres"))
    with pytest.raises(DatabaseError, match=f"would be done as postgres.*log in as {APP}"), engine.connect():
        pass


def test_a_migration_goes_through_and_leaves_no_role_behind(pooled):
    owner = pooled.set(username="postgres")
    migrate(owner, force=True)
    engine = create_login_engine(owner)
    for _ in range(4):
        with engine.connect() as connection:
            assert connection.execute(text("select current_user")).scalar_one() == "postgres"
    engine.dispose()


@pytest.mark.direct
def test_each_new_session_is_looked_at_as_the_address_may_lead_to_a_pooler_later(server, database, pooled):
    """The address has two hosts here, the server's and the pooler's, one of which each session finds by chance."""
    hosts = f"{database.app_url.query['host']},{pooled.query['host']}"
    both = database.app_url.set(username="postgres", query={"host": hosts, "load_balance_hosts": "random"})
    engine = create_app_engine(both, pool_size=0)
    opened, refused = 0, 0
    for _ in range(30):
        try:
            with engine.connect() as connection:
                assert connection.execute(text("select current_user")).scalar_one() == APP
                opened += 1
        except DatabaseError:
            refused += 1
        engine.dispose()
    assert min(opened, refused) > 0
