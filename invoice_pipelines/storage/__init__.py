"""The files of all organizations: originals (blobs), exports and the inboxes that people drop files into.

A place is a `UPath`: a local folder, `s3://bucket/prefix` or `gs://bucket/prefix`. What a file means, and which files
have been seen before, is written in PostgreSQL, not here.
"""

from __future__ import annotations

from invoice_pipelines.storage.blobs import (
    at_most,
    blob_path,
    read_blob,
    store_blob,
    verified_chunks,
    write_file_atomically,
)
from invoice_pipelines.storage.csv_file import to_csv
from invoice_pipelines.storage.inbox import InboxFile, list_files, make_inbox, read_chunks, remove_file, storable_name
from invoice_pipelines.storage.places import DamagedError, StorageError, TooLarge, remove_abandoned_files, root_path

__all__ = [
    "DamagedError",
    "InboxFile",
    "StorageError",
    "TooLarge",
    "at_most",
    "blob_path",
    "list_files",
    "make_inbox",
    "read_blob",
    "read_chunks",
    "remove_abandoned_files",
    "remove_file",
    "root_path",
    "storable_name",
    "store_blob",
    "to_csv",
    "verified_chunks",
    "write_file_atomically",
]
