"""The command `status`."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime

import typer

from invoice_pipelines.accounting.systems import accounting_systems
from invoice_pipelines.billing.overview import billing_state
from invoice_pipelines.cli.intake.statuses import status_cells, status_columns
from invoice_pipelines.cli.language import AskedLanguage, language_of
from invoice_pipelines.cli.options import AsJson, examples
from invoice_pipelines.cli.output import console, moment, print_json, say, table
from invoice_pipelines.database import organization_scope
from invoice_pipelines.database.access import open_database
from invoice_pipelines.delivery.channels.channel import channels
from invoice_pipelines.delivery.overview import delivery_state
from invoice_pipelines.delivery.values import MessageStatus
from invoice_pipelines.intake.overview import failure_reasons, status_counts, waiting_files
from invoice_pipelines.intake.states import Status
from invoice_pipelines.organizations import list_organizations
from invoice_pipelines.overdue import last_execution, next_run, read_schedule
from invoice_pipelines.overdue.schedule import schedule_in_words
from invoice_pipelines.settings import load_settings

app = typer.Typer()

RECEIVED = {"en": ("!organization", "#inbox"), "de": ("!Organisation", "#im Eingang")}
"""The first columns of received invoices, before those of their statuses."""


@app.command(
    epilog=examples(
        "status",
        "status --language de",
        "status --json",
    )
)
def status(language: AskedLanguage = None, as_json: AsJson = False) -> None:
    """Show where things stand, for each organization.

    Received invoices by status, and why they failed; orders and issued invoices; the last and the next look for overdue
    invoices; documents and messages that wait; and the sync with accounting systems. With --json, one object for each
    organization.
    """
    spoken = language_of(language)
    received = table(None, *RECEIVED[spoken], *status_columns(spoken))
    failed = table("\nWhy received invoices failed", "!organization", "#invoices", "code")
    billing = table("\nBilling", "!organization", "#open orders", "#in open jobs", "!last number", "!unpaid")
    overdue = table("\nOverdue", "!organization", "last run", "!outcome", "#overdue", "#errors", "next run")
    documents = table("\nDocuments", "!organization", "#to make", "last made")
    messages = table(
        *("\nMessages", "!organization", "#to send", "#put off", "waits since", "#unknown", "#failed", "last sent")
    )
    columns = ("!organization", "company", "state", "#to push", "waits since", "last pull", "#conflicts", "#calls")
    books = {system.title: table(f"\n{system.title}", *columns) for system in accounting_systems()}
    settings = load_settings()
    schedule = read_schedule(settings)
    now = datetime.now(UTC)
    following = None if isinstance(schedule, str) else schedule
    with open_database(settings) as engine:
        counts = status_counts(engine)
        for organization in list_organizations(engine):
            slug = organization.slug
            by_status = counts.get(organization.id, dict.fromkeys(Status, 0))
            with organization_scope(engine, organization.id) as connection:
                inbox, failures = waiting_files(connection), failure_reasons(connection)
                state, last, delivered = (
                    billing_state(connection),
                    last_execution(connection),
                    delivery_state(connection),
                )
                kept = {system: system.state(connection) for system in accounting_systems()}
            next_at = following and max(next_run(following, last.start_time if last else None, now), now)
            if as_json:
                print_json(
                    {
                        "organization": slug,
                        "inbox": inbox,
                        "received": by_status,
                        "failures": failures,
                        "billing": asdict(state) | {"unpaid": dict(state.unpaid)},
                        "overdue": {"last": last, "next_at": next_at},
                        "delivery": delivered,
                        "accounting": {system.name: there for system, there in kept.items() if there is not None},
                    }
                )
                continue
            received.add_row(slug, inbox, *status_cells(by_status))
            for reason in failures:
                failed.add_row(slug, reason.invoices, reason.code)
            unpaid = "\n".join(f"{amount:,} {currency}" for currency, amount in state.unpaid)
            billing.add_row(slug, state.open_orders, state.due_items, state.last_number, unpaid)
            found = (last.start_time, last.status, last.overdue_count, last.error_count) if last else None
            overdue.add_row(slug, *(found or ("none", "", "", "")), next_at or "none: see below")
            waiting = delivered.document_work.waiting + delivered.document_work.in_work
            documents.add_row(slug, waiting, delivered.documents_at or "none")
            messages.add_row(
                slug,
                delivered.message_work.waiting + delivered.message_work.in_work,
                delivered.message_work.postponed,
                delivered.oldest_waiting_at,
                delivered.messages.get(MessageStatus.UNKNOWN, 0),
                delivered.messages.get(MessageStatus.FAILED, 0),
                delivered.sent_at or "none",
            )
            for system, there in kept.items():
                if there is not None:
                    pulled = (f"{entity} {moment(at)}" for entity, at in sorted(there.pulled_at.items()))
                    books[system.title].add_row(
                        *(slug, there.company, there.stands, there.waiting, there.oldest_waiting_at),
                        *("\n".join(pulled) or "none", there.open_conflicts, there.calls),
                    )
    if as_json:
        return
    console.print(received)
    if failed.row_count:
        console.print(failed)
    console.print(billing)
    console.print(overdue)
    say(schedule_in_words(settings))
    console.print(documents)
    console.print(messages)
    if missing := [channel.title for channel in channels() if not channel.is_set_up(settings)]:
        say(f"Not set up: {' and '.join(missing)} wait.")
    for title, stands in books.items():
        if stands.row_count:
            console.print(stands)
            console.print(f"Calls to {title} are those of this month (UTC).")
