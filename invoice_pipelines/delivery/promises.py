"""What must always be true of an organization's documents and messages, as queries for what breaks it.

A check looks at the newest LATEST messages, so that it takes seconds whatever there is; what lies further back was
looked at before. What the files of documents promise needs their store: see `documents.rows.changed_documents`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import Connection, text

from invoice_pipelines.billing.promises import SAMPLE, Finding

LATEST = 10_000
LATE_AFTER = timedelta(hours=1)
"""What could be done for longer than this and was not is late."""


def messages_without_outcome(connection: Connection, *, late_after: timedelta = LATE_AFTER) -> Finding:
    """No message is in the middle of being sent for long: a process that died over it has its successor by then."""
    return _find(
        connection,
        f"""select {_NAME} as name from delivery.message m
            where m.organization_id = organizations.current() and m.status = 'sending'
              and not exists (
                  select from delivery.message_attempt a
                  where a.organization_id = m.organization_id and a.message_id = m.id
                    and a.started_at > now() - cast(:age as interval) offset 0)""",
        age=late_after,
    )


def messages_of_unknown_outcome(connection: Connection) -> Finding:
    """Of no message it is unknown whether it went out; a person says so with `invoice-pipelines messages resolve`."""
    return _find(
        connection,
        f"""select {_NAME} as name from delivery.message m
            where m.organization_id = organizations.current() and m.status = 'unknown'""",
    )


def messages_sent_twice(connection: Connection, *, latest: int = LATEST) -> Finding:
    """No provider took a message more often than once, unless a person had it sent again; and no two messages are the
    same for the provider.
    """
    return _find(
        connection,
        f"""select {_NAME} as name
            from ({_NEWEST}) m
            cross join lateral (
                select count(*) as taken from delivery.message_attempt a
                where a.organization_id = m.organization_id and a.message_id = m.id
                  and a.outcome in ('accepted', 'found') offset 0) a
            cross join lateral (
                select count(*) as wanted from delivery.message_event e
                where e.organization_id = m.organization_id and e.message_id = m.id and e.action = 'sent_again'
                offset 0) e
            where a.taken > 1 + e.wanted
               or m.provider_id is not null and exists (
                   select from delivery.message o
                   where o.organization_id = m.organization_id and o.provider_id = m.provider_id and o.id <> m.id
                     and o.channel = m.channel offset 0)""",
        latest=latest,
    )


def messages_sent_by_nobody(connection: Connection, *, latest: int = LATEST) -> Finding:
    """Whatever is said to have gone out was taken by a provider in an attempt, or a person says so."""
    return _find(
        connection,
        f"""select {_NAME} as name
            from ({_NEWEST}) m
            where m.status in ('sent', 'delivered', 'bounced')
              and not exists (
                  select from delivery.message_attempt a
                  where a.organization_id = m.organization_id and a.message_id = m.id
                    and a.outcome in ('accepted', 'found') offset 0)
              and not exists (
                  select from delivery.message_event e
                  where e.organization_id = m.organization_id and e.message_id = m.id
                    and e.action = 'resolved_as_sent' offset 0)""",
        latest=latest,
    )


def messages_of_void_invoices(connection: Connection, *, latest: int = LATEST) -> Finding:
    """No message went out after its invoice was void."""
    return _find(
        connection,
        f"""select {_NAME} as name
            from ({_NEWEST}) m
            cross join lateral (
                select i.voided_at from billing.invoices i
                where i.organization_id = m.organization_id and i.id = m.invoice_id offset 0) i
            where m.sent_at > i.voided_at""",
        latest=latest,
    )


def reminders_of_settled_invoices(connection: Connection, *, latest: int = LATEST) -> Finding:
    """Nobody is reminded of what is settled: no reminder went out while its notification was closed."""
    return _find(
        connection,
        f"""select {_NAME} as name
            from ({_NEWEST}) m
            cross join lateral (
                select n.closed_at from overdue.notifications n
                where n.organization_id = m.organization_id and n.id = m.notification_id and n.status = 'closed'
                offset 0) n
            where m.purpose = 'reminder' and m.sent_at > n.closed_at""",
        latest=latest,
    )


def late_work(connection: Connection, kinds: Sequence[str], *, late_after: timedelta = LATE_AFTER) -> Finding:
    """Nothing of these kinds could be done for long and was not; a pause after a fault and quiet hours do not count."""
    return _find(
        connection,
        """select i.kind || ' ' || i.subject_id || coalesce(': ' || i.error_code, '') as name from work.items i
           where i.organization_id = organizations.current() and i.kind = any (:kinds)
             and i.status = 'pending' and i.available_at < now() - cast(:age as interval)""",
        kinds=list(kinds),
        age=late_after,
    )


_NAME = "m.invoice_number || ', ' || m.purpose || ' by ' || m.channel"

_NEWEST = """
    select * from delivery.message
    where organization_id = organizations.current() and attempts >= 0
    order by id desc limit :latest"""


def _find(connection: Connection, query: str, **values: object) -> Finding:
    # By indexes, whatever the statistics say: see work/operators.sql.
    connection.execute(text("set local enable_seqscan = off"))
    rows = connection.execute(
        text(f"select name, count(*) over () from ({query}) offending order by name limit {SAMPLE}"), values
    ).all()
    return Finding(rows[0][1] if rows else 0, tuple(str(row[0]) for row in rows))
