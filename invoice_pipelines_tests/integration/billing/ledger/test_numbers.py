"""Numbers: gapless per series and period, in the order of the request and of dates, written by the settings."""

from __future__ import annotations

from datetime import date, timedelta
from uuid import UUID

import pytest
from sqlalchemy.exc import DBAPIError

from invoice_pipelines_tests.integration.billing.conftest import BillingDesk, line


def written(desk: BillingDesk, *order_ids: UUID) -> list[str]:
    found = {
        row.sales_order_id: row.invoice_number
        for row in desk.rows("select sales_order_id, invoice_number from billing.issued_invoice where status <> 'void'")
    }
    return [found[order_id] for order_id in order_ids]


def test_numbers_follow_the_request_over_chunks_and_failures(desk: BillingDesk) -> None:
    good, bad = desk.many_orders(30), [desk.order(line(-1)) for _ in range(5)]
    request: list[object] = [*good]
    for place, order_id in zip((0, 3, 4, 17, 35), bad, strict=True):
        request.insert(place, order_id)
    request.insert(8, "no id")
    outcomes = desk.invoice(request, chunk_size=7)
    assert sum(item.status == "failed" for item in outcomes.values()) == 6
    assert written(desk, *good) == [f"INV-{desk.today:%Y}-{number:06}" for number in range(1, 31)]
    desk.assert_in_order()


@pytest.mark.parametrize(
    ("pattern", "day", "first", "third"),
    [
        ("INV-{year}-{number:06}", date(2026, 3, 5), "INV-2026-000001", "INV-2026-000003"),
        ("{number}", date(2026, 3, 5), "1", "3"),
        ("{year}/{month:02}/{number:03}", date(2026, 3, 5), "2026/03/001", "2026/03/003"),
        ("{month}-{number}", date(2026, 3, 5), "3-1", "3-3"),
        ("A%s'\\\"&1\\1-{number:02}-Ü", date(2026, 3, 5), "A%s'\\\"&1\\1-01-Ü", "A%s'\\\"&1\\1-03-Ü"),
        ("{number:012}", date(2026, 3, 5), "000000000001", "000000000003"),
    ],
)
def test_a_number_is_written_by_the_pattern(desk: BillingDesk, pattern: str, day: date, first: str, third: str) -> None:
    desk.set_settings(invoice_number={"pattern": pattern, "yearly_reset": True})
    orders = desk.many_orders(3)
    desk.invoice(orders, invoice_date=day)
    assert written(desk, *orders)[::2] == [first, third]


def test_numbers_outgrow_their_padding(desk: BillingDesk) -> None:
    desk.set_settings(invoice_number={"pattern": "R{number:02}", "yearly_reset": False})
    orders = desk.many_orders(101)
    desk.invoice(orders, chunk_size=40)
    assert written(desk, *orders)[8:10] == ["R09", "R10"]
    assert written(desk, *orders)[98:] == ["R99", "R100", "R101"]


def test_numbers_start_again_with_the_year(desk: BillingDesk) -> None:
    old, new, late = desk.many_orders(2), desk.many_orders(2), desk.many_orders(1)
    desk.invoice(old, invoice_date=date(2025, 12, 31))
    desk.invoice(new, invoice_date=date(2026, 1, 1))
    desk.invoice(late, invoice_date=date(2025, 12, 31))  # the books of the old year are not closed by the new one
    assert written(desk, *old, *new, *late) == [
        "INV-2025-000001",
        "INV-2025-000002",
        "INV-2026-000001",
        "INV-2026-000002",
        "INV-2025-000003",
    ]
    desk.assert_in_order()


def test_numbers_go_on_over_the_year_without_a_reset(desk: BillingDesk) -> None:
    desk.set_settings(invoice_number={"pattern": "INV-{year}-{number:06}", "yearly_reset": False})
    first, second = desk.many_orders(2)
    desk.invoice([first], invoice_date=date(2025, 12, 31))
    desk.invoice([second], invoice_date=date(2026, 1, 1))
    assert written(desk, first, second) == ["INV-2025-000001", "INV-2026-000002"]


def test_an_earlier_date_than_the_last_is_refused(desk: BillingDesk) -> None:
    first, early, same = desk.many_orders(3)
    desk.invoice([first], invoice_date=date(2026, 5, 10))
    refused = desk.one(early, invoice_date=date(2026, 5, 9))
    assert refused.code == "DATE_BEFORE_LAST"
    assert "2026-05-10" in str(refused.message)
    assert desk.one(same, invoice_date=date(2026, 5, 10)).status == "succeeded"
    assert desk.one(early, invoice_date=date(2026, 5, 11)).status == "succeeded"
    desk.assert_in_order()


def test_a_void_invoice_keeps_its_number(desk: BillingDesk) -> None:
    first, second, third = desk.many_orders(3)
    desk.invoice([first, second])
    desk.rows("select billing.void_invoice(:id, 'wrong buyer')", id=desk.invoice_of(first))
    desk.invoice([third])
    assert desk.numbers() == [1, 2, 3]
    assert desk.value("select invoice_number from billing.issued_invoice where status = 'void'").endswith("000001")


def test_credit_notes_have_a_series_of_their_own(desk: BillingDesk) -> None:
    first, second = desk.issue(), desk.issue()
    for invoice in (second, first):
        desk.rows("select billing.credit_invoice(:id, 'returned')", id=invoice)
    desk.issue()
    assert desk.numbers("invoice") == [1, 2, 3]
    assert desk.numbers("credit_note") == [1, 2]
    found = desk.rows("select invoice_number from billing.issued_invoice where series = 'credit_note' order by 1")
    assert [row[0] for row in found] == [f"CN-{desk.today:%Y}-00000{n}" for n in (1, 2)]


def test_a_number_that_was_given_before_is_refused_and_nothing_is_lost(desk: BillingDesk) -> None:
    """A reset each year and a pattern without the year; or a change of the setting."""
    desk.set_settings(invoice_number={"pattern": "R-{number:04}", "yearly_reset": True})
    first, second = desk.many_orders(1), desk.many_orders(12)
    desk.invoice(first, invoice_date=date(2025, 12, 1))
    outcomes = desk.invoice(second, invoice_date=date(2026, 1, 1))
    assert {item.code for item in outcomes.values()} == {"NUMBER_TAKEN"}
    assert "R-0001" in str(outcomes[str(second[0])].message)
    desk.set_settings(invoice_number={"pattern": "R-{year}-{number:04}", "yearly_reset": True})
    assert {item.status for item in desk.invoice(second, invoice_date=date(2026, 1, 1)).values()} == {"succeeded"}
    desk.assert_in_order()


def test_numbers_that_meet_earlier_ones_half_way_are_refused_from_there(desk: BillingDesk) -> None:
    desk.set_settings(invoice_number={"pattern": "{number}0", "yearly_reset": True})
    desk.invoice(desk.many_orders(1))  # "10"
    desk.set_settings(invoice_number={"pattern": "{number}", "yearly_reset": False})
    outcomes = desk.invoice(desk.many_orders(12), chunk_size=12)
    assert [item.code for item in outcomes.values()] == [None] * 9 + ["NUMBER_TAKEN"] * 3
    assert desk.numbers(period="") == list(range(1, 10))


def test_a_pattern_without_a_number_is_refused(desk: BillingDesk) -> None:
    desk.set_settings(invoice_number={"pattern": "INV-{year}", "yearly_reset": True})
    assert desk.one(desk.order()).code == "NUMBER_PATTERN"


def test_numbers_cannot_be_given_but_in_a_row(desk: BillingDesk) -> None:
    invoice = desk.issue()
    for number in (3, 7):
        with pytest.raises(DBAPIError, match=r"without a gap|duplicate key"):
            desk.behind(
                f"""insert into billing.invoice_number (organization_id, series, period, number, invoice_number,
                                                        invoice_id, issue_date)
                    values ('{{organization}}', 'credit_note', '2026', {number}, 'X', '{invoice}', '2026-01-01')"""
            )


def test_the_date_is_that_of_the_organization_and_may_not_lie_far_ahead(desk: BillingDesk) -> None:
    order_id = desk.order()
    with pytest.raises(DBAPIError, match="31 days"):
        desk.ask([order_id], invoice_date=desk.today + timedelta(days=32))
    desk.one(order_id)
    assert desk.value("select issue_date from billing.issued_invoice") == desk.today
