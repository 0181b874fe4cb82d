"""Reads the reports of providers on messages that they took: statuses that a channel can ask for (Twilio's), and those
of mail servers on emails that could not be delivered. `decisions` applies a report.

The deployment has one mailbox for these reports: whoever reads it reads the reports of all organizations, and records
each in the scope of the organization whose message it is about. A report is believed if it names the Message-ID, which
only the receiver of the email knows; one about the blind copy (EMAIL_ARCHIVE_TO) says nothing about the customer.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict, dataclass
from uuid import UUID

from sqlalchemy import Engine, text

from invoice_pipelines.database import organization_scope
from invoice_pipelines.delivery.channels.bounces import DeliveryReport, read_reports
from invoice_pipelines.delivery.channels.channel import MessagingChannel, ReportedStatus, Unavailable, channels_to_ask
from invoice_pipelines.delivery.channels.mailbox import Mailbox
from invoice_pipelines.delivery.messages.decisions import record_report
from invoice_pipelines.delivery.overview import SETTLED_WITHIN
from invoice_pipelines.delivery.values import MessageStatus
from invoice_pipelines.settings import Settings

_AT_ONCE = 100
_MESSAGES = 5_000
_EMAILS = 2_000


@dataclass(slots=True)
class ReportsRead:
    """What was read. `delivered` and `bounced` count messages that changed; the others are of the mailbox."""

    asked: int = 0
    """Messages for which a provider was asked"""
    delivered: int = 0
    bounced: int = 0
    emails: int = 0
    """Reports in the mailbox, of all organizations"""
    of_nobody: int = 0
    """Those of them about messages that are not known here"""
    of_copies: int = 0
    """Those about blind copies: EMAIL_ARCHIVE_TO cannot be delivered to"""
    problems: tuple[str, ...] = ()
    """Providers that could not be asked, a line each; the rest was done"""


def read_statuses(engine: Engine, settings: Settings, organization_id: UUID) -> ReportsRead:
    """Asks what became of the organization's messages by each channel that can be asked and is set up.

    Doing it twice at the same time, or again, changes nothing more; so it is with read_mailbox.
    """
    read = ReportsRead()
    problems = []
    for channel in channels_to_ask(settings):
        try:
            _read_statuses(engine, settings, organization_id, channel, read)
        except Unavailable as error:
            problems.append(str(error))
    read.problems = tuple(dict.fromkeys(problems))
    return read


def read_mailbox(engine: Engine, settings: Settings) -> ReportsRead:
    """Reads the mailbox of undeliverable emails, for all organizations; nothing where it is not set up."""
    read = ReportsRead()
    if settings.imap_host is not None and settings.imap_bounces_mailbox is not None:
        try:
            with closing(Mailbox(settings)) as mailbox:
                for uid, data in mailbox.messages(mailbox.unread_reports(settings.imap_bounces_mailbox, _EMAILS)):
                    for report in read_reports(data):
                        _record(engine, settings, report, read)
                    # After it is written down: who dies before reads it again, which changes nothing.
                    mailbox.mark_read(uid)
                    read.emails += 1
        except Unavailable as error:
            read.problems = (str(error),)
    return read


def _read_statuses(
    engine: Engine, settings: Settings, organization_id: UUID, channel: MessagingChannel, read: ReportsRead
) -> None:
    assert channel.statuses is not None
    while read.asked < _MESSAGES:
        with organization_scope(engine, organization_id) as connection:
            waiting = connection.execute(
                text(
                    """select u.id, u.provider_id
                       from delivery.unsettled_messages(
                           :channel, clock_timestamp() - cast(:within as interval), :count) u"""
                ),
                {"channel": channel.name, "within": SETTLED_WITHIN, "count": _AT_ONCE},
            ).all()
        if not waiting:
            break
        told: list[tuple[str, ReportedStatus]] = []
        try:
            # Outside of a transaction, as each is a call over the network.
            for one in channel.statuses(settings, (row.provider_id for row in waiting)):
                told.append(one)
        finally:
            read.asked += len(told)
            _record_statuses(engine, organization_id, {row.provider_id: row.id for row in waiting}, told, read)


def _record_statuses(
    engine: Engine,
    organization_id: UUID,
    ids: dict[str, UUID],
    told: list[tuple[str, ReportedStatus]],
    read: ReportsRead,
) -> None:
    with organization_scope(engine, organization_id) as connection:
        for provider_id, reported in told:
            connection.execute(
                text(
                    """update delivery.message m
                       set looked_up_at = clock_timestamp(), provider_status = :word
                       where m.organization_id = organizations.current() and m.id = :id
                         and m.status = 'sent'"""
                ),
                {"id": ids[provider_id], "word": reported.provider_status},
            )
            if reported.status is MessageStatus.SENT:
                continue
            changed = record_report(connection, provider_id=provider_id, **asdict(reported))
            read.delivered += changed and reported.status is MessageStatus.DELIVERED
            read.bounced += changed and reported.status is MessageStatus.BOUNCED


def _record(engine: Engine, settings: Settings, report: DeliveryReport, read: ReportsRead) -> None:
    if not report.is_final:
        return
    if settings.email_archive_to is not None and report.recipients[:1] == (settings.email_archive_to.casefold(),):
        read.of_copies += 1
        return
    owners = _owners(engine, report.message_id)
    read.of_nobody += not owners
    for owner in owners:
        with organization_scope(engine, owner) as connection:
            read.bounced += record_report(
                connection,
                message_id_header=report.message_id,
                status=MessageStatus.BOUNCED,
                provider_status=report.action,
                reported_by="mail server",
                code=report.status or None,
                detail=report.diagnostic or "The mail server could not deliver it.",
            )


def _owners(engine: Engine, message_id: str) -> list[UUID]:
    with engine.connect() as connection:
        rows = connection.execute(
            text("select o.organization_id from delivery.organizations_of_message(:header) o"), {"header": message_id}
        )
        return [row.organization_id for row in rows]
