"""Inboxes: every file is taken once it is still, once, whatever its name; none is lost by a kill or a failing disk."""

from __future__ import annotations

import hashlib
import signal
import time
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from invoice_pipelines.intake.documents import Limits
from invoice_pipelines.intake.overview import duplicate_files, organizations_due, waiting_files
from invoice_pipelines.intake.promises import uploads_without_invoice
from invoice_pipelines.intake.stages.arrivals import files_by_organization, organizations_with_waiting_files, sight
from invoice_pipelines.intake.stages.stages import take_uploads
from invoice_pipelines.intake.stages.uploads import StoredFile, record_uploads
from invoice_pipelines.storage import read_blob, root_path, write_file_atomically
from invoice_pipelines_tests.integration.intake.conftest import IntakeDesk, open_desk
from invoice_pipelines_tests.support.programs import Program, begin_together, run
from invoice_pipelines_tests.support.sizes import size

SETTLE = timedelta(minutes=1)


def uploads(desk: IntakeDesk) -> dict[str, bytes]:
    """Names and contents of what was taken; reading them back checks the store."""
    return {
        row.file_name: read_blob(desk.originals, desk.organization_id, row.sha256, 1 << 20)
        for row in desk.rows("select file_name, sha256 from intake.upload")
    }


def outcomes(desk: IntakeDesk) -> list[tuple[str, str | None]]:
    return [tuple(row) for row in desk.rows("select path, outcome from intake.arrival order by path, id")]


def test_a_file_becomes_an_upload_with_an_invoice_and_leaves_the_inbox(desk: IntakeDesk) -> None:
    desk.drop("2026/05/a.xml", b"content")
    report = desk.take()
    assert (report.taken, report.size_bytes, report.duplicates, report.refused, report.unstable) == (1, 7, [], [], 0)
    assert uploads(desk) == {"a.xml": b"content"}
    assert desk.lying() == set()
    assert desk.statuses() == {"a.xml": "UPLOADED"}
    assert outcomes(desk) == [("2026/05/a.xml", "taken")]
    with desk.scope() as connection:
        assert uploads_without_invoice(connection).kept
    assert desk.rows("select source, created_by, size_bytes from intake.upload") == [("inbox", "test", 7)]


def test_the_same_bytes_twice_are_one_upload_and_the_second_file_is_reported(desk: IntakeDesk) -> None:
    desk.drop("a.xml", b"same")
    desk.drop("b.xml", b"same")
    report = desk.take()
    upload_id = desk.one("select id from intake.upload")
    assert (report.taken, report.duplicates) == (1, [("b.xml", f"same bytes as upload {upload_id}")])
    desk.drop("c.xml", b"same")
    assert [path for path, _ in desk.take().duplicates] == ["c.xml"]
    assert outcomes(desk) == [("a.xml", "taken"), ("b.xml", "duplicate"), ("c.xml", "duplicate")]
    assert (desk.lying(), len(desk.statuses())) == (set(), 1)
    with desk.scope() as connection:
        assert duplicate_files(connection) == 2


def test_the_same_bytes_in_two_organizations_are_two_uploads(desk: IntakeDesk, other_desk: IntakeDesk) -> None:
    for one in (desk, other_desk):
        one.drop("a.xml", b"same")
        assert one.take().taken == 1
        assert uploads(one) == {"a.xml": b"same"}
    mine, theirs = (set(desk.folder.glob(f"originals/{one.organization_id}/*/*")) for one in (desk, other_desk))
    assert len(mine) == len(theirs) == 1
    assert mine.isdisjoint(theirs)


def test_a_file_waits_until_two_looks_far_enough_apart_found_it_unchanged(desk: IntakeDesk) -> None:
    path = desk.drop("a.xml", b"<Invoice>")
    assert desk.take(settle=SETTLE).taken == 0
    desk.let_files_lie(SETTLE / 2)
    assert desk.take(settle=SETTLE).taken == 0
    # It grows between two looks, so that the time begins anew.
    with path.open("ab") as file:
        file.write(b"...")
    desk.let_files_lie(SETTLE)
    assert desk.take(settle=SETTLE).taken == 0
    assert uploads(desk) == {}
    desk.let_files_lie(SETTLE)
    with desk.scope() as connection:
        assert waiting_files(connection) == 1
    assert desk.take(settle=SETTLE).taken == 1
    assert uploads(desk) == {"a.xml": b"<Invoice>..."}


def test_time_without_a_second_look_does_not_make_a_file_ready(desk: IntakeDesk) -> None:
    desk.drop("a.xml", b"1")
    desk.sight(SETTLE)
    desk.let_files_lie(SETTLE)
    assert take_uploads(desk.intake(settle=SETTLE)).taken == 0
    assert desk.take(settle=SETTLE).taken == 1


def test_a_file_that_changes_between_the_last_look_and_the_taking_waits(desk: IntakeDesk) -> None:
    path = desk.drop("a.xml", b"half")
    desk.sight()
    path.write_bytes(b"half and half")
    report = take_uploads(desk.intake(time_box=timedelta(seconds=0.5)))
    assert report.taken == 0
    assert report.unstable > 0
    assert (uploads(desk), desk.lying()) == ({}, {"a.xml"})
    assert desk.take().taken == 1
    assert uploads(desk) == {"a.xml": b"half and half"}


def test_a_file_that_vanishes_before_it_is_taken_is_forgotten_and_welcome_again(desk: IntakeDesk) -> None:
    path = desk.drop("a.xml", b"1")
    desk.sight()
    path.unlink()
    assert take_uploads(desk.intake(time_box=timedelta(seconds=0.5))).taken == 0
    desk.sight()
    assert outcomes(desk) == []
    desk.drop("a.xml", b"1")
    assert desk.take().taken == 1


def test_another_file_under_the_name_of_one_that_was_taken_is_another_upload(desk: IntakeDesk) -> None:
    for content in (b"first", b"second"):
        desk.drop("invoice.xml", content)
        assert desk.take().taken == 1
    assert desk.one("select count(*) from intake.upload where file_name = 'invoice.xml'") == 2


def test_too_large_a_file_is_refused_with_the_reason_and_stays(desk: IntakeDesk) -> None:
    desk.drop("large.pdf", b"x" * 101)
    desk.drop("small.pdf", b"x" * 100)
    report = desk.take(limits=Limits(file_bytes=100))
    assert report.taken == 1
    ((path, reason),) = report.refused
    assert path == "large.pdf"
    assert "101 bytes" in reason
    assert "INVOICE_PIPELINES_UPLOAD_MAX_MEGABYTES" in reason
    assert desk.lying() == {"large.pdf"}
    # It is said once, not at every look; and a smaller version of it is taken.
    again = desk.take(limits=Limits(file_bytes=100))
    assert (again.taken, again.refused) == (0, [])
    desk.drop("large.pdf", b"y" * 100)
    assert desk.take(limits=Limits(file_bytes=100)).taken == 1
    assert desk.lying() == set()


def test_in_keep_mode_each_version_of_a_file_is_taken_once(desk: IntakeDesk) -> None:
    path = desk.drop("a.xml", b"first")
    assert [desk.take(remove_taken=False).taken for _ in range(3)] == [1, 0, 0]
    path.write_bytes(b"second version")
    assert [desk.take(remove_taken=False).taken for _ in range(3)] == [1, 0, 0]
    assert desk.lying() == {"a.xml"}
    assert len(uploads(desk)) == 1
    assert desk.one("select count(*) from intake.upload") == 2


@pytest.mark.parametrize(
    "name",
    [
        "n" * 251 + ".xml",
        "invoice 💡🧾.pdf",
        "two\nlines\r.pdf",
        "tab\tand\x01control.xml",
        b"not \xff\xfe utf-8.pdf",
        "x..%2f..%2fetc%2fpasswd",
        "x..\\..\\windows\\system.ini",
        "'; drop table intake.upload; --.xml",
        "$(reboot) `id` %s %(name)s {0} :name.xml",
        "\u202etxt.exe.pdf",
        "-rf",
        "~",
        "CON.xml",
        "-- [\\d]+*?.xml",
    ],
    ids=ascii,
)
def test_a_name_of_any_kind_is_only_a_name(desk: IntakeDesk, name: str | bytes) -> None:
    desk.drop(name, b"content")
    assert desk.take().taken == 1
    assert desk.lying() == set()
    (stored,) = uploads(desk)
    assert "/" not in stored
    assert not any(ord(character) < 32 for character in stored)
    # Nothing was written outside of the store, and there under the hash alone.
    files = [path for path in desk.folder.rglob("*") if path.is_file()]
    assert [path.name for path in files] == [hashlib.sha256(b"content").hexdigest()]


def test_names_that_differ_in_what_cannot_be_shown_are_different_files(desk: IntakeDesk) -> None:
    names: list[str | bytes] = ["a\nb.xml", "a%0Ab.xml", b"a\xffb.xml", "a%FFb.xml", "a\u202eb.xml"]
    for number, name in enumerate(names):
        desk.drop(name, str(number).encode())
    assert desk.take().taken == len(names)
    assert len(uploads(desk)) == len(names)


def test_a_path_longer_than_an_index_takes_stops_neither_itself_nor_its_neighbours(desk: IntakeDesk) -> None:
    folder = "/".join(hashlib.sha512(str(part).encode()).hexdigest() for part in range(26))
    desk.drop(f"{folder}/deep.xml", b"deep")
    desk.drop(f"{folder}/deep2.xml", b"deep 2")
    desk.drop("shallow.xml", b"shallow")
    assert desk.take().taken == 3
    assert desk.take().taken == 0
    assert set(uploads(desk)) == {"deep.xml", "deep2.xml", "shallow.xml"}
    assert max(len(path) for path, _ in outcomes(desk)) > 3300
    desk.drop(f"{folder}/deep.xml", b"deep again")
    assert desk.take().taken == 1


def test_a_link_in_the_inbox_leads_nowhere(desk: IntakeDesk, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_bytes(b"of somebody else")
    (desk.inbox / "link.xml").symlink_to(secret)
    (desk.inbox / "folder").symlink_to(tmp_path, target_is_directory=True)
    assert desk.take().taken == 0
    assert secret.exists()


def test_files_belong_to_the_organization_whose_folder_they_lie_in(desk: IntakeDesk, other_desk: IntakeDesk) -> None:
    desk.drop("mine.xml", b"mine")
    other_desk.drop("theirs.xml", b"theirs")
    (desk.inbox.parent / "nobodys.xml").write_bytes(b"?")
    found = files_by_organization(root_path(str(desk.inbox.parent)))
    assert {slug: [file.path for file in files] for slug, files in found.items()} == {
        desk.slug: ["mine.xml"],
        other_desk.slug: ["theirs.xml"],
        "": ["nobodys.xml"],
    }
    assert desk.take().taken == 1
    assert uploads(desk) == {"mine.xml": b"mine"}
    assert other_desk.lying() == {"theirs.xml"}


def test_what_is_due_is_told_without_looking_into_organizations(desk: IntakeDesk, other_desk: IntakeDesk) -> None:
    desk.drop("a.xml", b"1")
    desk.sight()
    with desk.engine.connect() as connection:
        due, later = (organizations_due(connection, timedelta(seconds=seconds)) for seconds in (0, 60))
    assert due.get(desk.organization_id) == 1
    assert other_desk.organization_id not in due
    assert desk.organization_id not in later
    assert desk.organization_id in organizations_with_waiting_files(desk.engine)
    take_uploads(desk.intake())
    with desk.engine.connect() as connection:  # the file is taken, and its reading is due
        assert organizations_due(connection, timedelta(0)).get(desk.organization_id) == 1
    assert desk.organization_id not in organizations_with_waiting_files(desk.engine)


def test_files_are_numbered_in_the_order_of_their_names_within_one_look(desk: IntakeDesk) -> None:
    names = [f"{number:03}.xml" for number in range(150)]
    for name in reversed(names):
        desk.drop(name, name.encode())
    desk.take()
    order = desk.rows("select file_name from public.received_invoice order by id")
    assert [row[0] for row in order] == names


RECORD = """
import sys
from uuid import UUID
from invoice_pipelines.database import create_app_engine, organization_scope
from invoice_pipelines.intake.stages.uploads import StoredFile, record_uploads
url, organization, step = sys.argv[1:]
engine = create_app_engine(url)
files = [StoredFile(f"{n}.xml", f"{n:064x}", n) for n in range(200)][::int(step)]
engine.connect().close()
print("ready", flush=True); sys.stdin.readline()
with organization_scope(engine, UUID(organization)) as connection:
    results = record_uploads(connection, files, source="inbox", created_by="x")
print(sum(result.is_new for result in results), len({result.upload_id for result in results}))
"""


def test_two_processes_that_record_the_same_bytes_at_once_make_one_upload_of_them(desk: IntakeDesk) -> None:
    url = desk.engine.url.render_as_string(hide_password=False)
    processes = [Program(RECORD, url, desk.organization_id, step) for step in (1, -1, 1)]
    begin_together(processes)
    results = [process.communicate()[0].split() for process in processes]
    assert sum(int(new) for new, _ in results) == 200
    assert [ids for _, ids in results] == ["200"] * 3
    assert desk.one("select count(*) from intake.upload") == 200
    assert desk.one("select count(*) from intake.received_invoice") == 200
    assert desk.one("select count(*) from work.batch_item where kind = 'parse_upload'") == 200


def test_the_same_bytes_twice_in_one_call_are_one_new_upload_in_order(desk: IntakeDesk) -> None:
    files = [StoredFile("b", "b" * 64, 1), StoredFile("a", "a" * 64, 1), StoredFile("b again", "b" * 64, 1)]
    with desk.scope() as connection:
        first, second, third = record_uploads(connection, files, source="inbox", created_by="x")
        assert record_uploads(connection, [], source="inbox", created_by="x") == []
    assert (first.is_new, second.is_new, third.is_new) == (True, True, False)
    assert first.upload_id == third.upload_id != second.upload_id
    assert [row[0] for row in desk.rows("select file_name from public.received_invoice order by id")] == ["b", "a"]


TAKE = """
import os, signal, sys
from datetime import timedelta
from uuid import UUID
from invoice_pipelines.database import create_app_engine
from invoice_pipelines.intake.stages import arrivals
from invoice_pipelines.storage import root_path
url, organization, inbox, originals, moment = sys.argv[1:]
def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)
if moment == "before the commit":
    arrivals._close = die
elif moment == "before the removal":
    arrivals._Taking.remove = die
arrivals.take_arrivals(create_app_engine(url), UUID(organization), root_path(inbox), root_path(originals),
                       settle=timedelta(0), max_bytes=1000, remove=True, created_by="x", chunk_size=10)
"""


@pytest.mark.parametrize("moment", ["before the commit", "before the removal"])
def test_a_kill_in_the_middle_loses_and_doubles_nothing(desk: IntakeDesk, moment: str) -> None:
    contents = {f"{number:02}.xml": str(number).encode() for number in range(15)}
    for name, content in contents.items():
        desk.drop(name, content)
    desk.sight()
    url = desk.engine.url.render_as_string(hide_password=False)
    if moment == "before the removal":
        # The first call of that function is the one for what earlier processes left, which is nothing.
        script = TAKE.replace(
            "arrivals._Taking.remove = die", "arrivals._Taking.remove_taken = print; arrivals._Taking.remove = die"
        )
    else:
        script = TAKE
    killed = run(script, url, desk.organization_id, desk.inbox, desk.originals, moment)
    assert killed.returncode == -signal.SIGKILL
    assert desk.lying() == set(contents)
    assert len(uploads(desk)) == (10 if moment == "before the removal" else 0)
    report = desk.take()
    assert report.duplicates == []
    assert uploads(desk) == contents
    assert desk.lying() == set()
    assert len(desk.statuses()) == len(contents)


@pytest.fixture
def unwritable(desk: IntakeDesk) -> Path:
    """A store of originals in which nothing can be created: its path leads through a file."""
    blocked = desk.folder / "originals"
    blocked.write_bytes(b"")
    return blocked


def test_while_the_storage_is_down_files_stay_in_the_inbox_and_the_next_run_takes_them(
    desk: IntakeDesk, unwritable: Path
) -> None:
    desk.drop("a.xml", b"content")
    report = desk.take(time_box=timedelta(seconds=0.5))
    assert report.taken == 0
    assert report.unstable > 0
    assert desk.lying() == {"a.xml"}
    assert desk.statuses() == {}
    unwritable.unlink()
    assert desk.take().taken == 1
    assert uploads(desk) == {"a.xml": b"content"}


def test_a_run_ends_when_its_files_cannot_be_stored_and_does_not_spin(desk: IntakeDesk, unwritable: Path) -> None:
    desk.drop("a.xml", b"content")
    started = time.monotonic()
    report = desk.take(time_box=timedelta(seconds=20))
    assert (report.taken, report.unstable) == (0, 1)
    assert time.monotonic() - started < 10


def test_an_inbox_and_a_store_on_s3_work_alike(desk: IntakeDesk, s3_server: None) -> None:
    bucket = root_path(f"s3://bucket-{uuid4().hex}")
    bucket.fs.mkdir(bucket.path)
    inbox, originals = bucket / "inbox", bucket / "originals"
    contents = {"a.xml": b"1", "2026/b 💡.xml": b"2", "2026/c*?[x].xml": b"3"}
    for name, content in [*contents.items(), ("same.xml", b"1")]:
        write_file_atomically(inbox / desk.slug / name, content)

    def look_and_take(remove: bool) -> tuple[int, int]:
        found = files_by_organization(inbox)
        with desk.scope() as connection:
            sight(connection, found.get(desk.slug, []), timedelta(0))
        intake = desk.intake(inbox=inbox / desk.slug, originals=originals, remove_taken=remove)
        report = take_uploads(intake)
        return report.taken, len(report.duplicates)

    assert look_and_take(remove=False) == (3, 1)
    assert look_and_take(remove=False) == (0, 0)
    write_file_atomically(inbox / desk.slug / "a.xml", b"another")
    assert look_and_take(remove=True) == (1, 0)
    assert files_by_organization(inbox) == {}
    rows = desk.rows("select sha256 from intake.upload order by id")
    stored = {read_blob(originals, desk.organization_id, row.sha256, 100) for row in rows}
    assert stored == {*contents.values(), b"another"}


@pytest.mark.slow
def test_thousands_of_files_are_seen_in_seconds_and_all_taken(desk: IntakeDesk, record_property: Any) -> None:
    files = size(2_000, 50_000)
    for number in range(files):
        (desk.inbox / f"{number:05}.xml").write_bytes(str(number).encode())
    seconds = {}
    for look in ("first look", "second look"):
        started = time.monotonic()
        desk.sight(timedelta(seconds=0.001))
        seconds[look] = time.monotonic() - started
    started = time.monotonic()
    report = take_uploads(desk.intake(settle=timedelta(seconds=0.001), time_box=timedelta(minutes=10)))
    seconds["taking"] = time.monotonic() - started
    print({name: round(value, 1) for name, value in seconds.items()})
    for name, value in seconds.items():
        record_property(name, value)
    assert (report.taken, report.duplicates, report.refused) == (files, [], [])
    assert desk.lying() == set()
    assert desk.one("select count(*) from intake.received_invoice") == files
    # A tick of the sensor may look for 25 s.
    assert max(seconds["first look"], seconds["second look"]) < 20


def test_an_arrival_of_one_organization_is_not_seen_from_another(desk: IntakeDesk, tmp_path: Path) -> None:
    other = open_desk(desk.database, tmp_path)
    desk.drop("a.xml", b"1")
    desk.sight()
    with other.scope() as connection:
        assert connection.execute(text("select count(*) from intake.arrival")).scalar() == 0
        # Another organization's look at an empty inbox removes nothing of this one.
        sight(connection, [], timedelta(0))
    assert outcomes(desk) == [("a.xml", None)]
    assert desk.lying() == {"a.xml"}
