"""Encrypts the tokens of QuickBooks at rest, bound to their organization and company."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Engine, text

from invoice_pipelines import encryption
from invoice_pipelines.database import organization_scope
from invoice_pipelines.encryption import BelongsToAnother, EncryptionError, NoKeyFits
from invoice_pipelines.organizations import list_organizations
from invoice_pipelines.quickbooks.api.faults import QuickBooksError
from invoice_pipelines.settings import Settings, variable_of


class SecretsError(QuickBooksError, EncryptionError):
    """Stored tokens cannot be opened, or there is no usable key; the message says what to do."""


def seal(settings: Settings, organization_id: UUID, realm_id: str, secrets: dict[str, str]) -> bytes:
    """Encrypts secrets with the first key."""
    try:
        return encryption.seal(settings, _owner(organization_id, realm_id), secrets)
    except EncryptionError as error:
        raise SecretsError(str(error)) from None


def unseal(settings: Settings, organization_id: UUID, realm_id: str, sealed: bytes) -> dict[str, str]:
    """Opens what `seal` made, with any of the keys.

    Raises SecretsError where no key fits, or it was sealed for another organization or company.
    """
    try:
        return encryption.unseal(settings, _owner(organization_id, realm_id), sealed)
    except NoKeyFits:
        raise SecretsError(
            "The tokens of QuickBooks were encrypted with a key that is not here; set "
            f"{variable_of('encryption_keys')} with that key in it, or connect the organization again."
        ) from None
    except BelongsToAnother:
        raise SecretsError(
            "The stored tokens belong to another organization or company; connect the organization again."
        ) from None
    except EncryptionError as error:
        raise SecretsError(str(error)) from None


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


def _owner(organization_id: UUID, realm_id: str) -> dict[str, str]:
    return {"organization_id": str(organization_id), "realm_id": realm_id}
