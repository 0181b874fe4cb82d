"""QuickBooks: syncs that are asked for, and conflicts that people decide."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Path, Query
from pydantic import ConfigDict, Field, model_validator

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.quickbooks.conflicts.conflicts import find_conflict, list_conflicts
from invoice_pipelines.quickbooks.conflicts.decisions import resolve
from invoice_pipelines.quickbooks.connection.connections import connection_of
from invoice_pipelines.quickbooks.pull.asked import ask_for_pull
from invoice_pipelines.quickbooks.push.requests import ask_for_backlog, ask_for_invoices
from invoice_pipelines.quickbooks.values import EntityType
from invoice_pipelines.web.api.batch_requests import job_accepted
from invoice_pipelines.web.callers import At, Caller
from invoice_pipelines.web.paging import Page, PageQuery
from invoice_pipelines.web.routing import OrganizationRouter
from invoice_pipelines.web.values import Answer, Body, Instant, JobAccepted, Text

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


@router.post("/quickbooks/pulls", role=Role.ACCOUNTANT, area="quickbooks", status_code=202)
def pull_from_quickbooks(caller: Caller, body: PullRequest) -> JobAccepted:
    """Ask for a pull: what was changed in QuickBooks is read, as a batch operation with an item for each entity."""

    def effect(at: At) -> JobAccepted:
        entities = [_TYPES[name] for name in Pulled if name in body.entities]
        job = ask_for_pull(at.connection, entities, full=body.full, created_by=at.entry.actor)
        return job_accepted(at, job, _SECONDS_PER_PULL)

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
        return job_accepted(at, job, _SECONDS_PER_PUSH)

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
    caller.tag(*found.seen)
    return ConflictOut.model_validate(found)


@router.post("/quickbooks/conflicts/{conflict_id}/resolve", role=Role.ACCOUNTANT, area="quickbooks")
def resolve_quickbooks_conflict(caller: Caller, conflict_id: ConflictId, body: Decision) -> ConflictOut:
    """Decide a conflict. QuickBooks learns of it with the next push.

    Needs `If-Match` with the ETag of the conflict that was looked at.
    """

    def effect(at: At) -> ConflictOut:
        found = find_conflict(at.connection, str(conflict_id), lock=True)
        caller.require_match(*found.seen)
        decided = resolve(
            at.connection,
            connection_of(at.connection),
            str(conflict_id),
            body.decision,
            decided_by=at.entry.actor,
            value=body.value,
            link=body.link,
        )
        caller.tag(*decided.seen)
        return ConflictOut.model_validate(decided)

    return caller.once(body, effect)
