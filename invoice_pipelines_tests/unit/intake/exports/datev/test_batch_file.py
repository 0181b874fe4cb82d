"""The file itself: byte by byte as the vendor describes it, split where it has to be, and in one code page."""

from __future__ import annotations

import dataclasses
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from invoice_pipelines.intake.exports.datev.accounts.rules import RuleSet, check_rules
from invoice_pipelines.intake.exports.datev.batch_file import HEADINGS, MOST_BOOKINGS, batch_file, split_into_files
from invoice_pipelines.intake.exports.datev.bookings import Booking, bookings_of, reversal_of
from invoice_pipelines.intake.exports.datev.characters import cp1252_text, is_cp1252
from invoice_pipelines.intake.exports.datev.document_numbers import decode, encode, shortened
from invoice_pipelines.intake.exports.datev.documents_zip import Document, document_zips
from invoice_pipelines.intake.exports.datev.parts import take_apart
from invoice_pipelines.intake.exports.datev.settings import DatevSettings, checked_settings
from invoice_pipelines_tests.support.intake.exports.datev.books import dec, invoice, seller, tax
from invoice_pipelines_tests.support.intake.exports.datev.validator import (
    expressions,
    needs_expressions,
    read_batch,
    violations,
)
from invoice_pipelines_tests.support.sizes import example_count

GOLDEN = Path(__file__).parent / "golden"
GUID = UUID("019a0000-0000-7000-8000-0000000000ab")
WRITTEN = datetime(2026, 3, 31, 14, 5, 9, 87_654, tzinfo=UTC)
SETTINGS = checked_settings(consultant=29098, client=55003, chart="SKR03", initials="WD")
BOOKING = Booking(
    document_date=date(2026, 3, 1),
    amount=dec("119.00"),
    side="H",
    currency="EUR",
    rate=None,
    base_amount=None,
    account="70000",
    contra_account="4980",
    tax_key="9",
    document_field="R-1",
    booking_text="Muster GmbH",
    due_date=None,
    document_guid=GUID,
    cost_center=None,
    notes=(),
    tax_category="S",
    tax_rate=dec(19),
    invoice_amount=dec("119.00"),
    invoice_currency="EUR",
)


def booking(**changes: Any) -> Booking:
    return dataclasses.replace(BOOKING, **changes)


def write(*bookings: Booking, settings: DatevSettings = SETTINGS) -> bytes:
    return batch_file(bookings, settings, created_at=WRITTEN, label="Eingangsrechnungen 7/1")


def everything() -> list[Booking]:
    """The bookings of invoices of all kinds, as they come out of readings."""
    rules, problems = check_rules(
        [
            {"account": "4930", "line_text": "Toner", "cost_center": "Büro Süd"},
            {"account": "3200", "category": "K", "tax_key": "19"},
            {"account": "4980"},
        ],
        SETTINGS.accounts,
    )
    assert problems == []
    readings: list[tuple[Any, str, Decimal | None]] = [
        (invoice(tax("100.00", "19.00"), tax("50.00", "3.50", rate="7"), number="R-1"), "R-1", None),
        (invoice(number="Gutschrift Nr. 3", type_code="381"), "Gutschrift%20Nr%2E%203", None),
        (
            invoice(
                tax("1000.00", "0.00", "K", "0"),
                number="FA/7",
                seller=seller('Société "Ł" – naïve €', "FR83404833048"),
            ),
            "FA/7",
            None,
        ),
        (invoice(tax("10.00", "0.00", "AE", "0"), number="8", due_date=None), "8", None),
        (invoice(number="USD-1", currency="USD"), "USD-1", dec("1.0812")),
        (invoice(number="CHF-1", currency="CHF"), "CHF-1", dec("0.9412")),
    ]
    found = []
    for reading, field, rate in readings:
        parts = take_apart(reading, SETTINGS, RuleSet(1, tuple(rules)))
        found += bookings_of(reading, parts, account="70001", document_field=field, rate=rate, document_guid=GUID)
    return [*found, reversal_of(found[0])]


def test_a_file_is_byte_by_byte_the_golden_one() -> None:
    assert write(*everything()) == (GOLDEN / "EXTF_purchases.csv").read_bytes()


def test_a_locked_file_of_another_chart_is_byte_by_byte_the_golden_one() -> None:
    settings = checked_settings(
        consultant=1001, client=1, chart="SKR04", account_length=5, fiscal_year_start_month=7, locked=True
    )
    rows = [
        booking(account="700000", contra_account="52000"),
        booking(account="700001", contra_account="68500", tax_key="", document_date=date(2025, 7, 31)),
    ]
    assert write(*rows, settings=settings) == (GOLDEN / "EXTF_locked.csv").read_bytes()


def test_the_zip_of_documents_is_byte_by_byte_the_golden_one() -> None:
    documents = [Document(GUID, b"%PDF-1.7 one"), Document(UUID(int=1), b"<Invoice/>")]
    ((data, count),) = document_zips(documents, WRITTEN)
    assert count == 2
    assert data == (GOLDEN / "documents.zip").read_bytes()


def test_the_header_is_that_of_the_vendors_example() -> None:
    """DATEV's own example of line 1, but for what an installation or a day brings with it."""
    header = read_batch(write(BOOKING)).header
    example = (
        '"EXTF";700;21;"Buchungsstapel";13;20260331140509087;;"RE";"";"";29098;55003;20260101;4;20260301;20260331;'
        '"Eingangsrechnungen 7/1";"WD";1;0;0;"EUR";;"";;;"03";;;"";""'
    )
    assert ";".join(header) == example
    assert len(header) == 31


@needs_expressions
def test_the_golden_files_keep_all_expressions_and_headings() -> None:
    assert [heading for heading, _ in expressions()] == list(HEADINGS)
    for name in ("EXTF_purchases.csv", "EXTF_locked.csv"):
        assert violations((GOLDEN / name).read_bytes()) == []


@needs_expressions
@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda data: data.replace(b"119,00", b"119.00"), "field 1"),
        (lambda data: data.replace(b'"H"', b'"X"'), "field 2"),
        (lambda data: data.replace(b"0103", b"3203"), "outside"),
        (lambda data: data.replace(b'"R-1"', b'"R 1"'), "field 11"),
        (lambda data: data.replace(b'"R-1"', b'"' + b"R" * 37 + b'"'), "field 11"),
        (lambda data: data.replace(b'"Muster GmbH"', b'"' + b"M" * 61 + b'"'), "field 14"),
        (lambda data: data.replace(b";;;0;;;;", b";;;;;;;"), "114"),
        (lambda data: data.replace(b'"EXTF"', b'"DTVF"'), "header field 1"),
        (lambda data: data.replace(b"29098", b"999"), "header field 11"),
        (lambda data: data.replace(b"70000", b"7000"), "field 7"),
    ],
)
def test_the_judge_of_these_tests_sees_what_is_wrong(change: Any, problem: str) -> None:
    data = write(BOOKING)
    assert violations(data) == []
    try:
        found = violations(change(data))
    except ValueError as error:  # such as the 32nd of March
        found = [f"outside: {error}"]
    assert any(problem in line for line in found), found


def test_a_file_is_windows_1252_with_crlf_and_quoted_texts() -> None:
    data = write(booking(booking_text='Müller "€" š'))
    assert b'"M\xfcller ""\x80"" \x9a"' in data
    assert data.count(b"\n") == data.count(b"\r\n") == 3
    assert not data.startswith((b"\xef\xbb\xbf", b"\xff\xfe"))


def test_bookings_are_split_by_fiscal_year_and_by_99_999() -> None:
    old = booking(document_date=date(2025, 12, 31))
    groups = [[BOOKING, old], *([BOOKING] for _ in range(100_000)), [BOOKING, BOOKING]]
    files = split_into_files(groups, SETTINGS)
    assert [len(file) for file in files] == [1, MOST_BOOKINGS, 4] == [1, 99_999, 4]
    assert [file[0].document_date.year for file in files] == [2025, 2026, 2026]
    with pytest.raises(ValueError, match="cannot stand in one file"):
        write(*[BOOKING] * 100_000)
    with pytest.raises(ValueError, match="fiscal years"):
        write(BOOKING, old)


def test_the_bookings_of_an_invoice_stay_together() -> None:
    groups = [[BOOKING] * 3 for _ in range(4)]
    assert [len(file) for file in split_into_files(groups, SETTINGS, most=7)] == [6, 6]
    assert [len(file) for file in split_into_files([[BOOKING] * 9], SETTINGS, most=7)] == [7, 2]


def test_documents_are_split_by_size_and_number() -> None:
    documents = [Document(UUID(int=number), b"%PDF" + bytes(96)) for number in range(1, 8)]
    assert [count for _, count in document_zips(documents, WRITTEN, largest=250)] == [2, 2, 2, 1]
    assert [count for _, count in document_zips(documents, WRITTEN, most=3)] == [3, 3, 1]
    assert [count for _, count in document_zips(documents, WRITTEN, largest=50)] == [1] * 7


@pytest.mark.parametrize(
    ("head", "ending"),
    [
        (b"%PDF-1.7", "pdf"),
        (b"junk before %PDF-1.4", "pdf"),
        (b"\xef\xbb\xbf<?xml version='1.0'?>", "xml"),
        ("\ufeff<Invoice/>".encode("utf-16-le"), "xml"),
        (b"II*\0", "tif"),
        (b"\xff\xd8\xff\xe0", "jpg"),
        (b"\0\0\0\x18ftypheic", "heic"),
        (b"RIFF\0\0\0\0WEBP", "webp"),
        (b"what is this", "bin"),
    ],
)
def test_a_document_is_named_by_what_it_is(head: bytes, ending: str) -> None:
    assert Document(GUID, head).name == f"{str(GUID).upper()}.{ending}"


@given(st.text(max_size=80))
def test_any_text_becomes_one_of_the_code_page_that_fits(text: str) -> None:
    made = cp1252_text(text, 60)
    assert is_cp1252(made)
    assert made.encode("cp1252").decode("cp1252") == made
    assert len(made.replace('"', '""')) <= 60
    assert "?" not in made or "?" in text or any("?" in part for part in map(_compatible, text))


def _compatible(sign: str) -> str:
    import unicodedata

    return unicodedata.normalize("NFKD", sign)


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("Müller & Söhne – “ß” €", "Müller & Söhne – “ß” €"),
        ("Łódź Ðürüm Žižek Őr ŋ", "Lódz Ðürüm Žižek Or n"),
        ("Кузнецов и Ко", "Kuznecov i Ko".replace("c", "ts")),
        ("Ελλάς", "Ellas"),
        ("株式会社 GmbH 💡", "GmbH"),
        ("a\tb\r\nc\0d", "a b c d"),
        ("e\u0301", "é"),
        ("ﬁn ½ ™ ㎏", "fin ½ ™ kg"),
    ],
)
def test_characters_keep_their_letter(text: str, made: str) -> None:
    assert cp1252_text(text, 60) == made


@settings(max_examples=example_count(300))
@given(st.text(st.characters(blacklist_categories=["Cs"]), min_size=1, max_size=60))
def test_a_number_is_read_back_from_its_field(number: str) -> None:
    field = encode(number)
    if field is not None:
        assert decode(field) == number
    for written in filter(None, (field, shortened(number))):
        assert 1 <= len(written) <= 36
        assert read_batch(write(booking(document_field=written))).rows[0][10] == f'"{written}"'
    assert decode(shortened(number)) is None


@given(st.lists(st.text(st.characters(blacklist_categories=["Cs"]), min_size=1, max_size=60), unique=True))
def test_different_numbers_have_different_fields(numbers: list[str]) -> None:
    fields = [encode(number) or shortened(number) for number in numbers]
    assert len(set(fields)) == len(numbers)
