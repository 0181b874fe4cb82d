"""What an organization may choose: patterns of numbers that PostgreSQL prints without ever printing one twice."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from sqlalchemy import text

from invoice_pipelines.organizations import Address, NumberFormat, OrganizationSettings
from invoice_pipelines_tests.support.sizes import example_count

NUMBERS = ["{number}", "{number:04}", "{number:018}", "{number:6}", "{number:0}"]
OTHERS = [
    "{year}",
    "{month}",
    "{month:02}",
    "{day}",
    "INV",
    "-",
    "/",
    "1",
    "A",
    " ",
    "_",
    "Ö",
    "'",
    "%",
    "\\",
    "{",
    "}",
]
PATTERNS = st.tuples(
    st.sampled_from(NUMBERS), st.just("{year}"), st.lists(st.sampled_from(OTHERS), max_size=4)
).flatmap(lambda parts: st.permutations([parts[0], parts[1], *parts[2]]).map("".join))


def accepted(pattern: str, *, yearly_reset: bool = True) -> NumberFormat | None:
    try:
        return NumberFormat(pattern=pattern, yearly_reset=yearly_reset)
    except ValidationError:
        return None


@pytest.mark.parametrize(
    "pattern",
    [
        "INV-{year}-{number:06}",
        "{year}{number:06}",
        "RE{year}/{month:02}/{number}",
        "{number:08}-{year}",
        "{year}-{month}-{number}",
    ],
)
def test_usual_patterns_are_accepted(pattern):
    assert accepted(pattern)


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("INV-{year}", r"must contain \{number\} once"),
        ("{year}-{number}-{number}", r"must contain \{number\} once"),
        ("INV-{number:06}", r"must contain \{year\}"),
        ("{year}-{number:6}", "has a brace"),
        ("{year}-{number:019}", "has a brace"),
        ("{year}-{day}-{number}", "has a brace"),
        ("{year}-{number!r}", "has a brace"),
        ("{year}{month}{number}", "ambiguous"),
        ("{year}-{month}{number:04}", "ambiguous"),
        ("{year}-{number}{month}", "ambiguous"),
        (" {year}-{number}", "printable"),
        ("{year}-\n{number}", "printable"),
        ("X" * 60 + "{year}{number}", "at most 60"),
    ],
)
def test_a_pattern_that_cannot_be_printed_or_could_repeat_is_refused_and_says_why(pattern, words):
    with pytest.raises(ValidationError, match=words):
        NumberFormat(pattern=pattern)


def test_without_a_yearly_reset_the_year_may_be_missing():
    assert accepted("R{number:05}", yearly_reset=False)


@pytest.mark.parametrize(
    "credit_note", ["INV-{year}-{number:08}", "INV-{month:02}-{number:04}", "INV-1-{year}{number}"]
)
def test_two_series_that_could_share_a_number_are_refused(credit_note):
    with pytest.raises(ValidationError, match="must differ"):
        OrganizationSettings(credit_note_number=NumberFormat(pattern=credit_note, yearly_reset=False))


def test_an_address_has_known_fields_only_and_no_empty_ones():
    assert Address(street=" Weg 1 ").street == "Weg 1"
    for wrong in ({"city": " "}, {"town": "Ulm"}, {"post_code": "1" * 21}):
        with pytest.raises(ValidationError):
            Address.model_validate(wrong)


@given(
    pattern=PATTERNS,
    yearly_reset=st.booleans(),
    uses=st.lists(
        st.tuples(st.integers(0, 800), st.sampled_from([1, 2, 9, 10, 11, 99, 111, 999_999, 1_000_000])),
        min_size=2, max_size=12, unique=True,
    ),
)  # fmt: skip
@settings(max_examples=example_count(150))
def test_postgresql_prints_every_accepted_pattern_and_no_number_twice(numbers, pattern, yearly_reset, uses):
    chosen = accepted(pattern, yearly_reset=yearly_reset)
    if chosen is None:
        return
    days = [(date(2026, 1, 1) + timedelta(days=day), number) for day, number in uses]
    # Of one number there is one invoice in its period: a year, or for ever.
    given_once = {((day.year if yearly_reset else 0), number): (day, number) for day, number in days}
    printed = [numbers(pattern, day, number) for day, number in given_once.values()]
    assert None not in printed
    assert len(set(printed)) == len(printed)
    assert all("{" not in number and number == number.strip() for number in printed)


@pytest.fixture
def numbers(shared_database):
    with shared_database.engine.connect() as connection:
        yield lambda pattern, day, number: connection.execute(
            text("select (billing.format_number(:pattern, :day, :number)).printed"),
            {"pattern": pattern, "day": day, "number": number},
        ).scalar_one()
