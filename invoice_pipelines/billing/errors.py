"""The errors of billing that people read, and the translation of PostgreSQL's refusals into them."""

from __future__ import annotations

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
    """A request is refused; nothing was done. The message is one line that says what is wrong and what to do."""


class InvoiceNotFound(BillingError):
    """The organization in scope has no such issued invoice or credit note."""

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

    def __init__(self, problems: Iterable[RowProblem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: problem.row))
        more = len(self.problems) - 3
        shown = "; ".join(str(problem) for problem in self.problems[:3])
        super().__init__(shown + (f"; and {more} more" if more > 0 else ""))


@contextmanager
def refusals_for_people() -> Iterator[None]:
    """Turns what PostgreSQL refuses on purpose into BillingError; other errors pass."""
    try:
        yield
    except DBAPIError as error:
        state = getattr(error.orig, "sqlstate", None)
        message = getattr(getattr(error.orig, "diag", None), "message_primary", None)
        if state in _FOR_PEOPLE and message:
            raise BillingError(message) from None
        raise


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
    return RowProblem(row, name.lstrip(".") or "row", reason, _CODES.get(wrong["type"], "INVALID"))
