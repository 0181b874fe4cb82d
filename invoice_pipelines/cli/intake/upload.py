"""The command `upload`."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from invoice_pipelines.cli.options import AsJson, OrganizationOption, examples
from invoice_pipelines.cli.output import console, exit_if, one_line, print_json, table
from invoice_pipelines.cli.person import opened
from invoice_pipelines.intake.stages.stages import MEGABYTE
from invoice_pipelines.intake.stages.uploads import record_uploads, store_upload
from invoice_pipelines.intake.states import INTAKE_RUN
from invoice_pipelines.storage import InboxFile, StorageError, list_files, read_chunks, root_path
from invoice_pipelines.work.launching import Launcher

app = typer.Typer()


@app.command(
    epilog=examples(
        "upload invoice.pdf scan.png --organization acme",
    )
)
def upload(
    files: Annotated[list[Path], typer.Argument(help="Files to upload.", metavar="FILE...")],
    organization: OrganizationOption,
    as_json: AsJson = False,
) -> None:
    """Upload files for an organization.

    They are stored and recorded at once, and read by a run that begins soon. Exits 1 if one was refused.
    """
    shown = table(None, "file", "result")
    refused = 0
    with opened(organization) as office, closing(Launcher(office.settings)) as launcher:
        begins = False
        originals = root_path(office.settings.originals_root)
        max_bytes = office.settings.upload_max_megabytes * MEGABYTE
        for path in files:
            try:
                file = _only_file(path)
                stored = store_upload(originals, office.id, file.name, read_chunks(file, max_bytes), max_bytes)
            except StorageError as error:
                refused += 1
                shown.add_row(one_line(str(path)), one_line(f"refused: {error}"))
                if as_json:
                    print_json({"file": str(path), "upload_id": None, "is_new": False, "refused": str(error)})
                continue
            with office.scope() as connection:
                (recorded,) = record_uploads(connection, [stored], source="command line", created_by=office.actor)
                begins = (recorded.is_new and launcher.expects(connection, INTAKE_RUN)) or begins
            if as_json:
                line = {"file": str(path), "upload_id": recorded.upload_id, "is_new": recorded.is_new, "refused": None}
                print_json(line)
            kind = "uploaded as" if recorded.is_new else "duplicate: same bytes as upload"
            shown.add_row(one_line(file.name), f"{kind} {recorded.upload_id}")
        if begins:
            launcher.begin(office.slug, INTAKE_RUN)
    if not as_json:
        console.print(shown)
    exit_if(refused > 0)


def _only_file(path: Path) -> InboxFile:
    for file in list_files(root_path(str(path.absolute().parent))):
        if file.raw_path == path.name:
            return file
    raise StorageError(f"there is no file {path}")
