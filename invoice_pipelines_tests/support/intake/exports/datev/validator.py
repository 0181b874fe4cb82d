"""An independent judge of EXTF batches: the vendor's 125 expressions, read from the shared table, and the rules around
them. It shares no code and no table with what it judges.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from typing import Any

import pytest

from invoice_pipelines_tests.conftest import PROJECT

EXPRESSIONS = PROJECT.parent / "shared" / "facts" / "datev_buchungsstapel_13.csv"


def needs_expressions(test: Any) -> Any:
    """Marks a test that judges by the shared table, and skips it where that is not there."""
    reason = f"{EXPRESSIONS.name}, the table of the vendor's expressions, is not there"
    return pytest.mark.corpus(pytest.mark.skipif(not EXPRESSIONS.exists(), reason=reason)(test))


REQUIRED = {1, 2, 7, 8, 10, 114}
_FIELD = re.compile(r'"(?:[^"]|"")*"|[^";]*')

HEADER = {
    1: r'"EXTF"',
    2: r"700",
    3: r"21",
    4: r'"Buchungsstapel"',
    5: r"13",
    6: r"20\d{2}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])([01]\d|2[0-3])[0-5]\d[0-5]\d\d{3}",
    7: r"",
    8: r'"[A-Z]{0,2}"',
    9: r'"\w{0,25}"',
    10: r'"\w{0,25}"',
    11: r"(100[1-9]|10[1-9]\d|1[1-9]\d\d|[2-9]\d{3}|[1-9]\d{4,6})",
    12: r"[1-9]\d{0,4}",
    13: r"20\d{6}",
    14: r"[4-8]",
    15: r"20\d{6}",
    16: r"20\d{6}",
    17: r'".{0,30}"',
    18: r'"([A-Z]{2})?"',
    19: r"1",
    20: r"(0|30|40|50|64)",
    21: r"[01]",
    22: r'"EUR"',
    23: r"",
    24: r'""',
    25: r"",
    26: r"",
    27: r'"0[34]"',
    28: r"",
    29: r"",
    30: r'""',
    31: r'".{0,16}"',
}


@dataclass(frozen=True)
class Batch:
    """A file taken apart: fields as they stand there, with their quotes."""

    header: list[str]
    headings: list[str]
    rows: list[list[str]]


@cache
def expressions() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """Heading and expression of the 125 fields."""
    with EXPRESSIONS.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter=";"))
    assert [int(row["field"]) for row in rows] == list(range(1, 126))
    return tuple((row["heading"], re.compile(row["expression"])) for row in rows)


def read_batch(data: bytes) -> Batch:
    """The lines of a file. Raises where it is no EXTF file at all."""
    lines = data.decode("cp1252").split("\r\n")
    assert lines.pop() == "", "the last line has no CRLF"
    assert not any(sign in line for line in lines for sign in "\r\n"), "a line end that is no CRLF"
    return Batch(fields(lines[0]), lines[1].split(";"), [fields(line) for line in lines[2:]])


def fields(line: str) -> list[str]:
    """The fields of a line, with their quotes."""
    found, place = [], 0
    while True:
        match = _FIELD.match(line, place)
        assert match is not None
        found.append(match.group())
        place = match.end()
        if place == len(line):
            return found
        assert line[place] == ";", f"after field {len(found)} comes {line[place : place + 5]!r}"
        place += 1


def violations(data: bytes) -> list[str]:
    """All that is wrong with a file; nothing where it is right."""
    batch = read_batch(data)
    found = list(_header_violations(batch.header))
    table = expressions()
    found += [
        f"heading {number}: {heading!r}"
        for number, (heading, (wanted, _)) in enumerate(zip(batch.headings, table, strict=True), start=1)
        if heading != wanted
    ]
    if not 1 <= len(batch.rows) <= 99_999:
        found.append(f"{len(batch.rows)} bookings")
    for number, row in enumerate(batch.rows, start=1):
        found += [f"row {number}: {problem}" for problem in _row_violations(row, batch.header)]
    return found


def _header_violations(header: list[str]) -> Iterator[str]:
    if len(header) != 31:
        yield f"the header has {len(header)} fields"
        return
    for number, value in enumerate(header, start=1):
        if not re.fullmatch(HEADER[number], value):
            yield f"header field {number}: {value!r}"
    year, first, last = (_day(header[place - 1]) for place in (13, 15, 16))
    if not year <= first <= last < _next_year(year):
        yield f"the period {first} to {last} is not in the fiscal year from {year}"


def _row_violations(row: list[str], header: list[str]) -> Iterator[str]:
    if len(row) != 125:
        yield f"{len(row)} fields"
        return
    for number, (value, (heading, expression)) in enumerate(zip(row, expressions(), strict=True), start=1):
        if value in ("", '""'):
            if number in REQUIRED:
                yield f"field {number} ({heading}) is empty"
        elif not expression.search(value):
            yield f"field {number} ({heading}): {value!r}"
        if any(sign < " " or sign == "\x7f" for sign in value):
            yield f"field {number} has a control character"
    if [bool(row[place - 1]) for place in (4, 5, 6)] not in ([False] * 3, [True] * 3):
        yield "fields 4 to 6 are not filled together"
    if row[11] not in ("", '""') and row[116]:
        yield "fields 12 and 117 are both filled"
    for kind in (*range(21, 36, 2), *range(48, 87, 2)):
        if bool(row[kind - 1]) != bool(row[kind]):
            yield f"fields {kind} and {kind + 1} are not filled together"
    length = int(header[13])
    if len(row[6]) != length + 1 or row[6][0] not in "789":
        yield f"field 7 is no creditor: {row[6]}"
    if len(row[7]) != length:
        yield f"field 8 is no account of {length} digits: {row[7]}"
    day = _document_day(row[9], _day(header[12]))
    if not _day(header[14]) <= day <= _day(header[15]):
        yield f"field 10: {row[9]} is outside of the period"
    if row[113] != header[20]:
        yield "field 114 is not that of the header"
    if not re.fullmatch(r'"BEDI ""[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}"""', row[19]):
        yield f"field 20: {row[19]}"


def _document_day(written: str, year: date) -> date:
    """The day that a program understands: in the fiscal year of the header."""
    day, month = int(written[:2]), int(written[2:])
    return date(year.year if month >= year.month else year.year + 1, month, day)


def _day(written: str) -> date:
    return date(int(written[:4]), int(written[4:6]), int(written[6:8]))


def _next_year(year: date) -> date:
    return (year + timedelta(days=367)).replace(day=1) if year.month != 2 else date(year.year + 1, 2, 1)
