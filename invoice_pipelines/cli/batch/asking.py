"""The commands that ask for work in bulk: `batch invoices`, `batch documents` and `batch communications`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer
from sqlalchemy import Connection

from invoice_pipelines.billing.requests import (
    RequestOptions,
    batch_invoice_customers,
    batch_invoice_open_orders,
    batch_invoice_orders,
    customer_ids,
    item_ids,
    order_ids,
)
from invoice_pipelines.cli.batch.work import LOOK_EVERY_SECONDS, asked, follow, process, show_bundles, wait_for
from invoice_pipelines.cli.billing.csv_files import read_csv
from invoice_pipelines.cli.options import (
    CHANNEL,
    AsJson,
    InvoicesFile,
    IssuedByJob,
    LanguageOfInvoice,
    Now,
    OrganizationOption,
    Wait,
    day,
    lines_of,
)
from invoice_pipelines.cli.output import exit_if
from invoice_pipelines.cli.person import opened
from invoice_pipelines.delivery.references import invoice_ids, issued_by_job
from invoice_pipelines.delivery.values import DocumentFormat
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.work import find_job, get_job

if TYPE_CHECKING:
    from invoice_pipelines.delivery.documents.requests import DocumentRequest

app = typer.Typer()


@app.command()
def invoices(
    organization: OrganizationOption,
    orders: Annotated[
        str | None, typer.Option(help="File with one order id or order number per line; - is stdin.", metavar="FILE")
    ] = None,
    all_open: Annotated[bool, typer.Option("--all-open", help="All pending and reviewed orders.")] = False,
    customers: Annotated[
        str | None,
        typer.Option(
            help="File with one customer number or id per line; - is stdin: one invoice for each over --items.",
            metavar="FILE",
        ),
    ] = None,
    items: Annotated[
        str | None,
        typer.Option(
            help="CSV file with what each customer is to pay: quantity, and sku or description; unit_price, "
            "discount_percent, tax_category and tax_rate where the item has none or another.",
            metavar="FILE",
        ),
    ] = None,
    invoice_date: Annotated[
        str | None, typer.Option(help="Issue date, such as 2026-03-31; the day of issue if left out.", metavar="DATE")
    ] = None,
    due_days: Annotated[int, typer.Option(help="Days from the issue date to the due date.")] = 0,
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
    now: Now = False,
    wait: Wait = False,
    as_json: AsJson = False,
) -> None:
    """Invoice sales orders, or customers over the same items. Without --now the job is left to Dagster. Exits 1 if one
    was not invoiced.

    What --generate-pdf and --send ask for is done by Dagster once the invoices are issued.
    """
    if [orders is not None, all_open, customers is not None].count(True) != 1:
        raise typer.BadParameter("give --orders FILE or --all-open, or --customers FILE with --items FILE")
    if (customers is None) != (items is None):
        raise typer.BadParameter("--customers and --items go together")
    _check_one(now, wait)
    options: RequestOptions = {
        "invoice_date": day("--invoice-date", invoice_date),
        "due_days": due_days,
        "language": language,
        "generate_pdf": generate_pdf,
        "send_immediately": send is not None,
        "communication_method": send,
    }
    references = None if orders is None else lines_of(orders)
    with opened(organization) as office:
        with office.scope() as connection:
            if customers is not None and items is not None:
                ids = customer_ids(connection, lines_of(customers))
                wanted_items = _items(connection, items)
                answer = batch_invoice_customers(connection, ids, wanted_items, created_by=office.actor, **options)
            elif references is None:
                answer = batch_invoice_open_orders(connection, created_by=office.actor, **options)
            else:
                ids = order_ids(connection, references)
                answer = batch_invoice_orders(connection, ids, created_by=office.actor, **options)
        asked(office, answer, as_json=as_json)
        follow(office, answer.job_id, now=now, wait=wait, as_json=as_json)


@app.command()
def documents(
    organization: OrganizationOption,
    invoices: InvoicesFile = None,
    all_invoices: Annotated[bool, typer.Option("--all", help="All invoices that lack such a document.")] = False,
    job: IssuedByJob = None,
    language: LanguageOfInvoice = None,
    format: Annotated[
        list[DocumentFormat] | None,
        typer.Option(help="Can be repeated; a PDF with its XML (zugferd) if left out."),
    ] = None,
    renew: Annotated[
        bool, typer.Option("--renew", help="Also those that exist: as a new version where anything would differ.")
    ] = False,
    combined: Annotated[bool, typer.Option("--combined", help="Also all PDFs as one file with bookmarks.")] = False,
    zip: Annotated[bool, typer.Option("--zip", help="Also all documents as a ZIP.")] = False,
    folder: Annotated[
        Path | None, typer.Option(help="Copy these files of the whole job there once they are made.")
    ] = None,
    now: Now = False,
    wait: Wait = False,
    as_json: AsJson = False,
) -> None:
    """Make documents of issued invoices. Without --now the job is left to Dagster. Exits 1 if one was not made."""
    from invoice_pipelines.delivery.documents.requests import DocumentRequest, ask_for_documents

    if [invoices is not None, all_invoices, job is not None].count(True) != 1:
        raise typer.BadParameter("give one of --invoices FILE, --all and --job JOB")
    _check_one(now, wait)
    if folder is not None and not ((combined or zip) and (now or wait)):
        raise typer.BadParameter("--folder needs --combined or --zip, and --now or --wait")
    formats = tuple(dict.fromkeys(format or [DocumentFormat.ZUGFERD]))
    wanted = {"formats": formats, "language": language, "renew": renew, "combined": combined, "zip": zip}
    request = DocumentRequest.of(wanted)
    references = None if invoices is None else lines_of(invoices)
    with opened(organization) as office:
        with office.scope() as connection:
            ids = _chosen(connection, references, job, request)
            answer = ask_for_documents(connection, ids, request, created_by=office.actor)
        asked(office, answer, as_json=as_json)
        if not (combined or zip) or not (now or wait):
            follow(office, answer.job_id, now=now, wait=wait, as_json=as_json)
            return
        failed = (process if now else wait_for)(office, answer.job_id, as_json=as_json)
        _show_bundles(office, answer.job_id, folder, now=now, as_json=as_json)
    exit_if(failed)


@app.command()
def communications(
    organization: OrganizationOption,
    method: Annotated[str, typer.Option(help="Channel.", **CHANNEL)],
    invoices: InvoicesFile = None,
    job: IssuedByJob = None,
    subject: Annotated[
        str | None, typer.Option(help="Subject of the emails instead of the template's; may name the same fields.")
    ] = None,
    pdf: Annotated[bool, typer.Option("--pdf/--no-pdf", help="Attach the PDF to the emails.")] = True,
    language: LanguageOfInvoice = None,
    now: Now = False,
    wait: Wait = False,
    as_json: AsJson = False,
) -> None:
    """Send issued invoices to their customers, each only once, however often it is asked for. Without --now the job is
    left to Dagster. Exits 1 if one was not sent.
    """
    if (invoices is None) == (job is None):
        raise typer.BadParameter("give either --invoices FILE or --job JOB")
    _check_one(now, wait)
    wanted = {"method": method, "subject": subject, "include_pdf": pdf, "language": language}
    references = None if invoices is None else lines_of(invoices)
    with opened(organization) as office:
        send(office, references, wanted, job=job, now=now, wait=wait, as_json=as_json)


def send(
    office: OrganizationContext,
    references: list[str] | None,
    wanted: Mapping[str, object],
    *,
    job: str | None = None,
    now: bool,
    wait: bool,
    as_json: bool,
) -> None:
    """Asks for invoices to be sent, by number or id or by the job that issued them, and follows that job."""
    from invoice_pipelines.delivery.messages.messages import ask_for_communications, read_request  # loads the templates

    request = read_request({name: value for name, value in wanted.items() if value is not None})
    with office.scope() as connection:
        ids = _chosen(connection, references, job)
        answer = ask_for_communications(connection, ids, request, created_by=office.actor)
    asked(office, answer, as_json=as_json)
    follow(office, answer.job_id, now=now, wait=wait, as_json=as_json)


def _items(connection: Connection, file: str) -> list[dict[str, Any]]:
    columns = ("sku", "description", "quantity", "unit_price", "discount_percent", "tax_category", "tax_rate")
    found = []
    for record in read_csv(file, columns, ("quantity",)):
        if record.problem is not None:
            raise typer.BadParameter(f"{file}, line {record.line}: {record.problem[1]}")
        found.append(dict(record.values))
    skus = [values.pop("sku", None) for values in found]
    known = iter(item_ids(connection, [sku for sku in skus if sku is not None]))
    for values, sku in zip(found, skus, strict=True):
        values |= {"inventory_item_id": next(known)} if sku is not None else {}
    return found


def _check_one(now: bool, wait: bool) -> None:
    if now and wait:
        raise typer.BadParameter("give --now or --wait, not both")


def _chosen(
    connection: Connection, references: list[str] | None, job: str | None, request: DocumentRequest | None = None
) -> list[str]:
    from invoice_pipelines.delivery.documents.requests import all_invoices_without_documents

    if references is not None:
        return invoice_ids(connection, references)
    if job is not None:
        job_id = find_job(connection, job)
        get_job(connection, job_id)  # raises where there is none
        return issued_by_job(connection, job_id)
    return [str(invoice_id) for invoice_id in all_invoices_without_documents(connection, request)] if request else []


def _show_bundles(office: OrganizationContext, job_id: UUID, folder: Path | None, *, now: bool, as_json: bool) -> None:
    from invoice_pipelines.delivery.documents.bundles import are_bundles_waiting, find_bundles

    is_waiting = True
    while is_waiting:  # for Dagster
        with office.scope() as connection:
            is_waiting, bundles = are_bundles_waiting(connection, job_id) and not now, find_bundles(connection, job_id)
        if is_waiting:
            time.sleep(LOOK_EVERY_SECONDS)
    show_bundles(office, bundles, folder, as_json=as_json)
