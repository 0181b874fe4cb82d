"""Voids and credit notes: sums that match to the cent, stock that goes back once, and no two corrections at odds."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import DBAPIError

from invoice_pipelines.billing.corrections import credit_invoice, void_invoice
from invoice_pipelines.billing.errors import BillingError
from invoice_pipelines.billing.payments import payments_of, record_payment, void_payment
from invoice_pipelines_tests.conftest import TestDatabase
from invoice_pipelines_tests.integration.billing.books import books
from invoice_pipelines_tests.integration.billing.conftest import RATES, BillingDesk, line, open_desk
from invoice_pipelines_tests.integration.billing.issuing.test_amounts import assert_clean
from invoice_pipelines_tests.integration.billing.model import rounded
from invoice_pipelines_tests.integration.billing.ubl import as_ubl
from invoice_pipelines_tests.support.sizes import example_count


def credit(desk: BillingDesk, invoice: UUID, lines: dict[int, Any] | None = None, *, stock: bool = False) -> UUID:
    return desk.value(
        """select billing.credit_invoice(:id, 'returned', 'anna', null, cast(:lines as jsonb), :stock)""",
        id=invoice,
        lines=None if lines is None else json.dumps(lines, default=str),
        stock=stock,
    )


def void(desk: BillingDesk, invoice: UUID, *, reopen: bool = False) -> None:
    desk.rows("select billing.void_invoice(:id, 'wrong buyer', 'anna', :reopen)", id=invoice, reopen=reopen)


def told(action: Callable[[], object]) -> str:
    """What a person is told whose request is refused."""
    with pytest.raises(DBAPIError) as caught:
        action()
    assert getattr(caught.value.orig, "sqlstate", None) == "IP002"
    return str(caught.value.orig).splitlines()[0]


def test_a_full_credit_note_is_the_invoice_again(desk: BillingDesk) -> None:
    invoice = desk.issue(line(3, "0.335"), line(2, 7, "S", 7), line(1, 5, "AE", 0), discount_percent="12.5")
    note = credit(desk, invoice)
    original, copy = books(desk, [invoice, note])
    for name in ("line_amount", "allowance_amount", "net_amount", "tax_amount", "gross_amount", "buyer", "seller"):
        assert getattr(original.header, name) == getattr(copy.header, name)
    assert [entry.net_amount for entry in original.lines] == [entry.net_amount for entry in copy.lines]
    assert (original.header.status, original.header.amount_due) == ("paid", 0)
    assert (copy.header.document_kind, copy.header.corrected_invoice_id) == ("credit_note", invoice)
    assert told(lambda: credit(desk, invoice)) == "There is nothing (left) to credit on this invoice."


def test_a_partial_credit_note_reduces_what_is_due(desk: BillingDesk) -> None:
    invoice = desk.issue(line(4, 25))
    note = credit(desk, invoice, {1: "1.5"})
    original, partial = books(desk, [invoice, note])
    assert (partial.header.net_amount, partial.header.gross_amount) == (Decimal("37.50"), Decimal("44.63"))
    assert (original.header.status, original.header.amount_due) == ("partially_paid", Decimal("74.37"))


def test_no_more_is_credited_than_there_is(desk: BillingDesk) -> None:
    invoice = desk.issue(line(4, 25))
    for lines, left in (
        ({1: 5}, "4.000"),
        ({2: 1}, "0"),
        ({1: 0}, "4.000"),
        ({1: -1}, "4.000"),
        ({1: "NaN"}, "4.000"),
        ({1: "0.0001"}, "4.000"),
        ({1: "all"}, "4.000"),
        ({"x": 1}, "0"),
    ):
        desk.engine.dispose()  # in a new session, plans are made for the very values
        ((number, quantity),) = lines.items()
        expected = f"quantities[{number}]: {quantity} cannot be credited; {left} are left on this line."
        assert told(lambda lines=lines: credit(desk, invoice, lines)) == expected
    assert told(lambda: credit(desk, invoice, {})) == "There is nothing (left) to credit on this invoice."
    assert desk.numbers("credit_note") == []


SPLIT = st.lists(
    st.tuples(
        st.decimals(Decimal("0.001"), Decimal(20), places=3),
        st.one_of(st.decimals(Decimal("0.001"), Decimal("0.02"), places=4), st.decimals(0, 300, places=4)),
        st.sampled_from(RATES),
        st.sampled_from(["0", "10", "33.33", "99.99", "100"]),
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=example_count(60))
@given(
    lines=SPLIT,
    discount=st.sampled_from(["0", "3", "40", "50", "99.9", "100"]),
    currency=st.sampled_from(["EUR", "JPY", "KWD"]),
    shares=st.lists(st.tuples(st.integers(0, 4), st.floats(0.01, 1)), max_size=12),
)
def test_credit_notes_that_leave_nothing_come_to_the_invoice_to_the_cent(
    busy_desk: BillingDesk, lines: list[Any], discount: str, currency: str, shares: list[tuple[int, float]]
) -> None:
    desk = busy_desk
    invoice = desk.issue(
        *(line(quantity, price, *rate[:2], discount_percent=off) for quantity, price, rate, off in lines),
        discount_percent=discount,
        currency=currency,
    )
    left = {number: quantity for number, (quantity, *_) in enumerate(lines, 1)}
    notes = []
    for place, share in shares:
        number = 1 + place % len(lines)
        quantity = min(left[number], max(Decimal("0.001"), round(left[number] * Decimal(share), 3)))
        if quantity > 0:
            notes.append(credit(desk, invoice, {number: quantity}))
            left[number] -= quantity
    if any(left.values()):
        notes.append(credit(desk, invoice))
    original, *credited = books(desk, [invoice, *notes])

    names = ["line_amount", "allowance_amount", "net_amount", "tax_amount", "gross_amount"]
    if currency != "EUR":
        names.append("tax_amount_in_tax_currency")
    for name in names:
        assert sum(getattr(book.header, name) for book in credited) == getattr(original.header, name)
    for entry in original.lines:
        same = [other for book in credited for other in book.lines if other.line_number == entry.line_number]
        assert sum(other.quantity for other in same) == entry.quantity
        assert sum(other.net_amount for other in same) == entry.net_amount
    for tax in original.taxes:
        key = (tax.tax_category, tax.tax_rate)
        group = [other for book in credited for other in book.taxes if (other.tax_category, other.tax_rate) == key]
        assert sum(other.taxable_amount for other in group) == tax.taxable_amount
        assert sum(other.tax_amount for other in group) == tax.tax_amount
    supply = ("delivery_date", "tax_currency", "exchange_rate", "exchange_rate_date", "exchange_rate_source")
    for book in credited:
        assert [getattr(book.header, name) for name in supply] == [getattr(original.header, name) for name in supply]
        assert min(entry.net_amount for entry in book.lines) >= 0
        for tax in book.taxes:
            assert min(tax.taxable_amount, tax.tax_amount, tax.allowance_amount) >= 0
            assert tax.exemption_reason == next(
                other.exemption_reason for other in original.taxes if other.tax_category == tax.tax_category
            )
    assert original.header.amount_due == 0
    assert original.header.status == "paid"


@settings(max_examples=example_count(25))
@given(lines=SPLIT, share=st.floats(0.01, 1), discount=st.sampled_from(["0", "3", "40"]))
def test_credit_notes_are_clean_e_invoices(
    busy_desk: BillingDesk, lines: list[Any], share: float, discount: str
) -> None:
    customer = busy_desk.customer(name="Acheteur SA", country_code="FR", vat_id="FR40303265045")
    entries = [line(quantity, price, *rate[:2], discount_percent=off) for quantity, price, rate, off in lines]
    invoice = busy_desk.issue(*entries, discount_percent=discount, customer_id=customer)
    first = credit(busy_desk, invoice, {1: max(Decimal("0.001"), round(lines[0][0] * Decimal(share), 3))})
    notes = [first]
    if busy_desk.value("select billing.creditable_quantities(:id)", id=invoice):
        notes.append(credit(busy_desk, invoice))
    original, *credited = books(busy_desk, [invoice, *notes])
    for book in credited:
        assert_clean(book, as_ubl(book, original.header.invoice_number), busy_desk)


def test_rounding_is_left_to_the_last_credit_note(desk: BillingDesk) -> None:
    """Three times 0.335 is 1.01, and each of them 0.34."""
    invoice = desk.issue(line(3, "0.335", "Z", 0))
    notes = [credit(desk, invoice, {1: 1}) for _ in range(3)]
    assert [str(book.header.gross_amount) for book in books(desk, notes)] == ["0.34", "0.34", "0.33"]


# Payments.


def pay(desk: BillingDesk, invoice: UUID, amount: str) -> None:
    with desk.scope() as connection:
        record_payment(connection, invoice, Decimal(amount), recorded_by="anna")


def test_what_was_paid_is_neither_voided_nor_credited(desk: BillingDesk) -> None:
    invoice = desk.issue(line(2, 50))
    pay(desk, invoice, "70.00")
    assert told(lambda: void(desk, invoice)) == (
        "The invoice is paid or credited in part (70.00); issue a credit note for the rest."
    )
    assert told(lambda: credit(desk, invoice)) == (
        "The credit note would be 119.00 and only 49.00 are unpaid; refund the payment first."
    )
    credit(desk, invoice, {1: "0.8"})
    assert desk.value("select amount_due from billing.issued_invoice where id = :id", id=invoice) == Decimal("1.40")


def test_a_paid_invoice_is_credited_after_the_refund(desk: BillingDesk) -> None:
    invoice = desk.issue(line(2, 50))
    pay(desk, invoice, "119.00")
    assert "refund the payment first" in told(lambda: credit(desk, invoice, {1: 1}))
    with desk.scope() as connection:
        (payment,) = payments_of(connection, invoice)
        void_payment(connection, payment.payment_id, voided_by="anna")
    credit(desk, invoice)


# Stock and orders.


def test_a_void_puts_stock_back_once_and_opens_the_order_if_asked(desk: BillingDesk) -> None:
    item = desk.stocked(10)
    order_id = desk.order(line(4, item_id=item), line(3, item_id=item))
    desk.one(order_id)
    first = desk.invoice_of(order_id)
    assert desk.on_hand(item) == 3
    void(desk, first, reopen=True)
    assert desk.on_hand(item) == 10
    assert told(lambda: void(desk, first)) == "The invoice is void already."
    assert desk.on_hand(item) == 10
    assert desk.one(order_id).status == "succeeded"
    assert desk.on_hand(item) == 3
    assert desk.invoice_of(order_id) != first
    desk.assert_in_order()


def test_an_order_whose_invoice_is_void_is_not_invoiced_again_unless_asked(desk: BillingDesk) -> None:
    order_id = desk.order()
    desk.one(order_id)
    void(desk, desk.invoice_of(order_id))
    assert desk.one(order_id).code == "WRONG_STATUS"


def test_a_credit_note_puts_back_what_it_credits_if_asked(desk: BillingDesk) -> None:
    item = desk.stocked(10)
    invoice = desk.issue(line(4, item_id=item), line(2, 1))
    credit(desk, invoice, {1: 1})
    assert desk.on_hand(item) == 6
    credit(desk, invoice, {1: 1}, stock=True)
    assert desk.on_hand(item) == 7
    credit(desk, invoice, stock=True)
    assert desk.on_hand(item) == 9


def test_a_credited_invoice_is_not_voided_even_where_the_credit_was_nothing(desk: BillingDesk) -> None:
    """Or its stock would go back twice."""
    item = desk.stocked(10)
    invoice = desk.issue(line(4, 0, item_id=item))
    credit(desk, invoice, {1: 1}, stock=True)
    assert told(lambda: void(desk, invoice)) == "The invoice was credited; issue a credit note for the rest."
    assert desk.on_hand(item) == 7


@pytest.mark.parametrize("action", [void, credit])
def test_another_organizations_invoice_is_unknown(
    desk: BillingDesk, shared_database: TestDatabase, action: Any
) -> None:
    other = open_desk(shared_database)
    foreign = other.issue()
    for unknown in (foreign, uuid4()):
        assert told(lambda unknown=unknown: action(desk, unknown)) == (
            f"This organization has no issued invoice {unknown}."
        )
    assert other.value("select status from billing.invoice") == "issued"


def test_corrections_need_a_reason_and_a_sensible_date(desk: BillingDesk) -> None:
    invoice = desk.issue()
    for reason in ("", "  ", None):
        for function in ("void_invoice", "credit_invoice"):
            assert "give one" in told(
                lambda function=function, reason=reason: desk.rows(
                    f"select billing.{function}(:id, :reason)", id=invoice, reason=reason
                )
            )
    for day in ("2025-01-01", "0001-01-01", "9999-12-31", "infinity", "-infinity"):
        assert told(
            lambda day=day: desk.rows(
                "select billing.credit_invoice(:id, 'x', null, cast(:day as date))", id=invoice, day=day
            )
        ).startswith(("issue_date: ", "invoice_date: "))
    note = credit(desk, invoice)
    assert told(lambda: void(desk, note)) == "A credit note cannot be voided; issue a new invoice."
    assert told(lambda: credit(desk, note)) == "Only an invoice that is not void can be credited."


# Races.


def at_once(*actions: Callable[[], object]) -> list[str | None]:
    """Runs actions side by side; what each was told, None where it succeeded."""
    outcomes: list[str | None] = [None] * len(actions)
    start = threading.Barrier(len(actions))

    def run(place: int) -> None:
        start.wait()
        try:
            actions[place]()
        except DBAPIError as error:
            outcomes[place] = f"{getattr(error.orig, 'sqlstate', None)} {error.orig}"

    threads = [threading.Thread(target=run, args=(place,)) for place in range(len(actions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return outcomes


def test_of_two_corrections_at_once_one_wins(desk: BillingDesk) -> None:
    item = desk.stocked(1000)
    for _ in range(8):
        before = desk.on_hand(item)
        invoice = desk.issue(line(5, item_id=item))
        outcomes = at_once(
            lambda invoice=invoice: void(desk, invoice, reopen=True),
            lambda invoice=invoice: void(desk, invoice),
            lambda invoice=invoice: credit(desk, invoice, stock=True),
            lambda invoice=invoice: credit(desk, invoice, {1: 5}, stock=True),
        )
        assert outcomes.count(None) == 1
        assert all(outcome is None or outcome.startswith("IP002") for outcome in outcomes)
        assert desk.on_hand(item) == before
    assert desk.numbers("credit_note") == list(range(1, len(desk.numbers("credit_note")) + 1))


def test_corrections_and_jobs_over_the_same_orders_and_items_never_deadlock(desk: BillingDesk) -> None:
    items = [desk.stocked(100_000) for _ in range(5)]
    orders = desk.many_orders(40, items=items)
    desk.invoice(orders)
    invoices = [desk.invoice_of(order_id) for order_id in orders]

    def correct(part: list[UUID]) -> None:
        for invoice in part:
            void(desk, invoice, reopen=True)

    def ask_again() -> None:
        for _ in range(6):
            desk.work(desk.ask([*reversed(orders), *desk.many_orders(10, items=items)]), chunk_size=20)

    assert at_once(lambda: correct(invoices[:20]), lambda: correct(invoices[20:]), ask_again, ask_again) == [None] * 4
    desk.work(desk.ask(orders))
    desk.assert_in_order()
    sold = desk.rows(
        """select l.item_id, sum(l.quantity) as quantity from billing.issued_invoice_line l
           join billing.invoice i on i.id = l.invoice_id and i.status <> 'void' group by l.item_id"""
    )
    for item_id, quantity in sold:
        assert desk.on_hand(item_id) == 100_000 - quantity


def test_an_amount_is_credited_as_a_line_would_be_invoiced(desk: BillingDesk) -> None:
    invoice = desk.issue(line(10, "1.005", discount_percent="7.5"))
    (note,) = books(desk, [credit(desk, invoice, {1: 3})])
    assert note.lines[0].net_amount == rounded(Decimal("3") * Decimal("1.005") * Decimal("0.925"), "EUR")


def test_refusals_have_codes_by_which_programs_know_them(desk: BillingDesk) -> None:
    void, paid, credited = (desk.issue() for _ in range(3))
    with desk.scope() as connection:
        void_invoice(connection, void, reason="x", voided_by="anna")
        payment = record_payment(connection, paid, Decimal(1), recorded_by="anna")
        note = credit_invoice(connection, credited, reason="x", created_by="anna")

    def code(do: Callable[..., object], *given: object, **more: object) -> str:
        with desk.scope() as connection, pytest.raises(BillingError) as refused:
            do(connection, *given, **more)
        assert refused.value.code not in str(refused.value)
        return refused.value.code

    reason = {"reason": "x", "voided_by": "anna"}
    assert code(void_invoice, uuid4(), **reason) == "INVOICE_NOT_FOUND"
    assert code(void_invoice, void, **reason) == "INVOICE_IS_VOID"
    assert code(void_invoice, paid, **reason) == "INVOICE_IS_SETTLED"
    assert code(void_invoice, note, **reason) == "NOT_AN_INVOICE"
    assert code(void_invoice, paid, reason=" ", voided_by="anna") == "INVALID_VALUE"
    reason = {"reason": "x", "created_by": "anna"}
    assert code(credit_invoice, credited, **reason) == "NOTHING_TO_CREDIT"
    assert code(credit_invoice, paid, **reason) == "INVOICE_IS_SETTLED"
    assert code(credit_invoice, void, **reason) == "INVOICE_IS_VOID"
    future = desk.today + timedelta(days=20)
    with desk.scope() as connection:
        credit_invoice(connection, desk.issue(), issue_date=future, **reason)
    assert code(credit_invoice, desk.issue(), **reason) == "DATE_BEFORE_LAST"
    assert code(record_payment, uuid4(), Decimal(1), recorded_by="anna") == "INVOICE_NOT_FOUND"
    assert code(record_payment, void, Decimal(1), recorded_by="anna") == "INVOICE_NOT_PAYABLE"
    with desk.scope() as connection:
        void_payment(connection, payment, voided_by="anna")
    assert code(void_payment, payment, voided_by="anna") == "PAYMENT_IS_VOID"
    assert code(void_payment, uuid4(), voided_by="anna") == "PAYMENT_NOT_FOUND"
