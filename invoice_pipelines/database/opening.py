"""How a request gets its session of the web: made like new, and told on the same way what its transaction begins with.

Each way to PostgreSQL and back wakes two processes, which costs more than what the small statements of a beginning do.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import local
from typing import Any

import psycopg
from psycopg.adapt import Transformer
from psycopg.errors import error_from_result
from psycopg.generators import execute, fetch_many
from psycopg.pq.abc import PGresult
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DisconnectionError, InvalidatePoolError

log = logging.getLogger("invoice_pipelines.database")


@dataclass(frozen=True, slots=True)
class First:
    """A statement that a transaction begins with. Its values ($1, $2, ...) are written as PostgreSQL reads them: they
    stand in no list of what sessions do, as a credential must not.
    """

    statement: bytes
    values: tuple[str, ...] = ()


_LIKE_NEW = (
    First(b"reset all"),
    First(b"unlisten *"),
    First(b"close all"),
    First(b"select pg_catalog.pg_advisory_unlock_all()"),
    First(b"select from pg_catalog.pg_prepared_statements where from_sql limit 1"),
)
"""Makes a session of the web as it was at first, for each request: what was smuggled into one must not reach the next
ones. Statements that SQL prepared are looked for, as all others are to be kept: under the name of one that psycopg did,
they would be told the credentials of other requests. What a transaction begins with has no such name.
"""
_BEGIN = First(b"begin")


@dataclass(slots=True)
class _Asked:
    alone: Sequence[First] = ()
    first: Sequence[First] = ()
    answers: list[list[tuple[Any, ...]]] = field(default_factory=list)


class _Asking(local):
    asked: _Asked | None = None
    """What the session is told that this thread is about to take from a pool."""


_ASKING = _Asking()


@contextmanager
def opened(
    engine: Engine, *first: First, alone: Sequence[First] = ()
) -> Iterator[tuple[Connection, list[list[tuple[Any, ...]]]]]:
    """A transaction of `create_web_engine`, and the rows of each statement that it begins with; committed at the end,
    rolled back on an exception. `alone` is committed before it begins, and its rows come first.
    """
    _ASKING.asked = asked = _Asked(alone, first)
    try:
        connection = engine.connect()
    finally:
        _ASKING.asked = None
    with connection, connection.begin():
        yield connection, asked.answers


def make_like_new(session: Any, *_: object) -> None:
    """Listens to a pool that hands out a session."""
    asked = _ASKING.asked or _Asked()
    begun = (_BEGIN, *asked.first) if asked.first else ()
    try:
        results = _tell(session, _LIKE_NEW, asked.alone, begun)
    except psycopg.OperationalError:
        if not session.broken:
            raise
        raise InvalidatePoolError("the server ended the session, and most likely the others as well") from None
    last = len(_LIKE_NEW)
    is_pooled = session.prepare_threshold is None  # then it is another one's as well, which may have its own
    if any(result.error_message for result in results[:last]) or (results[last - 1].ntuples and not is_pooled):
        log.error("a session of the web was ended, as a request had left something behind in it")
        raise DisconnectionError("a session that is not like new")
    for result in results[last:]:
        if result.error_message:
            raise error_from_result(result, encoding=session.info.encoding)
    asked.answers = [_rows(session, result) for result in results[last:] if result.nfields]


def _tell(session: Any, *transactions: Sequence[First]) -> list[PGresult]:
    """What came of each statement. Each of the transactions ends by itself, unless a statement of it said `begin`."""
    connection, expected = session.pgconn, 0
    connection.enter_pipeline_mode()
    for transaction in transactions:
        for first in transaction:
            connection.send_query_params(first.statement, [value.encode() for value in first.values])
        if transaction:
            connection.pipeline_sync()
            expected += len(transaction) + 1
    results = session.wait(execute(connection))
    while len(results) < expected:
        results += session.wait(fetch_many(connection))
    connection.exit_pipeline_mode()
    return [result for result in results if result.status != psycopg.pq.ExecStatus.PIPELINE_SYNC]


def _rows(session: Any, result: PGresult) -> list[tuple[Any, ...]]:
    reading = Transformer(session)
    reading.set_pgresult(result)
    return reading.load_rows(0, result.ntuples, tuple)
