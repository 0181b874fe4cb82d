"""Rows: whatever a document says can be stored in PostgreSQL, and comes back as it was."""

from __future__ import annotations

import dataclasses
import json
import typing
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter
from sqlalchemy import text

from invoice_pipelines.einvoice.model import Line, Party
from invoice_pipelines.intake.reading import DiscrepancyKind, Format, Provenance, Reading, Source
from invoice_pipelines.intake.received_invoices import mark_parsed
from invoice_pipelines.intake.rows import (
    confidence,
    invoice_key,
    invoice_row,
    line_rows,
    plain,
    reading_json,
    seller_key,
    tax_rows,
)
from invoice_pipelines_tests.integration.intake.conftest import IntakeDesk, make_reading
from invoice_pipelines_tests.support.sizes import example_count

# Also NUL and lone surrogates, which PostgreSQL cannot store.
any_text = st.text(st.characters(), max_size=20) | st.sampled_from(["\0", "\ud800", "a\0b", "\udfff\ud800", "\ufffe"])
storable = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), min_size=1, max_size=20)
amounts = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**15), max_value=10**15, places=4)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | any_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text, inner, max_size=3),
    max_leaves=10,
)
SAME_DESK = settings(max_examples=example_count(40))


def readings(texts: st.SearchStrategy[str]) -> st.SearchStrategy[Reading]:
    """Readings with any field filled or absent, built from the types of the fields themselves."""
    return _of_type(Reading, texts).map(lambda reading: dataclasses.replace(reading, raw={}, xml=None))


def _of_type(kind: Any, texts: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if arguments and type(None) in arguments:
        (inner,) = [argument for argument in arguments if argument is not type(None)]
        return st.none() | _of_type(inner, texts)
    if origin is tuple and arguments[-1] is Ellipsis:
        return st.lists(_of_type(arguments[0], texts), max_size=2).map(tuple)
    if origin is tuple:
        return st.tuples(*(_of_type(argument, texts) for argument in arguments))
    if origin is Mapping:
        return st.dictionaries(texts, _of_type(arguments[1], texts), max_size=2)
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        fields = {field.name: _of_type(hints[field.name], texts) for field in dataclasses.fields(kind)}
        return st.builds(kind, **fields)
    return {
        str: texts,
        bool: st.booleans(),
        int: st.integers(0, 1000),
        float: st.sampled_from([0.0, 0.5, 1.0]),
        Decimal: amounts,
        date: st.dates(),
        bytes: st.just(b""),
        Any: st.none(),
        Source: st.sampled_from([Source.XML, Source.TEXT, Source.OCR]),  # no reading as a whole is a person's
        Format: st.sampled_from(Format),
        DiscrepancyKind: st.sampled_from(DiscrepancyKind),
    }[kind]


@SAME_DESK
@given(value=json_values)
def test_any_json_can_be_stored(desk: IntakeDesk, value: Any) -> None:
    made = json.dumps(plain(value))
    stored = desk.one("select cast(:value as jsonb)", value=made)
    assert stored == json.loads(made)


@given(st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0")))
def test_text_that_can_be_stored_is_kept_to_the_letter(value: str) -> None:
    assert plain(value) == value


def test_what_cannot_be_stored_is_replaced_by_the_sign_for_it() -> None:
    assert plain("a\0b\ud800c") == "a\ufffdb\ufffdc"
    assert plain({"k\0": ["\udfff", ("x",)]}) == {"k\ufffd": ["\ufffd", ["x"]]}


@given(amounts)
def test_a_decimal_is_written_in_full_with_its_decimals(value: Decimal) -> None:
    written = plain(value)
    assert "E" not in written
    assert str(Decimal(written)) == written
    assert Decimal(written) == value
    assert plain(Decimal("1E+3")) == "1000"


@settings(max_examples=example_count(60))
@given(readings(storable))
def test_a_reading_comes_back_from_json_as_it_was(reading: Reading) -> None:
    stored = json.loads(json.dumps(reading_json(reading)))
    back = TypeAdapter(Reading).validate_python(stored)
    # A group in which everything is absent is absent itself; nothing else may differ.
    assert reading_json(back) == reading_json(reading)
    for name in ("number", "issue_date", "gross_amount", "currency", "due_dates", "warnings", "provenance", "lines"):
        assert getattr(back, name) == _without_empty_groups(getattr(reading, name)), name


def _without_empty_groups(value: Any, *, inside: bool = False) -> Any:
    if isinstance(value, tuple):
        return tuple(_without_empty_groups(item) for item in value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        cleaned = {
            field.name: _without_empty_groups(getattr(value, field.name), inside=True)
            for field in dataclasses.fields(value)
        }
        if inside and all(item in (None, ()) for item in cleaned.values()):
            return None
        return dataclasses.replace(value, **cleaned)
    return value


@SAME_DESK
@given(reading=readings(any_text))
def test_whatever_was_read_can_be_stored(desk: IntakeDesk, reading: Reading) -> None:
    reading = dataclasses.replace(reading, raw={"text\0": "\ud800"})
    invoice = desk.invoice()
    with desk.scope() as connection:
        assert mark_parsed(connection, [(invoice, reading)]) == {invoice.id}
        row = connection.execute(text("select * from intake.received_invoice where id = :id"), {"id": invoice.id}).one()
        lines = connection.execute(
            text("select * from intake.received_invoice_line where received_invoice_id = :id order by line_number"),
            {"id": invoice.id},
        ).all()
        taxes = connection.execute(
            text("select count(*) from intake.received_invoice_tax where received_invoice_id = :id"),
            {"id": invoice.id},
        ).scalar_one()
    assert row.invoice_number == plain(reading.number)
    assert row.issue_date == reading.issue_date
    assert (row.net_amount, row.payable_amount) == (reading.net_amount, reading.payable_amount)
    assert row.reading_json == json.loads(json.dumps(reading_json(reading)))
    assert row.raw_json == {"text\ufffd": "\ufffd"}
    assert [line.line_number for line in lines] == list(range(1, len(reading.lines) + 1))
    assert [line.quantity for line in lines] == [line.quantity for line in reading.lines]
    assert taxes == len(reading.tax_breakdowns)


def test_rows_of_lines_and_taxes_belong_to_the_invoice_and_count_from_one() -> None:
    reading = make_reading(lines=(Line(name="a", description="b"), Line(description="b")))
    invoice_id = uuid4()
    rows = line_rows(invoice_id, reading)
    assert [(row["line_number"], row["description"]) for row in rows] == [(1, "a"), (2, "b")]
    assert {row["received_invoice_id"] for row in [*rows, *tax_rows(invoice_id, reading)]} == {str(invoice_id)}
    assert [row["position"] for row in tax_rows(invoice_id, reading)] == [1]


@pytest.mark.parametrize(
    ("seller", "key"),
    [
        (Party(name="A GmbH", vat_id="DE 136 695 976", tax_id="1/2"), "de136695976"),
        (Party(name="A GmbH", tax_id="12/345/67890"), "1234567890"),
        (Party(name="Müller & Söhne GmbH"), "müllersöhnegmbh"),
        (Party(name="STRASSE"), seller_key(Party(name="straße"))),
        (Party(name="A", vat_id=" - "), "a"),
        (Party(name="---"), None),
        (Party(), None),
    ],
)
def test_a_seller_is_told_by_vat_id_then_tax_id_then_name(seller: Party, key: str | None) -> None:
    assert seller_key(seller) == key


def test_a_number_is_compared_without_blanks_and_case() -> None:
    assert invoice_key(" r 1\u00a0/A ") == invoice_key("R1/a") == "r1/a"
    assert invoice_key(None) is None
    assert invoice_key("") is None


@given(st.text(min_size=150, max_size=300), st.text(min_size=150, max_size=300))
def test_keys_of_any_length_fit_an_index_and_tell_numbers_apart(first: str, second: str) -> None:
    keys = [invoice_key(number) for number in (first, second)]
    assert all(key is not None and len(key) <= 200 for key in keys)
    same = "".join(first.split()).casefold() == "".join(second.split()).casefold()
    assert (keys[0] == keys[1]) == same


def test_the_confidence_of_a_reading_is_its_weakest_required_field() -> None:
    assert confidence(make_reading()) == 1.0
    assert invoice_row(make_reading())["confidence"] == "1.000"
    fields = ["number", "issue_date", "seller.name", "gross_amount", "currency"]
    found = {name: Provenance(Source.TEXT, 0.9) for name in fields}
    on_paper = make_reading(source=Source.TEXT, provenance=found | {"gross_amount": Provenance(Source.TEXT, 0.6)})
    assert confidence(on_paper) == 0.6
    missing = {name: where for name, where in found.items() if name != "number"}
    assert confidence(make_reading(source=Source.TEXT, provenance=missing)) == 0.0
