"""The command `upload`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from invoice_pipelines.cli.output import console, one_line, table
from invoice_pipelines.database import organization_scope
from invoice_pipelines.database.access import open_database
from invoice_pipelines.intake.stages.stages import MEGABYTE
from invoice_pipelines.intake.stages.uploads import StoredFile, record_uploads
from invoice_pipelines.organizations import find_organization
from invoice_pipelines.settings import load_settings
from invoice_pipelines.storage import InboxFile, StorageError, list_files, read_chunks, root_path, store_blob

PROBLEMS = 1


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(upload)


def upload(
    files: Annotated[list[Path], typer.Argument(help="Files to upload.", metavar="FILE...")],
    organization: Annotated[str, typer.Option(help="Slug of the organization.")],
) -> None:
    """Upload files for an organization. They are stored and recorded at once, and read by the next run."""
    settings = load_settings()
    originals = root_path(settings.originals_root)
    shown = table(None, "file", "result")
    refused = 0
    with open_database(settings, application_name="command line") as engine:
        found = find_organization(engine, organization)
        for path in files:
            try:
                file = _only_file(path)
                chunks = read_chunks(file, settings.upload_max_megabytes * MEGABYTE)
                sha256, size = store_blob(originals, found.id, chunks)
            except StorageError as error:
                refused += 1
                shown.add_row(one_line(str(path)), one_line(f"refused: {error}"))
                continue
            with organization_scope(engine, found.id) as connection:
                recorded = record_uploads(
                    connection,
                    [StoredFile(file.name, sha256, size)],
                    source="command line",
                    created_by="command line",
                )[0]
            kind = "uploaded as" if recorded.is_new else "duplicate: same bytes as upload"
            shown.add_row(one_line(file.name), f"{kind} {recorded.upload_id}")
    console.print(shown)
    if refused:
        raise typer.Exit(PROBLEMS)


def _only_file(path: Path) -> InboxFile:
    for file in list_files(root_path(str(path.absolute().parent))):
        if file.raw_path == path.name:
            return file
    raise StorageError(f"there is no file {path}")
