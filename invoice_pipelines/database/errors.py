"""The errors that say the database cannot be used as it is, and what PostgreSQL's own errors mean to people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy.exc import DBAPIError

from invoice_pipelines.errors import InvoicePipelinesError

DISK_FULL = "53100"
TOO_MANY_CONNECTIONS = "53300"
LOCK_NOT_AVAILABLE = "55P03"
CANNOT_CONNECT_NOW = "57P03"
DEADLOCK = "40P01"
ENDED_BY_ADMINISTRATOR = "57P01"
TRANSIENT = frozenset({"40001", DEADLOCK})
"""Serialization failure and deadlock: nothing was done, and it may work the next time. A lock that was waited for in
vain is not among them: whoever holds it would hold up the next attempt as long again.
"""
_IDLE_IN_TRANSACTION = "25P03"

_WORDS = {
    DISK_FULL: "PostgreSQL has no disk space left. Nothing of this transaction was kept; free some space on its disk, "
    "then try again.",
    TOO_MANY_CONNECTIONS: "All connections of PostgreSQL are taken. Close some, or raise its max_connections, then try "
    "again.",
    _IDLE_IN_TRANSACTION: "PostgreSQL ended this session because its transaction stood idle for too long. Nothing of "
    "it was kept; try again.",
    DEADLOCK: "Two transactions waited for each other, and PostgreSQL ended this one. Nothing of it was kept; try "
    "again.",
    ENDED_BY_ADMINISTRATOR: "PostgreSQL ended this session: it is shutting down, or an administrator ended it. Nothing "
    "of this transaction was kept; try again.",
    "57P02": "PostgreSQL restarts after one of its processes crashed. Nothing of this transaction was kept; try again "
    "in a moment.",
    CANNOT_CONNECT_NOW: "PostgreSQL is starting, stopping or recovering, and takes no connections. Try again in a "
    "moment.",
}
_CODES = {
    DISK_FULL: "DISK_FULL",
    TOO_MANY_CONNECTIONS: "TOO_MANY_CONNECTIONS",
    LOCK_NOT_AVAILABLE: "LOCK_TIMEOUT",
}

# What a refused connection says has no SQLSTATE in libpq. These are PostgreSQL's words for them in English.
_REFUSALS = (
    (
        TOO_MANY_CONNECTIONS,
        ("too many clients", "too many connections", "remaining connection slots", "no more connections"),
    ),
    (
        CANNOT_CONNECT_NOW,
        ("is starting up", "is shutting down", "in recovery mode", "not yet accepting", "not accepting connections"),
    ),
)


class DatabaseError(InvoicePipelinesError):
    """The database cannot be started, reached or made ready; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Holder:
    """A session that held up another one. All but `pid` is None where this login may not see it (`pg_read_all_stats`).

    `since` is when its transaction began; `pid` is 0 for a prepared transaction, which has no session any more.
    """

    pid: int
    user: str | None
    application_name: str | None
    state: str | None
    since: datetime | None

    def __str__(self) -> str:
        if not self.pid:
            return "a prepared transaction (see pg_prepared_xacts)"
        known = [
            self.application_name and repr(self.application_name),
            self.user and f"user {self.user}",
            self.state,
            self.since and f"in a transaction since {self.since.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC",
        ]
        details = ", ".join(part for part in known if part)
        return f"process {self.pid}" + (f" ({details})" if details else "")


def sqlstate(error: BaseException) -> str | None:
    """The SQLSTATE of an error of the driver, or of SQLAlchemy around it; None where there is none."""
    original = error.orig if isinstance(error, DBAPIError) else error
    state = getattr(original, "sqlstate", None)
    if state:
        return str(state)
    said = str(original)
    return next((code for code, words in _REFUSALS if any(word in said for word in words)), None)


def holders_of(error: DBAPIError) -> Sequence[Holder]:
    """Who held what a statement waited for until its time was up; empty where nobody saw it."""
    found: Sequence[Holder] = getattr(error.orig, "holders", ())
    return found


def explain(error: DBAPIError) -> str | None:
    """What happened and what to do, for an error whose cause is known and lies outside of the statement."""
    state = sqlstate(error)
    if state == LOCK_NOT_AVAILABLE:
        return _lock_timeout(holders_of(error))
    return _WORDS.get(state or "")


def code_of(error: DBAPIError) -> str:
    """A word for programs: LOCK_TIMEOUT, DISK_FULL, TOO_MANY_CONNECTIONS, or DATABASE_ERROR for all others."""
    return _CODES.get(sqlstate(error) or "", "DATABASE_ERROR")


def is_put_off(error: BaseException) -> bool:
    """Whether work failed for a reason that lies in no item of it and may last: a lock that somebody holds, a full
    disk, no connection to be had. It is to be done later, as it is.
    """
    return isinstance(error, DBAPIError) and sqlstate(error) in _CODES


def _lock_timeout(holders: Sequence[Holder]) -> str:
    if not holders:
        return "Another session held a lock for too long. Nothing of this transaction was kept; try again."
    who = " and ".join(map(str, holders))
    pids = [holder.pid for holder in holders if holder.pid]
    end = f", or an administrator ends it with `select pg_terminate_backend({pids[0]})`" if pids else ""
    return f"A lock needed here is held by {who}. Try again once that transaction has ended{end}."
