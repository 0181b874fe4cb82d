"""The import of master data and orders as a job that a person, or a program with GraphQL, starts."""

import io

import dagster as dg
from pydantic import Field

from invoice_pipelines.billing.imports.files import read_import
from invoice_pipelines.billing.imports.importing import import_csv
from invoice_pipelines.defs.choices import ImportKind
from invoice_pipelines.defs.metadata import table_of, without_empty_tables
from invoice_pipelines.defs.refusals import refusals_fail_the_run
from invoice_pipelines.defs.resources import InvoiceDatabase
from invoice_pipelines.defs.sweep import turn_of


class ImportMasterData(dg.Config):
    """Which file is imported, as what."""

    organization: str = Field(description="Slug of the organization.")
    kind: ImportKind = Field(description="What the rows of the file are.")
    file: str = Field(
        description="Path of a CSV file in the organization's folder of imports (INVOICE_PIPELINES_IMPORTS), such as "
        "customers.csv."
    )
    write: bool = Field(default=False, description="Import it; without it, only show what would become of its rows.")


@dg.op
@refusals_fail_the_run()
def import_file(context: dg.OpExecutionContext, config: ImportMasterData, database: InvoiceDatabase) -> None:
    """Adds or changes what stands in the file; wrong rows are left out and named."""
    organization = turn_of(context, database, config.organization).organization
    stream = io.TextIOWrapper(io.BytesIO(read_import(organization, config.file)), "utf-8-sig", newline="")
    report = import_csv(organization, config.kind.value, stream, config.file, write=config.write)
    if report.left_out:
        context.log.warning("%s rows of %s are wrong and left out", report.left_out, config.file)
    context.add_output_metadata(
        without_empty_tables(
            {
                "file": config.file,
                "kind": config.kind.value,
                "written": config.write,
                "added or changed": report.written,
                "known and left as they are": report.known,
                "left out": report.left_out,
                "rows left out": table_of(report.problems, "line field reason=message"),
            }
        )
    )


@dg.job
def import_master_data() -> None:
    """Imports customers, items, tax rates or sales orders of an organization from a CSV file in storage; without
    `write`, only shows what would become of its rows.
    """
    import_file()
