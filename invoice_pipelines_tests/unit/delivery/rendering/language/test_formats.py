"""Numbers, amounts, dates and countries as languages write them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from babel.numbers import format_decimal
from hypothesis import given
from hypothesis import strategies as st

from invoice_pipelines.delivery.rendering.language.formats import currency_digits, formats_of


@pytest.mark.parametrize(
    ("language", "written"),
    [("de", "1.234.567,5"), ("en", "1,234,567.5"), ("fr", "1\u202f234\u202f567,5"), ("hi", "12,34,567.5")],
)
def test_digits_are_grouped_as_the_language_does(language: str, written: str) -> None:
    assert formats_of(language).number(Decimal("1234567.500")) == written


@given(
    st.decimals(min_value=Decimal("-1e12"), max_value=Decimal("1e12"), places=4, allow_nan=False),
    st.sampled_from(["de", "en", "fr", "it", "nl", "da", "sv", "hi"]),
)
def test_numbers_are_written_as_babel_does(value: Decimal, language: str) -> None:
    expected = format_decimal(value, format=None, locale=language, decimal_quantization=False)
    assert formats_of(language).number(value).replace("\u2212", "-") == expected.replace("\u2212", "-")


def test_nothing_is_rounded_and_amounts_have_all_digits_of_their_currency() -> None:
    german = formats_of("de")
    assert german.number(Decimal("0.123456")) == "0,123456"
    assert german.amount(Decimal("5"), "EUR") == "5,00"
    assert german.amount(Decimal("5"), "JPY") == "5"
    assert german.amount(Decimal("-5.1"), "KWD") == "−5,100"
    assert [currency_digits(code) for code in ("EUR", "JPY", "KWD", "XXZ")] == [2, 0, 3, 2]


def test_amounts_with_their_currency() -> None:
    assert formats_of("de").money(Decimal("1234.5"), "EUR") == "1.234,50\u00a0€"
    assert formats_of("en").money(Decimal("-1234.5"), "GBP") == "−£1,234.50"
    assert formats_of("en").money(Decimal("10"), "CHF") == "CHF\u00a010.00"


def test_percentages_dates_and_countries() -> None:
    assert formats_of("de").percent(Decimal("7.00")) == "7\u00a0%"
    assert formats_of("en").percent(Decimal("5.50")) == "5.5%"
    assert formats_of("de").day(date(2026, 3, 4), "d. MMMM y") == "4. März 2026"
    assert formats_of("de").country("FR") == "Frankreich"
    assert formats_of("en").country("QZ") == "QZ"


def test_a_language_that_nobody_knows_is_refused() -> None:
    with pytest.raises(ValueError, match="not a language"):
        formats_of("qq")
