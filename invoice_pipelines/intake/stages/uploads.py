"""How a file becomes an upload, whichever way it came: its bytes are stored, then it is recorded, each content once per
organization.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection, text
from upath import UPath

from invoice_pipelines.intake.states import PARSE
from invoice_pipelines.storage import TooLarge, at_most, store_blob
from invoice_pipelines.work import enqueue

_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9.+-]{0,60}/[a-z0-9][a-z0-9.+-]{0,60}")


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file whose bytes are in the store of originals. `name` is as its sender wrote it, escaped for PostgreSQL;
    `media_type` what the sender says it is, where it says so: readers go by the bytes.
    """

    name: str
    sha256: str
    size_bytes: int
    media_type: str | None = None


@dataclass(frozen=True, slots=True)
class RecordedUpload:
    """What became of a stored file: a new upload, or the one that had the same bytes before."""

    upload_id: UUID
    is_new: bool


def store_upload(
    originals: UPath,
    organization_id: UUID,
    name: str,
    chunks: Iterable[bytes],
    max_bytes: int,
    *,
    expected_bytes: int | None = None,
    media_type: str | None = None,
) -> StoredFile:
    """Stores the bytes of a file, which may come bit by bit; it is not recorded yet, and no upload before it is.

    `name` can be shown and stored (see `storage.storable_name`). Raises TooLarge where there are more than `max_bytes`:
    before anything is read where the sender says so by `expected_bytes`, else as soon as they have come; and
    StorageError where it cannot be stored. After any error, also one of the chunks, nothing is stored.
    """
    if expected_bytes is not None and expected_bytes > max_bytes:
        raise TooLarge(f"The file {name!r} has {expected_bytes} bytes; the limit is {max_bytes} bytes.")
    sha256, size = store_blob(originals, organization_id, at_most(chunks, max_bytes, name))
    said = (media_type or "").partition(";")[0].strip().lower()
    return StoredFile(name, sha256, size, said if _MEDIA_TYPE.fullmatch(said) else None)


def record_uploads(
    connection: Connection, files: Sequence[StoredFile], *, source: str, created_by: str
) -> list[RecordedUpload]:
    """Records stored files and queues the new ones for reading; one result per file, in order.

    The same bytes twice in an organization are one upload, also when two processes record them at once. `source` is
    "inbox", "command line" or "api".
    """
    first_of: dict[str, StoredFile] = {}
    for file in files:
        first_of.setdefault(file.sha256, file)
    # In one order everywhere, so that two processes with the same files cannot wait for each other in a circle.
    unique = [first_of[sha256] for sha256 in sorted(first_of)]
    parameters = {
        "sha256s": [file.sha256 for file in unique],
        "sizes": [file.size_bytes for file in unique],
        "names": [file.name for file in unique],
        "types": [file.media_type for file in unique],
        "source": source,
        "created_by": created_by,
    }
    new = set(
        connection.execute(
            text(
                """
                insert into intake.upload (organization_id, sha256, size_bytes, file_name, media_type, source,
                                           created_by)
                select organizations.current(), n.*, :source, :created_by
                from unnest(cast(:sha256s as text[]), cast(:sizes as bigint[]), cast(:names as text[]),
                            cast(:types as text[])) as n
                on conflict (organization_id, sha256) do nothing
                returning sha256
                """
            ),
            parameters,
        ).scalars()
    )
    id_of: dict[str, UUID] = {
        row.sha256: row.id
        for row in connection.execute(
            text("select id, sha256 from intake.upload where sha256 = any(:sha256s)"),
            {"sha256s": parameters["sha256s"]},
        )
    }
    # In the order of the files, so that invoice ids follow the order of arrival.
    created = connection.execute(
        text(
            """
            insert into intake.received_invoice (organization_id, upload_id, created_by)
            select organizations.current(), n.upload_id, :created_by
            from unnest(cast(:upload_ids as uuid[])) with ordinality as n(upload_id, position)
            order by n.position
            returning id
            """
        ),
        {"upload_ids": [id_of[sha256] for sha256 in first_of if sha256 in new], "created_by": created_by},
    ).scalars()
    enqueue(connection, PARSE, [str(invoice_id) for invoice_id in sorted(created)])
    results = []
    for file in files:
        is_new = file.sha256 in new and first_of[file.sha256] is file
        results.append(RecordedUpload(id_of[file.sha256], is_new))
    return results
