"""How the files of an inbox are listed, read and removed; whether a file is new is for `intake` to say.

Everything in an inbox is untrusted: names, links, and files that change while they are read.
"""

from __future__ import annotations

import logging
import os
import re
import stat
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from upath import UPath

from invoice_pipelines.storage.places import StorageError, TooLarge, local_path, make_folder, storage_errors

_log = logging.getLogger(__name__)
_CHUNK_BYTES = 1 << 20
_LONGEST_NAME = 255
# What a person could not see or PostgreSQL could not store: control characters, line separators, marks that turn the
# direction of writing, lone surrogates (how Python spells bytes that are not UTF-8), and what looks like an escape.
_TO_ESCAPE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]|%(?=[0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True)
class InboxFile:
    """A file as it was when it was listed.

    `name` and `relative_path` (below the folder, with `/`) can be shown and stored: characters that cannot are
    percent-escaped, so that different files have different paths. `size` is in bytes, `modified` is aware (UTC).
    `version` is any text that changes when the file is written to or replaced.
    """

    folder: UPath
    raw_path: str
    relative_path: str
    size: int
    modified: datetime
    version: str

    @property
    def name(self) -> str:
        return self.relative_path.rpartition("/")[2]


def make_inbox(folder: UPath) -> None:
    """Makes the folder of an inbox, so that files can be dropped there; an object store needs none.

    Raises StorageError where it cannot be made.
    """
    local = local_path(folder)
    if local is not None:
        with storage_errors(f"The inbox {local} could not be made"):
            make_folder(local)


def list_files(folder: UPath) -> Iterator[InboxFile]:
    """The files in a folder and its subfolders, in the order of their paths within a folder; none if it is missing.

    Hidden files and folders (`.name`, among them temporary files of this package), links and devices are left out.
    A subfolder that cannot be listed is logged and left out. Raises StorageError where the folder itself cannot be.
    """
    local = local_path(folder)
    with storage_errors("The inbox could not be listed"):
        if local is None:
            yield from _list_objects(folder)
        elif local.exists():
            yield from _list_local(folder, local)


def _list_local(folder: UPath, local: Path) -> Iterator[InboxFile]:
    pending = [""]
    while pending:
        below = pending.pop()
        subfolders = []
        try:
            with os.scandir(local / below if below else local) as scan:
                entries = sorted(scan, key=lambda entry: entry.name)
        except OSError as error:
            if not below:
                raise
            if not isinstance(error, FileNotFoundError):
                _log.warning("The inbox folder %r could not be listed: %s", _escaped(below), error.strerror)
            continue
        for entry in entries:
            if entry.name.startswith("."):
                continue
            raw_path = f"{below}{entry.name}"
            # A file may vanish between its listing and this look at it.
            with suppress(FileNotFoundError):
                if entry.is_dir(follow_symlinks=False):
                    subfolders.append(f"{raw_path}/")
                    continue
                status = entry.stat(follow_symlinks=False)
                if stat.S_ISREG(status.st_mode):
                    yield InboxFile(
                        folder=folder,
                        raw_path=raw_path,
                        relative_path=_escaped(raw_path),
                        size=status.st_size,
                        modified=datetime.fromtimestamp(status.st_mtime, UTC),
                        version=_local_version(status),
                    )
        pending.extend(reversed(subfolders))


def _list_objects(folder: UPath) -> Iterator[InboxFile]:
    prefix = f"{folder.path.rstrip('/')}/"
    found: dict[str, dict[str, Any]] = folder.fs.find(prefix, detail=True)
    for key in sorted(found):
        info = found[key]
        raw_path = key.removeprefix(prefix)
        hidden = any(part.startswith(".") and part not in {".", ".."} for part in raw_path.split("/"))
        if info.get("type") != "file" or not raw_path or raw_path.endswith("/") or hidden:
            continue
        yield InboxFile(
            folder=folder,
            raw_path=raw_path,
            relative_path=_escaped(raw_path),
            size=int(info["size"]),
            modified=_object_modified(info),
            version=_object_version(info),
        )


def read_chunks(file: InboxFile, max_bytes: int) -> Iterator[bytes]:
    """The content of a listed file in chunks of at most 1 MiB, such as `store_blob` takes.

    Raises TooLarge where the file is larger than `max_bytes`; StorageError where it is gone or not the version that was
    listed: also at the very end, so that a file that is being written is never taken for complete.
    """
    name = f"The file {file.name!r}"
    if file.size > max_bytes:
        raise TooLarge(f"{name} has {file.size} bytes; the limit is {max_bytes} bytes.")
    changed = StorageError(f"{name} changed while it was read; it is tried again when it is still.")
    local = local_path(file.folder)
    with storage_errors(f"{name} could not be read"):
        if local is None:
            yield file.folder.fs.cat_file(_object_key(file))
            if _object_version(file.folder.fs.info(_object_key(file))) != file.version:
                raise changed
            return
        with _parent_folder(local, file.raw_path) as (parent, base_name):
            # Not blocking, as the file may have been replaced by a named pipe.
            descriptor = os.open(base_name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=parent)
        with os.fdopen(descriptor, "rb") as opened:
            if _local_version(os.fstat(descriptor)) != file.version:
                raise changed
            # Not more than was listed: the file may grow faster than it is read.
            left = file.size
            while left and (chunk := opened.read(min(left, _CHUNK_BYTES))):
                left -= len(chunk)
                yield chunk
            if left or _local_version(os.fstat(descriptor)) != file.version:
                raise changed


def remove_file(file: InboxFile) -> bool:
    """Removes a listed file; False where it is gone or has been replaced or written to since (then it stays).

    Raises StorageError where it cannot be removed.
    """
    local = local_path(file.folder)
    with storage_errors(f"The file {file.name!r} could not be removed"), suppress(FileNotFoundError):
        if local is None:
            if _object_version(file.folder.fs.info(_object_key(file))) == file.version:
                # Not rm(), which takes * and ? in a name for a pattern.
                file.folder.fs.rm_file(_object_key(file))
                return True
        else:
            with _parent_folder(local, file.raw_path) as (parent, base_name):
                if _local_version(os.stat(base_name, dir_fd=parent, follow_symlinks=False)) == file.version:
                    os.unlink(base_name, dir_fd=parent)
                    return True
    return False


@contextmanager
def _parent_folder(local: Path, raw_path: str) -> Generator[tuple[int, str], None, None]:
    """Opens the folder of a file step by step, following no link that was put there since the listing."""
    *parts, base_name = raw_path.split("/")
    descriptor = os.open(local, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for part in parts:
            below = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = below
        yield descriptor, base_name
    finally:
        os.close(descriptor)


def _object_key(file: InboxFile) -> str:
    # Not folder / raw_path, which would take ".." and "//" in an object's name for steps of a path.
    return f"{file.folder.path.rstrip('/')}/{file.raw_path}"


def _local_version(status: os.stat_result) -> str:
    return f"{status.st_ino:x}-{status.st_mtime_ns:x}-{status.st_size:x}"


def _object_version(info: Mapping[str, Any]) -> str:
    # S3 gives ETag, Google Cloud Storage generation; the time alone is too coarse.
    return f"{info.get('generation') or info.get('ETag') or info.get('etag')}-{info['size']}"


def _object_modified(info: Mapping[str, Any]) -> datetime:
    value = info.get("LastModified") or info.get("updated") or info.get("mtime")
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if not isinstance(value, datetime):
        raise StorageError("The object store does not say when an object was written.")
    return value.astimezone(UTC)


def storable_name(written: str) -> str:
    """The name of a file as its sender wrote it, without folders, such as `InboxFile.name` is; `upload` where there is
    none. One that is too long keeps its end, which says what it is.
    """
    name = _escaped(re.split(r"[/\\]", written.strip())[-1])
    return name[-_LONGEST_NAME:] or "upload"


def _escaped(raw: str) -> str:
    return _TO_ESCAPE.sub(_percent_escape, raw)


def _percent_escape(match: re.Match[str]) -> str:
    try:
        data = match[0].encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        data = match[0].encode("utf-8", "surrogatepass")
    return "".join(f"%{byte:02X}" for byte in data)
