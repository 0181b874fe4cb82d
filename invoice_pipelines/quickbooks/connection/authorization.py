"""How a person of the company allows the connection: the page that is opened, and what comes back from it.

QuickBooks sends the person's browser back with a code, the company and our `state`. The state is a secret that is kept
as its hash, ends after some minutes, is good once, and only for the organization and the person that asked for it: so
nobody can be made to connect an organization with a company of somebody else.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from urllib.parse import parse_qs, urlsplit

from sqlalchemy import Connection, text

from invoice_pipelines.http_clients import open_http_client
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.organizations.registry import organization_in_scope
from invoice_pipelines.quickbooks.api.faults import QuickBooksError
from invoice_pipelines.quickbooks.connection.connections import Connected, ask_company, connect, connection_of
from invoice_pipelines.quickbooks.connection.oauth import exchange_code, page_of_authorization
from invoice_pipelines.settings import Settings

LASTS = timedelta(minutes=15)
_KEPT = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Finished:
    """What became of a request to connect. `return_to` is the page that was named when it began."""

    connected: Connected
    return_to: str | None


def begin_authorization(
    connection: Connection, settings: Settings, *, requested_by: str, return_to: str | None = None
) -> str:
    """The address that the person is to open within 15 minutes, to connect the organization in scope."""
    state = f"{organization_in_scope(connection).slug}.{secrets.token_urlsafe(32)}"
    page = page_of_authorization(settings, state)
    connection.execute(
        text(
            """delete from quickbooks.authorization_request
               where organization_id = organizations.current()
                 and expires_at < clock_timestamp() - :kept"""
        ),
        {"kept": _KEPT},
    )
    connection.execute(
        text(
            """insert into quickbooks.authorization_request
                   (organization_id, state_sha256, requested_by, expires_at, return_to)
               values (organizations.current(), :state, :requested_by, clock_timestamp() + :lasts, :return_to)"""
        ),
        {"state": _hash(state), "requested_by": requested_by, "lasts": LASTS, "return_to": return_to},
    )
    return page


def organization_of(state: str) -> str | None:
    """The slug of the organization for which a state was made, as it says itself: what it is worth is known there."""
    slug, _, secret = state.partition(".")
    return slug if secret else None


def finish_authorization(organization: OrganizationContext, redirected_to: str) -> Finished:
    """Connects the organization by the address that the browser was sent back to. The same address once more does
    nothing, and gives the connection as it is then.

    Raises QuickBooksError where the person did not allow it, or the address does not belong to a request that this
    actor began for this organization and that is still open.
    """
    given = {name: values[0] for name, values in parse_qs(urlsplit(redirected_to.strip()).query).items()}
    if not given.get("state"):
        raise QuickBooksError("The address has no state; give the whole address that the browser was sent back to.")
    request = {"state": _hash(given["state"]), "person": organization.actor}
    brought = _hash(" ".join(given.get(name, "") for name in ("code", "realmId", "error")))
    with organization.scope() as connection:
        used = connection.execute(
            text(
                """update quickbooks.authorization_request set used_at = clock_timestamp(), brought_sha256 = :brought
                   where organization_id = organizations.current() and state_sha256 = :state
                     and requested_by = :person and used_at is null and expires_at > clock_timestamp()"""
            ),
            request | {"brought": brought},
        ).rowcount
        known = None if used else _finished(connection, request | {"brought": brought})
    if known is not None:
        return known
    if not used:
        raise QuickBooksError(
            "The address does not belong to an open request: it was used, is older than 15 minutes, or was asked for "
            "by another person or organization. Begin again.",
            code="STATE_REFUSED",
            hint="`quickbooks connect` begins",
        )
    if "error" in given:
        raise QuickBooksError(
            f"QuickBooks says that the connection was not allowed ({given['error'][:60]}).", code="NOT_ALLOWED"
        )
    if not given.get("code") or not given.get("realmId"):
        raise QuickBooksError("The address has no code or no realmId; begin again.", code="STATE_REFUSED")
    with open_http_client() as http:
        tokens = exchange_code(http, organization.settings, given["code"])
    allowed = ask_company(organization.settings, given["realmId"], tokens)
    with organization.scope() as connection:
        connected = connect(connection, organization.settings, allowed, connected_by=organization.actor)
        return_to = connection.execute(
            text(
                """update quickbooks.authorization_request set finished_at = clock_timestamp()
                   where organization_id = organizations.current() and state_sha256 = :state
                   returning return_to"""
            ),
            request,
        ).scalar_one()
    return Finished(connected, return_to)


def _finished(connection: Connection, request: dict[str, str]) -> Finished | None:
    row = connection.execute(
        text(
            """select return_to from quickbooks.authorization_request
               where organization_id = organizations.current() and state_sha256 = :state
                 and requested_by = :person and brought_sha256 = :brought and finished_at is not null"""
        ),
        request,
    ).one_or_none()
    return None if row is None else Finished(connection_of(connection), row.return_to)


def _hash(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()
