"""QuickBooks: the connection of an organization with its company.

Tokens are written here when a person connects a company, and never read: calls to QuickBooks are made by runs alone.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated
from urllib.parse import urlencode

from pydantic import ConfigDict, Field

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.quickbooks.connection.authorization import (
    LASTS,
    Finished,
    begin_authorization,
    finish_authorization,
)
from invoice_pipelines.quickbooks.connection.connections import (
    Connected,
    confirm_company,
    end_connection,
    find_connection,
)
from invoice_pipelines.quickbooks.connection.tokens import expiry_warnings
from invoice_pipelines.quickbooks.overview import sync_state
from invoice_pipelines.web.callers import At, Caller, RequestCaller
from invoice_pipelines.web.problems import needs_set_up
from invoice_pipelines.web.routing import OrganizationRouter
from invoice_pipelines.web.values import Answer, Body, Instant, LocalPage, Text

router = OrganizationRouter(tags=["quickbooks"])


class ConnectionStatus(StrEnum):
    """How an organization stands with QuickBooks."""

    NOT_CONNECTED = "not_connected"
    CONNECTED = "connected"
    UNCONFIRMED = "unconfirmed"
    NEEDS_RECONNECT = "needs_reconnect"
    DISCONNECTED = "disconnected"


class Company(Answer):
    """The company in QuickBooks, as it is set there."""

    realm_id: str
    name: str
    country: str
    home_currency: str


class Connection(Answer):
    """The connection of the organization with its company.

    `not_connected`: it never had one; `unconfirmed`: it is another company than before, and nothing is read or written
    until an admin confirms that; `needs_reconnect`: QuickBooks takes our tokens no more, an admin has to connect it
    again. `waiting` counts what is to be sent, `pulled_at` says when the last pull of each entity began that came to
    its end.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "status": "connected",
                    "status_reason": None,
                    "company": {
                        "realm_id": "9341453012345678",
                        "name": "Acme GmbH",
                        "country": "DE",
                        "home_currency": "EUR",
                    },
                    "paused_until": None,
                    "paused_reason": None,
                    "connected_at": "2026-01-02T09:00:00Z",
                    "connected_by": "anna@acme.example",
                    "warnings": [],
                    "waiting": 3,
                    "oldest_waiting_at": "2026-03-31T11:59:20Z",
                    "open_conflicts": 1,
                    "pulled_at": {"customers": "2026-03-31T01:00:00Z"},
                }
            ]
        }
    )

    status: ConnectionStatus
    status_reason: str | None = None
    company: Company | None = None
    paused_until: Instant | None = None
    paused_reason: str | None = None
    connected_at: Instant | None = None
    connected_by: str | None = None
    warnings: list[str] = Field(default_factory=list)
    waiting: int = 0
    oldest_waiting_at: Instant | None = None
    open_conflicts: int = 0
    pulled_at: dict[str, Instant] = Field(default_factory=dict)


class Authorization(Answer):
    """Where a person of the company allows the connection, until when. The address is shown once, as it holds the
    secret by which the callback is known again: a repeated request gets null, and a new key begins again.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "authorization_url": "https://appcenter.intuit.com/connect/oauth2?client_id=...&state=...",
                    "expires_at": "2026-03-31T12:15:00Z",
                }
            ]
        }
    )

    authorization_url: str | None
    expires_at: Instant

    def to_keep(self) -> Authorization:
        """Without the address."""
        return self.model_copy(update={"authorization_url": None})


class Beginning(Body):
    """Where the browser goes on from the landing; see `GET /api/v1/quickbooks/callback`."""

    return_to: Annotated[
        LocalPage | None, Field(description="A page of this site, from / on", examples=["/desk/acme/quickbooks"])
    ] = None

    model_config = ConfigDict(json_schema_extra={"examples": [{"return_to": "/desk/acme/quickbooks"}]})


class Callback(Body):
    """What the browser brought back from QuickBooks, as the parameters of the redirect address say it."""

    state: Annotated[Text, Field(min_length=1, max_length=200, examples=["Yk0d3nqkVx1B0oZ0mZx0x7J4"])]
    code: Annotated[Text | None, Field(max_length=2000, examples=["AB11588..."])] = None
    realm_id: Annotated[Text | None, Field(max_length=40, examples=["9341453012345678"])] = None
    error: Annotated[Text | None, Field(max_length=200, description="Why it was not allowed")] = None

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"state": "Yk0d3nqkVx1B0oZ0mZx0x7J4", "code": "AB11588...", "realm_id": "9341453012345678"}]
        }
    )


@router.get("/quickbooks", role=Role.VIEWER)
def get_quickbooks_connection(caller: Caller) -> Connection:
    """Get the connection with QuickBooks."""
    with caller.enter() as at:
        return _connection(at)


@router.post("/quickbooks/connect", role=Role.ADMIN, area="organization")
def connect_quickbooks(caller: Caller, body: Beginning | None = None) -> Authorization:
    """Begin to connect a company: gives the page on which a person of it allows that.

    QuickBooks then sends the browser to the redirect address of the app. Where that is `/api/v1/quickbooks/callback`
    of this server, the browser of who began finishes it; otherwise its parameters are posted to the callback, within 15
    minutes and by who began.
    """

    def effect(at: At) -> Authorization:
        with needs_set_up("QuickBooks"):
            page = begin_authorization(
                at.connection,
                at.organization.settings,
                requested_by=at.entry.actor,
                return_to=None if body is None else body.return_to,
            )
        return Authorization(authorization_url=page, expires_at=datetime.now(UTC) + LASTS)

    return caller.once(body, effect)


@router.post("/quickbooks/callback", role=Role.ADMIN, area="organization", once=False)
def finish_quickbooks_connection(caller: Caller, body: Callback) -> Connection:
    """Finish what connecting began: the code is exchanged for tokens, and the company is asked what it is set to.

    It needs no Idempotency-Key, as the state is good once: an equal request of the same person does nothing more and
    gets the connection as it is then.
    """
    finish(caller, {"state": body.state, "code": body.code, "realmId": body.realm_id, "error": body.error})
    with caller.enter() as at:
        return _connection(at)


@router.post("/quickbooks/confirm", role=Role.ADMIN, area="organization")
def confirm_quickbooks_company(caller: Caller) -> Connection:
    """Confirm that the organization works with another company from now on. Everything is then synced anew."""

    def effect(at: At) -> Connection:
        confirm_company(at.connection, confirmed_by=at.entry.actor)
        return _connection(at)

    return caller.once(None, effect)


@router.post("/quickbooks/disconnect", role=Role.ADMIN, area="organization")
def disconnect_quickbooks(caller: Caller) -> Connection:
    """End the connection. Its tokens are given back by the next run; what was synced stays known."""

    def effect(at: At) -> Connection:
        end_connection(at.connection, disconnected_by=at.entry.actor)
        return _connection(at)

    return caller.once(None, effect)


def finish(caller: RequestCaller, brought: dict[str, str | None]) -> Finished:
    """Finishes a connection by what the browser brought back, as the parameters are called at QuickBooks."""
    organization = caller.organization()
    with needs_set_up("QuickBooks"):
        return finish_authorization(
            organization, "?" + urlencode({name: value for name, value in brought.items() if value is not None})
        )


def _connection(at: At) -> Connection:
    connected, state = find_connection(at.connection), sync_state(at.connection)
    if connected is None or state is None:
        return Connection(status=ConnectionStatus.NOT_CONNECTED)
    is_paused = connected.is_paused(datetime.now(UTC))
    return Connection(
        status=ConnectionStatus(connected.status),
        status_reason=connected.status_reason,
        company=_company(connected),
        paused_until=connected.paused_until if is_paused else None,
        paused_reason=connected.paused_reason if is_paused else None,
        connected_at=connected.connected_at,
        connected_by=connected.connected_by,
        warnings=list(expiry_warnings(at.connection, datetime.now(UTC)).values()),
        waiting=state.waiting,
        oldest_waiting_at=state.oldest_waiting_at,
        open_conflicts=state.open_conflicts,
        pulled_at=dict(state.pulled_at),
    )


def _company(connected: Connected) -> Company:
    company = connected.company
    return Company(
        realm_id=connected.realm_id, name=company.name, country=company.country, home_currency=company.home_currency
    )
