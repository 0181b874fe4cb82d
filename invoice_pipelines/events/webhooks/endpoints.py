"""Endpoints: addresses of programs, what they want to be told of, and the secrets that they verify it with.

Functions work in the transaction of the connection, within the organization in scope. To add endpoints and secrets,
none is read: whoever may not read them can do it all the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, text

from invoice_pipelines.database import organization_scope
from invoice_pipelines.database.ids import find_id
from invoice_pipelines.encryption import EncryptionError, seal, unseal
from invoice_pipelines.events.values import RESTS, SEND_WEBHOOK, EndpointStatus, EventsError, check_event_types
from invoice_pipelines.events.webhooks.signatures import make_secret
from invoice_pipelines.events.webhooks.transport import check_url
from invoice_pipelines.organizations import list_organizations
from invoice_pipelines.settings import Settings

KEEP_EARLIER = timedelta(hours=24)
"""For how long the secrets before a new one sign as well."""
MOST_ENDPOINTS = 50
_LONGEST_DESCRIPTION = 200


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint. Without `event_types` it is told of all. `failures` are attempts since the last one that succeeded,
    `waiting` deliveries that are not done.
    """

    id: UUID
    url: str
    description: str
    event_types: tuple[str, ...]
    status: EndpointStatus
    status_reason: str | None
    status_changed_at: datetime
    failures: int
    failing_since: datetime | None
    rests_until: datetime | None
    waiting: int
    created_at: datetime
    created_by: str


@dataclass(frozen=True, slots=True)
class NewSecret:
    """A secret, which nobody can look up later, and until when earlier ones sign as well."""

    endpoint_id: UUID
    secret: str
    earlier_until: datetime


def add_endpoint(
    connection: Connection,
    settings: Settings,
    url: str,
    *,
    event_types: Sequence[str] = (),
    description: str = "",
    created_by: str,
) -> NewSecret:
    """Adds an endpoint that is told of events from now on. Raises EventsError that names the wrong field."""
    check_url(url, allow_local=settings.webhook_local_addresses)
    wanted = check_event_types(event_types)
    if len(description) > _LONGEST_DESCRIPTION:
        raise EventsError(f"description: at most {_LONGEST_DESCRIPTION} characters")
    known = connection.execute(
        text(
            """select count(*) as endpoints, coalesce(bool_or(url = :url), false) as is_known
               from events.webhook_endpoint
               where organization_id = organizations.current() and status <> 'removed'"""
        ),
        {"url": url},
    ).one()
    if known.is_known:
        raise EventsError("url: there is an endpoint with this address already", code="ENDPOINT_EXISTS")
    if known.endpoints >= MOST_ENDPOINTS:
        raise EventsError(
            f"There are {MOST_ENDPOINTS} endpoints already, which is the most.", code="TOO_MANY_ENDPOINTS"
        )
    endpoint_id = connection.execute(
        text(
            """insert into events.webhook_endpoint (organization_id, url, description, event_types, position, event_id,
                                                    created_by)
               select organizations.current(), :url, :description, :types, h.settled,
                      '00000000-0000-0000-0000-000000000000', :by
               from events.horizon(organizations.current()) h
               returning id"""
        ),
        {"url": url, "description": description, "types": wanted, "by": created_by},
    ).scalar_one()
    return _add_secret(connection, settings, endpoint_id, timedelta(0), created_by)


def rotate_secret(
    connection: Connection,
    settings: Settings,
    endpoint_id: UUID,
    *,
    keep_earlier: timedelta = KEEP_EARLIER,
    created_by: str,
) -> NewSecret:
    """Gives an endpoint a new secret. Those before it sign as well for a while, as its receiver has to learn of it."""
    if not timedelta(0) <= keep_earlier <= timedelta(days=30):
        raise EventsError("keep_earlier: from 0 to 30 days")
    get_endpoint(connection, endpoint_id)
    return _add_secret(connection, settings, endpoint_id, keep_earlier, created_by)


def change_endpoint(
    connection: Connection,
    settings: Settings,
    endpoint_id: UUID,
    *,
    url: str | None = None,
    event_types: Sequence[str] | None = None,
    description: str | None = None,
) -> None:
    """Changes what is given. What waits for a new address is tried there at once. Raises EventsError that names the
    wrong field.
    """
    if url is not None:
        check_url(url, allow_local=settings.webhook_local_addresses)
    if description is not None and len(description) > _LONGEST_DESCRIPTION:
        raise EventsError(f"description: at most {_LONGEST_DESCRIPTION} characters")
    wanted = None if event_types is None else check_event_types(event_types)
    get_endpoint(connection, endpoint_id)
    connection.execute(
        text(
            """update events.webhook_endpoint
               set url = coalesce(:url, url), description = coalesce(:description, description),
                   event_types = coalesce(cast(:types as text[]), event_types),
                   rests_until = case when coalesce(:url, url) = url then rests_until end
               where organization_id = organizations.current() and id = :id and status <> 'removed'"""
        ),
        {"id": endpoint_id, "url": url, "description": description, "types": wanted},
    )
    if url is not None:
        _wake(connection)


def disable_endpoint(connection: Connection, endpoint_id: UUID, reason: str) -> None:
    """Tells an endpoint nothing any more. What waits for it fails; `replay` sends it later."""
    _set_status(connection, endpoint_id, EndpointStatus.DISABLED, reason)


def enable_endpoint(connection: Connection, endpoint_id: UUID) -> None:
    """Tells an endpoint of events again, from now on. What it missed, `replay` sends."""
    get_endpoint(connection, endpoint_id)
    connection.execute(
        text(
            """update events.webhook_endpoint w
               set status = 'enabled', status_reason = null, status_changed_at = now(), failures = 0,
                   failing_since = null, rests_until = null, position = h.settled,
                   event_id = '00000000-0000-0000-0000-000000000000'
               from events.horizon(organizations.current()) h
               where w.organization_id = organizations.current() and w.id = :id and w.status = 'disabled'"""
        ),
        {"id": endpoint_id},
    )


def remove_endpoint(connection: Connection, endpoint_id: UUID, removed_by: str) -> None:
    """Removes an endpoint for good; what it was told stays in the log."""
    _set_status(connection, endpoint_id, EndpointStatus.REMOVED, f"removed by {removed_by}")


def list_endpoints(connection: Connection) -> list[Endpoint]:
    """The endpoints of the organization in scope, the oldest first, without removed ones."""
    rows = connection.execute(text(f"{_ENDPOINTS} and w.status <> 'removed' order by w.id"))
    return [_endpoint(row) for row in rows]


def get_endpoint(connection: Connection, endpoint_id: UUID) -> Endpoint:
    """An endpoint of the organization in scope. Raises EventsError where there is none, or it was removed."""
    row = connection.execute(
        text(f"{_ENDPOINTS} and w.id = :id and w.status <> 'removed'"), {"id": endpoint_id}
    ).first()
    if row is None:
        raise EventsError(f"This organization has no webhook endpoint {endpoint_id}.", code="ENDPOINT_NOT_FOUND")
    return _endpoint(row)


def find_endpoint(connection: Connection, written: str) -> Endpoint:
    """The endpoint whose id begins or ends with what was written. Raises UnknownId, and EventsError as above."""
    return get_endpoint(
        connection, find_id(connection, "events.webhook_endpoint", written, "a webhook endpoint", "webhooks list")
    )


def valid_secrets(connection: Connection, settings: Settings, organization_id: UUID, endpoint_id: UUID) -> list[str]:
    """What an endpoint's webhooks are signed with now, the newest first. Raises EncryptionError without its key."""
    rows = connection.execute(
        text(
            """select s.sealed from events.webhook_secret s
               where s.organization_id = organizations.current() and s.endpoint_id = :endpoint
                 and not exists (select from events.webhook_secret n
                                 where n.organization_id = s.organization_id and n.endpoint_id = s.endpoint_id
                                   and n.id > s.id and n.earlier_until <= now())
               order by s.id desc"""
        ),
        {"endpoint": endpoint_id},
    )
    owner = _owner(organization_id, endpoint_id)
    return [unseal(settings, owner, sealed)["secret"] for sealed in rows.scalars()]


def rotate_keys(engine: Engine, settings: Settings) -> tuple[int, list[str]]:
    """Encrypts all secrets anew with the first key; returns how many, and the slugs of organizations where no key opens
    one. Each organization is one transaction.
    """
    rotated, failed = 0, []
    for organization in list_organizations(engine, with_removed=True):
        with organization_scope(engine, organization.id) as connection:
            rows = connection.execute(
                text(
                    """select endpoint_id, id, sealed from events.webhook_secret
                       where organization_id = organizations.current() order by endpoint_id, id for no key update"""
                )
            ).all()
            try:
                for row in rows:
                    owner = _owner(organization.id, row.endpoint_id)
                    sealed = seal(settings, owner, unseal(settings, owner, row.sealed))
                    connection.execute(
                        text(
                            """update events.webhook_secret set sealed = :sealed
                               where organization_id = organizations.current() and endpoint_id = :endpoint
                                 and id = :id"""
                        ),
                        {"sealed": sealed, "endpoint": row.endpoint_id, "id": row.id},
                    )
                    rotated += 1
            except EncryptionError:
                failed.append(organization.slug)
    return rotated, failed


_ENDPOINTS = """
    select w.id, w.url, w.description, w.event_types, w.status, w.status_reason, w.status_changed_at, w.failures,
           w.failing_since, w.rests_until, w.created_at, w.created_by,
           (select count(*) from events.webhook_delivery d
            where d.organization_id = w.organization_id and d.endpoint_id = w.id and d.status = 'pending') as waiting
    from events.webhook_endpoint w
    where w.organization_id = organizations.current()
"""


def _endpoint(row: Any) -> Endpoint:
    values = dict(row._mapping)
    values |= {"status": EndpointStatus(row.status), "event_types": tuple(row.event_types)}
    return Endpoint(**values)


def _set_status(connection: Connection, endpoint_id: UUID, status: EndpointStatus, reason: str) -> None:
    get_endpoint(connection, endpoint_id)
    connection.execute(
        text(
            """update events.webhook_endpoint set status = :status, status_reason = :reason, status_changed_at = now()
               where organization_id = organizations.current() and id = :id and status <> 'removed'"""
        ),
        {"id": endpoint_id, "status": str(status), "reason": reason},
    )


def _add_secret(
    connection: Connection, settings: Settings, endpoint_id: UUID, keep_earlier: timedelta, created_by: str
) -> NewSecret:
    organization_id = connection.execute(text("select organizations.current()")).scalar_one()
    made = NewSecret(endpoint_id, make_secret(), datetime.now(UTC) + keep_earlier)
    connection.execute(
        text(
            """insert into events.webhook_secret (organization_id, endpoint_id, sealed, earlier_until, created_by)
               values (:organization, :endpoint, :sealed, :earlier_until, :by)"""
        ),
        {
            "organization": organization_id,
            "endpoint": endpoint_id,
            "sealed": seal(settings, _owner(organization_id, endpoint_id), {"secret": made.secret}),
            "earlier_until": made.earlier_until,
            "by": created_by,
        },
    )
    return made


def _wake(connection: Connection) -> None:
    """Lets all that waits as its endpoint rests be looked at now."""
    connection.execute(
        text("select work.make_due(:kind, array[:code], null, true)"), {"kind": SEND_WEBHOOK, "code": RESTS}
    )


def _owner(organization_id: UUID, endpoint_id: UUID) -> dict[str, str]:
    return {"organization_id": str(organization_id), "webhook_endpoint_id": str(endpoint_id)}
