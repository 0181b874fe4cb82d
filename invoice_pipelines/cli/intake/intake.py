"""The commands of `intake`: what operators do about received invoices, and what they ask."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from invoice_pipelines.cli.intake import received
from invoice_pipelines.cli.intake.statuses import coloured
from invoice_pipelines.cli.language import AskedLanguage, Language, language_of
from invoice_pipelines.cli.options import AsJson, Limit, OlderThan, OrganizationOption, examples, moment_before
from invoice_pipelines.cli.output import console, exit_if, print_json, print_json_lines, print_rows, say, table
from invoice_pipelines.cli.person import opened, scope_of
from invoice_pipelines.intake.lists import find_received, find_upload_id
from invoice_pipelines.intake.operations import (
    STUCK_AFTER,
    IntakeStatistics,
    german_error,
    intake_statistics,
    logged_errors,
    stuck_invoices,
)
from invoice_pipelines.intake.received_invoices import retry_failed, retry_invoices
from invoice_pipelines.intake.stages.asked_uploads import process_uploads
from invoice_pipelines.intake.stages.stages import intake_of
from invoice_pipelines.intake.states import HEADINGS
from invoice_pipelines.storage import root_path, write_file_atomically
from invoice_pipelines.work import Progress

if TYPE_CHECKING:
    from invoice_pipelines.intake.history.reparse import ReparseReport

app = typer.Typer(
    help="Received invoices: list, show, process, retry, find stuck ones, read history again.",
    no_args_is_help=True,
    epilog=examples(
        "intake list --status FAILED --organization acme",
        "intake show 456789ab --organization acme",
        "intake retry --organization acme",
        "intake stuck --minutes 30 --organization acme",
    ),
)
app.add_typer(received.app)


@app.command()
def process(
    organization: OrganizationOption,
    uploads: Annotated[list[str], typer.Argument(help="Ids of uploads.", metavar="UPLOAD...")],
    as_json: AsJson = False,
) -> None:
    """Read, validate and export these uploads now. Each must be UPLOADED or CREATED. Exits 1 if one fails or waits."""
    with opened(organization) as office:
        with office.scope() as connection:
            ids = [find_upload_id(connection, each) for each in uploads]
        job_id, report = process_uploads(intake_of(office), ids)
    if as_json:
        print_json({"job_id": job_id} | asdict(report))
        exit_if(report.failed + report.due > 0)
        return
    done = f"{report.succeeded} validated, {report.failed} failed, {report.skipped} skipped"
    if report.due:
        done += f", {report.due} wait and are tried again"
    console.print(f"Batch job {job_id}: {done}.")
    for failure in report.failures:
        say(f"  {failure.subject_id} {failure.code}: {failure.message}")
    exit_if(report.failed + report.due > 0)


@app.command()
def retry(
    organization: OrganizationOption,
    invoices: Annotated[
        list[str] | None, typer.Argument(help="Ids of received invoices; without any, all.", metavar="INVOICE...")
    ] = None,
    older_than: OlderThan = None,
) -> None:
    """Put failed invoices back, to be read again by the next run: the named ones, all, or all that failed before."""
    if invoices and older_than is not None:
        raise typer.BadParameter("give INVOICE or --older-than")
    with opened(organization) as office, office.scope() as connection:
        zone = office.organization.time_zone
        before = None if older_than is None else moment_before("--older-than", older_than, zone)
        if invoices:
            done = retry_invoices(connection, [find_received(connection, each) for each in invoices])
        else:
            done = retry_failed(connection, failed_before=before)
    console.print(f"{len(done)} put back; the next run reads them again.")


@app.command()
def stuck(
    organization: OrganizationOption,
    minutes: Annotated[float, typer.Option(help="Unchanged for longer than this.", min=0)] = (
        STUCK_AFTER.total_seconds() / 60
    ),
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """Show invoices that make no progress, and what each waits for. Exits 1 if there are any."""
    with scope_of(organization) as connection:
        count, found = stuck_invoices(connection, timedelta(minutes=minutes), limit)
    if as_json:
        print_json_lines(found)
        exit_if(count > 0)
        return
    now = datetime.now(UTC)
    rows = [
        {"invoice": invoice, "minutes": int((now - invoice.unchanged_since).total_seconds() / 60)} for invoice in found
    ]
    columns = "~invoice=invoice.id !status=invoice.status #minutes file=invoice.file_name waits_for=invoice.waits_for"
    print_rows(rows, columns, none="Nothing is stuck.")
    if count > len(found):
        console.print(f"{count:,} in all")
    exit_if(count > 0)


@app.command()
def stats(organization: OrganizationOption, language: AskedLanguage = None, as_json: AsJson = False) -> None:
    """Show how the intake goes: statuses, rates, why invoices failed, violations by class, OCR."""
    with opened(organization) as office, office.scope() as connection:
        found = intake_statistics(connection)
    if as_json:
        print_json(found)
    else:
        _show_statistics(found, language_of(language, office.organization.settings.language))


@app.command()
def errors(
    organization: OrganizationOption,
    invoices: Annotated[
        list[str] | None, typer.Argument(help="Only of these received invoices.", metavar="INVOICE...")
    ] = None,
    limit: Limit = 50,
    language: AskedLanguage = None,
    as_json: AsJson = False,
) -> None:
    """Show failed attempts, the newest first: stage, number of the attempt, reason, and the run or process."""
    with scope_of(organization) as connection:
        ids = [find_received(connection, each) for each in invoices] if invoices else None
        found = logged_errors(connection, invoice_ids=ids, limit=limit)
    if as_json:
        print_json_lines(found)
        return
    german = language_of(language) == "de"
    rows = [
        {
            "error": error,
            "class": (error.violation_class or "").replace("_", " "),
            "message": german_error(error) if german else error.message,
            "then": "tried again" if error.will_be_retried else "failed",
        }
        for error in found
    ]
    columns = (
        "~invoice=error.invoice_id !code=error.code !stage=error.stage #attempt=error.attempt !then class "
        "when=error.created_at file=error.file_name message trace=error.trace_id"
    )
    print_rows(rows, columns, none="Nothing has failed.")


@app.command()
def reparse(
    organization: OrganizationOption,
    write: Annotated[bool, typer.Option("--write", help="Write what differs, instead of only showing it.")] = False,
    include_exported: Annotated[
        bool, typer.Option("--include-exported", help="Exported invoices too: they are exported again, as corrections.")
    ] = False,
    ocr: Annotated[
        bool, typer.Option("--ocr", help="Recognize pages that the present OCR engine has not read yet.")
    ] = False,
    restart: Annotated[
        bool, typer.Option("--restart", help="Start over instead of continuing an unfinished pass.")
    ] = False,
    csv: Annotated[Path | None, typer.Option(help="Write all changes to this file.", metavar="FILE")] = None,
    minutes: Annotated[float, typer.Option(help="Time box.", min=0)] = 60,
    limit: Limit = 20,
) -> None:
    """Read all received invoices again under the present rules and show what would change. Exits 1 if it did not get
    to the end; the same command goes on from there."""
    from invoice_pipelines.intake.history.changes import change_files, sample_changes
    from invoice_pipelines.intake.history.reparse import reparse_invoices

    with opened(organization) as office:
        report = reparse_invoices(
            intake_of(office),
            write=write,
            include_exported=include_exported,
            recognize=ocr,
            restart=restart,
            time_box=timedelta(minutes=minutes),
            on_progress=_show_progress,
        )
        with office.scope() as connection:
            sample = sample_changes(connection, report.id, limit)
            files = [] if csv is None else _write(csv, change_files(connection, report.id))
    _show_reparse(report)
    print_rows(
        sample,
        "file=file_name number=invoice_number was=status_before field old=old_value new=new_value "
        "effect=effect_in_words",
    )
    if files:
        say(f"All changes are in {', '.join(files)}.")
    exit_if(not report.finished)


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
        f"{progress.done:,} of about {progress.done + progress.due:,} read, {changed:,} differently than before"
    )


def _show_reparse(report: ReparseReport) -> None:
    what = "Written" if report.writes else "Nothing is written (--write does)"
    end = "" if report.finished else " The time is up; run the same command to continue."
    console.print(f"{report.read:,} invoices read again. {what}.{end}")
    for title, counts in (("\nOutcome", report.by_effect), ("\nFields", report.by_field)):
        print_rows([{"what": name, "invoices": count} for name, count in counts.items()], "what #invoices", title=title)


def _show_statistics(found: IntakeStatistics, language: Language) -> None:
    words = HEADINGS[language]
    statuses = table(words.title, words.status, f"#{words.invoices}")
    for status, count in found.invoices.by_status.items():
        statuses.add_row(coloured(status, language), count)
    statuses.add_row(words.all, found.invoices.total)
    console.print(statuses)
    for which, exported, failed in (
        ("all", found.invoices.success_share, found.invoices.failure_share),
        ("those that are finished", found.invoices.success_rate, found.invoices.failure_rate),
    ):
        if exported is not None and failed is not None:
            console.print(f"Of {which}, {exported:.1%} were exported and {failed:.1%} failed.")
    print_rows(found.failures, "code #invoices for_example=message", title="\nWhy invoices failed")
    violations = [{"class": f"{row.violation_class.replace('_', ' ')} error", "row": row} for row in found.violations]
    print_rows(violations, "class severity=row.severity #invoices=row.invoices", title="\nViolations")
    columns = "stage #invoices #mean=mean_seconds #median=median_seconds"
    print_rows(found.stage_times, columns, title="\nSeconds per stage, with the time it waited, of the last 30 days")
    attempts = [{"stage": stage, "attempts": count} for stage, count in found.failed_attempts.items()]
    print_rows(attempts, "stage #attempts", title="\nFailed attempts")
    print_rows(found.ocr, "engine #pages #seconds #USD=cost_usd", title="\nText recognition")
