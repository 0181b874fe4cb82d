"""What can be made to go wrong, and when: by the nth call, entity, operation, company, or by chance."""

from __future__ import annotations

import random
import threading
from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

from invoice_pipelines.workshop.sandbox.quickbooks.wire import refusals, shapes
from invoice_pipelines.workshop.sandbox.quickbooks.wire.refusals import Refusal
from invoice_pipelines.workshop.sandbox.quickbooks.wire.shapes import Answer


class Fault(StrEnum):
    """What can go wrong with a call. "Applied" faults happen when QuickBooks has done what was asked."""

    DROP = "DROP"
    """The connection is lost before anything is done."""
    LOSE_ANSWER = "LOSE_ANSWER"
    """Applied; the connection is lost without an answer."""
    HANG = "HANG"
    """Nothing is done, and no answer comes until the client gives up or `seconds` are over."""
    TIME_OUT = "TIME_OUT"
    """Applied; no answer comes until the client gives up or `seconds` are over."""
    SLOW = "SLOW"
    """The answer comes after `seconds`."""
    CUT = "CUT"
    """Applied; the connection is lost in the middle of the answer."""
    TRUNCATED = "TRUNCATED"
    """Applied; the answer is whole for HTTP, and half of its JSON."""
    EMPTY = "EMPTY"
    """Applied; 200 with nothing."""
    NOT_JSON = "NOT_JSON"
    """Applied; 200 with a page for people."""
    THROTTLED = "THROTTLED"
    """429 in JSON; with `seconds`, a Retry-After."""
    THROTTLED_XML = "THROTTLED_XML"
    """429 in XML, as sometimes for those who accept JSON only."""
    THROTTLED_403 = "THROTTLED_403"
    """403 with code 3001, as it was once."""
    UNAUTHORIZED = "UNAUTHORIZED"
    """401 in the gateway's shape, though the token is good."""
    FORBIDDEN = "FORBIDDEN"
    """403 with code 3100: the app may not see this company any more."""
    XML_ERROR = "XML_ERROR"
    """500 with code 10000 in XML."""
    BAD_GATEWAY = "BAD_GATEWAY"
    """502 with a page."""
    UNAVAILABLE = "UNAVAILABLE"
    """503 with a page; with `seconds`, a Retry-After."""
    GATEWAY_TIME_OUT = "GATEWAY_TIME_OUT"
    """Applied; 504 with a page."""
    REFUSED = "REFUSED"
    """The fault with `code`, such as 6190 or 10000; nothing is done."""
    REFUSED_WITH_200 = "REFUSED_WITH_200"
    """The same with HTTP 200."""
    APPLIED_AND_REFUSED = "APPLIED_AND_REFUSED"
    """Applied; then the fault with `code`, and not the answer that a replay gives."""
    TWO_ERRORS = "TWO_ERRORS"
    """A fault with two errors, the first with `code`."""
    ITEM = "ITEM"
    """A part of a batch gets the fault with `code`; nothing is done for it, and a replay answers the same."""
    ITEM_MISSING = "ITEM_MISSING"
    """Applied; the answer of a part of a batch is left out."""
    ITEM_WITHOUT_ID = "ITEM_WITHOUT_ID"
    """Applied; the answer of a part of a batch has no bId."""


APPLIED = frozenset(
    [
        Fault.LOSE_ANSWER,
        Fault.TIME_OUT,
        Fault.CUT,
        Fault.TRUNCATED,
        Fault.EMPTY,
        Fault.NOT_JSON,
        Fault.GATEWAY_TIME_OUT,
        Fault.APPLIED_AND_REFUSED,
        Fault.SLOW,
    ]
)
OF_ITEMS = frozenset([Fault.ITEM, Fault.ITEM_MISSING, Fault.ITEM_WITHOUT_ID])

_KNOWN = {
    "100": ("General Authentication Error", "AuthenticationFault", 401),
    "120": ("Authorization Failure", "AuthorizationFault", 401),
    "130": ("Wrong Cluster", "ValidationFault", 400),
    "140": ("Company is locked", "ValidationFault", 400),
    "150": ("Company is under maintenance", "ValidationFault", 400),
    "3100": ("message=ApplicationAuthorizationFailed; errorCode=003100; statusCode=403", "AUTHORIZATION", 403),
    "3200": ("message=AuthenticationFailed; errorCode=003200; statusCode=401", "AUTHENTICATION", 401),
    "5010": ("Stale Object Error", "ValidationFault", 400),
    "6140": ("Duplicate Document Number Error", "ValidationFault", 400),
    "6190": ("Invalid Company Status", "ValidationFault", 400),
    "6240": ("Duplicate Name Exists Error", "ValidationFault", 400),
}


class Injection(BaseModel):
    """A fault, and the calls that get it. What is not given fits every call."""

    model_config = ConfigDict(extra="forbid")

    fault: Fault
    realm: str | None = None
    entity: str | None = None
    """Such as `Invoice`; of the parts for faults of parts of a batch."""
    operation: str | None = None
    """create, update, void, delete, read, query, cdc, batch, ...; of the parts for faults of parts of a batch."""
    contains: str | None = None
    """A text in the body or the query."""
    nth: int = Field(default=1, ge=1)
    """The first of the fitting calls, or parts, that gets it."""
    times: int | None = 1
    """How many get it, one after the other; None: all."""
    probability: float | None = Field(default=None, ge=0, le=1)
    """Each fitting call gets it by chance."""
    seed: int = 0
    code: str = "10000"
    seconds: float | None = None

    _seen: int = PrivateAttr(0)
    _given: int = PrivateAttr(0)
    _dice: random.Random | None = PrivateAttr(None)

    def hits(self) -> bool:
        """Whether the next fitting call gets it."""
        self._seen += 1
        if self._seen < self.nth or (self.times is not None and self._given >= self.times):
            return False
        if self.probability is not None:
            self._dice = self._dice or random.Random(self.seed)
            if self._dice.random() >= self.probability:
                return False
        self._given += 1
        return True


class Faults:
    """The injections of a sandbox; the first that fits a call is taken."""

    def __init__(self) -> None:
        self._all: list[Injection] = []
        self._lock = threading.Lock()

    def inject(self, fault: Fault | str, **where: object) -> Injection:
        """From now on, lets calls go wrong; `where` are the fields of `Injection`."""
        injection = Injection.model_validate({"fault": fault, **where})
        with self._lock:
            self._all.append(injection)
        return injection

    def clear(self) -> None:
        """Lets nothing go wrong any more."""
        with self._lock:
            self._all.clear()

    def of_call(self, realm: str, entity: str, operation: str, text: str) -> Injection | None:
        """What goes wrong with a call as a whole."""
        return self._first(False, realm, entity, operation, text)

    def of_item(self, realm: str, entity: str, operation: str, text: str) -> Injection | None:
        """What goes wrong with a part of a batch."""
        return self._first(True, realm, entity, operation, text)

    def _first(self, of_item: bool, realm: str, entity: str, operation: str, text: str) -> Injection | None:
        with self._lock:
            for one in self._all:
                if (one.fault in OF_ITEMS) != of_item:
                    continue
                if operation == "token" and one.operation != operation:
                    continue  # faults that are meant for all calls are meant for those to companies
                fits = (
                    one.realm in (None, realm)
                    and one.entity in (None, entity)
                    and one.operation in (None, operation)
                    and (one.contains is None or one.contains in text)
                )
                if fits and one.hits():
                    return one
        return None


def refusal_of(code: str) -> Refusal:
    """A fault by its code, with the words that are known."""
    if code == "10000":
        return refusals.system_fault()
    if code == "3001":
        return shapes.throttle_refusal()
    if code == "610":
        return refusals.not_found()
    message, kind, status = _KNOWN.get(code, ("A business validation error has occurred", "ValidationFault", 400))
    return Refusal(code, message, f"{message} : injected", kind=kind, status=status)


def answer_of(injection: Injection, at: datetime) -> Answer:
    """What a call gets to which this happens, where that is not its own answer."""
    wait = None if injection.seconds is None else f"{injection.seconds:.0f}"
    simple = {
        Fault.EMPTY: Answer(200, ""),
        Fault.NOT_JSON: shapes.html_page(200, "QuickBooks"),
        Fault.THROTTLED: shapes.throttled(at, retry_after=wait),
        Fault.THROTTLED_XML: shapes.throttled(at, "xml", wait),
        Fault.THROTTLED_403: shapes.throttled(at, "403", wait),
        Fault.UNAUTHORIZED: shapes.refused_by_gateway(3200, "AuthenticationFailed", "Token expired: injected", at),
        Fault.FORBIDDEN: shapes.refused_by_gateway(3100, "ApplicationAuthorizationFailed", "injected", at, 403),
        Fault.XML_ERROR: shapes.refused_in_xml(refusals.system_fault(), at, 500),
        Fault.BAD_GATEWAY: shapes.html_page(502, "Bad Gateway"),
        Fault.UNAVAILABLE: shapes.html_page(503, "Service Unavailable"),
        Fault.GATEWAY_TIME_OUT: shapes.html_page(504, "Gateway Time-out"),
    }
    if answer := simple.get(injection.fault):
        if injection.fault is Fault.UNAVAILABLE and wait is not None:
            answer.headers["Retry-After"] = wait
        return answer
    errors = [refusal_of(injection.code)]
    if injection.fault is Fault.TWO_ERRORS:
        errors.append(refusals.business("Another error of the same fault."))
    return shapes.refused(errors, at, status=200 if injection.fault is Fault.REFUSED_WITH_200 else None)
