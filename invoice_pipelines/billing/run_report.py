"""What a run shows beside its counts: the orders that failed and why, and invoices by day. Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import Connection, text

from invoice_pipelines.billing.processing import KINDS


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


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why orders of some jobs were not invoiced: a code, how many of them have it, and the message of one."""

    code: str
    orders: int
    message: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """How many items of some jobs were invoiced so far, and how many were refused; the most frequent reason first."""

    invoiced: int
    refused: int
    refusals: tuple[Refusal, ...]


def outcome_of(connection: Connection, job_ids: Sequence[UUID]) -> Outcome:
    """What jobs of the organization in scope came to so far; without any, its newest job that asks for invoices."""
    values = {"jobs": list(job_ids), "kinds": list(KINDS)}
    jobs = """select j.id, j.successful_items from work.jobs j
              where j.organization_id = organizations.current() and j.id = any(cast(:jobs as uuid[]))"""
    if not job_ids:
        jobs = """select j.id, j.successful_items from work.jobs j
                  where j.organization_id = organizations.current() and j.kind = any(cast(:kinds as text[]))
                  order by j.id desc limit 1"""
    invoiced = connection.execute(text(f"select coalesce(sum(successful_items), 0) from ({jobs}) jobs"), values)
    rows = connection.execute(
        text(
            f"""select coalesce(i.error_code, '') as code, count(*) as orders, coalesce(min(i.error_message), '')
                from ({jobs}) job
                join work.items i on i.organization_id = organizations.current() and i.job_id = job.id
                     and i.status = 'failed'
                group by code order by orders desc, code"""
        ),
        values,
    ).all()
    refusals = tuple(Refusal(*row) for row in rows)
    return Outcome(invoiced.scalar_one(), sum(refusal.orders for refusal in refusals), refusals)


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
