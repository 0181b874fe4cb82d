"""Entering an organization with a credential: what each request of the web begins with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine

from invoice_pipelines.accounts.errors import NotSignedIn
from invoice_pipelines.accounts.roles import ANY_AREA, READ, Role
from invoice_pipelines.database.opening import First, opened


@dataclass(frozen=True, slots=True)
class Entry:
    """A credential in the organization that it entered. A person has a `role`, a token has `scopes`; `actor` is who the
    audit trail names.
    """

    organization_id: UUID
    slug: str
    actor: str
    role: Role | None
    scopes: frozenset[str] | None
    user_id: UUID | None
    token_id: UUID | None

    def may(self, role: Role, area: str | None) -> bool:
        """Whether it may do what people need a role for, and tokens the scope of an area, or of ANY_AREA; None: it only
        reads.
        """
        if self.role is not None:
            return self.role.reaches(role)
        if area == ANY_AREA:
            return any(scope != READ for scope in self.scopes or ())
        return (READ if area is None else f"{area}:write") in (self.scopes or ())


@dataclass(frozen=True, slots=True)
class Identity:
    """Who holds a credential, and the organizations that it may enter: a role by slug, or the scopes of a token; and
    the names of these organizations, by slug as well.
    """

    user_id: UUID | None
    token_id: UUID | None
    actor: str
    name: str
    is_operator: bool
    organizations: dict[str, str | list[str]]
    names: dict[str, str]


def entering(fingerprint: str, slug: str) -> First:
    """Puts the transaction into an organization in the name of a credential (its `credentials.fingerprint`). What
    comes of it is for `entry_of`.
    """
    return First(b"select * from accounts.enter($1, $2)", (fingerprint, slug))


def entry_of(row: Sequence[Any], slug: str) -> Entry | None:
    """Who entered. None where the credential may not enter, or there is no such organization: nobody can tell which.
    Raises NotSignedIn for a credential that is not valid.
    """
    is_known, organization_id, role, scopes, actor, user_id, token_id = row
    if not is_known:
        raise NotSignedIn
    if organization_id is None:
        return None
    return Entry(
        organization_id=organization_id,
        slug=slug,
        actor=actor,
        role=None if role is None else Role(role),
        scopes=None if scopes is None else frozenset(scopes),
        user_id=user_id,
        token_id=token_id,
    )


def identifying(fingerprint: str) -> First:
    """Asks who holds a credential. The transaction is in no organization then; for an operator, what looks across
    organizations shows the figures of all. What comes of it is for `identity_of`.
    """
    return First(b"select * from accounts.identify($1)", (fingerprint,))


def identity_of(rows: Sequence[Sequence[Any]]) -> Identity:
    """Who holds the credential, and the organizations that it may enter. Raises NotSignedIn."""
    if not rows:
        raise NotSignedIn
    return Identity(*rows[0])


@contextmanager
def identified(engine: Engine, fingerprint: str) -> Iterator[tuple[Connection, Identity]]:
    """A transaction of the web in no organization, and who holds a credential. Raises NotSignedIn."""
    with opened(engine, identifying(fingerprint)) as (connection, (rows,)):
        yield connection, identity_of(rows)
