"""How the web is run: the API on one port, its health on another one, until the process is told to stop."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import Thread

import uvicorn
from starlette.types import ASGIApp

from invoice_pipelines.database import create_login_engine
from invoice_pipelines.database.access import database_urls, open_database, open_web_database, session_limits
from invoice_pipelines.settings import Settings
from invoice_pipelines.web.app import create_app
from invoice_pipelines.web.health import create_health_app
from invoice_pipelines.web.measures import Measures

SECONDS_TO_FINISH = 20
"""For so long a request may go on after the process was told to stop."""
_LOOPBACK = "127.0.0.1"
_FOR_READINESS = 1


def serve(settings: Settings) -> None:
    """Serves until SIGINT or SIGTERM. Raises SchemaError, and OSError for a port that is taken."""
    _log_as(settings.log_format)
    measures = Measures()
    with (
        open_web_database(settings, pool_size=settings.web_connections + _FOR_READINESS) as web,
        open_database(settings, application_name="invoice_pipelines_figures") as application,
    ):
        dagster = create_login_engine(database_urls(settings).dagster, limits=session_limits(settings))
        try:
            health = create_health_app(web, application, dagster, measures)
            with running(server_of(health, settings, _LOOPBACK, settings.web_health_port)):
                server_of(create_app(web, settings, measures), settings, settings.web_host, settings.web_port).run()
        finally:
            dagster.dispose()


def server_of(app: ASGIApp, settings: Settings, host: str, port: int) -> uvicorn.Server:
    """The server of an application; port 0 is a free one."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            proxy_headers=True,
            forwarded_allow_ips=list(settings.web_trusted_proxies),
            server_header=False,
            access_log=False,
            log_config=None,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=SECONDS_TO_FINISH,
        )
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


def _log_as(log_format: str) -> None:
    handler = logging.StreamHandler()
    plain = logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s")
    handler.setFormatter(_JsonLines() if log_format == "json" else plain)
    logging.basicConfig(level=logging.INFO, handlers=[handler])


class _JsonLines(logging.Formatter):
    """One object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """As `logging` asks for it."""
        said = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            said["traceback"] = self.formatException(record.exc_info)
        return json.dumps(said, ensure_ascii=False)
