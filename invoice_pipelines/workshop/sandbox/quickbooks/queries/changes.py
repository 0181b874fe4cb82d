"""Change data capture: everything that changed since an instant, up to 1,000 objects in all."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from invoice_pipelines.workshop.sandbox.quickbooks.books.books import Books
from invoice_pipelines.workshop.sandbox.quickbooks.books.entities import KINDS
from invoice_pipelines.workshop.sandbox.quickbooks.clock import parse_instant, stamp
from invoice_pipelines.workshop.sandbox.quickbooks.queries.query import validation_error
from invoice_pipelines.workshop.sandbox.quickbooks.wire.refusals import Refusal, system_fault

MOST_OBJECTS = 1000
_LONGEST = timedelta(days=30)
_NOT_CAPTURED = frozenset(["JournalCode", "TaxAgency", "TimeActivity", "TaxCode", "TaxRate"])


def changes(books: Books, entities: str, changed_since: str) -> str:
    """The value of `CDCResponse`, as JSON; raises Refusal."""
    wanted = [one.strip() for one in entities.split(",") if one.strip()]
    if not wanted:
        raise validation_error("Parameter entities is missing.")
    for entity in wanted:
        if entity not in KINDS or entity in _NOT_CAPTURED:
            raise validation_error(f"Entity {entity} is not supported for cdc.")
    try:
        since = parse_instant(changed_since, ZoneInfo(books.switches.zone_of_local_times))
    except ValueError:
        raise validation_error(f"Invalid date-time value {changed_since} for changedSince.") from None
    if since < books.now - _LONGEST:
        raise Refusal(
            books.switches.cdc_too_old_code,
            "Invalid query",
            f"Operation cdc with changedSince date {changed_since} which is older than fixed days is not supported.",
        )
    kept = _kept(books, wanted, since.timestamp())
    answers = []
    for entity in wanted:
        rows = [row for row in kept if row[0] == entity]
        if not rows:
            answers.append("{}")
            continue
        bodies = ",".join(_body(*row[1:]) for row in rows)
        total = f',"totalCount":{len(rows)}' if books.switches.cdc_total_count else ""
        answers.append(f'{{"{entity}":[{bodies}],"startPosition":1,"maxResults":{len(rows)}{total}}}')
    return f'[{{"QueryResponse":[{",".join(answers)}]}}]'


def _kept(books: Books, wanted: list[str], since: float) -> list[Any]:
    """Entity, id, time, poison and body of what is told."""
    order = {
        "newest": "updated desc, scatter desc",
        "oldest": "updated, scatter",
        "first_entities": "instr(?, entity), updated",
    }[books.switches.cdc_keeps]
    marks = ", ".join("?" * len(wanted))
    parameters: list[Any] = [books.realm, *wanted, since]
    if books.switches.cdc_keeps == "first_entities":
        parameters.append(",".join(wanted))
    rows = books.store.rows(
        "select entity, id, updated, poison, body from document where realm = ?"
        f" and entity in ({marks}) and updated >= ? order by {order} limit {MOST_OBJECTS}",
        parameters,
    )
    if any(row[3] for row in rows):
        raise system_fault()
    return rows


def _body(identity: int, updated: int, poison: int, body: str | None) -> str:
    if body is not None:
        return body
    return (
        f'{{"domain":"QBO","status":"Deleted","Id":"{identity}","MetaData":{{"LastUpdatedTime":"{stamp(updated)}"}}}}'
    )
