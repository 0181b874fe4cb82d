"""Looks for figures when Prometheus asks for them, however many ask and however slow the database is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from threading import Lock

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from invoice_pipelines.database.errors import DatabaseError

FRESH_SECONDS = 5.0
"""What was found is told again for so long."""
SECONDS_TO_LOOK = 5.0
"""Who asks waits no longer, and is told what was found the time before."""
_STATEMENT_MILLISECONDS = 4000

Look = Callable[[Connection], Iterator[Metric]]


@dataclass(frozen=True, slots=True)
class Part:
    """Figures of one kind: `look` finds them in the database of `engine`. Where it is away they are left out."""

    name: str
    engine: Engine
    look: Look


class Figures(Collector):
    """Figures of all parts. One look at a time, in a thread of its own; `close` ends it."""

    def __init__(self, parts: tuple[Part, ...], of_this_machine: Callable[[], Iterator[Metric]]) -> None:
        self._parts = parts
        self._of_this_machine = of_this_machine
        self._lock = Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="figures")
        self._looking: Future[None] | None = None
        self._found: Mapping[str, list[Metric]] = {}
        self._failed: frozenset[str] = frozenset()
        self._seconds = 0.0
        self._looked_at = float("-inf")

    def describe(self) -> list[Metric]:
        """Nothing is looked up before it is asked for."""
        return []

    def collect(self) -> Iterator[Metric]:
        """As Prometheus asks for them."""
        with self._lock:
            is_over = self._looking is None or self._looking.done()
            if is_over and time.monotonic() - self._looked_at > FRESH_SECONDS:
                self._looking = self._thread.submit(self._look)
            looking = self._looking
        if looking is not None:
            wait([looking], SECONDS_TO_LOOK)
        age = time.monotonic() - self._looked_at
        known = age < float("inf")
        up = GaugeMetricFamily("invoice_pipelines_database_up", "Whether the database answers (1) or not (0)")
        up.add_metric([], int(known and age < FRESH_SECONDS + SECONDS_TO_LOOK and "queues" not in self._failed))
        yield up
        parts = GaugeMetricFamily(
            "invoice_pipelines_figures_up",
            "Whether the figures of a part could be found (1) or not (0)",
            labels=["part"],
        )
        for part in self._parts:
            parts.add_metric([part.name], int(known and part.name not in self._failed))
        yield parts
        if known:
            yield GaugeMetricFamily("invoice_pipelines_figures_age_seconds", "Since figures were found", value=age)
            yield GaugeMetricFamily(
                "invoice_pipelines_figures_seconds", "How long the last look for figures took", value=self._seconds
            )
        for found in self._found.values():
            yield from found
        yield from self._of_this_machine()

    def close(self) -> None:
        """Ends its thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _look(self) -> None:
        began = time.monotonic()
        found: dict[str, list[Metric]] = {}
        away: set[Engine] = set()
        for part in self._parts:
            if part.engine in away:
                continue
            try:
                with part.engine.connect() as connection:
                    connection.execute(text(f"set local statement_timeout = {_STATEMENT_MILLISECONDS}"))
                    found[part.name] = list(part.look(connection))
                    connection.commit()
            except (SQLAlchemyError, DatabaseError):
                if not _answers(part.engine):
                    away.add(part.engine)
        self._found = found
        self._failed = frozenset(part.name for part in self._parts) - found.keys()
        self._looked_at = time.monotonic()
        self._seconds = self._looked_at - began


def _answers(engine: Engine) -> bool:
    try:
        with engine.connect() as connection:
            return bool(connection.execute(text("select 1")).scalar_one())
    except (SQLAlchemyError, DatabaseError):
        return False
