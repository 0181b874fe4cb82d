"""How the web is run: the API on one port, its health on another one, until the process is told to stop."""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from invoice_pipelines.accounts.oidc import register_sign_in_keys
from invoice_pipelines.database import create_login_engine
from invoice_pipelines.database.access import database_urls, open_database, open_web_database, session_limits
from invoice_pipelines.json_logs import write_json
from invoice_pipelines.settings import Settings
from invoice_pipelines.web.app import create_app
from invoice_pipelines.web.health import create_health_app
from invoice_pipelines.web.measures import Measures
from invoice_pipelines.web.problems import problem

SECONDS_TO_FINISH = 20
"""For so long a request may go on after the process was told to stop."""
SECONDS_FOR_HEAD = 30
"""A connection that sends no whole head of a request for so long is closed."""
_FOR_READINESS = 1


def serve(settings: Settings) -> None:
    """Serves until SIGINT or SIGTERM. Raises SchemaError, and OSError for a port that is taken."""
    _log_as(settings.log_format)
    _open_many_files()
    measures = Measures()
    with (
        open_web_database(settings, pool_size=settings.web_connections + _FOR_READINESS) as web,
        open_database(settings, application_name="invoice_pipelines_figures") as application,
    ):
        with application.begin() as connection:
            register_sign_in_keys(connection, settings)
        dagster = create_login_engine(database_urls(settings).dagster, limits=session_limits(settings))
        try:
            app = create_app(web, settings, measures, dagster=dagster)
            server = server_of(app, settings, settings.web_host, settings.web_port, app.state.hub.close)

            def takes_requests() -> bool:
                return server.started and not server.should_exit

            health = create_health_app(web, application, dagster, measures, settings, takes_requests)
            with running(server_of(health, settings, settings.web_health_host, settings.web_health_port)):
                server.run()
        finally:
            dagster.dispose()


def server_of(
    app: ASGIApp, settings: Settings, host: str, port: int, at_stop: Callable[[], None] | None = None
) -> uvicorn.Server:
    """The server of an application; port 0 is a free one. When it is told to stop it calls `at_stop`, and then waits
    for the requests that are still worked on.
    """
    return _Server(
        at_stop,
        uvicorn.Config(
            app,
            host=host,
            port=port,
            http=_Impatient,
            ws="none",
            proxy_headers=True,
            forwarded_allow_ips=list(settings.web_trusted_proxies),
            server_header=False,
            access_log=False,
            log_config=None,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=SECONDS_TO_FINISH,
        ),
    )


@contextmanager
def running(server: uvicorn.Server) -> Iterator[uvicorn.Server]:
    """Runs a server in a thread for the length of the block; it takes requests when the block begins."""
    thread = Thread(target=server.run, name="web", daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.01)
        if not thread.is_alive():
            raise OSError(
                f"port {server.config.port} of {server.config.host} cannot be used: it is taken, or not allowed"
            )
    try:
        yield server
    finally:
        server.should_exit = True
        thread.join()


class _Server(uvicorn.Server):
    """uvicorn's, which would wait for streams that nobody ends."""

    def __init__(self, at_stop: Callable[[], None] | None, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._at_stop = at_stop

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn calls it when it was told to stop."""
        if self._at_stop is not None:
            self._at_stop()
        await super().shutdown(sockets)


class _Impatient(HttpToolsProtocol):
    """HTTP as uvicorn speaks it, which waits for a head for ever, and refuses a wrong one in plain text."""

    _closes: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """As asyncio tells it."""
        super().connection_made(transport)
        self._closes = self.loop.call_later(SECONDS_FOR_HEAD, self.timeout_keep_alive_handler)

    def on_message_begin(self) -> None:
        """As the parser tells it."""
        super().on_message_begin()
        if self._closes is None:
            self._closes = self.loop.call_later(SECONDS_FOR_HEAD, self.timeout_keep_alive_handler)

    def on_headers_complete(self) -> None:
        """As the parser tells it."""
        self._stay()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """As the parser found something that is no request, or one whose head is too long."""
        answer = problem(400, "MALFORMED_REQUEST", "This is no request of HTTP, or its head is too long.")
        head = [(b"connection", b"close"), *answer.raw_headers]
        lines = [b"HTTP/1.1 400 Bad Request", *(name + b": " + value for name, value in head), b"", bytes(answer.body)]
        self.transport.write(b"\r\n".join(lines))
        self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """As asyncio tells it."""
        self._stay()
        super().connection_lost(exc)

    def _stay(self) -> None:
        if self._closes is not None:
            self._closes.cancel()
            self._closes = None


def _open_many_files() -> None:
    """A connection is an open file, and services begin with leave for a thousand of them."""
    if sys.platform != "win32":
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _log_as(log_format: str) -> None:
    if log_format == "json":
        write_json(logging.INFO)
    else:
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
