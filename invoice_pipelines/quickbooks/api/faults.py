"""What can go wrong when QuickBooks is asked: one fault type, and what each code means for the caller.

How the many shapes of an answer are read into a fault is in `answers`; what is done about a fault is in `client`, in
the push and in the pull.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from invoice_pipelines.errors import InvoicePipelinesError

_LONGEST_TEXT = 400
NOT_CONNECTED = "The organization is not connected with QuickBooks; `quickbooks connect` does that."


class QuickBooksError(InvoicePipelinesError):
    """The sync cannot be set up or go on. The message is one line that says what is wrong and what to do."""


class NotConnected(QuickBooksError):
    """The organization has no connection."""

    hint = "`quickbooks connect` makes one"

    def __init__(self) -> None:
        super().__init__("The organization is not connected with QuickBooks.")


class RealmPaused(QuickBooksError):
    """Nothing can be asked of the company now; what was to be done is not at fault and is given back uncounted.

    `until` says when it may be tried again; None where a person must act first.
    """

    def __init__(self, reason: str, until: datetime | None = None) -> None:
        super().__init__(reason if until is None else f"{reason} (until {until.astimezone():%Y-%m-%d %H:%M:%S %Z})")
        self.reason = reason
        self.until = until


class FaultKind(StrEnum):
    """What the caller is to do."""

    RETRY = "retry"
    """Nothing was done; the same may work a little later. The client has tried it once more already."""
    WAIT = "wait"
    """Throttled. As an answer to a whole call the client turns it into a pause; items of a batch may have it alone."""
    REFRESH = "refresh"
    """The access token is not accepted. The client refreshes it; a caller never sees this for a whole call."""
    DATA = "data"
    """A value is refused: the same request will be refused again."""
    CONFLICT = "conflict"
    """The other side is not as we thought: stale, gone, inactive, name or number in use. Read again and decide."""
    OPERATOR = "operator"
    """A rule of the company or of bookkeeping stands against it; a person must act there."""
    PAUSED = "paused"
    """The whole company cannot be reached: access lost, subscription ended, maintenance."""
    BUG = "bug"
    """We asked for something that cannot be asked."""
    UNKNOWN = "unknown"
    """It is not known whether it was done: no answer, or not a whole one. Only the same request id may follow."""


_CODES: dict[FaultKind, tuple[int, ...]] = {
    FaultKind.RETRY: (10000,),
    FaultKind.WAIT: (3001,),
    FaultKind.REFRESH: (3200, 3202),
    FaultKind.DATA: (2010, 2020, 2030, 2040, 2050, 2060, 2090, 2110, 2170, 2210, 4002, 6080),
    FaultKind.CONFLICT: (610, 2500, 5010, 6140, 6240, 6250),
    FaultKind.OPERATOR: (620, 800, 6000, 6200, 6210, 6220, 6540),
    FaultKind.PAUSED: (100, 110, 120, 130, 140, 150, 3100, 6190),
    FaultKind.BUG: (500, 600, 1040, 2130, 4000, 4001, 5030, 6070),
}
KIND_OF_CODE = {str(code): kind for kind, codes in _CODES.items() for code in codes}

GONE = "610"
"""The record was deleted."""
STALE = "5010"
"""Somebody else wrote the record first."""
ACCESS_LOST = frozenset({"100", "110", "120", "3100"})
"""The company does not let us in, or Intuit's gateway only says so; a refresh of the token tells which."""

_OF_THE_WHOLE_COMPANY = (FaultKind.PAUSED, FaultKind.REFRESH, FaultKind.WAIT)
_BY_TYPE = {
    "systemfault": FaultKind.RETRY,
    "service": FaultKind.RETRY,
    "authentication": FaultKind.REFRESH,
    "authenticationfault": FaultKind.REFRESH,
    "authorization": FaultKind.PAUSED,
    "authorizationfault": FaultKind.PAUSED,
}
_BY_STATUS = {401: FaultKind.REFRESH, 403: FaultKind.PAUSED, 429: FaultKind.WAIT, 503: FaultKind.RETRY}


@dataclass(frozen=True, slots=True)
class FaultError:
    """One of the errors of a fault."""

    code: str
    message: str
    detail: str = ""
    element: str = ""


class Fault(InvoicePipelinesError):
    """QuickBooks refused a call or an item of a batch, or gave no answer that can be read.

    `code` is that of QuickBooks without leading zeros ("" where it gave none), `status` that of HTTP (None without
    an answer), `errors` all of them, the first being the one whose code, message, detail and element these are.
    `retry_after` is in seconds, as the server asked for.
    """

    def __init__(
        self,
        kind: FaultKind,
        message: str,
        *,
        code: str = "",
        detail: str = "",
        element: str = "",
        status: int | None = None,
        intuit_tid: str | None = None,
        errors: Sequence[FaultError] = (),
        retry_after: float | None = None,
    ) -> None:
        self.kind = kind
        self.code = code
        self.message = _one_line(message)
        self.detail = _one_line(detail)
        self.element = element
        self.status = status
        self.intuit_tid = intuit_tid
        self.errors = tuple(errors) or (FaultError(code, self.message, self.detail, element),)
        self.retry_after = retry_after
        super().__init__(self._sentence())

    def stored(self) -> dict[str, str]:
        """As it is kept with the operation that it ended."""
        return {"code": self.code, "kind": self.kind.value, "message": self.message, "detail": self.detail}

    def _sentence(self) -> str:
        parts = [f"QuickBooks {self.code}:" if self.code else "QuickBooks:", self.message]
        if self.detail and self.detail != self.message:
            parts.append(f"- {self.detail}")
        if self.element:
            parts.append(f"(field {self.element})")
        if len(self.errors) > 1:
            parts.append(f"(and {len(self.errors) - 1} more)")
        if self.intuit_tid:
            parts.append(f"[intuit_tid {self.intuit_tid}]")
        return " ".join(parts)


class ChangesTooOld(Fault):
    """Changes are asked for since a moment that is longer ago than QuickBooks remembers them (30 days)."""


def kind_of(code: str, fault_type: str, status: int | None) -> FaultKind:
    """What a code means; for one that is not known, what its type, the HTTP status or its range says.

    QuickBooks adds codes without notice. The range of a code says whose fault it is: 2000 a value, 4000 a query, 6000
    a rule of bookkeeping.
    """
    if known := KIND_OF_CODE.get(code):
        return known
    by_type = _BY_TYPE.get(fault_type.lower())
    by_status = _BY_STATUS.get(status or 0) or (FaultKind.UNKNOWN if (status or 0) >= 500 else None)
    by_range = {"2": FaultKind.DATA, "6": FaultKind.OPERATOR}.get(code[:1]) if len(code) == 4 else None
    return by_type or by_status or by_range or FaultKind.BUG


def decisive(errors: Sequence[FaultError], fault_type: str, status: int | None) -> tuple[FaultKind, FaultError]:
    """The error of a fault that decides what is done: one about the whole company, else the first."""
    kinds = [kind_of(error.code, fault_type, status) for error in errors]
    for wanted in _OF_THE_WHOLE_COMPANY:
        if wanted in kinds:
            return wanted, errors[kinds.index(wanted)]
    return kinds[0], errors[0]


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_TEXT else line[: _LONGEST_TEXT - 1] + "…"
