"""How long documents take from their upload to an outcome, in all organizations together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection, text


@dataclass(frozen=True, slots=True)
class Turnaround:
    """Documents of a source (`xml`, `text`, `ocr`, or `none` where nothing could be read) that came to an outcome
    (`validated`, `for_review`, `failed`). `by_bound` counts those that took longer than as many of the bounds;
    `seconds` is what they took together.
    """

    source: str
    outcome: str
    by_bound: Mapping[int, int]
    seconds: float

    @property
    def documents(self) -> int:
        return sum(self.by_bound.values())


def count_turnarounds(connection: Connection, invoice_ids: Iterable[UUID]) -> None:
    """Counts received invoices that have just come to an outcome, if it is the first one of their document."""
    if ids := list(invoice_ids):
        connection.execute(text("select intake.count_turnarounds(:ids)"), {"ids": ids})


def turnarounds(connection: Connection) -> tuple[Sequence[float], tuple[Turnaround, ...]]:
    """The bounds in seconds, and what was counted since ever. Needs no organization scope."""
    bounds = connection.execute(text("select intake.turnaround_bounds()")).scalar_one()
    counts: dict[tuple[str, str], dict[int, int]] = {}
    seconds: dict[tuple[str, str], float] = {}
    for row in connection.execute(text("select * from intake.turnarounds()")):
        key = row.source, row.outcome
        counts.setdefault(key, {})[row.bucket] = row.documents
        seconds[key] = seconds.get(key, 0.0) + float(row.seconds)
    return bounds, tuple(Turnaround(*key, found, seconds[key]) for key, found in counts.items())
