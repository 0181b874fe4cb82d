"""Reads the original of a received invoice. What is stored where, `storage` knows."""

from __future__ import annotations

from uuid import UUID

from upath import UPath

from invoice_pipelines.einvoice.errors import ReadingError
from invoice_pipelines.intake.reading_errors import ORIGINAL_DAMAGED
from invoice_pipelines.storage import DamagedError, read_blob


def read_original(originals: UPath, organization_id: UUID, sha256: str, max_bytes: int) -> bytes:
    """The bytes as they arrived. Raises ReadingError where they are damaged, which no other attempt mends; StorageError
    where they are not to be had now.
    """
    try:
        return read_blob(originals, organization_id, sha256, max_bytes)
    except DamagedError as error:
        raise ReadingError(ORIGINAL_DAMAGED, str(error)) from error
