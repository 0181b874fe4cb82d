"""Learns the weights of the second reader from documents whose totals are known: softmax over the amounts of each
document, all of it in numpy, the same at each run.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256

import numpy as np
import numpy.typing as npt

from invoice_pipelines.intake.documents.text_layer.page.labels import labelled_lines
from invoice_pipelines.intake.documents.text_layer.ranking.features import BUCKETS, VERSION, candidates
from invoice_pipelines.intake.documents.text_layer.ranking.ranker import NONE, ROLES, Model
from invoice_pipelines.intake.documents.text_layer.totals.amounts import find_amounts
from invoice_pipelines.workshop.training.made import Sample

_ROUNDS = 150
_STEP = 0.08
_DECAY = 0.9, 0.99
_L2 = 2e-4

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Seen:
    """A document as the second reader sees it: the features and values of its amounts, and its totals by role."""

    sample: Sample
    features: tuple[tuple[int, ...], ...]
    values: tuple[Decimal, ...]
    weight: float = 1.0


def see(sample: Sample, weight: float = 1.0) -> Seen | None:
    """A document with its features; None where no amount is printed on it."""
    labelled, _ = labelled_lines(sample.pages)
    found = candidates(labelled, find_amounts(labelled))
    if not found:
        return None
    return Seen(sample, tuple(one.features for one in found), tuple(one.amount.value for one in found), weight)


def learn(documents: Sequence[Seen]) -> Model:
    """The weights that make the known totals the likeliest amounts, over all documents that know them."""
    weights = {role: _learn(documents, role) for role in ROLES}
    scale = max(float(np.abs(of_role).max()) for of_role in weights.values()) / 127
    whole = {role: array("b", np.rint(of_role / scale).astype(np.int8).tobytes()) for role, of_role in weights.items()}
    return Model(whole, scale)


def as_file(model: Model) -> bytes:
    """The model as the file that `load_model` reads: a line of JSON, then one byte for each weight."""
    body = b"".join(model.weights[role].tobytes() for role in ROLES)
    head = {
        "features": VERSION,
        "buckets": BUCKETS,
        "roles": list(ROLES),
        "scale": model.scale,
        "sha256": sha256(body).hexdigest(),
    }
    return json.dumps(head).encode() + b"\n" + body


def _learn(documents: Sequence[Seen], role: str) -> Floats:
    """Adam on all documents at once."""
    known = [seen for seen in documents if role in seen.sample.totals]
    features: list[int] = []
    owners: list[int] = []
    starts: list[int] = []
    right: list[bool] = []
    weight: list[float] = []
    for seen in known:
        starts.append(len(right))
        accepted = seen.sample.totals[role]
        is_right = [value in accepted for value in seen.values]
        for numbers, correct in zip((*seen.features, NONE), (*is_right, not any(is_right)), strict=True):
            owners += [len(right)] * len(numbers)
            features += numbers
            right.append(correct)
        weight.append(seen.weight)
    of_feature, of_owner = np.array(features, np.int64), np.array(owners, np.int64)
    first, is_right_array = np.array(starts, np.int64), np.array(right, np.float64)
    counts = np.diff(np.append(first, len(right)))
    importance = np.repeat(np.array(weight) / sum(weight), counts)
    weights = np.zeros(BUCKETS)
    mean, square = np.zeros(BUCKETS), np.zeros(BUCKETS)

    def shares(scores: Floats) -> Floats:
        powers = np.exp(scores - np.repeat(np.maximum.reduceat(scores, first), counts))
        result: Floats = powers / np.repeat(np.add.reduceat(powers, first), counts)
        return result

    for round_number in range(1, _ROUNDS + 1):
        scores: Floats = np.bincount(of_owner, weights=weights[of_feature], minlength=len(right)).astype(float)
        wanted = shares(np.where(is_right_array > 0, scores, -1e9))  # all that show the right value share it
        off = (shares(scores) - wanted) * importance
        gradient = np.bincount(of_feature, weights=off[of_owner], minlength=BUCKETS) + _L2 * weights / len(known) ** 0.5
        mean += (1 - _DECAY[0]) * (gradient - mean)
        square += (1 - _DECAY[1]) * (gradient**2 - square)
        step = _STEP * (1 - 0.9 * round_number / _ROUNDS)
        weights -= (
            step * (mean / (1 - _DECAY[0] ** round_number)) / (np.sqrt(square / (1 - _DECAY[1] ** round_number)) + 1e-8)
        )
    return weights
