"""Holds how the day that a person typed into the launchpad becomes a date, or a failure that names the field."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date

import dagster as dg

from invoice_pipelines.organizations import OrganizationError
from invoice_pipelines.overdue import OverdueError

AS_OF = "Judge by this day, such as 2026-03-31, instead of today in the organization's time zone; not one to come."


@contextmanager
def refusals_fail_the_run() -> Iterator[None]:
    """Lets a run fail with the one line that says what is wrong, instead of a traceback; it is not tried again."""
    try:
        yield
    except (OverdueError, OrganizationError) as error:
        raise dg.Failure(str(error), allow_retries=False) from None


def day(as_of: str | None) -> date | None:
    """A day in ISO form. Raises OverdueError that names the field."""
    try:
        return None if as_of is None else date.fromisoformat(as_of)
    except ValueError:
        raise OverdueError(f"as_of: {as_of!r} is not a date like 2026-03-31.") from None
