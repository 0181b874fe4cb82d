"""What goes around each request, whatever comes of it: its id, its headers, its measure, and the answer to a fault."""

from __future__ import annotations

import logging
import random
import re
import time

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from invoice_pipelines.json_logs import about
from invoice_pipelines.web.measures import Measures
from invoice_pipelines.web.problems import problem, unexpected

log = logging.getLogger("invoice_pipelines.web")

_TRACE_ID = re.compile(r"00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""Of each answer that does not say otherwise itself."""


class Outermost:
    """ASGI around the app. The id of a request is that of the caller's `traceparent`, if there is one, and is answered
    as `X-Trace-Id`.
    """

    def __init__(self, app: ASGIApp, measures: Measures) -> None:
        self._app = app
        self._measures = measures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 0
        told = _TRACE_ID.fullmatch(Headers(scope=scope).get("traceparent", ""))
        scope["trace_id"] = trace_id = told[1] if told else f"{random.getrandbits(128):032x}"
        about.set(lambda: {"request_id": trace_id, "organization": scope.get("path_params", {}).get("organization")})

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                if scope.get("scheme") == "https":
                    headers.setdefault("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
                headers["X-Trace-Id"] = trace_id
                for name, value in scope.get("answer_headers", {}).items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            if "\x00" in scope["path"] or b"%00" in scope["query_string"]:
                answer = problem(400, "MALFORMED_ADDRESS", "The address contains the character NUL.")
                await answer(scope, receive, send_with_headers)
            else:
                await self._app(scope, receive, send_with_headers)
        except Exception:
            log.exception("%s %s %s", trace_id, scope["method"], scope["path"])
            if status:  # half of the answer is out: the connection ends without the rest
                raise
            await unexpected(trace_id)(scope, receive, send_with_headers)
        finally:
            route = scope.get("route")
            self._measures.add(scope["method"], getattr(route, "path", "none"), status, time.perf_counter() - began)
