"""How sure a value is: what the reader's own scores come to, as the share of values that are right.

The table is measured (`workshop.bench.reading.calibration`), by field and by where its words come from. It never turns
the order of two scores around.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import cache
from importlib import resources

from invoice_pipelines.intake.reading import Reading

TABLE = "calibration.json"

Points = Sequence[tuple[float, float]]
"""Scores, rising, and what each comes to; in between it rises evenly."""


def calibrated(reading: Reading, taught: Collection[str] = ()) -> Reading:
    """The reading with shares for scores. Fields that the table does not know stay as they are, and those whose place
    people have shown are no less sure than by that."""
    table = load_table()
    provenance = dict(reading.provenance)
    for field, place in reading.provenance.items():
        points = table.get(field, {}).get(place.source)
        if points:
            share = round(share_of(place.confidence, points), 3)
            provenance[field] = replace(place, confidence=max(share, place.confidence) if field in taught else share)
    return replace(reading, provenance=provenance)


def share_of(score: float, points: Points) -> float:
    """What a score comes to. One below all that were measured comes to nothing better than itself."""
    place = bisect_right(points, score, key=lambda point: point[0])
    if place == 0:
        return min(score, points[0][1])
    if place == len(points):
        return points[-1][1]
    (left, low), (right, high) = points[place - 1], points[place]
    return low + (high - low) * (score - left) / (right - left)


@cache
def load_table() -> Mapping[str, Mapping[str, Points]]:
    """By field as in a provenance and by source, the points that are measured."""
    table: dict[str, dict[str, Points]] = json.loads((resources.files(__package__) / TABLE).read_text("utf-8"))
    return table
