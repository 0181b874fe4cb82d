"""Holds how what a person typed into the launchpad becomes a request, or a failure that names the field."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import dagster as dg

from invoice_pipelines.organizations import OrganizationError
from invoice_pipelines.quickbooks.api.faults import Fault, QuickBooksError
from invoice_pipelines.quickbooks.push.requests import RequestError
from invoice_pipelines.quickbooks.values import EntityType

NAMES = {
    "customers": EntityType.CUSTOMER,
    "items": EntityType.ITEM,
    "invoices": EntityType.INVOICE,
    "payments": EntityType.PAYMENT,
}
"""What entities are called in config and as assets."""
PUSHED = ("customers", "items", "invoices")


@contextmanager
def refusals_fail_the_run() -> Iterator[None]:
    """Lets a run fail with the one line that says what is wrong, instead of a traceback; it is not tried again."""
    try:
        yield
    except (OrganizationError, QuickBooksError, Fault) as error:
        raise dg.Failure(str(error), allow_retries=False) from None


def entities_of(names: Sequence[str], allowed: Sequence[str] = tuple(NAMES)) -> tuple[EntityType, ...]:
    """The entities of these names, each once and in the order in which they depend on one another. Raises RequestError
    for a name that is not one of those allowed, and where there is none.
    """
    if not names:
        raise RequestError(f"entities: name some of {', '.join(allowed)}.")
    if unknown := [name for name in names if name not in allowed]:
        raise RequestError(f"entities: {unknown[0]!r} is none of {', '.join(allowed)}.")
    return tuple(entity for name, entity in NAMES.items() if name in names)
