"""Dagster's storage in PostgreSQL with sessions that are kept; `dagster.yaml` names it.

Dagster's own opens a session for each statement and closes it again: thirty a second for a daemon that has nothing to
do, which was two thirds of all that an idle installation cost. And before many a statement it asks PostgreSQL's
catalogue whether a table or a column is there; here it asks until it is. And it notifies listeners of each event,
though there are none any more: a second transaction for each of the 70 events of a run, which wait for one another in
all of the server.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from types import MethodType
from typing import Any

from dagster._core.storage.event_log import SqlEventLogStorage
from dagster_postgres import DagsterPostgresStorage
from dagster_postgres.utils import create_pg_engine, get_token_provider_from_config, pg_url_from_config

from invoice_pipelines.database.engine import look_at_idle_sessions

KEPT = 2
"""Sessions that a process keeps; more are opened when they are needed, and closed after that."""


class KeptSessions(DagsterPostgresStorage):
    """As `DagsterPostgresStorage`, and configured like it."""

    def __init__(self, config: Any, data: Any = None) -> None:
        url, tokens = pg_url_from_config(config), get_token_provider_from_config(config)
        super().__init__(url, config.get("should_autocreate_tables", True), data, tokens)
        engine = create_pg_engine(
            url,
            tokens,
            isolation_level="AUTOCOMMIT",
            pool_size=KEPT,
            max_overflow=-1,
        )
        look_at_idle_sessions(engine)  # PostgreSQL may have been started anew
        for storage in (self._run_storage, self._event_log_storage, self._schedule_storage):
            storage._engine = engine
            _ask_until_it_is_there(storage)
        without_notice = MethodType(SqlEventLogStorage.store_event, self._event_log_storage)
        self._event_log_storage.store_event = without_notice  # type: ignore[method-assign]
        self._run_storage.dispose = engine.dispose  # type: ignore[method-assign]  # of it alone, Dagster tells the end

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> KeptSessions:
        return cls(config_value, inst_data)


SCHEMA = (
    "has_table",
    "_has_asset_key_col_on_connection",
    "has_run_stats_index_cols",
    "has_bulk_actions_selector_cols",
    "has_backfill_id_column",
    "has_bulk_action_job_name_column",
    "has_backfill_tags_table",
    "_has_instigators_table",
    "has_secondary_index_table",
)
"""Methods of Dagster's storages that ask whether a part of its schema is there, which then stays."""


def _ask_until_it_is_there(storage: Any) -> None:
    """Lets a storage remember what parts of the schema it has found."""
    for name in SCHEMA:
        if hasattr(storage, name):
            setattr(storage, name, _remembered(getattr(storage, name)))


def _remembered(is_there: Callable[..., bool]) -> Callable[..., bool]:
    found: set[str] = set()

    @wraps(is_there)
    def ask(*args: Any) -> bool:
        which = next((each for each in args if isinstance(each, str)), "")  # beside it there may be a connection
        if which not in found and is_there(*args):
            found.add(which)
        return which in found

    return ask
