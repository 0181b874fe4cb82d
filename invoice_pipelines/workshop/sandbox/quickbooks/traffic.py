"""What the sandbox saw: each call with who asked, for what, and how it ended."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from datetime import datetime

from invoice_pipelines.workshop.sandbox.quickbooks.service import Item

_MOST = 200_000


@dataclass(frozen=True)
class Seen:
    """A call to a company, or to the token endpoint (operation `token` or `revoke`)."""

    at: datetime
    """By the clock of the sandbox."""
    monotonic: float
    method: str
    path: str
    query: str
    realm: str
    """In the path; empty for the token endpoint."""
    token_realm: str
    """Whose token came with it; empty: none that is good."""
    status: int
    """0: no answer was sent."""
    code: str
    """Of the fault or the OAuth error; empty: none."""
    request_id: str
    entity: str
    operation: str
    items: tuple[Item, ...]
    replayed: bool
    fault: str
    """What was made to go wrong; empty: nothing."""
    seconds: float
    authorization: str
    """The end of the bearer token, to tell tokens apart."""
    body: bytes


class Traffic:
    """The newest calls, in the order of their ends."""

    def __init__(self) -> None:
        self._seen: deque[Seen] = deque(maxlen=_MOST)
        self._lock = threading.Lock()

    def add(self, seen: Seen) -> None:
        """Notes a call."""
        with self._lock:
            self._seen.append(seen)

    def clear(self) -> None:
        """Forgets all."""
        with self._lock:
            self._seen.clear()

    def calls(self, realm: str | None = None, operation: str | None = None) -> list[Seen]:
        """Those of a company (None: all, with those of the token endpoint), and of an operation."""
        with self._lock:
            return [
                one
                for one in self._seen
                if (realm is None or one.realm == realm) and (operation is None or one.operation == operation)
            ]
