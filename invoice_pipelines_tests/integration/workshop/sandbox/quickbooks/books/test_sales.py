"""Invoices: amounts, taxes, numbers, dates, voiding and deleting."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invoice_pipelines.workshop.sandbox.quickbooks import Accountant, Refusal, Sandbox
from invoice_pipelines.workshop.sandbox.quickbooks.wire.json_text import dumps, loads
from invoice_pipelines_tests.integration.workshop.sandbox.quickbooks.conftest import Api, error_of, invoice


def _line(amount: str, code: str = "NON", **detail: Any) -> dict[str, Any]:
    detail = {"TaxCodeRef": {"value": code}, **detail}
    return {"Amount": Decimal(amount), "DetailType": "SalesItemLineDetail", "SalesItemLineDetail": detail}


@pytest.fixture
def customer(books: Accountant) -> str:
    return str(books.customer("A")["Id"])


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12, places=5))
def test_amounts_keep_every_digit_in_json(amount: Decimal) -> None:
    assert loads(dumps({"a": amount}))["a"] == amount
    assert "e" not in dumps(amount).lower()


def test_an_invoice_is_completed_by_the_server(api: Api, books: Accountant, customer: str) -> None:
    item = books.item("Work", "12.50")["Id"]
    line = _line("25.00", ItemRef={"value": item}, Qty=2, UnitPrice=Decimal("12.50"))
    made = api.write("Invoice", {"CustomerRef": {"value": customer}, "Line": [line], "TxnDate": "2026-03-01"})
    assert (made["DueDate"], made["TotalAmt"], made["Balance"]) == ("2026-03-31", Decimal("25.00"), Decimal("25.00"))
    assert made["CustomerRef"] == {"value": customer, "name": "A"}
    assert made["Line"][0]["SalesItemLineDetail"]["ItemRef"]["name"] == "Work"
    assert made["Line"][1]["DetailType"] == "SubTotalLineDetail"
    assert made["LinkedTxn"] == []
    assert "DocNumber" not in made
    assert books.document("Customer", customer)["Balance"] == Decimal("25.00")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"CustomerRef": None}, "2020"),
        ({"CustomerRef": {"value": "77"}}, "2500"),
        ({"Line": []}, "2020"),
        ({"Line": [_line("10", Qty=3, UnitPrice=4)]}, "6070"),
        ({"Line": [_line("10", ItemRef={"value": "77"})]}, "2500"),
        ({"Line": [_line("-10")]}, "6000"),
        ({"Line": [{"DetailType": "Nothing", "Amount": 1}]}, "2170"),
        ({"Line": [_line("1", "TAX")] * 751}, "6000"),
        ({"DocNumber": "x" * 22}, "2050"),
        ({"TxnDate": "1.2.2026"}, "2060"),
        ({"PrivateNote": "x" * 4001}, "2050"),
        ({"CurrencyRef": {"value": "EUR"}}, "6000"),
    ],
)
def test_an_invoice_that_breaks_a_rule_is_refused(api: Api, customer: str, change: dict[str, Any], code: str) -> None:
    assert error_of(api.post("/invoice", {**invoice(customer, "10"), **change}))[:2] == (400, code)


def test_a_long_number_is_refused_in_the_words_of_the_service(api: Api, customer: str) -> None:
    answer = api.post("/invoice", invoice(customer, "10", DocNumber="x" * 33))
    assert error_of(answer)[2] == "Min:0 Max:21 supported. Supplied length:33"


def test_inactive_customers_and_items_cannot_be_invoiced(api: Api, books: Accountant, customer: str) -> None:
    item = books.item("Work")["Id"]
    books.deactivate("Item", item)
    body = {"CustomerRef": {"value": customer}, "Line": [_line("1", ItemRef={"value": item})]}
    assert error_of(api.post("/invoice", body))[1] == "610"
    books.deactivate("Customer", customer)
    assert error_of(api.post("/invoice", invoice(customer, "1")))[1] == "6250"


def test_a_us_company_computes_its_tax_itself(sandbox: Sandbox, api: Api, books: Accountant, customer: str) -> None:
    lines = [_line("10.03", "TAX"), _line("10.03", "TAX"), _line("5.00")]
    body = {"CustomerRef": {"value": customer}, "Line": lines}
    assert api.write("Invoice", body)["TotalAmt"] == Decimal("26.66")  # 25.06 and 8 % of 20.06, which is 1.6048
    books.set_company(tax_percent=Decimal("6.5"), tax_rounded_per_line=True)
    assert api.write("Invoice", body)["TxnTaxDetail"]["TotalTax"] == Decimal("1.30")
    sandbox.switches.tax_differs_by = "0.01"
    assert api.write("Invoice", body)["TxnTaxDetail"]["TotalTax"] == Decimal("1.31")
    body["TxnTaxDetail"] = {"TotalTax": 99}
    assert api.write("Invoice", body)["TotalAmt"] == Decimal("124.06")  # a tax that is sent is taken
    sandbox.switches.sent_sales_tax = "computed"
    assert api.write("Invoice", body)["TxnTaxDetail"]["TotalTax"] == Decimal("1.31")
    books.edit("Customer", customer, Taxable=False)
    assert api.write("Invoice", body)["TxnTaxDetail"]["TotalTax"] == 0


def test_other_companies_take_tax_from_the_codes_of_the_lines(sandbox: Sandbox) -> None:
    books = sandbox.add_company("2", country="DE")
    api = Api(sandbox, "2")
    customer = books.customer("A")["Id"]
    body = {"CustomerRef": {"value": customer}, "Line": [_line("100.00", "1"), _line("10.00", "2")]}
    made = api.write("Invoice", {**body, "GlobalTaxCalculation": "TaxExcluded"})
    assert (made["TxnTaxDetail"]["TotalTax"], made["TotalAmt"]) == (Decimal("19.70"), Decimal("129.70"))
    inclusive = api.write("Invoice", {**body, "GlobalTaxCalculation": "TaxInclusive"})
    assert (inclusive["TotalAmt"], inclusive["TxnTaxDetail"]["TotalTax"]) == (Decimal("110.00"), Decimal("16.62"))
    untaxed = {"CustomerRef": {"value": customer}, "Line": [{**_line("1"), "SalesItemLineDetail": {}}]}
    assert error_of(api.post("/invoice", untaxed))[1] == "6000"
    api.http.close()


def test_a_discount_lowers_the_total_and_where_it_is_due_the_tax(sandbox: Sandbox) -> None:
    books = sandbox.add_company("2", country="DE")
    discount = {"DetailType": "DiscountLineDetail", "DiscountLineDetail": {"PercentBased": True, "DiscountPercent": 10}}
    line = _line("100.00", "1")
    made = books.create("Invoice", CustomerRef={"value": books.customer("A")["Id"]}, Line=[line, discount])
    assert (made["TotalAmt"], made["TxnTaxDetail"]["TotalTax"]) == (Decimal("107.10"), Decimal("17.10"))


def test_a_number_is_taken_once_and_the_error_names_who_has_it(api: Api, books: Accountant, customer: str) -> None:
    first = api.write("Invoice", invoice(customer, "10", DocNumber="R-1"))
    status, code, detail = error_of(api.post("/invoice", invoice(customer, "10", DocNumber="R-1")))
    assert (status, code) == (400, "6140")
    assert detail.endswith(f"DocNumber=R-1 is assigned to TxnType=Invoice with TxnId={first['Id']}")
    api.write("Invoice", invoice(customer, "10", DocNumber="R-1"), include="allowduplicatedocnum")


def test_without_own_numbers_the_server_counts(api: Api, books: Accountant, customer: str) -> None:
    books.set_company(custom_txn_numbers=False)
    numbers = [api.write("Invoice", invoice(customer, "10"))["DocNumber"] for _ in range(2)]
    assert numbers == ["1001", "1002"]
    assert api.get("/preferences").json()["Preferences"]["SalesFormsPrefs"]["CustomTxnNumbers"] is False


def test_a_void_invoice_stays_readable_and_is_worth_nothing(sandbox: Sandbox, api: Api, customer: str) -> None:
    made = api.write("Invoice", invoice(customer, "10", PrivateNote="ours"))
    voided = api.write("Invoice", {"Id": made["Id"], "SyncToken": "0"}, operation="void")
    assert (voided["TotalAmt"], voided["Balance"], voided["Line"][0]["Amount"]) == (0, 0, 0)
    assert voided["PrivateNote"].startswith("Voided")
    assert "ours" in voided["PrivateNote"]
    again = {"Id": made["Id"], "SyncToken": "1"}
    assert error_of(api.post("/invoice", again, operation="void"))[1] == "6000"
    sandbox.switches.double_void = "accept"
    assert api.write("Invoice", again, operation="void")["TotalAmt"] == 0


def test_an_invoice_with_a_payment_is_not_voided(sandbox: Sandbox, api: Api, books: Accountant, customer: str) -> None:
    made = books.invoice(customer, 10)
    payment = books.pay(made["Id"], 4)
    key = {"Id": made["Id"], "SyncToken": "1"}
    assert error_of(api.post("/invoice", key, operation="void"))[1] == "6000"
    sandbox.switches.void_with_payment_code = "620"
    assert error_of(api.post("/invoice", key, operation="void"))[1] == "620"
    assert error_of(api.post("/invoice", key, operation="delete"))[1] == "800"
    books.delete("Payment", payment["Id"])
    books.void("Invoice", made["Id"])


def test_a_deleted_invoice_is_gone(api: Api, customer: str) -> None:
    made = api.write("Invoice", invoice(customer, "10"))
    answer = api.post("/invoice", {"Id": made["Id"], "SyncToken": "0"}, operation="delete").json()
    assert answer["Invoice"] == {"status": "Deleted", "domain": "QBO", "Id": made["Id"]}
    assert error_of(api.get(f"/invoice/{made['Id']}"))[1] == "610"
    assert api.ids("select * from Invoice") == []


def test_closed_books_cannot_be_changed(api: Api, books: Accountant, customer: str) -> None:
    made = books.invoice(customer, 10, TxnDate="2026-01-31")
    books.close_books("2026-01-31")
    assert error_of(api.post("/invoice", invoice(customer, "1", TxnDate="2026-01-31")))[1] == "6200"
    api.write("Invoice", invoice(customer, "1", TxnDate="2026-02-01"))
    books.close_books("2026-01-31", with_password=True)
    with pytest.raises(Refusal, match="6210"):
        books.void("Invoice", made["Id"])


def test_a_company_with_currencies_wants_that_of_the_customer(sandbox: Sandbox) -> None:
    books = sandbox.add_company("2", country="US", multi_currency=True)
    customer = books.customer("A", CurrencyRef={"value": "EUR"})
    assert customer["CurrencyRef"] == {"value": "EUR", "name": "Euro"}
    made = books.invoice(customer["Id"], 5, CurrencyRef={"value": "EUR"})
    assert made["CurrencyRef"]["value"] == "EUR"
    with pytest.raises(Refusal, match="currency"):
        books.edit("Customer", customer["Id"], CurrencyRef={"value": "USD"})


def test_a_line_without_an_item_is_ignored_counted_or_refused(sandbox: Sandbox, api: Api, books: Accountant) -> None:
    customer = books.customer("A")["Id"]
    named = _line("5", ItemRef={"value": books.item("Work")["Id"]})
    body = {"CustomerRef": {"value": customer}, "Line": [named, {**_line("10"), "Description": "Free text"}]}
    sandbox.switches.line_without_item = "counted"
    assert api.write("Invoice", body)["TotalAmt"] == 15
    sandbox.switches.line_without_item = "ignored"
    ignored = api.write("Invoice", body)
    assert ignored["TotalAmt"] == 5
    assert (ignored["Line"][1]["DetailType"], ignored["Line"][1]["Description"]) == ("DescriptionOnly", "Free text")
    assert "Amount" not in ignored["Line"][1]
    sandbox.switches.line_without_item = "refused"
    assert error_of(api.post("/invoice", body))[1:] == (
        "2020",
        "Required parameter Line.SalesItemLineDetail.ItemRef is missing in the request",
    )
    assert books.invoice(customer, 10)["TotalAmt"] == 10  # who works in QuickBooks itself is given an item


def test_a_us_company_without_automated_tax_wants_to_know_the_tax_code(sandbox: Sandbox) -> None:
    books = sandbox.add_company("2", automated_sales_tax=False)
    api = Api(sandbox, "2")
    body = {"CustomerRef": {"value": books.customer("A")["Id"]}, "Line": [_line("10.00", "TAX"), _line("5.00", "NON")]}
    assert api.write("Invoice", {**body, "TxnTaxDetail": {"TotalTax": 1}})["TotalAmt"] == 15, "without it there is none"
    code = {"TxnTaxCodeRef": {"value": "1"}}
    assert api.write("Invoice", {**body, "TxnTaxDetail": code})["TotalAmt"] == Decimal("15.80")
    sent = api.write("Invoice", {**body, "TxnTaxDetail": {**code, "TotalTax": Decimal("0.83")}})
    assert (sent["TotalAmt"], sent["TxnTaxDetail"]["TxnTaxCodeRef"]) == (Decimal("15.83"), {"value": "1"})
    wrong = {"TxnTaxDetail": {"TxnTaxCodeRef": {"value": "77"}}}
    assert error_of(api.post("/invoice", {**body, **wrong}))[1] == "2500"
    api.http.close()
