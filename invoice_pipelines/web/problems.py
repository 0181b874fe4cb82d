"""Errors as callers get them: problems of RFC 9457, whose `code` stays the same when the sentence is put better.

What a domain refuses is mapped to a status here and nowhere else. An error of the program itself says nothing but the
id under which it stands in the log.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.routing import Match

from invoice_pipelines.accounts.errors import NotSignedIn
from invoice_pipelines.database.errors import (
    CANNOT_CONNECT_NOW,
    DISK_FULL,
    LOCK_NOT_AVAILABLE,
    TOO_MANY_CONNECTIONS,
    TRANSIENT,
    DatabaseError,
    sqlstate,
)
from invoice_pipelines.encryption import EncryptionError
from invoice_pipelines.errors import InvoicePipelinesError
from invoice_pipelines.settings import SettingsError
from invoice_pipelines.storage.places import StorageError, StorageFull, TooLarge

MEDIA_TYPE = "application/problem+json"
BEARER = {"WWW-Authenticate": 'Bearer realm="invoice_pipelines"'}
"""The header of each 401, as RFC 9110 wants one."""
log = logging.getLogger("invoice_pipelines.web")

_STATUS = {
    "ALREADY_DECIDED": 409,
    "ALREADY_EXPORTED": 409,
    "ALREADY_RUNNING": 409,
    "CHANGED_SINCE": 409,
    "COMPANY_TAKEN": 409,
    "DATE_BEFORE_LAST": 409,
    "DRAWING_BUSY": 503,
    "ENDPOINT_DISABLED": 409,
    "ENDPOINT_EXISTS": 409,
    "EXISTS_ALREADY": 409,
    "FORBIDDEN": 403,
    "INVOICE_IS_SETTLED": 409,
    "INVOICE_IS_VOID": 409,
    "INVOICE_NOT_PAYABLE": 409,
    "IN_PENDING_EXPORT": 409,
    "NOTHING_LEFT_OUT": 409,
    "JOB_CANCELLED": 409,
    "JOB_HAS_ENDED": 409,
    "LAST_ADMIN": 409,
    "LINK_ENDED": 410,
    "MUST_BE_CORRECTED": 409,
    "NOTHING_TO_CONFIRM": 409,
    "NOTHING_TO_CREDIT": 409,
    "NOTHING_TO_UNDO": 409,
    "NOT_AN_INVOICE": 409,
    "NOT_CONNECTED": 409,
    "NOT_EXPORTED": 409,
    "NOT_FAILED": 409,
    "NOT_INVITED": 403,
    "NOT_PROCESSABLE": 409,
    "NOT_WAITING": 409,
    "PAYMENT_IS_VOID": 409,
    "PAYMENT_OF_ANOTHER_SYSTEM": 409,
    "REVIEW_CLAIMED": 409,
    "REVIEW_CONFLICT": 409,
    "SIGN_IN_FIRST": 403,
    "STATE_REFUSED": 409,
    "TOKEN_SERVICE_AWAY": 502,
    "UNDER_WAY": 409,
    "UNKNOWN": 404,
    "UNKNOWN_ID": 404,
    "UNKNOWN_UPLOAD": 404,
    "VOID": 409,
}
"""Of the codes of domains. Of others, one that ends with _NOT_FOUND is 404, with _CONFLICT 409, and the rest is 422."""

_FOR_CALLERS = {"IP001": 422, "IP002": 422, "IP403": 403}
"""SQLSTATEs of our own SQL functions, whose messages are written for callers."""

SAFE = ("GET", "HEAD", "OPTIONS")
"""Methods that change nothing."""
_PASSING = frozenset({DISK_FULL, LOCK_NOT_AVAILABLE, TOO_MANY_CONNECTIONS, CANNOT_CONNECT_NOW, *TRANSIENT})
_SECONDS_TO_RETRY = 2
_FULL = "No space is left where files are kept, so nothing was stored. The operator has to make room; then try again."
_SECONDS_TO_FREE_SPACE = 60


class FieldProblem(BaseModel):
    """What is wrong with a field, named like `lines[0].quantity`."""

    field: str
    code: str
    message: str


class Problem(BaseModel):
    """Why a request was not done."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "/problems/not-found",
                    "title": "Not found",
                    "status": 404,
                    "code": "NOT_FOUND",
                    "detail": "There is nothing at this address for this credential.",
                }
            ]
        }
    )

    type: str
    title: str
    status: int
    code: str
    detail: str
    errors: list[FieldProblem] | None = None
    trace_id: str | None = None


class Refusal(InvoicePipelinesError):
    """A request is not done, for a reason that lies in the request and not in a domain."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        errors: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail, code=code)
        self.status = status
        self.errors = errors
        self.headers = dict(headers or {})


def not_found() -> Refusal:
    """The answer to an address that is not there, or not for this credential: nobody can tell which."""
    return Refusal(404, "NOT_FOUND", "There is nothing at this address for this credential.")


@contextmanager
def needs_set_up(what: str) -> Iterator[None]:
    """Raises Refusal where a setting or a key is missing that something needs: no fault of the program, nor of the
    caller. The log says which.
    """
    try:
        yield
    except (SettingsError, EncryptionError) as error:
        log.error("%s", error)
        raise Refusal(
            409, "NOT_SET_UP", f"{what} is not set up in this deployment; its operator has to do that."
        ) from None


def wrong_field(field: str, message: str, code: str = "INVALID_VALUE") -> Refusal:
    """A value of a request that only the handler can judge."""
    errors = [{"field": field, "code": code, "message": message}]
    return Refusal(422, "VALIDATION_FAILED", f"{field}: {message}", errors=errors)


def not_signed_in() -> Refusal:
    """The answer to a request without a credential that is good."""
    return Refusal(
        401,
        "NOT_SIGNED_IN",
        "This needs a credential that is known and has not ended: an API token as `Authorization: Bearer ip_live_...`, "
        "or a session.",
        headers=BEARER,
    )


def problem(
    status: int,
    code: str,
    detail: str,
    *,
    errors: Sequence[Mapping[str, str]] = (),
    trace_id: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A problem as an answer."""
    content: dict[str, Any] = {
        "type": f"/problems/{code.lower().replace('_', '-')}",
        "title": code.replace("_", " ").capitalize(),
        "status": status,
        "code": code,
        "detail": detail,
    }
    if errors:
        content["errors"] = list(errors)
    if trace_id is not None:
        content["trace_id"] = trace_id
    return Response(json.dumps(content, ensure_ascii=False), status, dict(headers or {}), media_type=MEDIA_TYPE)


def unexpected(trace_id: str) -> Response:
    """The answer to a fault of the program."""
    detail = "Something went wrong here. Try again, and if it stays so, tell the operator the trace_id."
    return problem(500, "INTERNAL_ERROR", detail, trace_id=trace_id)


def handle_problems(app: FastAPI) -> None:
    """Lets an app answer each error as a problem. What is unexpected is left to `outermost.Outermost`."""
    app.add_exception_handler(InvoicePipelinesError, _of_domain)
    app.add_exception_handler(RequestValidationError, _of_validation)
    app.add_exception_handler(HTTPException, _of_http)
    app.add_exception_handler(DBAPIError, _of_database)
    app.add_exception_handler(PoolTimeout, _of_pool)


async def _of_domain(request: Request, error: Exception) -> Response:
    assert isinstance(error, InvoicePipelinesError)
    if isinstance(error, NotSignedIn):
        error = not_signed_in()
    if isinstance(error, Refusal):
        return problem(error.status, error.code, str(error), errors=error.errors, headers=error.headers)
    if isinstance(error, TooLarge):
        # What follows of the body is not read.
        return problem(413, error.code, str(error), headers={"Connection": "close"})
    if isinstance(error, StorageFull):
        log.error("%s %s", _trace(request), error)
        return problem(503, "STORAGE_FULL", _FULL, headers={"Retry-After": str(_SECONDS_TO_FREE_SPACE)})
    if isinstance(error, DatabaseError | StorageError):
        log.error("%s %s", _trace(request), error)
        return _unavailable()
    if isinstance(error, SettingsError):
        raise error
    status = status_of(error.code)
    headers = {"Retry-After": str(_SECONDS_TO_RETRY)} if status == 503 else {}
    return problem(status, error.code, str(error), errors=[*_fields(error), *_statuses(error)], headers=headers)


def status_of(code: str) -> int:
    """The status of the code of a domain."""
    if code in _STATUS:
        return _STATUS[code]
    if code.endswith("_NOT_FOUND"):
        return 404
    return 409 if code.endswith("_CONFLICT") else 422


class _Wrong(Protocol):
    """What a domain says of a row: its place from 1, the field, and why; see `billing.RowProblem`."""

    @property
    def row(self) -> int: ...
    @property
    def field(self) -> str: ...
    @property
    def message(self) -> str: ...
    @property
    def code(self) -> str: ...


def field_of_row(wrong: _Wrong) -> FieldProblem:
    """What is wrong in a row, with places from 0."""
    field = re.sub(r"\[([0-9]+)\]", lambda place: f"[{int(place[1]) - 1}]", wrong.field)
    return FieldProblem(field=field, code=wrong.code, message=wrong.message)


def _fields(error: InvoicePipelinesError) -> list[dict[str, str]]:
    """The fields that a domain names: those of rows, or the one with which its message begins."""
    if (rows := getattr(error, "problems", None)) is not None:
        is_one = error.code == "VALIDATION_FAILED"
        found = [(wrong.row - 1, field_of_row(wrong).model_dump()) for wrong in rows]
        return [wrong if is_one else wrong | {"field": f"[{place}].{wrong['field']}"} for place, wrong in found]
    named = _NAMED.match(str(error))
    if named is None or error.code != "INVALID_VALUE":
        return []
    return [{"field": named[1], "code": error.code, "message": str(error)[named.end() :]}]


_NAMED = re.compile(r"([a-z_]+(?:\[[0-9]+\])?(?:\.[a-z_]+)?): ")


def _statuses(error: InvoicePipelinesError) -> list[dict[str, str]]:
    """What is in which status that allows no such thing, as `intake.OtherStatus` says it."""
    return [
        {"field": str(named), "code": str(status), "message": f"is {status}"}
        for named, status in getattr(error, "statuses", {}).items()
    ]


async def _of_validation(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = error.errors()
    if found and found[0]["type"] == "json_invalid":
        detail = f"The body is not JSON: {found[0]['ctx']['error']}, at character {found[0]['loc'][-1]}."
        return problem(400, "MALFORMED_BODY", detail)
    errors = [
        {
            "field": _field(wrong["loc"]),
            "code": str(wrong["type"]).upper(),
            "message": str(wrong["msg"]).removeprefix("Value error, "),
        }
        for wrong in found[:100]
    ]
    detail = "; ".join(f"{wrong['field']}: {wrong['message']}" for wrong in errors[:3])
    more = f"; and {len(found) - 3} more" if len(found) > 3 else ""
    return problem(422, "VALIDATION_FAILED", detail + more, errors=errors)


def _field(place: Sequence[str | int]) -> str:
    """`lines[0].quantity`, without the part of the request in which it stands."""
    name = ""
    for part in place[1:]:
        name += f"[{part}]" if isinstance(part, int) else f".{part}"
    return name.lstrip(".") or str(place[0])


async def _of_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        return problem(404, "NOT_FOUND", str(not_found()))
    code, detail = _OF_HTTP.get(error.status_code, ("REFUSED", error.detail))
    headers = {"Allow": ", ".join(_allowed(request))} if error.status_code == 405 else error.headers
    return problem(error.status_code, code, detail or error.detail, headers=headers)


def _allowed(request: Request) -> list[str]:
    """The methods of the routes that have the address of a request, with the fewest variables in their path: that of
    /exports/again has more to say about it than that of /exports/{number}. Starlette names those of the first route.
    """
    found: dict[int, set[str]] = {}
    for route in request.app.router.routes:
        match, _ = route.matches(request.scope)
        if match is not Match.NONE:
            found.setdefault(route.path.count("{"), set()).update(route.methods or ())
    return sorted(found[min(found)]) if found else []


_OF_HTTP = {
    400: ("MALFORMED_BODY", "The body cannot be read as what its Content-Type says."),
    405: ("METHOD_NOT_ALLOWED", "This address does not take this method; the header Allow says which it takes."),
    413: ("BODY_TOO_LARGE", None),
}
"""What the framework refuses, in words of ours; None: the words that came with it."""


async def _of_database(request: Request, error: Exception) -> Response:
    assert isinstance(error, DBAPIError)
    state = sqlstate(error)
    if state in _FOR_CALLERS:
        said = getattr(getattr(error.orig, "diag", None), "message_primary", None)
        code = "FORBIDDEN" if state == "IP403" else "REFUSED"
        return problem(_FOR_CALLERS[state], code, str(said))
    is_gone = error.connection_invalidated or state is None or state.startswith(("08", "57P"))
    if type(error).__name__ == "DataError":
        log.warning("%s %s", _trace(request), error.orig)
        return problem(
            422, "UNSTORABLE_VALUE", "A value cannot be stored: it is too large, or has a character such as NUL."
        )
    if is_gone or state in _PASSING:
        log.warning("%s %s", _trace(request), str(error.orig).partition("\n")[0])
        return _unavailable(_PERHAPS_DONE if is_gone and request.method not in SAFE else _NOT_DONE)
    raise error


async def _of_pool(request: Request, error: Exception) -> Response:
    log.warning("%s %s", _trace(request), error)
    return _unavailable()


_NOT_DONE = "The database or the storage cannot be reached, or is busy. Nothing was done; try again in a moment."
_PERHAPS_DONE = (
    "The database cannot be reached. Most likely nothing was done, but the connection may have been lost behind the "
    "last step: look, or send it again with the same Idempotency-Key."
)


def _unavailable(detail: str = _NOT_DONE) -> Response:
    return problem(503, "UNAVAILABLE", detail, headers={"Retry-After": str(_SECONDS_TO_RETRY)})


def _trace(request: Request) -> str:
    return str(request.scope.get("trace_id", "-"))
