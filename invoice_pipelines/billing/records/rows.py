"""Rows that come in: how each is checked, and what became of each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    create_model,
)

from invoice_pipelines.billing.errors import BillingError, FieldsRefused, RowProblem, RowsRefused, problems_of, storable
from invoice_pipelines.einvoice.codes import iso_currencies
from invoice_pipelines.einvoice.vat_categories import VAT_CATEGORIES

GIVEN_TWICE = "{} is given a second time"
LONGEST_KEY = 200


class Row(BaseModel):
    """A row that comes in. Blanks around texts are no part of them, and a field that it does not have is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


AnyRow = TypeVar("AnyRow", bound=Row)


def _storable(value: str) -> str:
    if storable(value) != value:
        raise ValueError("contains characters that cannot be stored")
    return value


def _plain_number(value: object) -> object:
    if isinstance(value, str) and not re.fullmatch(r"[+-]?[0-9]+(\.[0-9]+)?", value.strip()):
        raise ValueError("is not a number like 1234.50, with a decimal point and no other separators")
    return value


def _iso_date(value: object) -> object:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    if isinstance(value, str) and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value.strip()):
        return value
    raise ValueError("is not a date like 2026-03-31")


def is_currency(code: str) -> bool:
    """Whether ISO 4217 has a currency."""
    return code in iso_currencies()


def _known_currency(code: str) -> str:
    if not is_currency(code):
        raise ValueError(f"{code!r} is not a currency of ISO 4217, such as EUR")
    return code


Text = Annotated[str, StringConstraints(min_length=1, max_length=1000), AfterValidator(_storable)]
LongText = Annotated[str, StringConstraints(min_length=1, max_length=10_000), AfterValidator(_storable)]
Currency = Annotated[str, AfterValidator(_known_currency)]
CountryCode = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
"""ISO 3166-1 alpha-2."""
Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2}$")]
"""ISO 639-1."""
UnitCode = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]{2,3}$")]
"""UN/ECE recommendation 20: C62 is one piece, HUR an hour, KGM a kilogram."""
TaxCategory = Annotated[str, StringConstraints(pattern=rf"^({'|'.join(VAT_CATEGORIES)})$")]
"""UNTDID 5305."""
Number = Annotated[Decimal, BeforeValidator(_plain_number)]
Percent = Annotated[Number, Field(ge=0, le=100, decimal_places=2)]
Quantity = Annotated[Number, Field(max_digits=12, decimal_places=3)]
Price = Annotated[Number, Field(max_digits=14, decimal_places=4)]
IsoDate = Annotated[date, BeforeValidator(_iso_date), Field(ge=date(1900, 1, 1), le=date(2999, 12, 31))]


class Result(StrEnum):
    """What became of a row."""

    CREATED = "created"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class RowOutcome:
    """What became of a row: its place, counted from 1, by what it is known (its number or SKU, as far as it says so),
    the id of what it is now, and what is wrong with it.
    """

    row: int
    key: str | None
    result: Result
    id: UUID | None = None
    problems: tuple[RowProblem, ...] = ()


@dataclass(frozen=True, slots=True)
class Checked(Generic[AnyRow]):
    """Rows that can be, by their places from 1, and what is wrong with the others."""

    rows: Mapping[int, AnyRow]
    problems: Sequence[RowProblem]
    keys: Sequence[str | None]
    """of all rows, as they were given"""

    def refuse_problems(self) -> None:
        """Raises RowsRefused where there are any."""
        if self.problems:
            raise RowsRefused(self.problems)

    def failed(self) -> dict[int, RowOutcome]:
        """The rows that cannot be, by their places."""
        wrong: dict[int, list[RowProblem]] = {}
        for problem in self.problems:
            wrong.setdefault(problem.row, []).append(problem)
        return {
            place: RowOutcome(place, self.keys[place - 1], Result.FAILED, problems=tuple(found))
            for place, found in wrong.items()
        }


def check(model: type[AnyRow], rows: Iterable[AnyRow | Mapping[str, Any]], key: tuple[str, ...]) -> Checked[AnyRow]:
    """The rows as their model; without those that are wrong or have the key of an earlier one."""
    checked: dict[int, AnyRow] = {}
    problems: list[RowProblem] = []
    keys: list[str | None] = []
    seen: set[tuple[Any, ...]] = set()
    for place, given in enumerate(rows, start=1):
        values = given.model_dump(exclude_unset=True) if isinstance(given, Row) else given
        keys.append(written_key(values.get(name) for name in key))
        try:
            row = given if isinstance(given, model) else model.model_validate(values)
        except ValidationError as error:
            problems += problems_of(place, error)
            continue
        named = tuple(getattr(row, name) for name in key)
        if named in seen:
            again = GIVEN_TWICE.format(written_key(named))
            problems.append(RowProblem(place, key[0], again, "GIVEN_TWICE"))
        else:
            seen.add(named)
            checked[place] = row
    return Checked(checked, problems, keys)


def only(outcomes: Sequence[RowOutcome], *, is_new: bool) -> UUID:
    """The id of the one row that was to be added or, if it is not `is_new`, to be changed.

    Raises FieldsRefused, or BillingError where one to be added exists or one to be changed does not; what was written
    must be rolled back then.
    """
    (outcome,) = outcomes
    if outcome.problems or outcome.id is None:
        raise FieldsRefused(outcome.problems)
    if is_new and outcome.result is not Result.CREATED:
        raise BillingError(f"This organization has {outcome.key} already; change it.", code="EXISTS_ALREADY")
    if not is_new and outcome.result is Result.CREATED:
        raise BillingError(f"This organization does not have {outcome.key}.", code="RECORD_NOT_FOUND")
    return outcome.id


def check_rows(model: type[AnyRow], rows: Iterable[AnyRow | Mapping[str, Any]], key: tuple[str, ...]) -> list[AnyRow]:
    """The rows as their model. Raises RowsRefused with every row that is wrong or has the key of an earlier one."""
    checked = check(model, rows, key)
    checked.refuse_problems()
    return list(checked.rows.values())


def written_key(parts: Iterable[object]) -> str | None:
    """A key as people write it, such as `S 19`; None where a part of it is missing or no text or number."""
    given = list(parts)
    if not all(isinstance(part, str | int | Decimal) and not isinstance(part, bool) for part in given):
        return None
    return storable(" ".join(str(part).strip() for part in given))[:LONGEST_KEY] or None


def changes_of(model: type[AnyRow], *key: str, without: Sequence[str] = ()) -> type[Row]:
    """The model of rows of which all but the key may be left out, as each keeps what it was; `without` some fields."""
    fields: dict[str, Any] = {}
    for name, info in model.model_fields.items():
        if name in without:
            continue
        given = Annotated[info.annotation, *info.metadata] if info.metadata else info.annotation
        fields[name] = (given, ... if name in key else None)
    return create_model(f"{model.__name__.removeprefix('New')}Changes", __base__=Row, **fields)
