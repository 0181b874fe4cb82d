"""Opt-outs: addresses that nothing is sent to."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Path, Query
from pydantic import ConfigDict

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.delivery.messages.opt_outs import (
    add_opt_out,
    end_opt_out,
    get_opt_out,
    list_opt_outs,
    opt_out_of,
)
from invoice_pipelines.web.api.billing.bulk import Resource, examples
from invoice_pipelines.web.callers import At, Caller
from invoice_pipelines.web.paging import Page, PageQuery
from invoice_pipelines.web.routing import OrganizationRouter
from invoice_pipelines.web.values import Body, Instant, Text

router = OrganizationRouter(tags=["opt-outs"])

OptOutId = Annotated[UUID, Path(description="Id of the opt-out")]
WithEnded = Annotated[bool, Query(description="Also what has ended")]


class NewOptOut(Body):
    """An address that nothing is to be sent to any more."""

    model_config = examples({"channel": "email", "address": "ap@bauhaus-schmidt.example", "note": "asked for paper"})

    channel: Text
    address: Text
    note: Text | None = None


class OptOutOut(Resource):
    """An address that nothing is sent to by a channel, until `ended_at`: its owner said so, or it bounced."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "0199a1b2-0000-7000-8000-000000000014",
                    "channel": "email",
                    "recipient": "ap@bauhaus-schmidt.example",
                    "reason": "opted_out",
                    "note": "asked for paper",
                    "created_at": "2026-03-31T12:00:00Z",
                    "created_by": "anna@example.com",
                    "ended_at": None,
                    "ended_by": None,
                }
            ]
        }
    )

    id: UUID
    channel: str
    recipient: str
    reason: str
    note: str | None
    created_at: Instant
    created_by: str
    ended_at: Instant | None
    ended_by: str | None


@router.get("/opt-outs", role=Role.VIEWER)
def list_all_opt_outs(
    caller: Caller,
    page: PageQuery,
    with_ended: WithEnded = False,
) -> Page[OptOutOut]:
    """List opt-outs, the oldest first."""
    with caller.enter() as at:
        rows = list_opt_outs(at.connection, with_ended=with_ended, after=page.after_id, limit=page.one_more)
    return page.of(rows, key=lambda row: row.id)


@router.post("/opt-outs", role=Role.ACCOUNTANT, area="delivery", status_code=201)
def create_opt_out(
    caller: Caller,
    body: NewOptOut,
) -> OptOutOut:
    """Send nothing to an address any more. What is in force already stays as it is."""

    def create(at: At) -> OptOutOut:
        add_opt_out(at.connection, body.channel, body.address, note=body.note, created_by=at.entry.actor)
        made = OptOutOut.model_validate(opt_out_of(at.connection, body.channel, body.address))
        return made.made_at(at.url("opt-outs", made.id))

    return caller.once(body, create)


@router.get("/opt-outs/{opt_out}", role=Role.VIEWER)
def get_one_opt_out(caller: Caller, opt_out: OptOutId, with_ended: WithEnded = False) -> OptOutOut:
    """Get an opt-out."""
    with caller.enter() as at:
        return OptOutOut.model_validate(get_opt_out(at.connection, opt_out, with_ended=with_ended))


@router.delete("/opt-outs/{opt_out}", role=Role.ACCOUNTANT, area="delivery", status_code=204)
def remove_opt_out(caller: Caller, opt_out: OptOutId) -> None:
    """End an opt-out: messages go to the address again. It stays on record, for whoever asks `with_ended`."""
    with caller.enter() as at:
        found = get_opt_out(at.connection, opt_out)
        if found.ended_at is None:
            end_opt_out(at.connection, found.channel, found.recipient, ended_by=at.entry.actor)
