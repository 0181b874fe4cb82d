"""What a run shows beside its counts: the orders that failed and why, and invoices by day. Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import Connection, text


@dataclass(frozen=True, slots=True)
class FailedOrder:
    """An order (or customer, of a direct request) that was not invoiced; `subject` is its number where it has one."""

    subject: str
    code: str
    message: str


def failed_orders(connection: Connection, job_ids: Sequence[UUID], limit: int) -> tuple[FailedOrder, ...]:
    """The first failed items of some jobs of the organization in scope, in the order of the requests."""
    rows = connection.execute(
        text(
            """select coalesce(o.order_number, c.customer_number, f.subject_id) as subject,
                      coalesce(f.error_code, '') as code, coalesce(f.error_message, '') as message
               from (select i.subject_id, i.error_code, i.error_message, i.id,
                            case when pg_input_is_valid(i.subject_id, 'uuid') then i.subject_id::uuid end as named
                     from work.items i
                     where i.organization_id = organizations.current()
                       and i.job_id = any(cast(:jobs as uuid[])) and i.status = 'failed'
                     order by i.job_id, i.id limit :limit) f
               left join lateral (
                   select s.order_number from billing.sales_order s
                   where s.organization_id = organizations.current() and s.id = f.named) o on true
               left join lateral (
                   select s.customer_number from billing.customer s
                   where s.organization_id = organizations.current() and s.id = f.named) c on true
               order by f.id"""
        ),
        {"jobs": list(job_ids), "limit": limit},
    )
    return tuple(FailedOrder(*row) for row in rows)


def issued_by_day(connection: Connection, days: int) -> tuple[tuple[date, int], ...]:
    """How many invoices and credit notes were issued on each of the last days in the organization's time zone, the
    latest first. Days without any are left out.
    """
    rows = connection.execute(
        text(
            """select (i.created_at at time zone o.time_zone)::date as day, count(*)
               from organizations.organization o
               join billing.invoice i on i.organization_id = o.id
                    -- ids are made in the order of time, so that this is a range of the primary key
                    and i.id >= uuidv7(make_interval(days => -cast(:days as integer)))
               group by day order by day desc"""
        ),
        {"days": days},
    )
    return tuple((row[0], row[1]) for row in rows)
