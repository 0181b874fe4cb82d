"""API tokens of the organization in scope. The secret of a token is shown once, when it is made."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection, text

from invoice_pipelines.accounts.credentials import fingerprint, new_token, shown_part
from invoice_pipelines.accounts.errors import AccountError, refusals
from invoice_pipelines.accounts.roles import check_scopes

LASTS = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class ApiToken:
    """A token without its secret, of which `prefix` is the beginning."""

    id: UUID
    name: str
    prefix: str
    scopes: list[str]
    created_at: datetime
    created_by: str
    expires_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


def add_token(
    connection: Connection, name: str, scopes: Iterable[str], *, actor: str, lasts: timedelta = LASTS
) -> tuple[UUID, str]:
    """Makes a token; returns its id and its secret, which cannot be shown again.

    Raises AccountError for a wrong scope, a name that is taken, a time that is not between a minute and ten years, and
    for a caller who is no admin.
    """
    if not 1 <= len(name.strip()) <= 100:
        raise AccountError("A token needs a name of up to 100 characters.", "WRONG_NAME")
    if not timedelta(minutes=1) <= lasts <= timedelta(days=3660):
        raise AccountError("A token lasts from a minute to ten years.", "WRONG_EXPIRY")
    secret = new_token()
    with refusals():
        added: UUID = connection.execute(
            text(
                """select accounts.add_token(:name, decode(:secret, 'hex'), :prefix, cast(:scopes as text[]), :expires,
                                             :actor)"""
            ),
            {
                "name": name,
                "secret": fingerprint(secret),
                "prefix": shown_part(secret),
                "scopes": check_scopes(scopes),
                "expires": datetime.now(UTC) + lasts,
                "actor": actor,
            },
        ).scalar_one()
    return added, secret


def list_tokens(connection: Connection) -> list[ApiToken]:
    """All tokens, also those that were revoked or have expired, the oldest first. Raises AccountError."""
    with refusals():
        return [ApiToken(*row) for row in connection.execute(text("select * from accounts.list_tokens()"))]


def revoke_token(connection: Connection, token: str, *, actor: str) -> str:
    """Revokes the token with a name or id at once; returns its name. Raises AccountError where there is none that was
    not revoked before.
    """
    with refusals():
        revoked: str | None = connection.execute(
            text("select accounts.revoke_token(:token, :actor)"), {"token": token, "actor": actor}
        ).scalar_one()
    if revoked is None:
        raise AccountError(f"There is no token {token[:100]} that could be revoked.", "UNKNOWN")
    return revoked
