"""What was issued stays as it was issued, whoever tries."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from invoice_pipelines.billing.payments import record_payment
from invoice_pipelines_tests.integration.billing.conftest import BillingDesk, line

TABLES = (
    "invoice",
    "invoice_number",
    "issued_invoice_line",
    "issued_invoice_tax",
    "invoice_event",
    "sales_order_event",
    "payment_event",
)
SETTLED = {"status", "amount_paid", "amount_credited", "void_reason", "voided_at", "voided_by"}
ROLES = ["invoice_pipelines_owner", "postgres"]  # of the application, test_hostile_login tells


@pytest.fixture(scope="module")
def issued_desk(busy_desk: BillingDesk) -> BillingDesk:
    """A desk with a row in each of these tables."""
    busy_desk.issue(line(2, 5), line(1, 3, "AE", 0))
    busy_desk.rows("select billing.credit_invoice(:id, 'damaged')", id=busy_desk.issue())
    busy_desk.rows("select billing.void_invoice(:id, 'wrong buyer', reopen_order => true)", id=busy_desk.issue())
    with busy_desk.scope() as connection:
        record_payment(connection, busy_desk.issue(), Decimal(1), recorded_by="anna")
    return busy_desk


@contextmanager
def acting_as(desk: BillingDesk, role: str) -> Iterator[Connection]:
    """A role in the scope of this organization; what it does is taken back."""
    with desk.superuser.connect() as connection:
        if role == "invoice_pipelines_owner":  # row-level security hides all rows from it, so it would change none
            for table in TABLES:
                connection.execute(text(f"alter table billing.{table} no force row level security"))
        connection.execute(text(f"set local role {role}"))
        connection.execute(text(f"set local app.organization_id = '{desk.organization_id}'"))
        yield connection
        connection.rollback()


def refused(connection: Connection, statement: str, *, told: str = "never change") -> None:
    with pytest.raises(DBAPIError) as caught, connection.begin_nested():
        connection.execute(text(statement))
    found = str(caught.value.orig)
    assert re.search(f"{told}|permission denied", found), statement


def columns_of(desk: BillingDesk, table: str) -> dict[str, str]:
    """Names and types."""
    return {
        row[0]: row[1]
        for row in desk.rows(
            """select column_name, data_type from information_schema.columns
               where table_schema = 'billing' and table_name = :table and is_generated = 'NEVER'""",
            table=table,
        )
    }


@pytest.mark.parametrize("role", ROLES)
def test_every_column_of_every_row_is_as_it_was_issued_and_nothing_is_added(
    issued_desk: BillingDesk, role: str
) -> None:
    other = {"issued_invoice_line": ("line_number", "line_number + 100"), "issued_invoice_tax": ("tax_category", "'Z'")}
    with acting_as(issued_desk, role) as connection:
        for table in TABLES:
            columns = columns_of(issued_desk, table)
            for name, kind in columns.items():
                if table == "invoice" and name in SETTLED:
                    continue
                value = {
                    "uuid": "uuidv7()",
                    "date": f"coalesce({name}, current_date) + 1",
                    "jsonb": """'{"name": "Another"}'""",
                    "boolean": f"not {name}",
                    "timestamp with time zone": "now() + interval '1 day'",
                    "text": f"coalesce({name}, '') || 'x'",
                }.get(kind, f"coalesce({name}, 0) + 1")
                refused(connection, f"update billing.{table} set {name} = {value}")
            for statement in ("delete from billing.{}", "truncate billing.{}", "truncate billing.{} cascade"):
                refused(connection, statement.format(table), told="issued invoices never change|in a foreign key")
            if table in other:
                key, value = other[table]
                values = ", ".join(value if column == key else column for column in columns)
                refused(
                    connection,
                    f"""insert into billing.{table} ({", ".join(columns)}) select {values} from billing.{table}
                        where organization_id = '{issued_desk.organization_id}' and invoice_id = (
                            select id from billing.invoice
                            where organization_id = '{issued_desk.organization_id}' limit 1)""",
                    told="an issued invoice never changes",
                )


def alter(desk: BillingDesk, settled: str) -> None:
    """Changes invoices as the superuser, whom constraints and triggers bind as well."""
    desk.behind(f"update billing.invoice set {settled} and organization_id = '{{organization}}'")


@pytest.mark.parametrize(
    "change",
    [
        "status = 'paid'",  # without a payment
        "status = 'partially_paid'",
        "status = 'void'",  # without a reason
        "amount_paid = 1",
        "amount_paid = gross_amount + 1, status = 'paid'",
        "amount_paid = -1, status = 'partially_paid'",
        "amount_paid = 'NaN', status = 'paid'",
        "void_reason = 'x', voided_at = now()",
        "status = 'draft'",
    ],
)
def test_a_status_follows_from_what_was_paid_and_credited(desk: BillingDesk, change: str) -> None:
    desk.issue()
    with pytest.raises(DBAPIError, match="violates check constraint"):
        alter(desk, f"{change} where true")


def test_payments_are_the_one_thing_that_changes(desk: BillingDesk) -> None:
    desk.issue()
    alter(desk, "amount_paid = 5, status = 'partially_paid' where true")
    assert str(desk.value("select amount_due from billing.issued_invoice")) == "6.90"
    alter(desk, "amount_paid = gross_amount, status = 'paid' where true")
    assert desk.value("select amount_due from billing.issued_invoice") == 0
    alter(desk, "amount_paid = 0, status = 'issued' where true")  # a payment that came back


def test_what_was_paid_or_credited_is_not_voided_by_one_statement(desk: BillingDesk) -> None:
    paid, credited = desk.issue(), desk.issue()
    alter(desk, f"amount_paid = gross_amount, status = 'paid' where id = '{paid}'")
    desk.rows("""select billing.credit_invoice(:id, 'damaged', quantities => '{"1": 0.5}')""", id=credited)
    for invoice in (paid, credited):
        with pytest.raises(DBAPIError, match="cannot be voided"):
            alter(
                desk,
                f"""status = 'void', amount_paid = 0, amount_credited = 0, void_reason = 'x', voided_at = now()
                    where id = '{invoice}'""",
            )
    with pytest.raises(DBAPIError, match="stays credited"):
        alter(desk, f"status = 'issued', amount_credited = 0 where id = '{credited}'")


def test_a_void_invoice_stays_void(desk: BillingDesk) -> None:
    invoice = desk.issue()
    desk.rows("select billing.void_invoice(:id, 'wrong buyer')", id=invoice)
    for change in ("status = 'issued', void_reason = null, voided_at = null", "void_reason = 'another'"):
        with pytest.raises(DBAPIError, match="a void invoice stays void"):
            alter(desk, f"{change} where true")


def test_the_audit_trail_says_who_did_what_and_why(desk: BillingDesk) -> None:
    order_id = desk.order()
    desk.one(order_id)
    voided, credited = desk.invoice_of(order_id), desk.issue()
    desk.rows("select billing.void_invoice(:id, 'wrong buyer', 'bert', true)", id=voided)
    note = desk.value("select billing.credit_invoice(:id, 'damaged', 'carla')", id=credited)
    events = desk.rows("select invoice_id, action, reason, created_by, detail from billing.invoice_event order by id")
    assert [tuple(event)[:4] for event in events] == [
        (voided, "voided", "wrong buyer", "bert"),
        (credited, "credited", "damaged", "carla"),
    ]
    assert events[1].detail == {"credit_note_id": str(note), "gross_amount": "11.90"}
    (event,) = desk.rows("select * from billing.sales_order_event where sales_order_id = :id", id=order_id)
    assert (event.from_status, event.to_status, event.created_by) == ("invoiced", "reviewed", "bert")
    (row,) = desk.rows("select voided_by, void_reason from billing.issued_invoice where id = :id", id=voided)
    assert tuple(row) == ("bert", "wrong buyer")
