"""Files that come as a stream: each is one upload or none, whatever becomes of its sender on the way."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from invoice_pipelines.errors import InvoicePipelinesError
from invoice_pipelines.intake.stages.uploads import RecordedUpload, record_uploads, store_upload
from invoice_pipelines.storage import TooLarge, storable_name
from invoice_pipelines_tests.integration.intake.conftest import IntakeDesk

LIMIT = 1_000


class Gone(InvoicePipelinesError):
    """The sender went away."""


def send(desk: IntakeDesk, chunks: list[bytes], name: str = "a.pdf", **said: object) -> RecordedUpload:
    file = store_upload(desk.originals, desk.organization_id, name, chunks, LIMIT, **said)
    with desk.scope() as connection:
        (recorded,) = record_uploads(connection, [file], source="api", created_by="shop")
    return recorded


def stored(desk: IntakeDesk) -> list[str]:
    """Everything in the store of originals, unfinished files included."""
    folder = desk.folder / "originals"
    return [path.name for path in folder.rglob("*") if path.is_file()]


def test_an_upload_that_comes_bit_by_bit_is_stored_recorded_and_queued(desk: IntakeDesk) -> None:
    recorded = send(desk, [b"one ", b"", b"two"], media_type="Application/PDF; charset=x", expected_bytes=7)
    assert recorded.is_new
    (row,) = desk.rows("select * from intake.upload")
    assert (row.id, row.source, row.media_type, row.size_bytes) == (recorded.upload_id, "api", "application/pdf", 7)
    assert row.sha256 == hashlib.sha256(b"one two").hexdigest()
    assert stored(desk) == [row.sha256]
    assert desk.one("select count(*) from work.batch_item where kind = 'parse_upload'") == 1


@pytest.mark.parametrize("said", [None, "", "pdf", "text/<script>", "a/b c", "x" * 100 + "/y"])
def test_a_type_that_is_none_is_not_kept(desk: IntakeDesk, said: str | None) -> None:
    send(desk, [b"1"], media_type=said)
    assert desk.one("select media_type from intake.upload") is None


def test_the_same_bytes_from_the_inbox_and_the_api_are_one_upload(desk: IntakeDesk) -> None:
    desk.drop("inbox.xml", b"the same")
    desk.take()
    again = send(desk, [b"the ", b"same"])
    assert not again.is_new
    assert [tuple(row) for row in desk.rows("select file_name, source from intake.upload")] == [("inbox.xml", "inbox")]


def test_too_much_is_refused_as_soon_as_it_is_known_and_nothing_is_stored(desk: IntakeDesk) -> None:
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield b"x" * 400

    with pytest.raises(TooLarge, match="more than 1000 bytes"):
        send(desk, endless())
    assert taken == 3
    with pytest.raises(TooLarge, match="has 1001 bytes; the limit is 1000"):
        send(desk, endless(), expected_bytes=1001)
    assert taken == 3
    assert stored(desk) == []
    assert desk.rows("select * from intake.upload") == []


def test_a_sender_who_goes_away_leaves_nothing(desk: IntakeDesk) -> None:
    def cut_off() -> Iterator[bytes]:
        yield b"half"
        raise Gone("the connection ended")

    with pytest.raises(Gone):
        send(desk, cut_off())
    assert stored(desk) == []
    assert desk.rows("select * from intake.upload") == []


def test_many_at_once_are_one_upload_per_content(desk: IntakeDesk) -> None:
    contents = [b"%d" % (number % 40) for number in range(120)]
    with ThreadPoolExecutor(8) as pool:
        recorded = list(pool.map(lambda content: send(desk, [content]), contents))
    assert sum(one.is_new for one in recorded) == 40
    assert len({one.upload_id for one in recorded}) == desk.one("select count(*) from intake.received_invoice") == 40


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("invoice.pdf", "invoice.pdf"),
        ("C:\\Users\\anna\\Rechnung März.pdf", "Rechnung März.pdf"),
        ("../../etc/passwd", "passwd"),
        ("", "upload"),
        ("folder/", "upload"),
        ("fdp\u202e.exe\x00\n", "fdp%E2%80%AE.exe%00"),
        ("x" * 300 + ".pdf", "x" * 251 + ".pdf"),
    ],
)
def test_names_of_senders_can_be_shown_and_stored(written: str, kept: str) -> None:
    assert storable_name(written) == kept
