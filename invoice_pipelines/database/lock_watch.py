"""The watch over an engine's lock waits: after a lock timeout it can say who held the lock.

PostgreSQL tells who blocks a session only while it waits (`pg_blocking_pids`), and the waiting session cannot ask. So a
thread looks at statements that have been running for a while, in a session of its own. It costs statements nothing but
two entries in a dictionary, and there is no thread while none of them is slow.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from threading import Lock, Thread
from typing import Any

from sqlalchemy import Connection, Engine, NullPool, create_engine, event, text
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import SQLAlchemyError, StatementError

from invoice_pipelines.database.errors import LOCK_NOT_AVAILABLE, Holder, sqlstate

_LOOKS_PER_TIMEOUT = 4
"""Any wait that reaches the timeout is seen several times, although it may begin late in its statement."""


class LockWatch:
    """Watches the statements of an engine, whose sessions have a `lock_timeout` of so many seconds.

    A statement that failed by it carries `holders` on the driver's error (see `errors.holders_of`) and names them in
    its message.
    """

    def __init__(self, engine: Engine, lock_timeout_seconds: float, connect_args: Mapping[str, Any]) -> None:
        """`connect_args` are for the session that looks: it sees as much of other sessions as its login may."""
        self._interval = lock_timeout_seconds / _LOOKS_PER_TIMEOUT
        self._observer = create_engine(engine.url, connect_args=dict(connect_args), poolclass=NullPool)
        self._mutex = Lock()
        self._running: dict[int, tuple[int, float]] = {}
        """By session: its process at the server, and when its statement began."""
        self._holders: dict[int, tuple[Holder, ...]] = {}
        """By process."""
        self._is_watching = False
        event.listen(engine, "before_cursor_execute", self._begins)
        event.listen(engine, "after_cursor_execute", self._ends)
        event.listen(engine, "handle_error", self._fails)

    def _begins(self, connection: Connection, *_: Any) -> None:
        session = connection.connection.driver_connection
        if session is None or session.closed:  # the statement itself will say so
            return
        self._running[id(session)] = (session.pgconn.backend_pid, time.monotonic())
        if not self._is_watching:
            with self._mutex:
                if not self._is_watching:
                    self._is_watching = True
                    Thread(target=self._watch, name="lock watch", daemon=True).start()

    def _ends(self, connection: Connection, *_: Any) -> None:
        self._forget(connection)

    def _fails(self, context: ExceptionContext) -> None:
        holders = self._forget(context.connection) if context.connection is not None else ()
        if holders and sqlstate(context.original_exception) == LOCK_NOT_AVAILABLE:
            context.original_exception.holders = holders  # type: ignore[attr-defined]
            if isinstance(context.sqlalchemy_exception, StatementError):
                context.sqlalchemy_exception.add_detail(f"held by {' and '.join(map(str, holders))}")

    def _forget(self, connection: Connection) -> tuple[Holder, ...]:
        if connection.invalidated or connection.closed:
            return ()
        process, _ = self._running.pop(id(connection.connection.driver_connection), (0, 0.0))
        return self._holders.pop(process, ())

    def _watch(self) -> None:
        while True:
            time.sleep(self._interval)
            with self._mutex:
                if not self._running:
                    self._is_watching = False
                    return
            slow_since = time.monotonic() - self._interval / 2
            slow = [process for process, began in list(self._running.values()) if began < slow_since]
            if slow:
                self._look(slow)

    def _look(self, pids: list[int]) -> None:
        """Notes who blocks which of the sessions. Without a connection to be had, nobody is named."""
        with suppress(SQLAlchemyError), self._observer.connect() as connection:
            rows = connection.execute(
                text(
                    """select w.pid as waiting, b.pid, a.usename, a.application_name, a.state, a.xact_start
                       from unnest(cast(:pids as integer[])) w (pid)
                       cross join lateral (select distinct unnest(pg_blocking_pids(w.pid))) b (pid)
                       left join pg_stat_activity a on a.pid = b.pid and b.pid <> 0
                       order by w.pid, a.xact_start, b.pid"""
                ),
                {"pids": pids},
            ).all()
            found: dict[int, tuple[Holder, ...]] = {}
            for row in rows:
                holder = Holder(row.pid, row.usename, row.application_name or None, row.state, row.xact_start)
                found[row.waiting] = (*found.get(row.waiting, ()), holder)
            running = {process for process, _ in list(self._running.values())}
            self._holders.update((process, holders) for process, holders in found.items() if process in running)
