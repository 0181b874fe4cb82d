"""Amounts and dates as people write them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invoice_pipelines.intake.documents.text_layer.page.notation import AMOUNT, find_dates, parse_amount
from invoice_pipelines.intake.documents.text_layer.page.vocabulary import load_vocabulary

STYLES = [(",", "."), (".", ","), (",", " "), (".", "'"), (".", "’"), (",", "\u202f"), (",", ""), (".", "")]


def write(value: Decimal, decimal: str, group: str) -> str:
    return f"{value:,.2f}".replace(",", "G").replace(".", decimal).replace("G", group)


@given(st.decimals(min_value=0, max_value=Decimal("999999999.99"), places=2), st.sampled_from(STYLES))
def test_an_amount_with_two_decimals_has_the_same_value_in_every_style(value: Decimal, style: tuple[str, str]) -> None:
    text = write(value, *style)
    assert parse_amount(text) == value
    assert parse_amount("-" + text) == -value
    assert parse_amount(text + "-") == -value


@given(
    st.decimals(min_value=0, max_value=Decimal("9999999.99"), places=2),
    st.sampled_from(STYLES),
    st.sampled_from(["{} €", "€ {}", "€{}", "EUR {}", "{} EUR", "Summe: {}", "{}", "$ {}", "£{}", "CHF {}"]),
)
def test_an_amount_is_found_whole_inside_of_a_text(value: Decimal, style: tuple[str, str], frame: str) -> None:
    found = [match["number"] for match in AMOUNT.finditer(frame.format(write(value, *style)))]
    assert [parse_amount(number) for number in found] == [value]


@given(st.text(max_size=30))
def test_no_text_breaks_the_reading_of_amounts_and_dates(text: str) -> None:
    parse_amount(text)
    list(AMOUNT.finditer(text))
    list(find_dates(text, load_vocabulary().months))


@pytest.mark.parametrize("text", ["05.06.2018", "+49 30.123.456", "RE-2024/17", "19 %", "192.168.10.1", "10:45"])
def test_dates_numbers_and_percentages_are_no_amounts_of_money(text: str) -> None:
    assert not [match.group() for match in AMOUNT.finditer(text) if "," in match.group() or match["after"]]


def test_three_digits_after_the_only_separator_follow_the_document() -> None:
    assert parse_amount("1.234", ",") == 1234
    assert parse_amount("1.234", ".") == Decimal("1.234")
    assert parse_amount("0,125") == Decimal("0.125")


@pytest.mark.parametrize("text", ["1.23.456", "1,2,3", "12.34.56", "", "-", "abc", "1.234.5678,00"])
def test_what_is_no_number_is_none(text: str) -> None:
    assert parse_amount(text) is None


@given(st.dates(min_value=date(1990, 1, 1), max_value=date(2099, 12, 31)))
def test_a_date_is_read_in_every_form_that_has_one_meaning(day: date) -> None:
    german = ["Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober"]
    german += ["November", "Dezember"]
    forms = [
        f"{day:%d.%m.%Y}",
        f"{day.day}.{day.month}.{day.year}",
        day.isoformat(),
        f"{day.day}. {german[day.month - 1]} {day.year}",
        f"{day:%d %B %Y}",
        f"{day:%B} {day.day}, {day.year}",
        f"{day:%d-%b-%Y}",
    ]
    for form in forms:
        assert [found.value for found in find_dates(f"Datum: {form}", load_vocabulary().months)] == [day], form


def test_a_date_with_slashes_says_what_else_it_could_be() -> None:
    (found,) = find_dates("03/04/2024", load_vocabulary().months, day_first=True)
    assert (found.value, found.other) == (date(2024, 4, 3), date(2024, 3, 4))
    (found,) = find_dates("12/31/2024", load_vocabulary().months, day_first=True)
    assert (found.value, found.other, found.swapped) == (date(2024, 12, 31), None, True)


def test_a_day_that_does_not_exist_is_no_date() -> None:
    assert list(find_dates("31.02.2024 00.00.2024 13/13/2024", load_vocabulary().months)) == []
