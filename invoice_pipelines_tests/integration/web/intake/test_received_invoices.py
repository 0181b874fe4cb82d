"""Received invoices and their exports over the API: found, followed, told about, taken away."""

from __future__ import annotations

import csv
import hashlib
import io
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from invoice_pipelines.intake.received_invoices import ProcessingError, mark_failed
from invoice_pipelines.intake.stages.stages import export_invoices
from invoice_pipelines_tests.integration.intake.conftest import make_reading
from invoice_pipelines_tests.integration.web.intake.conftest import IntakeTenant
from invoice_pipelines_tests.support.intake.review.lane import judged, on_paper
from invoice_pipelines_tests.support.web import problem_of


def failed(office: IntakeTenant) -> UUID:
    invoice = office.desk.invoice()
    with office.desk.scope() as connection:
        mark_failed(connection, [(invoice, ProcessingError("parse", "PDF_ENCRYPTED", "The PDF is encrypted."))])
    return invoice.id


def ids(answer: httpx.Response) -> set[str]:
    assert answer.status_code == 200, answer.text
    return {item["id"] for item in answer.json()["items"]}


def test_invoices_are_found_page_by_page(office: IntakeTenant) -> None:
    valid = str(office.desk.validated(make_reading("AB 17")).id)
    waits = str(judged(office.desk, on_paper("W-1", gross_amount=0.5)))
    broken = str(failed(office))
    params: dict[str, Any]
    with office.client("reader") as client:
        for params, found in (
            ({}, {valid, waits, broken}),
            ({"status": ["VALIDATED", "FAILED"]}, {valid, broken}),
            ({"in_review": True}, {waits}),
            ({"in_review": False}, {valid, broken}),
            ({"number": "ab17"}, {valid}),
            ({"seller": "MUSTER"}, {valid, waits}),
            ({"issued_from": "2026-03-01", "issued_until": "2026-03-01"}, {valid, waits}),
            ({"gross_from": "119.01"}, set()),
            ({"gross_until": "119.00", "currency": "EUR"}, {valid, waits}),
            ({"text": "w-1"}, {waits}),
        ):
            assert ids(client.get("received-invoices", params=params)) == found, params
        seen: list[str] = []
        after = None
        while True:
            params = {"limit": 1} | ({} if after is None else {"after": after})
            page = client.get("received-invoices", params=params).json()
            seen += [item["id"] for item in page["items"]]
            after = page["next"]
            if after is None:
                break
        assert seen == [broken, waits, valid]
        for params in (
            {"status": "NEW"},
            {"issued_from": "yesterday"},
            {"gross_from": "1e5"},
            {"currency": "euro"},
            {"after": "x"},
            {"limit": 201},
        ):
            assert problem_of(client.get("received-invoices", params=params), 422)["code"] == "VALIDATION_FAILED"


def test_one_says_what_was_read_and_what_happened(office: IntakeTenant) -> None:
    invoice = office.desk.validated(make_reading("AB 17")).id
    broken = failed(office)
    with office.client("reader") as client:
        shown = client.get(f"received-invoices/{invoice}").json()
        assert (shown["status"], shown["invoice_number"], shown["gross_amount"]) == ("VALIDATED", "AB 17", "119.00")
        assert [change["to_status"] for change in shown["status_changes"]] == ["UPLOADED", "PARSED", "VALIDATED"]
        assert shown["lines"][0]["description"] == "Schrauben"
        number = next(value for value in shown["values"] if value["field"] == "number")
        assert (number["source"], number["confidence"], number["page"]) == ("xml", 1.0, None)
        told = client.get(f"received-invoices/{broken}").json()
        assert (told["code"], told["values"], told["source"]) == ("PDF_ENCRYPTED", [], None)
        assert told["failed_attempts"][0]["message"] == "The PDF is encrypted."


def test_statistics_are_counts_rates_and_times(office: IntakeTenant) -> None:
    with office.client("reader") as client:
        empty = client.get("received-invoices/statistics").json()
        assert (empty["total"], empty["successRate"], empty["failureRate"]) == (0, None, None)
        office.desk.validated()
        failed(office)
        export_invoices(office.desk.intake())
        office.desk.parsed()
        found = client.get("received-invoices/statistics").json()
    assert found["total"] == 3
    assert {status: count for status, count in found["byStatus"].items() if count} == {
        "PARSED": 1,
        "EXPORTED": 1,
        "FAILED": 1,
    }
    assert (found["successRate"], found["failureRate"]) == (0.5, 0.5)
    assert found["successShare"] == pytest.approx(1 / 3)
    assert [one["stage"] for one in found["stageTimes"]] == ["parse", "validate", "export"]
    assert all(one["meanSeconds"] >= 0 for one in found["stageTimes"])
    assert found["failures"] == [{"code": "PDF_ENCRYPTED", "message": "The PDF is encrypted.", "invoices": 1}]


def test_what_is_stuck_says_what_it_waits_for(office: IntakeTenant) -> None:
    invoice = office.desk.invoice().id
    with office.client("reader") as client:
        assert client.get("received-invoices/stuck").json() == {"total": 0, "items": []}
        (stuck,) = client.get("received-invoices/stuck", params={"minutes": 0}).json()["items"]
        assert (stuck["id"], stuck["status"]) == (str(invoice), "UPLOADED")
        assert stuck["waits_for"]


def test_a_retry_puts_a_failed_one_back_and_no_other(office: IntakeTenant) -> None:
    broken, valid = failed(office), office.desk.validated().id
    with office.client() as client:
        key = {"Idempotency-Key": uuid4().hex}
        first = client.post(f"received-invoices/{broken}/retry", headers=key)
        assert client.post(f"received-invoices/{broken}/retry", headers=key).content == first.content
        for invoice, status in ((broken, "CREATED"), (valid, "VALIDATED")):
            told = problem_of(client.post(f"received-invoices/{invoice}/retry"), 409)
            assert (told["code"], told["errors"][0]["code"]) == ("NOT_FAILED", status)
    with office.client("reader") as client:
        assert problem_of(client.post(f"received-invoices/{broken}/retry"), 403)["code"] == "FORBIDDEN"


def test_exports_are_asked_for_followed_and_taken_away(office: IntakeTenant) -> None:
    invoices = [str(office.desk.validated().id) for _ in range(3)]
    with office.client() as client:
        asked = client.post("exports")
        assert (asked.status_code, asked.json()["total"]) == (202, 3)
        assert asked.headers["location"] == asked.json()["url"]
        export_invoices(office.desk.intake())
        job = client.get(office.at(asked.json())).json()
        assert (job["status"], job["successful_items"]) == ("completed", 3)
        (export,) = client.get("exports", params={"format": "CSV"}).json()["items"]
        assert client.get("exports", params={"format": "DATEV"}).json()["items"] == []
        assert (export["number"], export["status"], export["invoice_count"]) == (1, "completed", 3)
        assert client.get("exports/1").json() == export
        assert ids(client.get("exports/1/invoices", params={"limit": 200})) == set(invoices)
        for file in export["files"]:
            got = client.get(office.at(file))
            assert hashlib.sha256(got.content).hexdigest() == file["sha256"]
            assert len(list(csv.DictReader(io.StringIO(got.text)))) == file["rows"]
            assert got.headers["content-disposition"].startswith("attachment; ")
            assert got.headers["content-security-policy"].startswith("sandbox")
        for name in ("x.csv", "..%2f..%2fetc%2fpasswd", "%2e%2e"):
            assert problem_of(client.get(f"exports/1/files/{name}"), 404)
        assert problem_of(client.get("exports/2"), 404)["code"] == "EXPORT_NOT_FOUND"
        assert problem_of(client.get("exports/0"), 422)["code"] == "VALIDATION_FAILED"

        again = client.post("exports/again", json={"received_invoice_ids": invoices[:1]})
        assert (again.status_code, again.json()["total"]) == (202, 1)
        busy = problem_of(client.post("exports/again", json={"received_invoice_ids": invoices}), 409)
        assert (busy["code"], busy["errors"][0]["code"]) == ("NOT_EXPORTED", "VALIDATED")
        export_invoices(office.desk.intake())
        assert [one["number"] for one in client.get("exports").json()["items"]] == [2, 1]
        page = client.get("exports", params={"limit": 1}).json()
        rest = client.get("exports", params={"limit": 1, "after": page["next"]}).json()
        assert [one["number"] for one in (*page["items"], *rest["items"])] == [2, 1]
        body: dict[str, Any]
        for body in ({}, {"received_invoice_ids": []}, {"received_invoice_ids": ["x"]}, {"ids": invoices}):
            assert problem_of(client.post("exports/again", json=body), 422)["code"] == "VALIDATION_FAILED"


def test_another_organization_sees_none_of_it(office: IntakeTenant, other_office: IntakeTenant) -> None:
    invoice = office.desk.validated().id
    export_invoices(office.desk.intake())
    with office.client() as client:
        (file, _) = client.get("exports/1").json()["files"]
    with other_office.client() as client:
        assert client.get("exports").json()["items"] == []
        assert client.get("received-invoices").json()["items"] == []
        assert problem_of(client.get(f"exports/1/files/{file['name']}"), 404)
        assert problem_of(client.get(office.at(file)), 404)["code"] == "NOT_FOUND"
        told = problem_of(client.post("exports/again", json={"received_invoice_ids": [str(invoice)]}), 404)
        assert told["code"] == "RECEIVED_INVOICE_NOT_FOUND"
