"""What must always be true of an organization's received invoices, and queries for what breaks it.

Some of it only a run itself sees, such as which files it refused. One bad document never breaks a promise whose
breaking is an error: it is a row with a reason, and counts in a warning.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Connection

from invoice_pipelines.intake.received_invoices import find_stuck
from invoice_pipelines.promises import SAMPLE, Finding, Promise, offending

STUCK_AFTER = timedelta(minutes=5)
STUCK_IN_QUEUE_AFTER = timedelta(hours=1)


def uploads_without_invoice(connection: Connection) -> Finding:
    """Every upload has its received invoice: nothing is lost between the two."""
    return _find(
        connection,
        """select u.id from intake.upload u
           where not exists (select from intake.received_invoice r
                             where r.organization_id = u.organization_id and r.upload_id = u.id)""",
    )


def failures_without_reason(connection: Connection) -> Finding:
    """Every failed invoice says why."""
    return _find(
        connection,
        """select r.id from intake.received_invoice r
           where r.status = 'FAILED'
             and not exists (select from intake.processing_error e
                             where e.organization_id = r.organization_id and e.received_invoice_id = r.id)""",
    )


def statuses_without_history(connection: Connection) -> Finding:
    """The audit trail of every invoice has each of its versions, and ends with the status that it has."""
    return _find(
        connection,
        """select r.id from intake.received_invoice r
           where not exists (select from intake.status_change c
                             where c.organization_id = r.organization_id and c.received_invoice_id = r.id
                               and c.processing_version = r.processing_version and c.to_status = r.status)
              or (select count(*) from intake.status_change c
                  where c.organization_id = r.organization_id and c.received_invoice_id = r.id)
                 <> r.processing_version""",
    )


def totals_that_do_not_tie(connection: Connection) -> Finding:
    """No invoice passed validation whose net and tax amounts do not add up to its gross amount (BR-CO-15)."""
    return _find(
        connection,
        """select id from intake.received_invoice
           where status in ('VALIDATED', 'EXPORTED') and net_amount + coalesce(tax_amount, 0) <> gross_amount""",
    )


def passed_without_verdict(connection: Connection) -> Finding:
    """Whatever passed has a verdict that says so; the newest one counts."""
    return _find(
        connection,
        """select r.id from intake.received_invoice r
           where r.status in ('VALIDATED', 'EXPORTED')
             and not coalesce((select v.is_valid from intake.verdict v
                               where v.organization_id = r.organization_id and v.received_invoice_id = r.id
                               order by v.id desc limit 1), false)""",
    )


def exported_without_file(connection: Connection) -> Finding:
    """Every exported invoice stands in a completed export."""
    return _find(
        connection,
        """select r.id from intake.received_invoice r
           where r.status = 'EXPORTED'
             and not exists (select from intake.export_invoice ei
                             join intake.export e on e.organization_id = ei.organization_id and e.id = ei.export_id
                             where ei.organization_id = r.organization_id and ei.received_invoice_id = r.id
                               and e.status = 'completed')""",
    )


def stuck_invoices(connection: Connection, unchanged_for: timedelta, queued_for: timedelta = timedelta(0)) -> Finding:
    """The pipeline goes on with every invoice that is not finished; `queued_for` is for those that wait their turn."""
    ids = find_stuck(connection, unchanged_for, queued_for)
    return Finding(len(ids), tuple(str(found) for found in ids[:SAMPLE]))


def _find(connection: Connection, query: str) -> Finding:
    return offending(connection, f"select id as name from ({query}) it")


REFUSED = Promise(
    "every_file_was_taken", "No file was refused; refused ones stay in the inbox, with the reason.", warns=True
)
READABLE = Promise(
    "all_documents_readable",
    "Every document of this run could be read. Those that could not are FAILED, with a reason.",
    warns=True,
    of_run=True,
)
OCR_WORKS = Promise(
    "ocr_engine_works",
    "The OCR engine could work. While it cannot, documents that need it wait; there is no fallback to another.",
)
VALID = Promise(
    "all_invoices_valid",
    "Every invoice of this run kept all fatal rules. Those that did not are FAILED, with the rule.",
    warns=True,
    of_run=True,
)
REVIEWED_IN_TIME = Promise(
    "waiting_for_review",
    "No invoice waits for a person longer than the organization's review_within_hours; "
    "`invoice-pipelines review list` shows those that wait.",
    warns=True,
)

OF_UPLOADS = (
    Promise(
        "every_upload_has_an_invoice",
        "Every file that was stored has its received invoice; nothing is lost in between.",
        uploads_without_invoice,
        blocking=True,
    ),
    REFUSED,
)
OF_PARSED = (
    READABLE,
    Promise("every_failure_has_a_reason", "Every FAILED invoice says why.", failures_without_reason),
    Promise(
        "every_status_is_in_the_audit_trail",
        "The audit trail of every invoice has each of its versions, and ends with the status that it has.",
        statuses_without_history,
    ),
)
OF_RECOGNIZED = (READABLE, OCR_WORKS)
OF_VALIDATED = (
    VALID,
    Promise(
        "totals_tie",
        "Net + tax = gross in every invoice that passed (BR-CO-15).",
        totals_that_do_not_tie,
        blocking=True,
    ),
    Promise(
        "passed_by_a_verdict",
        "Every invoice that passed has a verdict that says so.",
        passed_without_verdict,
        blocking=True,
    ),
    REVIEWED_IN_TIME,
)
OF_EXPORTS = (
    Promise(
        "exported_invoices_are_in_a_file",
        "Every EXPORTED invoice stands in a completed export.",
        exported_without_file,
    ),
    Promise(
        "nothing_is_stuck",
        "No unfinished invoice was left untouched for more than 5 minutes, or for an hour while it is in the queue; "
        "`invoice-pipelines intake stuck` says what each waits for.",
        lambda connection: stuck_invoices(connection, STUCK_AFTER, STUCK_IN_QUEUE_AFTER),
        warns=True,
    ),
)
