"""Reviews over the API: the queue, pictures, decisions on what was seen and nothing else, and the way back."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any
from uuid import uuid4

import httpx
import pytest
from PIL import Image

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.einvoice.model import Party
from invoice_pipelines_tests.integration.intake.review.pages import page_of
from invoice_pipelines_tests.integration.web.intake.conftest import IntakeTenant
from invoice_pipelines_tests.support.intake.review.lane import judged, on_paper, uploaded
from invoice_pipelines_tests.support.intake.validation.specimens import UBL
from invoice_pipelines_tests.support.web import problem_of


def waiting(office: IntakeTenant, number: str = "HW-77", net: str = "1000.00", **options: Any) -> str:
    """An invoice that waits, as its number is not understood."""
    return str(uploaded(office.desk, page_of(number, net, **options), f"{number}.pdf"))


def tag_of(client: httpx.Client, invoice: str) -> dict[str, str]:
    """The header of a decision on what is there now."""
    return {"If-Match": client.get(f"received-invoices/{invoice}").headers["etag"]}


def decide(client: httpx.Client, invoice: str, what: str, body: dict[str, Any] | None = None, **headers: str) -> Any:
    return client.post(f"reviews/{invoice}/{what}", json=body or {}, headers=headers or tag_of(client, invoice))


def test_a_review_is_looked_at_corrected_and_taught(office: IntakeTenant) -> None:
    invoice = waiting(office)
    with office.person(Role.ACCOUNTANT) as client:
        (listed,) = client.get("reviews").json()["items"]
        assert (listed["id"], listed["reasons"], listed["gross_amount"]) == (invoice, ["IP-REQ-01 number"], "1190.00")
        seen = client.get(f"reviews/{invoice}")
        review = seen.json()
        (reason,) = review["reasons"]
        assert (reason["code"], reason["must_be_corrected"]) == ("IP-REQ-01", True)
        assert "HW-77" in [one["value"] for one in review["candidates"]["number"]]
        gross = next(value for value in review["values"] if value["field"] == "gross_amount")
        assert (gross["value"], gross["label_de"], gross["source"], gross["page"]) == (
            "1190.00",
            "Gesamtbetrag",
            "text",
            1,
        )
        assert len(gross["box"]) == 4
        assert review["pages"][0]["number"] == 1
        candidate = 1 + [one["value"] for one in review["candidates"]["number"]].index("HW-77")
        tag = {"If-Match": seen.headers["etag"]}
        refused = client.post(f"reviews/{invoice}/accept", json={}, headers=tag)
        assert problem_of(refused, 409)["code"] == "MUST_BE_CORRECTED"
        body = {"corrections": {"number": {"candidate": candidate}}, "reason": "it says so"}
        done = client.post(f"reviews/{invoice}/correct", json=body, headers=tag)
        assert done.status_code == 200, done.text
        assert (done.json()["status"], done.json()["learned"]) == ("VALIDATED", ["number"])
        shown = client.get(f"received-invoices/{invoice}")
        assert shown.headers["etag"] == done.headers["etag"]
        (made,) = shown.json()["decisions"]
        assert (made["decision"], made["new_value"], made["reason"]) == ("corrected", "HW-77", "it says so")
        assert made["decided_by"].startswith("accountant-")
        assert problem_of(client.get(f"reviews/{invoice}"), 409)["code"] == "NOT_WAITING"
        assert client.get("reviews").json() == {"items": [], "next": None}
    # The supplier's next document needs nobody.
    assert office.desk.status(uploaded(office.desk, page_of("HW-78", "2500.00"))) == "VALIDATED"


def test_values_are_typed_boxed_or_absent(office: IntakeTenant) -> None:
    invoice = waiting(office)
    box = {"page": 1, "left": 440, "top": 215, "right": 490, "bottom": 238}
    with office.client() as client:
        done = decide(
            client, invoice, "correct", {"corrections": {"number": {"box": box}, "due_date": {"absent": True}}}
        )
        assert done.json()["status"] == "VALIDATED", done.text
        assert client.get(f"received-invoices/{invoice}").json()["invoice_number"] == "HW-77"


def test_corrections_are_tried_before_they_are_made(office: IntakeTenant) -> None:
    invoice = waiting(office)
    with office.client() as client:
        assert client.get("reviews/statistics").json()["by_reason"] == {"IP-REQ-01": 1}
        wrong = {"number": {"value": "HW-77"}, "gross_amount": {"value": "1200.00"}}
        told = client.post(f"reviews/{invoice}/check", json={"corrections": wrong}).json()
        assert told["status"] == "PARSED"
        assert "IP-TOTAL-01" in [reason["code"] for reason in told["reasons"]]
        right = {"number": {"value": "HW-77"}}
        tag = tag_of(client, invoice)
        told = client.post(f"reviews/{invoice}/check", json={"corrections": right}).json()
        assert (told["status"], told["learned"]) == ("VALIDATED", ["number"])
        assert tag_of(client, invoice) == tag
        confirmed = {"number": {"confirmed": True}}
        refused = problem_of(client.post(f"reviews/{invoice}/check", json={"corrections": confirmed}), 422)
        assert refused["errors"][0]["field"] == "corrections.number"
    assert office.desk.rows("select * from intake.supplier_layout") == []


def test_what_cannot_stand_in_a_field_is_told_of_each(office: IntakeTenant) -> None:
    invoice = waiting(office)
    with office.client() as client:
        wrong = {"gross_amount": {"value": "much"}, "issue_date": {"value": "31.3."}, "colour": {"value": "red"}}
        told = problem_of(decide(client, invoice, "correct", {"corrections": wrong}), 422)
        assert {one["field"] for one in told["errors"]} == {f"corrections.{field}" for field in wrong}
        assert told["code"] == "WRONG_VALUES"
        body: dict[str, Any]
        for body in (
            {},
            {"corrections": {}},
            {"corrections": {"number": {}}},
            {"corrections": {"number": {"value": "1", "absent": True}}},
            {"corrections": {"number": {"value": "a\u0000b"}}},
            {"corrections": {"number": "1"}},
            {"corrections": {"number": {"value": "1"}}, "seen": "x"},
        ):
            assert problem_of(decide(client, invoice, "correct", body), 422)["code"] == "VALIDATION_FAILED"
        assert problem_of(decide(client, invoice, "reject", {"reason": "  "}), 422)["code"] == "REASON_MISSING"
    assert office.desk.rows("select * from intake.review_decision") == []


def test_a_decision_names_what_was_seen(office: IntakeTenant) -> None:
    invoice = waiting(office)
    correct = {"corrections": {"issue_date": {"value": "2026-03-04"}}}
    with office.client() as client:
        url = f"reviews/{invoice}/correct"
        assert problem_of(client.post(url, json=correct), 428)["code"] == "IF_MATCH_REQUIRED"
        first = tag_of(client, invoice)
        assert client.post(url, json=correct, headers=first).json()["status"] == "PARSED"
        stale = client.post(url, json=correct, headers=first)
        assert (problem_of(stale, 412)["code"], stale.headers["etag"]) == ("STALE", tag_of(client, invoice)["If-Match"])
        for what in ("accept", "reject", "undo"):
            body = {"reason": "no"}
            assert problem_of(decide(client, invoice, what, body, **{"If-Match": '"x"'}), 412)["code"] == "STALE"
    assert office.desk.one("select count(*) from intake.review_decision") == 1


def test_a_decision_is_undone_until_the_export(office: IntakeTenant) -> None:
    invoice = waiting(office)
    with office.person(Role.ACCOUNTANT) as client:
        before = client.get(f"received-invoices/{invoice}").json()
        decide(client, invoice, "correct", {"corrections": {"number": {"value": "HW-77"}}})
        assert client.get(f"received-invoices/{invoice}").json()["can_be_undone"] is True
        undone = decide(client, invoice, "undo", {"reason": "a slip"})
        assert undone.status_code == 200, undone.text
        assert (undone.json()["status"], undone.json()["learned"]) == ("PARSED", ["number"])
        after = client.get(f"received-invoices/{invoice}").json()
        for name in ("invoice_number", "gross_amount", "values", "reasons", "lines", "in_review"):
            assert after[name] == before[name], name
        assert [made["decision"] for made in after["decisions"]] == ["corrected", "undone"]
        nothing = decide(client, invoice, "undo")
        assert problem_of(nothing, 409)["code"] == "NOTHING_TO_UNDO"
        assert decide(client, invoice, "correct", {"corrections": {"number": {"value": "HW-77"}}}).status_code == 200
        office.run()
        assert problem_of(decide(client, invoice, "undo"), 409)["code"] == "ALREADY_EXPORTED"


def test_a_seller_that_was_left_out_is_asked_for(office: IntakeTenant) -> None:
    read = on_paper(seller_name=0.7, seller_vat_id=0.7)
    receipt = replace(read, seller=Party(name="Café Pendel"), buyer=Party(), due_date=None)
    invoice = str(judged(office.desk, receipt))
    with office.person(Role.ACCOUNTANT) as client:
        asked = client.post(f"reviews/{invoice}/ask")
        assert asked.status_code == 200, asked.text
        assert [(reason["code"], reason["field"]) for reason in asked.json()["reasons"]] == [
            ("LOW_CONFIDENCE", "seller.name")
        ]
        assert asked.headers["etag"] == tag_of(client, invoice)["If-Match"]
        accepted = client.post(f"reviews/{invoice}/accept", json={}, headers={"If-Match": asked.headers["etag"]})
        assert accepted.json()["status"] == "VALIDATED"
        assert client.get(f"received-invoices/{invoice}").json()["seller_name"] == "Café Pendel"
        assert problem_of(client.post(f"reviews/{invoice}/ask"), 409)["code"] == "NOTHING_LEFT_OUT"
    with office.person(Role.VIEWER) as viewer:
        assert viewer.post(f"reviews/{invoice}/ask").status_code == 403


def test_a_rejection_fails_and_a_retry_brings_it_back(office: IntakeTenant) -> None:
    invoice = waiting(office)
    with office.client() as client:
        assert decide(client, invoice, "reject", {"reason": "not for us"}).json()["status"] == "FAILED"
        shown = client.get(f"received-invoices/{invoice}").json()
        assert (shown["code"], shown["message"]) == ("REJECTED", "Rejected by token writer: not for us")
        retried = client.post(f"received-invoices/{invoice}/retry")
        assert (retried.status_code, retried.json()["status"]) == (202, "CREATED")
        assert retried.headers["location"] == retried.json()["url"]


def test_nobody_else_decides_about_what_somebody_is_at(office: IntakeTenant) -> None:
    invoice = str(judged(office.desk, on_paper(gross_amount=0.8)))
    with office.person(Role.ACCOUNTANT) as anna, office.person(Role.ADMIN) as bert:
        claimed = anna.post(f"reviews/{invoice}/claim", json={"minutes": 5})
        assert claimed.status_code == 200, claimed.text
        assert claimed.json()["claimed_by"].startswith("accountant-")
        assert problem_of(decide(bert, invoice, "accept"), 409)["code"] == "REVIEW_CLAIMED"
        assert problem_of(bert.post(f"reviews/{invoice}/claim", json={}), 409)["code"] == "REVIEW_CLAIMED"
        assert problem_of(bert.post(f"reviews/{invoice}/release"), 409)["code"] == "REVIEW_CLAIMED"
        assert bert.get("reviews", params={"free": True}).json()["items"] == []
        assert [one["id"] for one in anna.get("reviews", params={"free": True}).json()["items"]] == [invoice]
        assert bert.get(f"reviews/{invoice}").json()["claim"]["claimed_by"] == claimed.json()["claimed_by"]
        assert anna.post(f"reviews/{invoice}/release").json() == {"was_claimed": True}
        assert decide(bert, invoice, "accept").json()["status"] == "VALIDATED"


def test_reviews_are_put_off_and_noted_on(office: IntakeTenant) -> None:
    invoice = str(judged(office.desk, on_paper(gross_amount=0.8)))
    with office.client() as client:
        soon = (datetime.now(UTC) + timedelta(hours=2)).isoformat()
        assert client.post(f"reviews/{invoice}/postpone", json={"until": soon}).status_code == 204
        assert client.get("reviews", params={"free": True}).json()["items"] == []
        assert [one["id"] for one in client.get("reviews", params={"postponed": True}).json()["items"]] == [invoice]
        past = client.post(f"reviews/{invoice}/postpone", json={"until": "2020-01-01T00:00:00Z"})
        assert problem_of(past, 422)["code"] == "WRONG_MOMENT"
        assert client.post(f"reviews/{invoice}/postpone", json={"until": None}).status_code == 204
        noted = client.post(f"reviews/{invoice}/notes", json={"note": "Called them."})
        assert (noted.status_code, noted.json()["created_by"]) == (201, "token writer")
        assert [one["note"] for one in client.get(f"reviews/{invoice}").json()["notes"]] == ["Called them."]


def test_of_many_at_once_one_decides_and_a_repeated_request_is_one_decision(office: IntakeTenant) -> None:
    invoice = str(judged(office.desk, on_paper(gross_amount=0.8)))
    with office.client() as client:
        tag = tag_of(client, invoice)

        def accept(number: int) -> int:
            key = {"Idempotency-Key": f"{invoice} {number}"}
            return client.post(f"reviews/{invoice}/accept", json={}, headers=tag | key).status_code

        with ThreadPoolExecutor(8) as pool:
            told = sorted(pool.map(accept, range(8)))
        assert told[0] == 200
        assert set(told[1:]) <= {409, 412}
        winner = next(number for number in range(8) if accept(number) == 200)
        assert accept(winner) == 200
    assert office.desk.one("select count(*) from intake.review_decision") == 1


def test_a_page_is_a_picture_plain_and_marked(office: IntakeTenant) -> None:
    invoice = waiting(office)
    with office.person(Role.VIEWER) as client:
        review = client.get(f"reviews/{invoice}").json()
        plain = client.get(f"reviews/{invoice}/pages/1")
        assert (plain.status_code, plain.headers["content-type"]) == (200, "image/png")
        assert plain.headers["x-content-type-options"] == "nosniff"
        picture = Image.open(BytesIO(plain.content))
        (page,) = review["pages"]
        scale = picture.width / page["width"]
        assert picture.height / page["height"] == pytest.approx(scale, rel=0.01)
        gross = next(value for value in review["values"] if value["field"] == "gross_amount")
        left, top, right, bottom = (round(side * scale) for side in gross["box"])
        assert min(picture.convert("L").crop((left, top, right, bottom)).tobytes()) < 100  # something is printed there
        marked = client.get(f"reviews/{invoice}/pages/1", params={"marks": True})
        assert Image.open(BytesIO(marked.content)).mode == "RGB"
        again = client.get(f"reviews/{invoice}/pages/1", headers={"If-None-Match": plain.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert problem_of(client.get(f"reviews/{invoice}/pages/2"), 404)["code"] == "PAGE_NOT_FOUND"
        assert problem_of(client.get(f"reviews/{invoice}/pages/0"), 422)["code"] == "VALIDATION_FAILED"


def test_what_has_no_pages_has_no_picture(office: IntakeTenant) -> None:
    with office.client() as client:
        for name, data in (("page.pdf", b"<html><script>alert(1)</script>"), ("a.xml", UBL.encode()), ("x", b"?")):
            taken = client.post("uploads", files={"file": (name, data)}).json()
            told = client.get(f"reviews/{taken['received_invoice_id']}/pages/1")
            assert problem_of(told, 404)["code"] == "PAGE_NOT_FOUND"


def test_many_pictures_at_once_are_all_drawn_and_hold_up_nothing_else(office: IntakeTenant) -> None:
    invoice = waiting(office)
    done = threading.Event()
    waits: list[float] = []

    def ask_for_others() -> None:
        with office.client() as other:
            while not done.is_set():
                began = time.monotonic()
                assert other.get("received-invoices").status_code == 200
                waits.append(time.monotonic() - began)

    with office.client() as client, ThreadPoolExecutor(41) as pool:
        others = pool.submit(ask_for_others)
        url = f"reviews/{invoice}/pages/1"
        began = time.monotonic()
        drawn = list(pool.map(lambda number: client.get(url, params={"marks": number % 2 == 0}), range(40)))
        drawing = time.monotonic() - began
        done.set()
        others.result()
    assert {answer.status_code for answer in drawn} == {200}
    assert len({answer.content for answer in drawn}) == 2
    assert sorted(waits)[len(waits) // 2] < drawing / 4


def test_what_another_organization_has_is_not_there(office: IntakeTenant, other_office: IntakeTenant) -> None:
    foreign, unknown = str(judged(other_office.desk, on_paper(gross_amount=0.8))), str(uuid4())
    tag = {"If-Match": "*"}
    calls: list[tuple[str, str, dict[str, Any]]] = [
        ("GET", "reviews/{}", {}),
        ("GET", "reviews/{}/pages/1", {}),
        ("POST", "reviews/{}/accept", {"json": {}, "headers": tag}),
        ("POST", "reviews/{}/correct", {"json": {"corrections": {"number": {"value": "1"}}}, "headers": tag}),
        ("POST", "reviews/{}/check", {"json": {"corrections": {"number": {"value": "1"}}}}),
        ("POST", "reviews/{}/reject", {"json": {"reason": "x"}, "headers": tag}),
        ("POST", "reviews/{}/undo", {"json": {}, "headers": tag}),
        ("POST", "reviews/{}/ask", {}),
        ("POST", "reviews/{}/claim", {"json": {}}),
        ("POST", "reviews/{}/release", {}),
        ("POST", "reviews/{}/postpone", {"json": {"until": None}}),
        ("POST", "reviews/{}/notes", {"json": {"note": "x"}}),
        ("GET", "received-invoices/{}", {}),
        ("GET", "received-invoices/{}/original", {}),
        ("POST", "received-invoices/{}/retry", {}),
    ]
    with office.client() as client:
        for method, path, options in calls:
            told = problem_of(client.request(method, path.format(foreign), **options), 404)
            same = problem_of(client.request(method, path.format(unknown), **options), 404)
            assert (told["code"], told["detail"].replace(foreign, unknown)) == (same["code"], same["detail"]), path
    assert other_office.desk.status(foreign) == "PARSED"
    assert other_office.desk.rows("select * from intake.review_note") == []
