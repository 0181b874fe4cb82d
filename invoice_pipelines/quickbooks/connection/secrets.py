"""Encrypts tokens at rest with the keys of the settings, bound to their organization and company.

Organization and realm are inside the cipher text and compared when it is opened, so that a row that was copied to
another organization opens for nobody.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from uuid import UUID

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from sqlalchemy import Engine, text

from invoice_pipelines.database import organization_scope
from invoice_pipelines.organizations import list_organizations
from invoice_pipelines.quickbooks.api.faults import QuickBooksError
from invoice_pipelines.settings import Settings, variable_of

KEY_FILE = "encryption.key"


class SecretsError(QuickBooksError):
    """Stored tokens cannot be opened, or there is no usable key; the message says what to do."""


def seal(settings: Settings, organization_id: UUID, realm_id: str, secrets: dict[str, str]) -> bytes:
    """Encrypts secrets with the first key."""
    content = {"organization_id": str(organization_id), "realm_id": realm_id, "secrets": secrets}
    return _cipher(settings).encrypt(json.dumps(content).encode())


def unseal(settings: Settings, organization_id: UUID, realm_id: str, sealed: bytes) -> dict[str, str]:
    """Opens what `seal` made, with any of the keys.

    Raises SecretsError where no key fits, or it was sealed for another organization or company.
    """
    try:
        content = json.loads(_cipher(settings).decrypt(sealed))
    except InvalidToken:
        raise SecretsError(
            "The tokens of QuickBooks were encrypted with a key that is not here; set "
            f"{variable_of('encryption_keys')} with that key in it, or connect the organization again."
        ) from None
    if content["organization_id"] != str(organization_id) or content["realm_id"] != realm_id:
        raise SecretsError(
            "The stored tokens belong to another organization or company; connect the organization again."
        )
    return dict(content["secrets"])


def rotate_keys(engine: Engine, settings: Settings) -> tuple[int, list[str]]:
    """Encrypts the tokens of each organization anew; returns how many, and the slugs of those that no key opens.

    Once none is left over, older keys can be taken out of the settings. Each organization is one transaction.
    """
    rotated = 0
    failed = []
    for organization in list_organizations(engine, with_removed=True):
        with organization_scope(engine, organization.id) as connection:
            row = connection.execute(
                text(
                    """select c.realm_id, t.sealed
                       from quickbooks.connection c
                       join quickbooks.token_pair t on t.organization_id = c.organization_id
                       where c.organization_id = organizations.current()
                       for no key update"""
                )
            ).one_or_none()
            if row is None:
                continue
            try:
                secrets = unseal(settings, organization.id, row.realm_id, row.sealed)
            except SecretsError:
                failed.append(organization.slug)
                continue
            connection.execute(
                text(
                    """update quickbooks.token_pair set sealed = :sealed
                       where organization_id = organizations.current()"""
                ),
                {"sealed": seal(settings, organization.id, row.realm_id, secrets)},
            )
            rotated += 1
    return rotated, failed


def _cipher(settings: Settings) -> MultiFernet:
    if settings.encryption_keys is not None:
        keys = [key.strip() for key in settings.encryption_keys.get_secret_value().split(",")]
    else:
        keys = [_key_of_file(settings.home / KEY_FILE)]
    try:
        return MultiFernet([Fernet(key) for key in keys])
    except ValueError:
        raise SecretsError(f"{settings.home / KEY_FILE} does not hold a key; remove it if it never did.") from None


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
