"""What must always be true of an organization's notifications, as queries for what breaks it.

Both are true right after a run that had no errors. Later an invoice may become overdue or be paid, and the next run
follows; a check asks right after a run, or allows for the time since.
"""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import Connection, text

from invoice_pipelines.billing.promises import SAMPLE, Finding

_ALL = 2**31 - 1
_FIRST = "0001-01-01"


def missing_notifications(
    connection: Connection, *, levels: tuple[int, ...], now: datetime | None = None, as_of: date | None = None
) -> Finding:
    """Every invoice overdue as of a day has a notification of each level it reached. The day as in `notify_overdue`."""
    return _find(
        connection,
        f"""with missing as materialized (
                select l.level, m.invoice_id from unnest(cast(:levels as integer[])) l (level)
                cross join lateral overdue.to_notify(
                    l.level, coalesce(cast(:as_of as date),
                                      overdue.day_at(coalesce(cast(:now as timestamptz), now()))) - l.level,
                    '{_FIRST}', '00000000-0000-0000-0000-000000000000', {_ALL}) m)
            select coalesce(n.invoice_number, i.id::text) || ', level ' || m.level as name
            from missing m
            cross join lateral (
                select i.id from billing.invoices i
                where i.organization_id = organizations.current() and i.id = m.invoice_id
                  and i.amount_due > 0 offset 0) i
            left join lateral (
                select n.invoice_number from billing.invoice_numbers n
                where n.organization_id = organizations.current() and n.invoice_id = i.id
                offset 0) n on true""",
        levels=list(levels),
        now=now,
        as_of=as_of,
    )


def notifications_without_reason(connection: Connection) -> Finding:
    """No notification stays open for an invoice that is paid, credited or void."""
    return _find(
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
                  and n.invoice_id = u.invoice_id and n.level = u.level
                  and n.notification_type = 'payment_overdue' offset 0) n""",
    )


def _find(connection: Connection, query: str, **values: object) -> Finding:
    rows = connection.execute(
        text(f"select coalesce(name, '?'), count(*) over () from ({query}) offending order by name limit {SAMPLE}"),
        values,
    ).all()
    return Finding(rows[0][1] if rows else 0, tuple(row[0] for row in rows))
