"""The HTTP side of the Twilio sandbox: requests, rules, faults."""

from __future__ import annotations

import base64
import hmac
import json
import re
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import parse_qsl, urlencode

from invoice_pipelines.workshop.sandbox.http_server import HttpServer, Request, Response
from invoice_pipelines.workshop.sandbox.injected_faults import Faults, Injected
from invoice_pipelines.workshop.sandbox.twilio.faults import NOT_CREATED, REFUSALS, Fault
from invoice_pipelines.workshop.sandbox.twilio.messages import API_VERSION, Messages, Sent

ACCOUNT_SID = "AC" + "5a" * 16
AUTH_TOKEN = "a-token-for-trying-out"  # noqa: S105  # of nobody

_PATIENCE = 200.0
_PAGE_SIZE, _LARGEST_PAGE = 50, 1000
_LONGEST_BODY = 1600
_PHONE = re.compile(r"\+[1-9][0-9]{6,14}")
_ALPHANUMERIC = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9 &+_-]{1,11}")
_SERVICE = re.compile(r"MG[0-9a-f]{32}")
_CONTENT = re.compile(r"HX[0-9a-f]{32}")


class TwilioServer:
    """Twilio on loopback, for as long as the context lasts."""

    def __init__(
        self,
        state: Path | None = None,
        port: int = 0,
        *,
        account_sid: str = ACCOUNT_SID,
        auth_token: str = AUTH_TOKEN,
        sent_after: float = 0.0,
        ended_after: float = 0.0,
    ) -> None:
        self.account_sid = account_sid
        self.auth_token = auth_token
        self.faults: Faults[Fault] = Faults()
        self._messages = Messages(state, sent_after=sent_after, ended_after=ended_after)
        self._http = HttpServer(port, self._handle)
        self._closing = threading.Event()

    def __enter__(self) -> TwilioServer:
        self._http.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._http.stop()
        self._messages.close()

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._http.port

    @property
    def url(self) -> str:
        """As INVOICE_PIPELINES_TWILIO_URL names it."""
        return f"http://127.0.0.1:{self._http.port}"

    @property
    def environment(self) -> dict[str, str]:
        """Variables that make this the Twilio of the project."""
        return {
            "INVOICE_PIPELINES_TWILIO_URL": self.url,
            "INVOICE_PIPELINES_TWILIO_ACCOUNT_SID": self.account_sid,
            "INVOICE_PIPELINES_TWILIO_AUTH_TOKEN": self.auth_token,
        }

    def messages(self, to: str | None = None) -> list[Sent]:
        """All that were created, or those to a recipient as the API spells it (whatsapp:+49...), oldest first."""
        return self._messages.all(to)

    def _handle(self, request: Request) -> Response:
        root = f"/{API_VERSION}/Accounts/{self.account_sid}/Messages"
        if not self._is_known(request.headers.get("authorization", "")):
            return _refused(401, 20003, "Authenticate")
        if not (request.path == f"{root}.json" or request.path.startswith(f"{root}/")):
            return _refused(404, 20404, f"The requested resource {request.path} was not found")
        if request.method == "POST" and request.path == f"{root}.json":
            form = dict(parse_qsl(request.body.decode(), keep_blank_values=True))
            fault = self.faults.take(list(Fault), [form.get("To", "")])
            if fault is not None and fault.fault in NOT_CREATED:
                return self._not_done(fault)
            return self._create(form, fault, request)
        if request.method != "GET":
            return _refused(405, 20004, "Method not allowed")
        if request.path == f"{root}.json":
            return self._list(request)
        message = self._messages.get(request.path.removeprefix(f"{root}/").removesuffix(".json"))
        if message is None:
            return _refused(404, 20404, f"The requested resource {request.path} was not found")
        return _json(200, self._messages.shown(message, self.account_sid))

    def _create(self, form: dict[str, str], fault: Injected[Fault] | None, request: Request) -> Response:
        if refusal := _refusal_of(form):
            return _refused(*refusal)
        to, kind = form["To"], None if fault is None else fault.fault
        if kind in REFUSALS and kind is not Fault.INTERNAL_ERROR_AFTER:
            status, code, message = REFUSALS[kind]
            return _refused(status, code, message.format(to=to, sender=form.get("From", "")))
        ends_as, error = "delivered", None
        if kind is Fault.UNDELIVERED:
            ends_as, error = "undelivered", 30003
        elif kind is Fault.FAILED:
            ends_as, error = "failed", 63016 if to.startswith("whatsapp:") else 30006
        content = None
        if "ContentSid" in form:
            content = f"{form['ContentSid']} {form.get('ContentVariables', '{}')}"
        body = form.get("Body", content or "")
        made = self._messages.add(to, form.get("From"), form.get("MessagingServiceSid"), body, content, ends_as, error)
        if kind is Fault.INTERNAL_ERROR_AFTER:
            return _refused(*REFUSALS[kind])
        answer = _json(201, self._messages.shown(made, self.account_sid) | {"status": "queued", "date_sent": None})
        if kind is Fault.DROP_AFTER_ACCEPT:
            return Response(0, wire="none")
        if kind is Fault.CUT_ANSWER:
            return Response(answer.status, answer.body, answer.headers, "cut")
        if fault is not None and kind is Fault.HANG_AFTER_ACCEPT:
            self._wait(request, _PATIENCE if fault.seconds is None else fault.seconds)
            return Response(0, wire="none")
        if fault is not None and kind is Fault.SLOW:
            self._wait(request, 1.0 if fault.seconds is None else fault.seconds)
        return answer

    def _not_done(self, fault: Injected[Fault]) -> Response:
        if fault.fault is Fault.DROP_BEFORE_ACCEPT:
            return Response(0, wire="none")
        if fault.fault is Fault.BAD_GATEWAY:
            page = b"<html><head><title>502 Bad Gateway</title></head></html>"
            return Response(502, page, {"Content-Type": "text/html"})
        answer = _refused(*REFUSALS[fault.fault])
        if fault.seconds is not None and fault.fault in (Fault.TOO_MANY_REQUESTS, Fault.SERVICE_UNAVAILABLE):
            return Response(answer.status, answer.body, {**answer.headers, "Retry-After": f"{fault.seconds:.0f}"})
        return answer

    def _list(self, request: Request) -> Response:
        given = request.parameters
        size = min(max(int(given.get("PageSize", _PAGE_SIZE)), 1), _LARGEST_PAGE)
        page = int(given.get("Page", 0))
        since = given.get("DateSent>")
        after = None if since is None else datetime.fromisoformat(since.replace("Z", "+00:00"))
        if after is not None and after.tzinfo is None:
            after = after.replace(tzinfo=UTC)
        found = self._messages.page(
            given.get("To"), given.get("From"), None if after is None else after.timestamp(), size, page
        )

        def uri(number: int) -> str:
            query = urlencode({**given, "PageSize": size, "Page": number})
            return f"{request.path}?{query}"

        shown = found[:size]
        return _json(
            200,
            {
                "end": page * size + max(len(shown) - 1, 0),
                "first_page_uri": uri(0),
                "messages": [self._messages.shown(one, self.account_sid) for one in shown],
                "next_page_uri": uri(page + 1) if len(found) > size else None,
                "page": page,
                "page_size": size,
                "previous_page_uri": uri(page - 1) if page else None,
                "start": page * size,
                "uri": uri(page),
            },
        )

    def _is_known(self, authorization: str) -> bool:
        expected = base64.b64encode(f"{self.account_sid}:{self.auth_token}".encode()).decode()
        return hmac.compare_digest(authorization, f"Basic {expected}")

    def _wait(self, request: Request, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and not request.gone():
            if self._closing.wait(min(left, 0.02)):
                return


def _refusal_of(form: dict[str, str]) -> tuple[int, int, str] | None:
    """What is wrong with a message by the rules of the service."""
    to, sender, service = form.get("To", ""), form.get("From"), form.get("MessagingServiceSid")
    is_whatsapp = to.startswith("whatsapp:")
    if not to:
        return 400, 21604, "A 'To' phone number is required."
    if not _PHONE.fullmatch(to.removeprefix("whatsapp:")):
        return 400, 21211, f"Invalid 'To' Phone Number: {to}"
    if not sender and not service:
        return 400, 21603, "A 'From' phone number is required."
    if service and not _SERVICE.fullmatch(service):
        return 400, 21705, "The Messaging Service Sid is invalid"
    if sender and is_whatsapp != sender.startswith("whatsapp:"):
        return 400, 21910, "Invalid From and To pair. From and To should be of the same channel"
    plain = (sender or "").removeprefix("whatsapp:")
    if sender and not _PHONE.fullmatch(plain) and (is_whatsapp or not _ALPHANUMERIC.fullmatch(plain)):
        return 400, 21212, f"Invalid From Number (caller ID): {sender}"
    if "ContentSid" in form:
        if not _CONTENT.fullmatch(form["ContentSid"]):
            return 400, 21655, "The ContentSid is invalid."
        try:
            variables = json.loads(form.get("ContentVariables", "{}"))
        except ValueError:
            variables = None
        if not isinstance(variables, dict):
            return 400, 21656, "The ContentVariables Parameter is invalid."
    elif not form.get("Body"):
        return 400, 21602, "Message body is required."
    if len(form.get("Body", "")) > _LONGEST_BODY:
        return 400, 21617, "The concatenated message body exceeds the 1600 character limit"
    return None


def _json(status: int, content: Any) -> Response:
    return Response(status, json.dumps(content).encode(), {"Content-Type": "application/json"})


def _refused(status: int, code: int, message: str) -> Response:
    info = f"https://www.twilio.com/docs/errors/{code}"
    return _json(status, {"code": code, "message": message, "more_info": info, "status": status})
