"""Leaves out of a reading what may be wrong and is not asked for, and puts it back for who compares."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from invoice_pipelines.intake.reading import Reading, Withheld

NUMBER, SELLER, VAT_ID, TAX_NUMBER = "number", "seller.name", "seller.vat_id", "seller.tax_id"
WITHHELD = frozenset({NUMBER, SELLER, VAT_ID})
"""The fields that are left out where they are unsure and not asked for. A tax number goes with the name."""


def withhold(reading: Reading, fields: Collection[str]) -> Reading:
    """The reading without these fields (of `WITHHELD`): what may be wrong names no invoice and no seller.

    Where neither name nor VAT id is left, the tax number goes as well: it is never asked for, so nothing says how sure
    it is, and it would name the seller alone.
    """
    left_out = {field: value for field in WITHHELD & set(fields) if (value := _value(reading, field)) is not None}
    if SELLER in left_out and (VAT_ID in left_out or not reading.seller.vat_id) and reading.seller.tax_id:
        left_out[TAX_NUMBER] = reading.seller.tax_id
    found = {field: Withheld(value, reading.provenance.get(field)) for field, value in left_out.items()}
    places = {field: place for field, place in reading.provenance.items() if field not in found}
    emptied = _with_values(reading, dict.fromkeys(found))
    return replace(emptied, provenance=places, withheld={**reading.withheld, **found})


def as_read(reading: Reading) -> Reading:
    """The reading with all that was left out of it."""
    places = {field: found.place for field, found in reading.withheld.items() if found.place is not None}
    whole = _with_values(reading, {field: found.value for field, found in reading.withheld.items()})
    return replace(whole, provenance={**reading.provenance, **places}, withheld={})


def unconfirmed_seller(reading: Reading) -> str | None:
    """What was left out of who the seller is: its name, else its VAT id. None where nothing was."""
    return next((reading.withheld[field].value for field in (SELLER, VAT_ID) if field in reading.withheld), None)


def _value(reading: Reading, field: str) -> str | None:
    return reading.number if field == NUMBER else getattr(reading.seller, field.removeprefix("seller."))


def _with_values(reading: Reading, values: dict[str, Any]) -> Reading:
    of_seller = {
        field.removeprefix("seller."): values[field] for field in (SELLER, VAT_ID, TAX_NUMBER) if field in values
    }
    return replace(reading, number=values.get(NUMBER, reading.number), seller=replace(reading.seller, **of_seller))
