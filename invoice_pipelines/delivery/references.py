"""Finds invoices by the names that people use: id, number, or the batch job that issued them."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import Connection, text

_AT_ONCE = 10_000


def invoice_ids(connection: Connection, references: Iterable[str]) -> list[str]:
    """Ids of issued invoices and credit notes that are named by id or number, in the order given; what is unknown stays
    as it is, so that it becomes an item that says so.
    """
    given = [reference.strip().replace("\x00", "").encode("utf-8", "replace").decode() for reference in references]
    ids: dict[str, str] = {}
    for start in range(0, len(given), _AT_ONCE):
        rows = connection.execute(
            text(
                """select invoice_number, invoice_id::text as id from billing.invoice_numbers
                   where organization_id = organizations.current()
                     and invoice_number = any(cast(:numbers as text[]))"""
            ),
            {"numbers": given[start : start + _AT_ONCE]},
        )
        ids.update((row.invoice_number, row.id) for row in rows)
    return [ids.get(reference, reference)[:200] or "(empty)" for reference in given]


def issued_by_job(connection: Connection, job_id: UUID) -> list[str]:
    """Ids of the invoices that an invoicing job issued and that are not void by now, in the order of its request."""
    rows = connection.execute(
        text(
            """with done as materialized (  -- a cast in a join would keep row-level security from its index
                   select id, organization_id, (result ->> 'invoice_id')::uuid as invoice_id from work.items
                   where organization_id = organizations.current() and job_id = :job_id and status = 'succeeded'
               )
               select i.id
               from done d join billing.invoices i on i.organization_id = d.organization_id and i.id = d.invoice_id
               where i.status <> 'void'
               order by d.id"""
        ),
        {"job_id": job_id},
    )
    return [str(invoice_id) for invoice_id in rows.scalars()]
