"""`invoice-pipelines web` in a process of its own, over an embedded PostgreSQL that a test can kill as well."""

from __future__ import annotations

import os
import signal
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from invoice_pipelines.database import create_app_engine, create_login_engine
from invoice_pipelines.database.access import EMBEDDED_DATABASE, prepare_databases
from invoice_pipelines.database.embedded import EmbeddedServer
from invoice_pipelines.database.roles import APP
from invoice_pipelines.organizations import Address
from invoice_pipelines.settings import Settings
from invoice_pipelines_tests.conftest import TestDatabase
from invoice_pipelines_tests.support.programs import COMMAND_LINE, Program
from invoice_pipelines_tests.support.server import listens
from invoice_pipelines_tests.support.waiting import wait_for
from invoice_pipelines_tests.support.web import Tenant, open_tenant

WITHOUT_LIMITS = {
    "INVOICE_PIPELINES_WEB_REQUESTS_PER_MINUTE": "0",
    "INVOICE_PIPELINES_WEB_ADDRESS_REQUESTS_PER_MINUTE": "0",
}

THAT_SELLS: dict[str, Any] = {
    "vat_id": "DE123456788",
    "iban": "DE02120300000000202051",
    "address": Address(street="Hafenweg 1", city="Bremen", post_code="28195"),
}


@dataclass
class WebProcess:
    """The web of a home folder, on ports that stay the same over its starts."""

    home: Path
    variables: Mapping[str, str]
    open_files: int | None = None
    port: int = field(default_factory=lambda: _free_port())
    health_port: int = field(default_factory=lambda: _free_port())
    program: Program | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Returns when it is ready."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("INVOICE_PIPELINES_")}
        ports = {"INVOICE_PIPELINES_WEB_PORT": self.port, "INVOICE_PIPELINES_WEB_HEALTH_PORT": self.health_port}
        environment = {**clean, **self.variables, **{name: str(port) for name, port in ports.items()}}
        environment["INVOICE_PIPELINES_WEB_URL"] = self.url
        code = COMMAND_LINE
        if self.open_files is not None:
            limits = f"({self.open_files}, resource.getrlimit(resource.RLIMIT_NOFILE)[1])"
            code = f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, {limits}); {code}"
        self.program = Program(code, "web", environment={**environment, "DAGSTER_HOME": str(self.home)})
        self.wait_until_ready()

    def wait_until_ready(self, seconds: float = 60) -> None:
        wait_for("the web", lambda: self.health("ready") == 200 and self.listens(), seconds, instead=self.log)

    def health(self, of: str) -> int:
        """The status of /health/live or /health/ready; 0 where nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.health_port}/health/{of}", timeout=20) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    def kill(self) -> None:
        """SIGKILL; returns when the process is gone."""
        self._process.kill()
        self._process.wait()

    def terminate(self) -> float:
        """SIGTERM; returns after how many seconds the process was gone. It must have ended by itself."""
        began = time.monotonic()
        os.kill(self._process.pid, signal.SIGTERM)
        assert self._process.wait() == 0, f"{self._process.returncode} {self.log()}"
        return time.monotonic() - began

    def resident_mb(self) -> float:
        """Its resident memory."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    def log(self) -> str:
        """What it has logged."""
        return self._process.complaints()

    @property
    def _process(self) -> Program:
        assert self.program is not None
        return self.program

    def listens(self) -> bool:
        return listens(self.port)


@dataclass(frozen=True)
class Installation:
    """A running web with its database and two organizations."""

    web: WebProcess
    server: EmbeddedServer
    database: TestDatabase
    a: Tenant
    b: Tenant

    def path(self, tenant: Tenant, rest: str) -> str:
        """The address of a resource of an organization."""
        return f"/api/v1/organizations/{tenant.slug}/{rest}"


@contextmanager
def installation(home: Path, *, open_files: int | None = None, **variables: str) -> Iterator[Installation]:
    """An installation below `home` for as long as the block lasts; `variables` are settings of its web, `open_files`
    how many files it may open at first.
    """
    server = EmbeddedServer(home / "postgresql")
    with ExitStack() as stack:
        server.acquire()
        stack.callback(server.release)
        prepare_databases(Settings(DAGSTER_HOME=home))  # type: ignore[call-arg]
        app_url, owner_url = server.url(EMBEDDED_DATABASE, APP), server.url(EMBEDDED_DATABASE)
        engine, superuser = create_app_engine(app_url, pool_size=20), create_login_engine(owner_url)
        stack.callback(engine.dispose)
        stack.callback(superuser.dispose)
        database = TestDatabase(engine, superuser, app_url, owner_url)
        web = WebProcess(home, WITHOUT_LIMITS | variables, open_files)
        web.start()
        stack.callback(web.kill)
        yield Installation(
            web, server, database, open_tenant(database, **THAT_SELLS), open_tenant(database, **THAT_SELLS)
        )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
