"""What a domain promises of an organization's records, and what breaks a promise.

The promises themselves, as queries for what breaks them, stand with their domain; how they are shown is a matter of the
doors.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection, text

from invoice_pipelines.database.filters import planned_by_order

SAMPLE = 20
LONGEST_TRANSACTION = timedelta(minutes=5)
"""What changed so long before the last look is looked at again: it may have been committed after that look. What took
longer is seen when all is looked at.
"""


@dataclass(frozen=True, slots=True)
class Finding:
    """What breaks a promise: how many, and the first 20 by name (a number, an order number, an SKU, an id)."""

    count: int
    sample: tuple[str, ...]
    only_warns: bool = False
    """That this is no more than a warning, also of a promise whose breaking is an error."""
    figures: Mapping[str, int] = field(default_factory=dict)
    """What else is worth showing, such as how many were looked at."""

    @property
    def kept(self) -> bool:
        """Whether nothing breaks the promise."""
        return self.count == 0


@dataclass(frozen=True, slots=True)
class Promise:
    """Something that is always true of an organization, and how to find what breaks it.

    `find` takes what its stage gives to all of its promises: a connection in the organization's scope as a rule, and
    what the run did. None: the stage itself sees whether the promise is kept. `warns`: breaking it is a warning, no
    error. `blocking`: whatever comes after must not run.
    """

    name: str
    description: str
    find: Callable[..., Finding] | None = None
    warns: bool = False
    blocking: bool = False
    of_run: bool = False
    """Whether it is about what a run did: one with nothing to do leaves it as the run before it."""
    of_all: bool = False
    """Whether it is about all records, however many: `find` takes the connection and which part of them to look at,
    None for all; see `find_broken`.
    """


def offending(connection: Connection, query: str, **values: object) -> Finding:
    """What a query finds, by its column `name`. Its look-ups by key are planned by their order."""
    with planned_by_order(connection):
        rows = connection.execute(
            text(f"select name, count(*) over () from ({query}) offending order by name limit {SAMPLE}"), values
        ).all()
    return Finding(rows[0][1] if rows else 0, tuple("?" if row[0] is None else str(row[0]) for row in rows))


def find_broken(
    connection: Connection,
    promises: Sequence[Promise],
    *,
    part: Callable[[datetime], object] = lambda since: since,
    everything: bool = False,
) -> dict[str, Finding]:
    """What breaks each promise of the organization in scope, by its name; `find` takes just the connection.

    Of promises `of_all`, a part is looked at: what changed since the last look. `part` makes of that moment what `find`
    takes. All is looked at the first time, if `everything` is asked for, and while something breaks the promise: other
    records must not hide what is still broken. The look is noted with the transaction.
    """
    rows = connection.execute(
        text(
            """select promise, checked_at from organizations.checked_promise
               where promise = any (:names) and not is_broken"""
        ),
        {"names": [promise.name for promise in promises if promise.of_all]},
    )
    kept_at = {} if everything else {row.promise: row.checked_at for row in rows}
    found: dict[str, Finding] = {}
    noted = []
    for promise in promises:
        if promise.find is None:
            continue
        if not promise.of_all:
            found[promise.name] = promise.find(connection)
            continue
        in_full = promise.name not in kept_at
        finding = promise.find(connection, None if in_full else part(kept_at[promise.name] - LONGEST_TRANSACTION))
        if not finding.kept and not in_full:
            in_full, finding = True, promise.find(connection, None)
        found[promise.name] = finding
        noted.append({"promise": promise.name, "in_full": in_full, "is_broken": not finding.kept})
    if noted:
        connection.execute(text(_NOTE), {"looks": json.dumps(noted)})
    return found


# Of two looks at the same time, one that saw what broke the promise counts, and only a later one that saw all mends it.
_NOTE = """
    insert into organizations.checked_promise as c (organization_id, promise, checked_at, all_checked_at, is_broken)
    select organizations.current(), n.promise, now(), case when n.in_full then now() else '-infinity' end, n.is_broken
    from jsonb_to_recordset(cast(:looks as jsonb)) n (promise text, in_full boolean, is_broken boolean)
    order by n.promise
    on conflict (organization_id, promise) do update
    set checked_at = greatest(c.checked_at, excluded.checked_at),
        all_checked_at = greatest(c.all_checked_at, excluded.all_checked_at),
        is_broken = excluded.is_broken or c.is_broken and excluded.all_checked_at < c.checked_at"""
