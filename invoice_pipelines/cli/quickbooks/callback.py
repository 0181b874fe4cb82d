"""The address on this machine to which QuickBooks sends a person's browser back."""

from __future__ import annotations

import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import urlsplit

from invoice_pipelines.quickbooks.api.faults import QuickBooksError

_SAID = b"<html><body><p>Thank you. The command line says how it went; this page can be closed.</p></body></html>"


class Callback:
    """Waits for one call of the redirect address. Made before the person is told the page to open; raises
    QuickBooksError where nothing can listen there.
    """

    def __init__(self, redirect_uri: str) -> None:
        address = urlsplit(redirect_uri)
        self._path = address.path or "/"
        self._redirected_to: str | None = None
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                is_it = urlsplit(self.path).path == outer._path
                self.send_response(200 if is_it else 404)
                self.send_header("Content-Type", "text/html")
                self.send_header("Content-Length", str(len(_SAID) if is_it else 0))
                self.end_headers()
                if is_it:
                    self.wfile.write(_SAID)
                    outer._redirected_to = self.path

            def log_message(self, format: str, *args: object) -> None:
                """The address holds a code, which belongs into no log."""

        try:
            self._server = HTTPServer((address.hostname or "", address.port or 80), Handler)
        except OSError as error:
            raise QuickBooksError(
                f"Nothing can listen at {redirect_uri}, where QuickBooks sends the browser back to: {error.strerror}. "
                "End what listens there, or set INVOICE_PIPELINES_QUICKBOOKS_REDIRECT_URI, here and for the app at "
                "developer.intuit.com, to another port."
            ) from None
        self._server.timeout = 0.5

    def wait(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> str | None:
        """The address that was called; None: none within the time."""
        deadline = clock() + seconds
        try:
            while self._redirected_to is None and clock() < deadline:
                self._server.handle_request()
        finally:
            self._server.server_close()
        return self._redirected_to
