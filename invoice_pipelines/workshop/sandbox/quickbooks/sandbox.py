"""The sandbox on its socket: its parts, started and stopped together, and controlled under /sandbox."""

from __future__ import annotations

from types import TracebackType

from invoice_pipelines.workshop.sandbox.http_server import HttpServer, Request, Response
from invoice_pipelines.workshop.sandbox.quickbooks.control import control
from invoice_pipelines.workshop.sandbox.quickbooks.parts import SandboxParts


class Sandbox(SandboxParts):
    """A QuickBooks Online on loopback, for as long as the context lasts."""

    def __enter__(self) -> Sandbox:
        self._http = HttpServer(self.port, self._handle)
        self.port = self._http.port
        self.server.url = self.url
        self._http.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.server.closing.set()
        self._http.stop()
        self._store.close()

    def _handle(self, request: Request) -> Response:
        if request.path == "/sandbox" or request.path.startswith("/sandbox/"):
            return control(self, request)
        return self.server.handle(request)
