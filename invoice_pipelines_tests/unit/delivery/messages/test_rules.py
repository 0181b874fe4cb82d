"""Rules without a database: quiet hours on any day of the year, addresses, the length of an SMS."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from invoice_pipelines.delivery.channels.addresses import EMAIL_ADDRESSES, PHONE_NUMBERS, AddressError, AddressKind
from invoice_pipelines.delivery.channels.phone import for_sms, segments
from invoice_pipelines.delivery.messages.fields import clean
from invoice_pipelines.delivery.messages.quiet_hours import is_quiet, quiet_ends
from invoice_pipelines_tests.support.sizes import example_count

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = st.sampled_from(
    [
        BERLIN,
        ZoneInfo("America/St_Johns"),
        ZoneInfo("Australia/Lord_Howe"),
        ZoneInfo("Africa/Casablanca"),
        ZoneInfo("UTC"),
    ]
)
MOMENTS = st.integers(0, 4 * 366 * 24 * 60).map(lambda m: datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=m))
TIMES = st.times().map(lambda time: f"{time:%H:%M}")


@settings(max_examples=example_count(60))
@given(MOMENTS, ZONES, TIMES, TIMES)
@example(datetime(2026, 3, 29, 0, 30, tzinfo=UTC), BERLIN, "22:00", "02:30")  # the clock goes from 2 to 3
@example(datetime(2026, 10, 25, 0, 10, tzinfo=UTC), BERLIN, "22:00", "02:30")  # and from 3 back to 2
@example(datetime(2026, 10, 25, 1, 10, tzinfo=UTC), BERLIN, "22:00", "02:30")
def test_quiet_hours_end_at_a_later_time_that_is_not_quiet_within_a_day_or_so(
    at: datetime, zone: ZoneInfo, begin: str, end: str
) -> None:
    ends = quiet_ends(at, zone, begin, end)
    assert (ends is None) == (not is_quiet(at, zone, begin, end))
    if ends is not None:
        assert at < ends <= at + timedelta(hours=25)
        assert not is_quiet(ends, zone, begin, end)


@settings(max_examples=example_count(60))
@given(MOMENTS, ZONES, TIMES, TIMES)
def test_it_is_quiet_until_then(at: datetime, zone: ZoneInfo, begin: str, end: str) -> None:
    ends = quiet_ends(at, zone, begin, end)
    if ends is not None and (offset := at.astimezone(zone).utcoffset()) == ends.astimezone(zone).utcoffset():
        between = at + (ends - at) * 0.99
        assert is_quiet(between, zone, begin, end) or between.astimezone(zone).utcoffset() != offset


@pytest.mark.parametrize(
    ("at", "ends"),
    [
        ("2026-01-15 20:59", None),
        ("2026-01-15 21:00", "2026-01-16 08:00"),
        ("2026-01-16 03:00", "2026-01-16 08:00"),
        ("2026-01-16 08:00", None),
        ("2026-03-29 01:59", "2026-03-29 08:00"),
    ],
)
def test_quiet_hours_over_midnight(at: str, ends: str | None) -> None:
    moment = datetime.fromisoformat(at).replace(tzinfo=BERLIN)
    found = quiet_ends(moment, BERLIN, "21:00", "08:00")
    assert found == (None if ends is None else datetime.fromisoformat(ends).replace(tzinfo=BERLIN))
    assert quiet_ends(moment, BERLIN, "08:00", "08:00") is None, "equal times are no quiet hours"


@pytest.mark.parametrize(
    ("given_", "country", "expected"),
    [
        ("01512 3456789", "DE", "+4915123456789"),
        ("+49 (151) 23456789", "US", "+4915123456789"),
        ("0049 151 23456789", "DE", "+4915123456789"),
        ("202-456-1111", "US", "+12024561111"),
        ("0664 1234567", "AT", "+436641234567"),
    ],
)
def test_phone_numbers_are_those_of_the_customers_country(given_: str, country: str, expected: str) -> None:
    found = PHONE_NUMBERS.find({"email": None, "phone": given_}, country)
    assert (found.address, found.recipient) == (expected, expected)


def looked_at(kind: AddressKind, text: str) -> tuple[str, str]:
    """The address, or why it is none."""
    try:
        return kind.check(text, "DE").address, ""
    except AddressError as error:
        return "", str(error)


@settings(max_examples=example_count(60))
@given(st.text(max_size=60))
def test_whatever_stands_in_the_field_is_an_address_or_an_error_of_one_line(text: str) -> None:
    for kind in (EMAIL_ADDRESSES, PHONE_NUMBERS):
        address, reason = looked_at(kind, text)
        assert (address + reason).isprintable()
        assert len(reason) < 400
        if address:
            assert looked_at(kind, address) == (address, "")


def test_email_addresses_that_differ_in_capitals_are_the_same() -> None:
    first = EMAIL_ADDRESSES.check(" Anna.Schmidt@Kunde.Example ")
    assert first.address == "Anna.Schmidt@kunde.example"
    assert first.recipient == EMAIL_ADDRESSES.check("anna.schmidt@KUNDE.example").recipient


@settings(max_examples=example_count(60))
@given(st.text(max_size=200))
def test_no_field_adds_a_line_or_turns_the_direction(text: str) -> None:
    cleaned = clean(text)
    assert not set(cleaned) & set("\r\n\t\x00\x0b\x0c\x1b\x85\u2028\u2029\u202e\u2066")
    assert clean(cleaned) == cleaned


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("я" * 70, 1),
        ("я" * 71, 2),
        ("😀" * 35, 1),
        ("😀" * 36, 2),
        ("ä" * 160, 1),
        (for_sms("1.234,56\u00a0€"), 1),
    ],
)
def test_parts_of_an_sms(text: str, parts: int) -> None:
    assert segments(text) == parts
