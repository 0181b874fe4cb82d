"""QuickBooks as Dagster sees it: an asset for each entity that is synced, and what waits to be sent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta

import dagster as dg
from pydantic import Field

from invoice_pipelines.defs.domain import Domain, Results, Stage, StageResult, TakeTurn, Turn
from invoice_pipelines.defs.factory import definitions_of
from invoice_pipelines.defs.quickbooks.config import PUSHED, entities_of
from invoice_pipelines.defs.quickbooks.migration import IMPORTED_COMPANY, PUSHED_BACKLOG
from invoice_pipelines.defs.quickbooks.sync import NOT_CONNECTED, SHARE, result_of, sync
from invoice_pipelines.quickbooks.promises import PROMISES
from invoice_pipelines.quickbooks.schedule import organizations_to_push
from invoice_pipelines.quickbooks.values import EntityType
from invoice_pipelines.settings import Settings, SettingsError, load_settings


class BothWays(dg.Config):
    """What a run does."""

    push: bool = Field(default=True, description="Send what waits.")
    pull: bool = Field(default=True, description="Read what was changed there.")
    full: bool = Field(
        default=False, description="Read everything there, not only what was changed since the last pull."
    )


class Pull(dg.Config):
    """How a run reads."""

    full: bool = Field(
        default=False, description="Read everything there, not only what was changed since the last pull."
    )


def sync_of(entity: EntityType) -> Callable[[Turn, BothWays | Pull], StageResult]:
    """Syncs an entity of an organization. One without a connection is left as it is, so that a backfill over all
    organizations does not fail for it.
    """

    def work(turn: Turn, config: BothWays | Pull) -> StageResult:
        push, pull = (config.push, config.pull) if isinstance(config, BothWays) else (False, True)
        report = sync(turn, [entity], push=push, pull=pull, full=config.full)
        return result_of(turn, entity, report)

    return work


def sync_among(
    entities: Sequence[EntityType],
    *,
    push: bool = True,
    pull: bool = True,
    full: bool = False,
    share: timedelta | None = SHARE,
) -> TakeTurn:
    """The stages of a sweep: one sync of all entities, so that one call asks for all changes, a result for each."""

    def take_turn(turn: Turn) -> Results:
        report = sync(turn, entities, push=push, pull=pull, full=full, share=share)
        if not report.is_connected:
            turn.log.info("%s is skipped: it is %s", turn.organization.slug, NOT_CONNECTED)
            return
        for entity in entities:
            if entity in report.pulled or entity in report.pushed or report.stopped:
                yield STAGES[entity], result_of(turn, entity, report)

    return take_turn


CUSTOMERS = Stage(
    key=dg.AssetKey(["quickbooks", "customers"]),
    description="Customers, the same here and in QuickBooks: a field that was changed on one side goes to the other.",
    kinds=frozenset({"quickbooks", "postgres"}),
    metadata={"dagster/table_name": "billing.customer"},
    config=BothWays,
    work=sync_of(EntityType.CUSTOMER),
    promises=PROMISES[EntityType.CUSTOMER],
)
ITEMS = Stage(
    key=dg.AssetKey(["quickbooks", "items"]),
    description="Products and services, the same here and in QuickBooks, which has the say on price and whether one is "
    "sold.",
    kinds=frozenset({"quickbooks", "postgres"}),
    metadata={"dagster/table_name": "billing.item"},
    config=BothWays,
    work=sync_of(EntityType.ITEM),
    promises=PROMISES[EntityType.ITEM],
)
INVOICES = Stage(
    key=dg.AssetKey(["quickbooks", "invoices"]),
    description="Issued invoices as QuickBooks has them. They are sent once, voided when they are void here, and never "
    "taken from\nthere; `pull` compares them, and tells of those that somebody changed.",
    kinds=frozenset({"quickbooks"}),
    deps=[dg.AssetKey(["billing", "issued_invoices"]), CUSTOMERS.key, ITEMS.key],
    metadata={"dagster/table_name": "quickbooks.mapping"},
    config=BothWays,
    work=sync_of(EntityType.INVOICE),
    promises=PROMISES[EntityType.INVOICE],
)
PAYMENTS = Stage(
    key=dg.AssetKey(["quickbooks", "payments"]),
    description="Payments, credits and refunds as the accountant booked them in QuickBooks, and which invoices they "
    "pay.",
    kinds=frozenset({"quickbooks", "postgres"}),
    deps=[INVOICES.key],
    metadata={"dagster/table_name": "billing.payment"},
    config=Pull,
    work=sync_of(EntityType.PAYMENT),
    promises=PROMISES[EntityType.PAYMENT],
)
STAGES = {
    EntityType.CUSTOMER: CUSTOMERS,
    EntityType.ITEM: ITEMS,
    EntityType.INVOICE: INVOICES,
    EntityType.PAYMENT: PAYMENTS,
}
QUICKBOOKS = Domain(
    name="quickbooks_push",
    description="Sends what waits in the push queue of one organization: customers and items, then invoices.",
    does="Sends what waits in the push queues of {}",
    stages=(CUSTOMERS, ITEMS, INVOICES),
    apart=(PAYMENTS, IMPORTED_COMPANY, PUSHED_BACKLOG),
    job_config={"ops": {f"quickbooks__{name}": {"config": {"push": True, "pull": False}} for name in PUSHED}},
    take=sync_among(entities_of(PUSHED), pull=False),
    due=lambda connection, _: organizations_to_push(connection),
    sensor="quickbooks_push_due",
    sensor_description="Asks for a run of each organization in whose push queue something waits, and none in flight. "
    "Organizations whose company is not connected, or is left alone for a while, wait.",
    by_hand=("quickbooks_sync",),
)


@dg.definitions
def quickbooks() -> dg.Definitions:
    try:
        seconds = load_settings().quickbooks_push_seconds
    except SettingsError:  # of any variable; what needs that one says so itself, and the rest must load
        seconds = Settings.model_fields["quickbooks_push_seconds"].default
    return definitions_of(replace(QUICKBOOKS, every_seconds=seconds))
