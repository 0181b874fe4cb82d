"""Stock against a sequential model: an order takes it for all of its lines or none, earlier orders first."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from invoice_pipelines_tests.conftest import TestDatabase
from invoice_pipelines_tests.integration.billing.conftest import BillingDesk, line, open_desk
from invoice_pipelines_tests.support.sizes import example_count

ITEMS = 4
QUANTITY = st.decimals(Decimal("0.001"), Decimal(4), places=3)
ENTRY = st.tuples(st.integers(0, ITEMS - 1), QUANTITY, st.sampled_from(["fine"] * 9 + ["no tax rate"]))
ORDERS = st.lists(st.lists(ENTRY, min_size=1, max_size=4), min_size=1, max_size=40)


@settings(max_examples=example_count(50))
@given(
    on_hand=st.lists(st.decimals(0, 12, places=3), min_size=ITEMS, max_size=ITEMS),
    orders=ORDERS,
    chunk_size=st.integers(1, 50),
)
def test_stock_is_taken_as_if_orders_came_one_by_one(
    busy_desk: BillingDesk, on_hand: list[Decimal], orders: list[list[Any]], chunk_size: int
) -> None:
    items = [busy_desk.stocked(quantity) for quantity in on_hand]
    ids = busy_desk.orders(
        [
            {
                "lines": [
                    line(quantity, 1, rate=19 if state == "fine" else 18, item_id=items[item])
                    for item, quantity, state in order
                ]
            }
            for order in orders
        ]
    )
    left, expected = dict(enumerate(on_hand)), []
    for order in orders:
        wanted: dict[int, Decimal] = {}
        for item, quantity, _ in order:
            wanted[item] = wanted.get(item, Decimal()) + quantity
        if any(state != "fine" for *_, state in order):
            expected.append("MISSING_TAX_RATE")
        elif any(left[item] < quantity for item, quantity in wanted.items()):
            expected.append("INSUFFICIENT_STOCK")
        else:
            expected.append(None)
            for item, quantity in wanted.items():
                left[item] -= quantity

    outcomes = busy_desk.invoice(ids, chunk_size=chunk_size)

    assert [outcomes[str(order_id)].code for order_id in ids] == expected
    assert [busy_desk.on_hand(item) for item in items] == list(left.values())


def test_an_order_that_fails_for_another_reason_leaves_the_stock_to_the_next(
    shared_database: TestDatabase,
) -> None:
    """Also where the reason lies with the seller: reverse charge needs its VAT id."""
    desk = open_desk(shared_database, vat_id=None, tax_number="12/345/67890")
    item = desk.stocked(1)
    refused = desk.order(line(1, category="AE", rate=0, item_id=item))
    fine = desk.order(line(1, item_id=item))
    late = desk.order(line(1, item_id=item))
    outcomes = desk.invoice([refused, fine, late])
    assert [item.code for item in outcomes.values()] == ["MISSING_SELLER_VAT_ID", None, "INSUFFICIENT_STOCK"]
    assert desk.on_hand(item) == 0


def test_the_refusal_says_what_is_wanted_and_what_is_there(desk: BillingDesk) -> None:
    item = desk.stocked("2.5", sku="BOLT-1")
    outcome = desk.one(desk.order(line(2, item_id=item), line("0.75", item_id=item)))
    assert (outcome.code, outcome.message) == ("INSUFFICIENT_STOCK", "Item BOLT-1: 2.75 wanted, 2.5 on hand.")
    assert desk.on_hand(item) == Decimal("2.5")


def test_items_that_track_no_stock_never_run_out(desk: BillingDesk) -> None:
    item = desk.item()
    assert desk.one(desk.order(line(1000, item_id=item))).status == "succeeded"
    assert desk.on_hand(item) == 0


def test_an_order_that_is_refused_frees_what_it_would_have_taken_of_other_items(desk: BillingDesk) -> None:
    scarce, shared = desk.stocked(1), desk.stocked(2)
    takes, refused, gains = (
        desk.order(line(1, item_id=scarce)),
        desk.order(line(1, item_id=scarce), line(2, item_id=shared)),
        desk.order(line(2, item_id=shared)),
    )
    outcomes = desk.invoice([takes, refused, gains])
    assert [item.code for item in outcomes.values()] == [None, "INSUFFICIENT_STOCK", None]
    assert (desk.on_hand(scarce), desk.on_hand(shared)) == (0, 0)


def test_an_order_that_fails_takes_no_number(desk: BillingDesk) -> None:
    item = desk.stocked(3)
    ids = [desk.order(line(quantity, item_id=item)) for quantity in (1, 5, 1, 2, 1)]
    outcomes = desk.invoice(ids)
    assert [item.status for item in outcomes.values()] == ["succeeded", "failed", "succeeded", "failed", "succeeded"]
    assert desk.numbers() == [1, 2, 3]
    desk.assert_in_order()
