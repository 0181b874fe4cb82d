"""The errors of billing that people read, and the translation of PostgreSQL's refusals into them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from sqlalchemy.exc import DBAPIError

from invoice_pipelines.errors import InvoicePipelinesError

_FOR_PEOPLE = frozenset({"IP001", "IP002"})
"""SQLSTATEs of the SQL functions of billing whose messages are written for people."""


class BillingError(InvoicePipelinesError):
    """A request is refused; nothing was done. The message is one line that says what is wrong and what to do; where a
    value is wrong, it begins with its field, like `due_days: `.
    """

    code = "INVALID_VALUE"


class InvoiceNotFound(BillingError):
    """The organization in scope has no such issued invoice or credit note."""

    code = "INVOICE_NOT_FOUND"

    def __init__(self, wanted: object) -> None:
        super().__init__(f"This organization has no issued invoice or credit note {wanted}.")


@dataclass(frozen=True, slots=True)
class RowProblem:
    """An error in one row: the place of the row, counted from 1, the field, and the reason, for people and as a code:
    MISSING, UNKNOWN_FIELD, GIVEN_TWICE, UNKNOWN_CUSTOMER, UNKNOWN_ITEM, ORDER_CLOSED, or else INVALID.
    """

    row: int
    field: str
    message: str
    code: str = "INVALID"

    def __str__(self) -> str:
        return f"row {self.row}, {self.field}: {self.message}"


class RowsRefused(BillingError):
    """Rows are wrong; none of all rows was written. `problems` has each of them, in the order of the rows."""

    code = "ROWS_REFUSED"

    def __init__(self, problems: Iterable[RowProblem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: problem.row))
        more = len(self.problems) - 3
        shown = "; ".join(self._shown(problem) for problem in self.problems[:3])
        super().__init__(shown + (f"; and {more} more" if more > 0 else ""))

    def _shown(self, problem: RowProblem) -> str:
        return str(problem)


class FieldsRefused(RowsRefused):
    """Fields of the one row that came in are wrong; it was not written."""

    code = "VALIDATION_FAILED"

    def _shown(self, problem: RowProblem) -> str:
        return f"{problem.field}: {problem.message}"


@contextmanager
def refusals_for_people() -> Iterator[None]:
    """Turns what PostgreSQL refuses on purpose into BillingError; other errors pass.

    The code stands in the detail, or before the message as in an outcome of an item.
    """
    try:
        yield
    except DBAPIError as error:
        said = getattr(error.orig, "diag", None)
        message = getattr(said, "message_primary", None)
        if getattr(error.orig, "sqlstate", None) not in _FOR_PEOPLE or not message:
            raise
        before = re.match(r"([A-Z]+(?:_[A-Z]+)+): ", message)
        code = before[1] if before else said.message_detail  # type: ignore[union-attr]
        raise BillingError(message[before.end() :] if before else message, code=code) from None


def storable(value: str) -> str:
    """The text as PostgreSQL can store it: NUL and halves of surrogate pairs become the replacement character."""
    return value.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def check_text(field: str, value: str | None) -> None:
    """Raises BillingError for a text that PostgreSQL cannot store, naming the field."""
    if value is not None and storable(value) != value:
        raise BillingError(f"{field}: {repr(value)[:60]} contains characters that cannot be stored.")


def problems_of(row: int, error: ValidationError) -> list[RowProblem]:
    """All that is wrong in a row. Fields are written like `lines[2].quantity`, with places from 1."""
    return [_problem(row, wrong) for wrong in error.errors()]


_CODES = {"missing": "MISSING", "extra_forbidden": "UNKNOWN_FIELD"}


def _problem(row: int, wrong: ErrorDetails) -> RowProblem:
    name = ""
    for part in wrong["loc"]:
        name += f"[{part + 1}]" if isinstance(part, int) else f".{part}"
    reason = wrong["msg"].removeprefix("Value error, ")
    given = wrong.get("input")
    if isinstance(given, str | int | float) and wrong["type"] != "missing":
        reason += f" (given: {repr(given)[:60]})"
    return RowProblem(
        row, storable(name.lstrip("."))[:100] or "row", storable(reason), _CODES.get(wrong["type"], "INVALID")
    )
