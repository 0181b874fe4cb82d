"""`invoice-pipelines messages`: what goes out to customers, what became of it, what a person decides of it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Annotated

import typer
from sqlalchemy import Connection

from invoice_pipelines.cli.batch.work import Slug, exit_if, follow, lines_of, minute, opened, print_waiting
from invoice_pipelines.cli.output import console, literal, table
from invoice_pipelines.cli.person import person
from invoice_pipelines.cli.registered import CHANNEL
from invoice_pipelines.database import organization_scope
from invoice_pipelines.database.access import open_database
from invoice_pipelines.delivery.messages.log import MessageAttempt, MessageEvent, attempts_of, events_of
from invoice_pipelines.delivery.messages.messages import (
    Message,
    ask_for_communications,
    find_message,
    list_messages,
    read_request,
)
from invoice_pipelines.delivery.overview import waiting_reasons
from invoice_pipelines.delivery.references import invoice_ids
from invoice_pipelines.delivery.values import SENDING_KINDS, MessageStatus
from invoice_pipelines.organizations import Organization, find_organization
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.settings import load_settings

OPEN = (MessageStatus.WAITING, MessageStatus.SENDING, MessageStatus.UNKNOWN, MessageStatus.FAILED)
_NO_END = timedelta(days=365)

app = typer.Typer(help="Messages to customers: list, show, send, and decide of what is in doubt.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(help="Id of the message; its first or last signs do.", metavar="MESSAGE")]


@app.command("list")
def list_(
    organization: Slug,
    status: Annotated[list[MessageStatus] | None, typer.Option(help="Only those that are so; may be repeated.")] = None,
    channel: Annotated[str | None, typer.Option(help="Only those.", **CHANNEL)] = None,
    all_: Annotated[bool, typer.Option("--all", help="Also those that went out.")] = False,
    limit: Annotated[int, typer.Option(help="How many, the newest first.", min=1, max=10_000)] = 50,
    before: Annotated[str | None, typer.Option(help="Go on after the message with this id.", metavar="ID")] = None,
) -> None:
    """List messages that did not go out yet, failed, or may have gone out."""
    statuses = tuple(status) if status else None if all_ else OPEN
    with _scope(organization) as (connection, of):
        last = find_message(connection, before).id if before else None
        found = list_messages(connection, statuses=statuses, channel=channel, before=last, limit=limit)
    if not found:
        console.print("There is no message." if all_ or status else "No message waits, failed or is in doubt.")
        return
    shown = table(None, "message", "asked for", "invoice", "what", "to", "status", "why")
    for message in found:
        what = message.purpose + (f" from day {message.level}" if message.level else "")
        shown.add_row(
            str(message.id),
            minute(message.created_at, of),
            message.invoice_number,
            f"{what}, {message.channel}",
            message.address or message.recipient,
            message.status,
            f"{message.error_code}: {message.error_message or ''}" if message.error_code else "",
        )
    console.print(shown)
    if len(found) == limit:
        console.print(f"There may be more; go on with --before {found[-1].id}")


@app.command()
def show(
    organization: Slug,
    message: Id,
    html: Annotated[bool, typer.Option("--html", help="Write the HTML to stdout, and nothing else.")] = False,
) -> None:
    """Show a message: its words, each attempt to send it, and what was decided and reported of it."""
    with _scope(organization) as (connection, of):
        found = find_message(connection, message)
        attempts, events = attempts_of(connection, found.id), events_of(connection, found.id)
    if html:
        sys.stdout.write(found.body_html or "")
        return
    _show(found, attempts, events, of)


@app.command()
def send(
    organization: Slug,
    invoices: Annotated[list[str] | None, typer.Argument(help="Numbers or ids of invoices.", metavar="INVOICE")] = None,
    file: Annotated[
        str | None, typer.Option("--invoices", help="File with one number or id per line; - is stdin.", metavar="FILE")
    ] = None,
    method: Annotated[str, typer.Option(help="How they are sent.", **CHANNEL)] = "email",
    subject: Annotated[str | None, typer.Option(help="Instead of the template's; may name its fields.")] = None,
    pdf: Annotated[bool, typer.Option("--pdf/--no-pdf", help="Whether emails have the document with them.")] = True,
    language: Annotated[
        str | None, typer.Option(help="Two letters; if left out, the invoice's.", metavar="CODE")
    ] = None,
    now: Annotated[bool, typer.Option("--now", help="Send them in this process.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until Dagster has sent them.")] = False,
) -> None:
    """Send invoices to their customers, once each. Without --now it is left to Dagster. Exits 1 if one was not sent."""
    given = list(invoices or []) + (lines_of(file) if file else [])
    if not given:
        raise typer.BadParameter("name invoices, or a file of them with --invoices")
    wanted = {"method": method, "subject": subject, "include_pdf": pdf, "language": language}
    request = read_request({name: value for name, value in wanted.items() if value is not None})
    with opened(organization) as (engine, of):
        with organization_scope(engine, of.id) as connection:
            job_id = ask_for_communications(connection, invoice_ids(connection, given), request, created_by=person())
        console.print(f"Batch job {job_id}")
        follow(engine, of, job_id, now=now, wait=wait)


@app.command()
def run(organization: Slug) -> None:
    """Send what is due in this process: invoices, reminders, and what was put off until now. Exits 1 if one failed, or
    waits since something is wrong, such as a mail server that cannot be reached.
    """
    from invoice_pipelines.delivery.sending.sending import send_messages  # loads the clients of mail server and Twilio

    with opened(organization) as (engine, of):
        report = send_messages(OrganizationContext(engine, of, load_settings(), person()), time_box=_NO_END)
        with organization_scope(engine, of.id) as connection:
            waiting = waiting_reasons(connection, SENDING_KINDS)
    counts = table(
        None, "#sent", "#found sent", "#skipped", "#failed", "#in doubt", "#tried again", "#put off", "ended"
    )
    counts.add_row(
        str(report.sent),
        str(report.found),
        str(report.skipped),
        str(report.failed),
        str(report.unknown),
        str(report.retried),
        str(report.postponed),
        report.ended,
    )
    console.print(counts)
    if report.failures:
        reasons = table(None, "code", "message", "")
        for failure in report.failures:
            reasons.add_row(failure.code, failure.message, "final" if failure.is_final else "is tried again")
        console.print(reasons)
    print_waiting(waiting, of)
    exit_if(report.failed > 0 or any(reason.is_fault for reason in waiting))


@app.command()
def resolve(
    organization: Slug,
    message: Id,
    sent: Annotated[bool, typer.Option("--sent", help="It went out.")] = False,
    again: Annotated[bool, typer.Option("--again", help="It did not, or may go out once more: send it.")] = False,
) -> None:
    """Say of a message whose outcome is unknown whether it went out."""
    from invoice_pipelines.delivery.messages.decisions import resolve_message

    if sent == again:
        raise typer.BadParameter("give --sent or --again")
    with _scope(organization) as (connection, _):
        found = find_message(connection, message)
        resolve_message(connection, found.id, was_sent=sent, decided_by=person())
    console.print(literal(f"Message {found.id} {'counts as sent' if sent else 'is sent again'}."))


@app.command()
def cancel(organization: Slug, message: Id) -> None:
    """Take back a message that waits."""
    from invoice_pipelines.delivery.messages.decisions import cancel_by_hand

    with _scope(organization) as (connection, _):
        found = find_message(connection, message)
        cancel_by_hand(connection, found.id, decided_by=person())
    console.print(literal(f"Message {found.id} is cancelled."))


@app.command()
def retry(organization: Slug, message: Id) -> None:
    """Send a message that failed, was cancelled or waits for its time, without waiting."""
    from invoice_pipelines.delivery.messages.decisions import send_again

    with _scope(organization) as (connection, _):
        found = find_message(connection, message)
        send_again(connection, found.id, decided_by=person())
    console.print(literal(f"Message {found.id} is sent next."))


@contextmanager
def _scope(slug: str) -> Iterator[tuple[Connection, Organization]]:
    with open_database(load_settings(), application_name=person()[:63]) as engine:
        organization = find_organization(engine, slug)
        with organization_scope(engine, organization.id) as connection:
            yield connection, organization


def _show(message: Message, attempts: list[MessageAttempt], events: list[MessageEvent], of: Organization) -> None:
    facts = table(None, "", "")
    values = {
        "message": str(message.id),
        "status": message.status + (f" ({message.error_code}: {message.error_message})" if message.error_code else ""),
        "invoice": message.invoice_number,
        "what": f"{message.purpose}, {message.channel}, {message.language or ''}",
        "from": " ".join(filter(None, (message.sender_name, message.sender))),
        "to": message.address or message.recipient,
        "in test mode, for": message.redirected_from,
        "subject": message.subject,
        "document": message.document_id and str(message.document_id),
        "Message-ID": message.message_id_header,
        "provider's id": message.provider_id,
        "asked for": f"{_second(message.created_at, of)} by {message.created_by}",
        "sent": message.sent_at and _second(message.sent_at, of),
        "ended": message.ended_at and _second(message.ended_at, of),
    }
    for name, value in values.items():
        if value:
            facts.add_row(name, value)
    console.print(facts)
    if message.body_text:
        console.print(literal(f"\n{message.body_text}\n"), soft_wrap=True)
    if attempts:
        tried = table("Attempts", "#", "what", "began", "outcome", "code", "detail")
        for each in attempts:
            outcome = each.outcome or "none: under way, or its process died"
            began = _second(each.started_at, of)
            tried.add_row(str(each.attempt), each.kind, began, outcome, each.code or "", each.detail or "")
        console.print(tried)
    if events:
        happened = table("Events", "when", "what", "who", "detail")
        for event in events:
            happened.add_row(_second(event.created_at, of), event.action, event.created_by, event.detail or "")
        console.print(happened)


def _second(moment: datetime, of: Organization) -> str:
    return f"{moment.astimezone(of.time_zone):%Y-%m-%d %H:%M:%S}"
