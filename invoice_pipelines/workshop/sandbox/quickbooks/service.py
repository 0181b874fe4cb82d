"""What the company API answers to a call that was let through: documents, queries, changes, batches, replays.

Who may call, and how often, is in `oauth` and `throttle`; what goes wrong on purpose is in `injection`.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any

from invoice_pipelines.workshop.sandbox.quickbooks.books import entities
from invoice_pipelines.workshop.sandbox.quickbooks.books.books import Books
from invoice_pipelines.workshop.sandbox.quickbooks.books.companies import Company, company_info, preferences
from invoice_pipelines.workshop.sandbox.quickbooks.books.currencies import exchange_rate
from invoice_pipelines.workshop.sandbox.quickbooks.clock import Clock, envelope_time, stamp
from invoice_pipelines.workshop.sandbox.quickbooks.queries.changes import changes
from invoice_pipelines.workshop.sandbox.quickbooks.queries.search import query
from invoice_pipelines.workshop.sandbox.quickbooks.store import Store
from invoice_pipelines.workshop.sandbox.quickbooks.switches import Switches
from invoice_pipelines.workshop.sandbox.quickbooks.wire import refusals, shapes
from invoice_pipelines.workshop.sandbox.quickbooks.wire.json_text import Document, dumps, loads
from invoice_pipelines.workshop.sandbox.quickbooks.wire.refusals import Refusal
from invoice_pipelines.workshop.sandbox.quickbooks.wire.shapes import Answer

_REQUEST_ID = 50
_REQUEST_ID_OF_BATCH = 36
_B_ID = 10
_ENTITY = re.compile(f'"({"|".join(entities.KINDS)})"\\s*:\\s*{{'.encode())


@dataclass(frozen=True)
class Item:
    """A part of a batch as it was asked for, and the code of its fault; empty: none."""

    b_id: str
    entity: str
    operation: str
    code: str = ""


@dataclass(frozen=True)
class Call:
    """A request to a company: `parts` is the path behind the realm."""

    method: str
    realm: str
    parts: tuple[str, ...]
    parameters: Mapping[str, str]
    body: bytes
    content_type: str = ""

    @property
    def request_id(self) -> str:
        """As sent; empty: none."""
        return self.parameters.get("requestid", "")

    @cached_property
    def entity(self) -> str:
        """What it is about, such as `Invoice`; for a query the word behind FROM, for a batch the first; or empty."""
        if self.operation == "batch":
            first = _ENTITY.search(self.body)
            return first[1].decode() if first else ""
        if self.operation == "query":
            words = self.statement.split()
            upper = [word.upper() for word in words]
            return words[upper.index("FROM") + 1] if "FROM" in upper[:-1] else ""
        return entities.BY_PATH.get(self.parts[0], "") if self.parts else ""

    @cached_property
    def operation(self) -> str:
        """create, update, void, delete, read, query, cdc, batch, companyinfo, preferences or exchangerate; empty:
        unknown.
        """
        first = self.parts[0] if self.parts else ""
        if first in ("query", "cdc", "batch", "companyinfo", "preferences", "exchangerate"):
            return first
        if first not in entities.BY_PATH:
            return ""
        if self.method == "GET":
            return "read"
        if self.parameters.get("include") == "void":
            return "void"
        if wanted := self.parameters.get("operation"):
            return wanted
        return "update" if b'"Id"' in self.body and _has_id(self.body) else "create"

    @property
    def statement(self) -> str:
        """Of a query."""
        if self.method == "GET":
            return self.parameters.get("query", "")
        return self.body.decode("utf-8", "replace")


ItemFault = Callable[[Item], Refusal | None]


def _has_id(body: bytes) -> bool:
    try:
        sent = loads(body)
    except ValueError:
        return False
    return isinstance(sent, dict) and sent.get("Id") not in (None, "")


class Service:
    """The companies of a store."""

    def __init__(self, store: Store, switches: Switches, clock: Clock) -> None:
        self.store = store
        self.switches = switches
        self.clock = clock
        self._dice = random.Random(1)

    def company(self, realm: str) -> Company | None:
        """What a company is set to; None: there is none."""
        found = self.store.rows("select options from company where realm = ?", (realm,))
        return Company.model_validate_json(found[0][0]) if found else None

    def books(self, realm: str) -> Books:
        """The books of a company that exists, now."""
        company = self.company(realm)
        if company is None:
            raise KeyError(f"there is no company {realm}")
        return Books(self.store, realm, company, self.switches, self.clock.now())

    def answer(self, call: Call, item_fault: ItemFault | None = None, items: list[Item] | None = None) -> Answer:
        """Does what a call says, once for each request id. Puts the parts of a batch into `items`."""
        request_id = call.request_id if call.method == "POST" and call.operation != "query" else ""
        with self.store.transaction():
            books = self.books(call.realm)
            books.allow_duplicate_number = call.parameters.get("include") == "allowduplicatedocnum"
            digest = sha256(call.body).hexdigest()
            if request_id and (replayed := self._replayed(books, request_id, digest)):
                return replayed
            try:
                with self.store.transaction():
                    if request_id:
                        _check_request_id(request_id, call.operation)
                    content = self._content(books, call, item_fault, [] if items is None else items)
                answer = Answer(200, f'{{{content},"time":"{envelope_time(self.clock.now())}"}}')
            except Refusal as refusal:
                answer = shapes.refused([refusal], books.now)
            if request_id and (answer.status == 200 or self.switches.replay_faults):
                self.store.rows(
                    "insert into request values (?, ?, ?, ?, ?, ?) on conflict do update set body_hash ="
                    " excluded.body_hash, at = excluded.at, status = excluded.status, content = excluded.content",
                    (call.realm, request_id, digest, books.now.timestamp(), answer.status, answer.body),
                )
            return answer

    def _replayed(self, books: Books, request_id: str, digest: str) -> Answer | None:
        oldest = (books.now - self.switches.request_id_lifetime).timestamp()
        found = self.store.rows(
            "select body_hash, status, content from request where realm = ? and request_id = ? and at > ?",
            (books.realm, request_id, oldest),
        )
        if not found:
            return None
        known, status, content = found[0]
        if known != digest and self.switches.changed_body == "refuse":
            return shapes.refused(
                [Refusal("600", "Duplicate Request ID", f"Duplicate Request ID : {request_id}")], books.now
            )
        answer = Answer(status, content)
        answer.headers["x-sandbox-replayed"] = "true"
        return answer

    def _content(self, books: Books, call: Call, item_fault: ItemFault | None, items: list[Item]) -> str:
        operation = call.operation
        if operation == "query":
            return f'"QueryResponse":{query(books, call.statement)}'
        if operation == "cdc":
            entities_wanted = call.parameters.get("entities", "")
            return f'"CDCResponse":{changes(books, entities_wanted, call.parameters.get("changedSince", ""))}'
        if operation == "batch":
            return f'"BatchItemResponse":[{self._batch(books, call, item_fault, items)}]'
        if operation in ("companyinfo", "preferences"):
            return self._about(books, operation)
        if operation == "exchangerate":
            return f'"ExchangeRate":{dumps(exchange_rate(books, call.parameters))}'
        if not operation:
            raise refusals.unsupported("/".join(call.parts))
        if operation == "read":
            if len(call.parts) < 2:
                raise refusals.missing("Id")
            return f'"{call.entity}":{self._read(books, call)}'
        return f'"{call.entity}":{dumps(_write(books, call.entity, operation, _object(call.body)))}'

    def _about(self, books: Books, what: str) -> str:
        at = stamp(books.second)
        times = {"MetaData": {"CreateTime": at, "LastUpdatedTime": at}, "SyncToken": "0"}
        if what == "companyinfo":
            return f'"CompanyInfo":{dumps({**company_info(books.company, books.realm), **times})}'
        return f'"Preferences":{dumps({**preferences(books.company), **times})}'

    def _read(self, books: Books, call: Call) -> str:
        row = books.row(call.entity, call.parts[1])
        if call.entity == "Invoice" and call.parameters.get("include") == "invoiceLink":
            document = row.document
            if "BillEmail" in document and document.get("AllowOnlineCreditCardPayment"):
                document["InvoiceLink"] = f"https://connect.example.com/t/scs-v1-{books.realm}-{row.id}"
            return dumps(document)
        return row.body or ""

    def _batch(self, books: Books, call: Call, item_fault: ItemFault | None, items: list[Item]) -> str:
        requests = _object(call.body).get("BatchItemRequest")
        if not isinstance(requests, list) or not requests:
            raise refusals.missing("BatchItemRequest")
        if len(requests) > self.switches.batch_items:
            raise Refusal(
                "1040",
                "Batch size exceeds allowed limit",
                f"Batch size exceeds allowed limit : {len(requests)} is more than {self.switches.batch_items}.",
            )
        for request in requests:
            if not isinstance(request, dict) or not isinstance(request.get("bId"), str) or not request["bId"]:
                raise refusals.missing("bId")
            if call.request_id and len(request["bId"]) > _B_ID:
                raise _bad_request_id(f"bId {request['bId']} is longer than {_B_ID} characters")
        order = list(range(len(requests)))
        if self.switches.shuffled_batches:
            self._dice.shuffle(order)
        order.sort(key=lambda index: "Query" not in requests[index])  # what the batch makes is not seen within it
        answers = []
        for index in order:
            item = _item(requests[index])
            try:
                if item_fault and (fault := item_fault(item)):
                    raise fault
                with self.store.transaction():
                    content = self._batch_item(books, item, requests[index])
                items.append(item)
            except Refusal as refusal:
                content = f'"Fault":{shapes.fault_text([refusal])}'
                items.append(Item(item.b_id, item.entity, item.operation, refusal.code))
            answers.append(f'{{{content},"bId":{dumps(item.b_id)}}}')
        return ",".join(answers)

    def _batch_item(self, books: Books, item: Item, request: Document) -> str:
        if item.operation == "query":
            return f'"QueryResponse":{query(books, request["Query"])}'
        if not item.entity:
            raise refusals.malformed(", ".join(request))
        if item.operation == "void" and not self.switches.void_in_batch:
            raise refusals.unsupported("void in batch")
        books.allow_duplicate_number = "allowduplicatedocnum" in str(request.get("optionsData", ""))
        return f'"{item.entity}":{dumps(_write(books, item.entity, item.operation, dict(request[item.entity])))}'


def _item(request: Document) -> Item:
    if "Query" in request:
        return Item(request["bId"], "", "query")
    entity = next((key for key in request if key in entities.KINDS and isinstance(request[key], dict)), "")
    operation = str(request.get("operation", ""))
    if operation == "update" and request.get("optionsData") == "void":
        operation = "void"
    return Item(request["bId"], entity, operation)


def _write(books: Books, entity: str, operation: str, sent: Document) -> Document:
    actions = {
        "create": entities.create,
        "update": entities.update,
        "void": entities.void,
        "delete": entities.delete,
    }
    if operation not in actions:
        raise refusals.unsupported(f"{operation} for {entity}")
    try:
        return actions[operation](books, entity, sent)
    except (AttributeError, TypeError) as error:  # such as a text where an object is to be
        raise refusals.malformed(f"{entity} ({error})") from error


def _object(body: bytes) -> Document:
    try:
        sent: Any = loads(body.decode("utf-8"))
    except UnicodeDecodeError:
        raise refusals.unsupported("with a body that is not UTF-8") from None
    except ValueError as error:
        raise refusals.malformed(f"body ({error})") from None
    if not isinstance(sent, dict):
        raise refusals.malformed("body")
    return sent


def _check_request_id(request_id: str, operation: str) -> None:
    most = _REQUEST_ID_OF_BATCH if operation == "batch" else _REQUEST_ID
    if len(request_id) > most:
        raise _bad_request_id(f"{request_id} is longer than {most} characters")


def _bad_request_id(detail: str) -> Refusal:
    return Refusal("2130", "Invalid Request Id Format", f"Invalid Request Id Format : {detail}")
