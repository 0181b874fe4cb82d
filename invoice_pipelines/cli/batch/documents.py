"""The command `batch documents`: asking for the documents of many issued invoices."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer
from sqlalchemy import Connection, Engine

from invoice_pipelines.cli.batch.work import Slug, exit_if, lines_of, opened, parse_job_id, process, wait_for
from invoice_pipelines.cli.output import console
from invoice_pipelines.cli.person import person
from invoice_pipelines.database import organization_scope
from invoice_pipelines.delivery.references import invoice_ids, issued_by_job
from invoice_pipelines.delivery.values import DocumentFormat
from invoice_pipelines.organizations import Organization
from invoice_pipelines.settings import load_settings
from invoice_pipelines.storage import read_blob, root_path, write_file_atomically
from invoice_pipelines.work import get_job

if TYPE_CHECKING:
    from invoice_pipelines.delivery.documents.requests import DocumentRequest

_LOOK_EVERY_SECONDS = 0.5


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(documents)


def documents(
    organization: Slug,
    invoices: Annotated[
        str | None, typer.Option(help="File with one invoice number or id per line; - is stdin.", metavar="FILE")
    ] = None,
    all_invoices: Annotated[bool, typer.Option("--all", help="All invoices that lack such a document.")] = False,
    job: Annotated[str | None, typer.Option(help="All invoices that this batch job issued.", metavar="JOB")] = None,
    language: Annotated[
        str | None, typer.Option(help="Code of two letters; if left out, that of the invoice.", metavar="CODE")
    ] = None,
    format: Annotated[
        list[DocumentFormat] | None,
        typer.Option(help="Can be repeated; a PDF with its XML (zugferd) if left out."),
    ] = None,
    renew: Annotated[
        bool, typer.Option("--renew", help="Also what exists: as a new version where anything would differ.")
    ] = False,
    combined: Annotated[bool, typer.Option("--combined", help="Also all PDFs as one file with bookmarks.")] = False,
    zip: Annotated[bool, typer.Option("--zip", help="Also all documents as a ZIP.")] = False,
    folder: Annotated[
        Path | None, typer.Option(help="Copy these files of the whole job there once they are made.")
    ] = None,
    now: Annotated[bool, typer.Option("--now", help="Make them in this process.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until Dagster has made them.")] = False,
) -> None:
    """Make documents of issued invoices. Without --now the job is left to Dagster. Exits 1 if one was not made."""
    from invoice_pipelines.delivery.documents.requests import DocumentRequest, ask_for_documents

    if [invoices is not None, all_invoices, job is not None].count(True) != 1:
        raise typer.BadParameter("give one of --invoices FILE, --all and --job JOB")
    if now and wait:
        raise typer.BadParameter("give --now or --wait, not both")
    if folder is not None and not ((combined or zip) and (now or wait)):
        raise typer.BadParameter("--folder needs --combined or --zip, and --now or --wait")
    request = DocumentRequest.of(
        {
            "formats": tuple(dict.fromkeys(format or [DocumentFormat.ZUGFERD])),
            "language": language,
            "renew": renew,
            "combined": combined,
            "zip": zip,
        }
    )
    references = None if invoices is None else lines_of(invoices)
    with opened(organization) as (engine, found):
        with organization_scope(engine, found.id) as connection:
            ids = _chosen(connection, references, job, request)
            job_id = ask_for_documents(connection, ids, request, created_by=person())
        console.print(f"Batch job {job_id}: {len(set(ids))} items.")
        if not now and not wait:
            if ids:
                console.print("Dagster takes it up within seconds; without it: `batch run`.")
            return
        failed = (process if now else wait_for)(engine, found, job_id)
        if combined or zip:
            _show_bundles(engine, found, job_id, folder, now=now)
    exit_if(failed)


def _chosen(
    connection: Connection, references: list[str] | None, job: str | None, request: DocumentRequest
) -> list[str]:
    from invoice_pipelines.delivery.documents.requests import all_invoices_without_documents

    if references is not None:
        return invoice_ids(connection, references)
    if job is None:
        return [str(invoice_id) for invoice_id in all_invoices_without_documents(connection, request)]
    job_id = parse_job_id(job)
    get_job(connection, job_id)  # raises where there is none
    return issued_by_job(connection, job_id)


def _show_bundles(engine: Engine, organization: Organization, job_id: UUID, folder: Path | None, *, now: bool) -> None:
    from invoice_pipelines.delivery.documents.bundles import are_bundles_waiting, find_bundles

    is_waiting = True
    while is_waiting:  # for Dagster
        with organization_scope(engine, organization.id) as connection:
            is_waiting, bundles = are_bundles_waiting(connection, job_id) and not now, find_bundles(connection, job_id)
        if is_waiting:
            time.sleep(_LOOK_EVERY_SECONDS)
    root = root_path(load_settings().documents_root)
    for bundle in bundles:
        line = f"{bundle.file_name}: {bundle.documents:,} documents, {bundle.size_bytes / 1e6:,.1f} MB"
        if folder is not None:
            path = folder.absolute() / bundle.file_name
            data = read_blob(root, organization.id, bundle.sha256, bundle.size_bytes)
            write_file_atomically(root_path(str(path.parent)) / path.name, data)
            line += f", in {path}"
        console.print(line, markup=False, soft_wrap=True)
