"""How an answer of QuickBooks is read, in whichever shape it comes: a document, or a fault.

Faults come as JSON in two spellings, as XML although JSON was asked for, as HTML of a gateway, inside an answer with
status 200, and cut off in the middle. Nothing here raises anything but `Fault`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from lxml import etree

from invoice_pipelines.quickbooks.api import exact_json
from invoice_pipelines.quickbooks.api.faults import ChangesTooOld, Fault, FaultError, FaultKind, decisive

TID = "intuit_tid"

# The detail of a refused token may repeat the token.
_DETAIL_MAY_BE_SECRET = {FaultKind.REFRESH, FaultKind.PAUSED}
_CODE_IN_MESSAGE = re.compile(r"errorCode=0*([0-9]+)")
_LONGEST_XML = 1 << 20


def read_answer(status: int, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    """The JSON object of an answer that succeeded. Raises Fault for every other."""
    tid = headers.get(TID)
    try:
        document = exact_json.loads(body)
    except (ValueError, RecursionError):
        raise _unreadable(status, headers, body, tid) from None
    if not isinstance(document, dict):
        raise Fault(_unknown_or(status), "The answer is not an object.", status=status, intuit_tid=tid)
    fault = document.get("Fault") or document.get("fault")
    if isinstance(fault, Mapping):
        raise read_fault(fault, status=status, intuit_tid=tid, retry_after=_retry_after(headers))
    if not 200 <= status < 300:
        raise _bare(status, headers, tid)
    return document


def read_fault(
    fault: Mapping[str, Any], *, status: int | None, intuit_tid: str | None, retry_after: float | None = None
) -> Fault:
    """The fault that a `Fault` (or `fault`) of JSON says, be it that of a call or of one item of a batch."""
    given = fault.get("Error") or fault.get("error") or []
    errors = [_error(error) for error in (given if isinstance(given, list) else [given]) if isinstance(error, Mapping)]
    return _fault(errors, str(fault.get("type") or ""), status, intuit_tid, retry_after)


def server_time(document: Mapping[str, Any], headers: Mapping[str, str]) -> datetime:
    """When the server answered, by its own clock. Raises Fault where the answer does not say so."""
    try:
        moment = datetime.fromisoformat(str(document["time"]))
        if moment.tzinfo is not None:
            return moment
    except (KeyError, ValueError):
        pass
    try:
        return parsedate_to_datetime(headers["date"])
    except (KeyError, ValueError, TypeError):
        raise Fault(FaultKind.RETRY, "The answer does not say when it was made.", intuit_tid=headers.get(TID)) from None


def updated_at(document: Mapping[str, Any]) -> datetime | None:
    """When a document was last written there; None where it does not say. A time without an offset is UTC."""
    meta = document.get("MetaData")
    written = meta.get("LastUpdatedTime") if isinstance(meta, Mapping) else None
    try:
        at = datetime.fromisoformat(str(written))
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _error(error: Mapping[str, Any]) -> FaultError:
    message = str(error.get("Message") or error.get("message") or "")
    code = str(error.get("code") or error.get("Code") or "").strip()
    if not code and (found := _CODE_IN_MESSAGE.search(message)):
        code = found[1]
    return FaultError(
        code=code.lstrip("0") if code.isdigit() else code,
        message=message,
        detail=str(error.get("Detail") or error.get("detail") or ""),
        element=str(error.get("element") or ""),
    )


def _fault(
    errors: list[FaultError], fault_type: str, status: int | None, tid: str | None, retry_after: float | None
) -> Fault:
    if not errors:
        errors = [FaultError("", "A fault without an error in it.")]
    kind, error = decisive(errors, fault_type, status)
    if kind in _DETAIL_MAY_BE_SECRET:
        errors = [FaultError(each.code, each.message, "", each.element) for each in errors]
        error = FaultError(error.code, error.message, "", error.element)
    too_old = any("older than" in f"{each.message} {each.detail}" for each in errors)
    return (ChangesTooOld if too_old else Fault)(
        kind,
        error.message or "No message.",
        code=error.code,
        detail=error.detail,
        element=error.element,
        status=status,
        intuit_tid=tid,
        errors=errors,
        retry_after=retry_after,
    )


def _unreadable(status: int, headers: Mapping[str, str], body: bytes, tid: str | None) -> Fault:
    start = body[:200].lstrip().lower()
    if start.startswith(b"<") and not start.startswith((b"<!doctype html", b"<html")):
        fault = _xml_fault(status, headers, body, tid)
        if fault is not None:
            return fault
    if 200 <= status < 300:
        return Fault(FaultKind.UNKNOWN, "The answer is not whole, or no JSON.", status=status, intuit_tid=tid)
    return _bare(status, headers, tid)


def _xml_fault(status: int, headers: Mapping[str, str], body: bytes, tid: str | None) -> Fault | None:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, recover=True)
    try:
        root = etree.fromstring(body[:_LONGEST_XML], parser)
    except etree.XMLSyntaxError:
        return None
    if root is None:
        return None
    faults = root.xpath("descendant-or-self::*[translate(local-name(), 'F', 'f') = 'fault']")
    if not isinstance(faults, list) or not faults or not isinstance(faults[0], etree._Element):
        return None
    errors = [
        _error(
            {
                "code": element.get("code"),
                "element": element.get("element"),
                "message": _child_text(element, "message"),
                "detail": _child_text(element, "detail"),
            }
        )
        for element in faults[0].iter("{*}Error", "{*}error")
    ]
    return _fault(errors, faults[0].get("type") or "", status, tid, _retry_after(headers))


def _child_text(element: etree._Element, name: str) -> str:
    for child in element.iter("{*}*"):
        if etree.QName(child).localname.lower() == name:
            return str(child.xpath("string()"))
    return ""


def _bare(status: int, headers: Mapping[str, str], tid: str | None) -> Fault:
    """What a status alone says."""
    if status == 429:
        kind, message = FaultKind.WAIT, "Too many requests."
    elif status == 401:
        kind, message = FaultKind.REFRESH, "Not authorized."
    elif status == 403:
        kind, message = FaultKind.PAUSED, "Access refused."
    elif status == 503:
        kind, message = FaultKind.RETRY, "The service is away."
    elif status >= 500:
        kind, message = FaultKind.UNKNOWN, "The service failed."
    else:
        kind, message = FaultKind.BUG, "An answer that is no JSON."
    return Fault(kind, f"{message} (HTTP {status})", status=status, intuit_tid=tid, retry_after=_retry_after(headers))


def _unknown_or(status: int) -> FaultKind:
    return FaultKind.UNKNOWN if 200 <= status < 300 or status >= 500 else FaultKind.BUG


def _retry_after(headers: Mapping[str, str]) -> float | None:
    try:
        seconds = float(headers.get("retry-after", ""))
    except ValueError:
        return None  # the form with a date needs both clocks to agree
    return seconds if 0 <= seconds <= 86400 else None
