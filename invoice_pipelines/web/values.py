"""Values as they stand in JSON: amounts as text, instants with their zone, and models that take no unknown field."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer, StringConstraints, WithJsonSchema

_DECIMAL = r"^-?[0-9]{1,20}(\.[0-9]{1,10})?$"
_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class Body(BaseModel):
    """What a caller sends: a field that nobody knows is refused, as it may be a known one that is misspelt."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Answer(BaseModel):
    """What a caller gets; made from a domain's value by the names of its fields."""

    model_config = ConfigDict(from_attributes=True, frozen=True)


def _plain_decimal(value: object) -> object:
    if isinstance(value, str) and not re.match(_DECIMAL, value):
        raise ValueError('expected digits with a decimal point as text, such as "12.50"')
    if isinstance(value, float | bool):
        raise ValueError('expected text such as "12.50", as a number of JSON may lose digits')
    return value


def _rfc3339(value: object) -> object:
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str) or not _INSTANT.fullmatch(value):
        raise ValueError("expected an instant with its zone, such as 2026-03-31T12:00:00Z")
    return value


def _iso_day(value: object) -> object:
    if isinstance(value, date):
        return value
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        raise ValueError("expected a day such as 2026-03-31")
    return value


def _storable(value: object) -> object:
    if isinstance(value, str) and "\x00" in value:
        raise ValueError("must not contain the character NUL")
    return value


Amount = Annotated[
    Decimal,
    BeforeValidator(_plain_decimal),
    PlainSerializer(lambda value: format(value, "f"), return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": _DECIMAL, "examples": ["1190.00"]}),
]
"""An exact decimal number, in JSON as text: amounts, quantities, rates."""

Instant = Annotated[
    datetime,
    BeforeValidator(_rfc3339),
    PlainSerializer(lambda value: value.astimezone(UTC).isoformat().replace("+00:00", "Z"), str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-03-31T12:00:00Z"]}),
]
"""A moment, as RFC 3339 writes it; answers are in UTC."""

Day = Annotated[
    date, BeforeValidator(_iso_day), WithJsonSchema({"type": "string", "format": "date", "examples": ["2026-03-31"]})
]
"""A day, as ISO 8601 writes it."""

Text = Annotated[str, StringConstraints(max_length=10_000), BeforeValidator(_storable)]
"""A text that PostgreSQL can store."""


class JobAccepted(Answer):
    """Work that was asked for. `url` is where it stands, until its status is final."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "job_id": "0199a1b2-0000-7000-8000-000000000001",
                    "total": 500,
                    "estimated_duration_seconds": 12.5,
                    "url": "/api/v1/organizations/acme/batch-operations/0199a1b2-0000-7000-8000-000000000001",
                }
            ]
        }
    )

    job_id: str
    total: int
    estimated_duration_seconds: float | None
    url: str
