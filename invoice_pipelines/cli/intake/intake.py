"""The commands of `intake`: what operators do about received invoices, and what they ask."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from invoice_pipelines.cli.language import AskedLanguage, language_of
from invoice_pipelines.cli.output import console, literal, one_line, table
from invoice_pipelines.cli.person import person
from invoice_pipelines.database import organization_scope
from invoice_pipelines.database.access import open_database
from invoice_pipelines.intake.operations import (
    STUCK_AFTER,
    IntakeStatistics,
    german_error,
    intake_statistics,
    logged_errors,
    stuck_invoices,
)
from invoice_pipelines.intake.received_invoices import IntakeError, retry_failed
from invoice_pipelines.intake.stages.stages import Intake, make_intake, process_uploads
from invoice_pipelines.intake.states import label
from invoice_pipelines.organizations import find_organization
from invoice_pipelines.settings import load_settings
from invoice_pipelines.storage import root_path, write_file_atomically
from invoice_pipelines.work import Progress

if TYPE_CHECKING:
    from invoice_pipelines.intake.history.reparse import ReparseReport

PROBLEMS = 1

app = typer.Typer(help="Received invoices: process, retry, find stuck ones, read history again.", no_args_is_help=True)

Slug = Annotated[str, typer.Option("--organization", help="Slug of the organization.")]
Limit = Annotated[int, typer.Option(help="How many to show.", min=1, max=10_000)]


@contextmanager
def _opened(slug: str) -> Iterator[Intake]:
    settings = load_settings()
    with open_database(settings, application_name="command line") as engine:
        yield make_intake(engine, find_organization(engine, slug), settings, person())


def _ids(values: list[str]) -> list[UUID]:
    try:
        return [UUID(value) for value in values]
    except ValueError:
        raise typer.BadParameter("an id looks like 019a2f6e-7c1d-7000-8000-0123456789ab") from None


@app.command()
def process(
    organization: Slug, uploads: Annotated[list[str], typer.Argument(help="Ids of uploads.", metavar="UPLOAD...")]
) -> None:
    """Read, validate and export these uploads now. Each must be UPLOADED or CREATED. Exits 1 if one fails."""
    with _opened(organization) as intake:
        job_id, report = process_uploads(intake, _ids(uploads))
    done = f"{report.succeeded} validated, {report.failed} failed, {report.skipped} skipped"
    console.print(f"Batch job {job_id}: {done}.")
    for failure in report.failures:
        console.print(literal(f"  {failure.subject_id} {failure.code}: {failure.message}"), soft_wrap=True)
    if report.failed:
        raise typer.Exit(PROBLEMS)


@app.command()
def retry(
    organization: Slug,
    invoices: Annotated[
        list[str] | None, typer.Argument(help="Ids of received invoices; without any, all.", metavar="INVOICE...")
    ] = None,
) -> None:
    """Put failed invoices back, to be read again by the next run."""
    ids = _ids(invoices) if invoices else None
    with _opened(organization) as intake, organization_scope(intake.engine, intake.organization.id) as connection:
        done = retry_failed(connection, ids)
        others = sorted(set(ids or ()) - set(done))
        if others:
            raise IntakeError(
                f"only failed invoices of this organization can be retried, and {', '.join(map(str, others))} did not "
                "fail; nothing was put back"
            )
    console.print(f"{len(done)} put back; the next run reads them again.")


@app.command()
def stuck(
    organization: Slug,
    minutes: Annotated[float, typer.Option(help="Unchanged for longer than this.", min=0)] = STUCK_AFTER.total_seconds()
    / 60,
    limit: Limit = 50,
) -> None:
    """Show invoices that nothing went on with, and what each waits for. Exits 1 if there are any."""
    with _opened(organization) as intake, organization_scope(intake.engine, intake.organization.id) as connection:
        count, found = stuck_invoices(connection, timedelta(minutes=minutes), limit)
    if not count:
        console.print("Nothing is stuck.")
        return
    shown = table(None, "invoice", "file", "status", "#minutes", "waits for")
    now = datetime.now(UTC)
    for invoice in found:
        age = (now - invoice.unchanged_since).total_seconds() / 60
        shown.add_row(str(invoice.id), one_line(invoice.file_name), invoice.status, f"{age:,.0f}", invoice.waits_for)
    console.print(shown)
    if count > len(found):
        console.print(f"{count:,} in all")
    raise typer.Exit(PROBLEMS)


@app.command()
def stats(organization: Slug) -> None:
    """Show how the intake goes: statuses, rates, why invoices failed, violations by class, OCR."""
    with _opened(organization) as intake, organization_scope(intake.engine, intake.organization.id) as connection:
        _show_statistics(intake_statistics(connection))


@app.command()
def errors(
    organization: Slug,
    invoices: Annotated[
        list[str] | None, typer.Argument(help="Only of these received invoices.", metavar="INVOICE...")
    ] = None,
    limit: Limit = 50,
    language: AskedLanguage = None,
) -> None:
    """Show failed attempts, the newest first: stage, number of the attempt, reason, and the run or process."""
    ids = _ids(invoices) if invoices else None
    with _opened(organization) as intake, organization_scope(intake.engine, intake.organization.id) as connection:
        found = logged_errors(connection, invoice_ids=ids, limit=limit)
    german = language_of(language) == "de"
    heads = ("when (UTC)", "invoice", "file", "stage", "#attempt", "code", "class", "message", "then", "trace")
    shown = table(None, *heads)
    for error in found:
        shown.add_row(
            f"{error.created_at:%Y-%m-%d %H:%M:%S}",
            str(error.invoice_id),
            one_line(error.file_name),
            error.stage,
            str(error.attempt),
            error.code,
            (error.violation_class or "").replace("_", " "),
            german_error(error) if german else error.message,
            "tried again" if error.will_be_retried else "failed",
            error.trace_id or "",
        )
    console.print(shown if found else "Nothing has failed.")


@app.command()
def reparse(
    organization: Slug,
    write: Annotated[bool, typer.Option("--write", help="Write what is read otherwise, not only show it.")] = False,
    include_exported: Annotated[
        bool, typer.Option("--include-exported", help="Exported invoices too: they are exported again, as corrections.")
    ] = False,
    ocr: Annotated[
        bool, typer.Option("--ocr", help="Recognize pages that the present OCR engine has not read yet.")
    ] = False,
    restart: Annotated[bool, typer.Option("--restart", help="Begin anew instead of going on where one ended.")] = False,
    csv: Annotated[Path | None, typer.Option(help="Write all changes to this file.", metavar="FILE")] = None,
    minutes: Annotated[float, typer.Option(help="Time box.", min=0)] = 60,
    limit: Limit = 20,
) -> None:
    """Read all received invoices again under the present rules and show what would change. Exits 1 if it did not get
    to the end; the same command goes on from there."""
    from invoice_pipelines.intake.history.changes import change_files, sample_changes
    from invoice_pipelines.intake.history.reparse import reparse_invoices

    with _opened(organization) as intake:
        report = reparse_invoices(
            intake,
            write=write,
            include_exported=include_exported,
            recognize=ocr,
            restart=restart,
            time_box=timedelta(minutes=minutes),
            on_progress=_show_progress,
        )
        with organization_scope(intake.engine, intake.organization.id) as connection:
            sample = sample_changes(connection, report.id, limit)
            files = [] if csv is None else _write(csv, change_files(connection, report.id))
    _show_reparse(report)
    shown = table(None, "file", "number", "was", "field", "old", "new", "effect")
    for change in sample:
        shown.add_row(
            one_line(change.file_name),
            change.invoice_number or "",
            change.status_before,
            change.field,
            change.old_value or "",
            change.new_value or "",
            change.effect_in_words,
        )
    if sample:
        console.print(shown)
    if files:
        console.print(f"All changes are in {', '.join(files)}.", markup=False, soft_wrap=True)
    if not report.finished:
        raise typer.Exit(PROBLEMS)


def _write(file: Path, parts: Iterator[bytes]) -> list[str]:
    """Writes the first part under the name, further ones with a number behind it."""
    written = []
    for number, data in enumerate(parts, start=1):
        path = file if number == 1 else file.with_stem(f"{file.stem}_{number}")
        write_file_atomically(root_path(str(path.absolute().parent)) / path.name, data)
        written.append(str(path))
    return written


def _show_progress(progress: Progress) -> None:
    changed = progress.figures.get("changed", 0)
    console.print(
        f"{progress.done:,} of about {progress.done + progress.due:,} read, {changed:,} otherwise than before"
    )


def _show_reparse(report: ReparseReport) -> None:
    what = "Written" if report.writes else "Nothing is written (--write does)"
    end = "" if report.finished else " The time is up; the same command goes on."
    console.print(f"{report.read:,} invoices read again. {what}.{end}")
    for title, counts in (("\nOutcome", report.by_effect), ("\nFields", report.by_field)):
        shown = table(title, "what", "#invoices")
        for name, count in counts.items():
            shown.add_row(name, f"{count:,}")
        if counts:
            console.print(shown)


def _show_statistics(found: IntakeStatistics) -> None:
    statuses = table("Received invoices", "status", "#invoices")
    for status, count in found.invoices.by_status.items():
        statuses.add_row(label(status), f"{count:,}")
    statuses.add_row("all", f"{found.invoices.total:,}")
    console.print(statuses)
    if found.invoices.success_rate is not None:
        console.print(f"Of those that are finished {found.invoices.success_rate:.1%} were exported.")
    reasons = table("\nWhy invoices failed", "code", "#invoices", "for example")
    for reason in found.failures:
        reasons.add_row(reason.code, f"{reason.invoices:,}", reason.message)
    violations = table("\nViolations", "class", "severity", "#invoices")
    for row in found.violations:
        violations.add_row(f"{row.violation_class.replace('_', ' ')} error", row.severity, f"{row.invoices:,}")
    attempts = table("\nFailed attempts", "stage", "#attempts")
    for stage, count in found.failed_attempts.items():
        attempts.add_row(stage, f"{count:,}")
    ocr = table("\nText recognition", "engine", "#pages", "#seconds", "#USD")
    for use in found.ocr:
        ocr.add_row(use.engine, f"{use.pages:,}", f"{use.seconds:,.1f}", f"{use.cost_usd}")
    for shown in (reasons, violations, attempts, ocr):
        if shown.row_count:
            console.print(shown)
