"""Holds how what a person typed into the launchpad becomes a request, or a failure that names the field."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date

import dagster as dg

from invoice_pipelines.billing import BillingError
from invoice_pipelines.billing.requests import parse_date
from invoice_pipelines.organizations import OrganizationError


@contextmanager
def refusals_fail_the_run() -> Iterator[None]:
    """Lets a run fail with the one line that says what is wrong, instead of a traceback; it is not tried again."""
    try:
        yield
    except (BillingError, OrganizationError) as error:
        raise dg.Failure(str(error), allow_retries=False) from None


def as_date(field: str, value: str | None) -> date | None:
    """A date in ISO form. Raises BillingError that names the field."""
    return None if value is None else parse_date(field, value)
