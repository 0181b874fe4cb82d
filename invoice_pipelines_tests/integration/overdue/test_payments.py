"""What a payment that is recorded, and taken back, does to notifications."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from invoice_pipelines.billing.payments import Payment, PaymentKind, PaymentStatus, settle
from invoice_pipelines_tests.integration.overdue.conftest import OverdueDesk


def test_a_recorded_payment_closes_the_notification_and_opens_it_again_when_it_is_taken_back(desk: OverdueDesk) -> None:
    (invoice,) = desk.add([desk.late(5)])
    desk.run()
    gross = desk.rows("select gross_amount, currency from billing.invoice")[0]
    paid = Payment(
        "quickbooks", PaymentKind.PAYMENT, desk.today, gross.currency, gross.gross_amount, external_id="P1",
        allocations={invoice: gross.gross_amount},
    )  # fmt: skip
    part = replace(paid, amount=Decimal(1), allocations={invoice: Decimal(1)})

    def after(payment: Payment) -> tuple[str, str | None]:
        with desk.scope() as connection:
            settle(connection, [payment], recorded_by="anna")
        desk.run()
        return desk.one().status, desk.one().closed_reason

    before = desk.one().status
    assert after(part) == (before, None), "paid in part it is still due"
    assert after(paid) == ("closed", "paid")
    assert after(replace(paid, status=PaymentStatus.VOID)) == (before, None)
    assert after(paid) == ("closed", "paid")
