"""Exports that a person or a program asks for: a batch job of the invoices, which the export stage does first.

What is done is the open work of the stage; the items end with what becomes of their invoices (see
`intake.settle_asked_work`). The connection is in the scope of the organization.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Connection, text

from invoice_pipelines.intake.received_invoices import (
    NotExported,
    ask_for_new_export,
    is_in_pending_export,
    named_statuses,
    statuses_of,
)
from invoice_pipelines.intake.states import EXPORT, EXPORT_NOW, Status
from invoice_pipelines.work import BatchAnswer, ask, enqueue, put_first

SECONDS_PER_INVOICE = 0.01


def ask_for_export(connection: Connection, *, asked_by: str) -> BatchAnswer:
    """Has everything exported that is validated. What DATEV alone still refuses is tried again, too, without being an
    item of the job.
    """
    waiting = connection.execute(text("select received_invoice_id from public.datev_waiting_invoice")).scalars()
    enqueue(connection, EXPORT, list(waiting))
    validated = connection.execute(
        text("select id from intake.received_invoice where status = 'VALIDATED' order by id")
    ).scalars()
    return _ask(connection, list(validated), asked_by)


def export_again(connection: Connection, invoice_ids: Sequence[UUID], *, asked_by: str) -> BatchAnswer:
    """Has exported invoices exported once more. Raises UnknownInvoice, and NotExported naming each that is not
    EXPORTED, or is in an export at this moment; then nothing is asked for.
    """
    statuses = statuses_of(connection, invoice_ids)
    others = {one: status for one, status in statuses.items() if status is not Status.EXPORTED}
    if others:
        raise NotExported(
            f"only exported invoices can be exported again, and {named_statuses(others)}. Nothing was asked for; leave "
            "these out.",
            others,
        )
    busy = {one: status for one, status in statuses.items() if is_in_pending_export(connection, one)}
    if busy:
        raise NotExported(
            f"an export that has begun holds {', '.join(map(str, busy))}; ask again once it is completed.", busy
        )
    ask_for_new_export(connection, list(statuses))
    return _ask(connection, list(statuses), asked_by)


def _ask(connection: Connection, invoice_ids: Sequence[UUID], asked_by: str) -> BatchAnswer:
    enqueue(connection, EXPORT, invoice_ids)
    put_first(connection, EXPORT, invoice_ids)
    return ask(connection, EXPORT_NOW, invoice_ids, created_by=asked_by, seconds_per_item=SECONDS_PER_INVOICE)
