"""Holds the asset that reads an organization's history again. Its backfill is the one over organizations."""

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

from invoice_pipelines.database import organization_scope
from invoice_pipelines.defs.intake.assets import parsed_invoices
from invoice_pipelines.defs.metadata import LONGEST_TABLE, bar_chart, table, without_empty_tables
from invoice_pipelines.defs.organizations import organizations
from invoice_pipelines.defs.progress import progress_lines
from invoice_pipelines.defs.resources import InvoiceDatabase
from invoice_pipelines.intake.received_invoices import IntakeError
from invoice_pipelines.intake.stages.stages import Intake
from invoice_pipelines.storage import write_file_atomically

if TYPE_CHECKING:
    from invoice_pipelines.intake.history.changes import Change
    from invoice_pipelines.intake.history.reparse import ReparseReport


class Reparse(dg.Config):
    """How history is read again."""

    write: bool = Field(default=False, description="Write what is read otherwise; else it is only shown.")
    include_exported: bool = Field(
        default=False, description="Exported invoices too: they are exported again, as corrections."
    )
    recognize: bool = Field(
        default=False, description="Recognize pages that the present OCR engine has not read; this may cost money."
    )
    restart: bool = Field(default=False, description="Begin anew instead of going on where the last pass ended.")


@dg.asset(
    key_prefix="intake",
    group_name="intake",
    kinds={"postgres", "csv"},
    partitions_def=organizations,
    deps=[parsed_invoices],
    metadata={"dagster/table_name": "intake.reparse_change"},
)
def reparsed_invoices(
    context: dg.AssetExecutionContext, config: Reparse, database: InvoiceDatabase
) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """What the present rules read otherwise in all documents of an organization. Nothing is changed unless the config
    says `write`."""
    try:
        return dg.MaterializeResult(
            metadata=reparse(database.intake(context.partition_key), config, database, context.log)
        )
    except IntakeError as error:
        raise dg.Failure(str(error), allow_retries=False) from None


reparse_intake = dg.define_asset_job(
    "reparse_intake",
    selection=[reparsed_invoices],
    description="Reads the history of an organization again and shows what would change; writes it where asked to.",
)


def reparse(intake: Intake, config: Reparse, database: InvoiceDatabase, log: logging.Logger) -> dict[str, Any]:
    """Reads history again for as long as a run may, and says what was found."""
    # Readers are heavy; loading Dagster must not wait for them.
    from invoice_pipelines.intake.history.changes import change_files, sample_changes
    from invoice_pipelines.intake.history.reparse import reparse_invoices

    report = reparse_invoices(
        intake,
        write=config.write,
        include_exported=config.include_exported,
        recognize=config.recognize,
        restart=config.restart,
        time_box=timedelta(seconds=database.settings.run_time_box_seconds),
        on_progress=progress_lines(log, "invoices"),
    )
    folder = intake.exports / intake.organization.slug / "reparse"
    with organization_scope(intake.engine, intake.organization.id) as connection:
        sample = sample_changes(connection, report.id, LONGEST_TABLE)
        files = 0
        for data in change_files(connection, report.id) if sample else ():
            files += 1
            write_file_atomically(folder / f"{intake.organization.slug}_{report.id}_{files:03}.csv", data)
    return without_empty_tables(
        {
            **reparse_metadata(report, sample),
            **({"files of all changes": dg.MetadataValue.path(str(folder))} if files else {}),
        }
    )


def reparse_metadata(report: "ReparseReport", sample: "list[Change]") -> dict[str, Any]:
    """Counts by what became of invoices and by field, and the first changes."""
    shown: dict[str, Any] = {
        "dry run": not report.writes,
        "read again": report.read,
        "of about": max(report.total, report.read),
        "came to the end": report.finished,
        "otherwise than before": sum(report.by_effect.values()),
        "invoices per second": round(report.read / max(report.seconds, 1e-6), 2),
        "seconds": round(report.seconds, 2),
        "changes": table(
            [
                {
                    "file": change.file_name[:200],
                    "number": (change.invoice_number or "")[:80],
                    "field": change.field[:100],
                    "old": (change.old_value or "")[:200],
                    "new": (change.new_value or "")[:200],
                    "effect": change.effect_in_words[:300],
                    "invoice id": str(change.invoice_id),
                }
                for change in sample
            ]
        ),
    }
    if report.by_effect:
        shown["by effect"] = bar_chart("effect", "invoices", report.by_effect.items())
        shown["by field"] = bar_chart("field", "invoices", list(report.by_field.items())[:LONGEST_TABLE])
    return shown
