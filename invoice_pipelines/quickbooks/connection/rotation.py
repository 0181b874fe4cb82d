"""The change of keys: all stored tokens are encrypted anew with the first key of the settings."""

from __future__ import annotations

from sqlalchemy import Engine, text

from invoice_pipelines.database import organization_scope
from invoice_pipelines.organizations import list_organizations
from invoice_pipelines.quickbooks.connection.secrets import SecretsError, seal, unseal
from invoice_pipelines.settings import Settings


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
                    """select realm_id, tokens from quickbooks.connection
                       where organization_id = organizations.current() and tokens is not null
                       for no key update"""
                )
            ).one_or_none()
            if row is None:
                continue
            try:
                secrets = unseal(settings, organization.id, row.realm_id, row.tokens)
            except SecretsError:
                failed.append(organization.slug)
                continue
            connection.execute(
                text(
                    """update quickbooks.connection set tokens = :tokens, updated_at = clock_timestamp()
                       where organization_id = organizations.current()"""
                ),
                {"tokens": seal(settings, organization.id, row.realm_id, secrets)},
            )
            rotated += 1
    return rotated, failed
