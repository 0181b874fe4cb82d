"""The place where files are kept is away: what needs it is told to come again, and everything else goes on."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from uuid import UUID

import pytest

from invoice_pipelines.intake.stages.uploads import StoredFile, record_uploads
from invoice_pipelines_tests.support.web import Tenant
from invoice_pipelines_tests.system.web.calls import Answer, ApiClient
from invoice_pipelines_tests.system.web.process import Installation, installation

pytestmark = pytest.mark.slow


def upload(site: Installation, of: Tenant, content: str) -> Answer:
    path = site.path(of, "uploads?file_name=letter.txt")
    return ApiClient(site.web.port).call("POST", path, of.tokens["writer"], body=content)


def get(site: Installation, of: Tenant, rest: str) -> Answer:
    return ApiClient(site.web.port).call("GET", site.path(of, rest), of.tokens["reader"])


def test_a_disk_that_is_away_is_told_and_then_all_is_well(site: Installation) -> None:
    taken = upload(site, site.a, "before")
    assert taken.status == 201
    original = f"uploads/{taken.json()['id']}/original"
    originals, elsewhere = site.web.home / "originals", site.web.home / "elsewhere"
    originals.rename(elsewhere)
    originals.write_text("a mount point without its disk")
    try:
        for answer in (upload(site, site.a, "while it is away"), get(site, site.a, original)):
            assert (answer.status, answer.code) == (503, "UNAVAILABLE")
            assert int(answer.headers["retry-after"]) > 0
            assert str(site.web.home).encode() not in answer.body
        assert get(site, site.a, "customers").status == 200
    finally:
        originals.unlink()
        elsewhere.rename(originals)
    assert get(site, site.a, original).body == b'"before"'
    assert upload(site, site.a, "while it is away").status == 201


@pytest.fixture
def black_hole() -> Iterator[str]:
    """An object store that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=1000) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def test_an_object_store_that_hangs_holds_up_only_who_asks_for_files(
    black_hole: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    store = {
        "INVOICE_PIPELINES_ORIGINALS": "s3://bucket/originals",
        "AWS_ENDPOINT_URL": black_hole,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    with installation(tmp_path_factory.mktemp("web"), **store) as site:
        for tenant in (site.a, site.b):
            with tenant.view.scope() as connection:
                (stored,) = record_uploads(
                    connection, [StoredFile("a.pdf", "ab" * 32, 100)], source="api", created_by="test"
                )
            _wait_in_vain(site, tenant, stored.upload_id)
        time.sleep(1)  # until all of these wait, of which nothing tells
        longest = 0.0
        for tenant in (site.a, site.b) * 5:
            began = time.monotonic()
            assert get(site, tenant, "uploads").status == 200
            longest = max(longest, time.monotonic() - began)
        print(f"\nothers waited for at most {longest * 1000:.0f} ms")
        assert longest < 2


def _wait_in_vain(site: Installation, tenant: Tenant, upload_id: UUID) -> None:
    """Many ask for the file, and many send one."""
    for n in range(20):
        threading.Thread(target=get, args=(site, tenant, f"uploads/{upload_id}/original"), daemon=True).start()
        threading.Thread(target=upload, args=(site, tenant, f"{n}"), daemon=True).start()
