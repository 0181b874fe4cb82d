"""The people of the organization in scope, as its admins manage them: who belongs there, and who was invited."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, text

from invoice_pipelines.accounts.credentials import fingerprint, new_secret
from invoice_pipelines.accounts.errors import AccountError, refusals
from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.accounts.users import INVITATION_LASTS, checked_email, checked_name


@dataclass(frozen=True, slots=True)
class Member:
    """A person who belongs to the organization (`status` active or disabled), or was invited (invited or expired). The
    id stays the same when the invitation is accepted.
    """

    id: UUID
    email: str
    name: str
    role: Role
    status: str
    since: datetime
    invited_by: str
    expires_at: datetime | None


def list_members(connection: Connection, *, after: str | None = None, limit: int | None = None) -> list[Member]:
    """Members and invited people, by email, from behind the email `after` on. Raises AccountError for who is no
    admin.
    """
    return _members(connection, None, after, limit)


def list_colleagues(connection: Connection) -> dict[str, str]:
    """The other people who may decide in the organization: name by email, in the order of the names. Raises
    AccountError for who may not decide.
    """
    with refusals():
        rows = connection.execute(text("select email, name from accounts.colleagues()"))
        return {row.email: row.name for row in rows}


def get_member(connection: Connection, member_id: UUID) -> Member:
    """One of them. Raises AccountError where there is none."""
    found = _members(connection, member_id, None, 1)
    if not found:
        raise AccountError("There is no such member.", "UNKNOWN")
    return found[0]


def invite_member(connection: Connection, email: str, name: str, role: Role) -> tuple[UUID, str]:
    """Invites a person; returns the id of the invitation and the secret of its link, which works once, within
    `users.INVITATION_LASTS`. Earlier links of the person into this organization end.

    Who has no account chooses a password by the link; who has one opens it while signed in. Nothing here says which it
    will be. Raises AccountError for an address that is none, for a member, and for a caller who is no admin or a token.
    """
    secret = new_secret()
    with refusals():
        made: UUID = connection.execute(
            text("select accounts.invite_member(:email, :name, :role, decode(:secret, 'hex'), :valid)"),
            {
                "email": checked_email(email),
                "name": checked_name(name),
                "role": role.value,
                "secret": fingerprint(secret),
                "valid": INVITATION_LASTS,
            },
        ).scalar_one()
    return made, secret


def change_member(connection: Connection, member_id: UUID, role: Role | None) -> None:
    """Gives a member, or who was invited, another role; None: puts the member out, or ends the link.

    Raises AccountError where there is none, where no admin would be left (LAST_ADMIN), and for a caller who is no admin
    or a token.
    """
    with refusals():
        connection.execute(
            text("select accounts.change_member(:member, :role)"),
            {"member": member_id, "role": None if role is None else role.value},
        )


def _members(connection: Connection, member_id: UUID | None, after: str | None, limit: int | None) -> list[Member]:
    with refusals():
        rows = connection.execute(
            text("select * from accounts.list_members(:id, :after, :limit)"),
            {"id": member_id, "after": after, "limit": limit},
        )
        return [Member(**{**row._mapping, "role": Role(row.role)}) for row in rows]
