"""Rows in bulk, each with an outcome of its own, and what was made as the answer to the request that made it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import ConfigDict, Field, PrivateAttr

from invoice_pipelines.billing.records.rows import Result, RowOutcome
from invoice_pipelines.web.problems import FieldProblem, field_of_row
from invoice_pipelines.web.values import Answer, Body

MOST_ROWS = 1000
MOST_BYTES = 5_000_000


class Rows(Body):
    """Rows to be added or, where what they are known by exists, to be changed."""

    rows: Annotated[
        list[dict[str, Any]],
        Field(
            min_length=1,
            max_length=MOST_ROWS,
            description="Each with the fields of a single one. What a row leaves out stays as it is; null clears it.",
        ),
    ]


class RowAnswer(Answer):
    """What became of a row: its place from 0, by what it is known, its id, and what is wrong with it."""

    row: int
    key: str | None
    result: Result
    id: UUID | None
    errors: list[FieldProblem]


class BulkAnswer(Answer):
    """What became of all rows. A wrong one stops no other."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "created": 1,
                    "changed": 0,
                    "unchanged": 0,
                    "failed": 1,
                    "rows": [
                        {
                            "row": 0,
                            "key": "C-1042",
                            "result": "created",
                            "id": "0199a1b2-0000-7000-8000-000000000002",
                            "errors": [],
                        },
                        {
                            "row": 1,
                            "key": "C-1043",
                            "result": "failed",
                            "id": None,
                            "errors": [{"field": "country_code", "code": "MISSING", "message": "Field required"}],
                        },
                    ],
                }
            ]
        }
    )

    created: int
    changed: int
    unchanged: int
    failed: int
    rows: list[RowAnswer]

    @classmethod
    def of(cls, outcomes: Sequence[RowOutcome]) -> Self:
        """The answer of outcomes in the order of the rows."""
        counts = Counter(outcome.result for outcome in outcomes)
        rows = [
            RowAnswer(
                row=outcome.row - 1,
                key=outcome.key,
                result=outcome.result,
                id=outcome.id,
                errors=[field_of_row(problem) for problem in outcome.problems],
            )
            for outcome in outcomes
        ]
        return cls(rows=rows, **{str(result): counts[result] for result in Result})


class Resource(Answer):
    """Something with an address, which the answer to the request that made it names as `Location`."""

    _url: str | None = PrivateAttr(default=None)

    @property
    def url(self) -> str | None:
        """Its address, where it was just made."""
        return self._url

    def made_at(self, url: str) -> Self:
        """The same, as the answer of who made it."""
        self._url = url
        return self


def examples(*values: dict[str, Any]) -> ConfigDict:
    """The configuration of a model that the documentation shows with examples, the first one as the usual one."""
    return ConfigDict(json_schema_extra={"examples": [*values]})
