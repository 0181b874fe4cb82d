"""The aging of receivables: what customers owe, by how late it is, and for how many days of sales that stands.

PostgreSQL adds up invoices to customers, currencies and buckets (`receivables.sql`), and pandas makes a table of that,
so that memory grows with the customers who owe something, not with their invoices. Amounts are Decimal throughout.
The file, and when it is made again, is in `export`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, text

from invoice_pipelines.billing.errors import BillingError, refusals_for_people
from invoice_pipelines.database import organization_scope
from invoice_pipelines.promises import SAMPLE, Finding, Promise

BUCKETS = {
    "not_due": "not due",
    "days_1_30": "1-30 days",
    "days_31_60": "31-60 days",
    "days_61_90": "61-90 days",
    "over_90_days": "over 90 days",
}
"""How late an amount is, in days after the due date, and what people call it. On the due date nothing is late yet."""

_DAYS_LATE: Mapping[str, tuple[int | None, int | None]] = {
    "not_due": (None, 0),
    "days_1_30": (1, 30),
    "days_31_60": (31, 60),
    "days_61_90": (61, 90),
    "over_90_days": (91, None),
}
"""From how many days to how many; as billing.aging_bucket has it."""

DAYS_OF_SALES = 90
"""The period whose sales days sales outstanding are measured by: this many days, the day of the aging included."""

_DIGITS = 200
"""More than any sum here has. Decimal rounds to 28 digits if it is not told otherwise."""


@dataclass(frozen=True, slots=True)
class Aged:
    """Amounts of one currency by how late they are. `overdue` is all but what is not due yet."""

    not_due: Decimal
    days_1_30: Decimal
    days_31_60: Decimal
    days_61_90: Decimal
    over_90_days: Decimal
    overdue: Decimal
    total: Decimal
    invoices: int

    @property
    def buckets(self) -> Mapping[str, Decimal]:
        """The amounts by the keys of BUCKETS."""
        return {name: getattr(self, name) for name in BUCKETS}

    @property
    def overdue_percent(self) -> Decimal:
        """The share of the total that is overdue, in percent with one decimal; 0 of nothing."""
        if not self.total:
            return Decimal("0.0")
        return (100 * self.overdue / self.total).quantize(Decimal("0.1"), ROUND_HALF_UP)


@dataclass(frozen=True, slots=True)
class CustomerAging:
    """What a customer owes in one currency. Number and name are those of today."""

    customer_id: UUID
    customer_number: str
    customer_name: str
    currency: str
    aged: Aged


@dataclass(frozen=True, slots=True)
class CurrencyAging:
    """What all customers owe in one currency.

    `days_sales_outstanding` is receivables / sales x days (the period-end method that credit managers use, "standard
    DSO"): what is due, with VAT, by the sales of the 90 days that end on the day, with VAT and less credit notes, times
    90; with one decimal. None where nothing was sold in that time, or more was credited.
    """

    currency: str
    customers: int
    aged: Aged
    sales: Decimal
    days_sales_outstanding: Decimal | None


@dataclass(frozen=True, slots=True)
class Receivables:
    """The aging of an organization as of the end of a day, or as the books stand if that day is today.

    `customers` are by currency, who owes most that is overdue first; `currencies` by the most invoices. `amounts_due`
    is what is due by currency, read from the invoices in the same snapshot but not by the aging: a check compares them.
    """

    as_of: date
    is_today: bool
    customers: tuple[CustomerAging, ...]
    currencies: tuple[CurrencyAging, ...]
    amounts_due: Mapping[str, Decimal]

    @property
    def invoices(self) -> int:
        """How many invoices are open."""
        return sum(currency.aged.invoices for currency in self.currencies)

    @property
    def owing_customers(self) -> int:
        """How many customers owe something, in whatever currency."""
        return len({customer.customer_id for customer in self.customers})

    def of_currency(self, currency: str) -> tuple[CustomerAging, ...]:
        """The customers who owe something in a currency."""
        return tuple(customer for customer in self.customers if customer.currency == currency)


def age_receivables(
    engine: Engine, organization_id: UUID, *, as_of: date | None = None, now: datetime | None = None
) -> Receivables:
    """What customers owe as of a day, without one today in the time zone of the organization; all from one snapshot.

    Today's is what the books say now, with all open invoices, also those dated ahead. An earlier day is told from the
    dates of invoices, credit notes, voids and payments. Raises BillingError for a day on which an invoice was there of
    whose payments not all are on record, as for a day to come. `now` stands in for the clock.
    """
    # What is written meanwhile must not make the sums differ.
    with organization_scope(engine.execution_options(isolation_level="REPEATABLE READ"), organization_id) as connection:
        return read_receivables(connection, as_of=as_of, now=now)


def read_receivables(connection: Connection, *, as_of: date | None = None, now: datetime | None = None) -> Receivables:
    """As `age_receivables`, for the organization in scope; the caller sees to it that the snapshot is one."""
    today: date = connection.execute(text(f"select (billing.business_day({_NOW})).day"), {"now": now}).scalar_one()
    day = as_of or today
    if day > today:
        raise BillingError(
            f"as of: {day} is after today, {today}, in the time zone of this organization; name an earlier day."
        )
    function = "age_open_invoices" if day == today else "age_invoices_until"
    with refusals_for_people():
        rows = connection.execute(
            text(
                f"""select a.currency, a.customer_id, a.bucket, a.amount, a.invoices,
                           billing.currency_digits(a.currency) as digits
                    from billing.{function}(:day) a order by a.currency, a.customer_id"""
            ),
            {"day": day},
        ).all()
    due = _by_currency(
        connection,
        "select * from billing.amounts_due()" if day == today else "select * from billing.amounts_due_on(:day)",
        day=day,
    )
    sales = _by_currency(
        connection,
        "select * from billing.sales_between(:first_day, :day)",
        first_day=day - min(timedelta(days=DAYS_OF_SALES - 1), day - date.min),
        day=day,
    )
    customers, currencies = _tables(rows, sales, _names(connection, rows))
    return Receivables(day, day == today, customers, currencies, due)


def due_dates(bucket: str, day: date) -> tuple[date | None, date | None]:
    """Between which due dates, both included, an amount is as late on a day as a bucket of BUCKETS says; None: however
    early or late. With these a list of open invoices shows what the bucket adds up.
    """
    least, most = _DAYS_LATE[bucket]
    return None if most is None else day - timedelta(days=most), None if least is None else day - timedelta(days=least)


def buckets_that_do_not_sum(receivables: Receivables) -> Finding:
    """The buckets of each customer and currency sum to its total, and the customers of a currency to the currency."""
    wrong = []
    with localcontext(prec=_DIGITS):
        for customer in receivables.customers:
            if not _sums(customer.aged):
                wrong.append(f"customer {customer.customer_number}, {customer.currency}")
        for currency in receivables.currencies:
            of_customers = [customer.aged for customer in receivables.of_currency(currency.currency)]
            total = sum((aged.total for aged in of_customers), Decimal(0))
            invoices = sum(aged.invoices for aged in of_customers)
            if not _sums(currency.aged) or (total, invoices) != (currency.aged.total, currency.aged.invoices):
                wrong.append(currency.currency)
    return Finding(len(wrong), tuple(wrong[:SAMPLE]))


def aging_that_is_not_what_is_due(receivables: Receivables) -> Finding:
    """The total of each currency is the amount due of its open invoices."""
    aged = {found.currency: found.aged.total for found in receivables.currencies}
    wrong = [
        f"{currency}: {aged.get(currency, 0)} in the aging, {receivables.amounts_due.get(currency, 0)} due"
        for currency in sorted(aged.keys() | receivables.amounts_due.keys())
        if aged.get(currency, 0) != receivables.amounts_due.get(currency, 0)
    ]
    return Finding(len(wrong), tuple(wrong[:SAMPLE]))


PROMISES = (
    Promise(
        "buckets_sum_to_total",
        "The buckets of each customer and currency sum to its total, and the customers to the currency.",
        buckets_that_do_not_sum,
    ),
    Promise(
        "aging_is_what_is_due",
        "The total of each currency is the sum of the amounts due of its open invoices.",
        aging_that_is_not_what_is_due,
    ),
)
"""What is promised of an aging. None blocks: nothing comes after it that a wrong one would harm."""

_NOW = "coalesce(cast(:now as timestamptz), now())"


def _by_currency(connection: Connection, statement: str, **values: date) -> dict[str, Decimal]:
    return {row[0]: row[1] for row in connection.execute(text(statement), values)}


def _names(connection: Connection, rows: Sequence[Any]) -> dict[UUID, tuple[str, str]]:
    found = connection.execute(
        text(
            """select id, customer_number, name from billing.customer
               where organization_id = organizations.current() and id = any(cast(:ids as uuid[]))"""
        ),
        {"ids": list({row.customer_id for row in rows})},
    )
    return {row.id: (row.customer_number, row.name) for row in found}


def _tables(
    rows: Sequence[Any], sales: Mapping[str, Decimal], names: Mapping[UUID, tuple[str, str]]
) -> tuple[tuple[CustomerAging, ...], tuple[CurrencyAging, ...]]:
    """Rows of currency, customer and bucket as one line for each customer and currency, and one for each currency."""
    if not rows:
        return (), ()
    import pandas as pd  # costs half a second, which the code location must not pay when it is loaded

    columns = ["currency", "customer_id", "bucket", "amount", "invoices"]
    # dtype object: a column of Decimal stays one, and its sums are those of Decimal.
    frame = pd.DataFrame([tuple(row)[:5] for row in rows], columns=columns, dtype=object)
    zeros = {row.currency: Decimal(0).scaleb(-row.digits) for row in rows}
    nothing: Any = Decimal(0)
    with localcontext(prec=_DIGITS):
        key = ["currency", "customer_id"]
        of_customer = frame.pivot(index=key, columns="bucket", values="amount").reindex(columns=list(BUCKETS))
        of_customer = of_customer.where(of_customer.notna(), nothing)
        of_customer[["total", "invoices"]] = frame.groupby(key)[["amount", "invoices"]].sum()
        of_currency = of_customer.groupby(level="currency").sum()
        customers = [
            CustomerAging(customer_id, *names[customer_id], currency, _aged(values, zeros[currency]))
            for (currency, customer_id), values in zip(of_customer.index, of_customer.to_dict("records"), strict=True)
        ]
        counts = of_customer.groupby(level="currency").size()
        currencies = []
        for currency, values in zip(of_currency.index, of_currency.to_dict("records"), strict=True):
            aged = _aged(values, zeros[currency])
            sold = sales.get(currency, Decimal(0)) + zeros[currency]
            currencies.append(CurrencyAging(currency, int(counts[currency]), aged, sold, _days(aged.total, sold)))
    customers.sort(key=lambda c: (c.currency, -c.aged.overdue, -c.aged.total, c.customer_number))
    currencies.sort(key=lambda c: (-c.aged.invoices, c.currency))
    return tuple(customers), tuple(currencies)


def _aged(values: Mapping[Any, Any], zero: Decimal) -> Aged:
    """A line of the table. To add zero gives an amount the digits of its currency."""
    amounts = {name: values[name] + zero for name in BUCKETS}
    overdue = sum((amounts[name] for name in BUCKETS if name != "not_due"), zero)
    return Aged(**amounts, overdue=overdue, total=values["total"] + zero, invoices=int(values["invoices"]))


def _sums(aged: Aged) -> bool:
    return sum(aged.buckets.values(), Decimal(0)) == aged.total == aged.not_due + aged.overdue


def _days(receivables: Decimal, sales: Decimal) -> Decimal | None:
    if sales <= 0:
        return None
    return (receivables / sales * DAYS_OF_SALES).quantize(Decimal("0.1"), ROUND_HALF_UP)
