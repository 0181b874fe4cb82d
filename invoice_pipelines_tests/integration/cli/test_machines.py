"""What several machines must share: a process that has other keys or files than the installation does not begin."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest
from cryptography.fernet import Fernet
from upath import UPath

from invoice_pipelines.database import libpq_url, login_session
from invoice_pipelines.database.installation import installation_id
from invoice_pipelines.settings import Settings
from invoice_pipelines.storage import root_path
from invoice_pipelines.workers.shared import FILES, MARK, is_beyond_this_machine, require_installation
from invoice_pipelines_tests.conftest import TestDatabase
from invoice_pipelines_tests.support.terminal import PLACE, Terminal, one_line

KEYS = "INVOICE_PIPELINES_ENCRYPTION_KEYS"


def machine(database: TestDatabase, home: Path, **variables: str) -> Terminal:
    """A terminal on a machine with a home of its own; each of them migrates with the owner's login."""
    terminal = Terminal(home, libpq_url(database.app_url))
    owner = libpq_url(database.owner_url)
    terminal.environment |= {f"INVOICE_PIPELINES_{name}": value for name, value in variables.items()}
    terminal.environment["INVOICE_PIPELINES_DATABASE_OWNER_URL"] = owner
    terminal.environment["INVOICE_PIPELINES_DAGSTER_DATABASE_URL"] = owner
    return terminal


def test_all_machines_need_the_newest_key(database: TestDatabase, tmp_path: Path) -> None:
    one, other = machine(database, tmp_path / "one"), machine(database, tmp_path / "other")
    old, new, another = (Fernet.generate_key().decode() for _ in range(3))

    def refuses(terminal: Terminal, keys: str, *words: str) -> bool:
        ended = terminal.run(*words, **{KEYS: keys})
        assert keys not in ended.stdout + ended.stderr
        if ended.returncode == 0:
            return False
        assert f"key that is not here: set {KEYS}" in one_line(ended)
        return True

    asks = ("organizations", "list")
    assert not refuses(one, old, *asks), "nobody has said which key it is"
    assert not refuses(one, old, "db", "migrate")
    assert not refuses(other, old, *asks)
    assert refuses(other, new, *asks)
    assert not refuses(other, f"{old},{new}", *asks), "before the new one encrypts, all machines get it"
    assert not refuses(one, f"{new},{old}", "quickbooks", "rotate-keys")
    assert refuses(other, old, *asks)
    assert not refuses(other, f"{old},{new}", *asks)
    assert not refuses(other, new, *asks)
    assert refuses(one, another, "db", "migrate")
    assert not refuses(one, another, "db", "migrate", "--new-key")
    assert refuses(other, new, *asks)
    assert not refuses(one, new, "db", "migrate", "--new-key"), "it was found again"
    assert not refuses(other, new, *asks)


def test_no_machine_makes_a_key_of_its_own_behind_the_back_of_the_others(
    database: TestDatabase, tmp_path: Path
) -> None:
    terminal = machine(database, tmp_path)
    terminal.add("acme", *PLACE)
    added = terminal.acme("webhooks", "add", "https://shop.example.com/events")
    assert added.returncode == 2
    assert f"There is no key to encrypt with on this machine: set {KEYS}" in one_line(added)
    assert not (tmp_path / "encryption.key").exists()


@pytest.fixture
def shared(database: TestDatabase, tmp_path: Path, s3_server: None) -> Terminal:
    """A machine whose settings are those of a worker, and which has not migrated yet."""
    bucket = root_path(f"s3://bucket-{uuid4().hex}")
    bucket.fs.mkdir(bucket.path)
    files = {name.upper(): f"{bucket}/{name}" for name in FILES}
    return machine(
        database,
        tmp_path,
        BROKER_URL="redis://queue.example.com:6379/0",
        ENCRYPTION_KEYS=Fernet.generate_key().decode(),
        **files,
    )


def told(shared: Terminal, **variables: str) -> str:
    """What a worker says that does not begin."""
    ended = shared.run("worker", **variables)
    assert ended.returncode == 2
    return one_line(ended)


def test_a_worker_begins_where_keys_and_files_are_those_of_the_installation(
    shared: Terminal, database: TestDatabase
) -> None:
    assert f"run `invoice-pipelines db migrate` with {KEYS} set as it is here" in told(shared)
    assert shared.run("db", "migrate").returncode == 0
    assert shared.run("db", "migrate").returncode == 0
    with pytest.MonkeyPatch.context() as patch:
        for name, value in shared.environment.items():
            patch.setenv(name, value)
        require_installation(Settings())
    other = Fernet.generate_key().decode()
    assert f"key that is not here: set {KEYS}" in told(shared, **{KEYS: other})

    with login_session(database.owner_url) as connection:
        own = str(installation_id(connection)).encode()
    for name in FILES:
        variable = f"INVOICE_PIPELINES_{name.upper()}"
        place = shared.environment[variable]
        assert f"{variable} is a place without the mark" in told(shared, **{variable: f"{place}/elsewhere"})
        assert f"{variable} is a place without the mark" in told(shared, **{variable: f"s3://{uuid4().hex}"})
        mark: UPath = root_path(place) / MARK
        assert mark.read_bytes() == own
        mark.write_bytes(str(uuid4()).encode())
        for refused in (told(shared), one_line(shared.run("db", "migrate"))):
            assert f"{variable} is where another installation keeps its files" in refused
        mark.write_bytes(own)
    assert "INVOICE_PIPELINES_INBOX: The storage place" in told(shared, INVOICE_PIPELINES_INBOX="ftp://server/inbox")


@pytest.mark.parametrize(
    ("url", "beyond"),
    [
        ("redis+socket:///run/redis.sock", False),
        ("redis://127.0.0.1:6379/0", False),
        ("redis://:password@localhost", False),
        ("rediss://:password@queue.example.com:6380/1", True),
        ("redis://10.0.0.7", True),
        (None, False),
    ],
)
def test_a_queue_is_beyond_this_machine_or_not(url: str | None, beyond: bool) -> None:
    assert is_beyond_this_machine(Settings.model_validate({"broker_url": url})) is beyond


def test_a_web_with_a_queue_beyond_this_machine_needs_what_workers_have(database: TestDatabase, tmp_path: Path) -> None:
    web = machine(database, tmp_path, BROKER_URL="redis://queue.example.com:6379/0")
    refused = web.run("web")
    assert refused.returncode == 2
    assert f"Set {KEYS}, INVOICE_PIPELINES_INBOX" in one_line(refused)
