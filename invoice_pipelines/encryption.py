"""Encrypts secrets at rest with the keys of the settings, bound to what they belong to.

Whose they are is inside the cipher text and compared when it is opened, so that a row that was copied to another
organization opens for nobody.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from invoice_pipelines.errors import InvoicePipelinesError
from invoice_pipelines.settings import Settings, variable_of

KEY_FILE = "encryption.key"


class EncryptionError(InvoicePipelinesError):
    """There is no usable key; the message says what to do."""


class NoKeyFits(EncryptionError):
    """What was encrypted cannot be opened with any of the keys."""


class BelongsToAnother(EncryptionError):
    """What was opened was encrypted for something else."""


def seal(settings: Settings, owner: Mapping[str, str], secrets: Mapping[str, str]) -> bytes:
    """Encrypts secrets of an `owner`, such as {"organization_id": ...}, with the first key."""
    return _cipher(settings).encrypt(json.dumps({**owner, "secrets": dict(secrets)}).encode())


def unseal(settings: Settings, owner: Mapping[str, str], sealed: bytes) -> dict[str, str]:
    """Opens what `seal` made, with any of the keys. Raises NoKeyFits, and BelongsToAnother for another owner."""
    try:
        content = json.loads(_cipher(settings).decrypt(sealed))
    except InvalidToken:
        raise NoKeyFits(
            f"It was encrypted with a key that is not here: set {variable_of('encryption_keys')} with that key in it."
        ) from None
    secrets: dict[str, str] = content.pop("secrets")
    if content != dict(owner):
        raise BelongsToAnother("It was encrypted for another organization or purpose.")
    return secrets


def derived_keys(settings: Settings, purpose: str) -> list[bytes]:
    """For each key of the settings one of 32 bytes for a purpose (HKDF, RFC 5869), which says nothing about that key or
    those of other purposes.
    """
    _cipher(settings)
    return [
        HKDF(SHA256(), 32, salt=None, info=f"invoice_pipelines: {purpose}".encode()).derive(key.encode())
        for key in _keys(settings)
    ]


def fingerprints(settings: Settings) -> list[str]:
    """What tells the keys of this machine from others, in their order, and says nothing about them. Makes no key."""
    if settings.encryption_keys is None and not (settings.home / KEY_FILE).exists():
        return []
    return [key[:16].hex() for key in derived_keys(settings, "fingerprint")]


def make_key(settings: Settings) -> None:
    """Makes the key of the home folder, unless there is one or the settings name some."""
    if settings.encryption_keys is None:
        _made_key(settings.home / KEY_FILE)


def _cipher(settings: Settings) -> MultiFernet:
    try:
        return MultiFernet([Fernet(key) for key in _keys(settings)])
    except ValueError:
        raise EncryptionError(f"{settings.home / KEY_FILE} does not hold a key; remove it if it never did.") from None


def _keys(settings: Settings) -> list[str]:
    if settings.encryption_keys is not None:
        return [key.strip() for key in settings.encryption_keys.get_secret_value().split(",")]
    path = settings.home / KEY_FILE
    if settings.database_url is not None and not path.exists():
        # There may be other machines, each of which would make its own.
        raise EncryptionError(
            f"There is no key to encrypt with on this machine: set {variable_of('encryption_keys')} as on all others. "
            "Where there is one machine only, `invoice-pipelines up` makes a key in its home folder."
        )
    return [_made_key(path)]


def _made_key(path: Path) -> str:
    """The key of this file, made at first use; of two processes that make it at once, one succeeds."""
    with suppress(FileNotFoundError):
        return path.read_text(encoding="ascii", errors="replace").strip()
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile("wb", dir=path.parent, prefix=f".{path.name}.") as new:  # readable by its owner only
        new.write(Fernet.generate_key())
        new.flush()
        os.fsync(new.fileno())
        with suppress(FileExistsError):
            os.link(new.name, path)
    return path.read_text(encoding="ascii").strip()
