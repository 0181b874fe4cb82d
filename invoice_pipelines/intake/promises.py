"""What must always be true of an organization's received invoices, and queries for what breaks it.

Some of it only a run itself sees, such as which files it refused. One bad document never breaks a promise whose
breaking is an error: it is a row with a reason, and counts in a warning.

What is about all invoices takes a moment since when to look, None for all of them. Rows that belong to an invoice are
looked up one by one: what this takes depends on what changed, whatever statistics say.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection

from invoice_pipelines.database.ids import first_id
from invoice_pipelines.intake.received_invoices import find_stuck
from invoice_pipelines.promises import SAMPLE, Finding, Promise, offending

STUCK_AFTER = timedelta(minutes=5)
STUCK_IN_QUEUE_AFTER = timedelta(hours=1)


def uploads_without_invoice(connection: Connection, since: datetime | None = None) -> Finding:
    """Every upload has its received invoice: nothing is lost between the two."""
    return _find(
        connection,
        f"""select u.id from intake.upload u
            where {"true" if since is None else "u.id >= :first_id"}
              and (select r.id from intake.received_invoice r
                   where r.upload_id = u.id and r.organization_id = u.organization_id) is null""",
        **({} if since is None else {"first_id": first_id(since)}),
    )


def failures_without_reason(connection: Connection, since: datetime | None = None) -> Finding:
    """Every failed invoice says why."""
    return _of_invoices(
        connection,
        since,
        """r.status = 'FAILED'
           and (select e.id from intake.processing_error e
                where e.organization_id = r.organization_id and e.received_invoice_id = r.id and not e.will_be_retried
                limit 1) is null""",
    )


def statuses_without_history(connection: Connection, since: datetime | None = None) -> Finding:
    """The audit trail of every invoice has each of its versions, and ends with the status that it has."""
    return _of_invoices(
        connection,
        since,
        """not (select count(*) = r.processing_version and coalesce(
                           bool_or(c.processing_version = r.processing_version and c.to_status = r.status), false)
                from intake.status_change c
                where c.organization_id = r.organization_id and c.received_invoice_id = r.id)""",
    )


def totals_that_do_not_tie(connection: Connection, since: datetime | None = None) -> Finding:
    """No invoice passed validation whose net and tax amounts do not add up to its gross amount (BR-CO-15)."""
    return _of_invoices(
        connection,
        since,
        """r.status in ('VALIDATED', 'EXPORTED') and r.net_amount + coalesce(r.tax_amount, 0) <> r.gross_amount""",
    )


def passed_without_verdict(connection: Connection, since: datetime | None = None) -> Finding:
    """Whatever passed has a verdict that says so; the newest one counts."""
    return _of_invoices(
        connection,
        since,
        """r.status in ('VALIDATED', 'EXPORTED')
           and not coalesce((select v.is_valid from intake.verdict v
                             where v.organization_id = r.organization_id and v.received_invoice_id = r.id
                             order by v.id desc limit 1), false)""",
    )


def exported_without_file(connection: Connection, since: datetime | None = None) -> Finding:
    """Every exported invoice stands in a completed export."""
    return _of_invoices(
        connection,
        since,
        """r.status = 'EXPORTED'
           and (select ei.export_id from intake.export_invoice ei
                where ei.organization_id = r.organization_id and ei.received_invoice_id between r.id and r.id
                  and ei.export_id <> all (array(select e.id from intake.export e where e.status = 'pending'))
                order by ei.received_invoice_id limit 1) is null""",
    )


def stuck_invoices(connection: Connection, unchanged_for: timedelta, queued_for: timedelta = timedelta(0)) -> Finding:
    """The pipeline goes on with every invoice that is not finished; `queued_for` is for those that wait their turn."""
    ids = find_stuck(connection, unchanged_for, queued_for)
    return Finding(len(ids), tuple(str(found) for found in ids[:SAMPLE]))


def _of_invoices(connection: Connection, since: datetime | None, broken: str) -> Finding:
    """Invoices `r` that are broken, of those that came or changed their status since a moment."""
    if since is None:
        return _find(connection, f"select r.id from intake.received_invoice r where {broken}")
    return _find(
        connection,
        f"""with changed as materialized (
                select organization_id, id, status, processing_version, net_amount, tax_amount, gross_amount
                from intake.received_invoice
                where greatest(last_processed_at, created_at) >= :since)
            select r.id from changed r where {broken}""",
        since=since,
    )


def _find(connection: Connection, query: str, **values: object) -> Finding:
    return offending(connection, f"select id as name from ({query}) it", **values)


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
        of_all=True,
    ),
    REFUSED,
)
OF_PARSED = (
    READABLE,
    Promise(
        "every_failure_has_a_reason",
        "Every FAILED invoice says why.",
        failures_without_reason,
        of_all=True,
    ),
    Promise(
        "every_status_is_in_the_audit_trail",
        "The audit trail of every invoice has each of its versions, and ends with the status that it has.",
        statuses_without_history,
        of_all=True,
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
        of_all=True,
    ),
    Promise(
        "passed_by_a_verdict",
        "Every invoice that passed has a verdict that says so.",
        passed_without_verdict,
        blocking=True,
        of_all=True,
    ),
    REVIEWED_IN_TIME,
)
OF_EXPORTS = (
    Promise(
        "exported_invoices_are_in_a_file",
        "Every EXPORTED invoice stands in a completed export.",
        exported_without_file,
        of_all=True,
    ),
    Promise(
        "nothing_is_stuck",
        "No unfinished invoice was left untouched for more than 5 minutes, or for an hour while it is in the queue; "
        "`invoice-pipelines intake stuck` says what each waits for.",
        lambda connection: stuck_invoices(connection, STUCK_AFTER, STUCK_IN_QUEUE_AFTER),
        warns=True,
    ),
)
