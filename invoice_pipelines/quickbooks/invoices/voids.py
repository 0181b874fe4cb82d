"""How an invoice that was voided here is voided in QuickBooks.

Each is read first, as any payment moves its SyncToken, and a void is refused while one is applied. One that is void or
deleted there already needs no call. A refusal is final: a person decides whether the payment or the void stands.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from invoice_pipelines.quickbooks.api import exact_json
from invoice_pipelines.quickbooks.api.client import QuickBooks
from invoice_pipelines.quickbooks.api.faults import Fault
from invoice_pipelines.quickbooks.conflicts import conflicts
from invoice_pipelines.quickbooks.connection.connections import Connected
from invoice_pipelines.quickbooks.events import record_event
from invoice_pipelines.quickbooks.invoices.document import invoice_snapshot
from invoice_pipelines.quickbooks.push.batches import Batch, Ended, end_operations
from invoice_pipelines.quickbooks.records.mappings import Mapped, mapped, save_mappings
from invoice_pipelines.quickbooks.values import EntityType
from invoice_pipelines.work import Failed, Outcome, Succeeded

GONE = "610"
STALE = "5010"


def is_void(document: Mapping[str, Any]) -> bool:
    """Whether an invoice there was voided."""
    return document.get("TotalAmt") == 0 and str(document.get("PrivateNote") or "").startswith("Voided")


def is_paid(document: Mapping[str, Any]) -> bool:
    """Whether a payment is applied to an invoice there, which keeps it from being voided."""
    return any(link.get("TxnType") == "Payment" for link in document.get("LinkedTxn") or ())


def read_invoice(quickbooks: QuickBooks, known: Mapped) -> Mapping[str, Any] | None:
    """The invoice as it is there; None where it was deleted."""
    try:
        return quickbooks.read("Invoice", known.quickbooks_id)
    except Fault as fault:
        if fault.code == GONE:
            return None
        raise


def send_void(quickbooks: QuickBooks, batch: Batch) -> dict[str, Any]:
    """Sends a stored void, for the first time or again."""
    return quickbooks.write("Invoice", exact_json.loads(batch.body), request_id=batch.request_id, operation="void")


def record_void(
    connection: Connection, connected: Connected, known: Mapped, document: Mapping[str, Any], batch: Batch | None
) -> Outcome:
    """Records that the invoice is void there: by us (`batch`), or it was already."""
    save_mappings(
        connection,
        connected.realm_id,
        EntityType.INVOICE,
        [mapped(known.local_id, document, invoice_snapshot(document), "void")],
    )
    if batch is not None:
        end_operations(connection, batch, {batch.operations[0].b_id: Ended("done")})
    return Succeeded({"operation": "void", "quickbooks_id": known.quickbooks_id})


def record_deleted(connection: Connection, connected: Connected, known: Mapped, batch: Batch | None) -> Outcome:
    """Records that the invoice is not there any more, so that there is nothing to void."""
    closed = Mapped(
        known.local_id, known.quickbooks_id, known.sync_token, known.snapshot, "deleted", known.remote_updated_at
    )
    save_mappings(connection, connected.realm_id, EntityType.INVOICE, [closed])
    if batch is not None:
        end_operations(connection, batch, {batch.operations[0].b_id: Ended("failed")})
    record_event(
        connection,
        connected.realm_id,
        "DELETED_THERE",
        "An invoice that was voided here was deleted in QuickBooks: there is nothing to void.",
        severity="warning",
        entity_type=EntityType.INVOICE.value,
        local_id=known.local_id,
        quickbooks_id=known.quickbooks_id,
    )
    return Succeeded({"operation": "none", "quickbooks_id": known.quickbooks_id})


def record_refusal(
    connection: Connection, connected: Connected, known: Mapped, reason: str, fault: Fault | None, batch: Batch | None
) -> Outcome:
    """Records, once, that QuickBooks keeps the invoice: it is void here and stands there."""
    message = f"The invoice is void here but stands in QuickBooks (id {known.quickbooks_id}): {reason}"
    is_new = conflicts.open_conflict(
        connection,
        connected.realm_id,
        EntityType.INVOICE,
        "void_refused",
        message,
        local_id=known.local_id,
        quickbooks_id=known.quickbooks_id,
    )
    if is_new:
        record_event(
            connection,
            connected.realm_id,
            "VOID_REFUSED",
            message,
            severity="error",
            entity_type=EntityType.INVOICE.value,
            local_id=known.local_id,
            quickbooks_id=known.quickbooks_id,
            intuit_tid=None if fault is None else fault.intuit_tid,
        )
    if batch is not None:
        end_operations(connection, batch, {batch.operations[0].b_id: Ended("failed", fault)})
    return Failed("VOID_REFUSED", message)
