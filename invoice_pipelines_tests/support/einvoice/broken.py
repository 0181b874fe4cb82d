"""Each small change of an invoice, term by term: what rules must find, and what they must let pass."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from invoice_pipelines.einvoice import Invoice

_TEXTS = ("ZZZ", "eur")
_CODES = {
    "tax_category": ("S", "Z", "E", "AE", "K", "G", "O", "L", "M", "B"),
    "category": ("S", "Z", "E", "AE", "K", "G", "O", "L", "M", "B"),
    "type_code": ("326", "384", "389", "875", "380"),
    "means_code": ("30", "48", "59", "1", "ZZZ"),
    "subject_code": ("AAI", "ADU"),
    "specification_identifier": ("urn:other",),
    "country_code": ("DE", "AT", "GB", "XX", "EL"),
    "scheme": ("0088", "EM", "0204", "9930", "XX", None),
    "tax_point_code": ("35", "3", "432", "XX"),
    "reason_code": ("95", "ABK", "ZZZZ"),
    "media_type": ("application/pdf", "x/y"),
}
_OTHER_RATES = tuple(map(Decimal, ("0", "7", "19", "-1")))


def changed(invoice: Invoice) -> Iterator[tuple[str, Invoice]]:
    """The invoice with one term changed, in every way that is tried: what was changed, and the invoice."""
    yield from _changed(invoice, "")


def _changed(group: Any, place: str) -> Iterator[tuple[str, Any]]:
    hints = typing.get_type_hints(type(group))
    for field in dataclasses.fields(group):
        may_be_absent = type(None) in typing.get_args(hints[field.name])
        here = f"{place}.{field.name}" if place else field.name
        for what, value in _values(getattr(group, field.name), field.name, here, may_be_absent):
            yield what, replace(group, **{field.name: value})


def _values(value: Any, name: str, here: str, may_be_absent: bool = False) -> Iterator[tuple[str, Any]]:
    if isinstance(value, tuple) and name != "attributes":
        if value:
            yield f"{here} absent", ()
            yield f"{here} doubled", (*value, *value)
        for index, each in enumerate(value[:1] if name == "lines" else value):
            for what, other in _values(each, name, f"{here}[{index}]"):
                yield what, (*value[:index], other, *value[index + 1 :])
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        if may_be_absent:
            yield f"{here} absent", None
        yield from _changed(value, here)
    else:
        if value is not None and may_be_absent:
            yield f"{here} absent", None
        for other in _others(value, name):
            if other != value:
                yield f"{here} {other!r}", other


def _others(value: Any, name: str) -> Iterator[Any]:
    yield from _CODES.get(name, ())
    if isinstance(value, Decimal):
        yield from (value + Decimal("0.01"), value - Decimal("0.01"), value + Decimal("0.001"), -value - 1, Decimal(0))
        if "rate" in name:
            yield from _OTHER_RATES
    elif isinstance(value, date):
        yield from (value + timedelta(365), value - timedelta(365))
    elif isinstance(value, str):
        yield from _TEXTS


def without_identification(invoice: Invoice) -> Iterator[tuple[str, Invoice]]:
    """The invoice with less and less that says who its parties are and where it was delivered, which the rules of most
    VAT categories ask for; each also with one kind of place alone where the category stands."""
    seller, buyer = replace(invoice.seller, vat_id=None), replace(invoice.buyer, vat_id=None)
    less: dict[str, Mapping[str, Any]] = {
        "whole": {},
        "no VAT id of the seller": {"seller": seller},
        "nor of a representative": {"seller": seller, "tax_representative": None},
        "nor a tax number": {"seller": replace(seller, tax_id=None), "tax_representative": None},
        "no VAT id of the buyer": {"buyer": buyer},
        "nor a registration of the buyer": {"buyer": replace(buyer, legal_registration=None)},
        "no delivery": {"delivery": None},
        "nor a period": {"delivery": None, "period": None},
        "no breakdown": {"tax_breakdowns": ()},
        "another breakdown": {"tax_breakdowns": (replace(invoice.tax_breakdowns[0], category="S", rate=Decimal(7)),)},
    }
    for what, fields in less.items():
        changed_invoice = replace(invoice, **fields)
        yield what, changed_invoice
        lines = tuple(replace(line, tax_category="S", tax_rate=Decimal(19)) for line in invoice.lines)
        allowances = tuple(each for each in invoice.allowances_charges if not each.is_charge)
        charges = tuple(each for each in invoice.allowances_charges if each.is_charge)
        yield f"{what}, in lines alone", replace(changed_invoice, allowances_charges=())
        yield f"{what}, in an allowance alone", replace(changed_invoice, lines=lines, allowances_charges=allowances)
        yield f"{what}, in a charge alone", replace(changed_invoice, lines=lines, allowances_charges=charges)
