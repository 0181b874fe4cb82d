"""Asking for invoices in Python: what is answered, what is refused with which words, and what becomes of odd ids."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from sqlalchemy import text

from invoice_pipelines.billing import (
    BillingError,
    batch_invoice_customers,
    batch_invoice_open_orders,
    issued_invoices,
    process_jobs,
    set_order_status,
)
from invoice_pipelines.billing.invoice_lists import newest_invoices
from invoice_pipelines.billing.overview import billing_state, job_outcome
from invoice_pipelines.billing.requests import order_ids, parse_date
from invoice_pipelines_tests.support.billing.shop import Shop


def test_a_request_is_answered_with_job_total_and_estimate_before_anything_is_issued(own_shop):
    orders = own_shop.orders({}, {})
    answer = own_shop.ask(orders)
    assert answer.total == 2
    assert 0 < answer.estimated_seconds < 60
    assert own_shop.value("select count(*) from billing.invoice") == 0
    assert [status for _, status, _ in own_shop.outcomes(answer)] == ["succeeded", "succeeded"]


def test_a_request_counts_with_the_transaction_that_it_is_part_of(shop: Shop):
    before = shop.value("select count(*) from work.batch_job")
    with shop.scope() as connection:
        batch_invoice_open_orders(connection, created_by="anna")
        connection.rollback()
    assert shop.value("select count(*) from work.batch_job") == before


def test_every_id_gets_its_own_outcome_whatever_it_looks_like(shop: Shop):
    good, also_good = shop.orders({}, {})
    strange = ["", "  ", "x\x00y", "\ud800", "order 7", "🧾" * 300, str(uuid4())]
    answer = shop.ask([str(good).upper(), *strange, also_good, good])
    outcomes = shop.outcomes(answer)
    assert (outcomes[0][1], outcomes[-1][1]) == ("succeeded", "succeeded")
    assert {code for _, status, code in outcomes[1:-1] if status == "failed"} == {"NOT_AN_ID", "NOT_FOUND"}
    assert len([subject for subject, _, _ in outcomes if subject == str(good)]) == 1


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"invoice_date": date(9999, 12, 31)}, "invoice_date: 9999-12-31 is not between"),
        ({"invoice_date": datetime(2026, 1, 1)}, "invoice_date: expected a date"),  # noqa: DTZ001
        ({"due_days": 10**500}, "due_days: the number is far outside"),
        ({"language": "d\x00"}, "language: "),
        ({"send_immediately": True}, "communication_method: name one of email, sms, whatsapp"),
        ({"send_immediately": True, "communication_method": "fax"}, "communication_method: fax is none of email, sms"),
        ({"communication_method": "email"}, "communication_method: it goes with send_immediately"),
        ({"send_immediately": True, "communication_method": "e\x00"}, "communication_method: "),
    ],
)
def test_what_is_not_possible_is_refused_in_one_line_that_names_the_field(shop: Shop, request_, words):
    with pytest.raises(BillingError, match=words) as refused:
        shop.ask([], **request_)
    assert "\n" not in str(refused.value)


def test_what_is_to_follow_stands_in_the_job_and_what_was_not_asked_for_does_not(shop: Shop):
    plain = shop.ask([])
    both = shop.ask([], generate_pdf=True, send_immediately=True, communication_method="sms", language="de")
    parameters = {
        job_id: shop.value("select parameters - 'invoice_date' from work.batch_job where id = :id", id=job_id)
        for job_id in (plain.job_id, both.job_id)
    }
    assert parameters[plain.job_id] == {"due_days": 0}
    assert parameters[both.job_id] == {
        "due_days": 0,
        "language": "de",
        "generate_pdf": True,
        "send_immediately": True,
        "communication_method": "sms",
    }


def test_customers_and_open_orders_are_asked_for_with_the_same_options(own_shop: Shop):
    options = {"generate_pdf": True, "send_immediately": True, "communication_method": "email"}
    item = {"description": "Work", "quantity": "1", "unit_price": "5", "tax_category": "S", "tax_rate": "19"}
    with own_shop.scope() as connection:
        asked = (
            batch_invoice_customers(connection, [], [item], created_by="anna", generate_pdf=True),
            batch_invoice_open_orders(connection, created_by="anna", **options),
        )
    wanted = [
        own_shop.value("select parameters from work.batch_job where id = :id", id=answer.job_id) for answer in asked
    ]
    assert wanted[0]["generate_pdf"]
    assert "send_immediately" not in wanted[0]
    assert {name: wanted[1].get(name) for name in options} == options


def test_one_text_is_not_a_list_of_ids_options_are_known_and_somebody_must_ask(shop: Shop):
    with pytest.raises(BillingError, match="sales_order_ids: expected a list"):
        shop.ask("3b241101-e2bb-4255-8caf-4136c566a962")
    with pytest.raises(TypeError, match="There is no option due_day"):
        shop.ask([], due_day=3)
    with shop.scope() as connection, pytest.raises(BillingError, match="created_by"):
        batch_invoice_open_orders(connection, created_by=" ")


@pytest.mark.parametrize("words", ["0000-01-01", "2026-02-30", "31.3.2026", "20260331x", ""])
def test_a_date_that_is_none_is_named(words):
    with pytest.raises(BillingError, match="--invoice-date"):
        parse_date("--invoice-date", words)


def test_open_orders_are_invoiced_the_oldest_first_and_those_of_a_day_as_they_came(own_shop: Shop):
    own_shop.orders(
        {"order_number": "late", "order_date": "2026-03-01"},
        {"order_number": "z", "order_date": "2026-02-01"},
        {"order_number": "a", "order_date": "2026-02-01"},
        {"order_number": "draft", "status": "draft"},
    )
    with own_shop.scope() as connection:
        answer = batch_invoice_open_orders(connection, created_by="anna", due_days=7)
    assert answer.total == 3
    process_jobs(own_shop.context())
    with own_shop.scope() as connection:
        issued = issued_invoices(connection, [entry.id for entry in reversed(newest_invoices(connection))])
        assert [invoice.order_number for invoice in issued] == ["z", "a", "late"]
        assert {invoice.due_date - invoice.issue_date for invoice in issued} == {timedelta(days=7)}
        assert {invoice.created_by for invoice in issued} == {"anna"}
        state = billing_state(connection)
    assert (state.open_orders, state.due_items, state.last_number) == (0, 0, issued[-1].invoice_number)
    assert state.unpaid == (("EUR", Decimal("357.00")),)


def test_the_outcome_of_a_job_has_money_numbers_and_reasons_with_an_example(own_shop: Shop):
    orders = own_shop.orders({}, {"order_number": "EMPTY", "lines": []}, {"lines": []}, {})
    answer = own_shop.ask(orders)
    own_shop.outcomes(answer)
    with own_shop.scope() as connection:
        outcome = job_outcome(connection, answer.job_id)
    assert [(money.currency, money.invoices, money.gross_amount) for money in outcome.money] == [
        ("EUR", 2, Decimal("238.00"))
    ]
    assert (outcome.first_number or "").endswith("000001")
    assert (outcome.last_number or "").endswith("000002")
    assert [(failure.code, failure.items, failure.example) for failure in outcome.failures] == [
        ("NO_LINES", 2, "EMPTY")
    ]


def test_orders_are_named_by_id_or_number_and_what_is_unknown_stays(shop: Shop):
    (order,) = shop.orders({"order_number": "Größe 7"})
    with shop.scope() as connection:
        assert order_ids(connection, ["Größe 7", str(order), "nope"]) == [str(order), str(order), "nope"]


def test_customers_are_invoiced_directly_over_the_same_items(own_shop: Shop):
    item = own_shop.value("select id from billing.item where sku = 'B'")
    customer = own_shop.value("select id from billing.customer where customer_number = 'C1'")
    wanted = [
        {"inventory_item_id": item, "quantity": Decimal("2.5"), "unit_price": None},
        {"description": "Setup", **SETUP},
    ]
    with own_shop.scope() as connection:
        answer = batch_invoice_customers(connection, [customer, uuid4()], wanted, created_by="anna")
    assert [code for _, _, code in own_shop.outcomes(answer)] == [None, "UNKNOWN_CUSTOMER"]
    with own_shop.scope() as connection:
        (invoice,) = issued_invoices(connection, [newest_invoices(connection)[0].id])
    assert [(entry.description, entry.net_amount) for entry in invoice.lines] == [
        ("Bolt", Decimal("24.98")),
        ("Setup", Decimal("80.00")),
    ]
    assert own_shop.value("select quantity_on_hand from billing.item where sku = 'B'") == Decimal("7.500")


SETUP = {"quantity": "1", "unit_price": "80", "tax_category": "S", "tax_rate": "7"}


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ({"description": "x", "quantity": "NaN"}, r"items\[1\]\.quantity"),
        ({"description": "x", "quantity": 1, "price": 3}, r"items\[1\]: there is no field price"),
        ({"description": "\x00", "quantity": 1}, r"items\[1\]\.description"),
        ({"quantity": 1}, r"items\[1\]: inventory_item_id or description"),
        ({"inventory_item_id": str(uuid4()), "quantity": 1}, r"items\[1\]\.inventory_item_id"),
    ],
)
def test_a_wrong_direct_item_is_named_with_its_field(shop: Shop, item, words):
    with shop.scope() as connection, pytest.raises(BillingError, match=words):
        batch_invoice_customers(connection, [], [item], created_by="anna")


def test_people_change_the_status_of_orders_but_not_of_invoiced_ones(own_shop: Shop):
    draft, pending, cancelled, invoiced = own_shop.orders({"status": "draft"}, {}, {}, {})
    own_shop.outcomes(own_shop.ask([invoiced]))
    unknown = uuid4()
    with own_shop.scope() as connection:
        set_order_status(connection, [cancelled], "cancelled", changed_by="ben", reason="customer left")
        change = set_order_status(
            connection, [draft, pending, cancelled, invoiced, unknown, draft], "pending", changed_by="ben"
        )
        assert change.changed == (draft, pending)
        assert set(change.refused) == {cancelled, invoiced, unknown}
        assert "invoiced" in change.refused[invoiced]
        events = connection.execute(
            text("select from_status, to_status, reason, created_by from billing.sales_order_event order by id")
        ).all()
    assert events == [("pending", "cancelled", "customer left", "ben"), ("draft", "pending", None, "ben")]


def test_a_status_that_people_cannot_give_is_refused(shop: Shop):
    with shop.scope() as connection, pytest.raises(BillingError, match="'invoiced' is not one of"):
        set_order_status(connection, [], "invoiced", changed_by="ben")
