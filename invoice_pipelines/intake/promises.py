"""Holds what must always be true of an organization's received invoices, as queries for what breaks it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection, text

from invoice_pipelines.intake.received_invoices import find_stuck

SAMPLE = 20


@dataclass(frozen=True, slots=True)
class Finding:
    """What breaks a promise: how many, and the ids of the first 20."""

    count: int
    sample: tuple[str, ...]

    @property
    def kept(self) -> bool:
        """Whether nothing breaks the promise."""
        return self.count == 0


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
                 <> r.processing_version + 1""",
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
    rows = connection.execute(
        text(f"select id, count(*) over () from ({query}) offending order by id limit {SAMPLE}")
    ).all()
    return Finding(rows[0][1] if rows else 0, tuple(str(row[0]) for row in rows))
