"""Batch operations over the API: asked for once however often they are sent, followed, cancelled, tried again."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.accounts.tokens import add_token
from invoice_pipelines.work import create_job
from invoice_pipelines_tests.integration.web.billing.conftest import Seller
from invoice_pipelines_tests.support.web import problem_of

CSV = "customer_number;name;country_code\nK-1;Eins;DE\nK-2;Zwei;Deutschland\nC-1;Kunde 1 GmbH;DE\n"


def test_orders_are_invoiced_and_followed_to_their_outcomes(seller: Seller) -> None:
    numbers = seller.orders(2)
    answer = seller.client.post(
        "batch-operations/invoices", json={"sales_order_ids": [*numbers, "unknown", numbers[0]], "due_days": 14}
    )
    assert answer.status_code == 202, answer.text
    asked = answer.json()
    assert (asked["total"], asked["estimated_duration_seconds"] > 0) == (3, True)
    assert answer.headers["location"] == asked["url"]
    job = seller.client.get(seller.site.url + asked["url"]).json()
    assert (job["id"], job["status"], job["kind"], job["progress"]) == (asked["job_id"], "pending", "invoice_orders", 0)
    assert (job["created_by"], job["parameters"]) == ("token writer", {"due_days": 14})

    seller.work(asked["job_id"])
    job = seller.get(f"batch-operations/{asked['job_id']}")
    assert (job["status"], job["successful_items"], job["failed_items"], job["progress"]) == (
        *("completed_with_errors", 2, 1),
        100,
    )
    (failed,) = seller.get(f"batch-operations/{asked['job_id']}/items", status="failed")["items"]
    assert (failed["subject_id"], failed["code"]) == ("unknown", "NOT_AN_ID")
    first = seller.get(f"batch-operations/{asked['job_id']}/items", limit=1)
    rest = seller.get(f"batch-operations/{asked['job_id']}/items", after=first["next"])
    assert len(first["items"]) + len(rest["items"]) == 3
    events = seller.get(f"batch-operations/{asked['job_id']}/history")["events"]
    assert [(event["action"], event["created_by"]) for event in events] == [("created", "token writer")]
    kinds = {kind["kind"]: kind for kind in seller.get("batch-operations/statistics")["kinds"]}
    assert kinds["invoice_orders"]["successful_items"] >= 2
    listed = seller.get("batch-operations", kind="invoice_orders", status="completed_with_errors")["items"]
    assert asked["job_id"] in [job["id"] for job in listed]
    assert seller.get("batch-operations", created_by="nobody")["items"] == []
    assert seller.get("batch-operations", created_until="2020-01-01T00:00:00Z")["items"] == []


def test_all_open_orders_and_customers_directly_are_invoiced(seller: Seller) -> None:
    numbers = seller.orders(2)
    asked = seller.post("batch-operations/invoices", {"all_open": True, "language": "de"}, 202)
    assert asked["total"] >= 2
    items = [
        {"inventory_item_id": "LAMP-1", "quantity": "3"},
        {"description": "Einrichtung", "quantity": "1", "unit_price": "80", "tax_category": "S", "tax_rate": "19"},
    ]
    direct = seller.post(
        "batch-operations/invoices", {"customer_ids": ["C-1", "C-2", "C-9"], "options": {"items": items}}, 202
    )
    seller.work()
    assert {seller.get(f"sales-orders/{number}")["status"] for number in numbers} == {"invoiced"}
    outcomes = seller.get(f"batch-operations/{direct['job_id']}/items")["items"]
    assert [(item["status"], item["code"]) for item in outcomes] == [
        ("succeeded", None),
        ("succeeded", None),
        ("failed", "UNKNOWN_CUSTOMER"),
    ]
    invoice = seller.get(f"invoices/{outcomes[0]['result']['invoice_id']}")
    assert invoice["gross_amount"] == "273.70"
    assert [line["sku"] for line in invoice["lines"]] == ["LAMP-1", None]


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("invoices", {}, "body"),
        ("invoices", {"all_open": True, "sales_order_ids": ["1"]}, "body"),
        ("invoices", {"customer_ids": ["C-1"]}, "body"),
        ("invoices", {"customer_ids": ["C-1"], "options": {"items": [{"quantity": "1"}]}}, "items[1]"),
        ("invoices", {"customer_ids": ["C-1"], "options": {"items": [{"description": "x", "quantity": "0"}]}},
         "items[1].quantity"),
        ("invoices", {"all_open": True, "due_days": 4000}, "due_days"),
        ("invoices", {"all_open": True, "due_days": "soon"}, "due_days"),
        ("invoices", {"all_open": True, "invoice_date": "2999-01-01"}, "invoice_date"),
        ("invoices", {"all_open": True, "send_immediately": True}, "communication_method"),
        ("invoices", {"all_open": True, "surprise": 1}, "surprise"),
        ("pdfs", {"invoice_ids": []}, "invoice_ids"),
        ("pdfs", {"invoice_ids": ["1"], "language": "german"}, "language"),
        ("pdfs", {"invoice_ids": ["1"], "formats": ["xrechnung_cii"], "create_combined_pdf": True}, None),
        ("communications", {"invoice_ids": ["1"], "method": "fax"}, "method"),
        ("communications", {"invoice_ids": ["1"], "method": "sms", "subject": "x"}, "subject"),
    ],
)  # fmt: skip
def test_what_is_not_possible_is_refused_with_its_field_and_asks_for_nothing(
    seller: Seller, path: str, body: dict[str, Any], field: str | None
) -> None:
    before = seller.get("batch-operations", limit=200)["items"]
    problem = problem_of(seller.client.post(f"batch-operations/{path}", json=body), 422)
    if field is not None:
        assert field in [wrong["field"] for wrong in problem["errors"]], problem
    assert seller.get("batch-operations", limit=200)["items"] == before


def test_what_was_asked_for_is_cancelled_once_and_stays_so(seller: Seller) -> None:
    asked = seller.post("batch-operations/invoices", {"sales_order_ids": seller.orders()}, 202)
    path = f"batch-operations/{asked['job_id']}"
    cancelled = seller.post(f"{path}/cancel")
    assert (cancelled["status"], cancelled["cancelled_items"]) == ("cancelled", 1)
    assert problem_of(seller.client.post(f"{path}/cancel"), 409)["code"] == "JOB_HAS_ENDED"
    assert problem_of(seller.client.post(f"{path}/retry", json={}), 409)["code"] == "JOB_CANCELLED"
    assert [event["action"] for event in seller.get(f"{path}/history")["events"]] == ["created", "cancelled"]
    seller.work()
    assert seller.get(path)["successful_items"] == 0


def test_what_failed_is_tried_again_also_with_another_date(seller: Seller) -> None:
    seller.issue(1, invoice_date="2020-06-01")
    (number,) = seller.orders(status="draft")
    asked = seller.post("batch-operations/invoices", {"sales_order_ids": [number], "invoice_date": "2020-01-01"}, 202)
    path = f"batch-operations/{asked['job_id']}"
    seller.work(asked["job_id"])
    (item,) = seller.get(f"{path}/items")["items"]
    assert item["code"] == "WRONG_STATUS"
    seller.client.patch(f"sales-orders/{number}", json={"status": "reviewed"})
    again = seller.client.post(f"{path}/retry")
    assert again.status_code == 202, again.text
    assert (again.json()["total"], again.headers["location"]) == (1, asked["url"])
    seller.work(asked["job_id"])
    assert seller.get(f"{path}/items")["items"][0]["code"] == "DATE_BEFORE_LAST"
    assert problem_of(seller.client.post(f"{path}/retry", json={"invoice_date": "2999-01-01"}), 422)
    assert seller.post(f"{path}/retry", {"invoice_date": "today"}, 202)["total"] == 1
    seller.work(asked["job_id"])
    assert seller.get(path)["status"] == "completed"
    assert seller.post(f"{path}/retry", {}, 202)["total"] == 0


def test_a_csv_file_is_imported_row_by_row(seller: Seller) -> None:
    answer = seller.client.post(
        "batch-operations/imports",
        params={"kind": "customers", "file_name": "Kunden März.csv"},
        content=CSV.encode(),
        headers={"Content-Type": "text/csv", "Idempotency-Key": "import"},
    )
    assert answer.status_code == 202, answer.text
    asked = answer.json()
    assert asked["total"] == 3
    seller.work()
    items = seller.get(f"batch-operations/{asked['job_id']}/items")["items"]
    assert [(item["status"], item["code"]) for item in items] == [
        ("succeeded", None),
        ("failed", "INVALID"),
        ("skipped", None),
    ]
    assert "line 3, country_code" in items[1]["message"]
    assert seller.get("customers/K-1")["created_by"] == "token writer"
    wrong = seller.client.post(
        "batch-operations/imports",
        params={"kind": "items"},
        content=b"sku,colour\n",
        headers={"Content-Type": "text/csv"},
    )
    assert "there is no column 'colour'" in problem_of(wrong, 422)["detail"]


def test_jobs_of_another_organization_are_not_there(seller: Seller) -> None:
    job_id = seller.get("batch-operations")["items"][0]["id"]
    other = seller.site.b
    with seller.site.client(other.tokens["writer"]) as client:
        for method, rest in (
            ("GET", ""),
            ("GET", "/items"),
            ("GET", "/history"),
            ("GET", "/files"),
            ("GET", "/files/zip"),
            ("POST", "/cancel"),
            ("POST", "/retry"),
        ):
            answer = client.request(method, seller.site.path(other, f"batch-operations/{job_id}{rest}"))
            assert problem_of(answer, 404)["code"] == "JOB_NOT_FOUND"
        asked = client.post(
            seller.site.path(other, "batch-operations/invoices"), json={"sales_order_ids": seller.orders()}
        ).json()
        assert asked["total"] == 1
    seller.work()


def test_a_token_needs_the_scope_of_what_an_operation_does(seller: Seller) -> None:
    orders = seller.post("batch-operations/invoices", {"sales_order_ids": seller.orders()}, 202)
    pdfs = seller.post("batch-operations/pdfs", {"invoice_ids": ["INV-0"]}, 202)
    with seller.context.scope() as connection:
        _, secret = add_token(connection, "press", ["delivery:write"], actor="test")
        webhooks = create_job(connection, "send_webhook", ["1"], created_by="anna")
    with seller.site.client(secret) as press:

        def cancel(job_id: object) -> httpx.Response:
            return press.post(seller.site.path(seller.tenant, f"batch-operations/{job_id}/cancel"))

        assert "billing:write" in problem_of(cancel(orders["job_id"]), 403)["detail"]
        assert "organization:write" in problem_of(cancel(webhooks), 403)["detail"]
        assert cancel(pdfs["job_id"]).json()["status"] == "cancelled"
    with seller.context.scope() as connection:
        _, secret = add_token(connection, "books", ["billing:write"], actor="test")
    with seller.site.client(secret) as books:
        address = seller.site.path(seller.tenant, "batch-operations/invoices")
        refused = problem_of(books.post(address, json={"all_open": True, "generate_pdf": True}), 403)
        assert "delivery:write" in refused["detail"]
        assert books.post(address, json={"all_open": True}).status_code == 202
    with seller.site.browser(seller.tenant.sessions[Role.ACCOUNTANT]) as accountant:
        address = seller.site.path(seller.tenant, f"batch-operations/{webhooks}/cancel")
        assert "the role admin" in problem_of(accountant.post(address), 403)["detail"]
    with seller.site.browser(seller.tenant.sessions[Role.ADMIN]) as admin:
        assert admin.post(address).json()["status"] == "cancelled"
    seller.work()
