"""The same decision about many conflicts, each in its own transaction: what one refuses stops no other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from invoice_pipelines.accounting.reports import ConflictDecision
from invoice_pipelines.accounting.system import RequestError
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.quickbooks.conflicts.conflicts import Conflict, ConflictError, find_conflict, list_conflicts
from invoice_pipelines.quickbooks.conflicts.decisions import resolve
from invoice_pipelines.quickbooks.connection.connections import Connected, find_connection

PAGE = 500


def decide_conflicts(
    organization: OrganizationContext,
    side: Literal["ours", "theirs"],
    conflicts: Sequence[str] = (),
    *,
    write: bool = False,
) -> list[ConflictDecision]:
    """Decides the named conflicts (by id), or all that are open, for one side. Without `write` each decision is made
    and undone, so that it is known what would come of it. Raises RequestError without a connection, and ConflictError
    for a conflict that is unknown.
    """
    with organization.scope() as connection:
        connected = find_connection(connection)
        named = [find_conflict(connection, written) for written in conflicts]
    if connected is None:
        raise RequestError("organization: it is not connected with QuickBooks.")
    return [_decide(organization, connected, side, one, write) for one in named or _open(organization)]


def _open(organization: OrganizationContext) -> Iterator[Conflict]:
    last = None
    while True:
        with organization.scope() as connection:
            page = list_conflicts(connection, after=last, limit=PAGE)
        yield from page
        if len(page) < PAGE:
            return
        last = page[-1].id


def _decide(
    organization: OrganizationContext,
    connected: Connected,
    side: Literal["ours", "theirs"],
    conflict: Conflict,
    write: bool,
) -> ConflictDecision:
    outcome, message = (side if write else f"would be {side}"), ""
    with organization.scope() as connection:
        decided = connection.begin_nested()
        try:
            resolve(connection, connected, str(conflict.id), side, decided_by=organization.actor)
        except ConflictError as error:
            outcome, message = "refused", str(error)
        if write and outcome != "refused":
            decided.commit()
        else:
            decided.rollback()
    return ConflictDecision(
        str(conflict.id),
        f"{conflict.entity_type} {conflict.record or conflict.quickbooks_id or ''}".strip(),
        conflict.field or conflict.kind,
        "" if conflict.ours is None else str(conflict.ours),
        "" if conflict.theirs is None else str(conflict.theirs),
        outcome,
        message,
    )
