"""The command `status`."""

from __future__ import annotations

from datetime import UTC, datetime

import typer

from invoice_pipelines.accounting.reports import SystemState
from invoice_pipelines.accounting.systems import accounting_systems
from invoice_pipelines.billing.overview import billing_state
from invoice_pipelines.cli.output import console, table
from invoice_pipelines.database import organization_scope
from invoice_pipelines.database.access import open_database
from invoice_pipelines.delivery.channels.channel import channels
from invoice_pipelines.delivery.overview import DeliveryState, delivery_state
from invoice_pipelines.delivery.values import MessageStatus
from invoice_pipelines.intake.overview import failure_reasons, status_counts, waiting_files
from invoice_pipelines.intake.states import Status, label
from invoice_pipelines.organizations import list_organizations
from invoice_pipelines.overdue import ExecutionReport, Schedule, last_execution, next_run, read_schedule
from invoice_pipelines.overdue.schedule import schedule_in_words
from invoice_pipelines.settings import load_settings


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(status)


def status() -> None:
    """Show what is where, per organization: received invoices by status and why they failed; orders and issued ones;
    when overdue invoices were looked for last and are next; which documents and messages wait; and how each stands
    with its QuickBooks company.
    """
    shown = table(None, "organization", "#in inbox", *(f"#{label(status).lower()}" for status in Status), "why failed")
    billing = table("\nBilling", "organization", "#open orders", "#in open jobs", "last number", "unpaid")
    overdue = table("\nOverdue", "organization", "last run", "outcome", "#overdue", "#errors", "next run")
    delivery = table(
        "\nDelivery",
        "organization",
        "#documents to make",
        "last made",
        "#messages to send",
        "#put off",
        "waits since",
        "#unknown",
        "#failed",
        "last sent",
    )
    books = {
        system.title: table(
            f"\n{system.title}",
            "organization",
            "company",
            "state",
            "#to push",
            "waits since",
            "last pull",
            "#conflicts",
            "#calls",
        )
        for system in accounting_systems()
    }
    settings = load_settings()
    schedule = read_schedule(settings)
    with open_database(settings) as engine:
        counts = status_counts(engine)
        for organization in list_organizations(engine):
            with organization_scope(engine, organization.id) as connection:
                waiting = waiting_files(connection)
                reasons = failure_reasons(connection)
                state = billing_state(connection)
                last = last_execution(connection)
                synced = {system.title: system.state(connection) for system in accounting_systems()}
                delivered = delivery_state(connection)
            by_status = counts.get(organization.id, dict.fromkeys(Status, 0))
            why = ", ".join(f"{reason.invoices} {reason.code}" for reason in reasons)
            shown.add_row(organization.slug, str(waiting), *(str(by_status[status]) for status in Status), why)
            unpaid = ", ".join(f"{amount:,} {currency}" for currency, amount in state.unpaid)
            billing.add_row(
                organization.slug, str(state.open_orders), str(state.due_items), state.last_number or "", unpaid
            )
            overdue.add_row(organization.slug, *_last_run(last), _next_run(schedule, last))
            delivery.add_row(organization.slug, *_delivery(delivered))
            for title, stand in synced.items():
                if stand is not None:
                    books[title].add_row(organization.slug, *_books(stand))
    console.print(shown)
    console.print(billing)
    console.print(overdue)
    console.print(schedule_in_words(settings), soft_wrap=True, markup=False)
    console.print(delivery)
    if missing := [channel.title for channel in channels() if not channel.is_set_up(settings)]:
        console.print(f"Not set up: {' and '.join(missing)} wait.", soft_wrap=True, markup=False)
    for title, stands in books.items():
        if stands.row_count:
            console.print(stands)
            console.print(f"Calls to {title} are those of this month (UTC).")


def _last_run(last: ExecutionReport | None) -> tuple[str, str, str, str]:
    if last is None:
        return "none", "", "", ""
    overdue = "" if last.overdue_count is None else str(last.overdue_count)
    return _minute(last.start_time), str(last.status), overdue, str(last.error_count)


def _next_run(schedule: Schedule | str, last: ExecutionReport | None) -> str:
    if isinstance(schedule, str):
        return "none: see below"
    now = datetime.now(UTC)
    return _minute(max(next_run(schedule, None if last is None else last.start_time, now), now))


def _delivery(state: DeliveryState) -> tuple[str, ...]:
    messages = state.message_work
    return (
        str(state.document_work.waiting + state.document_work.in_work),
        "none" if state.documents_at is None else _minute(state.documents_at),
        str(messages.waiting + messages.in_work),
        str(messages.postponed),
        "" if state.oldest_waiting_at is None else _minute(state.oldest_waiting_at),
        str(state.messages.get(MessageStatus.UNKNOWN, 0)),
        str(state.messages.get(MessageStatus.FAILED, 0)),
        "none" if state.sent_at is None else _minute(state.sent_at),
    )


def _books(state: SystemState) -> tuple[str, ...]:
    return (
        state.company,
        state.stands,
        str(state.waiting),
        "" if state.oldest_waiting_at is None else _minute(state.oldest_waiting_at),
        "\n".join(f"{entity} {_minute(at)}" for entity, at in sorted(state.pulled_at.items())) or "none",
        str(state.open_conflicts),
        str(state.calls),
    )


def _minute(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
