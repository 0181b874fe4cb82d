"""Payments, credits and refunds, and what they do to invoices and customers."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from invoice_pipelines.workshop.sandbox.quickbooks import Accountant, Refusal
from invoice_pipelines_tests.integration.workshop.sandbox.quickbooks.conftest import Api, error_of


@pytest.fixture
def customer(books: Accountant) -> str:
    return str(books.customer("A")["Id"])


def _balances(books: Accountant, *invoices: dict[str, Any]) -> list[Decimal]:
    return [books.document("Invoice", one["Id"])["Balance"] for one in invoices]


def test_a_payment_moves_the_invoice_and_its_token(books: Accountant, customer: str) -> None:
    owed = books.invoice(customer, 100)
    payment = books.pay(owed["Id"], 40)
    after = books.document("Invoice", owed["Id"])
    assert (after["Balance"], after["SyncToken"]) == (60, "1")
    assert after["LinkedTxn"] == [{"TxnId": payment["Id"], "TxnType": "Payment"}]
    assert books.document("Customer", customer)["Balance"] == 60


def test_a_payment_over_several_invoices_with_something_left(books: Accountant, customer: str) -> None:
    first, second = books.invoice(customer, 10), books.invoice(customer, 20)
    payment = books.pay({first["Id"]: 10, second["Id"]: 5}, 18)
    assert payment["UnappliedAmt"] == 3
    assert _balances(books, first, second) == [0, 15]
    assert books.document("Customer", customer)["Balance"] == 12


def test_a_changed_payment_moves_what_changed(books: Accountant, customer: str) -> None:
    first, second = books.invoice(customer, 10), books.invoice(customer, 20)
    payment = books.pay(first["Id"])["Id"]
    books.change_payment(payment, {second["Id"]: 4}, 4)
    assert _balances(books, first, second) == [10, 16]
    books.change_payment(payment, {})
    assert _balances(books, first, second) == [10, 20]
    assert books.document("Payment", payment)["UnappliedAmt"] == 4


def test_a_void_payment_has_no_amount_and_no_lines(api: Api, books: Accountant, customer: str) -> None:
    owed = books.invoice(customer, 10)
    payment = books.pay(owed["Id"])
    key = {"Id": payment["Id"], "SyncToken": "0", "sparse": True}
    voided = api.write("Payment", key, operation="update", include="void")
    assert (voided["TotalAmt"], voided["UnappliedAmt"], voided["Line"]) == (0, 0, [])
    assert voided["PrivateNote"] == "Voided"
    assert _balances(books, owed) == [10]
    assert books.document("Invoice", owed["Id"])["LinkedTxn"] == []
    with pytest.raises(Refusal, match="already voided"):
        books.void("Payment", payment["Id"])


def test_a_deleted_payment_opens_the_invoice_again(books: Accountant, customer: str) -> None:
    owed = books.invoice(customer, 10)
    books.delete("Payment", books.pay(owed["Id"])["Id"])
    assert _balances(books, owed) == [10]


def test_a_deposited_payment_stays(books: Accountant, customer: str) -> None:
    payment = books.pay(books.invoice(customer, 10)["Id"])["Id"]
    books.deposit(payment)
    for change in (books.void, books.delete):
        with pytest.raises(Refusal, match="6540"):
            change("Payment", payment)


def test_a_credit_memo_is_applied_by_a_payment_of_zero(books: Accountant, customer: str) -> None:
    owed = books.invoice(customer, 100)
    memo = books.credit(customer, 30, apply_to={owed["Id"]: 20})
    assert (memo["RemainingCredit"], memo["TotalAmt"]) == (10, 30)
    assert _balances(books, owed) == [80]
    (payment,) = books.documents("Payment")
    assert (payment["TotalAmt"], payment["UnappliedAmt"]) == (0, 0)
    assert [line["LinkedTxn"][0]["TxnType"] for line in payment["Line"]] == ["Invoice", "CreditMemo"]
    assert books.document("Customer", customer)["Balance"] == 70
    books.delete("Payment", payment["Id"])
    assert _balances(books, owed) == [100]


def test_a_refund_receipt_stands_alone(books: Accountant, customer: str) -> None:
    owed = books.invoice(customer, 10)
    books.pay(owed["Id"])
    refund = books.refund(customer, 4)
    assert refund["TotalAmt"] == 4
    assert _balances(books, owed) == [0]


def test_a_refund_receipt_needs_no_customer(books: Accountant) -> None:
    line = {"Amount": 5, "DetailType": "SalesItemLineDetail", "SalesItemLineDetail": {}}
    made = books.create("RefundReceipt", DepositToAccountRef={"value": "3"}, Line=[line])
    assert "CustomerRef" not in made


def test_a_payment_that_is_paid_back_by_a_check_gives_the_invoice_back(books: Accountant, customer: str) -> None:
    owed = books.invoice(customer, 10)
    payment = books.refund_payment(books.pay(owed["Id"])["Id"], 4)
    assert (payment["TotalAmt"], payment["UnappliedAmt"]) == (10, 0)
    assert [(line["Amount"], line["LinkedTxn"][0]["TxnType"]) for line in payment["Line"]] == [
        (6, "Invoice"),
        (4, "Check"),
    ]
    assert _balances(books, owed) == [4]


def test_more_than_is_open_or_paid_cannot_be_applied(api: Api, books: Accountant, customer: str) -> None:
    owed = books.invoice(customer, 10)["Id"]
    link = [{"TxnId": owed, "TxnType": "Invoice"}]
    for total, applied in ((20, 11), (5, 6)):
        line = {"Amount": applied, "LinkedTxn": link}
        body = {"CustomerRef": {"value": customer}, "TotalAmt": total, "Line": [line]}
        assert error_of(api.post("/payment", body))[1] == "6000"


def test_a_payment_is_for_invoices_of_its_customer(books: Accountant, customer: str) -> None:
    child = books.customer("B", ParentRef={"value": customer})["Id"]
    stranger = books.customer("C")["Id"]
    books.pay(books.invoice(child, 10)["Id"], customer=customer)
    with pytest.raises(Refusal, match="620"):
        books.pay(books.invoice(stranger, 10)["Id"], customer=customer)
