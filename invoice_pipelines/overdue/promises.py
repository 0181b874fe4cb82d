"""What must always be true of an organization's notifications, and queries for what breaks it.

Both promises hold right after a run without errors. Later an invoice may become overdue or be paid, and the next run
follows; so a check looks right after a run, or allows for the time since.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from sqlalchemy import Connection

from invoice_pipelines.overdue.execution_log import ExecutionReport
from invoice_pipelines.promises import Finding, Promise, offending

_ALL = 2**31 - 1
_FIRST = "0001-01-01"


def missing_notifications(connection: Connection, *, levels: tuple[int, ...], as_of: date | None = None) -> Finding:
    """Every invoice overdue as of a day has a notification of each level it reached. The day as in `notify_overdue`."""
    return offending(
        connection,
        f"""with missing as materialized (
                select l.level, m.invoice_id from unnest(cast(:levels as integer[])) l (level)
                cross join lateral overdue.to_notify(
                    l.level, coalesce(cast(:as_of as date), overdue.day_at(now())) - l.level,
                    '{_FIRST}', '00000000-0000-0000-0000-000000000000', {_ALL}) m)
            select coalesce(n.invoice_number, i.id::text) || ', level ' || m.level as name
            from missing m
            cross join lateral (
                select i.id from billing.invoices i
                where i.organization_id = organizations.current() and i.id between m.invoice_id and m.invoice_id
                  and i.amount_due > 0
                order by i.id) i
            left join lateral (
                select n.invoice_number from billing.invoice_numbers n
                where n.organization_id = organizations.current() and n.invoice_id between i.id and i.id
                order by n.invoice_id) n on true""",
        levels=list(levels),
        as_of=as_of,
    )


def notifications_without_reason(connection: Connection) -> Finding:
    """No notification stays open for an invoice that is paid, credited or void."""
    return offending(
        connection,
        f"""with unfounded as materialized (
                select l.level, c.invoice_id
                from (select distinct level from overdue.notification where status <> 'closed') l
                cross join lateral overdue.to_close(
                    l.level, '{_FIRST}', '00000000-0000-0000-0000-000000000000', {_ALL}) c)
            select n.invoice_number || ', level ' || u.level as name
            from unfounded u
            cross join lateral (
                select n.invoice_number from overdue.notification n
                where n.organization_id = organizations.current()
                  and n.invoice_id between u.invoice_id and u.invoice_id and n.level = u.level
                  and n.notification_type = 'payment_overdue'
                order by n.invoice_id) n""",
    )


def _missing_after(connection: Connection, report: ExecutionReport, levels: tuple[int, ...]) -> Finding:
    missing = missing_notifications(connection, levels=levels, as_of=report.as_of)
    return replace(missing, only_warns=missing.count <= report.error_count)


FRESH = Promise("last_execution_is_fresh", "The last finished run is not older than the schedule allows.")
"""A run that comes to its end keeps it; where none came, the sensor of late runs says so."""
PROMISES = (
    Promise(
        "every_overdue_invoice_has_its_notifications",
        "Each overdue invoice has one notification of every level that it reached. A warning where the run says for "
        "each that lacks one what is wrong with it.",
        _missing_after,
    ),
    Promise(
        "no_notification_of_settled_invoices",
        "No notification is open whose invoice is paid, credited or void.",
        lambda connection, *_: notifications_without_reason(connection),
    ),
    FRESH,
)
"""What is promised right after a run, by its report and the levels of the organization."""
