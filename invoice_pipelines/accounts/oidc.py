"""Signing in as somebody whom an OIDC provider vouches for. What the provider said was checked before, by the web."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, text

from invoice_pipelines.accounts.credentials import fingerprint, new_secret
from invoice_pipelines.accounts.errors import AccountError, refusals
from invoice_pipelines.accounts.sessions import IDLE, LONGEST, SignedIn
from invoice_pipelines.accounts.users import checked_email
from invoice_pipelines.encryption import derived_keys
from invoice_pipelines.settings import Settings

_PURPOSE = "sessions of people whom an OIDC provider vouches for"


@dataclass(frozen=True, slots=True)
class Vouched:
    """A person as a provider (`issuer`) knows one. `verified_email` is None unless the provider has verified it."""

    issuer: str
    subject: str
    verified_email: str | None
    name: str


def register_sign_in_keys(connection: Connection, settings: Settings) -> None:
    """Lets webs with the keys of the settings begin sessions; without a provider in the settings, none. Done by the
    application, as the web may not.
    """
    keys = _keys(settings) if settings.oidc_issuer is not None else []
    with refusals():
        connection.execute(
            text("select accounts.register_sign_in_keys(cast(:fingerprints as bytea[]))"),
            {"fingerprints": [hashlib.sha256(key).digest() for key in keys]},
        )


def sign_in_vouched(
    engine: Engine, settings: Settings, person: Vouched, *, address: str, user_agent: str = ""
) -> SignedIn:
    """Begins a session of the user who is this person: the one of the provider's subject, else the one with the
    verified email, who is that subject from then on. With `OIDC_CREATE_USERS` a new user is made, who belongs nowhere
    yet.

    Raises AccountError NOT_INVITED where there is none, or it is disabled, and FORBIDDEN for a web whose keys are not
    registered.
    """
    secret = new_secret()
    with refusals(), engine.begin() as connection:
        user_id = connection.execute(
            text(
                """select accounts.sign_in_oidc(:key, :issuer, :subject, :email, :name, :may_create,
                                                decode(:secret, 'hex'), :address, :agent, :idle, :longest)"""
            ),
            {
                "key": _keys(settings)[0],
                "issuer": person.issuer,
                "subject": person.subject,
                "email": None if person.verified_email is None else checked_email(person.verified_email),
                "name": person.name[:200].strip() or person.verified_email,
                "may_create": settings.oidc_create_users,
                "secret": fingerprint(secret),
                "address": address,
                "agent": user_agent,
                "idle": int(IDLE.total_seconds()),
                "longest": LONGEST,
            },
        ).scalar_one()
    if user_id is None:
        raise AccountError("Nobody with this account was invited here; ask an admin for an invitation.", "NOT_INVITED")
    return SignedIn(user_id, secret)


def _keys(settings: Settings) -> list[bytes]:
    return derived_keys(settings, _PURPOSE)
