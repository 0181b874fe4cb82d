"""What a run shows beside its row in the log: the overdue amounts by currency and age, and the notifications it made.

Reads only. Amounts due come from the invoices, so that they include partial payments since a notification.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from sqlalchemy import Connection, text

from invoice_pipelines.overdue.execution_log import ExecutionReport

LARGEST = 20


@dataclass(frozen=True, slots=True)
class MadeNotifications:
    """Notifications of a level and a currency that a run made or opened again, and what was due on their invoices."""

    level: int
    currency: str
    notifications: int
    amount_due: Decimal


@dataclass(frozen=True, slots=True)
class OverdueAmount:
    """What is overdue in a currency."""

    currency: str
    invoices: int
    amount_due: Decimal


@dataclass(frozen=True, slots=True)
class LargeInvoice:
    """An overdue invoice over a large amount."""

    invoice_number: str
    customer: str
    due_date: date
    days_overdue: int
    amount_due: Decimal
    currency: str


@dataclass(frozen=True, slots=True)
class RunDetails:
    """The details behind the counts of a run. `by_age` counts overdue invoices by days overdue, the youngest first;
    `largest` are those over the largest amounts of each currency, twenty in all.
    """

    made: tuple[MadeNotifications, ...]
    overdue: tuple[OverdueAmount, ...]
    by_age: tuple[tuple[str, int], ...]
    largest: tuple[LargeInvoice, ...]


_OVERDUE = """from billing.invoices i
    where i.organization_id = organizations.current() and i.status in ('issued', 'partially_paid')
      and i.document_kind = 'invoice' and i.due_date < :as_of"""

_AGES = ("1-30", "31-60", "61-90", "over 90")


def run_details(connection: Connection, report: ExecutionReport) -> RunDetails:
    """The details of a run of the organization in scope."""
    made = connection.execute(
        text(
            """select n.level, n.currency, count(*), sum(n.amount_due)
               from overdue.notification n
               where n.organization_id = organizations.current() and n.status <> 'closed'
                 and n.execution_id = :execution
               group by n.level, n.currency order by n.level, n.currency"""
        ),
        {"execution": report.id},
    ).all()
    ages = connection.execute(
        text(
            f"""select i.currency, least((:as_of - i.due_date - 1) / 30, 3) as age, count(*), sum(i.amount_due)
                {_OVERDUE} group by 1, 2 order by 1, 2"""
        ),
        {"as_of": report.as_of},
    ).all()
    largest = connection.execute(
        text(
            f"""select coalesce(n.invoice_number, '?'), i.buyer, i.due_date, :as_of - i.due_date, i.amount_due,
                       i.currency
                from (select i.id, coalesce(i.buyer ->> 'name', '?') as buyer, i.due_date, i.amount_due, i.currency,
                             row_number() over (partition by i.currency order by i.amount_due desc, i.id) as place
                      {_OVERDUE} order by place, i.currency limit {LARGEST}) i
                left join lateral (
                    select n.invoice_number from billing.invoice_numbers n
                    where n.organization_id = organizations.current() and n.invoice_id = i.id) n on true
                order by i.currency, i.place"""
        ),
        {"as_of": report.as_of},
    ).all()
    amounts: dict[str, tuple[int, Decimal]] = {}
    by_age = dict.fromkeys(range(len(_AGES)), 0)
    for currency, age, count, amount in ages:
        invoices, due = amounts.get(currency, (0, Decimal(0)))
        amounts[currency] = (invoices + count, due + amount)
        by_age[age] += count
    return RunDetails(
        tuple(MadeNotifications(*row) for row in made),
        tuple(OverdueAmount(currency, *found) for currency, found in amounts.items()),
        tuple(zip(_AGES, by_age.values(), strict=True)),
        tuple(LargeInvoice(*row) for row in largest),
    )
