"""Streams of open pages, as a program reads them."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Thread
from typing import Any
from uuid import UUID

import httpx

from invoice_pipelines.web.callers import SESSION_COOKIE
from invoice_pipelines_tests.support.waiting import wait_for


@dataclass
class Listener:
    """An open stream, and what came on it."""

    response: httpx.Response
    heard: list[tuple[str, Any]] = field(default_factory=list)
    is_over: bool = False

    def listen(self) -> None:
        event = ""
        try:
            for line in self.response.iter_lines():
                name, _, value = line.partition(": ")
                if name == "event":
                    event = value
                elif name == "data":
                    self.heard.append((event, json.loads(value)))
        except httpx.HTTPError:
            pass
        self.is_over = True

    def last(self, event: str) -> Any:
        """The newest message of a kind; None: none came."""
        return next((data for name, data in reversed(self.heard) if name == event), None)

    def wait(self, until: Any, seconds: float = 10) -> float:
        """Waits until a function of this is true; returns for how long."""
        began = time.monotonic()
        wait_for("what a page waits for", lambda: until(self), seconds, instead=lambda: self.heard[-3:])
        return time.monotonic() - began


@contextmanager
def listening(url: str, slug: str, session: str, job: UUID | None = None) -> Iterator[Listener]:
    """A stream for the length of the block, opened as a browser does it."""
    headers = {"Cookie": f"{SESSION_COOKIE}={session}", "Sec-Fetch-Site": "same-origin"}
    with (
        httpx.Client(base_url=url, headers=headers, timeout=60, verify=False) as client,
        client.stream("GET", f"/desk/{slug}/events", params={} if job is None else {"job": str(job)}) as response,
    ):
        listener = Listener(response)
        assert response.status_code == 200, response.read()
        Thread(target=listener.listen, daemon=True).start()
        try:
            yield listener
        finally:  # a socket that a thread reads from is not closed before it has read
            with suppress(OSError):
                response.extensions["network_stream"].get_extra_info("socket").shutdown(socket.SHUT_RDWR)
