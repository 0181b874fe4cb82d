"""Webhooks: endpoints that events are posted to, and what they were told."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import Path, Query
from pydantic import ConfigDict, Field

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.events.values import DeliveryStatus, EndpointStatus
from invoice_pipelines.events.webhooks import deliveries, endpoints
from invoice_pipelines.web.callers import At, Caller
from invoice_pipelines.web.paging import Page, PageQuery
from invoice_pipelines.web.problems import needs_set_up
from invoice_pipelines.web.routing import OrganizationRouter
from invoice_pipelines.web.values import Amount, Answer, Body, Instant, Text

router = OrganizationRouter(tags=["webhooks"])

ENDPOINT = "0199a1b2-0000-7000-8000-0000000000f1"
DELIVERY = "0199a1b2-0000-7000-8000-0000000000d1"
EndpointId = Annotated[UUID, Path(description="Id of the endpoint", examples=[ENDPOINT])]
DeliveryId = Annotated[UUID, Path(description="Id of the delivery", examples=[DELIVERY])]
EventTypes = Annotated[
    list[str],
    Field(
        max_length=50,
        description="Types such as invoice.paid, or invoice.* for a group; none: all",
        examples=[["invoice.paid", "batch_operation.*"]],
    ),
]

_ENDPOINT: dict[str, Any] = {
    "id": ENDPOINT,
    "url": "https://shop.example/hooks",
    "description": "the shop",
    "event_types": ["invoice.paid", "batch_operation.*"],
    "status": "enabled",
    "status_reason": None,
    "status_changed_at": "2026-03-31T12:00:00Z",
    "failures": 0,
    "failing_since": None,
    "rests_until": None,
    "waiting": 0,
    "created_at": "2026-03-31T12:00:00Z",
    "created_by": "anna@acme.example",
}
_LAST_ATTEMPT: dict[str, Any] = {
    "started_at": "2026-03-31T12:00:02Z",
    "duration_seconds": "0.231",
    "status_code": 500,
    "error_code": "HTTP_500",
    "error_message": "The endpoint answered 500.",
    "answer": "Internal Server Error",
}
_DELIVERY: dict[str, Any] = {
    "id": DELIVERY,
    "endpoint_id": ENDPOINT,
    "event_id": "0199a1b2-0000-7000-8000-0000000000e1",
    "event_type": "invoice.paid",
    "status": "pending",
    "created_at": "2026-03-31T12:00:01Z",
    "ended_at": None,
    "attempts": 1,
    **_LAST_ATTEMPT,
}


class Endpoint(Answer):
    """An endpoint. Without `event_types` it is told of all. `failures` are attempts since the last one that succeeded,
    `waiting` deliveries that are not done.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [_ENDPOINT]})

    id: UUID
    url: str
    description: str
    event_types: list[str]
    status: EndpointStatus
    status_reason: str | None
    status_changed_at: Instant
    failures: int
    failing_since: Instant | None
    rests_until: Instant | None
    waiting: int
    created_at: Instant
    created_by: str


class EndpointSecret(Answer):
    """The secret of an endpoint. It is in the first answer alone: an equal request with the same Idempotency-Key gets
    null. Until `earlier_until` the secrets before it sign as well.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "endpoint_id": ENDPOINT,
                    "secret": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
                    "earlier_until": "2026-04-01T12:00:00Z",
                    "url": f"/api/v1/organizations/acme/webhooks/{ENDPOINT}",
                }
            ]
        }
    )

    endpoint_id: UUID
    secret: str | None
    earlier_until: Instant
    url: str

    def to_keep(self) -> EndpointSecret:
        """Without the secret."""
        return self.model_copy(update={"secret": None})


class NewEndpoint(Body):
    """An endpoint to be added."""

    url: Annotated[str, Field(max_length=2000, description="https://...", examples=["https://shop.example/hooks"])]
    event_types: EventTypes = Field(default_factory=list)
    description: Annotated[Text, Field(max_length=200, examples=["the shop"])] = ""


class EndpointChange(Body):
    """What is changed of an endpoint; what is left out stays."""

    url: Annotated[str | None, Field(max_length=2000, examples=["https://shop.example/hooks/v2"])] = None
    event_types: EventTypes | None = None
    description: Annotated[Text | None, Field(max_length=200, examples=["the new shop"])] = None


class NewSecret(Body):
    """How a secret is changed."""

    keep_hours: Annotated[
        int, Field(ge=0, le=720, description="For how many hours the previous secrets stay valid; 0: not at all")
    ] = 24


class Reason(Body):
    """Why something is done."""

    reason: Annotated[Text, Field(min_length=1, max_length=200, examples=["the shop is rebuilt"])]


class Replay(Body):
    """Of which events an endpoint is told again."""

    since: Annotated[Instant, Field(description="All since then that it wants", examples=["2026-03-30T00:00:00Z"])]


class Replayed(Answer):
    """Of how many events an endpoint is told again."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"events": 17}]})

    events: int


class Delivery(Answer):
    """That an endpoint is told of an event, with its last attempt. `event_id` is the `webhook-id` of each attempt.
    Without `status_code` no answer came; without `duration_seconds` the attempt has not ended.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [_DELIVERY]})

    id: UUID
    endpoint_id: UUID
    event_id: UUID
    event_type: str | None
    status: DeliveryStatus
    created_at: Instant
    ended_at: Instant | None
    attempts: int
    started_at: Instant | None
    duration_seconds: Amount | None
    status_code: int | None
    error_code: str | None
    error_message: str | None
    answer: str | None


class Attempt(Answer):
    """One attempt of a delivery."""

    attempt: int
    started_at: Instant
    duration_seconds: Amount | None
    status_code: int | None
    error_code: str | None
    error_message: str | None
    answer: str | None


class DeliveryWithAttempts(Delivery):
    """A delivery with all of its attempts, the first one first."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{**_DELIVERY, "attempt_log": [{"attempt": 1, **_LAST_ATTEMPT}]}]}
    )

    attempt_log: list[Attempt]


@router.get("/webhooks", role=Role.ADMIN)
def list_webhooks(caller: Caller) -> Page[Endpoint]:
    """List the endpoints, the oldest first. There are at most 50, on one page."""
    with caller.enter() as at:
        found = endpoints.list_endpoints(at.connection)
    return Page[Endpoint](items=[Endpoint.model_validate(each) for each in found], next=None)


@router.post("/webhooks", role=Role.ADMIN, area="organization", status_code=201)
def add_webhook(caller: Caller, body: NewEndpoint) -> EndpointSecret:
    """Add an endpoint that is told of events from now on.

    Webhooks are posted and signed as Standard Webhooks says (standardwebhooks.com).
    """

    def effect(at: At) -> EndpointSecret:
        made = endpoints.add_endpoint(
            at.connection,
            at.organization.settings,
            body.url,
            event_types=body.event_types,
            description=body.description,
            created_by=at.entry.actor,
        )
        return _shown(at, made)

    with needs_set_up("The key for secrets"):
        return caller.once(body, effect)


@router.get("/webhooks/{endpoint_id}", role=Role.ADMIN)
def get_webhook(caller: Caller, endpoint_id: EndpointId) -> Endpoint:
    """Get an endpoint."""
    with caller.enter() as at:
        return Endpoint.model_validate(endpoints.get_endpoint(at.connection, endpoint_id))


@router.patch("/webhooks/{endpoint_id}", role=Role.ADMIN, area="organization")
def change_webhook(caller: Caller, endpoint_id: EndpointId, body: EndpointChange) -> Endpoint:
    """Change an endpoint."""
    with caller.enter() as at:
        endpoints.change_endpoint(
            at.connection, at.organization.settings, endpoint_id, **body.model_dump(exclude_none=True)
        )
        return Endpoint.model_validate(endpoints.get_endpoint(at.connection, endpoint_id))


@router.delete("/webhooks/{endpoint_id}", role=Role.ADMIN, area="organization", status_code=204)
def remove_webhook(caller: Caller, endpoint_id: EndpointId) -> None:
    """Remove an endpoint for good."""
    with caller.enter() as at:
        endpoints.remove_endpoint(at.connection, endpoint_id, at.entry.actor)


@router.post("/webhooks/{endpoint_id}/rotate-secret", role=Role.ADMIN, area="organization")
def rotate_webhook_secret(caller: Caller, endpoint_id: EndpointId, body: NewSecret) -> EndpointSecret:
    """Give an endpoint a new secret.

    Each webhook has a signature for each secret that holds, so that its receiver can change in its own time.
    """

    def effect(at: At) -> EndpointSecret:
        made = endpoints.rotate_secret(
            at.connection,
            at.organization.settings,
            endpoint_id,
            keep_earlier=timedelta(hours=body.keep_hours),
            created_by=at.entry.actor,
        )
        return _shown(at, made)

    with needs_set_up("The key for secrets"):
        return caller.once(body, effect)


@router.post("/webhooks/{endpoint_id}/disable", role=Role.ADMIN, area="organization")
def disable_webhook(caller: Caller, endpoint_id: EndpointId, body: Reason) -> Endpoint:
    """Tell an endpoint nothing any more, until it is enabled."""

    def effect(at: At) -> Endpoint:
        endpoints.disable_endpoint(at.connection, endpoint_id, body.reason)
        return Endpoint.model_validate(endpoints.get_endpoint(at.connection, endpoint_id))

    return caller.once(body, effect)


@router.post("/webhooks/{endpoint_id}/enable", role=Role.ADMIN, area="organization")
def enable_webhook(caller: Caller, endpoint_id: EndpointId) -> Endpoint:
    """Tell an endpoint of events again, from now on. A replay tells it what it missed."""

    def effect(at: At) -> Endpoint:
        endpoints.enable_endpoint(at.connection, endpoint_id)
        return Endpoint.model_validate(endpoints.get_endpoint(at.connection, endpoint_id))

    return caller.once(None, effect)


@router.post("/webhooks/{endpoint_id}/replay", role=Role.ADMIN, area="organization")
def replay_webhook(caller: Caller, endpoint_id: EndpointId, body: Replay) -> Replayed:
    """Tell an endpoint of all events since a moment again, also of those that it took: with the same ids."""

    def effect(at: At) -> Replayed:
        return Replayed(events=deliveries.replay_since(at.connection, endpoint_id, body.since))

    return caller.once(body, effect)


@router.get("/webhooks/{endpoint_id}/deliveries", role=Role.ADMIN)
def list_webhook_deliveries(
    caller: Caller,
    page: PageQuery,
    endpoint_id: EndpointId,
    status: Annotated[DeliveryStatus | None, Query(description="Only with this status")] = None,
) -> Page[Delivery]:
    """List what an endpoint was told, the newest first, with the last attempt of each."""
    with caller.enter() as at:
        rows = deliveries.list_deliveries(
            at.connection, endpoint_id, status=status, after=page.after_id, limit=page.one_more
        )
    return page.of(rows, key=lambda row: row.id)


@router.get("/webhook-deliveries/{delivery_id}", role=Role.ADMIN)
def get_webhook_delivery(caller: Caller, delivery_id: DeliveryId) -> DeliveryWithAttempts:
    """Get a delivery with all of its attempts."""
    with caller.enter() as at:
        found = deliveries.get_delivery(at.connection, delivery_id)
        log = deliveries.list_attempts(at.connection, delivery_id)
    return DeliveryWithAttempts(
        **Delivery.model_validate(found).model_dump(), attempt_log=[Attempt.model_validate(each) for each in log]
    )


@router.post("/webhook-deliveries/{delivery_id}/replay", role=Role.ADMIN, area="organization")
def replay_webhook_delivery(caller: Caller, delivery_id: DeliveryId) -> Delivery:
    """Tell an endpoint of an event again."""

    def effect(at: At) -> Delivery:
        deliveries.replay_delivery(at.connection, delivery_id)
        return Delivery.model_validate(deliveries.get_delivery(at.connection, delivery_id))

    return caller.once(None, effect)


def _shown(at: At, made: endpoints.NewSecret) -> EndpointSecret:
    return EndpointSecret(
        endpoint_id=made.endpoint_id,
        secret=made.secret,
        earlier_until=made.earlier_until,
        url=at.url("webhooks", made.endpoint_id),
    )
