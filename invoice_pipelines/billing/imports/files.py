"""The files that an organization may import: those of a folder of its own, and no others."""

from __future__ import annotations

from pathlib import PurePosixPath

from invoice_pipelines.billing.errors import BillingError
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.storage import list_files, read_chunks, root_path

MEGABYTE = 1_000_000
LONGEST_PATH = 200


def read_import(organization: OrganizationContext, path: str) -> bytes:
    """A file of the organization's folder of imports, by its path there, which comes from outside.

    The path is only compared with those of the files that are there, and never followed: nothing else on the machine,
    no link, and no file of another organization can be read by it. Raises BillingError for a path that is none of them,
    and StorageError where the file cannot be read, is too large, or changes meanwhile.
    """
    folder = root_path(organization.settings.imports_root) / organization.slug
    named = PurePosixPath(path)
    if named.is_absolute() or ".." in named.parts or "://" in path:
        raise BillingError(
            f"file: {path[:LONGEST_PATH]!r} leads out of the imports of {organization.slug}; give a path in {folder}."
        )
    for file in list_files(folder):
        if file.relative_path == path:
            return b"".join(read_chunks(file, organization.settings.upload_max_megabytes * MEGABYTE))
    raise BillingError(f"file: there is no {path[:LONGEST_PATH]!r} in {folder}; put it there (a link is no file).")
