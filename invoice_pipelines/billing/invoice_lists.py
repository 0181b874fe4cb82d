"""Issued invoices and credit notes in lists, the latest number first, narrowed by what people and programs ask for.

The connection is in the scope of the organization. A page costs what it shows, and what is passed over on the way to
it: those of a customer and the open ones, unless they are many, and those of some days are found by an index, all
others along the numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy import Connection, text

from invoice_pipelines.billing.errors import InvoiceNotFound, storable
from invoice_pipelines.database.filters import containing, narrowed, planned_by_order

_TO_BE_PAID = ("issued", "partially_paid")
STATUSES_OF = {"open": _TO_BE_PAID, "partly": ("partially_paid",), "paid": ("paid",)}
"""The statuses of `newest_invoices` by what filters call them: something is due, part of it is settled, all is."""
_MANY = 5_000
_FIRST, _LAST = ("", 0), ("9999", 2**62)


@dataclass(frozen=True, slots=True)
class InvoiceSummary:
    """An issued invoice or credit note in a list.

    `standing` is how it stands today: issued, partially_paid, paid, overdue or void.
    """

    id: UUID
    period: str
    number: int
    invoice_number: str
    issue_date: date
    due_date: date
    customer_id: UUID
    customer_number: str | None
    buyer: str
    order_number: str | None
    standing: str
    days_overdue: int
    currency: str
    net_amount: Decimal
    tax_amount: Decimal
    gross_amount: Decimal
    amount_paid: Decimal
    amount_credited: Decimal
    amount_due: Decimal


def newest_invoices(
    connection: Connection,
    *,
    series: str = "invoice",
    standings: Sequence[str] | None = None,
    statuses: Sequence[str] | None = None,
    customer_id: UUID | None = None,
    invoice_number: str | None = None,
    issued_from: date | None = None,
    issued_until: date | None = None,
    due_from: date | None = None,
    due_until: date | None = None,
    gross_from: Decimal | None = None,
    gross_until: Decimal | None = None,
    currency: str | None = None,
    words: str | None = None,
    before: tuple[str, int] | None = None,
    limit: int = 50,
) -> tuple[InvoiceSummary, ...]:
    """Issued invoices (or those of the series `credit_note`), the latest number first, in pages.

    `standings` are as in the summary, and `statuses` the same without regard to days: what is overdue is issued or
    partially_paid. Both ends of dates and amounts are included. `words` stand in the number, the
    name or number of the buyer, the number of the order or that of the buyer. `before` is period and number of the last
    one of the page before.
    """
    is_open = series == "invoice" and (
        (standings is not None and set(standings) <= {*_TO_BE_PAID, "overdue"})
        or (statuses is not None and set(statuses) <= {*_TO_BE_PAID})
    )
    low, high = _FIRST, before or _LAST
    if issued_from is not None or issued_until is not None:
        low, high = _numbers_between(connection, series, issued_from, issued_until, high)
    conditions, values = narrowed(
        {
            "issued_from": ("n.issue_date >= :issued_from", issued_from),
            "issued_until": ("n.issue_date <= :issued_until", issued_until),
            "statuses": ("i.status = any(cast(:statuses as text[]))", None if statuses is None else list(statuses)),
            "customer_id": ("i.customer_id between :customer_id and :customer_id", customer_id),
            "due_from": ("i.due_date >= :due_from", due_from),
            "due_until": ("i.due_date <= :due_until", due_until),
            "gross_from": ("i.gross_amount >= :gross_from", gross_from),
            "gross_until": ("i.gross_amount <= :gross_until", gross_until),
            "currency": ("i.currency = :currency", None if currency is None else storable(currency)),
            "words": (f"{_NAMES} ilike :words", containing(_storable(words))),
            "standings": (
                f"(select s.standing {_SETTLEMENT}) = any(cast(:standings as text[]))",
                None if standings is None else list(standings),
            ),
            # Cheaper to see than the standing, which asks for more. No clock is more than a day ahead of UTC.
            "possible": (
                "i.status = any(cast(:possible as text[]))",
                None if standings is None else [*standings, *(_TO_BE_PAID if "overdue" in standings else ())],
            ),
            "overdue": (
                "i.due_date <= cast(now() at time zone 'utc' as date) and :overdue",
                True if standings is not None and set(standings) == {"overdue"} else None,
            ),
        }
    )
    found_by = _OF_CUSTOMER if customer_id is not None else _OPEN if is_open else None
    is_rare = "issued" not in (standings or statuses or ["issued"]) or any(
        limits is not None for limits in (words, due_from, due_until, gross_from, gross_until, currency)
    )
    with planned_by_order(connection):
        if invoice_number is not None:
            source = _OF_NUMBER
        elif found_by and (is_rare or _are_few(connection, found_by, customer_id)):
            source = f"({found_by}) i {_NUMBER}"
        else:
            source = _ALL
        rows = connection.execute(
            text(
                f"""with page as materialized (
                        select i.*, n.period, n.number, n.invoice_number from {source}
                        where {_NUMBERS} {conditions}
                        order by n.period desc, n.number desc limit :limit
                    )
                    select i.id, i.period, i.number, i.invoice_number, i.issue_date, i.due_date, i.customer_id,
                           i.buyer ->> 'customer_number', i.buyer ->> 'name', i.order_number, s.standing,
                           s.days_overdue, i.currency, i.net_amount, i.tax_amount, i.gross_amount, i.amount_paid,
                           i.amount_credited, i.amount_due
                    from page i
                    cross join lateral (select s.standing, s.days_overdue {_SETTLEMENT}) s
                    order by i.period desc, i.number desc"""
            ),
            {
                "series": series,
                "invoice_number": _storable(invoice_number),
                "low_period": low[0],
                "low": low[1],
                "high_period": high[0],
                "high": high[1],
                "limit": limit,
                **values,
            },
        ).all()
    return tuple(InvoiceSummary(*row) for row in rows)


def place_of(connection: Connection, invoice_number: str) -> tuple[str, int]:
    """Period and number in its series of an invoice or credit note. Raises InvoiceNotFound."""
    row = connection.execute(
        text("select period, number from billing.invoice_number where invoice_number = :number"),
        {"number": storable(invoice_number)},
    ).one_or_none()
    if row is None:
        raise InvoiceNotFound(repr(invoice_number)[:60])
    return row.period, row.number


def _numbers_between(
    connection: Connection, series: str, first: date | None, last: date | None, high: tuple[str, int]
) -> tuple[tuple[str, int], tuple[str, int]]:
    """Between which numbers those of some days are: the first one, and the one behind the last."""
    rows = connection.execute(
        text(
            """select c.period,
                      billing.first_number_since(c.series, c.period, coalesce(:first, date '0001-01-01')) as low,
                      billing.first_number_since(c.series, c.period, coalesce(:behind, date '9999-12-31')) as high
               from billing.invoice_counter c
               where c.organization_id = (select organizations.current()) and c.series = :series"""
        ),
        {"series": series, "first": first, "behind": None if last is None else last + timedelta(days=1)},
    ).all()
    found = [((row.period, row.low), (row.period, row.high)) for row in rows if row.low < row.high]
    if not found:
        return _FIRST, _FIRST
    return min(low for low, _ in found), min(high, max(behind for _, behind in found))


def _are_few(connection: Connection, invoices: str, customer_id: UUID | None) -> bool:
    """Whether so few are found by an index that a page of them is; of more, the latest come soon along the numbers."""
    found = connection.execute(
        text(f"select count(*) from ({invoices} limit {_MANY}) i"), {"customer_id": customer_id}
    ).scalar_one()
    return bool(found < _MANY)


def _storable(value: str | None) -> str | None:
    return None if value is None else storable(value)


_NAMES = """concat_ws(' ', n.invoice_number, i.buyer ->> 'customer_number', i.buyer ->> 'name', i.order_number,
    i.purchase_order_reference)"""
# Each look-up asks for the order of its index: see planned_by_order.
_NUMBERS = """n.organization_id = (select organizations.current()) and n.series = :series
    and (n.period, n.number) < (:high_period, :high) and (n.period, n.number) >= (:low_period, :low)"""
_SETTLEMENT = """
    from billing.invoice_settlement s
    where s.organization_id = i.organization_id and s.invoice_id between i.id and i.id order by s.invoice_id"""
_INVOICE = """
    cross join lateral (
        select * from billing.invoice i
        where i.organization_id = n.organization_id and i.id between n.invoice_id and n.invoice_id order by i.id) i"""
_NUMBER = """
    cross join lateral (
        select * from billing.invoice_number n
        where n.organization_id = i.organization_id and n.invoice_id between i.id and i.id order by n.invoice_id) n"""
_ALL = f"billing.invoice_number n {_INVOICE}"
_OF_NUMBER = f"""(
    select * from billing.invoice_number n
    where n.organization_id = organizations.current() and n.invoice_number between :invoice_number and :invoice_number
    order by n.invoice_number) n {_INVOICE}"""
_OF_CUSTOMER = """
    select * from billing.invoice i
    where i.organization_id = (select organizations.current()) and i.customer_id between :customer_id and :customer_id
    order by i.customer_id"""
_OPEN = """
    select * from billing.invoice i
    where i.organization_id = (select organizations.current()) and i.status in ('issued', 'partially_paid')
      and i.document_kind = 'invoice'
    order by i.due_date"""
