"""Writes rows of one table: adds those that are new, changes the others, and tells what became of each.

However many rows, it is a few statements; see work/chunks.sql on why each look-up is by key.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic
from uuid import UUID

from pydantic import ValidationError
from pydantic_core import to_json
from sqlalchemy import Connection, text

from invoice_pipelines.billing.errors import RowProblem, RowsRefused, problems_of
from invoice_pipelines.billing.records.rows import AnyRow, Result, Row, RowOutcome, changes_of, check, written_key

Key = tuple[Any, ...]


@dataclass(frozen=True)
class Table(Generic[AnyRow]):
    """A table of billing whose rows are known by `key`, and the model of a new row, whose fields are its columns.

    `has_author`: it also has created_by and updated_at. `has_rules`: fields of a row depend on one another, so that a
    change is checked with what stays.
    """

    name: str
    model: type[AnyRow]
    key: tuple[str, ...]
    has_author: bool = True
    has_rules: bool = False

    @cached_property
    def changes(self) -> type[Row]:
        """The model of a row that comes in: what it leaves out stays as it is, or gets its default in a new one."""
        return changes_of(self.model, *self.key)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """What rows may say."""
        return tuple(self.model.model_fields)


def write_rows(
    connection: Connection,
    table: Table[AnyRow],
    rows: Iterable[Row | Mapping[str, Any]],
    *,
    created_by: str = "",
    all_or_none: bool = False,
) -> list[RowOutcome]:
    """Adds rows or changes those whose key exists; what became of each, in the order given.

    A wrong row stops no other one; with `all_or_none`, RowsRefused names all that are wrong, and none is written.
    """
    checked = check(table.changes, rows, table.key)
    outcomes = checked.failed()
    waiting = dict(checked.rows)
    if all_or_none and not waiting:
        checked.refuse_problems()
    while waiting:
        known = _locked(connection, table, waiting.values())
        new: dict[int, Mapping[str, Any]] = {}
        changed: dict[int, Mapping[str, Any]] = {}
        for place, row in waiting.items():
            before = known.get(_key(table, row))
            try:
                values = _whole(table, row, before)
            except ValidationError as error:
                outcomes[place] = _outcome(place, table, row, Result.FAILED, problems=problems_of(place, error))
                continue
            if before is None:
                new[place] = values
            elif all(before[name] == values[name] for name in table.columns):
                outcomes[place] = _outcome(place, table, row, Result.UNCHANGED, before["id"])
            else:
                changed[place] = values
                outcomes[place] = _outcome(place, table, row, Result.CHANGED, before["id"])
        if all_or_none and (wrong := [problem for outcome in outcomes.values() for problem in outcome.problems]):
            raise RowsRefused(wrong)
        _write(connection, table, list(changed.values()), created_by, are_known=True)
        added = _write(connection, table, list(new.values()), created_by, are_known=False)
        for place in new:
            if (created := added.get(_key(table, waiting[place]))) is not None:
                outcomes[place] = _outcome(place, table, waiting[place], Result.CREATED, created)
        waiting = {place: waiting[place] for place in new if place not in outcomes}  # somebody else was faster
    return [outcomes[place] for place in sorted(outcomes)]


def ids_of(outcomes: Sequence[RowOutcome]) -> list[UUID]:
    """The ids of rows that were all written."""
    return [outcome.id for outcome in outcomes if outcome.id is not None]


def _whole(table: Table[AnyRow], row: Row, before: Mapping[str, Any] | None) -> dict[str, Any]:
    given = row.model_dump(exclude_unset=True)
    if before is None:
        return table.model.model_validate(given).model_dump()
    values = {name: before[name] for name in table.columns} | given
    if table.has_rules:
        table.model.model_validate(values)
    return values


def _key(table: Table[AnyRow], row: Row) -> Key:
    return tuple(getattr(row, name) for name in table.key)


def _outcome(
    place: int,
    table: Table[AnyRow],
    row: Row,
    result: Result,
    row_id: UUID | None = None,
    problems: Sequence[RowProblem] = (),
) -> RowOutcome:
    return RowOutcome(place, written_key(_key(table, row)), result, row_id, tuple(problems))


def _locked(connection: Connection, table: Table[AnyRow], rows: Iterable[Row]) -> dict[Key, Mapping[str, Any]]:
    """The rows that exist, locked by id as everywhere, so that nobody waits in a circle."""
    keys = [{name: getattr(row, name) for name in table.key} for row in rows]
    # demanded by test_rows_are_looked_up_by_their_keys
    found = connection.execute(
        text(
            f"""with known as materialized (
                    select t.id
                    from jsonb_populate_recordset(null::billing.{table.name}, cast(:keys as jsonb)) k
                    cross join lateral (
                        select t.id from billing.{table.name} t
                        where t.organization_id = organizations.current()
                          and {" and ".join(f"t.{name} = k.{name}" for name in table.key)} offset 0) t
                )
                select t.*
                from (select k.id from known k order by k.id) k
                cross join lateral (
                    select t.id, {", ".join(f"t.{name}" for name in table.columns)} from billing.{table.name} t
                    where t.organization_id = organizations.current() and t.id = k.id for no key update) t"""
        ),
        {"keys": to_json(keys).decode()},
    )
    return {tuple(row._mapping[name] for name in table.key): dict(row._mapping) for row in found}


def _write(
    connection: Connection,
    table: Table[AnyRow],
    rows: Sequence[Mapping[str, Any]],
    created_by: str,
    *,
    are_known: bool,
) -> dict[Key, UUID]:
    """Writes whole rows; the ids of those that were written, which new ones are not that somebody has just added."""
    if not rows:
        return {}
    named, columns = ", ".join(table.key), ", ".join(table.columns)
    author, creator = ("created_by, ", ":created_by, ") if table.has_author else ("", "")
    changes = [f"{column} = excluded.{column}" for column in table.columns]
    changes += ["updated_at = now()"] if table.has_author else []
    conflict = f"do update set {', '.join(changes)}" if are_known else "do nothing"
    written = connection.execute(
        text(
            f"""insert into billing.{table.name} (organization_id, {author}{columns})
                select organizations.current(), {creator}{columns}
                from jsonb_populate_recordset(null::billing.{table.name}, cast(:rows as jsonb))
                order by {named}
                on conflict ({named}, organization_id) {conflict}
                returning id, {named}"""
        ),
        {"rows": to_json(rows).decode(), "created_by": created_by},
    )
    return {tuple(row[1:]): row.id for row in written}
