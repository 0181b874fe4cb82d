"""`invoice-pipelines messages`: what goes out to customers, what became of it, what a person decides of it."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Annotated

import typer

from invoice_pipelines.cli.batch.asking import send as send_to_customers
from invoice_pipelines.cli.batch.work import NO_END, print_waiting
from invoice_pipelines.cli.options import (
    CHANNEL,
    After,
    AsJson,
    LanguageOfInvoice,
    Limit,
    Now,
    OrganizationOption,
    Wait,
    examples,
    lines_of,
)
from invoice_pipelines.cli.output import (
    console,
    exit_if,
    listed,
    moment,
    print_facts,
    print_json,
    print_json_lines,
    print_list,
    print_rows,
    say,
    table,
)
from invoice_pipelines.cli.person import opened
from invoice_pipelines.delivery.messages.log import MessageAttempt, MessageEvent, attempts_of, events_of
from invoice_pipelines.delivery.messages.messages import Message, find_message, list_messages
from invoice_pipelines.delivery.overview import waiting_reasons
from invoice_pipelines.delivery.values import SENDING_KINDS, MessageStatus
from invoice_pipelines.organizations import Organization

OPEN = (MessageStatus.WAITING, MessageStatus.SENDING, MessageStatus.UNKNOWN, MessageStatus.FAILED)

app = typer.Typer(
    help="Messages to customers: list, show, send, and decide doubtful ones.",
    no_args_is_help=True,
    epilog=examples(
        "messages list --status failed --organization acme",
        "messages send INV-2026-000001 --method email --organization acme",
        "messages resolve 456789ab --sent --organization acme",
    ),
)

Id = Annotated[
    str, typer.Argument(help="Id of the message; its first or last characters are enough.", metavar="MESSAGE")
]


@app.command("list")
def list_(
    organization: OrganizationOption,
    status: Annotated[list[MessageStatus] | None, typer.Option(help="Only with this status; can be repeated.")] = None,
    channel: Annotated[str | None, typer.Option(help="Only by this channel.", **CHANNEL)] = None,
    all_: Annotated[bool, typer.Option("--all", help="Also those already sent.")] = False,
    limit: Limit = 50,
    after: After = None,
    as_json: AsJson = False,
) -> None:
    """List messages that did not go out yet, failed, or may have gone out; the newest first."""
    statuses = tuple(status) if status else None if all_ else OPEN
    with opened(organization) as office, office.scope() as connection:
        last = find_message(connection, after).id if after else None
        found = list_messages(connection, statuses=statuses, channel=channel, before=last, limit=limit)
    if as_json:
        print_json_lines(found)
        return
    rows = [
        {
            "message": message,
            "what": f"{message.purpose}{f' from day {message.level}' if message.level else ''}, {message.channel}",
            "to": message.address or message.recipient,
            "why": f"{message.error_code}: {message.error_message or ''}" if message.error_code else "",
            "id": message.id,
        }
        for message in found
    ]
    columns = (
        "~message=id !status=message.status !invoice=message.invoice_number what asked_for=message.created_at to why"
    )
    none = "There is no message." if all_ or status else "No message waits, failed or is in doubt."
    print_list(rows, columns, as_json=False, limit=limit, zone=office.organization.time_zone, none=none)


@app.command()
def show(
    organization: OrganizationOption,
    message: Id,
    html: Annotated[bool, typer.Option("--html", help="Write the HTML to stdout, and nothing else.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show a message: its words, each attempt to send it, and what was decided and reported of it."""
    with opened(organization) as office, office.scope() as connection:
        found = find_message(connection, message)
        attempts, events = attempts_of(connection, found.id), events_of(connection, found.id)
    if html:
        sys.stdout.write(found.body_html or "")
        return
    if as_json:
        print_json(asdict(found) | {"attempt_log": attempts, "events": events})
        return
    _show(found, attempts, events, office.organization)


@app.command()
def send(
    organization: OrganizationOption,
    invoices: Annotated[list[str] | None, typer.Argument(help="Numbers or ids of invoices.", metavar="INVOICE")] = None,
    file: Annotated[
        str | None, typer.Option("--invoices", help="File with one number or id per line; - is stdin.", metavar="FILE")
    ] = None,
    method: Annotated[str, typer.Option(help="Channel.", **CHANNEL)] = "email",
    subject: Annotated[str | None, typer.Option(help="Instead of the template's; may name its fields.")] = None,
    pdf: Annotated[bool, typer.Option("--pdf/--no-pdf", help="Whether emails have the document with them.")] = True,
    language: LanguageOfInvoice = None,
    now: Now = False,
    wait: Wait = False,
    as_json: AsJson = False,
) -> None:
    """Send invoices to their customers, once each. Without --now it is left to Dagster. Exits 1 if one was not sent."""
    given = list(invoices or []) + (lines_of(file) if file else [])
    if not given:
        raise typer.BadParameter("name invoices, or a file of them with --invoices")
    wanted = {"method": method, "subject": subject, "include_pdf": pdf, "language": language}
    with opened(organization) as office:
        send_to_customers(office, given, wanted, now=now, wait=wait, as_json=as_json)


@app.command()
def run(organization: OrganizationOption, as_json: AsJson = False) -> None:
    """Send what is due in this process: invoices, reminders, and what was put off until now. Exits 1 if one failed, or
    waits since something is wrong, such as a mail server that cannot be reached.
    """
    from invoice_pipelines.delivery.sending.sending import send_messages  # loads the clients of mail server and Twilio

    with opened(organization) as office:
        report = send_messages(office, time_box=NO_END)
        with office.scope() as connection:
            waiting = waiting_reasons(connection, SENDING_KINDS)
    if as_json:
        print_json(asdict(report) | {"waiting": waiting})
        exit_if(report.failed > 0 or any(reason.is_fault for reason in waiting))
        return
    columns = "#sent #found_sent=found #skipped #failed #in_doubt=unknown #tried_again=retried #put_off=postponed ended"
    console.print(listed([report], columns))
    if report.failures:
        reasons = table(None, "code", "message", "")
        for failure in report.failures:
            reasons.add_row(failure.code, failure.message, "final" if failure.is_final else "is tried again")
        console.print(reasons)
    print_waiting(waiting, office.organization.time_zone)
    exit_if(report.failed > 0 or any(reason.is_fault for reason in waiting))


@app.command()
def resolve(
    organization: OrganizationOption,
    message: Id,
    sent: Annotated[bool, typer.Option("--sent", help="It went out.")] = False,
    again: Annotated[bool, typer.Option("--again", help="It did not, or may go out once more: send it.")] = False,
) -> None:
    """Decide whether a message with an unknown outcome went out."""
    from invoice_pipelines.delivery.messages.decisions import resolve_message

    if sent == again:
        raise typer.BadParameter("give --sent or --again")
    with opened(organization) as office, office.scope() as connection:
        found = find_message(connection, message)
        resolve_message(connection, found.id, was_sent=sent, decided_by=office.actor)
    console.print(f"Message {found.id} {'counts as sent' if sent else 'is sent again'}.")


@app.command()
def cancel(organization: OrganizationOption, message: Id) -> None:
    """Take back a message that waits."""
    from invoice_pipelines.delivery.messages.decisions import cancel_by_hand

    with opened(organization) as office, office.scope() as connection:
        found = find_message(connection, message)
        cancel_by_hand(connection, found.id, decided_by=office.actor)
    console.print(f"Message {found.id} is cancelled.")


@app.command()
def retry(organization: OrganizationOption, message: Id) -> None:
    """Send a message that failed, was cancelled or waits for its time, without waiting."""
    from invoice_pipelines.delivery.messages.decisions import send_again

    with opened(organization) as office, office.scope() as connection:
        found = find_message(connection, message)
        send_again(connection, found.id, decided_by=office.actor)
    console.print(f"Message {found.id} is sent next.")


def _show(message: Message, attempts: list[MessageAttempt], events: list[MessageEvent], of: Organization) -> None:
    zone = of.time_zone
    facts = {
        "message": message.id,
        "status": message.status + (f" ({message.error_code}: {message.error_message})" if message.error_code else ""),
        "invoice": message.invoice_number,
        "what": f"{message.purpose}, {message.channel}, {message.language or ''}",
        "from": " ".join(filter(None, (message.sender_name, message.sender))),
        "to": message.address or message.recipient,
        "in test mode, for": message.redirected_from,
        "subject": message.subject,
        "document": message.document_id,
        "Message-ID": message.message_id_header,
        "provider's id": message.provider_id,
        "asked for": f"{moment(message.created_at, zone, seconds=True)} by {message.created_by}",
        "sent": moment(message.sent_at, zone, seconds=True),
        "ended": moment(message.ended_at, zone, seconds=True),
    }
    print_facts(facts)
    if message.body_text:
        say(f"\n{message.body_text}\n")
    if attempts:
        tried = table("Attempts", "#", "what", "began", "outcome", "code", "detail")
        for each in attempts:
            outcome = each.outcome or "none: under way, or its process died"
            began = moment(each.started_at, zone, seconds=True)
            tried.add_row(each.attempt, each.kind, began, outcome, each.code, each.detail)
        console.print(tried)
    print_rows(events, "when=created_at what=action who=created_by detail", title="Events", zone=zone)
