"""The command `batch communications`: sending many issued invoices to their customers."""

from __future__ import annotations

from typing import Annotated

import typer

from invoice_pipelines.cli.batch.work import Slug, follow, lines_of, opened, parse_job_id
from invoice_pipelines.cli.output import console
from invoice_pipelines.cli.person import person
from invoice_pipelines.cli.registered import CHANNEL
from invoice_pipelines.database import organization_scope
from invoice_pipelines.delivery.references import invoice_ids, issued_by_job
from invoice_pipelines.work import get_job


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(communications)


def communications(
    organization: Slug,
    method: Annotated[str, typer.Option(help="How they are sent.", **CHANNEL)],
    invoices: Annotated[
        str | None, typer.Option(help="File with one invoice number or id per line; - is stdin.", metavar="FILE")
    ] = None,
    job: Annotated[str | None, typer.Option(help="All invoices that this batch job issued.", metavar="JOB")] = None,
    subject: Annotated[
        str | None, typer.Option(help="Of the emails, instead of that of the template; may name the same fields.")
    ] = None,
    pdf: Annotated[bool, typer.Option("--pdf/--no-pdf", help="Attach the PDF to the emails.")] = True,
    language: Annotated[
        str | None, typer.Option(help="Code of two letters; if left out, that of the invoice.", metavar="CODE")
    ] = None,
    now: Annotated[bool, typer.Option("--now", help="Send them in this process.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until Dagster has sent them.")] = False,
) -> None:
    """Send issued invoices to their customers, each once, whatever is asked for again. Without --now the job is left to
    Dagster. Exits 1 if one was not sent.
    """
    from invoice_pipelines.delivery.messages.messages import ask_for_communications, read_request  # loads the templates

    if (invoices is None) == (job is None):
        raise typer.BadParameter("give either --invoices FILE or --job JOB")
    if now and wait:
        raise typer.BadParameter("give --now or --wait, not both")
    wanted = {"method": method, "subject": subject, "include_pdf": pdf, "language": language}
    request = read_request({name: value for name, value in wanted.items() if value is not None})
    references = None if invoices is None else lines_of(invoices)
    with opened(organization) as (engine, found):
        with organization_scope(engine, found.id) as connection:
            if references is not None:
                ids = invoice_ids(connection, references)
            else:
                issued_by = parse_job_id(job or "")
                get_job(connection, issued_by)  # raises where there is none
                ids = issued_by_job(connection, issued_by)
            job_id = ask_for_communications(connection, ids, request, created_by=person())
            total = get_job(connection, job_id).total_items
        console.print(f"Batch job {job_id}: {total} items.")
        follow(engine, found, job_id, now=now, wait=wait)
