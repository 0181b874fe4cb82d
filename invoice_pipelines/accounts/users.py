"""Users, as the operator of the deployment manages them. The database is that of the application, not of the web."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from email_validator import EmailNotValidError, validate_email
from sqlalchemy import Connection, text

from invoice_pipelines.accounts.credentials import fingerprint, new_secret
from invoice_pipelines.accounts.errors import AccountError, refusals
from invoice_pipelines.accounts.roles import Role

INVITATION_LASTS = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class User:
    """A person with an account; `roles` by the slugs of organizations."""

    id: UUID
    email: str
    name: str
    is_operator: bool
    has_password: bool
    disabled_at: datetime | None
    created_at: datetime
    last_used_at: datetime | None
    roles: dict[str, str]


def add_user(connection: Connection, email: str, name: str, *, is_operator: bool = False, actor: str) -> UUID:
    """Adds a user, who cannot sign in until an invitation is accepted. Raises AccountError where there is one already,
    or the address is none.
    """
    with refusals():
        added: UUID = connection.execute(
            text("select accounts.add_user(:email, :name, :is_operator, :actor)"),
            {"email": checked_email(email), "name": checked_name(name), "is_operator": is_operator, "actor": actor},
        ).scalar_one()
    return added


def checked_email(email: str) -> str:
    """The address as it is stored. Raises AccountError for what is none."""
    try:
        return validate_email(email.strip(), check_deliverability=False).normalized.lower()
    except EmailNotValidError as error:
        raise AccountError(f"{email.strip()[:254]!r} is not a valid email address: {error}", "WRONG_EMAIL") from None


def checked_name(name: str) -> str:
    """The name of a person, without blanks around it. Raises AccountError for none, and for one that is too long."""
    if not 1 <= len(name.strip()) <= 200:
        raise AccountError("A user needs a name of up to 200 characters.", "WRONG_NAME")
    return name.strip()


def invite(connection: Connection, email: str, *, actor: str) -> str:
    """The secret of a link by which a user chooses a password: it works once, within INVITATION_LASTS. Earlier ones of
    the user work no more. Raises AccountError where there is no such user.
    """
    secret = new_secret()
    with refusals():
        connection.execute(
            text("select accounts.add_invitation(:email, decode(:secret, 'hex'), :valid, :actor)"),
            {"email": email, "secret": fingerprint(secret), "valid": INVITATION_LASTS, "actor": actor},
        )
    return secret


def set_role(connection: Connection, email: str, slug: str, role: Role | None, *, actor: str) -> None:
    """Gives a user a role in an organization in place of another one; None: takes it. Raises AccountError."""
    if role is Role.OPERATOR:
        raise AccountError("operator is a role in the deployment, not in an organization", "WRONG_ROLE")
    with refusals():
        connection.execute(
            text("select accounts.set_role(:email, :slug, :role, :actor)"),
            {"email": email, "slug": slug, "role": None if role is None else role.value, "actor": actor},
        )


def set_disabled(connection: Connection, email: str, disabled: bool, *, actor: str) -> None:
    """Disables a user, whose sessions end at once, or enables one again. Raises AccountError."""
    with refusals():
        connection.execute(
            text("select accounts.set_disabled(:email, :disabled, :actor)"),
            {"email": email, "disabled": disabled, "actor": actor},
        )


def list_users(connection: Connection) -> list[User]:
    """All users, by email."""
    with refusals():
        return [User(*row) for row in connection.execute(text("select * from accounts.list_users()"))]
