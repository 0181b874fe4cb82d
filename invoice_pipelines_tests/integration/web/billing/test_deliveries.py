"""Documents, messages and opt-outs over the API."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

from lxml import etree

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines_tests.integration.web.billing.conftest import Seller
from invoice_pipelines_tests.support.web import problem_of


def test_the_document_of_an_invoice_is_made_at_once_and_once(seller: Seller) -> None:
    (number,) = seller.issue()
    with seller.site.browser(seller.tenant.sessions[Role.VIEWER]) as viewer:
        looked = viewer.get(seller.site.path(seller.tenant, f"invoices/{number}/document"))
    assert looked.status_code == 200, looked.text
    assert looked.content.startswith(b"%PDF-")
    assert seller.get("documents", invoice=number)["items"] == []
    folder = Path(seller.site.settings.documents_root) / str(seller.tenant.id)
    assert not folder.exists(), "what a viewer sees is kept nowhere"
    answer = seller.client.get(f"invoices/{number}/document")
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.headers["content-disposition"].startswith("attachment; filename=")
    assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'"
    assert answer.content == looked.content
    assert seller.client.get(f"invoices/{number}/document").content == answer.content
    (document,) = seller.get("documents", invoice=number)["items"]
    assert (document["format"], document["version"], document["size_bytes"]) == ("zugferd", 1, len(answer.content))
    assert seller.get(f"documents/{document['id']}") == document
    assert seller.client.get(f"documents/{document['id']}/content").content == answer.content
    shown = seller.get(f"invoices/{number}")["documents"]
    assert [each["id"] for each in shown] == [document["id"]]


def test_the_xml_of_an_invoice_can_be_read_by_programs(seller: Seller) -> None:
    (number,) = seller.issue()
    for format, root in (("xrechnung_ubl", "Invoice"), ("xrechnung_cii", "CrossIndustryInvoice")):
        answer = seller.client.get(f"invoices/{number}/document", params={"format": format})
        if answer.status_code == 422:  # what XRechnung needs beyond the law is said
            assert "XRechnung" in problem_of(answer, 422)["detail"] or "BR-DE" in answer.text
            continue
        assert answer.headers["content-type"].startswith("application/xml")
        assert etree.QName(etree.fromstring(answer.content)).localname == root
    wrong = problem_of(seller.client.get(f"invoices/{number}/document", params={"format": "docx"}), 422)
    assert wrong["errors"][0]["field"] == "format"
    seller.post(f"invoices/{number}/void", {"reason": "x"})
    void = seller.client.get(f"invoices/{number}/document", params={"format": "plain"})
    assert problem_of(void, 409)["code"] == "VOID"


def test_documents_in_bulk_are_downloaded_as_one_pdf_and_as_a_zip(seller: Seller) -> None:
    numbers = seller.issue(2)
    asked = seller.post(
        "batch-operations/pdfs",
        {"invoice_ids": [*numbers, "INV-0"], "create_combined_pdf": True, "create_zip": True},
        202,
    )
    path = f"batch-operations/{asked['job_id']}"
    assert asked["total"] == 3
    assert problem_of(seller.client.get(f"{path}/files/zip"), 404)["code"] == "FILE_NOT_FOUND"
    seller.make_documents()
    files = seller.get(f"{path}/files")
    assert files["is_waiting"] is False
    assert {each["kind"]: each["documents"] for each in files["files"]} == {"combined_pdf": 2, "zip": 2}
    by_kind = {each["kind"]: each for each in files["files"]}
    combined = seller.client.get(seller.site.url + by_kind["combined_pdf"]["url"])
    assert combined.content.startswith(b"%PDF-")
    assert len(combined.content) == by_kind["combined_pdf"]["size_bytes"]
    archive = seller.client.get(seller.site.url + by_kind["zip"]["url"])
    assert archive.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(archive.content)) as opened:
        assert len(opened.namelist()) == 2
    assert {document["invoice_number"] for document in seller.get("documents", job=asked["job_id"])["items"]} == set(
        numbers
    )
    (failed,) = seller.get(f"{path}/items", status="failed")["items"]
    assert failed["subject_id"] == "INV-0"


def test_a_message_is_looked_at_taken_back_and_sent_again(seller: Seller) -> None:
    (number,) = seller.issue(send_immediately=True, communication_method="email")
    (message,) = seller.get("messages", invoice=number)["items"]
    assert (message["status"], message["channel"], message["created_by"]) == ("waiting", "email", "token writer")
    assert message["id"] in [each["id"] for each in seller.get("messages", status="waiting", channel="email")["items"]]
    path = f"messages/{message['id']}"
    cancelled = seller.post(f"{path}/cancel")
    assert (cancelled["status"], [event["action"] for event in cancelled["events"]]) == ("cancelled", ["cancelled"])
    assert problem_of(seller.client.post(f"{path}/cancel"), 409)["code"] == "MESSAGE_STATUS_CONFLICT"
    again = seller.post(f"{path}/resend")
    assert (again["status"], again["events"][-1]["created_by"]) == ("waiting", "token writer")
    doubt = seller.client.post(f"{path}/resolve", json={"was_sent": True})
    assert problem_of(doubt, 409)["code"] == "MESSAGE_STATUS_CONFLICT"
    assert [each["id"] for each in seller.get(f"invoices/{number}")["messages"]] == [message["id"]]
    other = seller.site.a
    with seller.site.client(other.tokens["writer"]) as client:
        for rest in ("", "/resend", "/cancel"):
            address = seller.site.path(other, f"{path}{rest}")
            answer = client.post(address) if rest else client.get(address)
            assert problem_of(answer, 404)["code"] == "MESSAGE_NOT_FOUND"


def test_nothing_is_sent_to_who_opted_out_until_that_ends(seller: Seller) -> None:
    made = seller.post("opt-outs", {"channel": "email", "address": "AP9@kunde.example", "note": "paper"}, 201)
    assert (made["recipient"], made["reason"], made["ended_at"]) == ("ap9@kunde.example", "opted_out", None)
    assert seller.post("opt-outs", {"channel": "email", "address": "ap9@kunde.example"}, 201)["id"] == made["id"]
    assert [each["id"] for each in seller.get("opt-outs")["items"]] == [made["id"]]
    headers = seller.client.post("opt-outs", json={"channel": "email", "address": "ap9@kunde.example"}).headers
    assert seller.client.get(seller.site.url + headers["location"]).json() == made
    assert seller.client.delete(f"opt-outs/{made['id']}").status_code == 204
    assert seller.client.delete(f"opt-outs/{made['id']}").status_code == 204
    assert seller.get("opt-outs")["items"] == []
    assert seller.client.get(f"opt-outs/{made['id']}").status_code == 404
    ended = seller.get(f"opt-outs/{made['id']}", with_ended="true")
    assert ended["ended_by"] == "token writer"
    assert seller.get("opt-outs", with_ended="true")["items"] == [ended]
    wrong = seller.client.post("opt-outs", json={"channel": "email", "address": "nobody"})
    assert problem_of(wrong, 422)["errors"][0]["field"] == "address"
    assert problem_of(seller.client.post("opt-outs", json={"channel": "fax", "address": "1"}), 422)
