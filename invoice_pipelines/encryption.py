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


def _cipher(settings: Settings) -> MultiFernet:
    if settings.encryption_keys is not None:
        keys = [key.strip() for key in settings.encryption_keys.get_secret_value().split(",")]
    else:
        keys = [_key_of_file(settings.home / KEY_FILE)]
    try:
        return MultiFernet([Fernet(key) for key in keys])
    except ValueError:
        raise EncryptionError(f"{settings.home / KEY_FILE} does not hold a key; remove it if it never did.") from None


def _key_of_file(path: Path) -> str:
    """The key of this installation, made at first use; of two processes that make it at once, one succeeds."""
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
