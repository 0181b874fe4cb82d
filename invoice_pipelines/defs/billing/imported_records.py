"""Imports of CSV files that were sent as batch operations, as Dagster sees them. Those of files in storage are in
`imports`.
"""

from collections.abc import Collection
from uuid import UUID

import dagster as dg
from sqlalchemy import Connection

from invoice_pipelines.billing.imports.batch import IMPORT_CSV, import_asked_rows
from invoice_pipelines.defs.domain import Domain, Stage, StageResult, Turn
from invoice_pipelines.defs.factory import definitions_of
from invoice_pipelines.defs.metadata import table_of
from invoice_pipelines.defs.progress import progress_lines
from invoice_pipelines.settings import Settings
from invoice_pipelines.work import due_items


def import_rows(turn: Turn, _: object = None) -> StageResult:
    """Writes the rows of the files that wait in an organization."""
    report = import_asked_rows(turn.organization, on_progress=progress_lines(turn.log, "rows"))
    shown = {
        "added or changed": report.succeeded,
        "known and left as they are": report.skipped,
        "left out": report.failed,
        "rows per second": round(report.items_per_second, 1),
        "rows left out": table_of(report.failures, "line=subject_id code reason=message"),
    }
    return StageResult(report.done > 0, shown, [], batch_jobs=report.jobs)


def organizations_due(connection: Connection, settings: Settings) -> Collection[UUID]:
    """Organizations with rows to write."""
    return due_items(connection, [IMPORT_CSV])


IMPORTED_RECORDS = Stage(
    key=dg.AssetKey(["billing", "imported_records"]),
    description="Customers, items, tax rates and sales orders from CSV files that were sent as batch operations. A row "
    "that is wrong is left out, with the reason.",
    work=import_rows,
)
IMPORTS = Domain(
    name="imports",
    description="Writes the rows of the CSV files that were sent for import in one organization.",
    does="Writes the rows of CSV files that were sent for import in {}",
    stages=(IMPORTED_RECORDS,),
    kinds=(IMPORT_CSV,),
    due=organizations_due,
    sensor="pending_imports",
    sensor_description="Asks for a run of each organization with rows of a CSV file to write, and none in flight.",
    owner="team:sales",
)


@dg.definitions
def imports() -> dg.Definitions:
    return definitions_of(IMPORTS)
