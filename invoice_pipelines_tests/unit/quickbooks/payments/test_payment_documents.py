"""How documents of QuickBooks are read, and which payments they stand for: forms that are rare, or only half known."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invoice_pipelines.billing.payments import PaymentKind, PaymentStatus
from invoice_pipelines.quickbooks.payments.documents import (
    Transaction,
    UnreadableDocument,
    bookings,
    read_transaction,
    unknown_links,
)
from invoice_pipelines.quickbooks.values import TransactionType


def payment(total: object, *lines: tuple[str, str, object], **fields: Any) -> dict[str, Any]:
    """A Payment with lines of kind, id and amount."""
    return {
        "Id": "1",
        "SyncToken": "0",
        "TotalAmt": total,
        "TxnDate": "2026-03-02",
        "Line": [
            {"Amount": amount, "LinkedTxn": [{"TxnType": kind, "TxnId": identity}]} for kind, identity, amount in lines
        ],
        **fields,
    }


def read(document: dict[str, Any], kind: TransactionType = TransactionType.PAYMENT) -> Transaction:
    return read_transaction(kind, document)


def booked(document: dict[str, Any]) -> dict[str, tuple[Decimal, dict[str, Decimal]]]:
    """Amount and invoices by kind."""
    return {booking.kind: (booking.amount, dict(booking.invoices)) for booking in bookings(read(document))}


def test_what_payments_do_not_need_is_no_change() -> None:
    first = read(payment(Decimal("119.00"), ("Invoice", "7", Decimal("119.00"))))
    again = read(payment(119, ("Invoice", "7", 119), Line2="x", PrivateNote="hello", sparse=False, SyncToken="4"))
    assert first.content == again.content


def test_a_payment_over_one_invoice_in_two_lines_is_one_allocation() -> None:
    assert booked(payment(100, ("Invoice", "7", 40), ("Invoice", "7", 60))) == {"payment": (100, {"7": 100})}


def test_lines_of_other_kinds_are_for_no_invoice() -> None:
    assert booked(payment(100, ("JournalEntry", "9", 30), ("Invoice", "7", 70))) == {"payment": (100, {"7": 70})}


def test_a_journal_entry_that_credits_the_customer_is_a_credit() -> None:
    document = payment(70, ("Invoice", "7", 100), ("JournalEntry", "9", 30))
    assert booked(document) == {"payment": (70, {"7": 70}), "credit": (30, {"7": 30})}


def test_a_deposit_at_the_bank_is_money_that_pays_what_it_was_applied_to() -> None:
    document = payment(0, ("Invoice", "7", 100), ("Deposit", "9", 100))
    (booking,) = bookings(read(document))
    assert (booking.key, booking.kind, booking.amount) == ("deposit", PaymentKind.PAYMENT, 100)
    assert booking.invoices == {"7": 100}
    assert read(document).state is PaymentStatus.ACTIVE

    mixed = bookings(read(payment(20, ("Invoice", "7", 100), ("Deposit", "9", 50), ("CreditMemo", "8", 30))))
    assert {each.key: dict(each.invoices) for each in mixed} == {
        "": {"7": 20},
        "credit": {"7": 30},
        "deposit": {"7": 50},
    }


def test_what_nobody_told_of_is_named_and_counts_where_the_amounts_leave_room() -> None:
    document = read(payment(70, ("Invoice", "7", 100), ("Transfer", "9", 30)))
    assert unknown_links(document.content) == [("Transfer", "9", 30)]
    assert {each.kind: dict(each.invoices) for each in bookings(document)} == {
        "payment": {"7": 70},
        "credit": {"7": 30},
    }
    assert unknown_links(read(payment(0, ("Invoice", "7", 1), ("JournalEntry", "9", 1))).content) == []


def test_money_that_went_back_pays_nothing_also_where_the_line_of_the_invoice_was_left_as_it_was() -> None:
    document = payment(100, ("Invoice", "7", 60), ("Invoice", "8", 40), ("Check", "9", 50))
    assert booked(document) == {"payment": (100, {"7": 50}), "refund": (50, {})}


def test_credit_is_used_in_the_order_of_the_lines() -> None:
    document = payment(50, ("Invoice", "7", 40), ("Invoice", "8", 60), ("CreditMemo", "9", 50))
    assert booked(document) == {"payment": (50, {"8": 50}), "credit": (50, {"7": 40, "8": 10})}


def test_a_payment_of_zero_is_void_without_lines_and_a_credit_with_them() -> None:
    """In any language: what the note says does not matter."""
    assert read(payment(0)).state is PaymentStatus.VOID
    assert read(payment(0, PrivateNote="Storniert")).state is PaymentStatus.VOID
    applied = read(payment(0, ("Invoice", "7", 30), ("CreditMemo", "9", 30)))
    assert applied.state is PaymentStatus.ACTIVE
    assert [booking.kind for booking in bookings(applied)] == [PaymentKind.CREDIT]


def test_what_a_document_does_not_stand_for_any_more_is_void() -> None:
    before = read(payment(0, ("Invoice", "7", 30), ("CreditMemo", "9", 30))).content
    now = read(payment(30, ("Invoice", "7", 30)))
    assert {b.key: b.status for b in bookings(now, before)} == {
        "": PaymentStatus.ACTIVE,
        "credit": PaymentStatus.VOID,
    }


@pytest.mark.parametrize(
    "document",
    [
        payment(None),
        payment(-1),
        payment("NaN"),
        payment("Infinity"),
        payment("1e99"),
        payment(1, TxnDate=None),
        payment(1, TxnDate="2026-02-30"),
        payment(1, ("Invoice", "7", -1)),
        payment(1, UnappliedAmt="many"),
        payment(1, Id=""),
        payment(1, Line=[{"Amount": 1, "LinkedTxn": [{"TxnId": "1"}, {"TxnId": "2"}]}]),
    ],
)
def test_what_is_no_payment_is_refused_with_a_reason(document: dict[str, Any]) -> None:
    with pytest.raises(UnreadableDocument):
        read(document)


def test_a_moment_without_offset_is_none() -> None:
    moments = {"2026-03-02T07:00:00": None, "2026-03-02T07:00:00-08:00": datetime(2026, 3, 2, 15, tzinfo=UTC)}
    for text, expected in moments.items():
        assert read(payment(1, MetaData={"LastUpdatedTime": text})).remote_updated_at == expected


ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5), st.just("\x00"), st.decimals()),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(st.text(max_size=8), inner, max_size=2)),
    max_leaves=4,
)
FIELDS = (
    "Id",
    "SyncToken",
    "TotalAmt",
    "UnappliedAmt",
    "TxnDate",
    "CustomerRef",
    "CurrencyRef",
    "PaymentRefNum",
    "Line",
)


@given(
    fields=st.dictionaries(st.sampled_from([*FIELDS, "MetaData"]), ANYTHING, max_size=3),
    link=st.dictionaries(st.sampled_from(["TxnId", "TxnType"]), ANYTHING),
    kind=st.sampled_from(TransactionType),
)
def test_whatever_comes_is_read_or_refused_and_can_be_stored(
    fields: dict[str, Any], link: dict[str, Any], kind: TransactionType
) -> None:
    document = {**payment(1, ("Invoice", "7", 1)), "Line": [{"Amount": 1, "LinkedTxn": [link]}], **fields}
    try:
        transaction = read(document, kind)
    except UnreadableDocument:
        return
    kept = json.dumps([transaction.quickbooks_id, transaction.sync_token, transaction.content])
    assert "\\u0000" not in kept
    assert bookings(transaction) is not None


AMOUNTS = st.decimals(Decimal("0.01"), Decimal(500), places=2)


@given(
    invoices=st.lists(AMOUNTS, max_size=4),
    memos=st.lists(AMOUNTS, max_size=3),
    paid_back=st.lists(AMOUNTS, max_size=2),
    unapplied=st.decimals(Decimal(0), Decimal(100), places=2),
)
def test_every_invoice_has_exactly_its_line(
    invoices: list[Decimal], memos: list[Decimal], paid_back: list[Decimal], unapplied: Decimal
) -> None:
    """Of any payment that adds up: the parts of ours sum to its lines, and no part has more than there is."""
    needed = sum(invoices, Decimal(0)) + sum(paid_back, Decimal(0)) + unapplied
    credit = min(sum(memos, Decimal(0)), sum(invoices, Decimal(0)))
    used, left = [], credit
    for memo in memos:
        used.append(min(memo, left))
        left -= used[-1]
    lines = [("Invoice", f"I{place}", amount) for place, amount in enumerate(invoices)]
    lines += [("CreditMemo", f"C{place}", amount) for place, amount in enumerate(used) if amount]
    lines += [("Check", f"E{place}", amount) for place, amount in enumerate(paid_back)]
    found = bookings(read(payment(needed - credit, *lines, UnappliedAmt=unapplied)))
    got: dict[str, Decimal] = {}
    for booking in found:
        assert sum(booking.invoices.values(), Decimal(0)) <= booking.amount
        for invoice, amount in booking.invoices.items():
            got[invoice] = got.get(invoice, Decimal(0)) + amount
    assert got == {f"I{place}": amount for place, amount in enumerate(invoices)}
    assert sum((b.amount for b in found if b.kind is PaymentKind.REFUND), Decimal(0)) == sum(paid_back, Decimal(0))
