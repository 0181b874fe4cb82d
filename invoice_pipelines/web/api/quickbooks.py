"""QuickBooks: the connection of an organization with its company, syncs that are asked for, and conflicts.

Tokens are written here when a person connects a company, and never read: calls to QuickBooks are made by runs alone.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Literal
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Path, Query
from pydantic import ConfigDict, Field, model_validator

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.quickbooks.conflicts.conflicts import Conflict, find_conflict, list_conflicts
from invoice_pipelines.quickbooks.conflicts.decisions import resolve
from invoice_pipelines.quickbooks.connection.authorization import LASTS, begin_authorization, finish_authorization
from invoice_pipelines.quickbooks.connection.connections import (
    Connected,
    confirm_company,
    connection_of,
    end_connection,
    find_connection,
)
from invoice_pipelines.quickbooks.connection.tokens import expiry_warnings
from invoice_pipelines.quickbooks.overview import sync_state
from invoice_pipelines.quickbooks.pull.asked import ask_for_pull
from invoice_pipelines.quickbooks.push.requests import ask_for_backlog, ask_for_invoices
from invoice_pipelines.quickbooks.values import EntityType
from invoice_pipelines.web.callers import At, Caller
from invoice_pipelines.web.paging import Page, PageQuery
from invoice_pipelines.web.problems import needs_set_up
from invoice_pipelines.web.routing import OrganizationRouter
from invoice_pipelines.web.values import Answer, Body, Instant, JobAccepted, Text
from invoice_pipelines.work import answer_of

router = OrganizationRouter(tags=["quickbooks"])

CONFLICT = "0199a1b2-0000-7000-8000-0000000000a7"
ConflictId = Annotated[UUID, Path(description="Id of the conflict", examples=[CONFLICT])]
_SECONDS_PER_PUSH = 0.2
_SECONDS_PER_PULL = 30.0


class Pulled(StrEnum):
    """What can be read from QuickBooks. Invoices are compared with what was sent."""

    CUSTOMERS = "customers"
    ITEMS = "items"
    INVOICES = "invoices"
    PAYMENTS = "payments"


class Pushed(StrEnum):
    """What is sent to QuickBooks."""

    CUSTOMERS = "customers"
    ITEMS = "items"
    INVOICES = "invoices"


_TYPES = {entity.plural: entity for entity in EntityType}


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


class PullRequest(Body):
    """What is to be read from QuickBooks."""

    entities: Annotated[list[Pulled], Field(min_length=1, max_length=4, examples=[["customers", "items"]])]
    full: Annotated[bool, Field(description="Everything, not only what was changed since the last pull")] = False


class PushRequest(Body):
    """What is to be sent to QuickBooks: all of an entity that it never had, or these invoices."""

    entity: Annotated[Pushed | None, Field(description="All of this that QuickBooks never had")] = None
    invoices: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=200)]] | None,
        Field(min_length=1, max_length=10_000, description="Ids or numbers", examples=[["INV-2026-000017"]]),
    ] = None

    model_config = ConfigDict(json_schema_extra={"examples": [{"invoices": ["INV-2026-000017"]}]})

    @model_validator(mode="after")
    def _is_one_of_both(self) -> PushRequest:
        if (self.entity is None) == (self.invoices is None):
            raise ValueError("give either entity or invoices")
        return self


class ConflictOut(Answer):
    """What both sides changed, or what cannot be brought together without a person. `base`, `ours` and `theirs` are the
    values that both had last, we have, and QuickBooks has; of an `ambiguous` record, `ours` are the candidates.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": CONFLICT,
                    "status": "open",
                    "entity_type": "customer",
                    "kind": "field",
                    "record": "C-1042",
                    "local_id": "0199a1b2-0000-7000-8000-000000000002",
                    "quickbooks_id": "58",
                    "field": "email",
                    "message": "Both sides changed the email.",
                    "base": "rechnung@bauhaus-schmidt.example",
                    "ours": "buchhaltung@bauhaus-schmidt.example",
                    "theirs": "office@bauhaus-schmidt.example",
                    "ours_changed_at": "2026-03-30T10:00:00Z",
                    "theirs_changed_at": "2026-03-30T11:00:00Z",
                    "winner": None,
                    "decided_by": None,
                    "created_at": "2026-03-31T01:00:02Z",
                    "resolved_at": None,
                }
            ]
        }
    )

    id: UUID
    status: Literal["open", "resolved"]
    entity_type: EntityType
    kind: str
    record: str | None
    local_id: UUID | None
    quickbooks_id: str | None
    field: str | None
    message: str
    base: Any
    ours: Any
    theirs: Any
    ours_changed_at: Instant | None
    theirs_changed_at: Instant | None
    winner: Literal["ours", "theirs", "edited"] | None
    decided_by: str | None
    created_at: Instant
    resolved_at: Instant | None


class Decision(Body):
    """Which side counts. `edited` takes `value` for both sides; of an ambiguous record, `ours` with `link` (a customer
    number or SKU) says which of ours it is, and `theirs` makes it a new one.
    """

    decision: Annotated[Literal["ours", "theirs", "edited"], Field(examples=["ours"])]
    value: Annotated[Text | None, Field(max_length=1000)] = None
    link: Annotated[Text | None, Field(max_length=200)] = None

    model_config = ConfigDict(json_schema_extra={"examples": [{"decision": "ours"}]})


@router.get("/quickbooks", role=Role.VIEWER)
def get_quickbooks_connection(caller: Caller) -> Connection:
    """Get the connection with QuickBooks."""
    with caller.enter() as at:
        return _connection(at)


@router.post("/quickbooks/connect", role=Role.ADMIN, area="organization")
def connect_quickbooks(caller: Caller) -> Authorization:
    """Begin to connect a company: gives the page on which a person of it allows that.

    QuickBooks then sends the browser to the redirect address of the app; its parameters go into the callback, within
    15 minutes and by who began.
    """

    def effect(at: At) -> Authorization:
        with needs_set_up("QuickBooks"):
            page = begin_authorization(at.connection, at.organization.settings, requested_by=at.entry.actor)
        return Authorization(authorization_url=page, expires_at=datetime.now(UTC) + LASTS)

    return caller.once(None, effect)


@router.post("/quickbooks/callback", role=Role.ADMIN, area="organization", once=False)
def finish_quickbooks_connection(caller: Caller, body: Callback) -> Connection:
    """Finish what connecting began: the code is exchanged for tokens, and the company is asked what it is set to.

    It needs no Idempotency-Key, as the state is good once: an equal request of the same person does nothing more and
    gets the connection as it is then.
    """
    organization = caller.organization()
    given = {"state": body.state, "code": body.code, "realmId": body.realm_id, "error": body.error}
    with needs_set_up("QuickBooks"):
        finish_authorization(
            organization.engine,
            organization.settings,
            organization.id,
            "?" + urlencode({name: value for name, value in given.items() if value is not None}),
            person=organization.actor,
        )
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


@router.post("/quickbooks/pulls", role=Role.ACCOUNTANT, area="quickbooks", status_code=202)
def pull_from_quickbooks(caller: Caller, body: PullRequest) -> JobAccepted:
    """Ask for a pull: what was changed in QuickBooks is read, as a batch operation with an item for each entity."""

    def effect(at: At) -> JobAccepted:
        entities = [_TYPES[name] for name in Pulled if name in body.entities]
        job = ask_for_pull(at.connection, entities, full=body.full, created_by=at.entry.actor)
        return _accepted(at, job, _SECONDS_PER_PULL)

    return caller.once(body, effect)


@router.post("/quickbooks/pushes", role=Role.ACCOUNTANT, area="quickbooks", status_code=202)
def push_to_quickbooks(caller: Caller, body: PushRequest) -> JobAccepted:
    """Ask for a push: of given invoices, or of all of an entity that QuickBooks never had, as a batch operation.

    Changes are pushed by themselves within minutes; nothing need be asked for.
    """

    def effect(at: At) -> JobAccepted:
        if body.invoices is not None:
            job = ask_for_invoices(at.connection, body.invoices, created_by=at.entry.actor)
        else:
            job = ask_for_backlog(at.connection, _TYPES[str(body.entity)], created_by=at.entry.actor)
        return _accepted(at, job, _SECONDS_PER_PUSH)

    return caller.once(body, effect)


@router.get("/quickbooks/conflicts", role=Role.VIEWER)
def list_quickbooks_conflicts(
    caller: Caller,
    page: PageQuery,
    status: Annotated[Literal["open", "resolved", "all"], Query(description="Only with this status")] = "open",
) -> Page[ConflictOut]:
    """List conflicts, the oldest first."""
    with caller.enter() as at:
        rows = list_conflicts(
            at.connection, status=None if status == "all" else status, after=page.after_id, limit=page.one_more
        )
    return page.of(rows, key=lambda row: row.id)


@router.get("/quickbooks/conflicts/{conflict_id}", role=Role.VIEWER)
def get_quickbooks_conflict(caller: Caller, conflict_id: ConflictId) -> ConflictOut:
    """Get a conflict. Its ETag goes with the decision."""
    with caller.enter() as at:
        found = find_conflict(at.connection, str(conflict_id))
    caller.tag(*_state(found))
    return ConflictOut.model_validate(found)


@router.post("/quickbooks/conflicts/{conflict_id}/resolve", role=Role.ACCOUNTANT, area="quickbooks")
def resolve_quickbooks_conflict(caller: Caller, conflict_id: ConflictId, body: Decision) -> ConflictOut:
    """Decide a conflict. QuickBooks learns of it with the next push.

    Needs `If-Match` with the ETag of the conflict that was looked at.
    """

    def effect(at: At) -> ConflictOut:
        found = find_conflict(at.connection, str(conflict_id), lock=True)
        caller.require_match(*_state(found))
        decided = resolve(
            at.connection,
            connection_of(at.connection),
            str(conflict_id),
            body.decision,
            decided_by=at.entry.actor,
            value=body.value,
            link=body.link,
        )
        caller.tag(*_state(decided))
        return ConflictOut.model_validate(decided)

    return caller.once(body, effect)


def _connection(at: At) -> Connection:
    connected, state = find_connection(at.connection), sync_state(at.connection)
    if connected is None or state is None:
        return Connection(status=ConnectionStatus.NOT_CONNECTED)
    is_paused = connected.paused_until is not None and connected.paused_until > datetime.now(UTC)
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


def _accepted(at: At, job_id: UUID, seconds_per_item: float) -> JobAccepted:
    answer = answer_of(at.connection, job_id, seconds_per_item=seconds_per_item)
    return JobAccepted(
        job_id=str(job_id),
        total=answer.total,
        estimated_duration_seconds=answer.estimated_seconds,
        url=at.url("batch-operations", job_id),
    )


def _state(conflict: Conflict) -> tuple[object, ...]:
    return conflict.id, conflict.status, conflict.ours, conflict.theirs
