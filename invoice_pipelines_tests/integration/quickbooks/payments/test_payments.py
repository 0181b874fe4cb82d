"""Payments of QuickBooks on our invoices, against the sandbox: what is booked is what stands there, at any time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from invoice_pipelines.billing.corrections import void_invoice
from invoice_pipelines.quickbooks.api.client import QuickBooks
from invoice_pipelines.quickbooks.payments.payments import apply
from invoice_pipelines.quickbooks.payments.promises import allocations_that_differ, paid_and_due_that_do_not_tie
from invoice_pipelines.quickbooks.pull.pull import pull
from invoice_pipelines.quickbooks.values import Deleted, EntityType, TransactionType
from invoice_pipelines_tests.integration.quickbooks.till import GROSS, Till, Town


@pytest.fixture
def till(town: Town) -> Iterator[Till]:
    till = town.open()
    yield till
    with till.desk.scope() as connection:  # whatever a test did
        assert paid_and_due_that_do_not_tie(connection).kept
        assert allocations_that_differ(connection).kept


def test_partial_then_paid_in_any_order_and_read_twice_changes_nothing(till: Till) -> None:
    invoice, there = till.sent()
    forty = till.accountant.pay(there, 40)
    assert till.pull().created == 1
    assert till.standing(invoice) == ("partially_paid", 40, 79)
    till.accountant.pay(there, 79)
    assert till.pull().created == 1
    assert till.standing(invoice) == ("paid", GROSS, 0)

    events = till.desk.value("select count(*) from billing.payment_event")
    again = till.pull()
    assert (again.created, again.updated, again.unchanged) == (0, 0, 2)
    assert till.desk.value("select count(*) from billing.payment_event") == events
    assert till.standing(invoice) == ("paid", GROSS, 0)

    # A second organization, to which both come at once.
    other, other_there = till.sent()
    till.accountant.pay(other_there, 79)
    till.accountant.pay(other_there, 40)
    till.pull()
    assert till.standing(other) == ("paid", GROSS, 0)
    assert till.kept(forty["Id"]).applied


def test_each_invoice_says_when_its_payments_were_synced_last(till: Till) -> None:
    def synced(invoice: UUID) -> datetime | None:
        return till.desk.value("select payments_synced_at from qbo_synced_invoice where invoice_id = :id", id=invoice)

    first, _ = till.sent()
    assert synced(first) is None
    till.pull()
    at = synced(first)
    assert at is not None
    second, _ = till.sent()
    assert (synced(first), synced(second)) == (at, None)
    till.pull()
    again = synced(second)
    assert again is not None
    assert synced(first) == again > at


def test_of_a_payment_over_three_invoices_ours_are_paid_and_the_other_is_counted_as_skipped(till: Till) -> None:
    (first, first_there), (second, second_there) = till.sent(), till.sent()
    foreign = till.accountant.invoice(till.customer_there, 100)["Id"]
    till.accountant.pay({first_there: 119, foreign: 119, second_there: 19})
    applied = till.pull()
    assert (applied.created, applied.skipped, applied.waiting) == (1, 1, 0)
    assert till.standing(first) == ("paid", GROSS, 0)
    assert till.standing(second) == ("partially_paid", 19, 100)
    assert till.allocations() == {first: GROSS, second: 19}
    assert till.desk.value("select amount from billing.payment") == 257


def test_a_payment_that_is_raised_lowered_moved_or_unapplied_is_what_it_is_there(till: Till) -> None:
    (first, first_there), (second, second_there) = till.sent(), till.sent()
    payment = till.accountant.pay({first_there: 50})["Id"]
    till.pull()
    steps: list[tuple[dict[str, int], int]] = [
        ({first_there: 80}, 80),
        ({first_there: 30}, 30),
        ({first_there: 30, second_there: 60}, 90),
        ({second_there: 60}, 60),
        ({}, 60),
        ({first_there: 119}, 119),
    ]
    for lines, amount in steps:
        till.accountant.change_payment(payment, lines, amount)
        assert till.pull().updated == 1
        for invoice, there in ((first, first_there), (second, second_there)):
            assert till.standing(invoice)[1] == till.paid_there(there) == lines.get(there, 0)
    assert till.standing(first) == ("paid", GROSS, 0)
    assert till.standing(second) == ("issued", 0, GROSS)
    assert till.desk.value("select count(*) from billing.payment") == 1
    assert till.desk.value("select count(*) from billing.payment_event") == 7


@pytest.mark.parametrize("how", ["void", "delete"])
def test_a_payment_that_is_voided_or_deleted_reopens_its_invoices_and_its_history_is_kept(till: Till, how: str) -> None:
    (first, first_there), (second, second_there) = till.sent(), till.sent()
    payment = till.accountant.pay({first_there: 119, second_there: 50})["Id"]
    till.pull()
    getattr(till.accountant, how)("Payment", payment)
    assert till.pull().updated == 1
    assert till.standing(first) == till.standing(second) == ("issued", 0, GROSS)
    assert till.allocations() == {}
    assert till.kept(payment).state == {"void": "void", "delete": "deleted"}[how]
    recorded, reversed_ = till.desk.rows("select action, before, after from billing.payment_event order by id")
    assert recorded.action == "recorded"
    assert reversed_.action == {"void": "voided", "delete": "deleted"}[how]
    assert reversed_.before["applied"] == {str(first): 119, str(second): 50}
    assert reversed_.after["applied"] == {}
    assert till.pull().updated == 0
    # What comes instead counts.
    till.accountant.pay(first_there)
    till.pull()
    assert till.standing(first) == ("paid", GROSS, 0)


def test_a_credit_memo_that_is_applied_by_a_payment_of_zero_is_a_credit_and_no_void(till: Till) -> None:
    invoice, there = till.sent()
    till.accountant.credit(till.customer_there, 19, apply_to={there: 19})
    till.pull()
    assert till.standing(invoice) == ("partially_paid", 19, 100)
    (payment,) = till.desk.rows("select kind, status, amount from billing.payment")
    assert tuple(payment) == ("credit", "active", 19)
    # With money in the same payment it is both.
    memo = till.accountant.credit(till.customer_there, 30)["Id"]
    both = till.accountant.create(
        "Payment",
        CustomerRef={"value": till.customer_there},
        TotalAmt=Decimal(70),
        Line=[
            {"Amount": Decimal(100), "LinkedTxn": [{"TxnId": there, "TxnType": "Invoice"}]},
            {"Amount": Decimal(30), "LinkedTxn": [{"TxnId": memo, "TxnType": "CreditMemo"}]},
        ],
    )
    till.pull()
    assert till.standing(invoice) == ("paid", GROSS, 0)
    kinds = till.desk.rows("select kind, sum(amount) from billing.payment group by kind order by kind")
    assert [tuple(row) for row in kinds] == [("credit", 49), ("payment", 70)]
    # And when it is void, neither.
    till.accountant.void("Payment", both["Id"])
    till.pull()
    assert till.standing(invoice) == ("partially_paid", 19, 100)


def test_a_refund_receipt_is_a_refund_of_the_customer_and_a_linked_refund_lowers_what_is_paid(till: Till) -> None:
    invoice, there = till.sent()
    payment = till.accountant.pay(there)["Id"]
    till.pull()
    receipt = till.accountant.refund(till.customer_there, 25)["Id"]
    till.pull()
    assert till.standing(invoice) == ("paid", GROSS, 0)
    (refund,) = till.desk.rows("select * from billing.payment where kind = 'refund'")
    assert (refund.amount, refund.customer_id, refund.status) == (25, till.customer, "active")

    till.accountant.refund_payment(payment, 40)
    till.pull()
    assert till.standing(invoice) == ("partially_paid", 79, 40)
    refunds = till.desk.rows(
        "select amount from billing.payment where kind = 'refund' and status = 'active' order by 1"
    )
    assert [row[0] for row in refunds] == [25, 40]

    till.accountant.delete("RefundReceipt", receipt)
    till.pull()
    refunds = till.desk.rows("select amount from billing.payment where kind = 'refund' and status = 'active'")
    assert [row[0] for row in refunds] == [40]


def test_an_over_payment_is_recorded_the_invoice_is_capped_and_the_credit_is_visible(till: Till) -> None:
    invoice, there = till.sent()
    till.accountant.pay(there, 150)
    till.pull()
    assert till.standing(invoice) == ("paid", GROSS, 0)
    (payment,) = till.desk.rows("select amount, unapplied_amount from billing.payment")
    assert tuple(payment) == (150, 31)

    # More than is open here, as something was paid by hand meanwhile.
    other, other_there = till.sent()
    till.desk.rows("select billing.settle(jsonb_build_array(jsonb_build_object("
                   "'source', 'manual', 'kind', 'payment', 'status', 'active', 'payment_date', '2020-01-01', 'id',"
                   "uuidv7(), 'currency', 'EUR', 'amount', 100, 'unapplied_amount', 0, 'allocations',"
                   "jsonb_build_object(cast(:id as text), 100))))", id=str(other))  # fmt: skip
    paid = till.accountant.pay(other_there)["Id"]
    till.pull()
    till.pull()
    assert till.standing(other) == ("paid", GROSS, 0)
    assert [code for code, _ in till.events()] == ["PAYMENT_OVERPAID"]
    assert f"Payment {paid} of QuickBooks has 119 EUR for invoice" in till.events()[0][1]


def test_a_payment_on_an_invoice_that_is_void_here_is_told_once_and_stops_nothing(till: Till) -> None:
    (void, void_there), (invoice, there) = till.sent(), till.sent()
    with till.desk.scope() as connection:
        void_invoice(connection, void, reason="wrong", voided_by="anna")
    till.accountant.pay({void_there: 119, there: 119})
    till.pull()
    till.pull()
    assert till.standing(void) == ("void", 0, 0)
    assert till.standing(invoice) == ("paid", GROSS, 0)
    ((code, message),) = till.events()
    assert code == "PAYMENT_OF_VOID_INVOICE"
    assert "which is void here: it does not count." in message


def test_a_payment_for_an_invoice_whose_mapping_is_not_stored_yet_waits_and_is_booked_later(till: Till) -> None:
    invoice = till.sell()
    with till.desk.scope() as connection:  # sent, and not answered
        connection.exec_driver_sql(
            f"""insert into quickbooks.sent_batch (organization_id, realm_id, entity_type, request_id, body)
                values (organizations.current(), '{till.realm}', 'invoice', 'r1', '')"""
        )
    there = till.send(invoice)
    payment = till.accountant.pay(there)["Id"]
    applied = till.pull()
    assert (applied.waiting, applied.skipped) == (1, 0)
    assert not till.kept(payment).applied
    assert till.standing(invoice) == ("issued", 0, GROSS)
    till.pull()
    assert not till.kept(payment).applied

    till.map(invoice, there)
    till.desk.rows("update quickbooks.sent_batch set status = 'answered'")
    till.pull()
    assert till.kept(payment).applied
    assert till.standing(invoice) == ("paid", GROSS, 0)


def test_a_mapping_that_comes_long_after_the_payment_brings_it_back(till: Till) -> None:
    """As when an invoice that was thought foreign is adopted later."""
    invoice = till.sell()
    there = till.send(invoice)
    payment = till.accountant.pay(there)["Id"]
    assert till.pull().skipped == 1
    assert till.kept(payment).applied
    till.map(invoice, there)
    assert not till.kept(payment).applied
    till.pull()
    assert till.standing(invoice) == ("paid", GROSS, 0)
    assert till.kept(payment).applied
    assert till.desk.rows("select * from quickbooks.unmapped_payment_line") == []


def test_a_payment_in_another_currency_books_no_amount_and_is_told(town: Town) -> None:
    till = town.open(multi_currency=True, home_currency="USD")
    invoice, there = till.sent()  # in euros here, in dollars there
    till.accountant.pay(there)
    till.pull()
    till.pull()
    assert till.standing(invoice) == ("issued", 0, GROSS)
    ((code, message),) = till.events()
    assert code == "PAYMENT_CURRENCY_DIFFERS"
    assert "119 USD" in message


def test_a_payment_of_others_is_kept_and_books_nothing(till: Till) -> None:
    foreign = till.accountant.invoice(till.customer_there, 100)["Id"]
    payment = till.accountant.pay(foreign)["Id"]
    applied = till.pull()
    assert (applied.skipped, applied.waiting) == (1, 0)
    assert till.kept(payment).applied
    assert till.desk.rows("select * from billing.payment") == []
    till.accountant.void("Payment", payment)
    till.pull()
    assert till.desk.rows("select * from billing.payment") == []


def test_a_refund_of_a_customer_who_is_not_here_yet_waits(till: Till) -> None:
    newcomer = till.accountant.customer("Newcomer Ltd")["Id"]
    receipt = till.accountant.refund(newcomer, 25)["Id"]
    assert till.pull().waiting == 1
    customer = till.desk.customer()
    till.map_customer(customer, newcomer)
    till.pull()
    assert till.kept(receipt).applied
    assert till.desk.value("select customer_id from billing.payment") == customer


def test_an_answer_that_is_older_than_what_was_seen_changes_nothing(till: Till) -> None:
    invoice, there = till.sent()
    old = till.accountant.pay(there, 40)
    till.accountant.change_payment(old["Id"], {there: 60}, 60)
    till.pull()
    with QuickBooks(till.desk.engine, till.settings, till.desk.organization_id) as quickbooks:
        page = next(iter(quickbooks.query("Payment")))
        connected = quickbooks.connected
    with till.desk.scope() as connection:
        applied = apply(connection, connected, TransactionType.PAYMENT, [old], [], server_time=page.server_time)
        assert applied.unchanged == 1
    assert till.standing(invoice)[1] == 60
    with till.desk.scope() as connection:
        gone = [Deleted(old["Id"], None)]
        apply(connection, connected, TransactionType.PAYMENT, [], gone, server_time=page.server_time)
    with till.desk.scope() as connection:
        apply(connection, connected, TransactionType.PAYMENT, page.documents, [], server_time=page.server_time)
    assert till.standing(invoice)[1] == 0
    till.accountant.edit("Payment", old["Id"], PrivateNote="still there")  # the deletion was a mistake of ours
    till.sandbox.clock.shift(timedelta(seconds=2))
    till.pull()
    assert till.standing(invoice)[1] == 60


@pytest.mark.parametrize(
    ("field", "value"),
    [("TotalAmt", "much"), ("TxnDate", "yesterday"), ("Line", [{"Amount": -1, "LinkedTxn": [{}]}]), ("Id", None)],
)
def test_what_cannot_be_read_is_told_and_the_others_pass(till: Till, field: str, value: object) -> None:
    invoice, there = till.sent()
    good = till.accountant.pay(there, 40)
    with QuickBooks(till.desk.engine, till.settings, till.desk.organization_id) as quickbooks:
        page = next(iter(quickbooks.query("Payment")))
        bad = {**page.documents[0], "Id": "77", field: value}
        with till.desk.scope() as connection:
            applied = apply(connection, quickbooks.connected, TransactionType.PAYMENT, [bad, *page.documents], [],
                            server_time=page.server_time)  # fmt: skip
    assert (applied.created, applied.quarantined) == (1, 1)
    assert till.standing(invoice)[1] == 40
    ((code, message),) = till.events()
    assert code == "PAYMENT_UNREADABLE"
    assert message.startswith("Payment without id" if field == "Id" else "Payment 77 cannot be read: ")
    assert good["Id"] in page.documents[0]["Id"]


def test_what_is_deleted_while_nobody_looks_is_found_by_a_full_pull_and_what_is_there_stays(till: Till) -> None:
    """Changes of more than 30 days ago are not told: all ids are compared."""
    (first, first_there), (second, second_there) = till.sent(), till.sent()
    till.accountant.pay(first_there)
    gone = till.accountant.pay(second_there)["Id"]
    till.pull()
    till.accountant.delete("Payment", gone)
    till.sandbox.traffic.clear()
    report = pull(
        till.desk.engine, till.settings, till.desk.organization_id, [EntityType.PAYMENT], full=True
    )[EntityType.PAYMENT]  # fmt: skip
    assert (report.applied.updated, report.applied.unchanged) == (1, 1)
    assert till.standing(first) == ("paid", GROSS, 0)
    assert till.standing(second) == ("issued", 0, GROSS)
    assert till.kept(gone).state == "deleted"
    asked = [seen.body for seen in till.sandbox.calls(till.realm, "query") if "Id IN" in str(seen.body)]
    assert len(asked) == 1, "what was just read is not asked for by its id"


def test_a_journal_entry_that_credits_a_customer_is_a_credit_on_the_invoice_and_goes_with_it(till: Till) -> None:
    invoice, there = till.sent()
    entry = till.accountant.journal_entry(till.customer_there, 50)["Id"]
    applied = till.accountant.apply_credit(entry, {there: 50}, kind="JournalEntry")
    till.pull()
    assert till.standing(invoice) == ("partially_paid", 50, 69)
    assert till.desk.rows("select kind, amount from billing.payment where status = 'active'") == [("credit", 50)]
    till.accountant.delete("Payment", applied["Id"])
    till.pull()
    assert till.standing(invoice) == ("issued", 0, GROSS)


def test_a_journal_entry_that_debits_a_customer_takes_its_part_of_the_money(till: Till) -> None:
    invoice, there = till.sent()
    entry = till.accountant.journal_entry(till.customer_there, 20, posting="Debit")["Id"]
    lines = [
        {"Amount": amount, "LinkedTxn": [{"TxnId": identity, "TxnType": kind}]}
        for kind, identity, amount in (("Invoice", there, 100), ("JournalEntry", entry, 20))
    ]
    made = till.accountant.create("Payment", CustomerRef={"value": till.customer_there}, TotalAmt=120, Line=lines)
    assert made["UnappliedAmt"] == 0
    till.pull()
    assert till.standing(invoice) == ("partially_paid", 100, 19)


def test_a_deposit_that_was_booked_on_a_customer_pays_the_invoice(till: Till) -> None:
    invoice, there = till.sent()
    deposit = till.accountant.bank_deposit(till.customer_there, 119)["Id"]
    till.accountant.apply_credit(deposit, {there: 119}, kind="Deposit")
    till.pull()
    assert till.standing(invoice) == ("paid", GROSS, 0)
    assert till.events() == []


def test_a_link_to_something_unknown_is_told(till: Till) -> None:
    invoice, there = till.sent()
    document = {
        "Id": "900",
        "SyncToken": "0",
        "TotalAmt": 19,
        "TxnDate": "2026-03-02",
        "CustomerRef": {"value": till.customer_there},
        "Line": [
            {"Amount": 119, "LinkedTxn": [{"TxnId": there, "TxnType": "Invoice"}]},
            {"Amount": 100, "LinkedTxn": [{"TxnId": "7", "TxnType": "Transfer"}]},
        ],
    }
    with QuickBooks(till.desk.engine, till.settings, till.desk.organization_id) as quickbooks:
        connected = quickbooks.connected
    for _ in range(2):
        with till.desk.scope() as connection:
            apply(connection, connected, TransactionType.PAYMENT, [document], [], server_time=datetime.now(UTC))
    ((code, message),) = till.events()
    assert code == "PAYMENT_LINK_UNKNOWN"
    assert "Payment 900 is linked to Transfer 7 with 100" in message
    assert till.standing(invoice)[2] == 0
