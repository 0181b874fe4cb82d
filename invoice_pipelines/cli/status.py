"""Holds the command `status`."""

from __future__ import annotations

import typer

from invoice_pipelines.billing.overview import billing_state
from invoice_pipelines.cli.output import console, table
from invoice_pipelines.database import organization_scope
from invoice_pipelines.database.access import open_database
from invoice_pipelines.intake.overview import failure_reasons, status_counts, waiting_files
from invoice_pipelines.intake.states import Status, label
from invoice_pipelines.organizations import list_organizations
from invoice_pipelines.settings import load_settings


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(status)


def status() -> None:
    """Show what is where, per organization: received invoices by status and why they failed; orders and issued ones."""
    shown = table(None, "organization", "#in inbox", *(f"#{label(status).lower()}" for status in Status), "why failed")
    billing = table("\nBilling", "organization", "#open orders", "#in open jobs", "last number", "unpaid")
    with open_database(load_settings(), migrated=True) as engine:
        counts = status_counts(engine)
        for organization in list_organizations(engine):
            with organization_scope(engine, organization.id) as connection:
                waiting = waiting_files(connection)
                reasons = failure_reasons(connection)
                state = billing_state(connection)
            by_status = counts.get(organization.id, dict.fromkeys(Status, 0))
            why = ", ".join(f"{reason.invoices} {reason.code}" for reason in reasons)
            shown.add_row(organization.slug, str(waiting), *(str(by_status[status]) for status in Status), why)
            unpaid = ", ".join(f"{amount:,} {currency}" for currency, amount in state.unpaid)
            billing.add_row(
                organization.slug, str(state.open_orders), str(state.due_items), state.last_number or "", unpaid
            )
    console.print(shown)
    console.print(billing)
