"""Requests that ask for the same again and again, such as how far a job is.

Those that wait at the same time, equal and of one caller, are answered together: by one look, which begins after the
last of them came. So nobody is told anything older than alone. The look counts each of them, and lets them in or not.
"""

from __future__ import annotations

from asyncio import CancelledError, Future, Lock, get_running_loop, shield
from collections.abc import Awaitable, Callable, Hashable
from weakref import WeakValueDictionary

from fastapi import Request, Response

from invoice_pipelines.web.callers import RequestCaller


class _Round:
    """Those who wait for a look that has not begun. What it gives is None where the one who looks broke off."""

    def __init__(self, looks: RequestCaller) -> None:
        self.looks = looks
        self.others: list[RequestCaller] = []
        self.given: Future[Response | None] = get_running_loop().create_future()


class Polls:
    """The polls of an application."""

    def __init__(self) -> None:
        self._next: dict[Hashable, _Round] = {}
        self._looking: WeakValueDictionary[Hashable, Lock] = WeakValueDictionary()

    async def answer(
        self, request: Request, caller: RequestCaller, look: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        """Looks for this one and all equal ones that wait by then, or waits for who does."""
        key = (caller.same_caller, request.scope["raw_path"], request.scope["query_string"])
        while (waiting := self._next.get(key)) is not None:
            waiting.others.append(caller)
            if (given := await shield(waiting.given)) is not None:
                caller.follow(waiting.looks)
                return _copy(given)
        waiting = self._next[key] = _Round(caller)
        looking = self._looking.setdefault(key, Lock())
        try:
            try:
                await looking.acquire()
            finally:
                del self._next[key]
            try:
                caller.others = waiting.others
                given = await look(request)
            finally:
                looking.release()
        except CancelledError:
            waiting.given.set_result(None)
            raise
        except BaseException as error:
            waiting.given.set_exception(error)
            waiting.given.exception()  # perhaps nobody waits for it
            raise
        waiting.given.set_result(given)
        return given


def _copy(given: Response) -> Response:
    copy = Response(given.body, given.status_code)
    copy.raw_headers = list(given.raw_headers)
    return copy
