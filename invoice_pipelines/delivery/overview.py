"""Questions of assets, reports and the command line about documents and messages. Reads only.

What is open is counted by indexes of what is open; what is done, among the newest, so that a look costs the same
whatever lies behind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection, text

from invoice_pipelines.database.ids import first_id
from invoice_pipelines.delivery.channels.channel import channels, channels_to_ask
from invoice_pipelines.delivery.values import MAKE_DOCUMENTS, SENDING_KINDS, MessageStatus
from invoice_pipelines.settings import Settings
from invoice_pipelines.work import due_items

SETTLED_WITHIN = timedelta(hours=72)
"""A message of which its provider has not told by then is not asked for any more."""
LATEST = 10_000
"""How many of the newest messages are counted by status."""


@dataclass(frozen=True, slots=True)
class OpenWork:
    """Entries of some kinds that are not done: those that can be done now, those that wait for their time (a pause
    after a fault, the end of quiet hours), and those that are in work.
    """

    due: int
    postponed: int
    in_work: int
    oldest_due_at: datetime | None
    next_at: datetime | None
    """when the first of those that wait can be done"""

    @property
    def waiting(self) -> int:
        """Entries that nobody works on."""
        return self.due + self.postponed


@dataclass(frozen=True, slots=True)
class DeliveryState:
    """How an organization's documents and messages stand. `messages` are those that are not settled by status, with
    the failed ones; `oldest_waiting_at` is since when the first of them waits.
    """

    document_work: OpenWork
    message_work: OpenWork
    messages: Mapping[MessageStatus, int]
    oldest_waiting_at: datetime | None
    documents_at: datetime | None
    """when the newest document was made"""
    sent_at: datetime | None
    """when the last of the newest messages went out"""


@dataclass(frozen=True, slots=True)
class MadeDocuments:
    """Documents of one format that were made since a moment. `renewed` are versions after the first."""

    format: str
    documents: int
    renewed: int
    pages: int
    size_bytes: int
    with_missing_glyphs: int


@dataclass(frozen=True, slots=True)
class MessageCount:
    """Messages of one channel and purpose with one status."""

    channel: str
    purpose: str
    status: MessageStatus
    messages: int


@dataclass(frozen=True, slots=True)
class WaitingReason:
    """Why entries wait: a code with the message of one of them, how many, and when the first can be done."""

    code: str
    message: str
    items: int
    next_at: datetime

    @property
    def is_fault(self) -> bool:
        """Whether something is wrong, or not set up; or else it is merely not their time."""
        return self.code not in ("QUIET_HOURS", "UNDER_WAY")


@dataclass(frozen=True, slots=True)
class FailedItem:
    """An entry that failed, with its reason. `name` is the number of its invoice, where it is known."""

    name: str
    kind: str
    code: str
    message: str


def database_time(connection: Connection) -> datetime:
    """What PostgreSQL says the time is, by which it also writes rows."""
    now: datetime = connection.execute(text("select clock_timestamp()")).scalar_one()
    return now


def organizations_with_deliveries(connection: Connection, settings: Settings) -> dict[UUID, int]:
    """How many documents are to be made and messages to be sent now, by organization. Needs no organization scope.

    As long as the deployment has no channel at all, messages are not counted. Where only that of a message is missing,
    its item is put off by the run that finds that out.
    """
    can_send = any(channel.is_set_up(settings) for channel in channels())
    kinds = (MAKE_DOCUMENTS, *(SENDING_KINDS if can_send else ()))
    return due_items(connection, kinds)


def organizations_with_unsettled_messages(connection: Connection, settings: Settings) -> set[UUID]:
    """Where messages were sent lately of which it is not known how they ended, by channels that can be asked and are
    set up. Needs no organization scope.
    """
    asked = [channel.name for channel in channels_to_ask(settings)]
    if not asked:
        return set()
    rows = connection.execute(
        text("select organization_id from delivery.organizations_with_unsettled_messages(:channels, now() - :within)"),
        {"channels": asked, "within": SETTLED_WITHIN},
    )
    return set(rows.scalars())


def delivery_state(connection: Connection) -> DeliveryState:
    """The state of the organization in scope."""
    rows = connection.execute(
        text(
            """select status, count(*) as messages, min(created_at) as oldest from delivery.message
               where organization_id = (select organizations.current())
                 and status in ('waiting', 'sending', 'unknown', 'failed') group by status"""
        )
    ).all()
    newest = connection.execute(
        text(
            """select (select d.created_at from delivery.invoice_document d
                       where d.organization_id = (select organizations.current()) and d.version > 0
                       order by d.id desc limit 1) as documents_at,
                      (select max(m.sent_at) from (
                           select sent_at from delivery.message
                           where organization_id = (select organizations.current()) and attempts >= 0
                           order by id desc limit 1000) m) as sent_at"""
        )
    ).one()
    return DeliveryState(
        document_work=open_work(connection, [MAKE_DOCUMENTS]),
        message_work=open_work(connection, SENDING_KINDS),
        messages={MessageStatus(row.status): row.messages for row in rows},
        oldest_waiting_at=min((row.oldest for row in rows if row.status == MessageStatus.WAITING), default=None),
        documents_at=newest.documents_at,
        sent_at=newest.sent_at,
    )


def open_work(connection: Connection, kinds: Sequence[str]) -> OpenWork:
    """Entries of these kinds of the organization in scope that are not done."""
    row = connection.execute(
        text(
            """select count(*) filter (where available_at <= now()) as due,
                      count(*) filter (where available_at > now()) as postponed,
                      min(available_at) filter (where available_at <= now()) as oldest_due_at,
                      min(available_at) filter (where available_at > now()) as next_at,
                      (select count(*) from work.items
                       where organization_id = (select organizations.current())
                         and status = 'processing' and kind = any (:kinds)) as in_work
               from work.items
               where organization_id = (select organizations.current())
                 and status = 'pending' and kind = any (:kinds)"""
        ),
        {"kinds": list(kinds)},
    ).one()
    return OpenWork(row.due, row.postponed, row.in_work, row.oldest_due_at, row.next_at)


def made_documents(connection: Connection, since: datetime) -> tuple[MadeDocuments, ...]:
    """What was made in the organization in scope since a moment, by format."""
    rows = connection.execute(
        text(
            f"""select format, count(*) as documents, count(*) filter (where version > 1) as renewed,
                       coalesce(sum(pages), 0) as pages, sum(size_bytes) as size_bytes,
                       count(*) filter (where missing_glyphs is not null) as with_missing_glyphs
                from ({_MADE_SINCE}) d group by format order by format"""
        ),
        _since(since),
    )
    return tuple(MadeDocuments(row[0], row[1], row[2], int(row[3]), int(row[4]), row[5]) for row in rows)


def sample_of_invoices(connection: Connection, since: datetime, limit: int) -> tuple[UUID, ...]:
    """Ids of invoices that documents were made of since a moment: evenly spread over them."""
    rows = connection.execute(
        text(
            f"""select distinct invoice_id from (
                    select invoice_id, row_number() over (order by id) as place, count(*) over () as documents
                    from ({_MADE_SINCE}) made) d
                where (place - 1) % greatest(documents / :limit, 1) = 0 limit :limit"""
        ),
        _since(since) | {"limit": limit},
    )
    return tuple(row[0] for row in rows)


def message_counts(connection: Connection) -> tuple[MessageCount, ...]:
    """The newest messages of the organization in scope by channel, purpose and status."""
    rows = connection.execute(
        text(
            """select channel, purpose, status, count(*) from (
                   select channel, purpose, status from delivery.message
                   where organization_id = (select organizations.current()) and attempts >= 0
                   order by id desc limit :latest) m
               group by channel, purpose, status order by channel, purpose, status"""
        ),
        {"latest": LATEST},
    )
    return tuple(MessageCount(row[0], row[1], MessageStatus(row[2]), row[3]) for row in rows)


def waiting_reasons(
    connection: Connection, kinds: Sequence[str], job_id: UUID | None = None
) -> tuple[WaitingReason, ...]:
    """Why entries of these kinds (of a job, with those of its files) were put off, the most frequent reason first:
    quiet hours, a pause after a fault.
    """
    rows = connection.execute(
        text(
            """select error_code, min(error_message) as message, count(*) as items, min(available_at) as next_at
               from work.items
               where organization_id = (select organizations.current())
                 and status = 'pending' and error_code is not null and kind = any (:kinds)
                 and (cast(:job_id as uuid) is null or job_id = :job_id
                      or subject_id = 'job/' || cast(:job_id as uuid))
               group by error_code order by count(*) desc, error_code limit 20"""
        ),
        {"kinds": list(kinds), "job_id": job_id},
    )
    return tuple(WaitingReason(row.error_code, row.message or "", row.items, row.next_at) for row in rows)


def failed_items(connection: Connection, kinds: Sequence[str], since: datetime, limit: int) -> tuple[FailedItem, ...]:
    """Entries of these kinds that failed for good since a moment."""
    rows = connection.execute(
        text(
            """select i.subject_id, i.kind, i.error_code, i.error_message
               from work.items i
               where i.organization_id = (select organizations.current())
                 and i.status = 'failed' and i.finished_at >= :since and i.kind = any (:kinds)
               order by i.id limit :limit"""
        ),
        {"kinds": list(kinds), "since": since, "limit": limit},
    ).all()
    numbers = _invoice_numbers(connection, [row.subject_id for row in rows])
    return tuple(
        FailedItem(
            numbers.get(row.subject_id, row.subject_id),
            row.kind,
            row.error_code or "",
            row.error_message or "",
        )
        for row in rows
    )


def _invoice_numbers(connection: Connection, subjects: Sequence[str]) -> dict[str, str]:
    """Numbers of the invoices that subjects of delivery's kinds are about: an invoice, a message, or a notification
    with a channel.
    """
    rows = connection.execute(
        text(
            """with subject as materialized (  -- a cast in a join would keep row-level security from its index
                   select subject, case when pg_input_is_valid(split_part(subject, '/', 1), 'uuid')
                                        then split_part(subject, '/', 1)::uuid end as id
                   from unnest(cast(:subjects as text[])) subject
               )
               select s.subject, coalesce(n.invoice_number, m.invoice_number, o.invoice_number) as number
               from subject s
               left join billing.invoice_numbers n
                   on n.organization_id = (select organizations.current()) and n.invoice_id = s.id
               left join delivery.message m on m.organization_id = (select organizations.current()) and m.id = s.id
               left join overdue.notifications o
                   on o.organization_id = (select organizations.current()) and o.id = s.id"""
        ),
        {"subjects": list(subjects)},
    )
    return {row.subject: row.number for row in rows if row.number is not None}


# Ids are made in the order of time, so that what was made lately is found by them.
_MADE_SINCE = """
    select id, invoice_id, format, version, pages, size_bytes, missing_glyphs
    from delivery.invoice_document
    where organization_id = (select organizations.current()) and version > 0
      and id >= :first_id and created_at >= :since"""


def _since(moment: datetime) -> dict[str, object]:
    return {"since": moment, "first_id": first_id(moment)}
