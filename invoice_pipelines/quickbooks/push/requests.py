"""What a person asks the push for: named invoices, or all that QuickBooks never had, as one batch job."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Connection, text

from invoice_pipelines.accounting.system import RequestError
from invoice_pipelines.quickbooks.api.faults import NotConnected
from invoice_pipelines.quickbooks.values import KINDS, EntityType
from invoice_pipelines.work import create_job

NAMED = 5
"""Unknown invoices that an error names."""


def ask_for_invoices(connection: Connection, invoices: Sequence[str], *, created_by: str) -> UUID:
    """Asks for the push of invoices, by number or id, as one batch job in their order; returns its id.

    What is there already is skipped when its turn comes; what waits for its push by itself is done with the job.
    Raises RequestError where the organization in scope does not have one of them; then nothing is asked for.
    """
    rows = connection.execute(
        text(
            """with given as materialized (  -- a cast in a join would keep row-level security from its index
                   select name, place, case when pg_input_is_valid(name, 'uuid') then name::uuid end as id
                   from unnest(cast(:given as text[])) with ordinality as g (name, place)
               )
               select g.place, coalesce(n.invoice_id, i.id) as id
               from given g
               left join billing.invoice_numbers n
                   on n.organization_id = organizations.current() and n.invoice_number = g.name
               left join billing.invoices i on i.organization_id = organizations.current() and i.id = g.id
               order by g.place"""
        ),
        {"given": [name.strip() for name in invoices]},
    ).all()
    if unknown := [invoices[row.place - 1] for row in rows if row.id is None]:
        more = f" and {len(unknown) - NAMED} more" if len(unknown) > NAMED else ""
        raise RequestError(f"invoices: there is no {', '.join(unknown[:NAMED])}{more} in this organization.")
    connection.execute(
        text("select work.let_job_lead(:kind, cast(:ids as text[]))"),
        {"kind": KINDS[EntityType.INVOICE], "ids": [str(row.id) for row in rows]},
    )
    return create_job(connection, KINDS[EntityType.INVOICE], [row.id for row in rows], created_by=created_by)


def ask_for_backlog(connection: Connection, entity: EntityType, *, created_by: str) -> UUID:
    """The same as `enqueue_backlog`, with a batch job also where nothing is missing: one without items."""
    return enqueue_backlog(connection, entity, created_by=created_by) or create_job(
        connection, KINDS[entity], [], created_by=created_by
    )


def enqueue_backlog(
    connection: Connection, entity: EntityType, *, created_by: str = "push of the backlog"
) -> UUID | None:
    """Asks for all of the organization in scope that QuickBooks never had, as one batch job; None: nothing is missing.

    Raises NotConnected without a connection.
    """
    connected = connection.execute(
        text(
            """select realm_id from quickbooks.connection
               where organization_id = organizations.current() and status <> 'disconnected'"""
        )
    ).one_or_none()
    if connected is None:
        raise NotConnected
    job: UUID | None = connection.execute(
        text("select quickbooks.enqueue_backlog(:realm, :entity, :creator)"),
        {"realm": connected.realm_id, "entity": entity.value, "creator": created_by},
    ).scalar_one()
    return job
