"""Holds the checks of the intake: what each asset promises, and what a broken promise shows.

They are evaluated by the assets themselves, on the organization at hand. One bad document never fails a check of
severity ERROR: it is a row with a reason, and counts in a warning.
"""

from __future__ import annotations

from datetime import timedelta

import dagster as dg
from sqlalchemy import Connection

from invoice_pipelines.intake import promises
from invoice_pipelines.intake.promises import Finding
from invoice_pipelines.work import DrainReport

STUCK_AFTER = timedelta(hours=1)

uploads_checks = [
    dg.AssetCheckSpec(
        "every_upload_has_an_invoice",
        asset=["intake", "uploads"],
        description="Every file that was stored has its received invoice; nothing is lost in between.",
        blocking=True,
    ),
    dg.AssetCheckSpec(
        "every_file_was_taken",
        asset=["intake", "uploads"],
        description="No file was refused; refused ones stay in the inbox, with the reason.",
    ),
]
parsed_checks = [
    dg.AssetCheckSpec(
        "all_documents_readable",
        asset=["intake", "parsed_invoices"],
        description="Every document of this run could be read. Those that could not are FAILED, with a reason.",
    ),
    dg.AssetCheckSpec(
        "every_failure_has_a_reason",
        asset=["intake", "parsed_invoices"],
        description="Every FAILED invoice says why.",
    ),
]
validated_checks = [
    dg.AssetCheckSpec(
        "all_invoices_valid",
        asset=["intake", "validated_invoices"],
        description="Every invoice of this run kept all fatal rules. Those that did not are FAILED, with the rule.",
    ),
    dg.AssetCheckSpec(
        "totals_tie",
        asset=["intake", "validated_invoices"],
        description="Net + tax = gross in every invoice that passed (BR-CO-15).",
        blocking=True,
    ),
    dg.AssetCheckSpec(
        "passed_by_a_verdict",
        asset=["intake", "validated_invoices"],
        description="Whatever passed has a verdict that says so.",
        blocking=True,
    ),
]
export_checks = [
    dg.AssetCheckSpec(
        "exported_invoices_are_in_a_file",
        asset=["intake", "export_files"],
        description="Every EXPORTED invoice stands in a completed export.",
    ),
    dg.AssetCheckSpec(
        "nothing_is_stuck",
        asset=["intake", "export_files"],
        description="No unfinished invoice was left untouched for more than an hour.",
    ),
]


def check_uploads(connection: Connection, refused: int) -> list[dg.AssetCheckResult]:
    """Results of `uploads_checks`."""
    return [
        _promise("every_upload_has_an_invoice", promises.uploads_without_invoice(connection)),
        _warning("every_file_was_taken", refused, "refused files"),
    ]


def check_parsed(connection: Connection, report: DrainReport) -> list[dg.AssetCheckResult]:
    """Results of `parsed_checks`."""
    return [
        _warning("all_documents_readable", report.failed, "unreadable documents"),
        _promise("every_failure_has_a_reason", promises.failures_without_reason(connection)),
    ]


def check_validated(connection: Connection, report: DrainReport) -> list[dg.AssetCheckResult]:
    """Results of `validated_checks`."""
    return [
        _warning("all_invoices_valid", report.failed, "invalid invoices"),
        _promise("totals_tie", promises.totals_that_do_not_tie(connection)),
        _promise("passed_by_a_verdict", promises.passed_without_verdict(connection)),
    ]


def check_exported(connection: Connection) -> list[dg.AssetCheckResult]:
    """Results of `export_checks`."""
    return [
        _promise("exported_invoices_are_in_a_file", promises.exported_without_file(connection)),
        _promise("nothing_is_stuck", promises.stuck_invoices(connection, STUCK_AFTER), dg.AssetCheckSeverity.WARN),
    ]


def _promise(
    name: str, finding: Finding, severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR
) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=name,
        passed=finding.kept,
        severity=severity,
        metadata={"offending": finding.count, "sample of ids": dg.MetadataValue.json(list(finding.sample))},
    )


def _warning(name: str, count: int, what: str) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=name, passed=count == 0, severity=dg.AssetCheckSeverity.WARN, metadata={what: count}
    )
