"""The sending of an organization's messages: what a run of it is asked for, and what it reports.

    report = send_messages(context, time_box=timedelta(minutes=30))

Entries come from batch jobs over invoices, from overdue notifications, and from messages that were written when their
invoices were issued. What is done with one is in `sender`; threads, leases, waiting and progress are the engine's
(`work.Run`). Any number of runs may go on at once.

What each channel can promise of a message whose answer was lost, in a crash or on the way:

- SMS and WhatsApp by Twilio: it goes out once. Twilio lists what was sent to a number since then, and no two messages
  to a number are alike, as each names its invoice.
- Email with a mailbox that gets a blind copy of each: once, as far as the mailbox tells. A copy that arrives later than
  LOOK_UP_AFTER_SECONDS is not seen, and the email goes out again with the same Message-ID, by which many mail
  programs show it once.
- Email without such a mailbox, and whatever cannot be looked up: at most once. Nobody can tell whether it went out, so
  it is `unknown`, which a check and `messages list` show, and a person says what is right with `messages resolve`.

No message is given up silently, and none is sent a second time while the first may have gone out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from invoice_pipelines.delivery.channels.channel import OpenChannel, channel_of
from invoice_pipelines.delivery.messages.decisions import cancel_messages_of_cancelled_jobs
from invoice_pipelines.delivery.sending.sender import Sender
from invoice_pipelines.delivery.values import COMMUNICATIONS, SENDING_KINDS
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.work import Progress, Report, Run, get_job

MOST_THREADS = 12
"""Each has a database connection while its provider answers, and an engine has fifteen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SendReport(Report):
    """What a run did. Of those that succeeded, `sent` were handed over; `found` had been by a process that died, as
    their provider said. `skipped` need no message (sent before, paid, opted out); `unknown` of the failed ones may have
    gone out. `sent_by_channel` counts messages, with those that were found.
    """

    sent: int
    found: int
    unknown: int
    sent_by_channel: Mapping[str, int]
    postponed_by_reason: Mapping[str, int]


def send_messages(
    context: OrganizationContext,
    *,
    time_box: timedelta,
    job_id: UUID | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
    open_channel: Callable[[str], OpenChannel] | None = None,
) -> SendReport:
    """Sends what is due until nothing is left, the time box ends or `should_stop()` says so.

    With `job_id` only batch jobs over invoices are worked at, until that one has ended or waits. `open_channel` opens a
    channel for one thread; by default as the settings say.
    """

    def is_done() -> bool:
        if job_id is None:
            return False
        with run.scope() as connection:
            return get_job(connection, job_id).status.is_final

    kinds = SENDING_KINDS if job_id is None else (COMMUNICATIONS,)
    settings = context.settings
    run = Run(
        context.engine,
        context.id,
        kinds,
        lease=timedelta(seconds=settings.lease_seconds),
        time_box=time_box,
        on_progress=on_progress,
        should_stop=should_stop,
        is_done=is_done,
    )
    with run.scope() as connection:
        cancel_messages_of_cancelled_jobs(connection)
    opening = open_channel or (lambda name: channel_of(name).open(settings))
    threads = min(settings.message_senders, MOST_THREADS)
    run.work(lambda: Sender(run, context, kinds, opening).steps(), threads, apart=True)
    return _report(run)


def _report(run: Run) -> SendReport:
    figures: dict[str, dict[str, int]] = {"operation": {}, "channel": {}, "postponed": {}, "failed": {}}
    for name, count in run.tally.figures.items():
        assert isinstance(name, tuple)
        figures[name[0]][name[1]] = count
    return run.report(
        SendReport,
        sent=figures["operation"].get("sent", 0),
        found=figures["operation"].get("found", 0),
        unknown=figures["failed"].get("OUTCOME_UNKNOWN", 0),
        sent_by_channel=figures["channel"],
        postponed_by_reason=figures["postponed"],
    )
