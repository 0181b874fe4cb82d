"""What a benchmark answers: medians, ratios, bars and the machine it ran on. How to measure is each one's own."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from sqlalchemy import Engine, text

from invoice_pipelines.errors import InvoicePipelinesError


class BenchError(InvoicePipelinesError):
    """A benchmark could not be run, or what it ran did not come out right; the message is one line for people."""


@dataclass(frozen=True, slots=True)
class Case:
    """One thing that was measured, once per round. `unit` is of the values, such as "e-invoices/s"."""

    values: Sequence[float]
    unit: str
    about: str

    def as_json(self) -> dict[str, Any]:
        """Median, number of rounds and the value of each round in the order they ran."""
        return {
            "median": _rounded(median(self.values)),
            "n": len(self.values),
            "unit": self.unit,
            "values": [_rounded(value) for value in self.values],
            "about": self.about,
        }


@dataclass(frozen=True, slots=True)
class Bar:
    """A promise: `value` must be `limit` or more, or with `at_most` not above it."""

    value: float
    limit: float
    at_most: bool = False

    @property
    def holds(self) -> bool:
        """Whether the promise is kept. The value is not rounded before it is compared."""
        return self.value <= self.limit if self.at_most else self.value >= self.limit


@dataclass(frozen=True, slots=True)
class BenchResult:
    """What one benchmark found. `ratios` are medians of the ratios of rounds that ran next to each other. `details` are
    tables beside them, for `--json` alone."""

    bench: str
    cases: Mapping[str, Case]
    ratios: Mapping[str, float]
    bars: Mapping[str, Bar]
    environment: Mapping[str, Any]
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        """Whether all bars hold."""
        return all(bar.holds for bar in self.bars.values())

    def as_json(self) -> dict[str, Any]:
        """The object that `bench --json` prints."""
        return {
            "bench": self.bench,
            "cases": {name: case.as_json() for name, case in self.cases.items()},
            "ratios": {name: _rounded(value) for name, value in self.ratios.items()},
            "bars": {
                name: {"value": _rounded(bar.value), "limit": bar.limit, "holds": bar.holds}
                for name, bar in self.bars.items()
            },
            "environment": dict(self.environment),
            **({"details": dict(self.details)} if self.details else {}),
        }


def environment(engine: Engine | None) -> dict[str, Any]:
    """The machine as it is now, and the versions that matter. `load` is the average of the last minute."""
    versions = {"python": platform.python_version()}
    if engine is not None:
        with engine.connect() as connection:
            versions["postgresql"] = str(connection.execute(text("show server_version")).scalar_one())
    return {
        "cpus": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        **versions,
        "platform": platform.platform(),
        "load": round(os.getloadavg()[0], 2),
    }


def _rounded(value: float) -> float:
    return round(value, 3)
