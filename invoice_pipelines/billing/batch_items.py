"""What the items of batch jobs are about, as people call it: see batch_items.sql. Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection, text


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
    rows = connection.execute(
        text(
            """with wanted as materialized (
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
               left join billing.sales_order o on w.kind = 'sales_order' and o.id = w.id
               left join billing.customer oc on oc.id = o.customer_id
               left join billing.invoice v on w.kind = 'invoice' and v.id = w.id
               left join billing.invoice_number n on n.invoice_id = v.id
               left join billing.customer c on w.kind = 'customer' and c.id = w.id
               left join billing.item i on w.kind = 'item' and i.id = w.id
               left join public.received_invoice r on w.kind = 'received_invoice' and r.id = w.id
               left join billing.invoice_number made on made.invoice_id = w.invoice_id
               where coalesce(o.id, v.id, c.id, i.id, r.id) is not null"""
        ),
        {"ids": list(item_ids)},
    )
    return {row.item_id: Subject(row.kind, row.id, row.number, row.name, row.invoice) for row in rows}
