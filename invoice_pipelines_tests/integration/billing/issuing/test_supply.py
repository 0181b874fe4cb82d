"""When the supply of an invoice was made: every invoice says it, with the service periods of its order and lines."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from invoice_pipelines.billing import IssuedInvoice, RowsRefused, add_orders, credit_invoice, get_issued_invoice
from invoice_pipelines_tests.conftest import TestDatabase
from invoice_pipelines_tests.integration.billing.conftest import BillingDesk, line, open_desk

JANUARY = {"period_start": "2026-01-01", "period_end": "2026-01-31"}
MARCH = {"period_start": "2026-03-01", "period_end": "2026-03-31"}


@pytest.fixture(scope="module")
def desk(shared_database: TestDatabase) -> BillingDesk:
    return open_desk(shared_database)


def issued(desk: BillingDesk, *lines: Any, **order: Any) -> IssuedInvoice:
    invoice_id = desk.issue(*lines, **order)
    with desk.scope() as connection:
        return get_issued_invoice(connection, invoice_id)


@pytest.mark.parametrize(
    ("order", "lines", "expected"),
    [
        ({"delivery_date": None}, [{}], None),
        ({"delivery_date": "2026-01-05"}, [{}], date(2026, 1, 5)),
        ({"delivery_date": None, **JANUARY}, [{}], date(2026, 1, 31)),
        ({"delivery_date": "2026-02-02", **JANUARY}, [{}], date(2026, 2, 2)),
        ({"delivery_date": None}, [JANUARY, MARCH], date(2026, 3, 31)),
        ({"delivery_date": None}, [JANUARY, {}], None),
    ],
    ids=["nothing", "a day", "a period", "both", "periods of all lines", "the period of a line"],
)
def test_every_invoice_says_when_the_supply_was_made_and_else_its_own_date(
    desk: BillingDesk, order: dict[str, Any], lines: list[dict[str, Any]], expected: date | None
) -> None:
    invoice = issued(desk, *(line(**period) for period in lines), **order)
    assert invoice.delivery_date == (expected or invoice.issue_date)
    assert not invoice.is_prepayment
    period = (invoice.period_start, invoice.period_end)
    assert period == ((date(2026, 1, 1), date(2026, 1, 31)) if "period_end" in order else (None, None))
    assert [str(entry.period_end) for entry in invoice.lines] == [str(each.get("period_end")) for each in lines]


def test_a_supply_to_come_makes_it_a_prepayment(desk: BillingDesk) -> None:
    assert issued(desk, delivery_date=desk.today + timedelta(days=1)).is_prepayment
    to_come = {"period_start": str(desk.today), "period_end": str(desk.today + timedelta(days=30))}
    assert issued(desk, delivery_date=None, **to_come).is_prepayment


def test_a_credit_note_is_about_the_same_supply(desk: BillingDesk) -> None:
    invoice = issued(desk, line(2, **JANUARY), delivery_date="2026-01-20", **JANUARY)
    with desk.scope() as connection:
        note = get_issued_invoice(connection, credit_invoice(connection, invoice.id, reason="Wrong", created_by="ben"))
    for name in ("delivery_date", "period_start", "period_end"):
        assert getattr(note, name) == getattr(invoice, name)
    assert (note.lines[0].period_start, note.lines[0].period_end) == (date(2026, 1, 1), date(2026, 1, 31))


def test_an_intra_community_supply_needs_a_day_or_a_period_of_its_own(desk: BillingDesk) -> None:
    to_france = {"customer_id": desk.customer(country_code="FR", vat_id="FR40303265045"), "delivery_date": None}
    refused = desk.one(desk.order(line(category="K", rate=0), **to_france))
    assert refused.code == "MISSING_DELIVERY_DATE"
    assert desk.one(desk.order(line(category="K", rate=0), **to_france, **JANUARY)).status == "succeeded"


NEW = {"order_number": "P-1", "order_date": "2026-01-02"}
LINE = {"description": "Support", "quantity": 1, "unit_price": "50", "tax_category": "S", "tax_rate": 19}


@pytest.mark.parametrize(
    ("order", "field", "reason"),
    [
        ({"period_start": "2026-02-01", "period_end": "2026-01-31"}, "row", "BR-29"),
        ({"period_start": "2026-02-01"}, "row", "go together"),
        ({"period_end": "2026-02-30", "period_start": "2026-02-01"}, "period_end", ""),
        ({"lines": [LINE | {"period_start": "2026-02-01", "period_end": "2026-01-31"}]}, "lines[1]", "BR-30"),
        ({"lines": [LINE, LINE | {"period_end": "2026-01-31"}]}, "lines[2]", "go together"),
        ({"lines": [LINE, LINE | MARCH], **JANUARY}, "row", "line 2: its period, 2026-03-01 to 2026-03-31"),
    ],
)
def test_an_order_with_an_impossible_period_is_refused(
    desk: BillingDesk, order: dict[str, Any], field: str, reason: str
) -> None:
    with desk.scope() as connection, pytest.raises(RowsRefused) as refused:
        add_orders(connection, [NEW | order], created_by="anna")
    (problem,) = refused.value.problems
    assert problem.field == field
    assert reason in problem.message


@pytest.mark.parametrize("table", ["sales_order", "sales_order_line"])
def test_postgresql_refuses_impossible_periods_whoever_writes_them(desk: BillingDesk, table: str) -> None:
    desk.order()
    for start, end in (("2026-02-01", "2026-01-31"), ("2026-02-01", None), (None, "2026-02-01")):
        with pytest.raises(IntegrityError, match=f"{table}_period"):
            desk.rows(f"update billing.{table} set period_start = :start, period_end = :end", start=start, end=end)
