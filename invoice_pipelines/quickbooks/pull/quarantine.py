"""How a page is read in which some row cannot be read: that row is set aside, the others pass.

QuickBooks refuses a whole page for one row that it cannot show, such as one with an email address that it takes no
more (4002), or breaks on it (10000).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from invoice_pipelines.quickbooks.api.client import QuickBooks
from invoice_pipelines.quickbooks.api.faults import Fault

log = logging.getLogger(__name__)

POISON = ("4002", "10000")
"""Codes of a fault that may be due to one row."""
MOST_UNREADABLE = 20
"""Of a page; where more rows are refused, it is not the rows."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A row that QuickBooks does not give out: which one of a query, counted from 1, and why."""

    position: int
    fault: Fault


@dataclass(slots=True)
class Rows:
    """What could be read of some rows of a query. `asked` counts also those that could not."""

    server_time: datetime
    documents: list[Mapping[str, Any]] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)

    @property
    def asked(self) -> int:
        """How many rows there were."""
        return len(self.documents) + len(self.unreadable)


def read_rows(client: QuickBooks, entity: str, where: str, *, order_by: str, start: int, size: int) -> Rows:
    """Reads `size` rows from the position `start` on; a page that is refused is halved down to the row at fault.

    Raises Fault where more than a few rows are refused: then it is not the rows. What some rows gave before counts for
    nothing then, as the reading begins again where it was.
    """
    try:
        page = next(client.query(entity, where, order_by=order_by, page_size=size, start=start))
        return Rows(page.server_time, list(page.documents))
    except Fault as fault:
        if fault.code not in POISON:
            raise
        log.warning("A page of %s is refused, so it is read in parts: %s", entity, fault)
        return _read_halves(client, entity, where, order_by, start, size, fault)


def _read_halves(
    client: QuickBooks, entity: str, where: str, order_by: str, start: int, size: int, fault: Fault
) -> Rows:
    documents: list[Mapping[str, Any]] = []
    unreadable: list[Unreadable] = []
    server_time: datetime | None = None
    parts = _halves(start, size)
    while parts:
        first, count = parts.pop()
        try:
            page = next(client.query(entity, where, order_by=order_by, page_size=count, start=first))
        except Fault as refused:
            if refused.code not in POISON:
                raise
            if count > 1:
                parts += _halves(first, count)
                continue
            unreadable.append(Unreadable(first, refused))
            if len(unreadable) > MOST_UNREADABLE:
                raise
            continue
        documents += page.documents
        server_time = page.server_time
        if len(page.documents) < count:
            break
    if server_time is None:
        raise fault
    return Rows(server_time, documents, unreadable)


def _halves(start: int, size: int) -> list[tuple[int, int]]:
    """The two halves of some rows, the first one last, as the next to be taken from the end of a list."""
    half = size // 2
    return [(start + half, size - half), (start, half)]
