"""The limiter: when a call may be made to a company, agreed among all processes through PostgreSQL.

The turns themselves are given in rate.sql. QuickBooks counts calls as they arrive, we as they are sent, and does not
say whether its minutes slide or begin anew: any sequence that keeps to sliding windows keeps to fixed ones as well, and
what a call may be late on its way is added to the windows.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from invoice_pipelines.database import engine_apart
from invoice_pipelines.quickbooks.api.faults import NOT_CONNECTED, RealmPaused
from invoice_pipelines.quickbooks.connection.realm import Realm
from invoice_pipelines.settings import Settings

_MINUTE_STRETCHED = 1.0125
_SECOND_STRETCHED = 1.05
_SPREAD = 0.99
_ROUNDS = 5
_PLACE_ASKED_AGAIN_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Limits:
    """What may be asked of one company. `minute` is how long a minute takes: shorter where time is scaled."""

    per_minute: int = 500
    per_second: int = 10
    batches_per_minute: int = 40
    minute: timedelta = timedelta(minutes=1)
    in_flight: int = 10

    @classmethod
    def of(cls, settings: Settings) -> Limits:
        """Those of the settings."""
        return cls(
            per_minute=settings.quickbooks_requests_per_minute,
            per_second=settings.quickbooks_requests_per_second,
            batches_per_minute=settings.quickbooks_batches_per_minute,
        )

    @property
    def second(self) -> timedelta:
        """How long a second takes."""
        return self.minute / 60

    @property
    def longest_wait(self) -> timedelta:
        """How long a call waits for its turn: while batches are at their limit, a minute and the calls before it."""
        return self.minute * 2.5

    @property
    def longest_pause(self) -> timedelta:
        """How long a call waits while the company is paused, rather than to hold up its process."""
        return self.second * 5

    @property
    def minute_window(self) -> timedelta:
        """In which `per_minute` calls are sent at the most."""
        return self.minute * _MINUTE_STRETCHED

    @property
    def second_window(self) -> timedelta:
        """In which `per_second` calls are sent: spread over the minute as far as that makes the minute no longer."""
        spread = self.minute_window * (_SPREAD * self.per_second / self.per_minute)
        return max(self.second * _SECOND_STRETCHED, min(spread, self.minute_window))

    @property
    def tolerance(self) -> timedelta:
        """How much later than at its turn a call may be sent: half of what the second is stretched by."""
        return self.second / 10


def count_calls(connection: Connection, realm_id: str, calls: int) -> None:
    """Counts calls that were made just now without a turn: those by which a company is connected."""
    connection.execute(
        text(
            """insert into quickbooks.rate as r (organization_id, realm_id, calls)
               values (organizations.current(), :realm,
                       array_fill(clock_timestamp(), array[:calls]))
               on conflict (organization_id, realm_id) do update
               set calls = array(select t from unnest(r.calls || excluded.calls) t order by t)"""
        ),
        {"realm": realm_id, "calls": calls},
    )


class Limiter:
    """Gives turns to the calls of one organization to its company. Thread safe."""

    def __init__(self, realm: Realm, limits: Limits) -> None:
        self.limits = limits
        self._realm = realm
        self._places = _Places(realm, limits.in_flight)

    @contextmanager
    def turn(self, *, is_batch: bool) -> Iterator[None]:
        """Waits for a turn; the call is made inside. Raises RealmPaused where that would take too long."""
        place = None
        missed: datetime | None = None
        try:
            for _ in range(_ROUNDS):
                turn, wait = self._take(is_batch, missed)
                taken = time.monotonic()
                time.sleep(wait)
                if place is None:
                    place = self._places.take(self.limits.longest_wait.total_seconds())
                is_open = wait == 0 or self._is_open()
                late = time.monotonic() - taken - wait > self.limits.tolerance.total_seconds()
                if is_open and not late:
                    break
                missed = turn
            yield
        finally:
            if place is not None:
                self._places.give_back(place)

    def close(self) -> None:
        """Ends the connections of calls that are over."""
        self._places.close()

    def _take(self, is_batch: bool, missed: datetime | None) -> tuple[datetime, float]:
        limits = self.limits
        with self._realm.scope() as connection:
            row = connection.execute(
                text(
                    """select * from quickbooks.take_turn(
                           :realm, :is_batch, :per_minute, :per_second, :batches_per_minute, :minute, :second,
                           :longest_wait, :longest_pause, :missed)"""
                ),
                {
                    "realm": self._realm.realm_id,
                    "is_batch": is_batch,
                    "per_minute": limits.per_minute,
                    "per_second": limits.per_second,
                    "batches_per_minute": limits.batches_per_minute,
                    "minute": limits.minute_window,
                    "second": limits.second_window,
                    "longest_wait": limits.longest_wait,
                    "longest_pause": limits.longest_pause,
                    "missed": missed,
                },
            ).one()
        if row.turn is None:
            raise _refusal(row, self._realm.realm_id)
        return row.turn, row.wait_seconds

    def _is_open(self) -> bool:
        with self._realm.scope() as connection:
            return bool(
                connection.execute(
                    text(
                        """select exists (
                               select from quickbooks.connection
                               where organization_id = organizations.current()
                                 and realm_id = :realm and status = 'connected'
                                 and (paused_until is null or paused_until <= clock_timestamp()))"""
                    ),
                    {"realm": self._realm.realm_id},
                ).scalar_one()
            )


def _refusal(row: Any, realm_id: str) -> RealmPaused:
    if row.connected_realm is None:
        return RealmPaused(NOT_CONNECTED)
    if row.connected_realm != realm_id:
        return RealmPaused(f"The organization is connected with another company now, {row.connected_realm}.")
    if row.status != "connected":
        return RealmPaused(row.status_reason or f"The connection with QuickBooks is {row.status}.")
    if row.wait_seconds is None:
        return RealmPaused(row.paused_reason or "The company is paused.", row.paused_until)
    return RealmPaused(f"The rate limit is used up for the next {row.wait_seconds:.0f} seconds.")


class _Places:
    """The calls under way to a company: each has a lock of an open transaction, which ends with the process."""

    def __init__(self, realm: Realm, places: int) -> None:
        self._realm = realm
        self._count = places
        self._engine = engine_apart(realm.engine)
        self._free: list[Connection] = []
        self._lock = Lock()

    def take(self, longest_wait: float) -> Connection:
        """The connection whose transaction has a place."""
        deadline = time.monotonic() + longest_wait
        connection = self._connect()
        try:
            while not self._take(connection):
                if time.monotonic() > deadline:
                    raise RealmPaused(f"{self._count} calls are in progress, and none has finished.")
                time.sleep(_PLACE_ASKED_AGAIN_SECONDS)
        except BaseException:
            connection.close()
            raise
        return connection

    def give_back(self, place: Connection) -> None:
        try:
            place.rollback()
        except DBAPIError:
            place.close()  # without the session it is free already
            return
        with self._lock:
            self._free.append(place)

    def close(self) -> None:
        with self._lock:
            while self._free:
                self._free.pop().close()
        self._engine.dispose()

    def _connect(self) -> Connection:
        with self._lock:
            if self._free:
                return self._free.pop()
        return self._engine.connect()

    def _take(self, connection: Connection) -> bool:
        taken = connection.execute(
            text("select quickbooks.take_place(:realm, :places)"),
            {"realm": self._realm.realm_id, "places": self._count},
        ).scalar_one()
        if not taken:
            connection.rollback()
        return bool(taken)
