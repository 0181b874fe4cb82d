"""A login of the application, inside its own organization and with nothing of ours around it, tries to falsify the
books. PostgreSQL itself says no; what is no falsification goes through functions, which leave their traces.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import DBAPIError

from invoice_pipelines.billing.payments import record_payment
from invoice_pipelines.database.engine import driver_url
from invoice_pipelines.database.roles import APP, BOOKS
from invoice_pipelines_tests.conftest import TestDatabase
from invoice_pipelines_tests.integration.billing.conftest import BillingDesk, line, open_desk

TABLES = (
    "invoice",
    "invoice_number",
    "issued_invoice_line",
    "issued_invoice_tax",
    "invoice_event",
    "invoice_counter",
    "sales_order_event",
    "payment",
    "payment_allocation",
    "payment_event",
)


@pytest.fixture(scope="module")
def books(shared_database: TestDatabase) -> BillingDesk:
    """An organization with an open invoice, a paid one, a void one whose order is open again, and a credit note."""
    desk = open_desk(shared_database)
    desk.issue(line(2, 50))
    paid = desk.issue()
    with desk.scope() as connection:
        record_payment(connection, paid, Decimal("11.90"), recorded_by="anna")
    desk.rows("select billing.void_invoice(:id, 'wrong buyer', 'anna', true)", id=desk.issue())
    desk.rows("select billing.credit_invoice(:id, 'damaged', 'anna')", id=desk.issue())
    return desk


@contextmanager
def hostile(desk: BillingDesk) -> Iterator[Connection]:
    """A transaction of a login of the application, in the organization's scope."""
    engine = create_engine(driver_url(desk.url))
    with engine.begin() as connection:
        connection.execute(text(f"set local app.organization_id = '{desk.organization_id}'"))
        assert connection.execute(text("select session_user")).scalar_one() == APP
        yield connection
    engine.dispose()


def state(desk: BillingDesk) -> dict[str, Any]:
    """All that the books say, and the orders and items."""
    return {
        table: desk.rows(f"select to_jsonb(t) from billing.{table} t order by to_jsonb(t)::text")
        for table in (*TABLES, "sales_order", "item")
    }


def refused(desk: BillingDesk, *statements: str, **values: Any) -> str:
    """What the login is told that tries statements in one transaction, after which nothing is changed."""
    before = state(desk)
    with pytest.raises(DBAPIError) as caught, hostile(desk) as connection:
        run(connection, statements, values)
    assert state(desk) == before
    return str(caught.value.orig)


def run(connection: Connection, statements: Iterable[str], values: Mapping[str, Any]) -> None:
    """Each with those of the values that it names."""
    for statement in statements:
        named = {name: value for name, value in values.items() if f":{name}" in statement}
        connection.execute(text(statement), named)


# An invoice that is written by hand.

HEADER = """
    insert into billing.invoice (organization_id, id, customer_id, issue_date, due_date, currency, line_amount,
                                 allowance_amount, net_amount, tax_amount, gross_amount, language, seller, buyer)
    select organization_id, :id, customer_id, issue_date - {earlier}, due_date, currency, {net}, 0, {net}, {tax},
           {net} + {tax}, language, seller, buyer
    from billing.invoice where status = 'issued' and document_kind = 'invoice' limit 1"""
LINE = """
    insert into billing.issued_invoice_line (organization_id, invoice_id, line_number, item_id, description, quantity,
        unit_code, unit_price, discount_percent, net_amount, tax_category, tax_rate, takes_stock)
    values (organizations.current(), {invoice}, 1, {item}, 'Work', 1, 'C62', 10, 0, 10, 'S', 19,
            false)"""
TAX = """
    insert into billing.issued_invoice_tax (organization_id, invoice_id, tax_category, tax_rate, line_amount,
                                            allowance_amount, taxable_amount, tax_amount)
    values (organizations.current(), {invoice}, 'S', {rate}, {tax_net}, 0, {tax_net}, {tax_tax})"""
NUMBER = """
    insert into billing.invoice_number (organization_id, series, period, number, invoice_number, invoice_id, issue_date)
    select organization_id, series, period, number + {step}, 'FORGED', {numbered}, issue_date - {earlier}
    from billing.invoice_number where series = '{series}' order by number desc limit 1"""
OTHER_TAX = TAX.replace("'S'", "'Z'").format(invoice="{invoice}", rate=0, tax_net=0, tax_tax=0)
COUNTER = "update billing.invoice_counter set next_number = next_number + {step} where series = '{series}'"
PARTS = (HEADER, TAX, LINE, NUMBER, COUNTER)
TRUE = {
    "net": 10,
    "tax": "1.90",
    "tax_net": 10,
    "tax_tax": "1.90",
    "rate": 19,
    "invoice": ":id",
    "numbered": ":id",
    "item": "null",
    "step": 1,
    "earlier": 0,
    "series": "invoice",
}
"""An invoice of 10.00 at 19 %, with the next number."""
FORGERIES: dict[str, tuple[tuple[str, ...], dict[str, object], str]] = {
    "no lines": ((HEADER, TAX, NUMBER, COUNTER), {}, "is not given"),
    "lines without VAT": ((HEADER, LINE, NUMBER, COUNTER), {}, "do not say the same"),
    "VAT that comes after the lines": ((*PARTS[:3], OTHER_TAX, NUMBER, COUNTER), {}, "do not say the same"),
    "totals that its lines do not have": (PARTS, {"net": 10_000, "tax": 1900}, "do not say the same"),
    "VAT that its breakdown does not have": (PARTS, {"tax": 0}, "do not say the same"),
    "a breakdown that its lines do not have": (
        PARTS,
        {"net": 5, "tax": "0.95", "tax_net": 5, "tax_tax": "0.95"},
        "do not say the same",
    ),
    "a breakdown at another rate": (PARTS, {"rate": 7, "tax": "0.70", "tax_tax": "0.70"}, "do not say the same"),
    "VAT that is not the rate of its sum": (PARTS, {"tax": "0.19", "tax_tax": "0.19"}, "do not say the same"),
    "a number of the credit notes": (PARTS, {"series": "credit_note"}, "is not given"),
    "an earlier date than the number before": (PARTS, {"earlier": 1}, "before the number that it follows"),
    "a number that leaves a gap": (PARTS, {"step": 2}, "without a gap"),
    "a number and no invoice": ((NUMBER, COUNTER), {}, "is not given"),
    "a line of an unknown item": (PARTS, {"item": "uuidv7()"}, "there is no item"),
    "a line of an unknown invoice": ((HEADER, LINE), {"invoice": "uuidv7()"}, "there is no invoice"),
    "VAT of an unknown invoice": ((HEADER, TAX), {"invoice": "uuidv7()"}, "there is no invoice"),
}
"""The statements, how they differ from a true invoice, and what the role is told that may write the books."""


def written(parts: tuple[str, ...], changes: dict[str, object]) -> list[str]:
    return [part.format(**TRUE | changes) for part in parts]


@contextmanager
def as_books(desk: BillingDesk) -> Iterator[Connection]:
    """The role that may write the books; what it does is taken back."""
    with desk.superuser.connect() as connection:
        connection.execute(text(f"set local role {BOOKS}"))
        connection.execute(text(f"set local app.organization_id = '{desk.organization_id}'"))
        yield connection
        connection.rollback()


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_number_is_refused_to_what_does_not_tie_whoever_writes_it(books: BillingDesk, forgery: str) -> None:
    parts, changes, message = FORGERIES[forgery]
    with as_books(books) as connection, pytest.raises(DBAPIError, match=message):
        run(connection, written(parts, changes), {"id": uuid4()})


def test_what_ties_gets_its_number(books: BillingDesk) -> None:
    """Otherwise the refusals would prove nothing."""
    with as_books(books) as connection:
        run(connection, written(PARTS, {}), {"id": uuid4()})


@pytest.mark.parametrize(
    "statement",
    ["delete from billing.item", "truncate billing.item cascade", "update billing.item set id = uuidv7()"],
)
def test_items_that_invoices_name_stay(books: BillingDesk, statement: str) -> None:
    books.issue(line(item_id=books.item()))
    told = refused(books, statement)
    assert "set is_active to false" in told or "permission denied" in told
    with books.superuser.connect() as connection, pytest.raises(DBAPIError, match="set is_active to false"):
        connection.execute(text(statement))


@pytest.mark.parametrize("table", TABLES)
def test_nothing_is_written_to_the_books_by_hand(books: BillingDesk, table: str) -> None:
    """No invoice, payment or event comes, changes or goes, and no counter moves, but by the functions for that."""
    columns = [
        row[0]
        for row in books.rows(
            """select column_name from information_schema.columns
               where table_schema = 'billing' and table_name = :table and is_generated = 'NEVER'""",
            table=table,
        )
    ]
    listed = ", ".join(columns)
    statements = [f"update billing.{table} set {column} = {column}" for column in columns]
    statements += [f"insert into billing.{table} ({listed}) select {listed} from billing.{table}"]
    statements += [f"delete from billing.{table}", f"truncate billing.{table}"]
    with hostile(books) as connection:
        for statement in statements:
            with pytest.raises(DBAPIError, match="permission denied"), connection.begin_nested():
                connection.execute(text(statement))
        some = "select has_any_column_privilege(:table, 'insert') or has_any_column_privilege(:table, 'update')"
        assert not connection.execute(text(some), {"table": f"billing.{table}"}).scalar_one()


INNER = {
    "write_invoices": """billing.write_invoices(
        array[:order], array[uuidv7()], '{}', '{}', '{}', '{"name": "Forged Ltd"}', '2020-01-01', 0, 'en', 'anna',
        null)""",
    "take_numbers": "billing.take_numbers('invoice', current_date, array[:invoice])",
    "issue_chunk": "billing.issue_chunk(:job, 10, false)",
    "lock_invoice": "billing.lock_invoice(:invoice)",
}


@pytest.mark.parametrize("call", INNER.values(), ids=INNER)
def test_the_steps_of_issuing_cannot_be_called_by_themselves(desk: BillingDesk, call: str) -> None:
    invoice, order = desk.issue(), desk.order()
    ids: dict[str, UUID] = {"invoice": invoice, "order": order, "job": desk.ask([order])}
    assert "permission denied" in refused(desk, f"select * from {call}", **ids)


def test_a_job_that_was_forged_cannot_close_the_series_with_a_date_far_ahead(desk: BillingDesk) -> None:
    order = desk.order()
    job = desk.ask([order])
    with hostile(desk) as connection:
        connection.execute(
            text("""update work.batch_job set parameters = parameters || '{"invoice_date": "2999-01-01"}'""")
        )
    desk.work(job)
    assert desk.outcomes(job)[str(order)].code == "DATE_OUT_OF_RANGE"
    assert desk.one(order).status == "succeeded"


def test_another_organization_is_out_of_reach_of_the_functions_that_write_the_books(
    books: BillingDesk, shared_database: TestDatabase
) -> None:
    """They work with rights that the application lacks, but in the organization that it named."""
    other = open_desk(shared_database)
    invoice, order, waiting = other.issue(), other.order(), other.order()
    job = other.ask([waiting])
    before = state(other)
    for call in (
        "billing.void_invoice(:id, 'x')",
        "billing.credit_invoice(:id, 'x')",
        """billing.settle(jsonb_build_array(jsonb_build_object(
               'source', 'manual', 'kind', 'payment', 'status', 'active', 'payment_date', '2026-01-01',
               'currency', 'EUR', 'amount', 1, 'unapplied_amount', 0, 'id', uuidv7(),
               'allocations', jsonb_build_object(cast(:id as text), 1))))""",
    ):
        assert "This organization has no issued invoice" in refused(books, f"select {call}", id=invoice)
    with hostile(books) as connection:
        connection.execute(text("select billing.hold_invoices(array[:id])"), {"id": invoice})
        found = connection.execute(text("select billing.set_order_status(array[:id], 'cancelled')"), {"id": order})
        assert found.all() == []
        step = connection.execute(text("select taken from billing.issue_next(10, :id)"), {"id": job}).scalar_one()
        assert not step
    assert state(other) == before


# Orders.


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("status = 'invoiced' where status = 'reviewed'", "invoiced by issuing its invoice"),
        ("status = 'reviewed' where status = 'invoiced'", "changed by billing.set_order_status()"),
        ("status = 'cancelled' where status = 'reviewed'", "changed by billing.set_order_status()"),
    ],
)
def test_the_status_of_an_order_is_not_changed_by_hand(books: BillingDesk, change: str, told: str) -> None:
    books.order()
    assert told in refused(books, f"update billing.sales_order set {change}")


def test_no_order_comes_as_invoiced(books: BillingDesk) -> None:
    with pytest.raises(DBAPIError, match="invoiced by issuing its invoice"):
        books.order(status="invoiced")


def test_what_a_person_changes_by_the_function_is_noted_with_time_and_login(desk: BillingDesk) -> None:
    order = desk.order()
    desk.rows("select billing.set_order_status(array[:id], 'cancelled', 'no longer wanted', 'anna')", id=order)
    (event,) = desk.rows("select *, now() - created_at < interval '1 minute' as is_new from billing.sales_order_event")
    assert (event.from_status, event.to_status, event.reason) == ("reviewed", "cancelled", "no longer wanted")
    assert (event.created_by, event.login, event.is_new) == ("anna", APP, True)


def test_a_void_and_its_event_have_one_moment_and_name_the_login(books: BillingDesk) -> None:
    (void,) = books.rows("select id, voided_at, voided_by from billing.invoice where status = 'void'")
    (event,) = books.rows("select * from billing.invoice_event where invoice_id = :id", id=void.id)
    assert (event.action, event.created_at, event.created_by) == ("voided", void.voided_at, void.voided_by)
    assert event.login == APP


# History.


def test_what_was_issued_says_the_same_whatever_becomes_of_customers_items_and_rates(desk: BillingDesk) -> None:
    customer, item = desk.customer(), desk.item(unit_price=10, tax_category="S", tax_rate=19)
    desk.issue(line(2, 10, item_id=item), customer_id=customer, discount_percent=5)
    before = {table: state(desk)[table] for table in TABLES}
    with hostile(desk) as connection:
        for statement in (
            "update billing.customer set name = 'Another', vat_id = null, country_code = 'AT', is_active = false",
            "update billing.item set name = 'Another', sku = 'X' || id, unit_price = 99, tax_rate = 7",
            "update billing.tax_rate set exemption_reason = 'Another' where exemption_reason is not null",
            "update billing.tax_rate set is_active = false",
            "update organizations.organization set name = 'Another', iban = 'X', address = '{}'",
            "update billing.sales_order set discount_percent = 50, currency = 'CHF', note = 'Another'",
            "update billing.sales_order_line set unit_price = 99, quantity = 99, description = 'Another'",
        ):
            connection.execute(text(statement))
    assert {table: state(desk)[table] for table in TABLES} == before
