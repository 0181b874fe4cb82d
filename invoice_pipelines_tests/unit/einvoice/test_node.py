"""How numbers and dates are understood: exactly or not at all."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invoice_pipelines.einvoice.reading.node import parse_date, parse_decimal


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**12), max_value=10**12))
def test_a_number_is_read_exactly_and_with_its_decimals(number: Decimal) -> None:
    read = parse_decimal(f"{number:f}")
    assert read is not None
    assert (read, read.as_tuple().exponent) == (number, number.as_tuple().exponent)


@pytest.mark.parametrize(
    "text", ["1,5", "1.234,56", "1 234", "1e5", "NaN", "Infinity", "-", ".", "", "١", "0x1", "1" * 41]
)
def test_what_xml_does_not_write_as_a_number_is_not_guessed_at(text: str) -> None:
    assert parse_decimal(text) is None


@given(st.text())
def test_no_text_makes_number_or_date_fail(text: str) -> None:
    parse_decimal(text)
    parse_date(text)


@given(st.dates(min_value=date(1000, 1, 1)))
def test_a_date_is_read_from_every_unambiguous_form(day: date) -> None:
    for form in (
        "%Y-%m-%d",
        "%Y-%m-%d+01:00",
        "%Y-%m-%dZ",
        "%Y-%m-%dT23:59:59-05:00",
        "%Y%m%d",
        "%Y%m%d2359",
        "%Y%m%d235959",
    ):
        assert parse_date(day.strftime(form)) == day


@pytest.mark.parametrize(
    "text", ["202503", "202514", "2025-02-30", "20250230", "31.03.2025", "03/04/2025", "2025-3-1", "0000-01-01"]
)
def test_a_month_a_week_and_an_impossible_day_are_no_dates(text: str) -> None:
    assert parse_date(text) is None
