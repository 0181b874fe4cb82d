"""Figures and lists of billing for reports, assets and the command line. Reads only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import Connection, text

from invoice_pipelines.billing.issued_invoices import IssuedInvoice
from invoice_pipelines.billing.processing import due_items


@dataclass(frozen=True, slots=True)
class FailureCode:
    """Orders that were not invoiced for one reason: how many, and the first of them with its message.

    `example` is the order number; the subject of the item where there is no such order.
    """

    code: str
    items: int
    example: str
    message: str


@dataclass(frozen=True, slots=True)
class IssuedMoney:
    """The totals of issued invoices in one currency."""

    currency: str
    invoices: int
    net_amount: Decimal
    tax_amount: Decimal
    gross_amount: Decimal


@dataclass(frozen=True, slots=True)
class JobOutcome:
    """The results of an invoicing job so far: money by currency, first and last number, and why items failed."""

    money: tuple[IssuedMoney, ...]
    first_number: str | None
    last_number: str | None
    failures: tuple[FailureCode, ...]


@dataclass(frozen=True, slots=True)
class InvoiceEvent:
    """A change to an issued invoice: voided, credited or paid, by whom and why."""

    action: str
    reason: str | None
    created_at: datetime
    created_by: str


@dataclass(frozen=True, slots=True)
class BillingState:
    """Where an organization's billing stands. `due_items` wait in open jobs. `unpaid` is what is due by currency."""

    open_orders: int
    due_items: int
    last_number: str | None
    unpaid: tuple[tuple[str, Decimal], ...]


@dataclass(frozen=True, slots=True)
class MonthlySales:
    """What was invoiced in a month, in one currency: invoices, and their gross amount less credit notes. What is void
    is left out.
    """

    month: date
    currency: str
    invoices: int
    gross_amount: Decimal


def sales_by_month(connection: Connection, since: date) -> tuple[MonthlySales, ...]:
    """What the organization in scope invoiced from the month of a day on, by the dates of issue."""
    rows = connection.execute(
        text(
            """select cast(date_trunc('month', issue_date) as date) as month, currency,
                      count(*) filter (where document_kind = 'invoice'),
                      sum(case document_kind when 'invoice' then gross_amount else -gross_amount end)
               from billing.invoice
               where organization_id = (select organizations.current()) and status <> 'void' and issue_date >= :since
               group by 1, 2 order by 1, 2"""
        ),
        {"since": since.replace(day=1)},
    )
    return tuple(MonthlySales(*row) for row in rows)


def job_outcome(connection: Connection, job_id: UUID) -> JobOutcome:
    """The results of an invoicing job of the organization in scope, with the most frequent failures."""
    money = connection.execute(
        text(
            f"""select i.currency, count(*), sum(i.net_amount), sum(i.tax_amount), sum(i.gross_amount)
                from ({_ISSUED_BY_JOB}) i group by i.currency order by i.currency"""
        ),
        {"job_id": job_id},
    ).all()
    numbers = connection.execute(
        text(
            f"""select (array_agg(i.invoice_number order by i.issue_date, i.period, i.number))[1] as first,
                       (array_agg(i.invoice_number order by i.issue_date desc, i.period desc, i.number desc))[1] as last
                from ({_ISSUED_BY_JOB}) i"""
        ),
        {"job_id": job_id},
    ).one()
    return JobOutcome(
        tuple(IssuedMoney(*row) for row in money),
        numbers.first,
        numbers.last,
        job_failures(connection, job_id),
    )


def job_failures(connection: Connection, job_id: UUID) -> tuple[FailureCode, ...]:
    """Why items of a job failed, the most frequent reason first."""
    rows = connection.execute(
        text(
            """select f.code, f.items, coalesce(
                          (select o.order_number from billing.sales_order o
                           where o.organization_id = (select organizations.current())
                             and o.id = case when pg_input_is_valid(f.subject_id, 'uuid') then f.subject_id::uuid end),
                          f.subject_id) as example, f.message
               from (select coalesce(i.error_code, '') as code, count(*) as items,
                            (array_agg(i.subject_id order by i.id))[1] as subject_id,
                            (array_agg(coalesce(i.error_message, '') order by i.id))[1] as message
                     from work.items i
                     where i.organization_id = (select organizations.current()) and i.job_id = :job_id
                       and i.status = 'failed'
                     group by i.error_code order by count(*) desc, i.error_code limit 20) f
               order by f.items desc, f.code"""
        ),
        {"job_id": job_id},
    )
    return tuple(FailureCode(*row) for row in rows)


def invoice_events(connection: Connection, invoice: IssuedInvoice) -> tuple[InvoiceEvent, ...]:
    """The changes to an invoice, the oldest first; for a credit note, the one that created it."""
    rows = connection.execute(
        text(
            """select e.action, e.reason, e.created_at, e.created_by from billing.invoice_event e
               where e.organization_id = (select organizations.current()) and e.invoice_id = :invoice
                 and (cast(:credit_note as text) is null or e.detail ->> 'credit_note_id' = :credit_note)
               order by e.id"""
        ),
        {
            "invoice": invoice.corrected_invoice_id or invoice.id,
            "credit_note": str(invoice.id) if invoice.corrected_invoice_id else None,
        },
    )
    return tuple(InvoiceEvent(*row) for row in rows)


def billing_state(connection: Connection) -> BillingState:
    """Where the billing of the organization in scope stands."""
    counts = connection.execute(
        text(
            """select (select count(*) from billing.sales_order where status in ('pending', 'reviewed')) as open_orders,
                      (select invoice_number from billing.invoice_number where series = 'invoice'
                       order by period desc, number desc limit 1) as last_number"""
        )
    ).one()
    unpaid = connection.execute(
        text(
            """select currency, sum(amount_due) from billing.invoice
               where status in ('issued', 'partially_paid') and document_kind = 'invoice'
               group by currency order by currency"""
        )
    ).all()
    return BillingState(
        counts.open_orders, due_items(connection), counts.last_number, tuple((row[0], row[1]) for row in unpaid)
    )


# Look-ups by key whatever the statistics say: see work/chunks.sql.
_ISSUED_BY_JOB = """
    select i.currency, i.net_amount, i.tax_amount, i.gross_amount, n.issue_date, n.invoice_number, n.period, n.number
    from (select (b.result ->> 'invoice_id')::uuid as invoice_id from work.items b
          where b.organization_id = (select organizations.current()) and b.job_id = :job_id
            and b.status = 'succeeded') b
    cross join lateral (
        select i.currency, i.net_amount, i.tax_amount, i.gross_amount from billing.invoice i
        where i.organization_id = (select organizations.current()) and i.id = b.invoice_id) i
    cross join lateral (
        select n.issue_date, n.invoice_number, n.period, n.number from billing.invoice_number n
        where n.organization_id = (select organizations.current()) and n.invoice_id = b.invoice_id) n
"""
