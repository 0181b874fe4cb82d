"""Signing in and out, and choosing a password: what the web does for people who hold no credential yet."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Engine, text

from invoice_pipelines.accounts.credentials import fingerprint, new_secret
from invoice_pipelines.accounts.errors import AccountError
from invoice_pipelines.accounts.passwords import check_password, derive

IDLE = timedelta(hours=8)
LONGEST = timedelta(days=7)
"""A session ends after so long without a request, and in any case after so long: ASVS 5.0, 7.3."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A new session. `secret` is for the browser alone."""

    user_id: UUID
    secret: str


class SignInRefused(AccountError):
    """The email or the password is wrong, or there were too many tries: then `wait` says when to come again. Which of
    these it is does not depend on whether there is such a user.
    """

    def __init__(self, wait: timedelta) -> None:
        if wait:
            message = f"Too many tries. Wait {wait.total_seconds():.0f} seconds, then try again."
            super().__init__(message, "TOO_MANY_TRIES")
        else:
            super().__init__("The email or the password is wrong.", "WRONG_PASSWORD")
        self.wait = wait


def sign_in(engine: Engine, email: str, password: str, *, address: str, user_agent: str = "") -> SignedIn:
    """Begins a session for the right password. `address` is that of the client. Raises SignInRefused.

    The password is hashed between two transactions, as that takes long.
    """
    with engine.begin() as connection:
        known = connection.execute(
            text("select salt, parameters from accounts.password_parameters_of(:email)"), {"email": email}
        ).one()
    derived = derive(password, bytes(known.salt), known.parameters)
    secret = new_secret()
    with engine.begin() as connection:
        row = connection.execute(
            text(
                """select user_id, wait_seconds
                   from accounts.sign_in(:email, :derived, decode(:secret, 'hex'), :address, :agent, :idle, :longest)"""
            ),
            {
                "email": email,
                "derived": derived.secret,
                "secret": fingerprint(secret),
                "address": address,
                "agent": user_agent,
                "idle": int(IDLE.total_seconds()),
                "longest": LONGEST,
            },
        ).one()
    if row.user_id is None:
        raise SignInRefused(timedelta(seconds=row.wait_seconds))
    return SignedIn(row.user_id, secret)


def sign_out(engine: Engine, secret: str) -> None:
    """Ends a session; of one that has ended already, nothing happens."""
    with engine.begin() as connection:
        connection.execute(
            text("select set_config('app.credential', :credential, true)"), {"credential": fingerprint(secret)}
        )
        connection.execute(text("select accounts.sign_out()"))


class SignInFirst(AccountError):
    """A link is for a person who has a way in already, and who is not the one who is signed in; or it is for a new
    password, and none was chosen.
    """

    def __init__(self) -> None:
        super().__init__(
            "Choose a password; or, if you have an account already, sign in and open this link again.", "SIGN_IN_FIRST"
        )


def accept_invitation(
    engine: Engine, secret: str, password: str | None, *, address: str, session: str | None = None
) -> None:
    """Opens the link of an invitation, with the password that the invited person chose, or in the name of the
    `session` (its secret) of a person who has a way in already; see members.sql for who gets what. Sessions of the
    person end with a new password.

    Raises SignInFirst, and AccountError for a weak password, and for a link that was used, is too old or never was.
    """
    if password is not None:
        check_password(password)
    derived = derive(password) if password is not None else None
    with engine.begin() as connection:
        if session is not None:
            connection.execute(
                text("select set_config('app.credential', :credential, true)"), {"credential": fingerprint(session)}
            )
        outcome = connection.execute(
            text("select accounts.accept_invitation(decode(:secret, 'hex'), :salt, :parameters, :derived, :address)"),
            {
                "secret": fingerprint(secret),
                "salt": derived.salt if derived is not None else None,
                "parameters": derived.parameters if derived is not None else None,
                "derived": derived.secret if derived is not None else None,
                "address": address,
            },
        ).scalar_one()
    if outcome == "sign_in_first":
        raise SignInFirst
    if outcome != "accepted":
        raise AccountError("This link was used already, or is too old; ask for a new one.", "LINK_ENDED")
