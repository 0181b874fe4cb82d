"""The rows of imports: all of them are checked at once, and all are written or none."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError

from invoice_pipelines.billing.errors import RowProblem, RowsRefused, field_and_reason, storable
from invoice_pipelines.einvoice.vat_categories import VAT_CATEGORIES

GIVEN_TWICE = "{} is given a second time"


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
    return code in _currencies()


def _known_currency(code: str) -> str:
    if not is_currency(code):
        raise ValueError(f"{code!r} is not a currency of ISO 4217, such as EUR")
    return code


@cache
def _currencies() -> frozenset[str]:
    from iso4217 import Currency  # reads a table of several hundred kilobytes

    return frozenset(currency.code for currency in Currency)


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


def check_rows(model: type[AnyRow], rows: Iterable[AnyRow | Mapping[str, Any]], key: tuple[str, ...]) -> list[AnyRow]:
    """The rows as their model. Raises RowsRefused with every row that is wrong or has the key of an earlier one."""
    checked: list[AnyRow] = []
    problems: list[RowProblem] = []
    seen: set[tuple[Any, ...]] = set()
    for place, given in enumerate(rows, start=1):
        try:
            row = given if isinstance(given, model) else model.model_validate(given)
        except ValidationError as error:
            problems.append(RowProblem(place, *field_and_reason(error)))
            continue
        named = tuple(getattr(row, name) for name in key)
        if named in seen:
            problems.append(RowProblem(place, key[0], GIVEN_TWICE.format(" ".join(str(part) for part in named))))
        seen.add(named)
        checked.append(row)
    if problems:
        raise RowsRefused(problems)
    return checked
