"""How answers look on the wire: envelopes, and faults in each of the shapes that QuickBooks has for them."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from xml.sax.saxutils import escape, quoteattr

from invoice_pipelines.workshop.sandbox.quickbooks.clock import envelope_time
from invoice_pipelines.workshop.sandbox.quickbooks.wire.json_text import Document, dumps
from invoice_pipelines.workshop.sandbox.quickbooks.wire.refusals import Refusal

JSON = "application/json;charset=UTF-8"
XML = "application/xml;charset=UTF-8"
HTML = "text/html;charset=UTF-8"


@dataclass
class Answer:
    """What goes back for a request."""

    status: int
    body: str
    content_type: str = JSON
    headers: dict[str, str] = field(default_factory=lambda: {"intuit_tid": new_tid(), "QBO-Version": "1992.124"})
    code: str = ""
    """Of the first error; empty: none."""


def new_tid() -> str:
    """As the header `intuit_tid` has it."""
    return f"1-{uuid.uuid4().hex[:8]}-{uuid.uuid4().hex[:24]}"


def fault_text(refusals: Sequence[Refusal]) -> str:
    """The value of `Fault`."""
    errors = [
        {"Message": one.message, "Detail": one.detail, "code": one.code, "element": one.element} for one in refusals
    ]
    return dumps({"Error": errors, "type": refusals[0].kind})


def refused(refusals: Sequence[Refusal], at: datetime, *, status: int | None = None) -> Answer:
    """The usual fault."""
    body = f'{{"Fault":{fault_text(refusals)},"time":"{envelope_time(at)}"}}'
    return Answer(status or refusals[0].status, body, code=refusals[0].code)


def refused_in_xml(refusal: Refusal, at: datetime, status: int) -> Answer:
    """As the gateway sometimes answers, even to those who accept JSON only."""
    body = (
        '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
        f'<IntuitResponse time="{envelope_time(at)}" xmlns="http://schema.intuit.com/finance/v3">'
        f'<Fault type="{refusal.kind}"><Error code={quoteattr(refusal.code)}>'
        f"<Message>{escape(refusal.message)}</Message><Detail>{escape(refusal.detail)}</Detail>"
        "</Error></Fault></IntuitResponse>"
    )
    return Answer(status, body, XML, code=refusal.code)


def refused_by_gateway(code: int, name: str, detail: str, at: datetime, status: int = 401) -> Answer:
    """The gateway's own shape: lower case, with the time in milliseconds since 1970."""
    body: Document = {
        "warnings": None,
        "intuitObject": None,
        "fault": {
            "error": [
                {
                    "message": f"message={name}; errorCode={code:06}; statusCode={status}",
                    "detail": detail,
                    "code": str(code),
                    "element": None,
                }
            ],
            "type": "AUTHENTICATION" if status == 401 else "AUTHORIZATION",
        },
        "report": None,
        "queryResponse": None,
        "batchItemResponse": [],
        "attachableResponse": [],
        "syncErrorResponse": None,
        "requestId": None,
        "time": int(at.timestamp() * 1000),
        "status": None,
        "cdcresponse": [],
    }
    return Answer(status, dumps(body), code=str(code))


def throttle_refusal(status: int = 429) -> Refusal:
    """Too many calls."""
    return Refusal(
        "3001",
        f"message=ThrottleExceeded; errorCode=003001; statusCode={status}",
        "The request limit was reached. Try again later",
        kind="SERVICE",
        status=status,
    )


def throttled(at: datetime, shape: str = "json", retry_after: str | None = None) -> Answer:
    """Too many calls: 429 in JSON or XML, or 403 as it was once."""
    if shape == "xml":
        answer = refused_in_xml(throttle_refusal(), at, 429)
    else:
        answer = refused([throttle_refusal(403 if shape == "403" else 429)], at)
    if retry_after is not None:
        answer.headers["Retry-After"] = retry_after
    return answer


def html_page(status: int, title: str) -> Answer:
    """What a proxy in between answers."""
    return Answer(
        status, f"<html><head><title>{status} {title}</title></head><body><h1>{title}</h1></body></html>", HTML
    )
