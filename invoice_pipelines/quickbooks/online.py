"""QuickBooks Online as one of the accounting systems: what the doors need of the sync, under the names that they use.

Whatever speaks to QuickBooks is loaded when it is needed, as loading Dagster must not wait for it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import Connection, Engine

from invoice_pipelines.accounting.reports import (
    ConnectionHealth,
    DuePull,
    EntityReport,
    Pulled,
    Pushed,
    SyncReport,
    SystemState,
)
from invoice_pipelines.accounting.system import AccountingSystem, SyncedEntity
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.quickbooks import schedule
from invoice_pipelines.quickbooks.overview import sync_state
from invoice_pipelines.quickbooks.promises import PROMISES, connection_health
from invoice_pipelines.quickbooks.pruning import prune_sent
from invoice_pipelines.quickbooks.push.requests import ask_for_invoices
from invoice_pipelines.quickbooks.run_report import shown
from invoice_pipelines.quickbooks.values import EntityType
from invoice_pipelines.settings import Settings

if TYPE_CHECKING:
    from invoice_pipelines.quickbooks import sync as syncing

ENTITIES = {
    EntityType.CUSTOMER: SyncedEntity(
        name="customers",
        one="customer",
        description="Customers, the same here and in QuickBooks: a field that was changed on one side goes to the "
        "other.",
        kept_in=("billing", "customer"),
        pushed=True,
        imported=True,
        pull_hour=lambda settings: schedule.hour(settings.quickbooks_customers_at),
        promises=PROMISES[EntityType.CUSTOMER],
    ),
    EntityType.ITEM: SyncedEntity(
        name="items",
        one="item",
        description="Products and services, the same here and in QuickBooks, which has the say on price and whether "
        "one is sold.",
        kept_in=("billing", "item"),
        pushed=True,
        imported=True,
        pull_hour=lambda settings: schedule.hour(settings.quickbooks_items_at),
        promises=PROMISES[EntityType.ITEM],
    ),
    EntityType.INVOICE: SyncedEntity(
        name="invoices",
        one="invoice",
        description="Issued invoices as QuickBooks has them. They are sent once, voided when they are void here, and "
        "never taken from\nthere; `pull` compares them, and tells of those that somebody changed.",
        kept_in=("quickbooks", "mapping"),
        follows=("billing/issued_invoices", "quickbooks/customers", "quickbooks/items"),
        pushed=True,
        promises=PROMISES[EntityType.INVOICE],
    ),
    EntityType.PAYMENT: SyncedEntity(
        name="payments",
        one="payment",
        description="Payments, credits and refunds as the accountant booked them in QuickBooks, and which invoices "
        "they pay.",
        kept_in=("billing", "payment"),
        follows=("quickbooks/invoices",),
        imported=True,
        pull_hour=lambda settings: schedule.hour(settings.quickbooks_payments_at),
        # Invoices before their payments: what was sent and not answered finds its mapping, and they are compared.
        pulled_with=("invoices",),
        promises=PROMISES[EntityType.PAYMENT],
    ),
}
_TYPES = {entity.name: entity_type for entity_type, entity in ENTITIES.items()}


class QuickBooksOnline:
    """See accounting.system.AccountingSystem."""

    name = "quickbooks"
    title = "QuickBooks"
    entities = tuple(ENTITIES.values())

    def push_every(self, settings: Settings) -> int:
        return settings.quickbooks_push_seconds

    def organizations_to_reach(self, connection: Connection) -> Collection[UUID]:
        return schedule.organizations_to_reach(connection)

    def organizations_to_push(self, connection: Connection) -> Collection[UUID]:
        return schedule.organizations_to_push(connection)

    def organizations_to_pull(self, connection: Connection, entity: str, hour: timedelta) -> Sequence[DuePull]:
        return schedule.organizations_to_pull(connection, _TYPES[entity], hour)

    def sync(
        self,
        organization: OrganizationContext,
        entities: Sequence[str],
        *,
        push: bool,
        pull: bool,
        full: bool,
        time_box: timedelta,
        on_progress: Callable[[str], None],
    ) -> SyncReport:
        from invoice_pipelines.quickbooks.sync import sync

        report = sync(
            organization.engine,
            organization.settings,
            organization.id,
            [_TYPES[entity] for entity in entities],
            do_push=push,
            do_pull=pull,
            full=full,
            time_box=time_box,
            on_progress=on_progress,
        )
        with organization.scope() as connection:
            told = {
                entity: _told(connection, _TYPES[entity], report, organization.settings)
                for entity in entities
                if report.is_connected
            }
        return SyncReport(report.is_connected, told, report.stopped, report.usage.calls, report.seconds)

    def state(self, connection: Connection) -> SystemState | None:
        state = sync_state(connection)
        if state is None:
            return None
        return SystemState(
            company=f"{state.company} {state.realm_id}".strip(),
            stands=state.in_words,
            waiting=state.all_waiting,
            oldest_waiting_at=state.oldest_waiting_at,
            pulled_at={ENTITIES[entity].name: at for entity, at in state.pulled_at.items()},
            open_conflicts=state.open_conflicts,
            calls=state.calls,
        )

    def health(self, connection: Connection, slug: str) -> ConnectionHealth:
        return connection_health(connection, slug)

    def ask_for_invoices(self, connection: Connection, invoices: Sequence[str], *, created_by: str) -> UUID:
        return ask_for_invoices(connection, invoices, created_by=created_by)

    def enqueue_backlog(self, connection: Connection, entity: str) -> UUID | None:
        from invoice_pipelines.quickbooks.push.push import enqueue_backlog

        return enqueue_backlog(connection, _TYPES[entity])

    def prune(self, engine: Engine, organization_id: UUID, older_than: datetime) -> int:
        return prune_sent(engine, organization_id, older_than)


def _told(connection: Connection, entity: EntityType, report: syncing.SyncReport, settings: Settings) -> EntityReport:
    """What of a sync concerns an entity; a look at what did not change is nothing to tell of."""
    pulled, pushed, counts = report.pulled.get(entity), report.pushed.get(entity), 0
    read = sent = None
    if pulled is not None:
        applied = pulled.applied
        counts += applied.created + applied.updated + applied.conflicts + applied.quarantined
        read = Pulled(pulled.documents, applied.created, applied.updated, applied.conflicts, pulled.finished)
    if pushed is not None:
        counts += pushed.pushed + pushed.skipped + pushed.failed + pushed.retried
        sent = Pushed(pushed.pushed, pushed.failed, pushed.waiting + pushed.retried, pushed.failures)
    happened = report.stopped is not None or counts > 0
    return EntityReport(happened, shown(connection, entity, report, settings), read, sent)


QUICKBOOKS: AccountingSystem = QuickBooksOnline()
