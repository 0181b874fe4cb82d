"""The session of a browser: it begins with a password, is kept in a cookie that no script reads, and ends."""

from __future__ import annotations

from math import ceil
from typing import Annotated
from uuid import UUID

from fastapi import Path, Request, Response
from pydantic import ConfigDict, Field, SecretStr

from invoice_pipelines.accounts import sessions
from invoice_pipelines.accounts.credentials import fingerprint
from invoice_pipelines.accounts.entry import identified
from invoice_pipelines.accounts.errors import AccountError
from invoice_pipelines.accounts.passwords import LONGEST
from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.web.callers import SESSION_COOKIE
from invoice_pipelines.web.problems import BEARER, Refusal, not_signed_in, wrong_field
from invoice_pipelines.web.sign_in.routing import OpenRouter, address_of, engine_of
from invoice_pipelines.web.values import Answer, Body, Text

router = OpenRouter(tags=["session"])

Password = Annotated[SecretStr, Field(min_length=1, max_length=LONGEST, examples=["correct horse battery staple"])]


class SignIn(Body):
    """What a person signs in with."""

    email: Annotated[Text, Field(min_length=1, max_length=254, examples=["anna@acme.example"])]
    password: Password


class Acceptance(Body):
    """The password that a person chose: at least 12 characters, and none that somebody would try first. A person who is
    signed in needs none.
    """

    password: Password | None = None


class Membership(Answer):
    """An organization that a person may enter."""

    organization: Annotated[str, Field(examples=["acme"])]
    role: Role


class SessionOut(Answer):
    """Who is signed in, and where this person belongs."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "user_id": "0199a1b2-0000-7000-8000-000000000006",
                    "email": "anna@acme.example",
                    "name": "Anna",
                    "is_operator": False,
                    "organizations": [{"organization": "acme", "role": "accountant"}],
                }
            ]
        }
    )

    user_id: UUID
    email: str
    name: str
    is_operator: bool
    organizations: list[Membership]


@router.route("POST", "/session")
def sign_in(request: Request, body: SignIn, response: Response) -> SessionOut:
    """Sign in.

    The answer sets the cookie of a new session; one that the browser had before ends.
    """
    try:
        signed_in = sessions.sign_in(
            engine_of(request),
            body.email,
            body.password.get_secret_value(),
            address=address_of(request),
            user_agent=request.headers.get("user-agent", ""),
        )
    except sessions.SignInRefused as refused:
        raise _refusal(refused) from None
    begin_session(request, response, signed_in)
    return _session_of(request, signed_in.secret)


@router.route("GET", "/session", openapi_extra={"security": [{"session": []}]})
def get_session(request: Request) -> SessionOut:
    """Get who is signed in."""
    secret = request.cookies.get(SESSION_COOKIE)
    if not secret:
        raise not_signed_in()
    return _session_of(request, secret)


@router.route("DELETE", "/session", status_code=204, openapi_extra={"security": [{"session": []}, {}]})
def sign_out(request: Request, response: Response) -> None:
    """Sign out.

    The session ends at once, and the browser is told to forget it.
    """
    end_session(request, response)


@router.route("POST", "/invitations/{secret}", status_code=204)
def accept_invitation(
    request: Request,
    secret: Annotated[str, Path(description="The last part of the link", max_length=200)],
    body: Acceptance,
) -> None:
    """Open the link of an invitation.

    It works once. Who has no account chooses a password, and then signs in with it. Who has one opens the link while
    signed in, without a password, and belongs to the organization then; until that it answers SIGN_IN_FIRST.
    """
    try:
        sessions.accept_invitation(
            engine_of(request),
            secret,
            body.password.get_secret_value() if body.password is not None else None,
            address=address_of(request),
            session=request.cookies.get(SESSION_COOKIE),
        )
    except AccountError as refused:
        if refused.code == "WEAK_PASSWORD":
            raise wrong_field("password", str(refused), refused.code) from None
        raise


def begin_session(request: Request, response: Response, signed_in: sessions.SignedIn) -> None:
    """Gives the browser the secret of a new session, and ends the one that it had."""
    if earlier := request.cookies.get(SESSION_COOKIE):
        sessions.sign_out(engine_of(request), earlier)
    # Chromium and Firefox take such a cookie from http://localhost as well, as nobody can listen in there.
    response.set_cookie(SESSION_COOKIE, signed_in.secret, secure=True, httponly=True, samesite="lax")


def end_session(request: Request, response: Response) -> None:
    """Ends the session of the browser, if it has one, and lets it forget the secret."""
    if secret := request.cookies.get(SESSION_COOKIE):
        sessions.sign_out(engine_of(request), secret)
    response.delete_cookie(SESSION_COOKIE, secure=True, httponly=True, samesite="lax")


def _session_of(request: Request, secret: str) -> SessionOut:
    with identified(engine_of(request), fingerprint(secret)) as (_, known):
        pass
    if known.user_id is None:
        raise not_signed_in()
    return SessionOut(
        user_id=known.user_id,
        email=known.actor,
        name=known.name,
        is_operator=known.is_operator,
        organizations=[
            Membership(organization=slug, role=Role(str(role))) for slug, role in known.organizations.items()
        ],
    )


def _refusal(refused: sessions.SignInRefused) -> Refusal:
    if refused.wait:
        return Refusal(
            429, refused.code, str(refused), headers={"Retry-After": str(ceil(refused.wait.total_seconds()))}
        )
    return Refusal(401, refused.code, str(refused), headers=BEARER)
