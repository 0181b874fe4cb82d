"""Whatever an accountant does with payments, and whenever a pull comes: what is paid here is what is paid there."""

from __future__ import annotations

import statistics
import time
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, event, text

from invoice_pipelines.quickbooks.connection.connections import find_connection
from invoice_pipelines.quickbooks.payments.payments import apply
from invoice_pipelines.quickbooks.payments.promises import allocations_that_differ, paid_and_due_that_do_not_tie
from invoice_pipelines.quickbooks.values import Applied, TransactionType
from invoice_pipelines.workshop.sandbox.quickbooks import Refusal
from invoice_pipelines_tests.integration.quickbooks.till import GROSS, Till, Town
from invoice_pipelines_tests.support.sizes import example_count

MOST_STATEMENTS_OF_A_PAYMENT = 4.0
AMOUNTS = st.sampled_from([1, 19, 40, 60, 100, 119, 150])
LINES = st.dictionaries(st.integers(0, 3), AMOUNTS, max_size=4)
ACTIONS = st.one_of(
    st.tuples(st.just("pay"), LINES, st.integers(0, 50)),
    st.tuples(st.just("change"), st.integers(0, 5), LINES, st.integers(0, 50)),
    st.tuples(st.just("void"), st.integers(0, 5)),
    st.tuples(st.just("delete"), st.integers(0, 5)),
    st.tuples(st.just("credit"), LINES),
    st.tuples(st.just("refund"), st.integers(0, 5), AMOUNTS),
    st.tuples(st.just("receipt"), AMOUNTS),
    st.tuples(st.just("pull")),
)


class Accountant:
    """Does what a test tells, as far as QuickBooks lets it."""

    def __init__(self, till: Till, invoices: list[str]) -> None:
        self._works = till.accountant
        self._till = till
        self._invoices = invoices
        self._payments: list[str] = []

    def do(self, action: str, *given: Any) -> None:
        with suppress(Refusal):
            getattr(self, action)(*given)

    def _lines(self, lines: dict[int, int]) -> dict[str, int]:
        return {self._invoices[place]: amount for place, amount in lines.items()}

    def _payment(self, place: int) -> str | None:
        return self._payments[place % len(self._payments)] if self._payments else None

    def pay(self, lines: dict[int, int], more: int) -> None:
        made = self._works.pay(
            self._lines(lines), Decimal(sum(lines.values()) + more), customer=self._till.customer_there
        )
        self._payments.append(made["Id"])

    def change(self, place: int, lines: dict[int, int], more: int) -> None:
        if payment := self._payment(place):
            self._works.change_payment(payment, self._lines(lines), sum(lines.values()) + more)

    def void(self, place: int) -> None:
        if payment := self._payment(place):
            self._works.void("Payment", payment)

    def delete(self, place: int) -> None:
        if payment := self._payment(place):
            self._works.delete("Payment", payment)
            self._payments.remove(payment)

    def credit(self, lines: dict[int, int]) -> None:
        if lines:
            memo = self._works.credit(self._till.customer_there, sum(lines.values()))["Id"]
            self._payments.append(self._works.apply_credit(memo, self._lines(lines))["Id"])

    def refund(self, place: int, amount: int) -> None:
        if payment := self._payment(place):
            self._works.refund_payment(payment, amount)

    def receipt(self, amount: int) -> None:
        self._works.refund(self._till.customer_there, amount)

    def pull(self) -> None:
        self._till.pull()


@given(actions=st.lists(ACTIONS, min_size=1, max_size=12))
@settings(max_examples=example_count(12))
def test_what_is_paid_here_is_what_is_paid_there(till: Till, actions: list[tuple[Any, ...]]) -> None:
    ours = [till.sent() for _ in range(3)]
    foreign = till.accountant.invoice(till.customer_there, 100)["Id"]
    accountant = Accountant(till, [*(there for _, there in ours), foreign])
    for action, *details in actions:
        accountant.do(action, *details)
    till.pull()
    for invoice, there in ours:
        paid = till.paid_there(there)
        status, amount_paid, due = till.standing(invoice)
        assert (amount_paid, due) == (paid, GROSS - paid)
        assert status == ("paid" if not due else "partially_paid" if paid else "issued")
    with till.desk.scope() as connection:
        assert paid_and_due_that_do_not_tie(connection).kept
        assert allocations_that_differ(connection).kept
    assert till.pull().updated == 0


def test_broken_promises_are_found(town: Town) -> None:
    till = town.open()
    (first, first_there), (_, second_there) = till.sent(), till.sent()
    paid = till.accountant.pay({first_there: 50, second_there: 60})["Id"]
    till.pull()
    number = till.desk.value("select invoice_number from billing.invoice_number where invoice_id = :id", id=first)
    till.desk.behind(f"update billing.payment_allocation set applied_amount = 49 where invoice_id = '{first}'")
    with till.desk.scope() as connection:
        found = paid_and_due_that_do_not_tie(connection)
        assert (found.count, found.sample) == (1, (number,))
        assert allocations_that_differ(connection).kept
    till.desk.behind(f"delete from billing.payment_allocation where invoice_id = '{first}'")
    with till.desk.scope() as connection:
        found = allocations_that_differ(connection)
        assert (found.count, found.sample) == (1, (paid,))


def documents(count: int, amount: str) -> list[dict[str, Any]]:
    """Payments, each of one invoice: payment 100000 of invoice 10000, and so on."""
    return [
        {
            "Id": str(100_000 + place),
            "SyncToken": "0",
            "TotalAmt": Decimal(amount),
            "TxnDate": "2026-01-05",
            "MetaData": {"LastUpdatedTime": "2026-01-05T00:00:00-08:00"},
            "Line": [{"Amount": Decimal(amount), "LinkedTxn": [{"TxnId": str(10_000 + place), "TxnType": "Invoice"}]}],
        }
        for place in range(count)
    ]


def sold(till: Till, count: int) -> list[UUID]:
    """Many invoices over 11.89, mapped to ids from 10000 on."""
    till.desk.work(till.desk.ask(till.desk.many_orders(count, lines=1)))
    till.desk.rows(
        """insert into quickbooks.mapping (organization_id, realm_id, entity_type, local_id, quickbooks_id, sync_token,
                                           snapshot)
           select organizations.current(), :realm, 'invoice', i.id,
                  (9999 + row_number() over (order by i.id))::text, '0', '{}'
           from billing.invoice i""",
        realm=till.realm,
    )
    return [row[0] for row in till.desk.rows("select id from billing.invoice order by id")]


def booked(till: Till, read: list[dict[str, Any]]) -> Applied:
    with till.desk.scope() as connection:
        return book(connection, read)


def book(connection: Connection, read: list[dict[str, Any]]) -> Applied:
    connected = find_connection(connection)
    assert connected is not None
    return apply(connection, connected, TransactionType.PAYMENT, read, [], server_time=datetime.now(UTC))


def test_a_chunk_is_a_fixed_number_of_statements(town: Town) -> None:
    till = town.open()
    sold(till, 60)
    statements: list[str] = []
    event.listen(till.desk.engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
    counts = []
    for chunk in (documents(1, "5"), documents(60, "6")):
        statements.clear()
        booked(till, chunk)
        counts.append(len(statements))
    assert counts[0] == counts[1] <= 10


@pytest.mark.slow
@pytest.mark.alone
def test_thousands_of_payments_a_second_are_booked(town: Town) -> None:
    """Two thousand on a machine of two cores with nothing else to do; measured by what one statement takes there, so
    that it holds on a busy one.
    """
    till = town.open()
    invoices = sold(till, 5000)
    read = documents(len(invoices), "11.89")
    costs = []
    for first in range(0, len(read), 1000):
        statement = seconds_of_a_statement(till)
        started = time.perf_counter()
        assert booked(till, read[first : first + 1000]).created == 1000
        seconds = time.perf_counter() - started
        costs.append(seconds / 1000 / statement)
        print(f"\n{1000 / seconds:.0f} payments a second, each as long as {costs[-1]:.2f} statements")
    assert till.desk.value("select count(*) from billing.invoice where status = 'paid'") == 5000
    assert statistics.median(costs) < MOST_STATEMENTS_OF_A_PAYMENT


def seconds_of_a_statement(till: Till) -> float:
    """What the shortest statement takes, there and back, as an average."""
    with till.desk.scope() as connection:
        started = time.perf_counter()
        for _ in range(1000):
            connection.execute(text("select 1"))
        return (time.perf_counter() - started) / 1000
