"""The form of every CSV file that is exported, whatever is in it."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Mapping, Sequence
from typing import Any

_FORMULA_START = ("=", "+", "-", "@", "\t", "\r")


def to_csv(columns: Sequence[str], rows: Sequence[Mapping[str, Any]], numbers: Collection[str]) -> bytes:
    """RFC 4180 in UTF-8: a heading, CRLF, quotes where needed; absent values are empty, amounts keep their decimals.

    A text that a spreadsheet would take for a formula gets an apostrophe in front (OWASP, CSV injection). `numbers`
    names the columns that are no texts.
    """
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(columns)
    writer.writerows([_cell(row.get(name), name in numbers) for name in columns] for row in rows)
    return out.getvalue().encode()


def _cell(value: Any, is_number: bool) -> str:
    if value is None:
        return ""
    if is_number:
        return format(value, "f") if hasattr(value, "as_tuple") else str(value)
    shown = str(value)
    return f"'{shown}" if shown.startswith(_FORMULA_START) else shown
