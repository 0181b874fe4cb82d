"""Finds and reports invoices that were changed in QuickBooks after they were sent.

An issued invoice never changes here, so nothing is pulled; and it is not pushed again over what a person did there.
What is compared is the snapshot that was taken when it was sent, which payments do not move. How an invoice differs is
kept with its mapping, so that each change is reported once. Where QuickBooks had come to another total than ours and
somebody sets that right there, it is no difference: from then on that version is what is compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, text

from invoice_pipelines.database.filters import planned_by_order
from invoice_pipelines.promises import SAMPLE, Finding
from invoice_pipelines.quickbooks.api.answers import updated_at
from invoice_pipelines.quickbooks.events import Event, record_events
from invoice_pipelines.quickbooks.invoices.document import invoice_snapshot
from invoice_pipelines.quickbooks.payments.promises import number_of
from invoice_pipelines.quickbooks.records.documents import is_older
from invoice_pipelines.quickbooks.values import Applied, EntityType, as_json

if TYPE_CHECKING:
    from invoice_pipelines.quickbooks.connection.connections import Connected
    from invoice_pipelines.quickbooks.values import Deleted

_NOTHING = (None, "0")
_OTHERWISE = ("lines", "deposit")


def apply(
    connection: Connection,
    connected: Connected,
    documents: Sequence[Mapping[str, Any]],
    deleted: Sequence[Deleted],
    *,
    server_time: datetime,
) -> Applied:
    """Compares invoices as QuickBooks has them with what was sent, and records each difference once.

    `conflicts` counts new differences, `skipped` invoices that are not ours. An invoice that is void on both sides does
    not differ. One that is deleted there has its mapping closed.
    """
    read = {str(document["Id"]): document for document in documents if "Id" in document}
    gone = {tombstone.quickbooks_id: tombstone.at for tombstone in deleted}
    rows = {
        row.quickbooks_id: row
        for row in connection.execute(
            text("select * from quickbooks.pushed_invoices(:realm, :ids)"),
            {"realm": connected.realm_id, "ids": sorted(read.keys() | gone.keys())},
        )
    }
    notes, events = [], []
    for quickbooks_id, row in rows.items():
        snapshot: dict[str, Any] | None = None
        if quickbooks_id in gone:
            at: Any = gone[quickbooks_id] or server_time
            state, token = "deleted", row.sync_token
            drift = None if row.status == "void" else {"state": "deleted"}
        else:
            document = read[quickbooks_id]
            token, at = str(document.get("SyncToken", row.sync_token)), updated_at(document)
            if is_older(token, row.sync_token):
                continue
            state, drift = _compare(row, document)
            if _is_mended(row, document):
                drift, snapshot = None, invoice_snapshot(document)
        if (state, drift, snapshot) == (row.state, row.drift, None):
            continue
        notes.append(
            {
                "local_id": row.local_id,
                "state": state,
                "sync_token": token,
                "drift": drift,
                "remote_updated_at": at,
                "snapshot": snapshot,
            }
        )
        if snapshot is not None or drift != row.drift:
            events.append(_event(row, drift, is_mended=snapshot is not None))
    if notes:
        connection.execute(
            text("select quickbooks.note_drift(:realm, cast(:notes as jsonb))"),
            {"realm": connected.realm_id, "notes": as_json(notes)},
        )
    record_events(connection, connected.realm_id, events)
    drifted = sum(note["drift"] is not None for note in notes)
    return Applied(
        updated=len(notes) - drifted,
        unchanged=len(rows) - len(notes),
        conflicts=drifted,
        skipped=len(read.keys() | gone.keys()) - len(rows),
    )


def drifted_invoices(connection: Connection) -> Finding:
    """No invoice that was sent was changed, voided or deleted on the other side."""
    query = f"""
        select {number_of("d.local_id")}, d.drift, count(*) over ()
        from quickbooks.connection c
        cross join lateral (
            select m.local_id, m.drift from quickbooks.mapping m
            where m.organization_id = c.organization_id and m.realm_id = c.realm_id and m.drift is not null
            order by m.organization_id, m.realm_id, m.local_id) d
        where c.status <> 'disconnected'
        order by 1 limit {SAMPLE}"""
    with planned_by_order(connection):
        rows = connection.execute(text(query)).all()
    return Finding(rows[0][2] if rows else 0, tuple(f"{row[0]}: {_in_words(row[1])}" for row in rows))


def _compare(row: Any, document: Mapping[str, Any]) -> tuple[str, dict[str, Any] | None]:
    """The state of the mapping, and how the invoice differs from what was sent."""
    now = invoice_snapshot(document)
    if now["total"] in _NOTHING and row.snapshot.get("total") not in _NOTHING:
        return ("void", None) if row.status == "void" else (row.state, {"state": "void"})
    if row.state == "void" and row.snapshot.get("total") not in _NOTHING:
        return row.state, {"state": "active"}
    changed = {name: [value, now.get(name)] for name, value in row.snapshot.items() if value != now.get(name, value)}
    return row.state, {"changed": changed} if changed else None


def _is_mended(row: Any, document: Mapping[str, Any]) -> bool:
    """Whether an invoice whose total had not been ours there has our total, customer and currency now."""
    sent, now = row.snapshot, invoice_snapshot(document)
    return (
        row.status != "void"
        and sent.get("total") is not None
        and now["total"] is not None
        and Decimal(sent["total"]) != row.gross_amount == Decimal(now["total"])
        and all(sent.get(name) == now[name] for name in ("number", "customer", "currency", "date"))
    )


def _event(row: Any, drift: Mapping[str, Any] | None, *, is_mended: bool) -> Event:
    number = row.invoice_number or row.local_id
    more = (EntityType.INVOICE, row.local_id, row.quickbooks_id)
    if is_mended:
        return Event(
            "TOTAL_AGREES", f"Invoice {number} has the same total in QuickBooks as here, again.", "info", *more
        )
    if drift is None:
        return Event("DRIFT_ENDED", f"Invoice {number} is the same in QuickBooks and here again.", "info", *more)
    message = f"Invoice {number} differs between QuickBooks and here: {_in_words(drift)}. "
    return Event("DRIFT", message + "Set it right there, or void or credit it here.", "warning", *more, drift)


def _in_words(drift: Mapping[str, Any]) -> str:
    if "state" in drift:
        return {"void": "void there", "deleted": "deleted there", "active": "not void there"}[drift["state"]]
    changed = drift["changed"]
    parts = [f"{name} {before} became {after}" for name, (before, after) in changed.items() if name not in _OTHERWISE]
    if "deposit" in changed:
        parts.append(f"a deposit of {changed['deposit'][1]} is on it, which no payment tells of (`invoices pay`)")
    return ", ".join(parts + (["other lines"] if "lines" in changed else []))
