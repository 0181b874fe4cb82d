"""The connection of an organization with its company, and what is synced between the two, when, and how far it is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import Form, Response
from sqlalchemy import Connection

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.quickbooks.api.usage import read_usage
from invoice_pipelines.quickbooks.connection.authorization import LASTS, begin_authorization
from invoice_pipelines.quickbooks.connection.connections import (
    Connected,
    confirm_company,
    connection_of,
    end_connection,
    find_connection,
)
from invoice_pipelines.quickbooks.connection.tokens import expiry_dates
from invoice_pipelines.quickbooks.overview import failed_entries, sync_state, waiting_entries
from invoice_pipelines.quickbooks.pull.asked import ask_for_pull
from invoice_pipelines.quickbooks.push.requests import ask_for_backlog
from invoice_pipelines.quickbooks.schedule import hour, next_pull
from invoice_pipelines.quickbooks.values import KINDS, PULL, EntityType
from invoice_pipelines.settings import Settings
from invoice_pipelines.web.callers import At
from invoice_pipelines.web.pages.batch_operations.words import Words
from invoice_pipelines.web.pages.quickbooks.words import shown
from invoice_pipelines.web.pages.routing import Page, PageRouter, seen_tag
from invoice_pipelines.web.problems import needs_set_up
from invoice_pipelines.work import Job, history

router = PageRouter()

_IMPORTED = (EntityType.CUSTOMER, EntityType.ITEM, EntityType.PAYMENT)
_FAILED_SINCE = timedelta(days=7)
_JOBS = 6
Key = Annotated[str, Form(max_length=100)]
Seen = Annotated[str, Form(max_length=100)]
Entities = Annotated[list[EntityType], Form()]


@dataclass(frozen=True, slots=True)
class Synced:
    """How an entity stands. `next_at` is when it is read by itself; in the past: as soon as it can be."""

    entity: EntityType
    pulled_at: datetime | None
    next_at: datetime | None
    waiting: int | None


@router.get("/quickbooks", role=Role.VIEWER)
def quickbooks(page: Page, quickbooks: str = "") -> Response:
    """How the organization stands with its company. `quickbooks` is how the browser came back from there."""
    with page.enter() as at:
        connection, now = at.connection, datetime.now(UTC)
        connected, state = find_connection(connection), sync_state(connection)
        if connected is None or state is None:
            return page.show(
                "quickbooks/connection.html",
                connected=None,
                landed=quickbooks,
                open_conflicts=0,
                **shown(page.language),
            )
        month = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        failed = [
            {"entity": entity, **entry}
            for entity in KINDS
            for entry in failed_entries(connection, entity, now - _FAILED_SINCE)
        ]
        return page.show(
            "quickbooks/connection.html",
            connected=connected,
            seen=_tag(connected),
            landed=quickbooks,
            environment=environment_of(at.organization.settings),
            is_paused=connected.is_paused(now),
            expiry=expiry_dates(connection, now),
            open_conflicts=state.open_conflicts,
            oldest_waiting_at=state.oldest_waiting_at,
            synced=_synced(at, connected, dict(state.pulled_at), now),
            now=now,
            jobs=_jobs_of(connection),
            words=Words(page.language),
            failed=failed,
            this_month=read_usage(connection, month, connected.realm_id),
            this_hour=read_usage(connection, now, connected.realm_id),
            settings=at.organization.settings,
            imported=_IMPORTED,
            pushed=list(KINDS),
            **shown(page.language),
        )


@router.post("/quickbooks/connect", role=Role.ADMIN, area="organization", people_only=True)
def connect(page: Page) -> Response:
    """Begins to connect a company, and says where that is allowed: the way there is a link, as the browser sends no
    form of ours on to another site.
    """
    with page.enter() as at, needs_set_up("QuickBooks"):
        address = begin_authorization(
            at.connection, at.organization.settings, requested_by=at.entry.actor, return_to=page.url("quickbooks")
        )
        return page.show("quickbooks/connect.html", address=address, minutes=int(LASTS.total_seconds() // 60))


@router.post("/quickbooks/confirm", role=Role.ADMIN, area="organization", people_only=True)
def confirm(page: Page, key: Key = "", seen: Seen = "") -> Response:
    """Works with another company from now on."""

    def effect(at: At) -> str:
        page.require_seen(seen, *_state(connection_of(at.connection)))
        confirm_company(at.connection, confirmed_by=at.entry.actor)
        return page.url("quickbooks")

    return page.once_to(key, seen, effect, page.gettext("Confirmed. Everything is synced with this company now."))


@router.post("/quickbooks/disconnect", role=Role.ADMIN, area="organization", people_only=True)
def disconnect(page: Page, key: Key = "", seen: Seen = "") -> Response:
    """Ends the connection."""

    def effect(at: At) -> str:
        page.require_seen(seen, *_state(connection_of(at.connection)))
        end_connection(at.connection, disconnected_by=at.entry.actor)
        return page.url("quickbooks")

    return page.once_to(key, seen, effect, page.gettext("Disconnected. What was synced stays known here."))


@router.post("/quickbooks/pulls", role=Role.ACCOUNTANT, area="quickbooks")
def sync_now(page: Page, key: Key = "", entities: Entities = [], full: Annotated[bool, Form()] = False) -> Response:  # noqa: B006 - FastAPI copies it
    """Reads what was changed there, or everything; what waits to be sent goes with it."""
    page.check()
    if not entities:
        return page.go(page.url("quickbooks"), page.gettext("Choose what is to be read, then try again."), "warn")
    chosen = [entity for entity in EntityType if entity in entities]

    def effect(at: At) -> str:
        ask_for_pull(at.connection, chosen, full=full, created_by=at.entry.actor)
        return page.url("quickbooks") + "#work"

    said = page.gettext("Asked for. It runs as soon as a worker is free; below you see how far it is.")
    return page.once_to(key, f"{chosen} {full}", effect, said)


@router.post("/quickbooks/pushes", role=Role.ACCOUNTANT, area="quickbooks")
def push_backlog(page: Page, key: Key = "", entities: Entities = []) -> Response:  # noqa: B006 - FastAPI copies it
    """Sends all that QuickBooks never had."""
    page.check()
    chosen = [entity for entity in KINDS if entity in entities]
    if not chosen:
        return page.go(page.url("quickbooks"), page.gettext("Choose what is to be sent, then try again."), "warn")

    def effect(at: At) -> str:
        for entity in chosen:
            ask_for_backlog(at.connection, entity, created_by=at.entry.actor)
        return page.url("quickbooks") + "#work"

    said = page.gettext("Asked for. It runs as soon as a worker is free; below you see how far it is.")
    return page.once_to(key, str(chosen), effect, said)


def _jobs_of(connection: Connection) -> list[Job]:
    """The syncs that people asked for, the newest first."""
    found = [job for kind in (PULL, *KINDS.values()) for job in history(connection, kind=kind, limit=_JOBS).jobs]
    return sorted(found, key=lambda job: job.created_at, reverse=True)[:_JOBS]


def environment_of(settings: Settings) -> str:
    """Whether it is Intuit's QuickBooks (`live`), its test companies (`test`), or a sandbox of ours (`sandbox`)."""
    host = urlsplit(settings.quickbooks_api_url).hostname or ""
    if not host.endswith(".intuit.com"):
        return "sandbox"
    return "test" if host.startswith("sandbox-") else "live"


def _synced(at: At, connected: Connected, pulled_at: dict[str, datetime], now: datetime) -> list[Synced]:
    settings, zone = at.organization.settings, at.organization.organization.time_zone
    hours = {
        EntityType.CUSTOMER: settings.quickbooks_customers_at,
        EntityType.ITEM: settings.quickbooks_items_at,
        EntityType.INVOICE: settings.quickbooks_payments_at,  # they are compared before payments are read
        EntityType.PAYMENT: settings.quickbooks_payments_at,
    }
    waiting, _ = waiting_entries(at.connection)
    found = []
    for entity in EntityType:
        last = pulled_at.get(entity.plural)
        began = last or connected.connected_at or now
        next_at = next_pull(hour(hours[entity]), zone, began, now) if connected.status == "connected" else None
        found.append(Synced(entity, last, next_at, waiting.get(entity)))
    return found


def _state(connected: Connected) -> tuple[Any, ...]:
    return connected.realm_id, connected.status


def _tag(connected: Connected) -> str:
    return seen_tag(*_state(connected))
