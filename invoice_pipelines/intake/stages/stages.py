"""The stages of the intake as one call each: take uploads, parse, validate, export; and beside them, recognize pages.

A stage works on one organization until its queue is empty or its time is up, and reports what it did; or on `only` the
received invoices with these ids, ahead of the queue. Dagster's assets and boxes, the sweep, the command line and the
benchmarks all call these.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import Connection, Engine, text
from upath import UPath

from invoice_pipelines.database import organization_scope
from invoice_pipelines.intake.documents import Limits
from invoice_pipelines.intake.documents.ocr.engine import EngineSpec
from invoice_pipelines.intake.documents.ocr.engines import engine_spec
from invoice_pipelines.intake.documents.recipient import Recipient
from invoice_pipelines.intake.exports.export_files import Export, complete_exports
from invoice_pipelines.intake.received_invoices import ProcessingError, fail_given_up, record_errors
from invoice_pipelines.intake.stages.arrivals import IntakeReport, take_arrivals
from invoice_pipelines.intake.stages.recognition import Recognition
from invoice_pipelines.intake.states import EXPORT, PARSE, RECOGNIZE, STAGE_OF_KIND, VALIDATE
from invoice_pipelines.intake.tracing import stack_of
from invoice_pipelines.organizations import Organization
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.storage import root_path
from invoice_pipelines.work import (
    Chunk,
    Failed,
    Item,
    LeaseLost,
    Outcome,
    Progress,
    Report,
    Skipped,
    drain,
    enqueue,
)
from invoice_pipelines.work.failures import reason_of

if TYPE_CHECKING:
    from invoice_pipelines.intake.stages.judging import Standard

MEGABYTE = 1_000_000
EXPORT_CHUNK = 5000
"""Invoices in one export at the most: a pair of files that a spreadsheet still opens."""

RECOGNIZE_CHUNK = 32
"""Documents whose pages are recognized together: enough to keep all processes busy, few to be done again after a kill.
What was read of them is kept page by page."""

UNTIL_THE_ENGINE_WORKS = 1000
"""Attempts of a document while the OCR engine cannot work; at most an hour and a half apart, so a month and more."""

STAGES = 4
"""Stages in a run, which share its time. Text recognition has runs of its own, and no more time there."""

OnProgress = Callable[[Progress], None]
Only = Sequence[UUID] | None


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
    ocr: EngineSpec | None
    ocr_processes: int

    @property
    def recipient(self) -> Recipient:
        """The organization as documents name it."""
        organization = self.organization
        named = (organization.name, organization.vat_id, organization.tax_number, organization.iban)
        return Recipient.of(*named, country=organization.country_code)

    @property
    def today(self) -> date:
        """The date in the organization's time zone."""
        return datetime.now(self.organization.time_zone).date()


@dataclass(frozen=True, slots=True, kw_only=True)
class RecognitionReport(Report):
    """What a stage of text recognition did, in documents, and in pages where there were any for it."""

    recognition: Recognition | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportReport(Report):
    """What an export stage did, with the exports that were completed."""

    exports: tuple[Export, ...]


def intake_of(context: OrganizationContext) -> Intake:
    """The intake of one organization as the settings have it. Raises StorageError for an unusable place."""
    settings = context.settings
    return Intake(
        engine=context.engine,
        organization=context.organization,
        inbox=root_path(settings.inbox_root) / context.slug,
        originals=root_path(settings.originals_root),
        exports=root_path(settings.exports_root),
        limits=Limits(file_bytes=settings.upload_max_megabytes * MEGABYTE),
        actor=context.actor,
        settle=timedelta(seconds=settings.inbox_settle_seconds),
        remove_taken=settings.inbox_after_intake == "remove",
        chunk_size=settings.intake_chunk_size,
        lease=timedelta(seconds=settings.lease_seconds),
        time_box=timedelta(seconds=settings.run_time_box_seconds / STAGES),
        max_attempts=settings.intake_max_attempts,
        rules_directory=settings.rules_dir,
        ocr=engine_spec(settings, context.organization),
        ocr_processes=settings.ocr_processes,
    )


def take_uploads(intake: Intake, on_progress: OnProgress | None = None) -> IntakeReport:
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


def parse_uploads(intake: Intake, on_progress: OnProgress | None = None, *, only: Only = None) -> Report:
    """Reads what was uploaded or is to be read again. What has pages that no engine has read yet is skipped, and waits
    for `recognize_pages`.
    """
    from invoice_pipelines.intake.stages.parsing import (
        parse_handler,  # readers are heavy; loading Dagster must not wait
    )

    handler = parse_handler(intake.originals, intake.limits, intake.ocr, intake.recipient)
    return _drain(intake, PARSE, handler, on_progress, only)


def recognize_pages(intake: Intake, on_progress: OnProgress | None = None, *, only: Only = None) -> RecognitionReport:
    """Recognizes the pages that are pictures; their documents can be parsed then.

    While the OCR engine cannot work, the documents wait. Where the organization has none any more, they are parsed
    without.
    """
    if intake.ocr is None:
        unread = _drain(intake, RECOGNIZE, _parse_without, on_progress, only)
        return unread.of_kind(RecognitionReport, recognition=None)
    from invoice_pipelines.intake.stages.recognizing import RecognizingStage  # heavy as well

    with RecognizingStage(
        engine=intake.engine,
        organization_id=intake.organization.id,
        originals=intake.originals,
        limits=intake.limits,
        spec=intake.ocr,
        processes=intake.ocr_processes,
        max_attempts=intake.max_attempts,
        actor=intake.actor,
    ) as stage:
        recognized = _drain(
            intake,
            RECOGNIZE,
            stage.handle,
            on_progress,
            only,
            chunk_size=RECOGNIZE_CHUNK,
            max_attempts=UNTIL_THE_ENGINE_WORKS,
            should_stop=stage.is_stopped,
        )
    return recognized.of_kind(RecognitionReport, recognition=stage.done if recognized.chunks else None)


def _parse_without(connection: Connection, chunk: Chunk) -> list[Outcome]:
    enqueue(connection, PARSE, [item.subject_id for item in chunk.items])
    return [Skipped("there is no OCR engine any more; the document is parsed without") for _ in chunk.items]


def validate_invoices(intake: Intake, on_progress: OnProgress | None = None, *, only: Only = None) -> Report:
    """Judges what was parsed."""
    from invoice_pipelines.intake.stages.validating import validate_handler  # as above: Saxon and schemas

    handler = validate_handler(standard_of(intake))
    return _drain(intake, VALIDATE, handler, on_progress, only)


def standard_of(intake: Intake) -> Standard:
    """What the organization's invoices are judged by."""
    from invoice_pipelines.intake.stages.judging import Standard

    settings = intake.organization.settings
    return Standard(
        intake.today,
        settings.oldest_invoice_years,
        intake.rules_directory,
        settings.review_thresholds,
        intake.organization.country_code,
        settings.ask_for_sellers,
    )


def export_invoices(intake: Intake, on_progress: OnProgress | None = None, *, only: Only = None) -> ExportReport:
    """Writes what was validated to files, after what an earlier run may have left pending."""
    from invoice_pipelines.intake.exports.exporting import export_formats, export_handler  # as above: charts and rules

    organization = intake.organization
    places = (organization.id, organization.slug, intake.exports, intake.originals)
    with organization_scope(intake.engine, organization.id) as connection:
        formats = export_formats(connection, organization)
    exports = complete_exports(intake.engine, *places)
    handler = export_handler(formats, intake.actor)
    drained = _drain(intake, EXPORT, handler, on_progress, only, chunk_size=EXPORT_CHUNK)
    exports += complete_exports(intake.engine, *places)
    with organization_scope(intake.engine, organization.id) as connection:
        settle_asked_work(connection)
    return drained.of_kind(ExportReport, exports=tuple(exports))


def settle_asked_work(connection: Connection) -> None:
    """Ends the items of batch jobs that people asked for, where their invoices have come to an end."""
    connection.execute(text("select intake.settle_asked_work()"))


def _drain(
    intake: Intake,
    kind: str,
    handler: Callable[[Connection, Chunk], list[Outcome]],
    on_progress: OnProgress | None,
    only: Only,
    *,
    chunk_size: int | None = None,
    max_attempts: int | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Report:
    attempts = max_attempts or intake.max_attempts
    stacks: dict[UUID, str] = {}
    report = drain(
        intake.engine,
        intake.organization.id,
        kind,
        _logged(intake, kind, handler, attempts, stacks),
        chunk_size=chunk_size or intake.chunk_size,
        lease=intake.lease,
        time_box=intake.time_box,
        max_attempts=attempts,
        subjects=None if only is None else [str(invoice_id) for invoice_id in only],
        on_progress=on_progress,
        should_stop=should_stop,
    )
    with organization_scope(intake.engine, intake.organization.id) as connection:
        fail_given_up(connection, stacks)
        settle_asked_work(connection)
    return report


def _logged(
    intake: Intake,
    kind: str,
    handler: Callable[[Connection, Chunk], list[Outcome]],
    max_attempts: int,
    stacks: dict[UUID, str],
) -> Callable[[Connection, Chunk], list[Outcome]]:
    """The handler, with each attempt that is to be tried again in the log of errors. The last one fails the invoice,
    which is in the log by that; its stack is put into `stacks`."""
    stage = STAGE_OF_KIND.get(kind, "parse")

    def entry(item: Item, failed: Failed, stack: str | None = None) -> tuple[UUID, ProcessingError]:
        error = ProcessingError(stage, failed.code, failed.message, attempts=item.attempts, stack=stack)
        return UUID(item.subject_id), error

    def handle(connection: Connection, chunk: Chunk) -> list[Outcome]:
        try:
            outcomes = handler(connection, chunk)
        except LeaseLost:
            raise
        except Exception as error:
            item = chunk.items[0]
            if len(chunk.items) == 1:
                stack = stacks[UUID(item.subject_id)] = stack_of(error)
                if item.attempts < max_attempts:
                    connection.rollback()  # it may hold the invoice, which the log points at
                    with organization_scope(intake.engine, intake.organization.id) as another:
                        record_errors(another, [entry(item, reason_of(error), stack)], will_be_retried=True)
            raise
        retried = [
            entry(item, outcome)
            for item, outcome in zip(chunk.items, outcomes, strict=True)
            if isinstance(outcome, Failed) and outcome.retry and item.attempts < max_attempts
        ]
        record_errors(connection, retried, will_be_retried=True)
        return outcomes

    return handle
