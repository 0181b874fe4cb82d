"""The client: what can be asked of one QuickBooks company, and in what form it answers.

Each call takes its turn at the limiter that all processes share, goes out with a valid token, is repeated where that
cannot do harm, is counted and leaves a line in the log. How that is done is in `transport`; a write whose outcome is
not known is never repeated here, as the push has it stored and sends it again byte for byte.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal, Self
from uuid import UUID

from sqlalchemy import Engine

from invoice_pipelines.quickbooks.api import exact_json
from invoice_pipelines.quickbooks.api.answers import read_fault, server_time, updated_at
from invoice_pipelines.quickbooks.api.company import company_of
from invoice_pipelines.quickbooks.api.faults import Fault, FaultKind
from invoice_pipelines.quickbooks.api.options import Company
from invoice_pipelines.quickbooks.api.rate import Limits
from invoice_pipelines.quickbooks.api.request_ids import LONGEST, LONGEST_BATCH_ITEM_ID, LONGEST_IN_BATCH
from invoice_pipelines.quickbooks.api.transport import Answer, Transport
from invoice_pipelines.quickbooks.connection.connections import Connected
from invoice_pipelines.quickbooks.values import Deleted
from invoice_pipelines.settings import Settings

LARGEST_PAGE = 1000
LARGEST_BATCH = 30
MOST_CHANGES = 1000
"""Objects in one answer about changes; where there are so many, there may be more that it does not tell."""

_REFUSALS = (FaultKind.DATA, FaultKind.CONFLICT, FaultKind.OPERATOR, FaultKind.BUG)
_NAME_LISTS = ("Customer", "Item", "Vendor", "Employee", "Account")


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the documents of a query; `start` is the position of the first, counted from 1."""

    documents: list[dict[str, Any]]
    start: int
    server_time: datetime


@dataclass(frozen=True, slots=True)
class Changes:
    """What changed, by entity. With `overflow` there may be more: read in pages instead."""

    documents: dict[str, list[dict[str, Any]]]
    deleted: dict[str, list[Deleted]]
    server_time: datetime
    overflow: bool


@dataclass(frozen=True, slots=True)
class BatchAnswer:
    """The outcome of each item of a batch, by its bId.

    A document is the inner one (`{"Id": ...}`, not `{"Invoice": {...}}`); of a query it is its `QueryResponse`. An
    item that is not here has no known outcome.
    """

    answers: dict[str, dict[str, Any] | Fault]
    intuit_tid: str | None
    server_time: datetime


def quote(value: str) -> str:
    """A text as a literal of the query language."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def moment(at: datetime) -> str:
    """A moment as a literal of the query language: whole seconds (the rest is cut off), with its offset."""
    return quote(timestamp(at))


def timestamp(at: datetime) -> str:
    """A moment as QuickBooks writes it. Raises ValueError for a time without a zone."""
    if at.tzinfo is None:
        raise ValueError("a moment needs a time zone")
    return at.isoformat(timespec="seconds")


class QuickBooks:
    """One QuickBooks company, that of an organization. Thread safe; use it as a context manager.

    Every call may raise RealmPaused, where nothing can be asked of the company now, and Fault.
    Construction raises QuickBooksError where the organization has no connection, and RealmPaused where a person must
    connect it again.
    """

    def __init__(
        self, engine: Engine, settings: Settings, organization_id: UUID, *, limits: Limits | None = None
    ) -> None:
        self._transport = Transport(engine, settings, organization_id, limits or Limits.of(settings))

    @property
    def connected(self) -> Connected:
        """The connection as it was when this client was made."""
        return self._transport.connected

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"QuickBooks(realm {self.connected.realm_id})"

    def close(self) -> None:
        """Ends all connections and writes down what was used."""
        self._transport.close()

    def query(
        self,
        entity: str,
        where: str = "",
        *,
        order_by: str = "MetaData.LastUpdatedTime",
        page_size: int = LARGEST_PAGE,
        start: int = 1,
    ) -> Iterator[Page]:
        """The documents of an entity in pages, each read when it is asked for; at least one page, maybe empty.

        Records that were made inactive are among them, unless `where` speaks of `Active`. Give an upper bound of
        LastUpdatedTime in `where` where rows may change meanwhile, as positions move with them.
        """
        if not 1 <= page_size <= LARGEST_PAGE:
            raise ValueError(f"a page holds 1 to {LARGEST_PAGE} documents, not {page_size}")
        order = f" ORDERBY {order_by}" if order_by else ""
        while True:
            window = f" STARTPOSITION {start} MAXRESULTS {page_size}"
            answer = self._select(f"SELECT * FROM {entity}{_conditions(entity, where)}{order}{window}")
            documents = answer.document["QueryResponse"].get(entity) or []
            yield Page(documents, start, server_time(answer.document, answer.headers))
            if len(documents) < page_size:
                return
            start += len(documents)

    def count(self, entity: str, where: str = "") -> int:
        """How many documents a query would give."""
        answer = self._select(f"SELECT count(*) FROM {entity}{_conditions(entity, where)}")
        return int(answer.document["QueryResponse"].get("totalCount") or 0)

    def read(self, entity: str, quickbooks_id: str) -> dict[str, Any]:
        """One document. Raises Fault with code 610 where it was deleted."""
        return _inner(self._read(entity, quickbooks_id), entity)

    def read_with_time(self, entity: str, quickbooks_id: str) -> tuple[dict[str, Any], datetime]:
        """The same, and when it was read, by the clock of QuickBooks."""
        answer = self._read(entity, quickbooks_id)
        return _inner(answer, entity), server_time(answer.document, answer.headers)

    def changes(self, entities: Sequence[str], since: datetime) -> Changes:
        """What was changed or deleted since a moment, up to now. Raises ChangesTooOld for more than 30 days ago."""
        parameters = {"entities": ",".join(entities), "changedSince": timestamp(since)}
        answer = self._transport.call("GET", "cdc", parameters=parameters)
        return _changes_of(answer, entities)

    def batch(self, body: str, request_id: str) -> BatchAnswer:
        """Sends the exact text of a batch. Nothing is sent, and ValueError raised, where QuickBooks would refuse it."""
        _check_batch(body, request_id)
        answer = self._transport.call(
            "POST", "batch", parameters={"requestid": request_id}, body=body, is_batch=True, is_write=True
        )
        return _batch_answer(answer)

    def write(
        self,
        entity: str,
        document: Mapping[str, Any],
        *,
        request_id: str,
        operation: Literal["create", "update", "void", "delete"] = "create",
    ) -> dict[str, Any]:
        """Creates, updates, voids or deletes one document; returns it as it is then."""
        if not 1 <= len(request_id) <= LONGEST:
            raise ValueError(f"a request id has 1 to {LONGEST} characters")
        parameters = {"requestid": request_id}
        if operation in ("void", "delete"):
            parameters["operation"] = operation
        answer = self._transport.call(
            "POST", entity.lower(), parameters=parameters, body=exact_json.dumps(document), is_write=True
        )
        return _inner(answer, entity)

    def exchange_rate(self, currency: str, day: date) -> Decimal | None:
        """What a unit of a currency is worth to the company on a day, in its own; None where it knows no rate.

        A rate of 1 counts as none: QuickBooks says so of currencies that nobody has given one.
        """
        try:
            answer = self._transport.call(
                "GET", "exchangerate", parameters={"sourcecurrencycode": currency, "asofdate": day.isoformat()}
            )
        except Fault as fault:
            if fault.kind not in _REFUSALS:
                raise
            return None
        rate = Decimal(str(_inner(answer, "ExchangeRate").get("Rate") or 1))
        return rate if rate > 0 and rate != 1 else None

    def company(self) -> Company:
        """What the company is set to now; stored as well, so that the next client knows it."""
        info = self._transport.call("GET", f"companyinfo/{self.connected.realm_id}")
        preferences = self._transport.call("GET", "preferences")
        company = company_of(info.document, preferences.document)
        self._transport.remember(company)
        return company

    def _read(self, entity: str, quickbooks_id: str) -> Answer:
        return self._transport.call("GET", f"{entity.lower()}/{_path_segment(quickbooks_id)}")

    def _select(self, statement: str) -> Answer:
        answer = self._transport.call("POST", "query", body=statement, content_type="application/text")
        if not isinstance(answer.document.get("QueryResponse"), dict):
            raise Fault(FaultKind.RETRY, "The answer to a query has no QueryResponse.", intuit_tid=answer.intuit_tid)
        return answer


def _conditions(entity: str, where: str) -> str:
    # Without a word about Active these lists hide what was made inactive.
    if entity in _NAME_LISTS and "active" not in where.lower():
        where = f"{where} AND Active IN (true, false)" if where else "Active IN (true, false)"
    return f" WHERE {where}" if where else ""


def _path_segment(quickbooks_id: str) -> str:
    if not quickbooks_id.isascii() or not quickbooks_id.replace("-", "").isalnum():
        raise ValueError(f"{quickbooks_id!r} is not an id of QuickBooks")
    return quickbooks_id


def _inner(answer: Answer, entity: str) -> dict[str, Any]:
    document = answer.document.get(entity)
    if not isinstance(document, dict):
        raise Fault(FaultKind.UNKNOWN, f"The answer has no {entity}.", intuit_tid=answer.intuit_tid)
    return document


def _changes_of(answer: Answer, entities: Sequence[str]) -> Changes:
    documents: dict[str, list[dict[str, Any]]] = {entity: [] for entity in entities}
    deleted: dict[str, list[Deleted]] = {entity: [] for entity in entities}
    total = 0
    for response in answer.document.get("CDCResponse") or []:
        for part in response.get("QueryResponse") or []:
            for entity in entities:
                for document in part.get(entity) or []:
                    total += 1
                    if document.get("status") == "Deleted":
                        deleted[entity].append(Deleted(str(document["Id"]), updated_at(document)))
                    else:
                        documents[entity].append(document)
    return Changes(documents, deleted, server_time(answer.document, answer.headers), total >= MOST_CHANGES)


def _check_batch(body: str, request_id: str) -> None:
    if not 1 <= len(request_id) <= LONGEST_IN_BATCH:
        raise ValueError(f"the request id of a batch has 1 to {LONGEST_IN_BATCH} characters")
    items = exact_json.loads(body)["BatchItemRequest"]
    if not 1 <= len(items) <= LARGEST_BATCH:
        raise ValueError(f"a batch holds 1 to {LARGEST_BATCH} items, not {len(items)}")
    ids = [item["bId"] for item in items]
    if any(not 1 <= len(each) <= LONGEST_BATCH_ITEM_ID for each in ids) or len(set(ids)) < len(ids):
        raise ValueError(f"each bId of a batch has 1 to {LONGEST_BATCH_ITEM_ID} characters and is there once")


def _batch_answer(answer: Answer) -> BatchAnswer:
    answers: dict[str, dict[str, Any] | Fault] = {}
    for item in answer.document.get("BatchItemResponse") or []:
        fault = item.get("Fault") or item.get("fault")
        if fault:
            answers[str(item.get("bId"))] = read_fault(fault, status=None, intuit_tid=answer.intuit_tid)
            continue
        inner = [value for key, value in item.items() if key != "bId" and isinstance(value, dict)]
        if len(inner) == 1:
            answers[str(item.get("bId"))] = inner[0]
    return BatchAnswer(answers, answer.intuit_tid, server_time(answer.document, answer.headers))
