"""QuickBooks Online as one of the accounting systems: what the doors need of the sync, under the names that they use.

Whatever speaks to QuickBooks is loaded when it is needed, as loading Dagster must not wait for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Literal
from uuid import UUID

from sqlalchemy import Connection

from invoice_pipelines.accounting.reports import ConflictDecision, DuePull, SyncReport
from invoice_pipelines.accounting.system import AccountingSystem, SyncedEntity
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.quickbooks import schedule
from invoice_pipelines.quickbooks.overview import sync_state
from invoice_pipelines.quickbooks.promises import PROMISES, connection_health
from invoice_pipelines.quickbooks.pruning import prune_sent
from invoice_pipelines.quickbooks.push.requests import ask_for_invoices, enqueue_backlog
from invoice_pipelines.quickbooks.values import EntityType
from invoice_pipelines.settings import Settings

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
    organizations_to_reach = staticmethod(schedule.organizations_to_reach)
    connection_counts = staticmethod(schedule.connection_counts)
    organizations_to_push = staticmethod(schedule.organizations_to_push)
    state = staticmethod(sync_state)
    health = staticmethod(connection_health)
    ask_for_invoices = staticmethod(ask_for_invoices)
    prune = staticmethod(prune_sent)

    def push_every(self, settings: Settings) -> int:
        return settings.quickbooks_push_seconds

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

        return sync(
            organization,
            [_TYPES[entity] for entity in entities],
            push=push,
            pull=pull,
            full=full,
            time_box=time_box,
            on_progress=on_progress,
        )

    def decide_conflicts(
        self,
        organization: OrganizationContext,
        side: Literal["ours", "theirs"],
        conflicts: Sequence[str],
        *,
        write: bool,
    ) -> Sequence[ConflictDecision]:
        from invoice_pipelines.quickbooks.conflicts.in_bulk import decide_conflicts

        return decide_conflicts(organization, side, conflicts, write=write)

    def enqueue_backlog(self, connection: Connection, entity: str) -> UUID | None:
        return enqueue_backlog(connection, _TYPES[entity])


QUICKBOOKS: AccountingSystem = QuickBooksOnline()
