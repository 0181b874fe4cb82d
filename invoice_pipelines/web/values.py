"""Values as they stand in JSON: amounts as text, instants with their zone, and models that take no unknown field."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from operator import methodcaller
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
)
from pydantic_core import CoreSchema, core_schema

_DECIMAL = r"^-?[0-9]{1,20}(\.[0-9]{1,10})?$"
_INSTANT = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})$"
_DAY = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"


def _be_strict(schema: Any) -> None:
    """With numbers and truth values of a schema and its parts; ids and days stand in JSON as text."""
    parts = schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list | tuple) else ()
    if isinstance(schema, dict) and schema.get("type") in ("bool", "int"):
        schema["strict"] = True
    for part in parts:
        _be_strict(part)


class Exact(BaseModel):
    """What a caller sends, as it was meant: 0 is not taken for false, nor false or "0" for 0."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> CoreSchema:
        """As pydantic asks for it."""
        made: CoreSchema = handler(source)
        _be_strict(made)
        return made


class Body(Exact):
    """What a caller sends: a field that nobody knows is refused, as it may be a known one that is misspelt."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Answer(BaseModel):
    """What a caller gets; made from a domain's value by the names of its fields."""

    model_config = ConfigDict(from_attributes=True, frozen=True)

    def to_keep(self) -> Answer:
        """What an equal request gets later on, and what is stored until then: nothing that is shown once."""
        return self


class _Written:
    """A value that stands in JSON as text of a form, and that domains give as what it is. It is looked at without
    Python, as a list has thousands of them.
    """

    def __init__(self, kind: type, form: str, expected: str) -> None:
        self._kind, self._form, self._expected = kind, form, expected

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        text = core_schema.chain_schema([core_schema.str_schema(pattern=self._form, strict=True), handler(source)])
        given = core_schema.is_instance_schema(self._kind)
        return core_schema.custom_error_schema(
            core_schema.union_schema([given, text], mode="left_to_right"),
            custom_error_type="invalid_value",
            custom_error_message=f"expected {self._expected}",
        )


def _storable(value: object) -> object:
    if isinstance(value, str) and "\x00" in value:
        raise ValueError("must not contain the character NUL")
    return value


Amount = Annotated[
    Decimal,
    _Written(Decimal, _DECIMAL, 'digits with a decimal point as text, such as "12.50"'),
    PlainSerializer(methodcaller("__format__", "f"), return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": _DECIMAL, "examples": ["1190.00"]}),
]
"""An exact decimal number, in JSON as text: amounts, quantities, rates. A number of JSON may lose digits."""

Instant = Annotated[
    datetime,
    _Written(datetime, _INSTANT, "an instant with its zone, such as 2026-03-31T12:00:00Z"),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-03-31T12:00:00Z"]}),
]
"""A moment with its zone, as RFC 3339 writes it."""

Day = Annotated[
    date,
    _Written(date, _DAY, "a day such as 2026-03-31"),
    WithJsonSchema({"type": "string", "format": "date", "examples": ["2026-03-31"]}),
]
"""A day, as ISO 8601 writes it."""

Text = Annotated[str, StringConstraints(max_length=10_000), BeforeValidator(_storable)]
"""A text that PostgreSQL can store."""


def _of_this_site(page: str) -> str:
    if not page.startswith("/") or page[1:2] in ("/", "\\") or not page.isprintable():
        raise ValueError("must be a page of this site, such as /desk")
    return page


LocalPage = Annotated[str, StringConstraints(max_length=500), AfterValidator(_of_this_site)]
"""A page of this site to which a browser goes on, from / on."""


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
