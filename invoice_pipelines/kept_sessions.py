"""Dagster's storage in PostgreSQL with sessions that are kept; `dagster.yaml` names it.

Dagster's own opens a session for each statement and closes it again: thirty a second for a daemon that has nothing to
do, which was two thirds of all that an idle installation cost.
"""

from __future__ import annotations

from typing import Any

from dagster_postgres import DagsterPostgresStorage
from dagster_postgres.utils import create_pg_engine, get_token_provider_from_config, pg_url_from_config

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
            pool_pre_ping=True,  # PostgreSQL may have been started anew
        )
        for storage in (self._run_storage, self._event_log_storage, self._schedule_storage):
            storage._engine = engine
        self._run_storage.dispose = engine.dispose  # type: ignore[method-assign]  # of it alone, Dagster tells the end

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> KeptSessions:
        return cls(config_value, inst_data)
