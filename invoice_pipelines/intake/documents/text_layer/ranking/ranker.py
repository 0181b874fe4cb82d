"""The second reader: how likely each amount of a document is its total, as learned from documents.

A model is a number for each feature (see `features`) and role; the numbers of an amount are added up, and compared with
those of the other amounts of the document. No arithmetic proves anything here: what to make of a likelihood is for
`agreement`. The model is loaded when it is first asked, in a millisecond.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from hashlib import sha256
from importlib import resources
from math import exp
from pathlib import Path

from invoice_pipelines.intake.documents.text_layer.page.labels import LabelledLines
from invoice_pipelines.intake.documents.text_layer.ranking.features import BUCKETS, VERSION, candidates, numbers
from invoice_pipelines.intake.documents.text_layer.totals.amounts import AmountLine

ROLES = ("gross",)
NONE = numbers(["none"])
"""The features of there being no such amount, which stands beside the candidates."""

_MODEL = "totals.model"


class ModelError(Exception):
    """The file of the model is damaged, or was made for other features."""


@dataclass(frozen=True, slots=True)
class Model:
    """The weights of all features by role, as whole numbers that `scale` makes likelihoods' logarithms of."""

    weights: Mapping[str, array[int]]
    scale: float

    def likelihoods(self, features: Sequence[tuple[int, ...]], role: str) -> list[float]:
        """How likely each candidate plays the role; together with that of none of them (the last), 1."""
        weights = self.weights[role]
        return shares([self.scale * sum([weights[number] for number in of_one]) for of_one in (*features, NONE)])


def shares(scores: Sequence[float]) -> list[float]:
    """How likely each of several is by the logarithms of its likelihood (softmax); together 1."""
    highest = max(scores)
    powers = [exp(score - highest) for score in scores]
    whole = sum(powers)
    return [power / whole for power in powers]


def rank(labelled: LabelledLines, lines: Sequence[AmountLine], role: str, model: Model) -> dict[Decimal, float]:
    """How likely each value plays the role in the document, the likeliest first. What is missing to 1 is how likely the
    document shows none."""
    found = candidates(labelled, lines)
    by_value: dict[Decimal, float] = {}
    for one, likelihood in zip(found, model.likelihoods([one.features for one in found], role), strict=False):
        by_value[one.amount.value] = by_value.get(one.amount.value, 0.0) + likelihood
    return dict(sorted(by_value.items(), key=lambda item: -item[1]))


@cache
def load_model(path: Path | None = None) -> Model:
    """The model that the project carries, or another file. Raises ModelError."""
    data = path.read_bytes() if path else (resources.files(__package__) / _MODEL).read_bytes()
    head, _, body = data.partition(b"\n")
    try:
        known = json.loads(head)
        fits = (known["features"], known["buckets"], known["roles"]) == (VERSION, BUCKETS, list(ROLES))
        intact = known["sha256"] == sha256(body).hexdigest() and len(body) == BUCKETS * len(ROLES)
    except (ValueError, KeyError, TypeError):
        raise ModelError("The model of the second reader is damaged.") from None
    if not intact:
        raise ModelError("The model of the second reader is damaged: its checksum is another.")
    if not fits:
        raise ModelError("The model of the second reader was made for other features. Train it anew.")
    parts = [body[start : start + BUCKETS] for start in range(0, len(body), BUCKETS)]
    return Model({role: array("b", part) for role, part in zip(ROLES, parts, strict=True)}, known["scale"])
