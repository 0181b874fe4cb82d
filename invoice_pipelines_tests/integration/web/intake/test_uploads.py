"""Files over the API: taken while they come, once each, or not at all."""

from __future__ import annotations

import hashlib
import resource
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from invoice_pipelines_tests.conftest import TestDatabase
from invoice_pipelines_tests.integration.intake.review.pages import page_of
from invoice_pipelines_tests.integration.web.intake.conftest import MOST_MEGABYTES, IntakeTenant, office_of
from invoice_pipelines_tests.support.intake.validation.specimens import UBL
from invoice_pipelines_tests.support.waiting import wait_for
from invoice_pipelines_tests.support.web import open_tenant, problem_of, running_site

MEGABYTE = 1_000_000


@contextmanager
def connection(office: IntakeTenant, headers: str) -> Iterator[socket.socket]:
    """A client that sends what it wants, after the head of a POST of a file."""
    url = httpx.URL(office.site.url)
    with closing(socket.create_connection((url.host, url.port), timeout=30)) as sent:
        sent.sendall(
            f"POST /api/v1/organizations/{office.tenant.slug}/uploads HTTP/1.1\r\nHost: x\r\n"
            f"Authorization: Bearer {office.tenant.tokens['writer']}\r\n{headers}\r\n\r\n".encode()
        )
        yield sent


def answer_of(sent: socket.socket) -> bytes:
    said = b""
    try:
        while part := sent.recv(65536):
            said += part
    except ConnectionResetError:
        pass
    return said


def test_a_file_is_uploaded_and_its_invoice_is_followed_to_the_end(office: IntakeTenant) -> None:
    document = page_of("HW-77", "1000.00")
    with office.client() as client:
        sent = client.post("uploads", files={"file": ("Rechnung März.pdf", document, "application/pdf")})
        assert sent.status_code == 201, sent.text
        taken = sent.json()
        assert taken["is_new"] is True
        assert (taken["file_name"], taken["size_bytes"]) == ("Rechnung März.pdf", len(document))
        assert (taken["source"], taken["media_type"], taken["status"]) == ("api", "application/pdf", "UPLOADED")
        assert taken["sha256"] == hashlib.sha256(document).hexdigest()
        assert taken["created_by"] == "token writer"
        assert sent.headers["location"] == taken["url"]
        worker = threading.Thread(target=office.run)
        worker.start()
        seen = wait_for(
            "its status", lambda: (found := client.get(office.at(taken)).json())["status"] != "UPLOADED" and found
        )
        worker.join()
        seen = client.get(office.at(taken)).json()
        assert (seen["status"], seen["invoice"]["in_review"]) == ("PARSED", True)
        assert seen["invoice"]["gross_amount"] == "1190.00"
        (listed,) = client.get("uploads").json()["items"]
        assert listed["id"] == taken["id"]


def test_a_file_may_be_the_body_itself(office: IntakeTenant) -> None:
    with office.client() as client:
        for headers, params, name in (
            ({"Content-Type": "application/xml"}, {"file_name": "a/b/ü.xml"}, "ü.xml"),
            ({"Content-Disposition": "attachment; filename=x.xml"}, {}, "x.xml"),
            ({}, {}, "upload"),
        ):
            data = UBL.encode() + uuid4().bytes
            taken = client.post("uploads", content=data, headers=headers, params=params)
            assert taken.status_code == 201, taken.text
            assert (taken.json()["file_name"], taken.json()["size_bytes"]) == (name, len(data))


def test_the_same_bytes_are_one_upload_and_the_same_request_one_answer(office: IntakeTenant) -> None:
    with office.client() as client:
        key = {"Idempotency-Key": uuid4().hex}
        first = client.post("uploads", files={"file": ("a.xml", b"one")}, headers=key)
        repeated = client.post("uploads", files={"file": ("a.xml", b"one")}, headers=key)
        assert repeated.content == first.content
        assert repeated.headers["idempotent-replayed"] == "true"
        other = client.post("uploads", files={"file": ("a.xml", b"two")}, headers=key)
        assert problem_of(other, 422)["code"] == "IDEMPOTENCY_KEY_REUSED"
        again = client.post("uploads", files={"file": ("b.xml", b"one")}).json()
        assert (again["is_new"], again["id"], again["file_name"]) == (False, first.json()["id"], "a.xml")
    assert office.desk.one("select count(*) from intake.upload") == 1
    assert len(office.stored()) == 1, "what was refused is not stored"


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        ({"content": b""}, 422, "VALIDATION_FAILED"),
        ({"data": {"a": "b"}, "files": {"other": ("x", b"1")}}, 422, "VALIDATION_FAILED"),
        ({"data": {"file": "no file"}, "files": {"file": ("x", b"1")}}, 422, "VALIDATION_FAILED"),
        ({"files": [("file", ("x", b"1")), ("file", ("y", b"2"))]}, 422, "VALIDATION_FAILED"),
        ({"content": b"1", "headers": {"Content-Type": "multipart/form-data"}}, 422, "VALIDATION_FAILED"),
        ({"content": b"1", "headers": {"Content-Type": "multipart/form-data; boundary=x"}}, 400, "MALFORMED_FORM"),
        (
            {"content": b"--x\r\n", "headers": {"Content-Type": "multipart/form-data; boundary=x"}},
            422,
            "VALIDATION_FAILED",
        ),
        (
            {
                "content": b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nabc',
                "headers": {"Content-Type": "multipart/form-data; boundary=x"},
            },
            400,
            "BROKEN_OFF",
        ),
        (
            {
                "content": b"--x\r\n" + b"A: " + b"b" * 20_000,
                "headers": {"Content-Type": "multipart/form-data; boundary=x"},
            },
            400,
            "MALFORMED_FORM",
        ),
    ],
)
def test_a_request_without_exactly_one_file_is_refused(
    office: IntakeTenant, request_: dict[str, Any], status: int, code: str
) -> None:
    with office.client() as client:
        assert problem_of(client.post("uploads", **request_), status)["code"] == code
    assert office.stored() == []
    assert office.desk.rows("select * from intake.upload") == []


def test_too_large_a_file_is_refused_before_any_of_it_comes(office: IntakeTenant) -> None:
    with connection(office, "Content-Length: 200000000") as sent:
        said = answer_of(sent)
    assert b" 413 " in said
    assert b"TOO_LARGE" in said
    form = "Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 200000000"
    with connection(office, form) as sent:
        sent.sendall(b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n')
        assert b" 413 " in answer_of(sent)
    with office.client() as client:
        file = b"x" * (MOST_MEGABYTES * MEGABYTE)
        assert client.post("uploads", files={"file": ("a.pdf", file)}).status_code == 201
        assert problem_of(client.post("uploads", content=file + b"x"), 413)["code"] == "TOO_LARGE"
    assert len(office.stored()) == 1


def test_a_file_of_unknown_length_is_refused_as_soon_as_it_is_too_large(office: IntakeTenant) -> None:
    megabyte = b"%x\r\n" % MEGABYTE + b"x" * MEGABYTE + b"\r\n"
    taken = 0
    with connection(office, "Transfer-Encoding: chunked") as sent:
        try:
            for _ in range(200):
                sent.sendall(megabyte)
                taken += 1
        except (BrokenPipeError, ConnectionResetError):
            pass
    assert taken < 30  # what a socket holds on both sides
    wait_for("an empty store", lambda: office.stored() == [])
    assert office.desk.rows("select * from intake.upload") == []


def test_a_sender_who_goes_away_halfway_leaves_nothing(office: IntakeTenant) -> None:
    for headers, begun in (
        ("Content-Length: 2000000", b"x" * MEGABYTE),
        (
            "Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 2000000",
            b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + b"x" * MEGABYTE,
        ),
        ("Transfer-Encoding: chunked", b"f4240\r\n" + b"x" * 500_000),
    ):
        with connection(office, headers) as sent:
            sent.sendall(begun)
            wait_for("the file", office.stored)
    wait_for("an empty store", lambda: office.stored() == [])
    assert office.desk.rows("select * from intake.upload") == []
    assert office.desk.rows("select * from intake.received_invoice") == []


def test_many_who_send_slowly_hold_up_nobody_else(office: IntakeTenant) -> None:
    slow = [connection(office, "Content-Length: 1000") for _ in range(60)]
    opened = [each.__enter__() for each in slow]
    try:
        with office.client() as client:
            began = time.monotonic()
            assert client.get("uploads").status_code == 200
            assert time.monotonic() - began < 5
        for sent in opened:
            sent.sendall(uuid4().bytes * 62 + b"12345678")
        for sent in opened:
            assert b" 201 " in sent.recv(65536)
    finally:
        for each in slow:
            each.__exit__(None, None, None)
    assert office.desk.one("select count(*) from intake.upload") == 60


def test_an_original_is_given_away_as_it_came_and_opens_nowhere(office: IntakeTenant) -> None:
    page = b"<html><script>alert(1)</script></html>"
    with office.client() as client:
        taken = client.post("uploads", files={"file": ('a"b\r\n;ü.html', page, "text/html")}).json()
        for url in (
            f"uploads/{taken['id']}/original",
            f"received-invoices/{taken['received_invoice_id']}/original",
        ):
            got = client.get(url)
            assert got.content == page
            assert got.headers["content-type"] == "application/octet-stream"
            assert got.headers["content-disposition"].startswith("attachment; ")
            assert got.headers["content-security-policy"].startswith("sandbox")
            assert got.headers["x-content-type-options"] == "nosniff"
            assert "html" in got.headers["content-disposition"]


def test_a_damaged_or_lost_original_is_not_given_away(office: IntakeTenant) -> None:
    with office.client() as client:
        taken = client.post("uploads", content=b"whole").json()
        (path,) = office.stored()
        path.write_bytes(b"rotten")
        assert client.get(f"{office.at(taken)}/original").status_code == 503
        path.unlink()
        assert client.get(f"{office.at(taken)}/original").status_code == 503


def test_an_upload_is_processed_ahead_of_the_queue_or_its_state_is_told(office: IntakeTenant) -> None:
    with office.client() as client:
        others = [client.post("uploads", content=UBL.encode() + b"<!--%d-->" % number).json() for number in range(3)]
        asked = client.post(f"{office.at(others[2])}/process")
        assert asked.status_code == 202, asked.text
        job = asked.json()
        assert (job["total"], asked.headers["location"]) == (1, job["url"])
        assert client.get(office.at(job)).json()["status"] == "pending"
        first = office.desk.one(
            """select subject_id from work.batch_item where kind = 'parse_upload' and status = 'pending'
               order by available_at, id limit 1"""
        )
        assert first == others[2]["received_invoice_id"]
        office.run()
        assert client.get(office.at(job)).json()["status"] in ("completed", "failed")
        refused = problem_of(client.post(f"{office.at(others[2])}/process"), 409)
        status = client.get(office.at(others[2])).json()["status"]
        assert (refused["code"], refused["errors"][0]["code"]) == ("NOT_PROCESSABLE", status)


def test_what_another_organization_has_is_not_there(office: IntakeTenant, other_office: IntakeTenant) -> None:
    with other_office.client() as client:
        foreign = client.post("uploads", content=b"theirs").json()["id"]
    with office.client() as client:
        for method, rest in (("GET", ""), ("GET", "/original"), ("POST", "/process")):
            told = problem_of(client.request(method, f"uploads/{foreign}{rest}"), 404)
            unknown = uuid4()
            same = problem_of(client.request(method, f"uploads/{unknown}{rest}"), 404)
            assert told["code"] == same["code"] == "UNKNOWN_UPLOAD"
            assert told["detail"].replace(foreign, str(unknown)) == same["detail"]
        # The same bytes here are an upload of their own.
        mine = client.post("uploads", content=b"theirs").json()
        assert (mine["is_new"], mine["id"] == foreign) == (True, False)


@pytest.mark.slow
def test_two_hundred_megabytes_are_refused_with_flat_memory(shared_database: TestDatabase, tmp_path: Path) -> None:
    with running_site(shared_database, originals=str(tmp_path / "originals")) as site:
        office = office_of(site, open_tenant(shared_database), tmp_path)
        with office.client() as client:
            client.post("uploads", content=b"x" * MEGABYTE)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        megabyte = b"%x\r\n" % MEGABYTE + b"x" * MEGABYTE + b"\r\n"
        taken = 0
        with connection(office, "Transfer-Encoding: chunked") as sent:
            try:
                for _ in range(200):
                    sent.sendall(megabyte)
                    taken += 1
            except (BrokenPipeError, ConnectionResetError):
                pass
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        print(f"{taken} MB were taken of 200, memory grew by {grown / 1024:.1f} MB")
        assert taken < 80
        assert grown < 20 * 1024
        wait_for("one file", lambda: len(office.stored()) == 1)


@pytest.mark.slow
def test_five_hundred_files_of_twenty_clients_are_one_upload_each(office: IntakeTenant) -> None:
    files = [f"file {number // 2}".encode() * 5000 for number in range(500)]  # each content twice

    def send(mine: list[bytes]) -> list[dict[str, Any]]:
        with office.client() as client:
            answers = [client.post("uploads", files={"file": (f"{uuid4()}.pdf", data)}) for data in mine]
        assert {answer.status_code for answer in answers} == {201}
        return [answer.json() for answer in answers]

    began = time.monotonic()
    with ThreadPoolExecutor(20) as pool:
        taken = [one for answers in pool.map(send, [files[start::20] for start in range(20)]) for one in answers]
    print(f"500 files of 20 clients: {500 / (time.monotonic() - began):.0f} a second")
    assert sum(one["is_new"] for one in taken) == 250
    assert len({one["id"] for one in taken}) == 250
    assert office.desk.one("select count(*) from intake.upload") == 250
    assert office.desk.one("select count(*) from intake.received_invoice") == 250
    assert office.desk.one("select count(*) from work.batch_item where kind = 'parse_upload'") == 250
    assert len(office.stored()) == 250
