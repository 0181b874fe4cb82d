"""Holds the four stages of the intake as one call each: take uploads, parse, validate, export.

A stage works on one organization until its queue is empty or its time is up, and reports what it did. Dagster's
assets, the sweep, the command line and the benchmarks all call these.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from uuid import UUID

from sqlalchemy import Connection, Engine
from upath import UPath

from invoice_pipelines.database import organization_scope
from invoice_pipelines.intake.arrivals import IntakeReport, take_arrivals
from invoice_pipelines.intake.export_files import Export, choose_invoices, complete_exports
from invoice_pipelines.intake.readers import Limits
from invoice_pipelines.intake.received_invoices import (
    EXPORT,
    PARSE,
    PROCESS,
    VALIDATE,
    fail_given_up,
    invoices_of_uploads,
)
from invoice_pipelines.organizations import Organization
from invoice_pipelines.settings import Settings
from invoice_pipelines.storage import root_path
from invoice_pipelines.work import (
    Chunk,
    DrainProgress,
    DrainReport,
    Failed,
    Outcome,
    Skipped,
    Succeeded,
    create_job,
    drain,
)

MEGABYTE = 1_000_000
EXPORT_CHUNK = 5000
"""Invoices in one export at the most: a pair of files that a spreadsheet still opens."""

STAGES = 4
"""Stages in a run, which share its time."""

OnProgress = Callable[[DrainProgress], None]


@dataclass(frozen=True, slots=True)
class Intake:
    """All that the stages of one organization need.

    `actor` says on whose behalf, for the audit trail. `time_box` is what each stage may take.
    """

    engine: Engine
    organization: Organization
    inbox: UPath
    originals: UPath
    exports: UPath
    limits: Limits
    actor: str
    settle: timedelta
    remove_taken: bool
    chunk_size: int
    lease: timedelta
    time_box: timedelta
    max_attempts: int
    rules_directory: Path | None

    @property
    def today(self) -> date:
        """The date in the organization's time zone."""
        return datetime.now(self.organization.time_zone).date()


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What an export stage did: the queue's report and the exports that were completed."""

    drained: DrainReport
    exports: tuple[Export, ...]


def make_intake(engine: Engine, organization: Organization, settings: Settings, actor: str) -> Intake:
    """The intake of one organization as the settings have it. Raises StorageError for an unusable place."""
    return Intake(
        engine=engine,
        organization=organization,
        inbox=root_path(settings.inbox_root) / organization.slug,
        originals=root_path(settings.originals_root),
        exports=root_path(settings.exports_root),
        limits=Limits(file_bytes=settings.upload_max_megabytes * MEGABYTE),
        actor=actor,
        settle=timedelta(seconds=settings.inbox_settle_seconds),
        remove_taken=settings.inbox_after_intake == "remove",
        chunk_size=settings.intake_chunk_size,
        lease=timedelta(seconds=settings.lease_seconds),
        time_box=timedelta(seconds=settings.run_time_box_seconds / STAGES),
        max_attempts=settings.intake_max_attempts,
        rules_directory=settings.rules_dir,
    )


def take_uploads(intake: Intake, on_progress: Callable[[IntakeReport], None] | None = None) -> IntakeReport:
    """Takes the files that lie still in the organization's inbox."""
    return take_arrivals(
        intake.engine,
        intake.organization.id,
        intake.inbox,
        intake.originals,
        settle=intake.settle,
        max_bytes=intake.limits.file_bytes,
        remove=intake.remove_taken,
        created_by=intake.actor,
        time_box=intake.time_box,
        on_progress=on_progress,
    )


def parse_uploads(intake: Intake, on_progress: OnProgress | None = None) -> DrainReport:
    """Reads what was uploaded or is to be read again."""
    from invoice_pipelines.intake.parsing import parse_handler  # readers are heavy; loading Dagster must not wait

    return _drain(intake, PARSE, parse_handler(intake.originals, intake.limits), on_progress)


def validate_invoices(intake: Intake, on_progress: OnProgress | None = None) -> DrainReport:
    """Judges what was parsed."""
    from invoice_pipelines.intake.validating import validate_handler  # as above: Saxon and schemas

    years = intake.organization.settings.oldest_invoice_years
    handler = validate_handler(intake.today, years, intake.rules_directory)
    return _drain(intake, VALIDATE, handler, on_progress)


def export_invoices(intake: Intake, on_progress: OnProgress | None = None) -> ExportReport:
    """Writes what was validated to files, after what an earlier run may have left pending."""
    organization = intake.organization

    def handle(connection: Connection, chunk: Chunk) -> list[Outcome]:
        export_id = choose_invoices(connection, [UUID(item.subject_id) for item in chunk.items], intake.actor)
        if export_id is None:
            return [Skipped("the invoice is not waiting for an export any more") for _ in chunk.items]
        return [Succeeded({"export": str(export_id)}) for _ in chunk.items]

    exports = complete_exports(intake.engine, organization.id, organization.slug, intake.exports)
    drained = _drain(intake, EXPORT, handle, on_progress, chunk_size=EXPORT_CHUNK)
    exports += complete_exports(intake.engine, organization.id, organization.slug, intake.exports)
    return ExportReport(drained, tuple(exports))


def process_uploads(intake: Intake, upload_ids: Sequence[UUID]) -> tuple[UUID, DrainReport]:
    """Parses, validates and exports the named uploads ahead of the queue, as a batch job.

    Returns the id of the job and its report, whose counts are those of parsing and validating. Raises UnknownUpload
    for an id that the organization does not have.
    """
    from invoice_pipelines.intake.parsing import parse_handler
    from invoice_pipelines.intake.validating import validate_handler

    with organization_scope(intake.engine, intake.organization.id) as connection:
        invoice_ids = invoices_of_uploads(connection, upload_ids)
        job_id = create_job(connection, PROCESS, invoice_ids, created_by=intake.actor)
    parse = parse_handler(intake.originals, intake.limits)
    years = intake.organization.settings.oldest_invoice_years
    validate = validate_handler(intake.today, years, intake.rules_directory)

    def handle(connection: Connection, chunk: Chunk) -> list[Outcome]:
        parsed = parse(connection, chunk)
        validated = validate(connection, chunk)
        # What was parsed earlier is skipped by the first and done by the second; what cannot be read, the reverse.
        return [
            first if isinstance(second, Skipped) and isinstance(first, Failed) else second
            for first, second in zip(parsed, validated, strict=True)
        ]

    report = _drain(intake, PROCESS, handle, None)
    export_invoices(intake)
    return job_id, report


def _drain(
    intake: Intake,
    kind: str,
    handler: Callable[[Connection, Chunk], list[Outcome]],
    on_progress: OnProgress | None,
    chunk_size: int | None = None,
) -> DrainReport:
    report = drain(
        intake.engine,
        intake.organization.id,
        kind,
        handler,
        chunk_size=chunk_size or intake.chunk_size,
        lease=intake.lease,
        time_box=intake.time_box,
        max_attempts=intake.max_attempts,
        on_progress=on_progress,
    )
    with organization_scope(intake.engine, intake.organization.id) as connection:
        fail_given_up(connection)
    return report
