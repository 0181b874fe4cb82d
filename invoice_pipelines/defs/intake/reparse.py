"""Reading an organization's history again, as Dagster sees it. Its backfill is the one over organizations."""

from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

from invoice_pipelines.defs.domain import Stage, StageResult, Turn
from invoice_pipelines.defs.metadata import LONGEST_TABLE, bar_chart, table_of
from invoice_pipelines.defs.progress import progress_lines
from invoice_pipelines.intake.stages.stages import intake_of
from invoice_pipelines.storage import write_file_atomically

if TYPE_CHECKING:
    from invoice_pipelines.intake.history.changes import Change
    from invoice_pipelines.intake.history.reparse import ReparseReport


class Reparse(dg.Config):
    """How history is read again."""

    write: bool = Field(default=False, description="Write what differs; without it, differences are only shown.")
    include_exported: bool = Field(
        default=False, description="Exported invoices too: they are exported again, as corrections."
    )
    recognize: bool = Field(
        default=False, description="Recognize pages that the present OCR engine has not read; this may cost money."
    )
    restart: bool = Field(default=False, description="Start over instead of continuing an unfinished pass.")


def reparse(turn: Turn, config: Reparse) -> StageResult:
    """Reads history again for as long as a run may, and says what was found."""
    # Readers are heavy; loading Dagster must not wait for them.
    from invoice_pipelines.intake.history.changes import change_files, sample_changes
    from invoice_pipelines.intake.history.reparse import reparse_invoices

    organization = turn.organization
    intake = intake_of(organization)
    report = reparse_invoices(
        intake,
        write=config.write,
        include_exported=config.include_exported,
        recognize=config.recognize,
        restart=config.restart,
        time_box=organization.time_box,
        on_progress=progress_lines(turn.log, "invoices"),
    )
    folder = intake.exports / intake.organization.slug / "reparse"
    with organization.scope() as connection:
        sample = sample_changes(connection, report.id, LONGEST_TABLE)
        files = 0
        for data in change_files(connection, report.id) if sample else ():
            files += 1
            write_file_atomically(folder / f"{intake.organization.slug}_{report.id}_{files:03}.csv", data)
    shown = reparse_metadata(report, sample)
    if files:
        shown["files of all changes"] = dg.MetadataValue.path(str(folder))
    return StageResult(True, shown, [])


def reparse_metadata(report: "ReparseReport", sample: "list[Change]") -> dict[str, Any]:
    """Counts by what became of invoices and by field, and the first changes."""
    shown: dict[str, Any] = {
        "dry run": not report.writes,
        "read again": report.read,
        "of about": max(report.total, report.read),
        "finished": report.finished,
        "otherwise than before": sum(report.by_effect.values()),
        "invoices per second": round(report.read / max(report.seconds, 1e-6), 2),
        "seconds": round(report.seconds, 2),
        "changes": table_of(
            sample,
            "file=file_name number=invoice_number field old=old_value new=new_value effect=effect_in_words invoice_id",
        ),
    }
    if report.by_effect:
        shown["by effect"] = bar_chart("effect", "invoices", report.by_effect.items())
        shown["by field"] = bar_chart("field", "invoices", list(report.by_field.items())[:LONGEST_TABLE])
    return shown


REPARSED_INVOICES = Stage(
    key=dg.AssetKey(["intake", "reparsed_invoices"]),
    description="What the present rules read otherwise in all documents of an organization. Nothing is changed unless "
    "the config\nsays `write`.",
    kinds=frozenset({"postgres", "csv"}),
    deps=[dg.AssetKey(["intake", "parsed_invoices"])],
    metadata={"dagster/table_name": "intake.reparse_change"},
    config=Reparse,
    for_migrations={"write": True},
    work=reparse,
)
