"""The hub: what the open pages of this process are told, asked of PostgreSQL once a second for all of them together.

A page has a stream. Streams hold no thread, no room and no session of the database; the hub has one session of its own
while at least one page is open, and each look is one statement (watched.sql), which also says which pages may go on. Of
what is new a stream keeps the newest only, so that a reader who is slow, or asleep, costs no memory.

Browsers that speak HTTP/1.1 open six connections to a server at most, for all of its pages: so a page has one stream,
and closes it while nobody sees the page (static/live.js).
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from invoice_pipelines.database.engine import engine_apart
from invoice_pipelines.database.errors import DatabaseError

log = logging.getLogger("invoice_pipelines.web")

SECONDS_BETWEEN_LOOKS = 1.0
HEARTBEAT_SECONDS = 15.0
"""Proxies close a connection on which nothing comes for long, many after a minute."""
_HEARTBEAT = b": here\n\n"
_ENDED = b"event: ended\ndata: {}\n\n"


@dataclass(frozen=True, slots=True)
class Watch:
    """What a page wants to know: as who (the fingerprint of its credential), in which organization (its slug), and of
    which job besides those that are open.
    """

    fingerprint: str
    slug: str
    job: UUID | None


class Stream:
    """What one page is told. `messages` are server-sent events: `standing` (counts, versions of lists, and open jobs of
    the organization), `job` (the one that the page watches), `away` (the database does not answer for now) and, as the
    last one, `ended` (the credential may not look any more).
    """

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self._news: dict[str, bytes] = {}
        self._told: dict[str, bytes] = {}
        self._woken = asyncio.Event()
        self._is_over = False
        self._last = b""

    def tell(self, event: str, data: bytes) -> None:
        """Says something, unless the page knows it. What was not sent yet of the same event is not sent any more."""
        if self._told.get(event) != data:
            self._told[event] = self._news[event] = data
            self._woken.set()

    def away(self) -> None:
        """Says that nothing is known for now."""
        self.tell("away", b"{}")

    def back(self) -> None:
        """The page is told everything again that it may have missed."""
        if self._told.pop("away", None) is not None:
            self._told.clear()
            self._news.pop("away", None)

    def end(self, last: bytes = b"") -> None:
        """No message follows but this one."""
        self._news.clear()
        self._last = last
        self._is_over = True
        self._woken.set()

    async def messages(self) -> AsyncIterator[bytes]:
        """The bytes of the answer, piece by piece, until the end."""
        yield _HEARTBEAT  # so that the head of the answer is sent at once
        while True:
            try:
                async with asyncio.timeout(HEARTBEAT_SECONDS):
                    await self._woken.wait()
            except TimeoutError:
                yield _HEARTBEAT
                continue
            self._woken.clear()
            news, self._news = self._news, {}
            if news:
                yield b"".join(b"event: %b\ndata: %b\n\n" % (event.encode(), data) for event, data in news.items())
            if self._is_over:
                if self._last:
                    yield self._last
                return


class Hub:
    """All streams of this process. All but what asks PostgreSQL runs in the thread of the server."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._own: Engine | None = None
        self._connection: Connection | None = None
        self._streams: set[Stream] = set()
        self._task: asyncio.Task[None] | None = None
        self._thread = CapacityLimiter(1)
        self._is_closed = False
        self._is_away = False

    async def stream(self, watch: Watch) -> AsyncIterator[bytes]:
        """What a page is told from now on; whoever opens it has looked whether it may."""
        stream = Stream(watch)
        self._streams.add(stream)
        if self._is_closed:
            stream.end()
        elif self._task is None:
            self._task = asyncio.create_task(self._work())
        try:
            async for message in stream.messages():
                yield message
        finally:
            self._streams.discard(stream)

    def close(self) -> None:
        """Ends all streams, as the process ends. Pages come again, to another process or the next one."""
        self._is_closed = True
        for stream in self._streams:
            stream.end()

    async def _work(self) -> None:
        """Looks again and again until nobody is left, and leaves the database then."""
        clock = asyncio.get_running_loop()
        while self._streams and not self._is_closed:
            began = clock.time()
            try:
                await self._look()
            except Exception:
                log.exception("a look for the streams failed")
            await asyncio.sleep(max(began + SECONDS_BETWEEN_LOOKS - clock.time(), SECONDS_BETWEEN_LOOKS / 4))
        self._task = None
        await run_sync(self._leave, limiter=self._thread)

    async def _look(self) -> None:
        streams = list(self._streams)
        try:
            rows = await run_sync(self._ask, [stream.watch for stream in streams], limiter=self._thread)
        except (SQLAlchemyError, DatabaseError) as error:
            if not self._is_away:
                log.warning("streams wait for the database: %s", str(error).partition("\n")[0])
            self._is_away = True
            for stream in streams:
                stream.away()
            return
        self._is_away = False
        admitted = set()
        for places, standing, jobs in rows:
            in_organization = _as_data(standing | {"jobs": jobs})
            by_job: dict[str, bytes] = {}
            for place in places:
                stream = streams[place - 1]
                admitted.add(stream)
                stream.back()
                stream.tell("standing", in_organization)
                job = str(stream.watch.job)
                if job in jobs:
                    stream.tell("job", by_job.setdefault(job, _as_data(jobs[job])))
        for stream in streams:
            if stream not in admitted:
                stream.end(_ENDED)

    def _ask(self, watches: Sequence[Watch]) -> Sequence[tuple[Sequence[int], dict[str, Any], Mapping[str, Any]]]:
        """One statement, in a session of the hub's own; a broken one is replaced with the next look."""
        if self._connection is None:
            self._own = self._own or engine_apart(self._engine)
            self._connection = self._own.connect().execution_options(isolation_level="AUTOCOMMIT")
        try:
            rows = self._connection.execute(
                text(
                    """select places, standing, jobs_standing
                       from web.watched(cast(:credentials as text[]), cast(:slugs as text[]), cast(:jobs as uuid[]))"""
                ),
                {
                    "credentials": [watch.fingerprint for watch in watches],
                    "slugs": [watch.slug for watch in watches],
                    "jobs": [watch.job for watch in watches],
                },
            )
            return [(row.places, row.standing, row.jobs_standing) for row in rows]
        except SQLAlchemyError:
            self._leave()
            raise

    def _leave(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()
            connection.close()


def _as_data(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
