"""How the rows of a CSV file are read and written to the database in chunks, with each wrong row left out and named."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TextIO

from sqlalchemy import Connection

from invoice_pipelines.billing.errors import BillingError
from invoice_pipelines.billing.records.rows import Result, RowOutcome
from invoice_pipelines.organizations.context import OrganizationContext

CHUNK_SIZE = 1000


class FileRefused(BillingError):
    """A file is not taken as a whole. `reason`: unknown_column, missing_column, repeated_column, no_text or no_csv;
    `column` is the one that it is about.
    """

    code = BillingError.code

    def __init__(self, message: str, reason: str, column: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.column = column


@dataclass(frozen=True, slots=True)
class Record:
    """What stands in a file from a line on: the values to be written, or the field and reason why they cannot be.

    `lines_at` says where the parts of `values["lines"]` stand, if it has such.
    """

    line: int
    values: Mapping[str, Any]
    problem: tuple[str, str] | None = None
    lines_at: tuple[int, ...] = ()

    def line_of(self, field: str) -> int:
        """The line of the file in which a field, such as `lines[2].quantity`, stands."""
        part = re.match(r"lines\[([0-9]+)\]", field)
        return self.lines_at[int(part[1]) - 1] if part else self.line

    def given(self, field: str) -> str | None:
        """What the file says for a field; None where it says nothing."""
        part = re.match(r"lines\[([0-9]+)\]\.", field)
        values = self.values["lines"][int(part[1]) - 1] if part else self.values
        value = values.get(field[part.end() :] if part else field)
        return value if isinstance(value, str) else None


@dataclass(frozen=True, slots=True)
class FileProblem:
    """What is wrong in a file: the line, the field, and the reason, for people and as the code of a RowProblem. `given`
    is what stands there, if anything.
    """

    line: int
    field: str
    message: str
    code: str = "INVALID"
    given: str | None = None


def read_rows(stream: TextIO, name: str, columns: Sequence[str], needed: Sequence[str]) -> Iterator[Record]:
    """The rows of a CSV file, with comma or semicolon; empty cells are left out. `name` is what people call the file.

    Raises FileRefused for a file that is no such CSV, has a column that is not known or lacks one that is needed.
    """
    try:
        header = stream.readline()
        delimiter = ";" if header.count(";") > header.count(",") else ","
        names = [cell.strip() for cell in next(csv.reader([header], delimiter=delimiter, strict=True), [])]
        if unknown := [cell for cell in names if cell not in columns]:
            said = f"{name}: there is no column {repr(unknown[0])[:60]}; the columns are {', '.join(columns)}."
            raise FileRefused(said, "unknown_column", unknown[0])
        if missing := [column for column in needed if column not in names]:
            said = f"{name}: the column {missing[0]} is missing; the first line names the columns."
            raise FileRefused(said, "missing_column", missing[0])
        if len(set(names)) < len(names):
            raise FileRefused(f"{name}: a column occurs twice.", "repeated_column")
        reader = csv.reader(stream, delimiter=delimiter, strict=True)
        line = 2
        for cells in reader:
            values = {column: cell.strip() for column, cell in zip(names, cells, strict=False) if cell.strip()}
            more = any(cell.strip() for cell in cells[len(names) :])
            if values or more:
                yield Record(line, values, ("row", "it has more cells than columns") if more else None)
            line = reader.line_num + 2
    except UnicodeDecodeError:
        raise FileRefused(f"{name} is not a text file in UTF-8.", "no_text") from None
    except csv.Error as error:
        raise FileRefused(f"{name} is not a CSV file: {error}.", "no_csv") from None


def write_records(
    organization: OrganizationContext,
    records: Iterable[Record],
    write: Callable[[Connection, list[Mapping[str, Any]]], Sequence[RowOutcome]],
    on_problem: Callable[[FileProblem], None],
    *,
    keep: bool = True,
) -> Iterator[RowOutcome]:
    """Writes records in chunks, each in a transaction, and yields what became of each; without `keep`, each transaction
    is rolled back.
    """
    rest = iter(records)
    while chunk := list(islice(rest, CHUNK_SIZE)):
        good = [record for record in chunk if record.problem is None]
        with organization.scope() as connection:
            outcomes = iter(write(connection, [record.values for record in good]))
            if not keep:
                connection.rollback()
        for record in chunk:
            if record.problem is not None:
                on_problem(FileProblem(record.line, *record.problem, given=record.given(record.problem[0])))
                yield RowOutcome(record.line, None, Result.FAILED)
                continue
            outcome = next(outcomes)
            for problem in outcome.problems:
                line, given = record.line_of(problem.field), record.given(problem.field)
                on_problem(FileProblem(line, problem.field, problem.message, problem.code, given))
            yield outcome
