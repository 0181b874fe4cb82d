"""What would become of orders if they were invoiced now: a look ahead that writes nothing.

The connection is in the scope of the organization.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from sqlalchemy import Connection, text

MOST_LOOKED_AT = 2_000
_SECONDS_PER_INVOICE = 0.002


@dataclass(frozen=True, slots=True)
class Expected:
    """Orders that would not be invoiced for one reason: its code, as items that fail have it, how many orders, and the
    number of the first one.
    """

    code: str
    orders: int
    example: str
    message: str


@dataclass(frozen=True, slots=True)
class Forecast:
    """What is to be expected of a request. Of a large one the first `looked_at` orders were looked at, of which
    `net_amounts` (by currency, before discounts on whole orders) and `refusals` tell. What depends on other orders,
    such as stock that runs out, and on the date, nobody knows before.
    """

    orders: int
    looked_at: int
    refusals: tuple[Expected, ...]
    net_amounts: tuple[tuple[str, Decimal], ...]
    estimated_seconds: float

    @property
    def refused(self) -> int:
        """How many of those that were looked at would not be invoiced."""
        return sum(refusal.orders for refusal in self.refusals)


def forecast_invoices(connection: Connection, order_ids: Sequence[UUID]) -> Forecast:
    """What would become of these orders, in the order of the request. Ids that the organization does not have are
    NOT_FOUND.
    """
    looked_at = list(dict.fromkeys(order_ids))[:MOST_LOOKED_AT]
    values = {"ids": looked_at}
    refusals = connection.execute(text(_REFUSALS), values).all()
    amounts = connection.execute(text(_AMOUNTS), values).all()
    seconds = connection.execute(
        text("select work.estimate_seconds('invoice_orders', :orders, cast(:otherwise as numeric))"),
        {"orders": len(order_ids), "otherwise": len(order_ids) * _SECONDS_PER_INVOICE},
    ).scalar_one()
    return Forecast(
        orders=len(order_ids),
        looked_at=len(looked_at),
        refusals=tuple(Expected(*row) for row in refusals),
        net_amounts=tuple((row.currency, row.net_amount) for row in amounts),
        estimated_seconds=float(seconds),
    )


_JUDGED = """
    with line as materialized (
        select * from billing.billable_lines(cast(:ids as uuid[]))
    ), wanted as (
        select k.id, k.place, o.order_number, o.status
        from unnest(cast(:ids as uuid[])) with ordinality k (id, place)
        left join billing.sales_order o on o.organization_id = organizations.current() and o.id = k.id
    ), problem as (
        select l.place, (array_agg(l.problem order by l.line_number))[1] as problem
        from line l where l.problem is not null group by l.place
    ), judged as (
        select w.place, w.order_number, case
                   when w.order_number is null then 'NOT_FOUND: This organization has no such order.'
                   when w.status = 'invoiced' then 'ALREADY_INVOICED: The order was invoiced before.'
                   when w.status not in ('pending', 'reviewed') then 'WRONG_STATUS: The order is ' || w.status || '.'
                   else p.problem end as problem
        from wanted w left join problem p on p.place = w.place
    )"""
_REFUSALS = f"""{_JUDGED}
    select split_part(j.problem, ': ', 1) as code, count(*) as orders,
           coalesce((array_agg(j.order_number order by j.place))[1], '') as example,
           (array_agg(substr(j.problem, strpos(j.problem, ': ') + 2) order by j.place))[1] as message
    from judged j where j.problem is not null group by 1 order by 2 desc, 1"""
_AMOUNTS = f"""{_JUDGED}
    select l.currency, sum(l.net_amount) as net_amount
    from line l join judged j on j.place = l.place and j.problem is null
    group by l.currency order by l.currency"""
