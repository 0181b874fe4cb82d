"""API tokens: what the programs of an organization get in with."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import Form, Response

from invoice_pipelines.accounts import tokens
from invoice_pipelines.accounts.errors import AccountError
from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.web.callers import At
from invoice_pipelines.web.pages.errors import N_
from invoice_pipelines.web.pages.languages import Language
from invoice_pipelines.web.pages.routing import Page, PageCaller, PageRouter

router = PageRouter()
SCOPES = {
    "read": N_("See everything that a viewer sees"),
    "intake:write": N_("Upload received invoices and decide about them"),
    "billing:write": N_("Issue invoices, and change customers, items and orders"),
    "delivery:write": N_("Make documents and send messages"),
    "quickbooks:write": N_("Synchronize with QuickBooks"),
    "organization:write": N_("Change settings and webhooks"),
}
"""In words, in their order."""
_WRONG = {
    "WRONG_NAME": ("name", N_("Write what the token is for, with up to 100 characters.")),
    "EXISTS_ALREADY": ("name", N_("There is a token with this name already. Choose another one.")),
    "WRONG_SCOPE": ("scopes", N_("Choose at least one thing that the token may do.")),
}


@router.get("/settings/tokens", role=Role.ADMIN, area="organization")
def api_tokens(page: Page) -> Response:
    """All tokens, the newest first."""
    return _tokens(page)


@router.post("/settings/tokens", role=Role.ADMIN, area="organization", people_only=True)
def add_api_token(
    page: Page,
    name: Annotated[str, Form(max_length=1000)] = "",
    scopes: Annotated[list[str], Form(max_length=20)] = [],  # noqa: B006 - FastAPI makes a new one for each form
    days: Annotated[str, Form(max_length=20)] = "",
    key: Annotated[str, Form(max_length=100)] = "",
) -> Response:
    """Makes a token, and shows it once."""
    typed = {"name": name, "scopes": scopes, "days": days}
    if not (days.isascii() and days.isdecimal() and 1 <= int(days) <= 3660):
        said = page.gettext("Write a whole number from %(least)s to %(most)s.") % {"least": 1, "most": 3660}
        return _tokens(page, typed=typed, wrong={"days": said}, status=422)

    def make(at: At) -> str:
        return tokens.add_token(
            at.connection, name.strip(), scopes, actor=at.entry.actor, lasts=timedelta(days=int(days))
        )[1]

    try:
        secret = page.once_shown(key, f"{name} {scopes} {days}", make)
    except AccountError as refused:
        if refused.code not in _WRONG:
            raise
        field, text = _WRONG[refused.code]
        return _tokens(page, typed=typed, wrong={field: page.gettext(text)}, status=422)
    return _tokens(page, secret=secret, again=secret is None)


@router.post("/settings/tokens/{token_id}/revoke", role=Role.ADMIN, area="organization")
def revoke_api_token(page: Page, token_id: UUID) -> Response:
    """Revokes a token at once."""
    with page.enter() as at:
        name = tokens.revoke_token(at.connection, str(token_id), actor=at.entry.actor)
    return page.go(
        page.url("settings", "tokens"), page.gettext("The token %(name)s lets nobody in any more.") % {"name": name}
    )


def scope_words(scopes: list[str], language: Language) -> list[str]:
    """What a token may do, in words."""
    return [language.gettext(SCOPES.get(scope, scope)) for scope in scopes]


def _tokens(page: PageCaller, *, status: int = 200, **values: object) -> Response:
    with page.enter() as at:
        found = tokens.list_tokens(at.connection)[::-1]
    given = {
        "typed": {"name": "", "scopes": ["read"], "days": str(tokens.LASTS.days)},
        "wrong": {},
        "secret": None,
        "again": False,
        **values,
    }
    return page.show(
        "settings/tokens.html",
        status=status,
        tokens=found,
        scopes=SCOPES,
        words=lambda scopes: scope_words(scopes, page.language),
        now=datetime.now(UTC),
        **given,
    )
