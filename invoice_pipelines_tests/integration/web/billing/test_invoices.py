"""Issued invoices over the API: found, looked at, voided, credited and paid."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest

from invoice_pipelines.organizations import NumberFormat, OrganizationSettings, change_organization
from invoice_pipelines_tests.integration.web.billing.conftest import Seller
from invoice_pipelines_tests.support.web import problem_of


@pytest.fixture(scope="module")
def numbers(seller: Seller) -> dict[str, str]:
    """An invoice each that is late, partly paid, paid, void and credited, and one of today."""
    day = datetime.now(UTC).date() - timedelta(days=40)
    names = ("late", "partly", "paid", "void", "credited")
    issued = dict(zip(names, seller.issue(5, invoice_date=f"{day}", due_days=30), strict=True))
    seller.post(f"invoices/{issued['partly']}/payments", {"amount": "19.00"}, 201)
    seller.post(f"invoices/{issued['paid']}/payments", {"amount": "119.00", "reference": "page 7"}, 201)
    seller.post(f"invoices/{issued['void']}/void", {"reason": "wrong buyer"})
    seller.post(f"invoices/{issued['credited']}/credit-notes", {"reason": "broken", "quantities": {"1": "1"}}, 201)
    (issued["new"],) = seller.issue(1, due_days=30)
    return issued


def test_invoices_are_found_by_how_they_stand_and_what_they_say(seller: Seller, numbers: dict[str, str]) -> None:
    names = {number: name for name, number in numbers.items()}

    def found(**how: object) -> list[str]:
        return [names[invoice["invoice_number"]] for invoice in seller.get("invoices", **how)["items"]]

    assert found() == ["new", "credited", "void", "paid", "partly", "late"]
    assert found(settlement="open") == ["new", "credited", "partly", "late"]
    assert found(settlement="overdue") == ["credited", "partly", "late"]
    assert found(settlement="partly") == ["credited", "partly"]
    assert found(settlement="paid") == ["paid"]
    assert found(status="void") == ["void"]
    assert found(status=["issued", "paid"]) == ["new", "paid"]
    assert found(number=numbers["late"]) == ["late"]
    assert found(text="kunde 1", limit=1) == ["new"]
    assert found(customer="C-1", gross_from="119.01") == []
    assert found(customer="C-2") == []
    today = datetime.now(UTC).date()
    assert found(issued_from=f"{today - timedelta(days=1)}") == ["new"]
    assert found(due_until=f"{today}") == ["credited", "void", "paid", "partly", "late"]
    page = seller.get("invoices", limit=4)
    rest = seller.get("invoices", limit=4, after=page["next"])
    assert [names[invoice["invoice_number"]] for invoice in rest["items"]] == ["partly", "late"]
    assert rest["next"] is None
    (note,) = seller.get("invoices", kind="credit_note")["items"]
    assert note["gross_amount"] == "59.50"
    assert problem_of(seller.client.get("invoices", params={"customer": "nobody"}), 404)["code"] == "CUSTOMER_NOT_FOUND"
    assert problem_of(seller.client.get("invoices", params={"after": page["next"] + "x"}), 422)


def test_one_invoice_says_what_it_owes_and_what_happened_to_it(seller: Seller, numbers: dict[str, str]) -> None:
    invoice = seller.get(f"invoices/{numbers['partly']}")
    assert seller.get(f"invoices/{invoice['id']}") == invoice
    assert (invoice["status"], invoice["settlement"]["standing"], invoice["amount_due"]) == (
        "partially_paid",
        "overdue",
        "100.00",
    )
    assert [(payment["amount"], payment["applied"]) for payment in invoice["payments"]] == [("19.00", "19.00")]
    assert seller.get(f"invoices/{numbers['partly']}/payments")["items"] == invoice["payments"]
    assert invoice["quickbooks"] == {
        "quickbooks_id": None,
        "state": None,
        "synced_at": None,
        "is_waiting": False,
        "code": None,
        "message": None,
    }
    assert invoice["seller"]["name"] == "Web GmbH"
    void = seller.get(f"invoices/{numbers['void']}")
    assert (void["status"], void["void_reason"], void["voided_by"]) == ("void", "wrong buyer", "token writer")
    assert [(event["action"], event["created_by"]) for event in void["events"]] == [("voided", "token writer")]
    credited = seller.get(f"invoices/{numbers['credited']}")
    assert (credited["amount_credited"], credited["amount_due"]) == ("59.50", "59.50")


def test_what_cannot_be_done_says_why(seller: Seller, numbers: dict[str, str]) -> None:
    for path, body, code in (
        (f"{numbers['void']}/void", {"reason": "x"}, "INVOICE_IS_VOID"),
        (f"{numbers['partly']}/void", {"reason": "x"}, "INVOICE_IS_SETTLED"),
        (f"{numbers['paid']}/credit-notes", {"reason": "x"}, "INVOICE_IS_SETTLED"),
        (f"{numbers['void']}/credit-notes", {"reason": "x"}, "INVOICE_IS_VOID"),
        (f"{numbers['void']}/payments", {"amount": "1"}, "INVOICE_NOT_PAYABLE"),
    ):
        assert problem_of(seller.client.post(f"invoices/{path}", json=body), 409)["code"] == code
    wrong: tuple[tuple[str, dict[str, Any], str], ...] = (
        (f"{numbers['late']}/void", {"reason": " "}, "reason"),
        (f"{numbers['late']}/void", {}, "reason"),
        (f"{numbers['late']}/credit-notes", {"reason": "x", "quantities": {"1": "9"}}, "quantities[1]"),
        (f"{numbers['late']}/payments", {"amount": "0"}, "amount"),
        (f"{numbers['late']}/payments", {"amount": 1.5}, "amount"),
        (f"{numbers['late']}/payments", {"amount": "1", "payment_date": "2999-01-01"}, "payment_date"),
    )
    for path, sent, field in wrong:
        problem = problem_of(seller.client.post(f"invoices/{path}", json=sent), 422)
        assert field in [each["field"] for each in problem["errors"]], problem
    assert problem_of(seller.client.get("invoices/INV-0"), 404)["code"] == "INVOICE_NOT_FOUND"


def test_a_payment_is_taken_back(seller: Seller) -> None:
    (number,) = seller.issue()
    paid = seller.post(f"invoices/{number}/payments", {"amount": "119.00"}, 201, **{"Idempotency-Key": f"pay {number}"})
    assert paid["amount_due"] == "0.00"
    again = seller.post(
        f"invoices/{number}/payments", {"amount": "119.00"}, 201, **{"Idempotency-Key": f"pay {number}"}
    )
    assert again == paid
    path = f"invoices/{number}/payments/{paid['payment_id']}/void"
    assert seller.post(path)["amount_due"] == "119.00"
    assert problem_of(seller.client.post(path), 409)["code"] == "PAYMENT_IS_VOID"
    (other,) = seller.issue()
    foreign = f"invoices/{other}/payments/{paid['payment_id']}/void"
    assert problem_of(seller.client.post(foreign), 404)["code"] == "PAYMENT_NOT_FOUND"


def test_invoices_of_another_organization_are_not_there(seller: Seller, numbers: dict[str, str]) -> None:
    invoice_id = seller.get(f"invoices/{numbers['late']}")["id"]
    other = seller.site.a
    with seller.site.client(other.tokens["writer"]) as client:
        assert client.get(seller.site.path(other, "invoices")).json()["items"] == []
        for method, rest, body in (
            ("GET", "", None),
            ("GET", "/payments", None),
            ("GET", "/document", None),
            ("POST", "/void", {"reason": "x"}),
            ("POST", "/credit-notes", {"reason": "x"}),
            ("POST", "/payments", {"amount": "1"}),
        ):
            answer = client.request(method, seller.site.path(other, f"invoices/{invoice_id}{rest}"), json=body)
            assert problem_of(answer, 404)["code"] == "INVOICE_NOT_FOUND"


def test_a_slash_belongs_to_a_number_where_the_address_writes_it_as_such(seller: Seller) -> None:
    item = {"sku": "LAMP/2 %2F", "name": "Lampe", "unit_price": "50", "tax_category": "S", "tax_rate": "19"}
    made = seller.post("items", item, 201)
    assert seller.get("items/LAMP%2F2%20%252F")["sku"] == item["sku"]
    assert seller.get("items/LAMP%2f2%20%252F") == made
    (order,) = seller.orders(order_number=f"2026/{uuid4()}/1")
    assert seller.get(f"sales-orders/{quote(order, safe='')}")["order_number"] == order
    problem_of(seller.client.get(f"sales-orders/{order}"), 404)
    change_organization(
        seller.site.database.engine,
        seller.tenant.slug,
        settings=OrganizationSettings(invoice_number=NumberFormat(pattern="RE{year}/{month:02}/{number:05}")),
    )
    (number,) = seller.issue()
    assert number.count("/") == 2
    address = f"invoices/{quote(number, safe='')}"
    assert seller.get(address)["invoice_number"] == number
    assert seller.client.get(f"{address}/document").content.startswith(b"%PDF-")
    assert seller.post(f"{address}/payments", {"amount": "1"}, 201)["invoice_number"] == number
    for other in (f"{seller.tenant.slug}%2Finvoices", f"{seller.tenant.slug}%2F..%2F{seller.tenant.slug}/invoices"):
        problem_of(seller.client.get(f"/api/v1/organizations/{other}"), 404)
