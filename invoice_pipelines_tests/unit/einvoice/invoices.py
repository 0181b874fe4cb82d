"""Invoices of any content, as far as a syntax can say it."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from invoice_pipelines.einvoice import Invoice, Syntax
from invoice_pipelines.einvoice.model import Identifier, Line, Note, Party, Payment

_PROSE = {(Note, "text"), (Line, "note"), (Line, "description"), (Invoice, "payment_terms")}
"""Fields that keep their line breaks."""
_CREDIT_NOTE = "381"

_characters = st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff#")
_words = st.text(_characters, max_size=12) | st.sampled_from(["<&>\"'", "]]>", "Köln", "a b", "0", "VAT", "🙂"])
_texts = _words.map(lambda text: " ".join(text.split())).filter(bool)
_prose = st.lists(_texts, min_size=1, max_size=3).map("\n".join)
_decimals = st.decimals(-(10**9), 10**9, places=2) | st.decimals(-100, 100, places=4) | st.integers(0, 9).map(Decimal)


def invoices(syntax: Syntax) -> st.SearchStrategy[Invoice]:
    """Any invoice that the syntax can say."""
    return _group(Invoice).map(_as_ubl_says if syntax is Syntax.UBL else _as_cii_says)


def _group(kind: type[Any]) -> st.SearchStrategy[Any]:
    hints = typing.get_type_hints(kind)
    fields = {
        field.name: _of_type(hints[field.name], _prose if (kind, field.name) in _PROSE else _texts)
        for field in dataclasses.fields(kind)
    }
    if kind is Invoice:
        fields["type_code"] = st.sampled_from(["380", _CREDIT_NOTE, "384", None])
    return st.builds(kind, **fields)


def _of_type(kind: Any, texts: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    arguments = typing.get_args(kind)
    if type(None) in arguments:
        (inner,) = (argument for argument in arguments if argument is not type(None))
        return st.none() | _of_type(inner, texts).filter(lambda value: not _is_empty(value))
    if typing.get_origin(kind) is tuple and arguments[-1] is Ellipsis:
        return st.lists(_of_type(arguments[0], texts), max_size=2).map(tuple)
    if typing.get_origin(kind) is tuple:
        return st.tuples(*(_of_type(argument, texts) for argument in arguments))
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return _group(kind)
    simple: dict[Any, st.SearchStrategy[Any]] = {
        str: texts,
        bool: st.booleans(),
        Decimal: _decimals,
        date: st.dates(),
    }
    return simple[kind]


def _is_empty(value: Any) -> bool:
    """Whether a group has nothing in it: then it cannot be told from one that is absent."""
    is_group = dataclasses.is_dataclass(value) and not isinstance(value, Identifier)
    return is_group and value == type(value)()


def _as_both_say(invoice: Invoice, payment: Callable[[Payment], Payment]) -> Invoice:
    has_tax_currency = invoice.tax_currency not in (None, "EUR")
    return replace(
        invoice,
        currency="EUR",
        tax_currency=invoice.tax_currency if has_tax_currency else None,
        tax_amount_in_tax_currency=invoice.tax_amount_in_tax_currency if has_tax_currency else None,
        due_dates=tuple(dict.fromkeys(invoice.due_dates)),
        due_date=next(iter(invoice.due_dates), None),
        payments=tuple(payment(replace(each, accounts=each.accounts[:1])) for each in invoice.payments),
    )


def _as_ubl_says(invoice: Invoice) -> Invoice:
    creditor = next((payment.creditor_identifier for payment in invoice.payments), None)
    invoice = _as_both_say(invoice, lambda payment: replace(payment, creditor_identifier=creditor))
    due_dates = invoice.due_dates[:1]
    if invoice.type_code == _CREDIT_NOTE and not invoice.payments:
        due_dates = ()
    return replace(
        invoice,
        due_dates=due_dates,
        due_date=next(iter(due_dates), None),
        order_reference=invoice.order_reference or invoice.sales_order_reference,
        notes=tuple(replace(note, subject_code=note.subject_code and "AAI") for note in invoice.notes),
        payee=_with_one_name(invoice.payee),
        tax_representative=_with_one_name(invoice.tax_representative),
        lines=tuple(replace(line, parent_identifier=None, kind=None) for line in invoice.lines),
    )


def _with_one_name(party: Party | None) -> Party | None:
    return party and replace(party, trading_name=None, name=party.name or "Anna")


def _as_cii_says(invoice: Invoice) -> Invoice:
    first = next(iter(invoice.payments), Payment())
    of_all = {
        name: getattr(first, name) for name in ("remittance_information", "mandate_reference", "creditor_identifier")
    }
    invoice = _as_both_say(invoice, lambda payment: replace(payment, **of_all))
    has_breakdown = bool(invoice.tax_breakdowns)
    return replace(
        invoice,
        tax_point_date=invoice.tax_point_date if has_breakdown else None,
        tax_point_code=invoice.tax_point_code if has_breakdown else None,
        seller=_with_ids_in_order(invoice.seller),
        buyer=_with_ids_in_order(invoice.buyer),
        payee=invoice.payee and _with_ids_in_order(invoice.payee),
        tax_representative=invoice.tax_representative and _with_ids_in_order(invoice.tax_representative),
    )


def _with_ids_in_order(party: Party) -> Party:
    return replace(party, identifiers=tuple(sorted(party.identifiers, key=lambda each: each.scheme is not None)))
