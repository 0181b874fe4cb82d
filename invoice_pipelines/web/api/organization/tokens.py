"""API tokens: what the programs of an organization get in with."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Path
from pydantic import ConfigDict, Field

from invoice_pipelines.accounts import tokens
from invoice_pipelines.accounts.errors import AccountError
from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.web.callers import At, Caller
from invoice_pipelines.web.paging import Page, PageQuery
from invoice_pipelines.web.problems import wrong_field
from invoice_pipelines.web.routing import OrganizationRouter
from invoice_pipelines.web.values import Answer, Body, Instant, Text

router = OrganizationRouter(tags=["tokens"])

TokenId = Annotated[UUID, Path(description="Id of the token")]
Scope = Literal["read", "intake:write", "billing:write", "delivery:write", "quickbooks:write", "organization:write"]
_EXAMPLE: dict[str, Any] = {
    "id": "0199a1b2-0000-7000-8000-000000000008",
    "name": "shop",
    "prefix": "ip_live_4fVb",
    "scopes": ["read", "billing:write"],
    "created_at": "2026-03-31T12:00:00Z",
    "created_by": "anna@acme.example",
    "expires_at": "2027-03-31T12:00:00Z",
    "last_used_at": None,
    "revoked_at": None,
    "url": "/api/v1/organizations/acme/tokens/0199a1b2-0000-7000-8000-000000000008",
}


class TokenOut(Answer):
    """A token without its secret, of which `prefix` is the beginning."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    id: UUID
    name: str
    prefix: str
    scopes: list[Scope]
    created_at: Instant
    created_by: str
    expires_at: Instant
    last_used_at: Instant | None
    revoked_at: Instant | None
    url: str


class TokenMade(TokenOut):
    """A new token with its secret, which is shown once: a repeated request gets null."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [_EXAMPLE | {"token": "ip_live_4fVb0Zq1r1P8yqkq1p7GmT1T3s9uYc2wq0mXb8hJ6Lk"}]}
    )

    token: str | None

    def to_keep(self) -> TokenMade:
        """Without the secret."""
        return self.model_copy(update={"token": None})


class NewToken(Body):
    """What a token is for, what it may do, and for how many days."""

    name: Annotated[Text, Field(max_length=100, examples=["shop"])]
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=6, examples=[["read", "billing:write"]])]
    days: Annotated[int, Field(ge=1, le=3660)] = 365


@router.get("/tokens", role=Role.ADMIN, area="organization")
def list_tokens(caller: Caller, page: PageQuery) -> Page[TokenOut]:
    """List tokens, the oldest first, also those that were revoked or have expired."""
    with caller.enter() as at:
        after = page.after_id
        found = [token for token in tokens.list_tokens(at.connection) if after is None or token.id > after]
        return page.of([_shown(at, token) for token in found[: page.one_more]], key=lambda token: token.id)


@router.get("/tokens/{token_id}", role=Role.ADMIN, area="organization")
def get_token(caller: Caller, token_id: TokenId) -> TokenOut:
    """Get a token, without its secret."""
    with caller.enter() as at:
        return _get(at, token_id)


@router.post("/tokens", role=Role.ADMIN, area="organization", people_only=True, status_code=201)
def add_token(caller: Caller, body: NewToken) -> TokenMade:
    """Make a token. No token makes another one."""

    def make(at: At) -> TokenMade:
        try:
            made, secret = tokens.add_token(
                at.connection, body.name, body.scopes, actor=at.entry.actor, lasts=timedelta(days=body.days)
            )
        except AccountError as error:
            if error.code == "WRONG_NAME":
                raise wrong_field("name", str(error), error.code) from None
            raise
        return TokenMade(**_get(at, made).model_dump(), token=secret)

    return caller.once(body, make)


@router.delete("/tokens/{token_id}", role=Role.ADMIN, area="organization", status_code=204)
def revoke_token(caller: Caller, token_id: TokenId) -> None:
    """Revoke a token at once."""
    with caller.enter() as at:
        tokens.revoke_token(at.connection, str(token_id), actor=at.entry.actor)


def _get(at: At, token_id: UUID) -> TokenOut:
    for token in tokens.list_tokens(at.connection):
        if token.id == token_id:
            return _shown(at, token)
    raise AccountError("There is no such token.", "UNKNOWN")


def _shown(at: At, token: tokens.ApiToken) -> TokenOut:
    values = {name: getattr(token, name) for name in tokens.ApiToken.__slots__}
    return TokenOut.model_validate(values | {"url": at.url("tokens", token.id)})
