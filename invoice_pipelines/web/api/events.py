"""Events: what changed in an organization, for programs that ask now and then."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query
from pydantic import ConfigDict

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.events.feed import newest_events, read_events
from invoice_pipelines.web.callers import Caller
from invoice_pipelines.web.paging import Page, PageQuery, cursor
from invoice_pipelines.web.routing import OrganizationRouter
from invoice_pipelines.web.values import Answer, Instant

router = OrganizationRouter(tags=["events"])


class EventOut(Answer):
    """Something that changed. `subject_id` is what it is about, `data` ids, numbers and statuses, amounts as text."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "0199a1b2-0000-7000-8000-0000000000e1",
                    "type": "invoice.paid",
                    "created_at": "2026-03-31T12:00:00Z",
                    "subject_id": "0199a1b2-0000-7000-8000-000000000017",
                    "data": {
                        "invoice_id": "0199a1b2-0000-7000-8000-000000000017",
                        "invoice_number": "INV-2026-000017",
                    },
                }
            ]
        }
    )

    id: UUID
    type: str
    created_at: Instant
    subject_id: UUID
    data: dict[str, Any]


@router.get("/events", role=Role.VIEWER, is_polled=True)
def list_events(
    caller: Caller,
    page: PageQuery,
    type: Annotated[
        list[str] | None,
        Query(description="Only these types, such as invoice.paid, or invoice.* for a group", max_length=50),
    ] = None,
    start: Annotated[
        Literal["oldest", "now"],
        Query(description="Where to begin without `after`: with the oldest that is kept, or now"),
    ] = "oldest",
) -> Page[EventOut]:
    """List events, the oldest first.

    `next` is never null: keep it, and ask again with it later for what followed. Whoever does so misses no event and
    gets none twice. The same events are posted to webhooks.
    """
    with caller.enter() as at:
        if page.after is None and start == "now":
            found = newest_events(at.connection, limit=1)
            return Page[Any].model_construct(items=[], next=cursor(page.list_name, found.next))
        found = read_events(at.connection, after=page.after, types=type or (), limit=page.limit)
    return Page[Any].model_construct(items=list(found.events), next=cursor(page.list_name, found.next))
