"""What the items of batch jobs are about, as people call it: see batch_items.sql. Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection, text

from invoice_pipelines.database.filters import planned_by_order


@dataclass(frozen=True, slots=True)
class Subject:
    """What an item is about. `kind` is sales_order, invoice, customer, item or received_invoice; `id` is that of the
    record, `number` what people call it by (of a received invoice None, where it was not read), `name` says more.
    `invoice` is the number of the invoice that came of it.
    """

    kind: str
    id: UUID
    number: str | None
    name: str | None
    invoice: str | None


def subjects_of(connection: Connection, item_ids: Sequence[UUID]) -> dict[UUID, Subject]:
    """By the id of the item; without those that are about nothing that the organization in scope has."""
    query = f"""with wanted as materialized (
                   select q.id as item_id, q.reference_type as kind,
                          case when pg_input_is_valid(q.subject_id, 'uuid') then q.subject_id::uuid end as id,
                          case when pg_input_is_valid(q.result ->> 'invoice_id', 'uuid')
                               then (q.result ->> 'invoice_id')::uuid end as invoice_id
                   from public.batch_item_queue q where q.id = any(cast(:ids as uuid[])))
               select w.item_id, w.kind, w.id,
                      coalesce(o.order_number, n.invoice_number, c.customer_number, i.sku, r.invoice_number) as number,
                      coalesce(oc.name, v.buyer ->> 'name', c.name, i.name, r.seller_name, r.file_name) as name,
                      made.invoice_number as invoice
               from wanted w
               {_looked_up("billing.sales_order o", "o.id", "w.id", "w.kind = 'sales_order'")}
               {_looked_up("billing.customer oc", "oc.id", "o.customer_id")}
               {_looked_up("billing.invoice v", "v.id", "w.id", "w.kind = 'invoice'")}
               {_looked_up("billing.invoice_number n", "n.invoice_id", "v.id")}
               {_looked_up("billing.customer c", "c.id", "w.id", "w.kind = 'customer'")}
               {_looked_up("billing.item i", "i.id", "w.id", "w.kind = 'item'")}
               {_looked_up("public.received_invoice r", "r.id", "w.id", "w.kind = 'received_invoice'")}
               {_looked_up("billing.invoice_number made", "made.invoice_id", "w.invoice_id")}
               where coalesce(o.id, v.id, c.id, i.id, r.id) is not null"""
    with planned_by_order(connection):
        rows = connection.execute(text(query), {"ids": list(item_ids)}).all()
    return {row.item_id: Subject(row.kind, row.id, row.number, row.name, row.invoice) for row in rows}


def _looked_up(relation: str, key: str, value: str, condition: str = "true") -> str:
    """A row of a relation by its key, or nothing; for `planned_by_order`."""
    alias = relation.rpartition(" ")[2]
    return f"""left join lateral (
                   select * from {relation} where {condition} and {key} between {value} and {value}
                   order by {key}) {alias} on true"""
