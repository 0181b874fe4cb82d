"""The command `batch invoices`: asking for the invoices of sales orders, and what follows their issue."""

from __future__ import annotations

from typing import Annotated

import typer

from invoice_pipelines.billing.requests import (
    BatchAnswer,
    RequestOptions,
    batch_invoice_open_orders,
    batch_invoice_orders,
    order_ids,
    parse_date,
)
from invoice_pipelines.cli.batch.work import Slug, follow, lines_of, opened
from invoice_pipelines.cli.output import console
from invoice_pipelines.cli.person import person
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.settings import load_settings


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(invoices)


def invoices(
    organization: Slug,
    orders: Annotated[
        str | None, typer.Option(help="File with one order id or order number per line; - is stdin.", metavar="FILE")
    ] = None,
    all_open: Annotated[bool, typer.Option("--all-open", help="All pending and reviewed orders.")] = False,
    invoice_date: Annotated[
        str | None, typer.Option(help="Issue date, such as 2026-03-31; the day of issue if left out.", metavar="DATE")
    ] = None,
    due_days: Annotated[int, typer.Option(help="Due so many days after the issue date.")] = 0,
    language: Annotated[
        str | None, typer.Option(help="Code of two letters; if left out, that of the customer.", metavar="CODE")
    ] = None,
    generate_pdf: Annotated[
        bool, typer.Option("--generate-pdf", help="Make the PDF of each invoice once it is issued.")
    ] = False,
    send: Annotated[
        str | None,
        typer.Option(help="Send each invoice to its customer: by email, sms or another channel.", metavar="METHOD"),
    ] = None,
    now: Annotated[bool, typer.Option("--now", help="Issue them in this process.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until Dagster has issued them.")] = False,
) -> None:
    """Invoice sales orders. Without --now the job is left to Dagster. Exits 1 if an order was not invoiced.

    What --generate-pdf and --send ask for is done by Dagster once the invoices are issued.
    """
    if (orders is None) != all_open:
        raise typer.BadParameter("give either --orders FILE or --all-open")
    if now and wait:
        raise typer.BadParameter("give --now or --wait, not both")
    options: RequestOptions = {
        "invoice_date": None if invoice_date is None else parse_date("--invoice-date", invoice_date),
        "due_days": due_days,
        "language": language,
        "generate_pdf": generate_pdf,
        "send_immediately": send is not None,
        "communication_method": send,
    }
    references = None if orders is None else lines_of(orders)
    with opened(organization) as (engine, found):
        context = OrganizationContext(engine, found, load_settings(), person())
        if references is None:
            answer = batch_invoice_open_orders(context, **options)
        else:
            with context.scope() as connection:
                ids = order_ids(connection, references)
            answer = batch_invoice_orders(context, ids, **options)
        _say(answer)
        follow(engine, found, answer.job_id, now=now, wait=wait)


def _say(answer: BatchAnswer) -> None:
    seconds = answer.estimated_seconds
    duration = f"{seconds:.1f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
    console.print(f"Batch job {answer.job_id}: {answer.total} items, about {duration}.")
