"""A program that takes webhooks: a real HTTP server on this machine, which answers as a test wants it to."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Got:
    """A request that arrived."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def event(self) -> Any:
        return json.loads(self.body)


@dataclass
class Reply:
    """What is answered; `seconds` passes before, and `drips` lets the body come a byte at a time, so slowly."""

    status: int = 200
    body: bytes = b"ok"
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0
    drips: float = 0


class Receiver:
    """Answers 200, or what `replies` says in their order; then what `answer` says."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.got: list[Got] = []
        self.replies: list[Reply] = []
        self.answer: Callable[[Got], Reply] = lambda _: Reply()
        receiver, lock = self, threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                got = Got(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
                with lock:
                    receiver.got.append(got)
                    reply = receiver.replies.pop(0) if receiver.replies else receiver.answer(got)
                time.sleep(reply.seconds)
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(reply.body)))
                self.end_headers()
                for byte in reply.body if reply.drips else ():
                    time.sleep(reply.drips)
                    self.wfile.write(bytes([byte]))
                    self.wfile.flush()
                if not reply.drips:
                    self.wfile.write(reply.body)

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, *_: Any) -> None:
                pass  # who waits no longer hangs up

        self._server = Server(("127.0.0.1", 0), Handler)
        self._scheme = "http"
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
            self._scheme = "https"

    def __enter__(self) -> Receiver:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"{self._scheme}://localhost:{self.port}/hooks?from=us"
