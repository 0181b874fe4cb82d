"""How the commands open the CSV files that they are given."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from invoice_pipelines.billing.imports.csv_rows import Record, read_rows


def read_csv(file: str, columns: Sequence[str], needed: Sequence[str]) -> Iterator[Record]:
    """The rows of a CSV file (- is stdin) in UTF-8. Raises what `read_rows` does."""
    with opened_csv(file) as stream:
        yield from read_rows(stream, file, columns, needed)


@contextmanager
def opened_csv(file: str) -> Iterator[TextIO]:
    """The file as text; - is stdin."""
    if file == "-":
        yield sys.stdin
        return
    with Path(file).open(encoding="utf-8-sig", newline="") as stream:
        yield stream
