"""The turns that organizations had in runs of a kind: who waits for the longest, and who rests after failures."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection, text

LONGEST_REST = 20
"""After a failed run, its organization is left alone for a setting, twice as long after each further one, up to this
many times as long."""


@dataclass(frozen=True, slots=True)
class LastTurn:
    """The last turn of an organization: when it ended, and whether none is to be asked for, as its last runs failed
    (`rests`) or whoever made work has asked for one (`asked`).
    """

    ended_at: datetime | None
    rests: bool
    asked: bool


@dataclass(frozen=True, slots=True)
class EndedTurn:
    """That a run ended for an organization; `failed` is None where it died without a word about it."""

    organization_id: UUID
    at: datetime
    failed: bool | None


def last_turns(connection: Connection, kind: str, organizations: Collection[UUID]) -> Mapping[UUID, LastTurn]:
    """The last turns of these organizations in runs of a kind; none for those that had none. Needs no scope."""
    rows = connection.execute(
        text("select * from work.turns(:kind, :organizations)"), {"kind": kind, "organizations": list(organizations)}
    )
    return {row.organization_id: LastTurn(row.ended_at, row.rests, row.asked) for row in rows}


def newest_turn(connection: Connection, kind: str) -> datetime | None:
    """When the last run of a kind ended that is known of, of all organizations."""
    return connection.execute(text("select work.newest_turn(:kind)"), {"kind": kind}).scalar_one_or_none()


def record_turns(connection: Connection, kind: str, ended: Sequence[EndedTurn], rest: timedelta) -> None:
    """Notes ends of runs, the oldest first. What is known already may be told again. After a failure an organization
    `rest`s, and longer after each further one.
    """
    connection.execute(
        text(
            """select work.record_turns(:kind, :organizations, cast(:ends as timestamptz[]),
                                        cast(:failed as boolean[]), :rest, :longest)"""
        ),
        {
            "kind": kind,
            "organizations": [each.organization_id for each in ended],
            "ends": [each.at for each in ended],
            "failed": [each.failed for each in ended],
            "rest": rest,
            "longest": LONGEST_REST,
        },
    )


def resting_organizations(connection: Connection) -> dict[str, int]:
    """How many organizations rest after failed runs, by kind of run. Needs no organization scope."""
    return {row.kind: row.organizations for row in connection.execute(text("select * from work.resting()"))}
