"""JSON keeps amounts as they are, and always writes the same text for the same value."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invoice_pipelines.quickbooks.api.exact_json import dumps, loads

AMOUNTS = st.decimals(allow_nan=False, allow_infinity=False, places=5, min_value=-(10**15), max_value=10**15)
LEAVES = st.none() | st.booleans() | st.integers() | st.text() | AMOUNTS
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=12
)


@given(VALUES)
def test_what_is_written_is_read_back_as_it_was_and_is_json_for_everyone(value: Any) -> None:
    written = dumps(value)
    assert loads(written) == value
    assert dumps(loads(written)) == written
    json.loads(written)


@pytest.mark.parametrize("text", ["0.10", "1E+3", "1e-7", "123456789012345.12345", "-0.005"])
def test_a_number_keeps_its_value_and_has_no_exponent(text: str) -> None:
    written = dumps(Decimal(text))
    assert Decimal(written) == Decimal(text)
    assert "e" not in written.lower()


@pytest.mark.parametrize("value", [0.1, Decimal("NaN"), Decimal("Infinity"), {1: 2}, {"a": {1.5}}])
def test_what_cannot_be_written_exactly_is_refused(value: Any) -> None:
    with pytest.raises(TypeError):
        dumps(value)


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", "", "{", "<html>"])
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        loads(text)
