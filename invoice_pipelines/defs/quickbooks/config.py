"""Entities as a person names them in the launchpad."""

from __future__ import annotations

from collections.abc import Sequence

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


def entities_of(names: Sequence[str], allowed: Sequence[str] = tuple(NAMES)) -> tuple[EntityType, ...]:
    """The entities of these names, each once and in the order in which they depend on one another. Raises RequestError
    for a name that is not one of those allowed, and where there is none.
    """
    if not names:
        raise RequestError(f"entities: name some of {', '.join(allowed)}.")
    if unknown := [name for name in names if name not in allowed]:
        raise RequestError(f"entities: {unknown[0]!r} is none of {', '.join(allowed)}.")
    return tuple(entity for name, entity in NAMES.items() if name in names)
