"""The way of a request through the sandbox: fault, token, throttle, latency, answer, log."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from email.utils import format_datetime

from invoice_pipelines.workshop.sandbox.http_server import Request, Response, Wire
from invoice_pipelines.workshop.sandbox.quickbooks import injection, oauth
from invoice_pipelines.workshop.sandbox.quickbooks.clock import Clock
from invoice_pipelines.workshop.sandbox.quickbooks.injection import Fault, Faults, Injection
from invoice_pipelines.workshop.sandbox.quickbooks.oauth import OAuth
from invoice_pipelines.workshop.sandbox.quickbooks.service import Call, Item, Service
from invoice_pipelines.workshop.sandbox.quickbooks.switches import Switches
from invoice_pipelines.workshop.sandbox.quickbooks.throttle import Throttle
from invoice_pipelines.workshop.sandbox.quickbooks.traffic import Seen, Traffic
from invoice_pipelines.workshop.sandbox.quickbooks.wire import shapes
from invoice_pipelines.workshop.sandbox.quickbooks.wire.json_text import dumps, loads
from invoice_pipelines.workshop.sandbox.quickbooks.wire.refusals import Refusal
from invoice_pipelines.workshop.sandbox.quickbooks.wire.shapes import Answer

_PATIENCE = 200.0
"""Seconds after which a call that hangs is cut; the service gives up after 120."""


class Server:
    """Answers requests to companies and to the authorization server."""

    def __init__(self, service: Service, tokens: OAuth, faults: Faults, traffic: Traffic) -> None:
        self.service = service
        self.tokens = tokens
        self.faults = faults
        self.traffic = traffic
        self.throttle = Throttle(service.switches)
        self.closing = threading.Event()
        self.url = ""

    @property
    def switches(self) -> Switches:
        """Of the service."""
        return self.service.switches

    @property
    def clock(self) -> Clock:
        """Of the service."""
        return self.service.clock

    def handle(self, request: Request) -> Response:
        """The response to any request outside of /sandbox."""
        parts = request.path.strip("/").split("/")
        if parts[:2] == ["v3", "company"] and len(parts) >= 4:
            return self._company(request, parts)
        return self._other(request)

    def _other(self, request: Request) -> Response:
        begin = time.monotonic()
        operation, fault = "", None
        wire: Wire = "whole"
        if request.path == "/oauth2/v1/tokens/bearer" and request.method == "POST":
            operation = "token"
            fault = self.faults.of_call("", "", operation, "")
            if fault is not None and fault.fault not in injection.APPLIED:
                answer, wire = self._go_wrong(fault, request)
            else:
                answer = self.tokens.token_answer(request.headers, request.body)
                if fault is not None:
                    answer, wire = self._go_wrong(fault, request, answer)
        elif request.path == "/v2/oauth2/tokens/revoke" and request.method == "POST":
            operation = "revoke"
            answer = self.tokens.revoke_answer(request.headers, _token_in(request))
        elif request.path == "/connect/oauth2":
            answer = self.tokens.authorize_answer(request.parameters, request.path)
        elif request.path.startswith("/.well-known/openid"):
            answer = oauth.discovery_answer(self.url)
        else:
            answer = shapes.html_page(404, "Not Found")
        if operation:
            call = Call(request.method, "", (), request.parameters, b"")
            self._note(request, call, answer, wire, "", begin, fault, [], operation)
        return self._response(answer, wire)

    def _company(self, request: Request, parts: list[str]) -> Response:
        begin = time.monotonic()
        call = Call(
            request.method,
            parts[2],
            tuple(part.lower() if index == 0 else part for index, part in enumerate(parts[3:])),
            request.parameters,
            request.body,
        )
        items: list[Item] = []
        token_realm, reason = self.tokens.realm_of(request.headers)
        text = call.statement if call.operation == "query" else request.body.decode("utf-8", "replace")
        fault = self.faults.of_call(call.realm, call.entity, call.operation, text)
        wire: Wire = "whole"
        if fault is not None and fault.fault not in injection.APPLIED:
            answer, wire = self._go_wrong(fault, request)
        elif reason:
            answer = oauth.refused_access(reason, self.clock.now())
        elif token_realm != call.realm:
            answer = shapes.refused_by_gateway(
                3100, "ApplicationAuthorizationFailed", "Application authorization failed", self.clock.now(), 403
            )
        else:
            answer = self._let_in(call, items)
            if fault is not None:
                answer, wire = self._go_wrong(fault, request, answer)
        self._note(request, call, answer, wire, token_realm, begin, fault, items, call.operation)
        return self._response(answer, wire)

    def _let_in(self, call: Call, items: list[Item]) -> Answer:
        wait = self.throttle.enter(call.realm, batch=call.operation == "batch")
        if wait is not None:
            return shapes.throttled(self.clock.now(), self.switches.throttle_shape, self._retry_after(wait))
        try:
            parts = call.body.count(b'"bId"') if call.operation == "batch" else 0
            latency = self.switches.latency_per_call + parts * self.switches.latency_per_item
            if latency and self.closing.wait(latency):
                return shapes.html_page(503, "Service Unavailable")
            return self._answered(call, items)
        finally:
            self.throttle.leave(call.realm)

    def _answered(self, call: Call, items: list[Item]) -> Answer:
        after: dict[str, Fault] = {}

        def item_fault(item: Item) -> Refusal | None:
            found = self.faults.of_item(call.realm, item.entity, item.operation, item.b_id)
            if found is None:
                return None
            if found.fault is Fault.ITEM:
                return injection.refusal_of(found.code)
            after[item.b_id] = found.fault
            return None

        answer = self.service.answer(call, item_fault, items)
        return _with_parts_missing(answer, after) if after and answer.status == 200 else answer

    def _go_wrong(self, fault: Injection, request: Request, answer: Answer | None = None) -> tuple[Answer, Wire]:
        """What the client sees, and how much of it."""
        what = fault.fault
        own = answer or Answer(0, "")
        if what in (Fault.HANG, Fault.TIME_OUT):
            self._wait(request, _PATIENCE if fault.seconds is None else fault.seconds)
            return own, "none"
        if what in (Fault.DROP, Fault.LOSE_ANSWER):
            return own, "none"
        if what is Fault.SLOW:
            self._wait(request, 1.0 if fault.seconds is None else fault.seconds)
            return own, "whole"
        if what is Fault.CUT:
            return own, "cut"
        if what is Fault.TRUNCATED:
            return Answer(own.status, own.body[: len(own.body) // 2], own.content_type, own.headers), "whole"
        return injection.answer_of(fault, self.clock.now()), "whole"

    def _wait(self, request: Request, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and not request.gone():
            if self.closing.wait(min(left, 0.02)):
                return

    def _retry_after(self, wait: float) -> str | None:
        if self.switches.retry_after == "none":
            return None
        if self.switches.retry_after == "seconds":
            return f"{max(1, -(-wait // 1)):.0f}"
        return format_datetime(self.clock.now().replace(microsecond=0) + timedelta(seconds=wait + 1), usegmt=True)

    def _response(self, answer: Answer, wire: Wire) -> Response:
        date = format_datetime(self.clock.now().replace(microsecond=0), usegmt=True)
        headers = {"Date": date, "Content-Type": answer.content_type, **answer.headers}
        return Response(answer.status, answer.body.encode(), headers, wire)

    def _note(
        self,
        request: Request,
        call: Call,
        answer: Answer,
        wire: Wire,
        token_realm: str,
        begin: float,
        fault: Injection | None,
        items: list[Item],
        operation: str,
    ) -> None:
        self.traffic.add(
            Seen(
                at=self.clock.now(),
                monotonic=begin,
                method=request.method,
                path=request.path,
                query=request.query,
                realm=call.realm,
                token_realm=token_realm,
                status=0 if wire == "none" else answer.status,
                code=answer.code,
                request_id=call.request_id,
                entity=call.entity,
                operation=operation,
                items=tuple(items),
                replayed="x-sandbox-replayed" in answer.headers,
                fault="" if fault is None else fault.fault.value,
                seconds=time.monotonic() - begin,
                authorization=request.headers.get("authorization", "")[-8:] if call.realm else "",
                body=request.body if call.realm else b"",
            )
        )


def _with_parts_missing(answer: Answer, after: dict[str, Fault]) -> Answer:
    content = loads(answer.body)
    parts = []
    for part in content["BatchItemResponse"]:
        what = after.get(part["bId"])
        if what is Fault.ITEM_WITHOUT_ID:
            del part["bId"]
        if what is not Fault.ITEM_MISSING:
            parts.append(part)
    return Answer(200, dumps({**content, "BatchItemResponse": parts}))


def _token_in(request: Request) -> str:
    try:
        sent = loads(request.body)
    except ValueError:
        return ""
    return str(sent.get("token", "")) if isinstance(sent, dict) else ""
