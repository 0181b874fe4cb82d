"""What a domain promises of an organization's records, and what breaks a promise.

The promises themselves, as queries for what breaks them, stand with their domain; how they are shown is a matter of the
doors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection, text

SAMPLE = 20


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


def offending(connection: Connection, query: str, **values: object) -> Finding:
    """What a query finds, by its column `name`."""
    rows = connection.execute(
        text(f"select name, count(*) over () from ({query}) offending order by name limit {SAMPLE}"), values
    ).all()
    return Finding(rows[0][1] if rows else 0, tuple("?" if row[0] is None else str(row[0]) for row in rows))
