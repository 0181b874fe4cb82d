"""What can be chosen in a config, so that the launchpad offers it and refuses anything else."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Any

from invoice_pipelines.billing.imports.importing import KINDS
from invoice_pipelines.delivery.values import E_INVOICES
from invoice_pipelines.einvoice.vat_categories import VAT_CATEGORIES
from invoice_pipelines.registry import MESSAGING_CHANNELS


def choice(name: str, values: Iterable[str]) -> Any:
    """An enum of these values, as the type of a field. Each is called as it is, as Dagster goes by the names."""
    return StrEnum(name, {str(value): str(value) for value in values})


Channel = choice("Channel", MESSAGING_CHANNELS.names())
Format = choice("Format", E_INVOICES)
TaxCategory = choice("TaxCategory", VAT_CATEGORIES)
ImportKind = choice("ImportKind", KINDS)
