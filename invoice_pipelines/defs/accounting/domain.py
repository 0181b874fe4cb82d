"""An accounting system as Dagster sees it: an asset for each entity that is synced, and what waits to be sent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

import dagster as dg
from pydantic import Field

from invoice_pipelines.accounting.system import AccountingSystem, SyncedEntity
from invoice_pipelines.accounting.systems import accounting_systems
from invoice_pipelines.defs.accounting.migration import backlog_of, import_of
from invoice_pipelines.defs.accounting.sync import SHARE, not_connected, result_of, sync
from invoice_pipelines.defs.domain import Domain, Results, Stage, StageResult, TakeTurn, Turn
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


def accounting_domain(system: AccountingSystem) -> Domain:
    """What waits to be sent is pushed as soon as the sensor sees it; what is only read has a stage of its own."""
    pushed = [entity for entity in system.entities if entity.pushed]
    apart = [stage_of(system, entity) for entity in system.entities if not entity.pushed]
    apart += [import_of(system)] if any(entity.imported for entity in system.entities) else []
    only_push = {"config": {"push": True, "pull": False}}
    return Domain(
        name=f"{system.name}_push",
        description=f"Sends what waits in the push queue of one organization: {_in_order(pushed)}.",
        does="Sends what waits in the push queues of {}",
        owner="team:accounting",
        stages=tuple(stage_of(system, entity) for entity in pushed),
        apart=(*apart, backlog_of(system)),
        job_config={"ops": {f"{system.name}__{entity.name}": only_push for entity in pushed}},
        take=sync_among(system, pushed, pull=False),
        due=lambda connection, _: system.organizations_to_push(connection),
        sensor=f"{system.name}_push_due",
        sensor_description="Asks for a run of each organization in whose push queue something waits, and none in "
        "flight. Organizations whose company is not connected, or is paused, wait.",
        every_seconds=_push_every(system),
        by_hand=(f"{system.name}_sync", f"{system.name}_sync_one"),
    )


def payments() -> list[dg.AssetKey]:
    """The assets of the payments that accounting systems tell of, which whatever looks at open invoices follows."""
    return [
        dg.AssetKey([system.name, entity.name])
        for system in accounting_systems()
        for entity in system.entities
        if entity.kept_in == ("billing", "payment")
    ]


def sync_among(
    system: AccountingSystem,
    entities: Sequence[SyncedEntity],
    *,
    push: bool = True,
    pull: bool = True,
    full: bool = False,
    share: timedelta | None = SHARE,
) -> TakeTurn:
    """The stages of a sweep: one sync of all entities, so that one call asks for all changes, a result for each."""

    def take_turn(turn: Turn) -> Results:
        report = sync(system, turn, entities, push=push, pull=pull, full=full, share=share)
        if not report.is_connected:
            turn.log.info("%s is skipped: it is %s", turn.organization.slug, not_connected(system))
            return
        for entity in entities:
            told = report.entities[entity.name]
            if told.pulled or told.pushed or report.stopped:
                yield stage_of(system, entity), result_of(system, turn, entity, report)

    return take_turn


def stage_of(system: AccountingSystem, entity: SyncedEntity) -> Stage:
    """The asset of an entity, and how it is synced by itself."""
    return Stage(
        key=dg.AssetKey([system.name, entity.name]),
        description=entity.description,
        kinds=frozenset({system.name, "postgres"} if entity.kept_in[0] == "billing" else {system.name}),
        deps=[dg.AssetKey.from_user_string(asset) for asset in entity.follows],
        metadata={"dagster/table_name": ".".join(entity.kept_in)},
        standing=frozenset({"waiting", "oldest pending"}),
        config=BothWays if entity.pushed else Pull,
        work=_work(system, entity),
        promises=entity.promises,
    )


def _work(system: AccountingSystem, entity: SyncedEntity) -> Callable[[Turn, BothWays | Pull], StageResult]:
    """Syncs an entity of an organization. One without a connection is left as it is, so that a backfill over all
    organizations does not fail for it.
    """

    def work(turn: Turn, config: BothWays | Pull) -> StageResult:
        push, pull = (config.push, config.pull) if isinstance(config, BothWays) else (False, True)
        report = sync(system, turn, [entity], push=push, pull=pull, full=config.full)
        return result_of(system, turn, entity, report)

    return work


def _push_every(system: AccountingSystem) -> int:
    try:
        return system.push_every(load_settings())
    except SettingsError:  # of any variable; what needs that one says so itself, and the rest must load
        return system.push_every(Settings.model_construct())


def _in_order(entities: Sequence[SyncedEntity]) -> str:
    """Records first, then what refers to them: customers and items, then invoices."""
    *records, last = [entity.name for entity in entities]
    return f"{' and '.join(records)}, then {last}" if records else last
