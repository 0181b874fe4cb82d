"""What operators find in `invoice_record` and `invoice_line_item`: issued invoices, what each owes, how it stands."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from sqlalchemy import text

from invoice_pipelines.billing.corrections import credit_invoice, void_invoice
from invoice_pipelines.billing.payments import record_payment
from invoice_pipelines_tests.conftest import TestDatabase
from invoice_pipelines_tests.integration.billing.conftest import BillingDesk, line, open_desk


def test_what_a_batch_made_is_shown_with_what_each_invoice_owes(desk: BillingDesk) -> None:
    long_ago = desk.today - timedelta(days=20)
    orders = [desk.order(line(n, 100)) for n in range(1, 6)]
    job_id = desk.ask(orders, invoice_date=long_ago, due_days=14)
    desk.work(job_id)
    late, paid, credited, voided, partial = (desk.invoice_of(order) for order in orders)
    with desk.scope() as connection:
        record_payment(connection, paid, Decimal("238.00"), payment_date=desk.today, recorded_by="anna")
        record_payment(connection, partial, Decimal(100), payment_date=long_ago, recorded_by="anna")
        note = credit_invoice(connection, credited, reason="damaged", created_by="anna")
        void_invoice(connection, voided, reason="wrong", voided_by="anna")
    rows = {
        row.id: (row.standing, row.days_overdue, row.amount_paid, row.amount_credited, row.amount_due, row.payment_date)
        for row in desk.rows("select * from invoice_record where batch_job_id = :job", job=job_id)
    }
    nothing = Decimal(0)
    assert rows == {
        late: ("overdue", 6, nothing, nothing, Decimal(119), None),
        paid: ("paid", 0, Decimal(238), nothing, nothing, desk.today),
        credited: ("paid", 0, nothing, Decimal(357), nothing, None),
        voided: ("void", 0, nothing, nothing, nothing, None),
        partial: ("overdue", 6, Decimal(100), nothing, Decimal(495), long_ago),
    }
    (shown,) = desk.rows("select * from invoice_record where document_kind = 'credit_note'")
    assert (shown.id, shown.gross_amount, shown.amount_due) == (note, Decimal(357), 0)
    assert desk.value("select sum(amount_due) from invoice_record") == Decimal(119 + 495)
    assert desk.value("select customer_name from invoice_record where id = :id", id=late) == "Usual GmbH"
    items = desk.rows("select line_number, quantity, net_amount from invoice_line_item where invoice_id = :id", id=late)
    assert items == [(1, 1, 100)]


def test_a_superuser_sees_each_organization_by_its_own_day(shared_database: TestDatabase) -> None:
    """No organization is in scope then; where it is tomorrow already, what was due today is overdue."""
    east, west = (open_desk(shared_database, time_zone=zone) for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago"))
    due = west.today
    for desk in (east, west):
        desk.one(desk.order(), invoice_date=due, due_days=0)
    with shared_database.superuser.connect() as connection:
        found = connection.execute(
            text("select organization_id, days_overdue from invoice_record where organization_id = any(:ids)"),
            {"ids": [east.organization_id, west.organization_id]},
        ).all()
    assert {row.organization_id: row.days_overdue for row in found} == {
        east.organization_id: (east.today - due).days,
        west.organization_id: 0,
    }
    assert (east.today - due).days >= 1
    with east.scope() as connection:
        assert connection.execute(text("select count(*) from invoice_record")).scalar_one() == 1


def test_received_invoices_have_views_of_their_own(desk: BillingDesk) -> None:
    desk.issue()
    assert desk.rows("select * from received_invoice") == desk.rows("select * from received_invoice_line") == []
    assert desk.value("select count(*) from invoice_record") == 1
