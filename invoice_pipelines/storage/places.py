"""What blobs and inboxes share: from a setting to a place, errors, and durable writes in local folders.

POSIX only: the promises rest on `rename` and `fsync` of a folder.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

from upath import UPath

from invoice_pipelines.errors import InvoicePipelinesError

# scheme: (module of the file system, extra of this package that installs it)
_OBJECT_STORES = {"s3": ("s3fs", "s3"), "gs": ("gcsfs", "gcs")}
_TEMPORARY_PREFIX = ".invoice-pipelines-"
_TEMPORARY_SUFFIX = ".tmp"
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class StorageError(InvoicePipelinesError):
    """A file could not be stored, found or trusted. The text is one sentence for people; it shows no content."""


class DamagedError(StorageError):
    """A file is not what was stored, so that trying again does not help."""


class StorageFull(StorageError):
    """There is no space left for a file, of which nothing was stored."""


class TooLarge(StorageError):
    """A file has more bytes than one may have."""

    hint = "INVOICE_PIPELINES_UPLOAD_MAX_MEGABYTES sets it"


def root_path(setting: str) -> UPath:
    """The place a setting names: a local folder, `file:///...`, `s3://bucket/...` or `gs://bucket/...`.

    Nothing is created or contacted. Raises StorageError where the setting is empty, its scheme is unknown, its bucket
    is missing, or the package for its scheme is not installed.
    """
    setting = setting.strip()
    if not setting or "\0" in setting:
        raise StorageError("No storage place is given: name a folder, s3://bucket/prefix or gs://bucket/prefix.")
    if "://" not in setting:
        return UPath(Path(setting).expanduser().absolute())
    url = urlsplit(setting)
    if url.scheme == "file":
        if url.netloc or not url.path.startswith("/"):
            raise StorageError(f"The storage place {setting!r} must have three slashes: file:///folder.")
        return UPath(url.path)
    if url.scheme not in _OBJECT_STORES:
        known = ", ".join(["a folder", "file://", *(f"{scheme}://" for scheme in _OBJECT_STORES)])
        raise StorageError(f"The storage place has the unknown scheme {url.scheme!r}; use one of: {known}.")
    if "@" in url.netloc:
        raise StorageError("A storage place must not hold credentials; set them in the environment.")
    if not url.netloc:
        raise StorageError(f"The storage place {setting!r} names no bucket; use {url.scheme}://bucket/prefix.")
    module, extra = _OBJECT_STORES[url.scheme]
    if find_spec(module) is None:
        raise StorageError(
            f"{url.scheme}:// needs the package {module}: install it with pip install 'invoice-pipelines[{extra}]'."
        )
    # An object that another process has just stored must be seen, so no listing is remembered.
    return UPath(setting.rstrip("/"), use_listings_cache=False)


def local_path(path: UPath) -> Path | None:
    """The plain path of a place in a local folder; None for an object store."""
    return Path(path) if isinstance(path, Path) else None


@contextmanager
def storage_errors(doing: str) -> Generator[None, None, None]:
    """Turns whatever a file system raises into a StorageError that says what was being done; our own errors pass."""
    try:
        yield
    except InvoicePipelinesError:
        raise
    except OSError as error:
        if error.errno in _FULL:
            raise StorageFull(f"{doing}: no space is left; nothing was stored. Free space and try again.") from error
        raise StorageError(f"{doing}: {error.strerror or _first_line(error)}.") from error
    except Exception as error:  # client libraries of object stores have no common base class
        raise StorageError(f"{doing}: {_first_line(error)}.") from error


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines()
    return f"{type(error).__name__} {lines[0][:200] if lines else ''}".strip().rstrip(".")


def write_durably(chunks: Iterable[bytes], folder: Path) -> Path:
    """A new temporary file in the folder that holds the chunks and has reached the disk; leaves none if it fails."""
    make_folder(folder)
    temporary = folder / f"{_TEMPORARY_PREFIX}{uuid4().hex}{_TEMPORARY_SUFFIX}"
    try:
        # Owner and group may read: invoices are confidential.
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640), "wb") as file:
            for chunk in chunks:
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        with suppress(FileNotFoundError):
            temporary.unlink()
        raise
    return temporary


def move_durably(temporary: Path, target: Path) -> None:
    """Gives a file its name in one step, over whatever stood there; leaves no temporary file if it fails."""
    try:
        make_folder(target.parent)
        temporary.replace(target)
    except BaseException:
        with suppress(FileNotFoundError):
            temporary.unlink()
        raise
    sync_folder(target.parent)


def make_folder(folder: Path) -> None:
    """Creates a folder and its parents, durably; fine if it exists."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Brings the names in a folder to the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_abandoned_files(root: UPath, before: datetime) -> int:
    """Removes temporary files that a killed process left in a local folder, and returns how many.

    Looks into the folder and its direct subfolders, where `store_blob` and exports write, not at the blobs below.
    Removes only what was last written before `before` (aware). Raises ValueError where that is less than an hour ago,
    as the writer may still be alive. Object stores have no such files.
    """
    if datetime.now(before.tzinfo) - before < timedelta(hours=1):
        raise ValueError("before must be more than an hour ago")
    folder = local_path(root)
    removed = 0
    if folder is not None:
        name = f"{_TEMPORARY_PREFIX}*{_TEMPORARY_SUFFIX}"
        with storage_errors("Abandoned temporary files could not be removed"):
            for file in [*folder.glob(name), *folder.glob(f"*/{name}")]:
                with suppress(FileNotFoundError):
                    if file.lstat().st_mtime < before.timestamp():
                        file.unlink()
                        removed += 1
    return removed
