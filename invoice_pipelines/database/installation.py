"""What an installation has once, whatever machine its processes run on: its id, and the key that encrypts its secrets.

On a server of the operator's there may be several machines. What one of them encrypted with a key of its own, no other
one could open.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Connection, text

from invoice_pipelines.encryption import EncryptionError, fingerprints, make_key
from invoice_pipelines.settings import Settings, variable_of


def installation_id(connection: Connection) -> UUID:
    """The id that `db migrate` gave it."""
    found: UUID = connection.execute(text("select id from database.installation")).scalar_one()
    return found


def require_key(connection: Connection, settings: Settings, *, known: bool = False) -> None:
    """Raises EncryptionError where the keys of this machine are not those of the installation.

    A machine without keys may do what needs none, and before any key was noted all are right; but not with `known`.
    """
    own = fingerprints(settings)
    newest = _newest_key(connection)
    if newest is None and known:
        raise EncryptionError(
            f"The keys of this installation are not registered yet: run `invoice-pipelines db migrate` with "
            f"{variable_of('encryption_keys')} set as it is here."
        )
    if newest is not None and newest not in own and (own or known):
        raise EncryptionError(_OTHER_KEY)


def note_key(connection: Connection, settings: Settings, *, makes: bool = False, replaces: bool = False) -> None:
    """Notes the first key of this machine as the one that encrypts from now on.

    It must be the first one ever, or this machine must have the newest one as well, except with `replaces`: then that
    one is lost. Does nothing where this machine has no key; with `makes` it gets one if nobody has. Raises
    EncryptionError where the newest key is not here.
    """
    if settings.database_url is None:
        return  # the embedded server has one machine only
    connection.execute(text("select pg_advisory_xact_lock(hashtextextended('encryption key', 0))"))
    newest = _newest_key(connection)
    if makes and newest is None:
        make_key(settings)
    own = fingerprints(settings)
    if newest is not None and newest not in own and not replaces and (own or makes):
        raise EncryptionError(_OTHER_KEY)
    if replaces and not own:
        raise EncryptionError(f"There is no new key: set {variable_of('encryption_keys')}.")
    if own:
        again = "(fingerprint) do update set noted_at = clock_timestamp()" if replaces else "do nothing"
        connection.execute(
            text(f"insert into database.encryption_key (fingerprint) values (:own) on conflict {again}"),
            {"own": own[0]},
        )


def _newest_key(connection: Connection) -> str | None:
    found: str | None = connection.execute(
        text("select fingerprint from database.encryption_key order by noted_at desc limit 1")
    ).scalar()
    return found


_OTHER_KEY = (
    "This installation encrypts with a key that is not here: set "
    f"{variable_of('encryption_keys')} to the same keys on all machines. If that key is lost, `invoice-pipelines db "
    "migrate --new-key` goes on with the first one that is set, and what was encrypted must be entered anew."
)
