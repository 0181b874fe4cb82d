"""Which warm workers take runs. Each says so every few seconds, so that nobody has to ask the queue."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, text

SECONDS_BETWEEN = 15.0
"""How often a worker says that it is there."""
SECONDS_TRUSTED = 60.0
"""A worker that said nothing for longer is taken for dead."""


@dataclass(frozen=True, slots=True)
class WorkerSeen:
    """A warm worker that takes runs of these lanes, so many at a time, and when it last said so."""

    lanes: tuple[str, ...]
    processes: int
    seconds_silent: float

    @property
    def is_alive(self) -> bool:
        return self.seconds_silent <= SECONDS_TRUSTED


def note_worker(connection: Connection, name: str, lanes: tuple[str, ...], processes: int) -> None:
    """Notes that a worker takes runs. Needs no organization scope."""
    connection.execute(
        text("select work.note_worker(:name, :lanes, :processes)"),
        {"name": name, "lanes": list(lanes), "processes": processes},
    )


def forget_worker(connection: Connection, name: str) -> None:
    """Forgets a worker that takes no more runs. Needs no organization scope."""
    connection.execute(text("select work.forget_worker(:name)"), {"name": name})


def workers_seen(connection: Connection) -> tuple[WorkerSeen, ...]:
    """The workers of the last day that did not say goodbye. Needs no organization scope."""
    rows = connection.execute(text("select * from work.workers()"))
    return tuple(WorkerSeen(tuple(row.lanes), row.processes, float(row.seconds_silent)) for row in rows)
