"""Entering an organization with a credential: what each request of the web begins with."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection, text

from invoice_pipelines.accounts.errors import NotSignedIn
from invoice_pipelines.accounts.roles import ANY_AREA, READ, Role


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


def enter(connection: Connection, fingerprint: str, slug: str) -> Entry | None:
    """Puts the transaction into an organization in the name of a credential (its `credentials.fingerprint`).

    None where the credential may not enter, or there is no such organization: nobody can tell which. Raises NotSignedIn
    for a credential that is not valid.
    """
    row = connection.execute(
        text("select * from accounts.enter(:credential, :slug)"), {"credential": fingerprint, "slug": slug}
    ).one()
    if not row.is_known:
        raise NotSignedIn
    if row.organization_id is None:
        return None
    return Entry(
        organization_id=row.organization_id,
        slug=slug,
        actor=row.actor,
        role=None if row.role is None else Role(row.role),
        scopes=None if row.scopes is None else frozenset(row.scopes),
        user_id=row.user_id,
        token_id=row.token_id,
    )


def identify(connection: Connection, fingerprint: str) -> Identity:
    """Who holds a credential. The transaction is in no organization; for an operator, what looks across organizations
    shows the figures of all. Raises NotSignedIn.
    """
    row = connection.execute(
        text("select * from accounts.identify(:credential)"), {"credential": fingerprint}
    ).one_or_none()
    if row is None:
        raise NotSignedIn
    return Identity(*row)
