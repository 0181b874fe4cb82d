"""Where the files of exports lie, how a file is written, and what is recorded of it. Its content is the format's."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from uuid import UUID

from upath import UPath

from invoice_pipelines.storage import write_file_atomically


@dataclass(frozen=True, slots=True)
class ExportFile:
    """A file of an export. `path` is below the root of exports; `rows` does not count headings."""

    path: str
    sha256: str
    size_bytes: int
    rows: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where an organization's exports go: into the folder of its slug; and where its documents are."""

    organization_id: UUID
    slug: str
    exports: UPath
    originals: UPath | None


def write_export_file(exports: UPath, path: str, data: bytes, rows: int) -> ExportFile:
    """Writes a file of an export in one step. Raises StorageError."""
    write_file_atomically(exports / path, data)
    return ExportFile(path, hashlib.sha256(data).hexdigest(), len(data), rows)
