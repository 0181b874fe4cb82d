"""How originals and export files are written and read back.

A blob is addressed by what it holds: `<root>/<organization id>/<first two digits>/<sha256>`. It never changes, so
storing it again is harmless, also by two processes at once.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from tempfile import NamedTemporaryFile
from uuid import UUID

from upath import UPath

from invoice_pipelines.storage.places import (
    DamagedError,
    StorageError,
    TooLarge,
    local_path,
    move_durably,
    storage_errors,
    sync_folder,
    write_durably,
)

_SHA256 = re.compile(r"[0-9a-f]{64}")
_CHUNK_BYTES = 1 << 20
_PART_BYTES = 8 << 20
"""Of an object that is stored in several parts."""


def store_blob(root: UPath, organization_id: UUID | str, data: bytes | Iterable[bytes]) -> tuple[str, int]:
    """Stores bytes, or an iterable of chunks of any length, and returns their sha256 (hex) and size in bytes.

    When this returns, the blob is on the disk (or in the object store) in full; before, nobody sees a part of it. A
    blob that is there already is read and checked, and written anew where it is damaged. However large it is, it is
    never in memory as a whole: on the way to an object store, it is in a temporary file. Raises StorageError where it
    cannot be stored, such as on a full disk; then nothing has changed. Errors of this project that the iterable
    raises pass through.
    """
    counter = _Counter([data] if isinstance(data, bytes) else data)
    folder = local_path(_organization_folder(root, organization_id))
    with storage_errors(f"The file could not be stored in {root}"):
        if folder is None:
            return _store_object(root, organization_id, counter)
        temporary = write_durably(counter, folder)
        sha256 = counter.sha256
        target = folder / sha256[:2] / sha256
        try:
            intact = _is_intact(UPath(target), sha256, counter.size)
        except OSError:
            intact = False  # what cannot be read back is replaced
        if intact:
            temporary.unlink()
            # The process that wrote it may not have come as far as this.
            sync_folder(target.parent)
        else:
            move_durably(temporary, target)
    return sha256, counter.size


def _store_object(root: UPath, organization_id: UUID | str, counter: _Counter) -> tuple[str, int]:
    with NamedTemporaryFile() as file:
        for chunk in counter:
            file.write(chunk)
        file.flush()
        target = blob_path(root, organization_id, counter.sha256)
        if not _is_intact(target, counter.sha256, counter.size):
            # An object store shows an object only when its upload is complete.
            target.fs.put_file(file.name, target.path, chunksize=_PART_BYTES)
    return counter.sha256, counter.size


def at_most(chunks: Iterable[bytes], max_bytes: int, name: str) -> Iterator[bytes]:
    """The chunks as they are. Raises TooLarge, with the name of the file, as soon as there are more bytes than that."""
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > max_bytes:
            raise TooLarge(f"The file {name!r} has more than {max_bytes} bytes, which is the limit.")
        yield chunk


def read_blob(root: UPath, organization_id: UUID | str, sha256: str, max_bytes: int) -> bytes:
    """The bytes of a blob, with their hash checked.

    Raises DamagedError where the blob is damaged; StorageError where it is missing or larger than `max_bytes`.
    """
    path = blob_path(root, organization_id, sha256)
    name = f"The original {sha256}"
    with storage_errors(f"{name} could not be read"):
        try:
            with path.open("rb") as file:
                data = file.read(max_bytes + 1)
        except FileNotFoundError as error:
            raise StorageError(f"{name} is missing in the storage.") from error
    if len(data) > max_bytes:
        raise StorageError(f"{name} is larger than the limit of {max_bytes} bytes.")
    if hashlib.sha256(data).hexdigest() != sha256:
        raise DamagedError(f"{name} is damaged in the storage: restore it from a backup or upload it again.")
    return data


def verified_chunks(path: UPath, sha256: str) -> Iterator[bytes]:
    """The content of a file that must have this sha256 (hex), in chunks of at most 1 MiB; what is large is read twice
    and never in memory. Raises DamagedError before the first chunk where it is another one, StorageError where it
    cannot be read.
    """
    digest = hashlib.sha256()
    for chunk in _chunks(path):
        digest.update(chunk)
    if digest.hexdigest() != sha256:
        raise DamagedError(f"The file {path.name!r} is damaged in the storage: restore it from a backup.")
    return _chunks(path)


def _chunks(path: UPath) -> Iterator[bytes]:
    with storage_errors(f"The file {path.name!r} could not be read"):
        try:
            with path.open("rb") as file:
                while chunk := file.read(_CHUNK_BYTES):
                    yield chunk
        except FileNotFoundError as error:
            raise StorageError(f"The file {path.name!r} is missing in the storage.") from error


def blob_path(root: UPath, organization_id: UUID | str, sha256: str) -> UPath:
    """Where a blob lies. Both parts are checked, so no name can lead to another folder."""
    if _SHA256.fullmatch(sha256) is None:
        raise StorageError("A blob is named by a sha256 of 64 lower-case hexadecimal digits.")
    return _organization_folder(root, organization_id) / sha256[:2] / sha256


def _organization_folder(root: UPath, organization_id: UUID | str) -> UPath:
    try:
        return root / str(UUID(str(organization_id)))
    except ValueError as error:
        raise StorageError("An organization's folder is named by its id, a UUID.") from error


def write_file_atomically(path: UPath, data: bytes) -> None:
    """Writes a file so that readers see the old one or the whole new one, and creates its folder.

    Raises StorageError where it cannot be written; then the old file, if any, is unchanged.
    """
    with storage_errors(f"The file {path.name!r} could not be written"):
        local = local_path(path)
        if local is None:
            path.fs.pipe_file(path.path, data)
        else:
            move_durably(write_durably([data], local.parent), local)


def _is_intact(path: UPath, sha256: str, size: int) -> bool:
    try:
        if path.stat().st_size != size:
            return False
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
    except FileNotFoundError:
        return False
    return digest.hexdigest() == sha256


class _Counter:
    """Passes chunks on and knows the sha256 and the size of all that went through."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = chunks
        self._digest = hashlib.sha256()
        self.size = 0

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            self._digest.update(chunk)
            self.size += len(chunk)
            yield chunk

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()
