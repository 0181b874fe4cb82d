"""Dagster's storage in PostgreSQL with sessions that are kept; `dagster.yaml` names it.

Dagster's own opens a session for each statement and closes it again: thirty a second for a daemon that has nothing to
do, which was two thirds of all that an idle installation cost. And before many a statement it asks PostgreSQL's
catalogue whether a table or a column is there; here it asks until it is. And it notifies listeners of each event,
though there are none any more: a second transaction for each of the 70 events of a run, which wait for one another in
all of the server. The twenty events that say what a run is to make are stored in one transaction, not in sixty. Where
a process keeps its sessions, they outlive a storage: the code server opens one for each tick of a sensor.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import cache, partial, wraps
from types import MethodType
from typing import Any, TypeAlias

from dagster import DagsterEventType, EventLogEntry
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.storage.event_log import SqlEventLogStorage
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    AssetKeyTable,
    SqlEventLogStorageTable,
)
from dagster._serdes import serialize_value
from dagster_postgres import DagsterPostgresStorage
from dagster_postgres.utils import create_pg_engine, get_token_provider_from_config, pg_url_from_config
from sqlalchemy import Engine
from sqlalchemy.dialects.postgresql import insert

from invoice_pipelines.database.access import sessions_are_kept
from invoice_pipelines.database.engine import look_at_idle_sessions

KEPT = 5
"""Sessions that a process keeps, as many as the threads of the daemon use at a time; more are opened when they are
needed, and closed after that."""

BATCH_SIZE = "DAGSTER_EVENT_BATCH_SIZE"
"""Dagster's variable for how many events it hands over at once; without it, it hands over each by itself."""


class KeptSessions(DagsterPostgresStorage):
    """As `DagsterPostgresStorage`, and configured like it."""

    def __init__(self, config: Any, data: Any = None) -> None:
        url, tokens = pg_url_from_config(config), get_token_provider_from_config(config)
        super().__init__(url, config.get("should_autocreate_tables", True), data, tokens)
        outlives = tokens is None and sessions_are_kept()
        engine, found = _of_process(url, os.getpid()) if outlives else _opened(url, tokens)
        for storage in (self._run_storage, self._event_log_storage, self._schedule_storage):
            storage._engine = engine
            _ask_until_it_is_there(storage, found)
        without_notice = MethodType(SqlEventLogStorage.store_event, self._event_log_storage)
        self._event_log_storage.store_event = without_notice  # type: ignore[method-assign]
        os.environ.setdefault(BATCH_SIZE, "1000")
        at_once = partial(_store_at_once, self._event_log_storage, self._event_log_storage.store_event_batch)
        self._event_log_storage.store_event_batch = at_once  # type: ignore[method-assign]
        if not outlives:  # of this one alone, Dagster tells the end
            self._run_storage.dispose = engine.dispose  # type: ignore[method-assign]

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> KeptSessions:
        return cls(config_value, inst_data)


Found: TypeAlias = set[tuple[str, ...]]
"""Which of `SCHEMA` were found, each by its storage, its method and what was asked for."""


def _opened(url: str, tokens: Any = None) -> tuple[Engine, Found]:
    engine = create_pg_engine(
        url, tokens, isolation_level="AUTOCOMMIT", pool_size=KEPT, max_overflow=-1, pool_use_lifo=True
    )
    look_at_idle_sessions(engine)  # PostgreSQL may have been started anew
    return engine, set()


@cache
def _of_process(url: str, process: int) -> tuple[Engine, Found]:
    """Of a process that keeps its sessions: Dagster opens its storage anew for each tick of a sensor. A process that is
    forked from it has its own.
    """
    return _opened(url)


PLANNED = {DagsterEventType.ASSET_MATERIALIZATION_PLANNED, DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED}


def _store_at_once(
    storage: Any, store_others: Callable[[Sequence[EventLogEntry]], None], events: Sequence[EventLogEntry]
) -> None:
    """Stores what a run is to make and to check, all or nothing; other events as Dagster does."""
    if not {event.get_dagster_event().event_type for event in events} <= PLANNED:
        store_others(events)
        return
    # Each statement returns something, as SQLAlchemy sends the rows of others one by one.
    rows = [storage._event_to_row(event) for event in events]
    stored = SqlEventLogStorageTable.insert().returning(SqlEventLogStorageTable.c.id, sort_by_parameter_order=True)
    session = storage._engine.connect().execution_options(isolation_level="READ COMMITTED")
    with session as connection, connection.begin():
        numbered = list(zip(events, connection.scalars(stored, rows), strict=True))
        if checks := [row for each in numbered for row in _planned_checks(storage, *each)]:
            connection.execute(AssetCheckExecutionsTable.insert().returning(AssetCheckExecutionsTable.c.id), checks)
        # Last, as all runs wait for these rows; Dagster has sorted the events, so they do in the same order.
        # An asset of several partitions has an event for each, and one row.
        if assets := {row["asset_key"]: row for each in numbered for row in _planned_assets(storage, *each)}:
            connection.execute(_NOTE_ASSETS, list(assets.values()))


def _planned_checks(storage: Any, event: EventLogEntry, number: int) -> list[dict[str, Any]]:
    """The rows of an event's check, one for each of its partitions, that are updated once it was evaluated."""
    told = event.get_dagster_event()
    if told.event_type is not DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED:
        return []
    planned = told.asset_check_planned_data
    row = {
        "asset_key": planned.asset_key.to_string(),
        "check_name": planned.check_name,
        "run_id": event.run_id,
        "execution_status": AssetCheckExecutionRecordStatus.PLANNED.value,
        "evaluation_event": serialize_value(event),
        "evaluation_event_timestamp": storage._event_insert_timestamp(event),
        "evaluation_event_storage_id": number,
    }
    subset = planned.partitions_subset
    return [{**row, "partition": key} for key in (subset.get_partition_keys() if subset else [None])]


_ASSET = insert(AssetKeyTable)
_NOTE_ASSETS = _ASSET.on_conflict_do_update(
    index_elements=[AssetKeyTable.c.asset_key],
    set_={name: _ASSET.excluded[name] for name in ("last_run_id", "last_materialization_timestamp")},
).returning(AssetKeyTable.c.id)


def _planned_assets(storage: Any, event: EventLogEntry, number: int) -> list[dict[str, Any]]:
    """The row of an event's asset, which runs of all organizations share."""
    key = event.get_dagster_event().asset_key
    return [{"asset_key": key.to_string(), **storage._get_asset_entry_values(event, number, True)}] if key else []


SCHEMA = (
    "has_table",
    "_has_asset_key_col_on_connection",
    "has_run_stats_index_cols",
    "has_bulk_actions_selector_cols",
    "has_backfill_id_column",
    "has_bulk_action_job_name_column",
    "has_backfill_tags_table",
    "_has_instigators_table",
    "has_secondary_index",
    "has_secondary_index_table",
    "has_built_index",
)
"""Methods of Dagster's storages that ask whether a part of its schema is there, which then stays."""


def _ask_until_it_is_there(storage: Any, found: Found) -> None:
    """Lets a storage remember in `found` what parts of the schema it has found."""
    for name in SCHEMA:
        if hasattr(storage, name):
            setattr(storage, name, _remembered(getattr(storage, name), found, (type(storage).__name__, name)))


def _remembered(is_there: Callable[..., bool], found: Found, asked_by: tuple[str, str]) -> Callable[..., bool]:
    @wraps(is_there)
    def ask(*args: Any) -> bool:
        # Beside the name of what is asked for there may be a connection.
        which = (*asked_by, *(each for each in args if isinstance(each, str)))
        if which not in found and is_there(*args):
            found.add(which)
        return which in found

    return ask
