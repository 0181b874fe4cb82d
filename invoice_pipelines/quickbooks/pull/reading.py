"""Reads a company step by step where changes are not enough, in an order that misses nothing.

Rows are read in the order of their last update, from the instant at which the page before ended, not from its position:
a row that is edited meanwhile leaves its place, and all positions after it move. Edited rows come again with the next
pull, which begins before the end of this one. Rows of the second in which a page ended are read twice, which does no
harm. Only where one second has more rows than a page holds (bulk imports) do positions count, with some overlap.

What was deleted is not in any answer. So ids that are known here are asked for, and those that are missing are read one
by one, as only that says for certain that they are gone. Customers and items are never deleted there.

QuickBooks refuses a whole page for one row that it cannot show, such as one with an email address that it takes no
more (4002), or breaks on it (10000). That row is set aside, and the others pass.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from invoice_pipelines.quickbooks.api.answers import updated_at
from invoice_pipelines.quickbooks.api.client import (
    LARGEST_PAGE,
    QuickBooks,
    moment,
    quote,
)
from invoice_pipelines.quickbooks.api.faults import GONE, Fault
from invoice_pipelines.quickbooks.pull.state import Progress
from invoice_pipelines.quickbooks.values import TRANSACTION_TYPES, Deleted, EntityType

log = logging.getLogger(__name__)

POISON = ("4002", "10000")
"""Codes of a fault that may be due to one row."""
MOST_UNREADABLE = 20
"""Of a page; where more rows are refused, it is not the rows."""

SOURCES: Mapping[EntityType, tuple[str, ...]] = {
    EntityType.CUSTOMER: ("Customer",),
    EntityType.ITEM: ("Item",),
    EntityType.INVOICE: ("Invoice",),
    EntityType.PAYMENT: tuple(TRANSACTION_TYPES),
}
"""The entities of QuickBooks that one of ours is read from."""

_BY_TIME = "MetaData.LastUpdatedTime"
_OVERLAP_IN_A_SECOND = 50
_IDS_AT_ONCE = 300


@dataclass(frozen=True, slots=True)
class Step:
    """What is read of one entity of QuickBooks: the rows that changed, or those of the ids that are known here."""

    source: str
    by_id: bool = False


STEPS: Mapping[EntityType, tuple[Step, ...]] = {
    EntityType.CUSTOMER: (Step("Customer"),),
    EntityType.ITEM: (Step("Item"),),
    EntityType.INVOICE: (Step("Invoice", by_id=True),),  # those that are not ours concern nobody here
    EntityType.PAYMENT: tuple(Step(source, by_id) for by_id in (False, True) for source in SOURCES[EntityType.PAYMENT]),
}


@dataclass(frozen=True, slots=True)
class Read:
    """What a call, or a few, gave; `progress` is where to go on when that is stored (None: that was all)."""

    source: str
    documents: Sequence[Mapping[str, Any]]
    deleted: Sequence[Deleted]
    server_time: datetime
    progress: Progress | None
    unreadable: Sequence[Unreadable] = ()


def read_on(client: QuickBooks, entity: EntityType, progress: Progress, known_ids: Sequence[tuple[str, str]]) -> Read:
    """Reads the next rows of a step. `known_ids` are those that known_after gave, for a step by ids."""
    step = STEPS[entity][progress.step]
    read = _read_by_id(client, step.source, progress, known_ids) if step.by_id else _read_rows(client, step, progress)
    if read.progress is not None and read.progress.step >= len(STEPS[entity]):
        return replace(read, progress=None)
    return read


def known_after(connection: Connection, realm_id: str, entity: EntityType, progress: Progress) -> list[tuple[str, str]]:
    """The next ids that are known here and were not seen by this reading: where each stands, and the id itself."""
    step = STEPS[entity][progress.step]
    if not step.by_id:
        return []
    if entity is EntityType.INVOICE:
        statement = """select m.local_id::text, m.quickbooks_id from quickbooks.mapping m
                       where m.organization_id = organizations.current()
                         and m.realm_id = :realm_id and m.entity_type = 'invoice' and m.state <> 'deleted'
                         and (cast(:after as text) is null or m.local_id > cast(:after as uuid))
                       order by m.local_id limit :most"""
    else:
        statement = """select p.quickbooks_id, p.quickbooks_id from quickbooks.payment p
                       where p.organization_id = organizations.current()
                         and p.realm_id = :realm_id and p.transaction_type = :type and p.state <> 'deleted'
                         and p.seen_at < :started_at
                         and (cast(:after as text) is null or p.quickbooks_id > :after)
                       order by p.quickbooks_id limit :most"""
    rows = connection.execute(
        text(statement),
        {
            "realm_id": realm_id,
            "type": str(TRANSACTION_TYPES.get(step.source, "")),
            "started_at": progress.started_at,
            "after": progress.after,
            "most": _IDS_AT_ONCE,
        },
    )
    return [(row[0], row[1]) for row in rows]


def _read_rows(client: QuickBooks, step: Step, progress: Progress) -> Read:
    bounds = []
    lower = progress.at or progress.since
    if lower is not None:
        bounds.append(f"{_BY_TIME} >= {moment(lower)}")
    if progress.until is not None:
        bounds.append(f"{_BY_TIME} <= {moment(progress.until)}")
    rows = read_rows(
        client, step.source, " AND ".join(bounds), order_by=_BY_TIME, start=progress.position, size=LARGEST_PAGE
    )
    now = progress if progress.until is not None else replace(progress, until=rows.server_time)
    return Read(
        step.source,
        rows.documents,
        (),
        rows.server_time,
        now.next_step() if rows.asked < LARGEST_PAGE else _after_page(now, rows.documents),
        rows.unreadable,
    )


def _after_page(progress: Progress, documents: Sequence[Mapping[str, Any]]) -> Progress:
    first, last = (updated_at(documents[0]), updated_at(documents[-1])) if documents else (None, None)
    if first is None or last is None:
        return replace(progress, position=progress.position + LARGEST_PAGE)
    if first == last:  # a page within one second; its rows are the first of that second unless one was before it
        before = progress.position - 1 if progress.at == last else 0
        return replace(progress, at=last, position=before + LARGEST_PAGE + 1 - _OVERLAP_IN_A_SECOND)
    return replace(progress, at=last, position=1)


def _read_by_id(client: QuickBooks, source: str, progress: Progress, known_ids: Sequence[tuple[str, str]]) -> Read:
    ids = [quickbooks_id for _, quickbooks_id in known_ids]
    documents: Sequence[Mapping[str, Any]] = ()
    unreadable: Sequence[Unreadable] = ()
    server_time = progress.until
    if ids:
        where = f"Id IN ({', '.join(map(quote, ids))})"
        rows = read_rows(client, source, where, order_by="", start=1, size=LARGEST_PAGE)
        documents, unreadable, server_time = rows.documents, rows.unreadable, rows.server_time
    if server_time is None:
        # Nothing is known here, so nothing was asked; what the clock there shows is needed all the same.
        server_time = next(client.query(source, order_by="", page_size=1)).server_time
    now = progress if progress.until is not None else replace(progress, until=server_time)
    found = {str(document.get("Id")) for document in documents}
    deleted = [Deleted(each, server_time) for each in ids if each not in found and is_gone(client, source, each)]
    ended = len(known_ids) < _IDS_AT_ONCE
    next_progress = now.next_step() if ended else replace(now, after=known_ids[-1][0])
    return Read(source, documents, deleted, server_time, next_progress, unreadable)


def is_gone(client: QuickBooks, source: str, quickbooks_id: str) -> bool:
    """Whether a record was deleted there: that a list does not have it proves nothing."""
    try:
        client.read(source, quickbooks_id)
    except Fault as fault:
        if fault.code == GONE:
            return True
        raise
    return False


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
