"""The way in and out: signing in, the link of an invitation, the organizations of a person, and how pages look."""

from __future__ import annotations

from math import ceil
from typing import Annotated

from fastapi import Form, Path, Query, Request, Response

from invoice_pipelines.accounts import sessions
from invoice_pipelines.accounts.credentials import fingerprint
from invoice_pipelines.accounts.entry import identified
from invoice_pipelines.accounts.errors import AccountError, NotSignedIn
from invoice_pipelines.accounts.passwords import LONGEST
from invoice_pipelines.web.callers import SESSION_COOKIE
from invoice_pipelines.web.pages.languages import LANGUAGE_COOKIE, LANGUAGES, language_of
from invoice_pipelines.web.pages.rendering import THEME_COOKIE, THEMES, is_local, redirect, render
from invoice_pipelines.web.pages.routing import OpenPageRouter
from invoice_pipelines.web.sign_in.routing import address_of, engine_of
from invoice_pipelines.web.sign_in.session import begin_session, end_session

router = OpenPageRouter()

Target = Annotated[str, Query(max_length=2000)]
_YEAR = 365 * 24 * 3600


@router.route("GET", "/")
def begin(_: Request) -> Response:
    """The door of the desk."""
    return redirect("/desk")


@router.route("GET", "/sign-in")
def sign_in_page(request: Request, target: Target = "/desk") -> Response:
    """Where people sign in."""
    return _sign_in_page(request, target)


@router.route("POST", "/sign-in")
def sign_in(
    request: Request,
    email: Annotated[str, Form(max_length=254)] = "",
    password: Annotated[str, Form(max_length=LONGEST)] = "",
    target: Annotated[str, Form(max_length=2000)] = "/desk",
) -> Response:
    """Begins a session, and goes on to the page that was wanted."""
    _ = language_of(request).gettext
    try:
        signed_in = sessions.sign_in(
            engine_of(request),
            email.strip(),
            password,
            address=address_of(request),
            user_agent=request.headers.get("user-agent", ""),
        )
    except sessions.SignInRefused as refused:
        if not refused.wait:
            return _sign_in_page(request, target, email, _("The email or the password is wrong."), 401)
        wait = str(ceil(refused.wait.total_seconds()))
        said = _("Too many tries. Wait %(seconds)s seconds, then try again.") % {"seconds": wait}
        answer = _sign_in_page(request, target, email, said, 429)
        answer.headers["Retry-After"] = wait
        return answer
    answer = redirect(target if is_local(target) else "/desk")
    begin_session(request, answer, signed_in)
    return answer


@router.route("POST", "/sign-out")
def sign_out(request: Request) -> Response:
    """Ends the session at once."""
    answer = redirect("/sign-in", language_of(request).gettext("You are signed out."))
    end_session(request, answer)
    return answer


@router.route("GET", "/desk")
def organizations(request: Request) -> Response:
    """The organizations of a person; of one who has only one, that one."""
    if not (secret := request.cookies.get(SESSION_COOKIE)):
        raise NotSignedIn
    with identified(engine_of(request), fingerprint(secret)) as (_, who):
        pass
    if len(who.organizations) == 1 and not who.is_operator:
        return redirect(f"/desk/{next(iter(who.organizations))}")
    return render(request, "organizations.html", {"who": who})


@router.route("GET", "/invitations/{secret}")
def invitation_page(request: Request, secret: Annotated[str, Path(max_length=200)]) -> Response:
    """Where an invited person chooses a password, or joins as who is signed in."""
    return _invitation_page(request, secret)


@router.route("POST", "/invitations/{secret}")
def accept_invitation(
    request: Request,
    secret: Annotated[str, Path(max_length=200)],
    password: Annotated[str, Form(max_length=LONGEST)] = "",
    joins: Annotated[bool, Form()] = False,
) -> Response:
    """Opens the link of an invitation; it works once."""
    _ = language_of(request).gettext
    session = request.cookies.get(SESSION_COOKIE)
    try:
        sessions.accept_invitation(
            engine_of(request),
            secret,
            None if joins else password,
            address=address_of(request),
            session=session if joins else None,
        )
    except AccountError as refused:
        texts = {
            "WEAK_PASSWORD": _("This password is too easy to guess. Take at least 12 characters, such as four words."),
            "SIGN_IN_FIRST": _("You have an account already. Sign in, open this link again, and join with one click."),
        }
        if refused.code not in texts:
            raise
        return _invitation_page(request, secret, texts[refused.code], 422)
    if joins:
        return redirect("/desk", _("You belong to one more organization now."))
    return redirect("/sign-in", _("Your password is set. Sign in with it."))


@router.route("POST", "/preferences")
def choose(
    request: Request,
    language: Annotated[str, Form(max_length=10)] = "",
    theme: Annotated[str, Form(max_length=10)] = "",
    target: Annotated[str, Form(max_length=2000)] = "/desk",
) -> Response:
    """Keeps in this browser in which language and colours it shows the desk."""
    answer = redirect(target if is_local(target) else "/desk")
    for cookie, value, known in ((LANGUAGE_COOKIE, language, LANGUAGES), (THEME_COOKIE, theme, THEMES)):
        if value in known:
            answer.set_cookie(cookie, value, max_age=_YEAR, secure=True, httponly=True, samesite="lax")
    return answer


def _sign_in_page(request: Request, target: str, email: str = "", error: str = "", status: int = 200) -> Response:
    values = {
        "target": target if is_local(target) else "/desk",
        "email": email,
        "error": error,
        "has_provider": request.app.state.provider is not None,
    }
    return render(request, "sign_in.html", values, status=status)


def _invitation_page(request: Request, secret: str, error: str = "", status: int = 200) -> Response:
    who = None
    if session := request.cookies.get(SESSION_COOKIE):
        try:
            with identified(engine_of(request), fingerprint(session)) as (_, who):
                pass
        except NotSignedIn:
            who = None
    return render(request, "invitation.html", {"secret": secret, "error": error, "who": who}, status=status)
