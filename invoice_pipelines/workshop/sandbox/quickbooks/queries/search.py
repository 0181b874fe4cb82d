"""How a statement of the query language is answered from the store."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from invoice_pipelines.workshop.sandbox.quickbooks.books.books import Books
from invoice_pipelines.workshop.sandbox.quickbooks.clock import parse_instant
from invoice_pipelines.workshop.sandbox.quickbooks.queries.properties import PROPERTIES
from invoice_pipelines.workshop.sandbox.quickbooks.queries.query import Condition, Statement, parse, parser_error
from invoice_pipelines.workshop.sandbox.quickbooks.wire.refusals import Refusal

_SELECTIVE = ("DocNumber", "DisplayName", "Name", "CustomerRef")
_COLUMNS = {"id": "id", "updated": "updated", "active": "active", "customer": "customer", "number text": "doc_number"}


def poisoned() -> Refusal:
    """What a page answers as a whole when one of its rows cannot be shown."""
    return Refusal(
        "4002",
        "Error processing query",
        "QueryProcessingError: To email address entered is invalid",
    )


def query(books: Books, text: str) -> str:
    """The value of `QueryResponse` for a statement, as JSON; raises Refusal."""
    switches = books.switches
    statement = parse(
        text,
        zero_starts=switches.start_position_0 == "first",
        capped=switches.max_results_over_1000 == "cap",
    )
    where, parameters = _where(books, statement)
    if statement.count:
        total = books.store.rows(f"select count(*) from document where {where}", parameters)[0][0]
        return f'{{"totalCount":{total}}}'
    order = ", ".join([*(_order(statement.entity, one) for one in statement.order), *_ties(books, statement)])
    rows = books.store.rows(
        f"select poison, body from document where {where} order by {order} limit ? offset ?",
        [*parameters, statement.most, statement.start - 1],
    )
    if any(poison for poison, _ in rows):
        raise poisoned()
    if not rows:
        return "{}"
    bodies = ",".join(body for _, body in rows)
    return f'{{"{statement.entity}":[{bodies}],"startPosition":{statement.start},"maxResults":{len(rows)}}}'


def _where(books: Books, statement: Statement) -> tuple[str, list[Any]]:
    parts = ["realm = ?", "entity = ?", "not deleted"]
    parameters: list[Any] = [books.realm, statement.entity]
    for condition in statement.conditions:
        part, values = _condition(books, statement.entity, condition)
        parts.append(part)
        parameters += values
    lists_names = "Active" in PROPERTIES[statement.entity]
    if lists_names and all(condition.property != "Active" for condition in statement.conditions):
        parts.append("active = 1")
    return " and ".join(parts), parameters


def _condition(books: Books, entity: str, condition: Condition) -> tuple[str, list[Any]]:
    kind = PROPERTIES[entity][condition.property]
    values = [_value(books, kind, one) for one in condition.values]
    left = _expression(entity, condition.property)
    if condition.operator == "LIKE":
        pattern = str(values[0]).replace("\\", "\\\\").replace("_", "\\_")
        return f"{left} like ? escape '\\'", [pattern]
    if condition.property in ("DisplayName", "Name") and condition.operator in ("=", "IN") and _has_key(entity, books):
        left, values = "name_key", [books.name_key(str(one)) for one in values]
    elif kind in ("text", "number text") and books.switches.text_ignores_case:
        left = f"{left} collate nocase"
    if condition.operator == "IN":
        return f"{left} in ({', '.join('?' * len(values))})", values
    return f"{left} {condition.operator} ?", values


def _has_key(entity: str, books: Books) -> bool:
    return entity in ("Customer", "Vendor", "Employee", "Item") and books.switches.text_ignores_case


def _expression(entity: str, name: str) -> str:
    kind = PROPERTIES[entity][name]
    if kind in _COLUMNS:
        return _COLUMNS[kind]
    if kind == "reference":
        return f"json_extract(body, '$.{name}.value')"
    if kind == "number":
        return f"cast(json_extract(body, '$.{name}') as real)"
    if kind == "instant":
        return f"cast(strftime('%s', json_extract(body, '$.{name}')) as integer)"
    if name == "PrimaryEmailAddr":
        return "json_extract(body, '$.PrimaryEmailAddr.Address')"
    if name == "PrimaryPhone":
        return "json_extract(body, '$.PrimaryPhone.FreeFormNumber')"
    return f"json_extract(body, '$.{name}')"


def _value(books: Books, kind: str, value: str | bool) -> Any:
    """A literal as it is compared; raises Refusal 4000."""
    if kind in ("updated", "instant"):
        try:
            return parse_instant(str(value), ZoneInfo(books.switches.zone_of_local_times)).timestamp()
        except ValueError:
            raise parser_error(f"Invalid date-time value {value}.") from None
    if kind in ("id", "customer"):
        text = str(value)
        return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else -1
    if kind in ("active", "bool"):
        return int(value if isinstance(value, bool) else value.lower() == "true")
    if kind == "number":
        try:
            return float(Decimal(str(value)))
        except InvalidOperation:
            raise parser_error(f"Invalid number value {value}.") from None
    return str(value)


def _order(entity: str, one: tuple[str, bool]) -> str:
    name, downwards = one
    return f"{_expression(entity, name)} {'desc' if downwards else 'asc'}"


def _ties(books: Books, statement: Statement) -> list[str]:
    if statement.order and books.switches.ties == "scattered":
        downwards = " desc" if statement.order[-1][1] else ""  # so that the index serves both directions
        return [f"scatter{downwards}", f"id{downwards}"]
    # The plus keeps SQLite from walking along all ids in order where few rows are found by an index of their own.
    return ["+id" if any(one.property in _SELECTIVE for one in statement.conditions) else "id"]
