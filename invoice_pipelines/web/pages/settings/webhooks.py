"""Webhooks: endpoints that events are posted to, their secrets, and what they were told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import Form, Query, Response

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.events.values import EVENT_TYPES, DeliveryStatus, EventsError
from invoice_pipelines.events.webhooks import deliveries, endpoints
from invoice_pipelines.web.callers import At
from invoice_pipelines.web.pages.errors import N_
from invoice_pipelines.web.pages.routing import Page, PageCaller, PageRouter
from invoice_pipelines.web.pages.settings import webhook_words
from invoice_pipelines.web.paging import PageQuery
from invoice_pipelines.web.problems import needs_set_up

router = PageRouter()
_URL = N_(
    "Write the whole address, which begins with https:// and can be reached from the internet, such as "
    "https://shop.example/hooks."
)
_WRONG = {
    "url": _URL,
    "event_types": N_("Choose from the list."),
    "description": N_("Write at most 200 characters."),
    "ENDPOINT_EXISTS": N_("There is an endpoint with this address already."),
    "TOO_MANY_ENDPOINTS": N_("There are 50 endpoints already, which is the most. Remove one first."),
}
Types = Annotated[list[str], Form(max_length=50)]
Key = Annotated[str, Form(max_length=100)]
LongText = Annotated[str, Form(max_length=5000)]


class _Wrong(Exception):
    """What was typed of an endpoint is wrong: the field, and why."""

    def __init__(self, field: str, said: str) -> None:
        super().__init__(said)
        self.field = field
        self.said = said


@router.get("/settings/webhooks", role=Role.ADMIN)
def webhooks(page: Page) -> Response:
    """The endpoints, the oldest first."""
    return _list(page)


@router.post("/settings/webhooks", role=Role.ADMIN, area="organization")
def add_endpoint(
    page: Page,
    url: LongText = "",
    description: LongText = "",
    event_types: Types = [],  # noqa: B006 - FastAPI makes a new one for each form
    key: Key = "",
) -> Response:
    """Adds an endpoint, and shows its secret once."""

    def make(at: At) -> endpoints.NewSecret:
        return endpoints.add_endpoint(
            at.connection,
            at.organization.settings,
            url.strip(),
            event_types=event_types,
            description=description.strip(),
            created_by=at.entry.actor,
        )

    typed = {"url": url, "description": description, "event_types": event_types}
    try:
        with _named(page), needs_set_up("The key for secrets"):
            made = page.once_shown(key, f"{url} {description} {event_types}", make)
    except _Wrong as wrong:
        return _list(page, typed=typed, wrong={wrong.field: wrong.said}, status=422)
    return _list(page, secret=made.secret if made else None, again=made is None)


@router.get("/settings/webhooks/{endpoint_id}", role=Role.ADMIN)
def webhook(
    page: Page,
    of: PageQuery,
    endpoint_id: UUID,
    status: Annotated[str, Query(max_length=20)] = "",
) -> Response:
    """An endpoint, and what it was told, the newest first."""
    return _one(page, endpoint_id, of=of, shown_status=status)


@router.post("/settings/webhooks/{endpoint_id}", role=Role.ADMIN, area="organization")
def change_endpoint(
    page: Page,
    endpoint_id: UUID,
    url: LongText = "",
    description: LongText = "",
    event_types: Types = [],  # noqa: B006 - FastAPI makes a new one for each form
) -> Response:
    """Changes where an endpoint is, and what it wants."""
    try:
        with _named(page), page.enter() as at:
            endpoints.change_endpoint(
                at.connection,
                at.organization.settings,
                endpoint_id,
                url=url.strip(),
                description=description.strip(),
                event_types=event_types,
            )
    except _Wrong as wrong:
        typed = {"url": url, "description": description, "event_types": event_types}
        return _one(page, endpoint_id, typed=typed, wrong={wrong.field: wrong.said}, status=422)
    return _back(page, endpoint_id, page.gettext("The endpoint is changed."))


@router.post("/settings/webhooks/{endpoint_id}/rotate-secret", role=Role.ADMIN, area="organization")
def rotate_secret(
    page: Page, endpoint_id: UUID, keep_hours: Annotated[str, Form(max_length=10)] = "24", key: Key = ""
) -> Response:
    """Gives an endpoint a new secret, and shows it once."""
    hours = int(keep_hours) if keep_hours in ("0", "24", "168") else 24

    def rotate(at: At) -> endpoints.NewSecret:
        return endpoints.rotate_secret(
            at.connection,
            at.organization.settings,
            endpoint_id,
            keep_earlier=timedelta(hours=hours),
            created_by=at.entry.actor,
        )

    with needs_set_up("The key for secrets"):
        made = page.once_shown(key, f"{hours}", rotate)
    until = made.earlier_until if made is not None and hours else None
    return _one(page, endpoint_id, secret=made.secret if made else None, earlier_until=until, again=made is None)


@router.post("/settings/webhooks/{endpoint_id}/disable", role=Role.ADMIN, area="organization")
def disable_endpoint(page: Page, endpoint_id: UUID) -> Response:
    """Tells an endpoint nothing any more, until it is enabled."""
    with page.enter() as at:
        endpoints.disable_endpoint(at.connection, endpoint_id, at.entry.actor)
    return _back(page, endpoint_id, page.gettext("The endpoint receives no events until you enable it."))


@router.post("/settings/webhooks/{endpoint_id}/enable", role=Role.ADMIN, area="organization")
def enable_endpoint(page: Page, endpoint_id: UUID) -> Response:
    """Tells an endpoint of events again, from now on."""
    with page.enter() as at:
        endpoints.enable_endpoint(at.connection, endpoint_id)
    return _back(page, endpoint_id, page.gettext("The endpoint is told of what happens from now on."))


@router.post("/settings/webhooks/{endpoint_id}/remove", role=Role.ADMIN, area="organization")
def remove_endpoint(page: Page, endpoint_id: UUID) -> Response:
    """Removes an endpoint for good."""
    with page.enter() as at:
        endpoints.remove_endpoint(at.connection, endpoint_id, at.entry.actor)
    return page.go(page.url("settings", "webhooks"), page.gettext("The endpoint is removed."))


@router.post("/settings/webhooks/{endpoint_id}/replay", role=Role.ADMIN, area="organization")
def replay_endpoint(
    page: Page, endpoint_id: UUID, days: Annotated[str, Form(max_length=10)] = "1", key: Key = ""
) -> Response:
    """Tells an endpoint again of all events of some days."""
    since = datetime.now(UTC) - timedelta(days=int(days) if days in ("1", "7", "30") else 1)
    told: list[int] = []

    def replay(at: At) -> str:
        told.append(deliveries.replay_since(at.connection, endpoint_id, since))
        return page.url("settings", "webhooks", endpoint_id)

    answer = page.once_to(key, days, replay, "")
    count = told[0] if told else 0
    said = page.ngettext("%(num)s event is told again.", "%(num)s events are told again.", count) % {"num": count}
    return page.go(answer.headers["location"], said)


@router.get("/settings/webhook-deliveries/{delivery_id}", role=Role.ADMIN)
def webhook_delivery(page: Page, delivery_id: UUID) -> Response:
    """A delivery with all of its attempts."""
    with page.enter() as at:
        found = deliveries.get_delivery(at.connection, delivery_id)
        attempts = deliveries.list_attempts(at.connection, delivery_id)
        endpoint = endpoints.get_endpoint(at.connection, found.endpoint_id)
    return page.show("settings/delivery.html", delivery=found, attempts=attempts, endpoint=endpoint, **_words(page))


@router.post("/settings/webhook-deliveries/{delivery_id}/replay", role=Role.ADMIN, area="organization")
def replay_delivery(page: Page, delivery_id: UUID) -> Response:
    """Tells an endpoint of an event again."""
    with page.enter() as at:
        deliveries.replay_delivery(at.connection, delivery_id)
    return page.go(
        page.url("settings", "webhook-deliveries", delivery_id), page.gettext("The event is told again soon.")
    )


def _list(page: PageCaller, *, status: int = 200, **values: Any) -> Response:
    with page.enter() as at:
        found = endpoints.list_endpoints(at.connection)
    given = {
        "typed": {"url": "", "description": "", "event_types": []},
        "wrong": {},
        "secret": None,
        "again": False,
        **values,
    }
    return page.show("settings/webhooks.html", status=status, endpoints=found, **_words(page), **given)


def _one(
    page: PageCaller, endpoint_id: UUID, *, of: Any = None, shown_status: str = "", status: int = 200, **values: Any
) -> Response:
    chosen = DeliveryStatus(shown_status) if shown_status in tuple(DeliveryStatus) else None
    after, most = (of.after_id, of.one_more) if of is not None else (None, 51)
    with page.enter() as at:
        found = endpoints.get_endpoint(at.connection, endpoint_id)
        rows = deliveries.list_deliveries(at.connection, endpoint_id, status=chosen, after=after, limit=most)
    told = of.of(rows, key=lambda row: row.id) if of is not None else None
    given = {
        "typed": {"url": found.url, "description": found.description, "event_types": found.event_types},
        "wrong": {},
        "secret": None,
        "earlier_until": None,
        "again": False,
        **values,
    }
    return page.show(
        "settings/webhook.html",
        status=status,
        endpoint=found,
        deliveries=told.items if told else rows[:50],
        next=told.next if told else None,
        chosen=shown_status,
        **_words(page),
        **given,
    )


def _words(page: PageCaller) -> dict[str, Any]:
    return {
        "groups": webhook_words.event_groups(page.language),
        "event_words": lambda name: webhook_words.event_words(name, page.language),
        "outcome_words": lambda attempt: webhook_words.outcome_words(attempt, page.language),
        "all_types": len(EVENT_TYPES),
    }


def _back(page: PageCaller, endpoint_id: UUID, said: str) -> Response:
    return page.go(page.url("settings", "webhooks", endpoint_id), said)


@contextmanager
def _named(page: PageCaller) -> Iterator[None]:
    """Raises _Wrong for what the domain says of a field."""
    try:
        yield
    except EventsError as error:
        field = str(error).partition(":")[0]
        said = _WRONG.get(error.code) or _WRONG.get(field)
        if said is None:
            raise
        raise _Wrong(field if field in _WRONG else "url", page.gettext(said)) from None
