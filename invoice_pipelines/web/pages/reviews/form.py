"""The form of a review: what somebody changed in it, as the domain takes it. Its fields are `value.FIELD` with what is
typed, `candidate.FIELD` with the number of a candidate, and `box.FIELD` with the place that was shown on a page, as
"PAGE:LEFT,TOP,RIGHT,BOTTOM" in points. `was.FIELD` is what stood there before: with it, what somebody typed is told
from what another one changed meanwhile.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated
from uuid import UUID

from fastapi import Form
from pydantic import BaseModel, ConfigDict, Field

from invoice_pipelines.intake.review.decisions import Absent, Boxed, Chosen, Confirmed, Correction, Typed
from invoice_pipelines.intake.review.fields import FIELDS, WrongValue, parse_value, stored_value
from invoice_pipelines.intake.review.reasons import LOW_CONFIDENCE
from invoice_pipelines.intake.review.show import Review
from invoice_pipelines.web.pages.languages import Language
from invoice_pipelines.web.pages.reviews.view import Typing
from invoice_pipelines.web.pages.reviews.words import written

_LONGEST = 1000


class ReviewForm(BaseModel):
    """What is sent with each decision: the state that was looked at, and the fields by name."""

    model_config = ConfigDict(extra="allow")

    seen: str = Field("", max_length=100)
    what: str = Field("accept", max_length=20)
    reason: str = Field("", max_length=1000)
    next: str = Field("", max_length=40)

    @property
    def rather(self) -> UUID | None:
        """The review that the reader's browser has ready."""
        with suppress(ValueError):
            return UUID(self.next)
        return None

    def typing(self, errors: Mapping[str, str] | None = None) -> Typing:
        """What stands in the fields, to be shown again."""
        was, values = self._of("was"), self._of("value")
        typed = {name: value for name, value in values.items() if value != was.get(name)}
        choices = {name: int(value) for name, value in self._of("candidate").items() if value.isdecimal()}
        return Typing(typed, choices, self._of("box"), errors or {})

    def corrections(self, review: Review, language: Language) -> dict[str, Correction]:
        """What is otherwise than it was read."""
        read = {value.field: value.value for value in review.values}
        values, candidates, boxes = self._of("value"), self._of("candidate"), self._of("box")
        found: dict[str, Correction] = {}
        for name in FIELDS:
            boxed = _box(boxes.get(name, ""))
            if boxed is not None:
                found[name] = boxed
            elif candidates.get(name, "").isdecimal():
                found[name] = Chosen(int(candidates[name]))
            elif name in values and (typed := _typed(name, values[name], read.get(name), language)) is not None:
                found[name] = typed
        return found

    def decision(self, review: Review, language: Language) -> dict[str, Correction]:
        """Likewise, and what is right as it was read is confirmed; nothing where all of it is."""
        found = self.corrections(review, language)
        return {**_confirmed(review, found), **found} if found else {}

    def _of(self, kind: str) -> dict[str, str]:
        begins = f"{kind}."
        return {
            name.removeprefix(begins): value.strip()[:_LONGEST]
            for name, value in (self.model_extra or {}).items()
            if name.startswith(begins) and isinstance(value, str) and name.removeprefix(begins) in FIELDS
        }


SentForm = Annotated[ReviewForm, Form()]


def _typed(name: str, text: str, value: str | None, language: Language) -> Correction | None:
    if text == written(name, value, language):
        return None
    if not text:
        return Absent()
    with suppress(WrongValue):
        if value is not None and parse_value(name, text) == stored_value(name, value):
            return None
    return Typed(text)


def _confirmed(review: Review, changed: Mapping[str, Correction]) -> dict[str, Correction]:
    """The fields in doubt that were left as they are. One that also breaks a rule is right as it was read, if the rule
    holds by what was changed.
    """
    read = {value.field: value.value for value in review.values}
    found: dict[str, Correction] = {}
    for name in dict.fromkeys(reason.field for reason in review.reasons):
        if name is None or name in changed:
            continue
        reasons = [reason for reason in review.reasons if reason.field == name]
        value = read.get(name)
        if not any(reason.must_be_corrected for reason in reasons):
            found[name] = Confirmed()
        elif value is not None and any(reason.code == LOW_CONFIDENCE for reason in reasons):
            found[name] = Typed(value)
    return found


def _box(text: str) -> Boxed | None:
    page, _, sides = text.partition(":")
    with suppress(ValueError):
        left, top, right, bottom = (float(side) for side in sides.split(","))
        if all(map(math.isfinite, (left, top, right, bottom))) and 1 <= int(page) <= 10_000:
            return Boxed(int(page), (left, top, right, bottom))
    return None
