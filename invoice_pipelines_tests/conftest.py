"""Fixtures of all tests: one embedded PostgreSQL per test process, and a fresh database from a template per test."""

from __future__ import annotations

import gc
import os
import shutil
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from sqlalchemy import URL, Engine, text

from invoice_pipelines.database import create_app_engine, create_login_engine, login_session
from invoice_pipelines.database.embedded import EmbeddedServer
from invoice_pipelines.database.migrate import create_database, migrate
from invoice_pipelines.database.roles import APP
from invoice_pipelines.organizations import add_organization
from invoice_pipelines_tests.support.organization_view import OrganizationView
from invoice_pipelines_tests.support.programs import end_forker
from invoice_pipelines_tests.support.server import PGBOUNCER, DisposableServer, PooledServer, pgbouncer
from invoice_pipelines_tests.support.sizes import PROFILE, example_count
from invoice_pipelines_tests.tiers import THOROUGH, function_of

PROJECT = Path(__file__).parent.parent
CORPUS = PROJECT.parent / "shared" / "corpus" / "einvoice"
TEMPLATE = "template_migrated"

# A test run starts many processes. Where the environment forbids to keep compiled modules, each of them would compile
# all libraries again, which takes longer than most tests.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# Examples share what the fixtures of their test made, and need PostgreSQL or a PDF each.
ACCEPTED = ("too_slow", "data_too_large", "filter_too_much", "function_scoped_fixture")
hypothesis_settings.register_profile(
    PROFILE,
    max_examples=example_count(100),
    deadline=None,
    suppress_health_check=[HealthCheck[name] for name in ACCEPTED],
)
hypothesis_settings.load_profile(PROFILE)


@dataclass(frozen=True)
class TestDatabase:
    """A migrated database: `engine` works as the application, `superuser` sees everything."""

    __test__ = False
    engine: Engine
    superuser: Engine
    app_url: URL
    owner_url: URL


# Until all tests are loaded, nearly nothing is garbage.
gc.disable()


def pytest_collection_finish() -> None:
    """Spares the garbage collector what was loaded for all tests: it would look through all of that again and again."""
    gc.freeze()
    gc.enable()


def pytest_sessionfinish() -> None:
    """Leaves no process behind whose part of `make coverage` would come too late."""
    end_forker()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option by which all of PostgreSQL is reached through a pooler; see `support.server`."""
    parser.addoption("--pooler", action="store_true", help="reach PostgreSQL through a pgbouncer in transaction mode")


@pytest.hookimpl(tryfirst=True)  # before what `-m` leaves out is decided
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Marks what `make test` leaves to CI, and leaves out what no pooler can give."""
    thorough = frozenset(THOROUGH.read_text().splitlines())
    for item in items:
        if function_of(item.nodeid) in thorough:
            item.add_marker(pytest.mark.thorough)
    if config.getoption("pooler"):
        why = "needs a session of its own at PostgreSQL" if PGBOUNCER else "pgbouncer is not installed"
        for item in items:
            if PGBOUNCER is None or item.get_closest_marker("direct"):
                item.add_marker(pytest.mark.skip(reason=why))


IN_MEMORY = Path("/dev/shm")
ENOUGH_MEMORY = 4 * 2**30


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[EmbeddedServer]:
    """A PostgreSQL server of this test process, in memory where that is large enough; with `--pooler` behind one.

    ext4 does not use the place of a deleted file again for a while and looks for another one ever longer: after a
    hundred databases that came and went, the next one takes half a second there.
    """
    with ExitStack() as stack:
        if IN_MEMORY.is_dir() and os.access(IN_MEMORY, os.W_OK) and shutil.disk_usage(IN_MEMORY).free > ENOUGH_MEMORY:
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="invoice-pipelines-", dir=IN_MEMORY)))
        else:
            folder = tmp_path_factory.mktemp("postgresql")
        through_pooler = request.config.getoption("pooler")
        server = PooledServer(folder) if through_pooler else DisposableServer(folder)
        server.acquire()
        stack.callback(server.release)
        if isinstance(server, PooledServer):
            server.pooler = stack.enter_context(pgbouncer(server))
        yield server


@pytest.fixture(scope="session")
def template(server: EmbeddedServer) -> str:
    """Name of a migrated database that tests are cloned from."""
    create_database(server.url("postgres"), TEMPLATE)
    migrate(server.url(TEMPLATE))
    return TEMPLATE


def clone_template(server: EmbeddedServer, template: str, name: str) -> None:
    """Makes a migrated database with a name."""
    with login_session(server.url("postgres"), autocommit=True) as connection:
        # Without a crash to think of, files are copied faster than pages are logged.
        connection.execute(text(f"create database {name} template {template} strategy file_copy"))
        connection.execute(text(f"revoke temporary on database {name} from public"))  # a clone has no rights of its own


def drop_database(server: EmbeddedServer, name: str) -> None:
    """Removes a database and ends its sessions."""
    with login_session(server.url("postgres"), autocommit=True) as connection:
        connection.execute(text(f"drop database {name} with (force)"))


@contextmanager
def fresh_database(
    server: EmbeddedServer, template: str, *, pool_size: int = 20, **engine_options: Any
) -> Iterator[TestDatabase]:
    """A migrated database for as long as the block lasts."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    clone_template(server, template, name)
    engine = create_app_engine(server.url(name, APP), pool_size=pool_size, **engine_options)
    superuser = create_login_engine(server.url(name))
    yield TestDatabase(engine, superuser, server.url(name, APP), server.url(name))
    engine.dispose()
    superuser.dispose()
    drop_database(server, name)


@pytest.fixture
def database(server: EmbeddedServer, template: str) -> Iterator[TestDatabase]:
    """A fresh migrated database."""
    with fresh_database(server, template) as database:
        yield database


@pytest.fixture(scope="session")
def shared_database(server: EmbeddedServer, template: str) -> Iterator[TestDatabase]:
    """The migrated database of this process, for all tests that keep to organizations of their own."""
    with fresh_database(server, template) as database:
        yield database


@pytest.fixture(scope="session")
def common_database(server: EmbeddedServer, template: str) -> Iterator[tuple[TestDatabase, str]]:
    """The database behind `emptied_database`, and the statements that empty it."""
    with fresh_database(server, template) as database:
        with database.superuser.connect() as connection:
            names = connection.execute(
                text(
                    """select oid::regclass::text from pg_class
                       where relkind = 'r' and relnamespace::regnamespace::text !~ '^(pg_|information_schema)'"""
                )
            ).scalars()
            empty = [name for name in names if connection.exec_driver_sql(f"table {name}").first() is None]
        yield database, "; ".join(f"delete from {name}" for name in empty)


@pytest.fixture
def emptied_database(common_database: tuple[TestDatabase, str]) -> TestDatabase:
    """A migrated database as if fresh, for tests that look across organizations: what earlier ones left is gone.

    A fresh one costs ten times as much, most of it in sessions that must get to know its catalogue.
    """
    database, empty = common_database
    with database.superuser.begin() as connection:
        connection.exec_driver_sql(f"set local session_replication_role = replica; {empty}")
    return database


View = TypeVar("View", bound=OrganizationView)


def open_organization(database: TestDatabase, view: type[View], **registered: Any) -> View:
    """Adds an organization with a slug of its own; `registered` is what `add_organization` should know about it."""
    values = {"country_code": "DE", "time_zone": "Europe/Berlin", "currency": "EUR", "name": "Desk GmbH"} | registered
    organization_id = add_organization(database.engine, values.pop("slug", f"desk-{uuid.uuid4()}"), **values)
    return view(database.engine, database.superuser, database.app_url, organization_id)


@pytest.fixture
def desk(shared_database: TestDatabase) -> OrganizationView:
    """A new organization in the shared database. Folders have a desk of their own kind by this name."""
    return open_organization(shared_database, OrganizationView)


@pytest.fixture
def make_organization(database: TestDatabase) -> Callable[[str], uuid.UUID]:
    """Adds an organization with a slug and returns its id."""

    def make(slug: str) -> uuid.UUID:
        return add_organization(
            database.engine, slug, slug.title(), country_code="DE", time_zone="Europe/Berlin", currency="EUR"
        )

    return make


@pytest.fixture(scope="session")
def s3_server() -> Iterator[None]:
    """An S3 service behind a real socket; one for all tests, as its clients are kept by the process."""
    server_module = pytest.importorskip("moto.server")
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        environment.setenv("AWS_ACCESS_KEY_ID", "test")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "test")
        environment.setenv("AWS_DEFAULT_REGION", "us-east-1")
        yield
    server.stop()
