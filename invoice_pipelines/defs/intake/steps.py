"""Holds the stages of the intake as Dagster reports them: run one, and say what it did in metadata and checks.

An asset runs one for its partition; the sweep runs all of them for many organizations.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import dagster as dg
from sqlalchemy import Connection

from invoice_pipelines.database import organization_scope
from invoice_pipelines.defs.intake import checks
from invoice_pipelines.defs.intake.datev_metadata import datev_metadata
from invoice_pipelines.defs.intake.metadata import (
    arrivals_metadata,
    drain_metadata,
    export_metadata,
    failures_table,
    money_table,
    reasons_table,
    recognition_metadata,
    status_chart,
    violations_table,
)
from invoice_pipelines.defs.intake.review import review_metadata
from invoice_pipelines.defs.progress import progress_lines
from invoice_pipelines.defs.resources import InvoiceDatabase
from invoice_pipelines.defs.sweep import StepResult
from invoice_pipelines.intake.operations import newest_verdict, violations_by_class
from invoice_pipelines.intake.overview import exported_money, failure_reasons, file_names, validated_money
from invoice_pipelines.intake.received_invoices import statistics
from invoice_pipelines.intake.stages import stages
from invoice_pipelines.intake.stages.stages import Intake
from invoice_pipelines.work import Report


def uploads(intake: Intake, log: logging.Logger) -> StepResult:
    """Takes what lies in the inbox."""
    report = stages.take_uploads(intake, progress_lines(log, "files", is_due_counted=False))
    with organization_scope(intake.engine, intake.organization.id) as connection:
        return StepResult(
            bool(report.taken or report.duplicates or report.refused),
            arrivals_metadata(report),
            checks.check_uploads(connection, report),
            checks.BLOCKING,
        )


def parsed_invoices(intake: Intake, log: logging.Logger) -> StepResult:
    """Reads what was uploaded."""
    report = stages.parse_uploads(intake, progress_lines(log, "documents"))
    with organization_scope(intake.engine, intake.organization.id) as connection:
        failures = _failures(connection, report)
        shown = drain_metadata(report, failures, "parsed")
        if report.recognition is not None:
            shown |= recognition_metadata(report.recognition)
        return StepResult(
            report.done > 0 or report.recognition is not None,
            shown,
            checks.check_parsed(connection, report, failures),
            checks.BLOCKING,
        )


def validated_invoices(intake: Intake, log: logging.Logger) -> StepResult:
    """Judges what was read."""
    with organization_scope(intake.engine, intake.organization.id) as connection:
        earlier = newest_verdict(connection)
    report = stages.validate_invoices(intake, progress_lines(log, "invoices"))
    with organization_scope(intake.engine, intake.organization.id) as connection:
        failures = _failures(connection, report)
        shown = drain_metadata(report, failures, "validated")
        shown["violations of this run"] = violations_table(violations_by_class(connection, earlier))
        shown["gross amounts, valid and not exported"] = money_table(validated_money(connection))
        if report.done:
            shown |= review_metadata(connection, intake, log)
        within = timedelta(hours=intake.organization.settings.review_within_hours)
        results = checks.check_validated(connection, report, failures, within)
        return StepResult(report.done > 0, shown, results, checks.BLOCKING)


def export_files(intake: Intake, log: logging.Logger) -> StepResult:
    """Exports what was validated."""
    started = time.monotonic()
    report = stages.export_invoices(intake, progress_lines(log, "invoices"))
    seconds = time.monotonic() - started
    with organization_scope(intake.engine, intake.organization.id) as connection:
        money = exported_money(connection, [export.id for export in report.exports])
        shown = export_metadata(report, seconds, str(intake.exports / intake.organization.slug), money)
        shown |= datev_metadata(connection, report.exports)
        shown["all received invoices"] = status_chart(statistics(connection).by_status)
        shown["all failures"] = reasons_table(failure_reasons(connection))
        return StepResult(bool(report.exports), shown, checks.check_exported(connection), checks.BLOCKING)


STEPS: dict[str, Callable[[Intake, logging.Logger], StepResult]] = {
    "uploads": uploads,
    "parsed_invoices": parsed_invoices,
    "validated_invoices": validated_invoices,
    "export_files": export_files,
}
"""All stages in their order, by the name of their asset."""


def steps_of(database: InvoiceDatabase, slug: str, log: logging.Logger) -> Iterator[tuple[dg.AssetKey, StepResult]]:
    """The stages of an organization one after the other, for a sweep."""
    intake = database.intake(slug)
    for name, step in STEPS.items():
        yield dg.AssetKey(["intake", name]), step(intake, log)


def _failures(connection: Connection, report: Report) -> dg.TableMetadataValue:
    names = file_names(connection, [failure.subject_id for failure in report.failures])
    return failures_table(report.failures, names)
