"""The HTTP server: connections that can be cut, answers that can be left half said. No word of QuickBooks."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal, TypeAlias
from urllib.parse import parse_qsl, urlsplit

Wire: TypeAlias = Literal["whole", "cut", "none"]

_RESET_AT_CLOSE = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Request:
    """What came, with header names in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    gone: Callable[[], bool]
    """Whether the client has closed the connection."""

    @property
    def parameters(self) -> dict[str, str]:
        """Of the query; a `+` is a blank."""
        return dict(parse_qsl(self.query, keep_blank_values=True))


@dataclass(frozen=True)
class Response:
    """What goes back: whole, cut in the middle, or not at all (both with a reset of the connection)."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    wire: Wire = "whole"


class HttpServer:
    """Serves on loopback, in threads, until it is stopped. After that no connection is left."""

    def __init__(self, port: int, handle: Callable[[Request], Response]) -> None:
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self) -> None:
                super().setup()
                with outer._lock:
                    outer._connections.add(self.connection)

            def finish(self) -> None:
                with outer._lock:
                    outer._connections.discard(self.connection)
                with contextlib.suppress(OSError):
                    super().finish()

            def handle_one_request(self) -> None:
                try:
                    super().handle_one_request()
                except OSError:
                    self.close_connection = True

            def log_message(self, format: str, *args: object) -> None:
                """The sandbox has a log of its own."""

            def serve(self) -> None:
                parts = urlsplit(self.path)
                length = int(self.headers.get("Content-Length") or 0)
                headers = {name.lower(): value for name, value in self.headers.items()}
                body = self.rfile.read(length)
                try:
                    response = handle(Request(self.command, parts.path, parts.query, headers, body, self._gone))
                except Exception as error:  # noqa: BLE001  # of the sandbox itself: the client shall see it, and go on
                    traceback.print_exc()
                    said = f"The sandbox itself failed: {type(error).__name__}: {error}"
                    response = Response(500, said.encode(), {"Content-Type": "text/plain;charset=UTF-8"})
                if response.wire == "none":
                    self._reset()
                    return
                self.send_response_only(response.status)
                for name, value in response.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(response.body)))
                self.end_headers()  # small answers leave in one piece with their headers
                if response.wire == "cut":
                    self.wfile.write(response.body[: len(response.body) // 2])
                    self._reset(gently=True)
                elif self.command != "HEAD":
                    self.wfile.write(response.body)

            def _gone(self) -> bool:
                try:
                    seen: bytes = self.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
                except BlockingIOError:
                    return False
                except OSError:
                    return True
                return not seen

            def _reset(self, gently: bool = False) -> None:
                self.close_connection = True
                with contextlib.suppress(OSError):
                    if not gently:
                        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_CLOSE)
                    self.connection.shutdown(socket.SHUT_RDWR)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = serve

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

        self._server = Server(("127.0.0.1", port), Handler)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def start(self) -> None:
        """Begins to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Ends for good, with all connections."""
        self._server.shutdown()
        self._server.server_close()
        with self._lock:
            left = list(self._connections)
        for connection in left:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._thread.join()
