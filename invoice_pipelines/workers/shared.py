"""What the machines of one installation must share, and how a process finds out that it does: before it begins.

`db migrate` and `up` leave marks: the newest encryption key in the database, and the id of the installation where files
are kept. A worker on another machine compares them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit
from uuid import UUID

from upath import UPath

from invoice_pipelines.database import login_session
from invoice_pipelines.database.access import database_urls, open_database, open_web_database, session_limits
from invoice_pipelines.database.installation import installation_id, note_key, require_key
from invoice_pipelines.settings import Settings, SettingsError, is_this_machine, variable_of
from invoice_pipelines.storage import StorageError, root_path
from invoice_pipelines.storage.places import storage_errors

FILES = ("inbox", "originals", "exports", "imports", "documents")
MARK = ".invoice_pipelines_installation"
"""The object that names the installation whose files lie beside it."""


def is_beyond_this_machine(settings: Settings) -> bool:
    """Whether the queue leads to other machines, so that what is here alone is not enough."""
    if settings.broker_url is None:
        return False
    address = urlsplit(settings.broker_url.get_secret_value())
    return "socket" not in address.scheme and not is_this_machine(address.hostname or "localhost")


def require_shared(settings: Settings, *, same_machine: bool = False) -> None:
    """Raises SettingsError where a process would work on its own: it needs the queue, and on another machine than `up`
    the same database, keys and files.
    """
    missing = [] if settings.broker_url is not None else ["broker_url"]
    if not same_machine:
        needed = ("database_url", "dagster_database_url", "encryption_keys")
        missing += [name for name in needed if getattr(settings, name) is None]
        missing += [name for name in FILES if not _is_object_storage(settings, name)]
    if missing:
        raise SettingsError(
            f"Set {', '.join(map(variable_of, missing))}: a worker shares the queue, databases, keys and files with "
            "all others, and files lie in object storage, as a URL. On the machine of `up`, with its home folder: "
            "--same-machine."
        )


def require_installation(settings: Settings) -> None:
    """Raises EncryptionError or SettingsError where the keys or files of this machine are those of another one."""
    with open_database(settings, application_name="worker begins") as engine, engine.connect() as connection:
        require_key(connection, settings, known=True)
        expected = installation_id(connection)
    for name in FILES:
        found = _mark_at(settings, name)
        if found is None:
            raise SettingsError(
                f"{variable_of(name)} is a place without the mark of this installation: name the one that the other "
                "machines use. Where it is the one, run `invoice-pipelines db migrate` with all settings as they are "
                "here."
            )
        _require_same(name, found, expected)


def note_installation(settings: Settings, *, makes_key: bool = False, replaces_key: bool = False) -> None:
    """Leaves the marks that other machines compare. The embedded server has no other machines, and none is left.

    With `makes_key` a key is made in the home folder if nobody has one; with `replaces_key` the one noted is lost.
    Raises EncryptionError for another key than the one noted, SettingsError for a place that holds the files of another
    installation or cannot be reached.
    """
    if settings.database_url is None:
        return
    with login_session(database_urls(settings).owner, limits=session_limits(settings)) as connection:
        note_key(connection, settings, makes=makes_key, replaces=replaces_key)
        expected = installation_id(connection)
        connection.commit()
    for name in FILES:
        if not _is_object_storage(settings, name):
            continue
        found = _mark_at(settings, name)
        if found is None:
            with _naming(name):
                _mark(settings, name).write_bytes(str(expected).encode())
        else:
            _require_same(name, found, expected)


def note_key_of_web(settings: Settings) -> None:
    """Notes the key of the web, which has not the login of `db migrate`; see `note_installation`."""
    if settings.database_url is not None:
        with open_web_database(settings, pool_size=1) as engine, engine.begin() as connection:
            note_key(connection, settings)


def _is_object_storage(settings: Settings, name: str) -> bool:
    return "://" in (getattr(settings, name) or "")


def _mark(settings: Settings, name: str) -> UPath:
    return root_path(getattr(settings, name)) / MARK


def _mark_at(settings: Settings, name: str) -> str | None:
    """The id of the installation whose files lie there; None where nobody left one."""
    with _naming(name):
        try:
            return _mark(settings, name).read_bytes().decode("ascii", "replace").strip()
        except FileNotFoundError:
            return None


def _require_same(name: str, found: str, expected: UUID) -> None:
    if found != str(expected):
        raise SettingsError(
            f"{variable_of(name)} is where another installation keeps its files, by the mark {MARK} there: name a "
            "place of this installation's own."
        )


@contextmanager
def _naming(name: str) -> Iterator[None]:
    """Says which setting names the place that cannot be reached."""
    try:
        with storage_errors("it cannot be read or written"):
            yield
    except StorageError as error:
        raise SettingsError(f"{variable_of(name)}: {error}") from None
