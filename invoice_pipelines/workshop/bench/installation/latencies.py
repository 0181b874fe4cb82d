"""How values spread, such as seconds of documents."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import quantiles


def percentile(values: Sequence[float], number: int) -> float:
    """The value that so many percent do not exceed."""
    return quantiles(values, n=100, method="inclusive")[number - 1] if len(values) > 1 else values[0]


def spread(values: Sequence[float]) -> dict[str, float]:
    """What half, most and nearly all of the values do not exceed, and the largest one."""
    return {
        "p50": percentile(values, 50),
        "p95": percentile(values, 95),
        "p99": percentile(values, 99),
        "max": max(values),
    }
