"""Counts the calls to each company by the hour: limits are per minute, and Intuit charges for reads."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from datetime import datetime
from threading import Lock

from sqlalchemy import Connection, text

from invoice_pipelines.quickbooks.connection.realm import Realm

_WRITTEN_EVERY_SECONDS = 2.0


@dataclass(slots=True)
class Usage:
    """Calls that were sent; of them batches, reads that succeeded, those that were throttled, and other faults."""

    calls: int = 0
    batches: int = 0
    reads: int = 0
    throttled: int = 0
    faults: int = 0

    def __sub__(self, before: Usage) -> Usage:
        return Usage(*(getattr(self, name) - getattr(before, name) for name in self.__slots__))


def read_usage(connection: Connection, since: datetime, realm_id: str | None = None) -> Usage:
    """What the organization in scope used since the hour of a moment, at one company or at all it had."""
    row = connection.execute(
        text(
            """select coalesce(sum(calls), 0), coalesce(sum(batches), 0), coalesce(sum(reads), 0),
                      coalesce(sum(throttled), 0), coalesce(sum(faults), 0)
               from quickbooks.usage
               where organization_id = organizations.current()
                 and realm_id = coalesce(:realm, realm_id)
                 and hour >= date_trunc('hour', cast(:since as timestamptz))"""
        ),
        {"realm": realm_id, "since": since},
    ).one()
    return Usage(*map(int, row))


class UsageCounter:
    """Counts the calls of one client, and writes them down every few seconds. Thread safe.

    What a process that is killed had not written yet is not counted.
    """

    def __init__(self, realm: Realm) -> None:
        self._realm = realm
        self._lock = Lock()
        self._usage = Usage()
        self._written_at = time.monotonic()

    def count(self, *, is_batch: bool, is_read: bool, throttled: bool, fault: bool) -> None:
        """Counts one call that was sent."""
        with self._lock:
            usage = self._usage
            usage.calls += 1
            usage.batches += is_batch
            usage.reads += is_read and not throttled and not fault
            usage.throttled += throttled
            usage.faults += fault
            if time.monotonic() - self._written_at < _WRITTEN_EVERY_SECONDS:
                return
        self.write()

    def write(self) -> None:
        """Writes down what was counted since the last time."""
        with self._lock:
            usage, self._usage = self._usage, Usage()
            self._written_at = time.monotonic()
        if not usage.calls:
            return
        with self._realm.scope() as connection:
            connection.execute(
                text(
                    """insert into quickbooks.usage as u (organization_id, realm_id, hour, calls, reads, batches,
                                                          throttled, faults)
                       values (organizations.current(), :realm, date_trunc('hour', now()),
                               :calls, :reads, :batches, :throttled, :faults)
                       on conflict (organization_id, realm_id, hour) do update
                       set calls = u.calls + excluded.calls, reads = u.reads + excluded.reads,
                           batches = u.batches + excluded.batches, throttled = u.throttled + excluded.throttled,
                           faults = u.faults + excluded.faults"""
                ),
                {"realm": self._realm.realm_id, **asdict(usage)},
            )
