"""What was paid of invoices: amounts, status and history follow payments, whatever the order in which they arrive."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from invoice_pipelines.billing.corrections import credit_invoice, void_invoice
from invoice_pipelines.billing.errors import BillingError
from invoice_pipelines.billing.payments import (
    AnomalyCode,
    Payment,
    PaymentKind,
    PaymentStatus,
    Settled,
    payments_of,
    record_payment,
    settle,
    standing_of,
    void_payment,
)
from invoice_pipelines.billing.promises import PROMISES
from invoice_pipelines_tests.conftest import TestDatabase
from invoice_pipelines_tests.integration.billing.conftest import BillingDesk, line, open_desk
from invoice_pipelines_tests.support.sizes import example_count

DAY = date(2026, 3, 2)


def settlements_tie(connection: Connection) -> bool:
    (promise,) = (promise for promise in PROMISES if promise.name == "settlements_tie")
    return promise.find is not None and promise.find(connection).kept


def payment(allocations: Mapping[UUID, Any], external_id: str = "P1", **more: Any) -> Payment:
    """Money for invoices, as another system has it; its amount is what it allocates."""
    amounts = {invoice: Decimal(amount) for invoice, amount in allocations.items()}
    values: dict[str, Any] = {
        "source": "quickbooks",
        "kind": PaymentKind.PAYMENT,
        "payment_date": DAY,
        "currency": "EUR",
        "amount": sum(amounts.values(), Decimal(0)),
        "external_id": external_id,
        "allocations": amounts,
    }
    return Payment(**(values | more))


def book(desk: BillingDesk, *payments: Payment) -> Settled:
    with desk.scope() as connection:
        return settle(connection, payments, recorded_by="anna")


def state(desk: BillingDesk, invoice: UUID) -> tuple[str, Decimal, Decimal]:
    """Status, paid and due."""
    return tuple(desk.rows("select status, amount_paid, amount_due from billing.invoice where id = :id", id=invoice)[0])


def sale(desk: BillingDesk) -> UUID:
    """An invoice over 119."""
    return desk.issue(line(1, 100))


def sales(desk: BillingDesk, count: int) -> list[UUID]:
    """So many of them, issued at once."""
    orders = desk.orders([{"lines": [line(1, 100)]}] * count)
    desk.invoice(orders)
    return [desk.invoice_of(order) for order in orders]


def test_an_invoice_is_partially_paid_then_paid(desk: BillingDesk) -> None:
    invoice = sale(desk)
    book(desk, payment({invoice: 40}))
    assert state(desk, invoice) == ("partially_paid", 40, 79)
    settled = book(desk, payment({invoice: 79}, "P2"))
    assert state(desk, invoice) == ("paid", 119, 0)
    assert settled == Settled(recorded=1, invoices_paid=1)
    events = desk.rows(
        "select action, detail, created_by from billing.invoice_event where invoice_id = :id", id=invoice
    )
    payments = [str(row.id) for row in desk.rows("select id from billing.payment")]
    ((action, detail, person),) = events
    assert (action, detail["amount_paid"], person) == ("paid", "119.00", "anna")
    assert sorted(detail["payment_ids"]) == sorted(payments)


def test_the_same_payment_again_changes_nothing(desk: BillingDesk) -> None:
    invoice = sale(desk)
    book(desk, payment({invoice: "119.00"}))
    counts = "select (select count(*) from billing.payment_event), (select count(*) from billing.invoice_event)"
    before = tuple(desk.rows(counts)[0])
    again = book(desk, payment({invoice: "119"}))
    assert again == Settled(unchanged=1)
    assert tuple(desk.rows(counts)[0]) == before


@pytest.mark.parametrize("status", [PaymentStatus.VOID, PaymentStatus.DELETED])
def test_a_payment_that_is_taken_back_reopens_the_invoice_and_stays_in_the_history(
    desk: BillingDesk, status: PaymentStatus
) -> None:
    invoice = sale(desk)
    paid = payment({invoice: 119})
    book(desk, paid)
    settled = book(desk, replace(paid, status=status))
    assert settled == Settled(changed=1, invoices_reopened=1)
    assert state(desk, invoice) == ("issued", 0, 119)
    events = desk.rows("select action, before, after from billing.payment_event order by id")
    assert [event.action for event in events] == ["recorded", {"void": "voided", "deleted": "deleted"}[status]]
    assert events[1].before["applied"] == {str(invoice): 119}
    assert events[1].after["applied"] == {}
    assert book(desk, paid) == Settled(changed=1, invoices_paid=1)


def test_a_payment_that_was_never_recorded_is_not_taken_back(desk: BillingDesk) -> None:
    invoice = sale(desk)
    assert book(desk, payment({invoice: 119}, status=PaymentStatus.DELETED)) == Settled(unchanged=1)
    assert desk.rows("select id from billing.payment") == []


def test_a_payment_that_is_lowered_moved_or_unapplied_takes_its_amount_along(desk: BillingDesk) -> None:
    first, second = sale(desk), sale(desk)
    paid = payment({first: 119})
    book(desk, paid)
    book(desk, payment({first: 100}))
    assert state(desk, first) == ("partially_paid", 100, 19)
    book(desk, payment({second: 100}))
    assert state(desk, first) == ("issued", 0, 119)
    assert state(desk, second) == ("partially_paid", 100, 19)
    book(desk, payment({}, amount=Decimal(100), unapplied_amount=Decimal(100)))
    assert state(desk, second) == ("issued", 0, 119)
    assert desk.rows("select * from billing.payment_allocation") == []
    (row,) = desk.rows("select amount, unapplied_amount from billing.payment")
    assert tuple(row) == (100, 100)
    assert desk.value("select count(*) from billing.payment_event") == 4


def test_what_is_paid_too_much_does_not_count_and_stays_visible(desk: BillingDesk) -> None:
    invoice = sale(desk)
    settled = book(desk, payment({invoice: 150}))
    assert [(a.invoice_id, a.code) for a in settled.anomalies] == [(invoice, AnomalyCode.OVERPAID)]
    assert state(desk, invoice) == ("paid", 119, 0)
    with desk.scope() as connection:
        (found,) = payments_of(connection, invoice)
    assert (found.allocated, found.applied) == (150, 119)


def test_when_an_earlier_payment_goes_what_was_too_much_counts(desk: BillingDesk) -> None:
    invoice = sale(desk)
    first = payment({invoice: 100})
    book(desk, first, payment({invoice: 119}, "P2"))
    assert [tuple(r) for r in desk.rows("select applied_amount from billing.payment_allocation order by 1")] == [
        (19,),
        (100,),
    ]
    settled = book(desk, replace(first, status=PaymentStatus.VOID))
    assert (settled.changed, settled.invoices_reopened) == (1, 0)
    assert state(desk, invoice) == ("paid", 119, 0)
    # That more of the second counts now is in its history too.
    (event,) = desk.rows(
        """select e.before, e.after from billing.payment_event e join billing.payment p on p.id = e.payment_id
           where p.external_id = 'P2' and e.action = 'changed'"""
    )
    assert (event.before["applied"], event.after["applied"]) == ({str(invoice): 19}, {str(invoice): 119})


def test_a_credit_note_leaves_less_to_be_paid(desk: BillingDesk) -> None:
    invoice = desk.issue(line(2, 50))
    with desk.scope() as connection:
        credit_invoice(connection, invoice, reason="damaged", created_by="anna", quantities={1: Decimal(1)})
    book(desk, payment({invoice: 119}))
    assert state(desk, invoice) == ("paid", Decimal("59.5"), 0)
    book(desk, payment({invoice: 1}))
    assert state(desk, invoice) == ("partially_paid", 1, Decimal("58.5"))


def test_void_invoices_credit_notes_and_other_currencies_take_nothing(desk: BillingDesk) -> None:
    void, credited, other = sales(desk, 3)
    with desk.scope() as connection:
        void_invoice(connection, void, reason="wrong", voided_by="anna")
        credit_note = credit_invoice(connection, credited, reason="damaged", created_by="anna")
    settled = book(
        desk,
        payment({void: 119}, "P1"),
        payment({credit_note: 119}, "P2"),
        payment({other: 119}, "P3", currency="USD"),
    )
    assert {anomaly.payment: anomaly.code for anomaly in settled.anomalies} == {
        0: AnomalyCode.INVOICE_VOID,
        1: AnomalyCode.NOT_AN_INVOICE,
        2: AnomalyCode.CURRENCY_DIFFERS,
    }
    assert state(desk, void) == ("void", 0, 0)
    assert state(desk, credit_note)[1] == 0
    assert state(desk, other) == ("issued", 0, 119)


def test_an_unknown_invoice_is_refused(desk: BillingDesk, shared_database: TestDatabase) -> None:
    other = open_desk(shared_database)
    for unknown in (uuid4(), sale(other)):
        with pytest.raises(BillingError, match=f"no issued invoice {unknown}"):
            book(desk, payment({unknown: 1}))
    assert desk.rows("select * from billing.payment") == []


def test_the_same_external_id_in_two_organizations_is_two_payments(
    desk: BillingDesk, shared_database: TestDatabase
) -> None:
    other = open_desk(shared_database)
    ours, theirs = sale(desk), sale(other)
    book(desk, payment({ours: 119}))
    book(other, payment({theirs: 100}))
    assert (state(desk, ours)[1], state(other, theirs)[1]) == (119, 100)


def test_a_refund_is_recorded_for_the_customer_and_pays_nothing(desk: BillingDesk) -> None:
    refund = payment({}, kind=PaymentKind.REFUND, amount=Decimal(20), customer_id=desk.customer())
    assert book(desk, refund).recorded == 1
    with pytest.raises(ValueError, match="a refund has no allocations"):
        book(desk, replace(refund, allocations={sale(desk): Decimal(1)}))


def test_what_a_person_records_is_checked(desk: BillingDesk) -> None:
    invoice = sale(desk)
    with desk.scope() as connection:
        for amount in ("0", "-1", "1.001", "NaN", "Infinity"):
            with pytest.raises(BillingError, match="is not an amount of EUR"):
                record_payment(connection, invoice, Decimal(amount), recorded_by="anna")
        with pytest.raises(BillingError, match="is after today"):
            record_payment(
                connection, invoice, Decimal(1), recorded_by="anna", payment_date=desk.today + timedelta(days=1)
            )
        with pytest.raises(BillingError, match="Only an invoice"):
            record_payment(connection, uuid4(), Decimal(1), recorded_by="anna")


def test_what_a_person_recorded_can_be_taken_back(desk: BillingDesk) -> None:
    invoice = sale(desk)
    with desk.scope() as connection:
        recorded = record_payment(connection, invoice, Decimal(119), recorded_by="anna", reference="statement 3")
    assert state(desk, invoice) == ("paid", 119, 0)
    with desk.scope() as connection:
        void_payment(connection, recorded, voided_by="ben")
        (found,) = payments_of(connection, invoice)
        assert (found.status, found.applied, found.reference) == (PaymentStatus.VOID, 0, "statement 3")
        with pytest.raises(BillingError, match="void already"):
            void_payment(connection, recorded, voided_by="ben")
    assert state(desk, invoice) == ("issued", 0, 119)
    book(desk, payment({invoice: 119}))
    with desk.scope() as connection, pytest.raises(BillingError, match="comes from quickbooks; void it there"):
        void_payment(connection, desk.value("select id from billing.payment where source = 'quickbooks'"),
                     voided_by="ben")  # fmt: skip
    actions = desk.rows("select action, created_by from billing.payment_event order by id")
    assert [tuple(row) for row in actions] == [("recorded", "anna"), ("voided", "ben"), ("recorded", "anna")]


def test_an_open_invoice_is_overdue_from_the_day_after_its_due_date(desk: BillingDesk) -> None:
    for days_ago, expected in ((15, "overdue"), (14, "issued"), (13, "issued")):
        order = desk.order(line(1, 100))
        desk.one(order, invoice_date=desk.today - timedelta(days=days_ago), due_days=14)
        invoice = desk.invoice_of(order)
        with desk.scope() as connection:
            before = standing_of(connection, invoice)
            assert (before.standing, before.payment_date) == (expected, None)
            paid = payment({invoice: 40}, f"P{days_ago}", payment_date=desk.today)
            settle(connection, [paid, payment({invoice: 1}, f"Q{days_ago}")], recorded_by="anna")
            after = standing_of(connection, invoice)
            part = "overdue" if expected == "overdue" else "partially_paid"
            assert (after.standing, after.amount_paid, after.payment_date) == (part, 41, desk.today)
            settle(connection, [replace(paid, amount=Decimal(118), allocations={invoice: Decimal(118)})],
                   recorded_by="anna")  # fmt: skip
            assert standing_of(connection, invoice).standing == "paid"


def test_payments_credits_and_voids_at_once_do_not_deadlock(desk: BillingDesk) -> None:
    """Payments over the same invoices in another order, while these are credited and voided and others are issued."""
    invoices, spare = sales(desk, 8), sales(desk, 8)

    def pay_in(order: int) -> None:
        for turn in range(3):
            mixed = sorted(invoices + spare, key=lambda invoice: hash((invoice, order, turn)))
            with desk.scope() as connection:  # several chunks in one transaction
                for chunk in (mixed[:5], mixed[5:10]):
                    settle(connection, [payment(dict.fromkeys(chunk, turn + 1), f"T{order}-{chunk is mixed}")],
                           recorded_by="anna")  # fmt: skip

    def correct() -> None:
        for invoice in spare:
            with desk.scope() as connection:
                try:
                    void_invoice(connection, invoice, reason="wrong", voided_by="ben")
                except BillingError:  # paid meanwhile
                    connection.rollback()
        for _ in range(3):
            sale(desk)

    with ThreadPoolExecutor(4) as threads:
        for done in [*(threads.submit(pay_in, order) for order in range(3)), threads.submit(correct)]:
            done.result(timeout=60)
    wrong = """select i.id from billing.invoice i
               left join lateral (select sum(a.applied_amount) as paid from billing.payment_allocation a
                                  where a.invoice_id = i.id) a on true
               where i.amount_paid <> coalesce(a.paid, 0)"""
    assert desk.rows(wrong) == []
    with desk.scope() as connection:
        assert settlements_tie(connection)


# A model of the rule, invoice by invoice.

GROSS = [Decimal(119), Decimal("59.5"), Decimal("11.9")]
CREDITED = 2  # of the invoices, the one that is credited in full


@dataclass(frozen=True)
class Told:
    """A payment as a test tells it: which one, its day, what of it is for which invoice, and whether it stands."""

    name: int
    day: int
    allocations: tuple[tuple[int, int], ...]
    status: PaymentStatus = PaymentStatus.ACTIVE
    currency: str = "EUR"


TOLD = st.builds(
    Told,
    name=st.integers(0, 4),
    day=st.integers(0, 3),
    allocations=st.dictionaries(st.integers(0, 2), st.sampled_from([1, 10, 50, 60, 119, 200]), max_size=3).map(
        lambda found: tuple(sorted(found.items()))
    ),
    status=st.sampled_from([PaymentStatus.ACTIVE] * 3 + [PaymentStatus.VOID, PaymentStatus.DELETED]),
    currency=st.sampled_from(["EUR"] * 4 + ["USD"]),
)
ROUNDS = st.lists(st.lists(TOLD, max_size=4, unique_by=lambda told: told.name), min_size=1, max_size=5)


def model(latest: Mapping[int, Told], asked: list[Decimal]) -> list[Decimal]:
    paid = [Decimal(0)] * len(asked)
    for told in sorted(latest.values(), key=lambda told: (told.day, told.name)):
        if told.status is PaymentStatus.ACTIVE and told.currency == "EUR":
            for invoice, amount in told.allocations:
                paid[invoice] += min(Decimal(amount), asked[invoice] - paid[invoice])
    return paid


@given(rounds=ROUNDS, order=st.randoms(use_true_random=False))
@settings(max_examples=example_count(30))
def test_what_is_paid_is_what_the_latest_payments_say(
    busy_desk: BillingDesk, rounds: list[list[Told]], order: Any
) -> None:
    """Whatever was told before, and in whatever order: the sums of a model that only knows the latest."""
    desk = busy_desk
    invoices = [desk.issue(line(1, 100)), desk.issue(line(1, 50)), desk.issue(line(1, 10))]
    with desk.scope() as connection:
        credit_invoice(connection, invoices[CREDITED], reason="damaged", created_by="anna")
    asked = [GROSS[0], GROSS[1], Decimal(0)]
    prefix = str(uuid4())

    def as_payment(told: Told) -> Payment:
        return payment(
            {invoices[place]: amount for place, amount in told.allocations},
            f"{prefix}:{told.name}",
            payment_date=DAY + timedelta(days=told.day),
            status=told.status,
            currency=told.currency,
        )

    def paid() -> list[Decimal]:
        return [state(desk, invoice)[1] for invoice in invoices]

    latest: dict[int, Told] = {}
    for round_ in rounds:
        order.shuffle(round_)
        book(desk, *map(as_payment, round_))
        latest |= {told.name: told for told in round_}
        assert paid() == model(latest, asked)
        assert book(desk, *map(as_payment, round_)) == Settled(unchanged=len(round_))
    for invoice in invoices:
        status, amount, due = state(desk, invoice)
        assert status == ("paid" if due == 0 else "partially_paid" if amount else "issued")
    with desk.scope() as connection:
        assert settlements_tie(connection)
    # The history tells the present: the last event of each payment, and nothing between two events is missing.
    chains: dict[UUID, list[Any]] = defaultdict(list)
    for event in desk.rows(
        """select e.payment_id, e.before, e.after from billing.payment_event e
           join billing.payment p on p.id = e.payment_id where p.external_id like :prefix order by e.id""",
        prefix=f"{prefix}%",
    ):
        chains[event.payment_id].append(event)
    for chain in chains.values():
        assert chain[0].before is None
        assert all(json.dumps(a.after) == json.dumps(b.before) for a, b in pairwise(chain))
    assert len(chains) == desk.value("select count(*) from billing.payment where external_id like :p", p=f"{prefix}%")
