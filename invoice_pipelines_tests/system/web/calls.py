"""Many requests at once, by threads with a connection each; and how long their answers took."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from typing import Any


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; status 0 where the connection ended without an answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str | None:
        """Of a problem."""
        is_problem = self.headers.get("content-type") == "application/problem+json"
        return str(self.json()["code"]) if is_problem else None


class ApiClient:
    """A client that keeps its connection, and makes another one where that is gone."""

    def __init__(self, port: int, timeout: float = 60) -> None:
        self._port, self._timeout = port, timeout
        self._connection: HTTPConnection | None = None

    def call(
        self, method: str, path: str, secret: str | None = None, *, body: Any = None, key: str | None = None
    ) -> Answer:
        """`secret` is that of a token or a session, `body` becomes JSON, `key` an Idempotency-Key."""
        headers = {} if secret is None else {"Authorization": f"Bearer {secret}"}
        if key is not None:
            headers["Idempotency-Key"] = key
        content = None
        if body is not None:
            content, headers["Content-Type"] = json.dumps(body).encode(), "application/json"
        try:
            if self._connection is None:
                self._connection = HTTPConnection("127.0.0.1", self._port, timeout=self._timeout)
            self._connection.request(method, path, content, headers)
            answer = self._connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        except (OSError, HTTPException):
            self.close()
            return Answer(0, {}, b"")

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


@dataclass
class Figures:
    """What a load met with: the seconds that answers took, and how often each status came."""

    seconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)

    def add(self, seconds: float, status: int) -> None:
        self.seconds.append(seconds)
        self.statuses[status] += 1

    @property
    def errors(self) -> int:
        return sum(count for status, count in self.statuses.items() if status == 0 or status >= 500)

    def percentile(self, share: float) -> float:
        return sorted(self.seconds)[min(int(len(self.seconds) * share), len(self.seconds) - 1)]

    def __str__(self) -> str:
        statuses = ", ".join(f"{count} x {status}" for status, count in sorted(self.statuses.items()))
        p50, p99 = self.percentile(0.5) * 1000, self.percentile(0.99) * 1000
        return f"{len(self.seconds)} requests, p50 {p50:.0f} ms, p99 {p99:.0f} ms, {self.errors} errors ({statuses})"


def at_once(work: Sequence[Callable[[], None]]) -> None:
    """Does each in a thread of its own, begun together; raises the first error of any."""
    barrier, failed = threading.Barrier(len(work)), []

    def run(one: Callable[[], None]) -> None:
        barrier.wait()
        try:
            one()
        except BaseException as error:  # noqa: BLE001 - given to the test
            failed.append(error)

    threads = [threading.Thread(target=run, args=(one,), daemon=True) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]


def steady_load(
    port: int, calls: Iterable[Callable[[ApiClient], Answer]], *, rate: float, seconds: float, clients: int = 64
) -> Figures:
    """Makes calls at a rate, whether or not the ones before are answered, as long as a client is free. A time is
    measured from when the call was due.
    """
    lock, figures, following = threading.Lock(), Figures(), iter(calls)
    due = began = time.monotonic()

    def client() -> None:
        nonlocal due
        program = ApiClient(port)
        while True:
            with lock:
                mine, call = due, next(following)
                due += 1 / rate
            if mine > began + seconds:
                break
            time.sleep(max(mine - time.monotonic(), 0))  # so many calls a second, however long answers take
            answer = call(program)
            with lock:
                figures.add(time.monotonic() - mine, answer.status)
        program.close()

    at_once([client] * clients)
    return figures
