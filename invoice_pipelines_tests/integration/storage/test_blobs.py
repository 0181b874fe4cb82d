"""Originals and exports: whole, durable and safe, on real folders, real processes and an S3 server."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import time
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from upath import UPath

from invoice_pipelines.storage import (
    StorageError,
    list_files,
    read_blob,
    remove_abandoned_files,
    root_path,
    store_blob,
    write_file_atomically,
)
from invoice_pipelines_tests.support.programs import Program
from invoice_pipelines_tests.support.waiting import wait_for

ORGANIZATION = UUID("6f0c9b0e-6a55-4f0e-9b43-0d3a5d1f8c11")
LIMIT = 1 << 20


def files_below(folder: UPath | Path) -> list[Path]:
    return sorted(path for path in Path(str(folder)).rglob("*") if path.is_file())


def test_a_stored_blob_is_read_back_byte_for_byte(place: UPath) -> None:
    data = bytes(range(256)) * 1000
    sha256, size = store_blob(place, ORGANIZATION, data)
    assert (sha256, size) == (hashlib.sha256(data).hexdigest(), len(data))
    assert read_blob(place, ORGANIZATION, sha256, len(data)) == data
    assert (place / str(ORGANIZATION) / sha256[:2] / sha256).exists()


def test_chunks_and_whole_bytes_make_the_same_blob_once(tmp_path: Path) -> None:
    root = root_path(str(tmp_path))
    first = store_blob(root, ORGANIZATION, b"one two three")
    second = store_blob(root, str(ORGANIZATION), (chunk for chunk in [b"one ", b"", b"two ", b"three"]))
    assert first == second
    assert [path.name for path in files_below(root)] == [first[0]]


def test_an_empty_file_is_a_blob_too(place: UPath) -> None:
    sha256, size = store_blob(place, ORGANIZATION, b"")
    assert size == 0
    assert read_blob(place, ORGANIZATION, sha256, 0) == b""


def test_a_stream_is_stored_without_being_in_memory(tmp_path: Path) -> None:
    megabyte = bytes(1 << 20)
    tracemalloc.start()
    try:
        _, size = store_blob(root_path(str(tmp_path)), ORGANIZATION, (megabyte for _ in range(150)))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size == 150 << 20
    assert most < 16 << 20


def test_a_blob_of_several_parts_comes_back_whole(place: UPath) -> None:
    data = os.urandom(1 << 20) * 20
    sha256, size = store_blob(
        place, ORGANIZATION, (data[start : start + 70_000] for start in range(0, 20 << 20, 70_000))
    )
    assert (sha256, size) == (hashlib.sha256(data).hexdigest(), 20 << 20)
    assert read_blob(place, ORGANIZATION, sha256, size) == data


def test_one_organization_cannot_read_the_blob_of_another(place: UPath) -> None:
    sha256, _ = store_blob(place, ORGANIZATION, b"secret")
    with pytest.raises(StorageError, match=f"{sha256} is missing"):
        read_blob(place, uuid4(), sha256, LIMIT)


@pytest.mark.parametrize("damage", [b"", b"short", b"OTHER BYTES", b"more bytes than there were"])
def test_a_damaged_blob_is_refused_without_showing_it_and_healed_by_storing_again(place: UPath, damage: bytes) -> None:
    sha256, _ = store_blob(place, ORGANIZATION, b"eleven byte")
    path = place / str(ORGANIZATION) / sha256[:2] / sha256
    path.write_bytes(damage)
    with pytest.raises(StorageError, match=f"{sha256} is damaged") as refused:
        read_blob(place, ORGANIZATION, sha256, LIMIT)
    assert "OTHER" not in str(refused.value)
    store_blob(place, ORGANIZATION, b"eleven byte")
    assert read_blob(place, ORGANIZATION, sha256, LIMIT) == b"eleven byte"


def test_a_blob_above_the_limit_is_not_read(place: UPath) -> None:
    sha256, _ = store_blob(place, ORGANIZATION, b"12345")
    with pytest.raises(StorageError, match="larger than the limit of 4 bytes"):
        read_blob(place, ORGANIZATION, sha256, 4)


@pytest.mark.parametrize("sha256", ["", "../../etc/passwd", "A" * 64, "0" * 63, "0" * 64 + "\n", "0" * 62 + "/."])
def test_only_a_sha256_names_a_blob(tmp_path: Path, sha256: str) -> None:
    with pytest.raises(StorageError, match="64 lower-case"):
        read_blob(root_path(str(tmp_path)), ORGANIZATION, sha256, LIMIT)


@pytest.mark.parametrize("organization", ["..", "", "/etc", "nordwind-handel", f"{ORGANIZATION}/.."])
def test_only_a_uuid_names_an_organizations_folder(tmp_path: Path, organization: str) -> None:
    with pytest.raises(StorageError, match="UUID"):
        store_blob(root_path(str(tmp_path / "root")), organization, b"data")
    assert not (tmp_path / "root").exists()


def test_a_source_that_breaks_leaves_nothing(tmp_path: Path) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"half"
        raise StorageError("The source broke.")

    with pytest.raises(StorageError, match="The source broke"):
        store_blob(root_path(str(tmp_path)), ORGANIZATION, chunks())
    assert files_below(tmp_path) == []


def test_an_unreachable_object_store_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not to be shown")
    with pytest.raises(StorageError, match=r"^The file could not be stored in .*: .*\.$") as refused:
        # A bucket of its own, as clients are remembered by their arguments.
        store_blob(UPath("s3://bucket/x", config_kwargs={"retries": {"max_attempts": 0}}), ORGANIZATION, b"data")
    assert "\n" not in str(refused.value)
    assert "not to be shown" not in str(refused.value)


STORE_MANY = """
import sys
from invoice_pipelines.storage import root_path, store_blob
root, organization = root_path(sys.argv[1]), sys.argv[2]
print("ready", flush=True)
for number in range(int(sys.argv[3])):
    store_blob(root, organization, [b"%d " % (number % 10)] * 20000)
"""


def test_processes_that_store_the_same_blobs_at_once_do_not_harm_each_other(tmp_path: Path) -> None:
    workers = [Program(STORE_MANY, tmp_path, ORGANIZATION, 20) for _ in range(2)]
    for worker in workers:
        _, errors = worker.communicate()
        assert worker.returncode == 0, errors
    files = files_below(tmp_path)
    assert len(files) == 10
    for file in files:
        assert hashlib.sha256(file.read_bytes()).hexdigest() == file.name


DIE_WHILE_STORING = """
import os, signal, sys
from invoice_pipelines.storage import root_path, store_blob
def chunks():
    yield b"x" * 100000
    os.kill(os.getpid(), signal.SIGKILL)
store_blob(root_path(sys.argv[1]), sys.argv[2], chunks())
"""


def test_a_process_killed_between_two_chunks_leaves_nothing_that_a_reader_would_see(tmp_path: Path) -> None:
    worker = Program(DIE_WHILE_STORING, tmp_path, ORGANIZATION)
    worker.communicate()
    assert worker.returncode == -signal.SIGKILL
    assert [path.name for path in files_below(tmp_path) if not path.name.startswith(".")] == []
    assert list(list_files(root_path(str(tmp_path)))) == []


def test_a_process_killed_while_it_stores_leaves_only_whole_blobs(tmp_path: Path) -> None:
    for attempt in range(3):
        worker = Program(STORE_MANY, tmp_path, ORGANIZATION, 1_000_000)
        assert worker.stdout.readline() == "ready\n"
        wait_for("blobs", lambda attempt=attempt: len(files_below(tmp_path)) > 3 * attempt, 20)
        worker.kill()
        worker.communicate()
    root = root_path(str(tmp_path))
    blobs = [path for path in files_below(tmp_path) if not path.name.startswith(".")]
    assert blobs
    for file in blobs:
        assert read_blob(root, ORGANIZATION, file.name, LIMIT)
    # What it left hides from listings, and goes away in time.
    assert {file.name for file in list_files(root)} == {file.name for file in blobs}
    long_ago = time.time() - 3 * 3600
    leftover = tmp_path / str(ORGANIZATION) / ".invoice-pipelines-0.tmp"
    leftover.write_bytes(b"half")
    for path in files_below(tmp_path):
        os.utime(path, (long_ago, long_ago))
    assert remove_abandoned_files(root, datetime.now(UTC) - timedelta(hours=2)) >= 1
    assert set(files_below(tmp_path)) == set(blobs)


def test_temporary_files_of_writers_that_may_live_are_not_removed(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="an hour"):
        remove_abandoned_files(root_path(str(tmp_path)), datetime.now(UTC))


FILL_THE_DISK = """
import resource, sys
from invoice_pipelines.storage import StorageError, read_blob, root_path, store_blob, write_file_atomically
if sys.argv[3] == "limit":
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
root, organization = root_path(sys.argv[1]), sys.argv[2]
sha256, _ = store_blob(root, organization, b"small")
write_file_atomically(root / "export.csv", b"old")
for store in (
    lambda: store_blob(root, organization, b"x" * (8 << 20)),
    lambda: write_file_atomically(root / "export.csv", b"x" * (8 << 20)),
):
    try:
        store()
    except StorageError as error:
        print(error)
assert read_blob(root, organization, sha256, 100) == b"small"
assert (root / "export.csv").read_bytes() == b"old"
"""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path | None]:
    """A file system of 2 MiB; None where this process may not mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    command = [mount or "mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if mount is None or os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode != 0:
        yield None
        return
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("cause", ["full disk", "limit"])
def test_a_full_disk_leaves_no_half_file_and_says_so(tmp_path: Path, small_disk: Path | None, cause: str) -> None:
    if cause == "full disk" and small_disk is None:
        pytest.skip("mounting a small file system is not allowed here; the case with a size limit stands for it")
    folder = small_disk if cause == "full disk" and small_disk else tmp_path / "limited"
    worker = Program(FILL_THE_DISK, folder, ORGANIZATION, cause)
    output, errors = worker.communicate()
    assert worker.returncode == 0, errors
    assert output.splitlines() == [
        f"The file could not be stored in {folder}: no space is left; nothing was stored. Free space and try again.",
        "The file 'export.csv' could not be written: no space is left; nothing was stored. Free space and try again.",
    ]
    assert len(files_below(folder)) == 2


def test_an_export_replaces_the_old_one_whole(place: UPath) -> None:
    target = place / "exports" / "nordwind-handel" / "invoices.csv"
    write_file_atomically(target, b"old")
    write_file_atomically(target, b"new and longer")
    assert target.read_bytes() == b"new and longer"
    assert [file.relative_path for file in list_files(place)] == ["exports/nordwind-handel/invoices.csv"]


def test_an_export_that_cannot_be_written_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "taken").write_bytes(b"a file, not a folder")
    with pytest.raises(StorageError, match=r"^The file 'invoices.csv' could not be written"):
        write_file_atomically(root_path(str(tmp_path / "taken" / "invoices.csv")), b"data")
