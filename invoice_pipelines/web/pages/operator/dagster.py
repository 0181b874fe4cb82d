"""What Dagster's own tables say of its runs and daemons; loading Dagster takes longer than all of the web."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from sqlalchemy import Connection, text


@dataclass(frozen=True, slots=True)
class DagsterRun:
    """A run. `status` is Dagster's word for it; `partition` is the slug of an organization, where it is about one."""

    id: str
    job: str
    status: str
    partition: str | None
    asked_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


def latest_runs(connection: Connection, most: int) -> Sequence[DagsterRun]:
    """The newest runs, the newest first."""
    rows = connection.execute(
        text(
            """select r.run_id, r.pipeline_name, r.status,
                      coalesce(r.partition, (select t.value from run_tags t
                                             where t.run_id = r.run_id and t.key = 'dagster/partition' limit 1)),
                      r.create_timestamp at time zone 'UTC', to_timestamp(r.start_time), to_timestamp(r.end_time)
               from runs r order by r.id desc limit :most"""
        ),
        {"most": most},
    )
    return [DagsterRun(*row) for row in rows]


def daemon_ages(connection: Connection) -> dict[str, float]:
    """Seconds since each daemon showed that it lives, which it does every 30 seconds."""
    rows = connection.execute(
        text(
            """select daemon_type, extract(epoch from now() - "timestamp" at time zone 'UTC')::float8 as age
               from daemon_heartbeats"""
        )
    )
    return {cast(str, row.daemon_type): max(row.age, 0.0) for row in rows}
