"""Invoices that were changed in QuickBooks after they were sent: told once, and never pulled."""

from __future__ import annotations

from invoice_pipelines.billing.corrections import void_invoice
from invoice_pipelines.quickbooks.invoices.drift import drifted_invoices
from invoice_pipelines_tests.integration.quickbooks.till import GROSS, Till


def drifted(till: Till) -> tuple[str, ...]:
    with till.desk.scope() as connection:
        return drifted_invoices(connection).sample


def test_a_payment_moves_the_sync_token_and_is_no_drift(till: Till) -> None:
    _, there = till.sent()
    till.accountant.pay(there, 40)
    assert (till.compare().conflicts, till.events(), drifted(till)) == (0, [], ())


def test_an_amount_that_was_changed_there_is_told_once_and_not_pulled(till: Till) -> None:
    invoice, there = till.sent()
    line = till.accountant.document("Invoice", there)["Line"][0]
    before = till.desk.rows("select to_jsonb(i) from billing.invoice i where id = :id", id=invoice)
    till.accountant.edit("Invoice", there, Line=[{**line, "Amount": 200}])
    assert till.compare().conflicts == 1
    ((code, message),) = till.events()
    assert code == "DRIFT"
    assert "total 119 became 238, other lines" in message
    assert till.compare().conflicts == 0
    assert len(till.events()) == 1
    assert len(drifted(till)) == 1
    assert till.desk.rows("select to_jsonb(i) from billing.invoice i where id = :id", id=invoice) == before

    till.accountant.edit("Invoice", there, Line=[{**line, "Amount": 300}])
    assert till.compare().conflicts == 1, "another change is told again"
    till.accountant.edit("Invoice", there, Line=[line])
    till.compare()
    assert [code for code, _ in till.events()] == ["DRIFT", "DRIFT", "DRIFT_ENDED"]
    assert drifted(till) == ()


def test_an_invoice_that_was_voided_there_is_told(till: Till) -> None:
    invoice, there = till.sent()
    till.accountant.void("Invoice", there)
    assert till.compare().conflicts == 1
    assert "void there" in till.events()[0][1]
    assert till.standing(invoice) == ("issued", 0, GROSS)
    with till.desk.scope() as connection:
        void_invoice(connection, invoice, reason="void there", voided_by="anna")
    till.compare()
    assert drifted(till) == ()
    assert till.desk.value("select state from quickbooks.mapping where entity_type = 'invoice'") == "void"


def test_an_invoice_that_was_deleted_there_is_told_and_its_mapping_is_closed(till: Till) -> None:
    invoice, there = till.sent()
    till.accountant.delete("Invoice", there)
    assert till.compare().conflicts == 1
    assert till.compare().conflicts == 0
    assert "deleted there" in drifted(till)[0]
    assert till.desk.value("select state from quickbooks.mapping where entity_type = 'invoice'") == "deleted"
    assert till.standing(invoice) == ("issued", 0, GROSS)


def test_invoices_of_others_are_skipped(till: Till) -> None:
    till.compare()
    till.accountant.invoice(till.customer_there, 100)
    applied = till.compare()
    assert (applied.skipped, applied.conflicts) == (1, 0)


def test_a_deposit_on_an_invoice_is_told_as_no_payment_tells_of_it(till: Till) -> None:
    _, there = till.sent()
    till.accountant.edit("Invoice", there, Deposit=50)
    assert till.compare().conflicts == 1
    ((code, message),) = till.events()
    assert code == "DRIFT"
    assert "a deposit of 50 is on it, which no payment tells of" in message
