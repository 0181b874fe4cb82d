"""Promises about an organization's documents and messages, with queries for whatever breaks them.

A check looks at the newest LATEST messages, so that it takes seconds whatever there is; what lies further back was
looked at before. What the files of documents promise needs their store: see `documents.rows.changed_documents`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import partial

from sqlalchemy import Connection

from invoice_pipelines.delivery.values import SENDING_KINDS
from invoice_pipelines.promises import SAMPLE, Finding, Promise, offending

LATEST = 10_000
LATE_AFTER = timedelta(hours=1)
"""What could be done for longer than this and was not is late."""

_NAME = "m.invoice_number || ', ' || m.purpose || ' by ' || m.channel"

_NEWEST = f"""
    select * from delivery.message
    where organization_id = organizations.current() and attempts >= 0
    order by id desc limit {LATEST}"""

_WITHOUT_OUTCOME = f"""select {_NAME} as name from delivery.message m
            where m.organization_id = organizations.current() and m.status = 'sending'
              and not exists (
                  select from delivery.message_attempt a
                  where a.organization_id = m.organization_id and a.message_id = m.id
                    and a.started_at > now() - cast(:age as interval))"""

_OF_UNKNOWN_OUTCOME = f"""select {_NAME} as name from delivery.message m
            where m.organization_id = organizations.current() and m.status = 'unknown'"""

# Look-ups by id, for `offending` to plan by their order.
_TAKEN = """
    select a.attempt from delivery.message_attempt a
    where a.organization_id = m.organization_id and a.message_id between m.id and m.id
      and a.outcome in ('accepted', 'found')
    order by a.message_id"""

_DECIDED = """
    select e.id from delivery.message_event e
    where e.message_id between m.id and m.id and e.organization_id = m.organization_id and e.action = '{action}'
    order by e.message_id"""

_SENT_TWICE = f"""select {_NAME} as name
            from ({_NEWEST}) m
            cross join lateral (select count(*) as taken from ({_TAKEN}) taken) a
            cross join lateral (select count(*) as wanted from ({_DECIDED.format(action="sent_again")}) wanted) e
            where a.taken > 1 + e.wanted
               or m.provider_id is not null and exists (
                   select from delivery.message o
                   where o.organization_id = m.organization_id and o.provider_id = m.provider_id and o.id <> m.id
                     and o.channel = m.channel)"""

_SENT_BY_NOBODY = f"""select {_NAME} as name
            from ({_NEWEST}) m
            where m.status in ('sent', 'delivered', 'bounced')
              and ({_TAKEN} limit 1) is null
              and ({_DECIDED.format(action="resolved_as_sent")} limit 1) is null"""

_OF_VOID_INVOICES = f"""select {_NAME} as name
            from ({_NEWEST}) m
            cross join lateral (
                select i.voided_at from billing.invoices i
                where i.organization_id = m.organization_id and i.id between m.invoice_id and m.invoice_id
                order by i.id) i
            where m.sent_at > i.voided_at"""

_OF_SETTLED_INVOICES = f"""select {_NAME} as name
            from ({_NEWEST}) m
            cross join lateral (
                select n.closed_at from overdue.notifications n
                where n.organization_id = m.organization_id and n.id between m.notification_id and m.notification_id
                  and n.status = 'closed'
                order by n.id) n
            where m.purpose = 'reminder' and m.sent_at > n.closed_at"""


def late_work(connection: Connection, kinds: Sequence[str]) -> Finding:
    """Work of these kinds that was due for long and is not done; pauses after faults and quiet hours do not count."""
    return offending(
        connection,
        """select i.kind || ' ' || i.subject_id || coalesce(': ' || i.error_code, '') as name from work.items i
           where i.organization_id = organizations.current() and i.kind = any (:kinds)
             and i.status = 'pending' and i.available_at < now() - cast(:age as interval)""",
        kinds=list(kinds),
        age=LATE_AFTER,
    )


def _undecided(connection: Connection) -> Finding:
    # A process that died over a message has its successor by then. Of an unknown outcome, a person says what it was.
    stuck, unknown = offending(connection, _WITHOUT_OUTCOME, age=LATE_AFTER), offending(connection, _OF_UNKNOWN_OUTCOME)
    return Finding(stuck.count + unknown.count, (*stuck.sample, *unknown.sample)[:SAMPLE], only_warns=stuck.kept)


OF_MESSAGES = (
    Promise(
        "every_message_has_an_outcome",
        "No message is in the middle of being sent for more than an hour. A warning where it is unknown whether one "
        "went out: `invoice-pipelines messages resolve` says what a person found.",
        _undecided,
    ),
    Promise(
        "nobody_is_told_twice",
        "No provider took a message twice, unless a person had it sent again; no two messages are the same for it.",
        partial(offending, query=_SENT_TWICE),
    ),
    Promise(
        "sent_messages_have_an_attempt",
        "Every message marked as sent was accepted by a provider in an attempt, or a person said so.",
        partial(offending, query=_SENT_BY_NOBODY),
    ),
    Promise(
        "no_message_of_void_invoices",
        "No message went out after its invoice was void.",
        partial(offending, query=_OF_VOID_INVOICES),
    ),
    Promise(
        "no_reminder_of_settled_invoices",
        "No reminder went out after its invoice was paid, credited or void.",
        partial(offending, query=_OF_SETTLED_INVOICES),
    ),
    Promise(
        "no_message_is_late",
        "No message waits for more than an hour. Those that wait for the end of quiet hours, or for a channel that is "
        "not set up or cannot be reached, are put off and do not count.",
        partial(late_work, kinds=SENDING_KINDS),
        warns=True,
    ),
)
"""None blocks: what is wrong with one message must not keep the others from whom they are for, and each is looked at
once more before it goes out."""
