"""Imports of CSV files as batch operations: each row (or order) is an item, so that it has an outcome, can be looked at
while it waits, and be tried again where it failed.

The rows wait in `billing.import_row` until they are written. A row that failed stays there for as long as it may be
tried again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from itertools import islice
from typing import Any, TextIO

from pydantic_core import to_json
from sqlalchemy import Connection, Row, text

from invoice_pipelines.billing.errors import BillingError
from invoice_pipelines.billing.imports.csv_rows import Record
from invoice_pipelines.billing.imports.importing import KINDS, records_of
from invoice_pipelines.billing.records.rows import Result, RowOutcome
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.work import BatchAnswer, Chunk, Failed, Outcome, Progress, Report, Skipped, Succeeded, ask, drain

IMPORT_CSV = "import_csv"
"""Kind of batch jobs that import the rows of a file; a subject is the line on which a row or an order begins."""
MOST_RECORDS = 50_000
_CHUNK_SIZE = 500
_AT_ONCE = 5000
_SECONDS_PER_RECORD = 0.001


def ask_for_import(connection: Connection, kind: str, stream: TextIO, name: str, *, created_by: str) -> BatchAnswer:
    """Asks for the import of a CSV file of a kind (see importing.KINDS), as a batch job with an item for each row, or
    each order. `name` is what people call the file.

    Raises BillingError for another kind, and for a file that is no such CSV, has a column that is not known or lacks
    one that is needed, or has more than MOST_RECORDS rows. Wrong rows become items that fail.
    """
    if kind not in KINDS:
        raise BillingError(f"kind: {kind[:40]!r} is none of {', '.join(KINDS)}.")
    records = list(islice(records_of(kind, stream, name), MOST_RECORDS + 1))
    if len(records) > MOST_RECORDS:
        raise BillingError(f"{name} has more than {MOST_RECORDS:,} rows; split it.", code="TOO_MANY_ROWS")
    answer = ask(
        connection,
        IMPORT_CSV,
        [str(record.line) for record in records],
        {"kind": kind, "file": name[:200]},
        created_by=created_by,
        seconds_per_item=_SECONDS_PER_RECORD,
    )
    for start in range(0, len(records), _AT_ONCE):
        rows = [
            {
                "line": record.line,
                "values": record.values,
                "lines_at": list(record.lines_at),
                "problem_field": record.problem[0] if record.problem else None,
                "problem": record.problem[1] if record.problem else None,
            }
            for record in records[start : start + _AT_ONCE]
        ]
        connection.execute(text(_ADD), {"job_id": answer.job_id, "rows": to_json(rows).decode()})
    connection.execute(text(_REMOVE_OLD), {"kind": IMPORT_CSV})
    return answer


def import_asked_rows(
    organization: OrganizationContext,
    *,
    time_box: timedelta | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Report:
    """Writes the rows of the organization's open imports. Any number of these may run at once."""
    return drain(
        organization.engine,
        organization.id,
        IMPORT_CSV,
        _write,
        chunk_size=_CHUNK_SIZE,
        time_box=organization.time_box if time_box is None else time_box,
        on_progress=on_progress,
    )


def _write(connection: Connection, chunk: Chunk) -> Sequence[Outcome]:
    values = {"job_id": chunk.job_id, "lines": [int(item.subject_id) for item in chunk.items]}
    rows = {str(row.line): row for row in connection.execute(text(_ROWS), values)}
    author: str = connection.execute(
        text("select created_by from work.jobs where organization_id = organizations.current() and id = :job_id"),
        {"job_id": chunk.job_id},
    ).scalar_one()
    good = [row for row in rows.values() if row.problem is None]
    written = KINDS[chunk.parameters["kind"]].write(connection, [row.values for row in good], author)
    outcomes = dict(zip((str(row.line) for row in good), written, strict=True))
    told = [_told(rows.get(item.subject_id), outcomes.get(item.subject_id)) for item in chunk.items]
    done = [
        int(item.subject_id) for item, outcome in zip(chunk.items, told, strict=True) if not isinstance(outcome, Failed)
    ]
    connection.execute(text(_REMOVE), {"job_id": chunk.job_id, "lines": done})
    return told


def _told(row: Row[Any] | None, outcome: RowOutcome | None) -> Outcome:
    if row is None:
        return Failed("ROW_REMOVED", "The row is not kept any more; import the file again.")
    if outcome is None:
        return Failed("INVALID", f"{row.problem_field}: {row.problem}")
    if outcome.problems:
        record = Record(row.line, row.values, lines_at=tuple(row.lines_at))
        reasons = "; ".join(
            f"line {record.line_of(problem.field)}, {problem.field}: {problem.message}" for problem in outcome.problems
        )
        return Failed(outcome.problems[0].code, reasons)
    if outcome.result is Result.UNCHANGED:
        return Skipped(f"{outcome.key} exists, and stays as it is.")
    return Succeeded({"outcome": outcome.result, "key": outcome.key, "id": outcome.id})


_ADD = """
    insert into billing.import_row (organization_id, job_id, line, values, lines_at, problem_field, problem)
    select organizations.current(), :job_id, r.*
    from jsonb_to_recordset(cast(:rows as jsonb)) as r (
        line integer, values jsonb, lines_at integer[], problem_field text, problem text)
"""
_ROWS = """
    select r.line, r.values, r.lines_at, r.problem_field, r.problem from billing.import_row r
    where r.organization_id = organizations.current() and r.job_id = :job_id and r.line = any(cast(:lines as integer[]))
    order by r.line
"""
_REMOVE = """
    delete from billing.import_row
    where organization_id = organizations.current() and job_id = :job_id and line = any(cast(:lines as integer[]))
"""
_REMOVE_OLD = """
    delete from billing.import_row
    where organization_id = organizations.current()
      and job_id in (select j.id from work.jobs j
                     where j.organization_id = organizations.current() and j.kind = :kind
                       and j.completed_at < now() - interval '30 days')
"""
