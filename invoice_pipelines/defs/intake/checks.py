"""Holds the checks of the intake: what each asset promises, and what a broken promise shows.

They are evaluated by the assets themselves, on the organization at hand. One bad document never fails a check of
severity ERROR: it is a row with a reason, and counts in a warning.
"""

from __future__ import annotations

from datetime import timedelta

import dagster as dg
from sqlalchemy import Connection

from invoice_pipelines.defs.intake import review
from invoice_pipelines.defs.intake.metadata import names_table, refused_table
from invoice_pipelines.defs.metadata import without_empty_tables
from invoice_pipelines.defs.organizations import organizations
from invoice_pipelines.intake import promises
from invoice_pipelines.intake.overview import file_names
from invoice_pipelines.intake.promises import Finding
from invoice_pipelines.intake.stages.arrivals import IntakeReport
from invoice_pipelines.intake.stages.stages import ParseReport
from invoice_pipelines.work import Report

STUCK_AFTER = timedelta(minutes=5)
STUCK_IN_QUEUE_AFTER = timedelta(hours=1)


def _spec(asset: str, name: str, description: str, *, blocking: bool = False) -> dg.AssetCheckSpec:
    """A check of an asset, by organization like the asset itself: without that, Dagster's UI compares the newest
    evaluation of one organization with the newest materialization of another, and shows neither.
    """
    return dg.AssetCheckSpec(
        name, asset=["intake", asset], description=description, blocking=blocking, partitions_def=organizations
    )


uploads_checks = [
    _spec(
        "uploads",
        "every_upload_has_an_invoice",
        "Every file that was stored has its received invoice; nothing is lost in between.",
        blocking=True,
    ),
    _spec("uploads", "every_file_was_taken", "No file was refused; refused ones stay in the inbox, with the reason."),
]
parsed_checks = [
    _spec(
        "parsed_invoices",
        "all_documents_readable",
        "Every document of this run could be read. Those that could not are FAILED, with a reason.",
    ),
    _spec("parsed_invoices", "every_failure_has_a_reason", "Every FAILED invoice says why."),
    _spec(
        "parsed_invoices",
        "every_status_is_in_the_audit_trail",
        "The audit trail of every invoice has each of its versions, and ends with the status that it has.",
    ),
    _spec(
        "parsed_invoices",
        "ocr_engine_works",
        "The OCR engine could work. While it cannot, documents that need it wait; there is no fallback to another.",
    ),
]
validated_checks = [
    _spec(
        "validated_invoices",
        "all_invoices_valid",
        "Every invoice of this run kept all fatal rules. Those that did not are FAILED, with the rule.",
    ),
    _spec(
        "validated_invoices",
        "totals_tie",
        "Net + tax = gross in every invoice that passed (BR-CO-15).",
        blocking=True,
    ),
    _spec("validated_invoices", "passed_by_a_verdict", "Whatever passed has a verdict that says so.", blocking=True),
    _spec("validated_invoices", review.WAITING_FOR_REVIEW, review.DESCRIPTION),
]
export_checks = [
    _spec("export_files", "exported_invoices_are_in_a_file", "Every EXPORTED invoice stands in a completed export."),
    _spec(
        "export_files",
        "nothing_is_stuck",
        "No unfinished invoice was left untouched for more than 5 minutes, or for an hour while it is in the queue; "
        "`invoice-pipelines intake stuck` says what each waits for.",
    ),
]


BLOCKING = frozenset(
    spec.name
    for specs in (uploads_checks, parsed_checks, validated_checks, export_checks)
    for spec in specs
    if spec.blocking
)
"""Names of the checks that stop what comes after their asset."""


def check_uploads(connection: Connection, report: IntakeReport) -> list[dg.AssetCheckResult]:
    """Results of `uploads_checks`."""
    refused = refused_table(report.refused)
    return [
        _promise(connection, "every_upload_has_an_invoice", promises.uploads_without_invoice(connection)),
        _warning("every_file_was_taken", "refused files", len(report.refused), refused),
    ]


def check_parsed(
    connection: Connection, report: ParseReport, failures: dg.TableMetadataValue
) -> list[dg.AssetCheckResult]:
    """Results of `parsed_checks`."""
    unavailable = report.recognition.unavailable if report.recognition else None
    return [
        _warning("all_documents_readable", "unreadable documents", report.failed, failures),
        _promise(connection, "every_failure_has_a_reason", promises.failures_without_reason(connection)),
        _promise(connection, "every_status_is_in_the_audit_trail", promises.statuses_without_history(connection)),
        dg.AssetCheckResult(
            check_name="ocr_engine_works",
            passed=unavailable is None,
            severity=dg.AssetCheckSeverity.ERROR,
            metadata={"what is wrong": unavailable} if unavailable else {},
        ),
    ]


def check_validated(
    connection: Connection, report: Report, failures: dg.TableMetadataValue, review_within: timedelta
) -> list[dg.AssetCheckResult]:
    """Results of `validated_checks`."""
    return [
        _warning("all_invoices_valid", "invalid invoices", report.failed, failures),
        _promise(connection, "totals_tie", promises.totals_that_do_not_tie(connection)),
        _promise(connection, "passed_by_a_verdict", promises.passed_without_verdict(connection)),
        review.check_review(connection, review_within),
    ]


def check_exported(connection: Connection) -> list[dg.AssetCheckResult]:
    """Results of `export_checks`."""
    stuck = promises.stuck_invoices(connection, STUCK_AFTER, STUCK_IN_QUEUE_AFTER)
    return [
        _promise(connection, "exported_invoices_are_in_a_file", promises.exported_without_file(connection)),
        _promise(connection, "nothing_is_stuck", stuck, dg.AssetCheckSeverity.WARN),
    ]


def _promise(
    connection: Connection,
    name: str,
    finding: Finding,
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR,
) -> dg.AssetCheckResult:
    names = file_names(connection, finding.sample)
    return dg.AssetCheckResult(
        check_name=name,
        passed=finding.kept,
        severity=severity,
        metadata=without_empty_tables({"offending": finding.count, "sample": names_table(finding.sample, names)}),
    )


def _warning(name: str, what: str, count: int, details: dg.TableMetadataValue) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=name,
        passed=count == 0,
        severity=dg.AssetCheckSeverity.WARN,
        metadata=without_empty_tables({what: count, "details": details}),
    )
