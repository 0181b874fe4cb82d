"""What a person does with a conflict: shows which side counts, or another value, or which record is which.

It is applied here at once and put into the push queue where QuickBooks has to learn of it; who decided, and when, is
kept with the conflict and as an event.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal
from uuid import UUID

from sqlalchemy import Connection, text

from invoice_pipelines.quickbooks.api.countries import alpha_2
from invoice_pipelines.quickbooks.conflicts.conflicts import Conflict, ConflictError, find_conflict
from invoice_pipelines.quickbooks.connection.connections import Connected
from invoice_pipelines.quickbooks.events import record_event
from invoice_pipelines.quickbooks.pull import applying
from invoice_pipelines.quickbooks.pull.kinds import RECORD_KINDS
from invoice_pipelines.quickbooks.records.fields import RECORDS, load_rows, price, store_fields
from invoice_pipelines.quickbooks.records.mappings import load_mappings, save_mappings
from invoice_pipelines.quickbooks.records.merge import Value
from invoice_pipelines.quickbooks.values import KINDS, EntityType
from invoice_pipelines.work import enqueue

Decision = Literal["ours", "theirs", "edited"]
THEIRS_ONLY = ("unit_price", "is_active")
"""Fields of items that are always those of QuickBooks: they are never sent there."""


def resolve(
    connection: Connection,
    connected: Connected,
    written_id: str,
    decision: Decision,
    *,
    decided_by: str,
    value: str | None = None,
    link: str | None = None,
) -> Conflict:
    """Decides an open conflict; returns it as it is then.

    `ours` and `theirs` say whose value counts, `edited` takes `value` for both sides. For a record of QuickBooks that
    may be one of ours, `ours` with `link` (a customer number or SKU) says which one, and `theirs` makes it a new one.
    Conflicts of other kinds are only closed: what they tell of is put right on one of the sides, or retried. Raises
    ConflictError where that is not possible.
    """
    conflict = find_conflict(connection, written_id, lock=True)
    if conflict.status != "open":
        raise ConflictError(
            f"conflict {conflict.id} was decided by {conflict.decided_by} already", code="ALREADY_DECIDED"
        )
    if conflict.realm_id != connected.realm_id:
        raise ConflictError(f"conflict {conflict.id} is of another QuickBooks company ({conflict.realm_id})")
    if (decision == "edited") != (value is not None):
        raise ConflictError("value: it is given where the decision is `edited`, and nowhere else")
    if link is not None and (conflict.kind != "ambiguous" or decision != "ours"):
        raise ConflictError("only a record of QuickBooks that may be one of ours is linked, as ours")
    if conflict.kind == "field":
        _decide_field(connection, connected, conflict, decision, value)
    elif decision == "edited":
        raise ConflictError(f"conflict {conflict.id} is not about a value; take ours or theirs")
    elif conflict.kind == "ambiguous":
        _decide_record(connection, connected, conflict, decision, link)
    connection.execute(
        text(
            """update quickbooks.conflict
               set status = 'resolved', winner = :winner, decided_by = :by, resolved_at = clock_timestamp()
               where organization_id = organizations.current() and id = :id"""
        ),
        {"id": conflict.id, "winner": decision, "by": decided_by},
    )
    record_event(
        connection,
        conflict.realm_id,
        "CONFLICT_DECIDED",
        f"{decided_by} decided: {decision}. {conflict.message}",
        entity_type=str(conflict.entity_type),
        local_id=conflict.local_id,
        quickbooks_id=conflict.quickbooks_id,
        detail={"conflict": conflict.id, "decision": decision, "value": value, "link": link, "by": decided_by},
    )
    return find_conflict(connection, str(conflict.id))


def _decide_field(
    connection: Connection, connected: Connected, conflict: Conflict, decision: Decision, edited: str | None
) -> None:
    entity, local_id, field = conflict.entity_type, conflict.local_id, conflict.field
    if local_id is None or field is None:
        raise ConflictError(f"conflict {conflict.id} names no record of ours")
    known = load_mappings(connection, connected.realm_id, entity, [local_id]).get(local_id)
    ours = load_rows(connection, entity, [local_id], lock=True).get(local_id)
    if known is None or ours is None:
        raise ConflictError(f"the record of conflict {conflict.id} is not in QuickBooks any more")
    if decision != "theirs" and entity is EntityType.ITEM and field in THEIRS_ONLY:
        raise ConflictError(f"{field} of an item is always that of QuickBooks: change it there")
    chosen: Value = {"ours": ours[field], "theirs": conflict.theirs}.get(decision)
    if decision == "edited":
        chosen = _checked(connection, entity, local_id, field, str(edited))
    if chosen != ours[field]:
        store_fields(connection, entity, {local_id: {field: chosen}})
    # What they have is what both had last, from now on: so what we have is sent, if it is something else.
    snapshot = {**known.snapshot, field: conflict.theirs}
    snapshot["theirs"] = {name: form for name, form in (snapshot.get("theirs") or {}).items() if name != field}
    save_mappings(
        connection,
        connected.realm_id,
        entity,
        [replace(known, snapshot=snapshot)],
    )
    if chosen != conflict.theirs:
        enqueue(connection, KINDS[entity], [local_id])


def _checked(connection: Connection, entity: EntityType, local_id: UUID, field: str, written: str) -> Value:
    """The value as its field takes it. Raises ConflictError that names the field."""
    value = written.strip()
    if field == "is_active":
        if value.lower() not in ("true", "false"):
            raise ConflictError(f"is_active is true or false, not {value[:40]!r}")
        return value.lower() == "true"
    if field == "country_code":
        code = alpha_2(value)
        if code is None:
            raise ConflictError(f"country_code: {value[:40]!r} is not a country of ISO 3166-1, such as DE")
        return code
    if field == "unit_price":
        try:
            return price(value)
        except ArithmeticError:
            raise ConflictError(f"unit_price: {value[:40]!r} is not a number like 12.50") from None
    if not value and field in ("name", "sku"):
        raise ConflictError(f"{field} cannot be empty")
    if field == "sku":
        taken = connection.execute(
            text(
                """select 1 from billing.items where organization_id = organizations.current()
                   and sku = :sku and id <> :id"""
            ),
            {"sku": value, "id": local_id},
        ).first()
        if taken is not None:
            raise ConflictError(f"sku: another item has {value[:40]!r}")
    return value or None


def _decide_record(
    connection: Connection, connected: Connected, conflict: Conflict, decision: Decision, link: str | None
) -> None:
    local_id = None
    if decision == "ours":
        local_id = _candidate(conflict, link)
        if local_id in load_mappings(connection, connected.realm_id, conflict.entity_type, [local_id]):
            raise ConflictError("that record is linked to another one of QuickBooks already")
    applying.apply(
        RECORD_KINDS[conflict.entity_type],
        connection,
        connected,
        [conflict.theirs],
        [],
        server_time=None,
        decided={str(conflict.quickbooks_id): local_id},
    )


def _candidate(conflict: Conflict, link: str | None) -> UUID:
    key = RECORDS[conflict.entity_type].key
    choices = {str(each[key]): UUID(str(each["id"])) for each in conflict.ours or []}
    if link is None and len(choices) == 1:
        return next(iter(choices.values()))
    if link not in choices:
        raise ConflictError(
            f"link: say which record it is, one of {', '.join(sorted(choices))}", hint="by the option --link"
        )
    return choices[str(link)]
