"""Tells endpoints of events: what a run of it is asked for, what each thread does, and what it reports.

    report = deliver_webhooks(context, time_box=timedelta(minutes=30))

Events become deliveries (see dispatching.sql), and each delivery is an entry of the queue. With each, a thread

    prepares    a transaction: whether it is still wanted, and its attempt, committed before anything leaves
    performs    posts it, outside of any transaction
    records     a transaction: how the attempt ended, with the outcome of the entry

A process that dies after the post leaves an attempt without an end, and another one posts it again, with the same
`webhook-id`, by which receivers know it: an endpoint is told of each event at least once, and in no certain order.

An endpoint that fails rests for a while, longer the longer it fails, and meanwhile nothing is tried there; when an
attempt succeeds, all that waited comes at once. One that has failed for days is disabled, as is one that says that it
is gone.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from invoice_pipelines.encryption import EncryptionError
from invoice_pipelines.events.values import RESTS, SEND_WEBHOOK
from invoice_pipelines.events.webhooks.endpoints import valid_secrets
from invoice_pipelines.events.webhooks.signatures import headers_of
from invoice_pipelines.events.webhooks.transport import Answer, NotDelivered, post
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.work import Failed, Later, Outcome, Progress, Report, Run, Skipped, Succeeded
from invoice_pipelines.work.outside import Entry, do_entries
from invoice_pipelines.work.values import one_line

PAUSES = tuple(
    timedelta(seconds=seconds)
    for seconds in (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)  # three days in all
)
"""How long to wait after each attempt that failed; after the last of them the delivery has failed."""
DISABLED_AFTER = timedelta(days=5)
"""An endpoint for which nothing succeeded for so long is disabled."""
SHORTEST_REST, LONGEST_REST = timedelta(seconds=5), timedelta(minutes=15)
WITHOUT_KEY = timedelta(minutes=15)
NO_KEY = "NO_KEY"
ATTEMPTS = 10
"""So often is an entry tried that meets an error of this program, before its delivery has failed."""
READ_AT_ONCE = 1000
"""How many events are read on for an endpoint in one transaction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookReport(Report):
    """What a run did: what was `delivered`, and attempts that failed by their code."""

    delivered: int
    failed_attempts: Mapping[str, int]


def deliver_webhooks(
    context: OrganizationContext,
    *,
    time_box: timedelta,
    on_progress: Callable[[Progress], None] | None = None,
) -> WebhookReport:
    """Tells the organization's endpoints all that is due, until nothing is left or the time box ends. Any number of
    runs may go on at once.
    """
    run = Run(
        context.engine,
        context.id,
        [SEND_WEBHOOK],
        lease=timedelta(seconds=context.settings.lease_seconds),
        time_box=time_box,
        on_progress=on_progress,
    )
    while not run.is_over() and _dispatch(run):
        pass
    run.work(lambda: _steps(run, context), context.settings.webhook_senders, apart=True)
    failed: dict[str, int] = {}
    for name, count in run.tally.figures.items():
        assert isinstance(name, tuple)
        failed[name[1]] = count
    return run.report(WebhookReport, delivered=run.tally["succeeded"], failed_attempts=failed)


@dataclass(frozen=True, slots=True)
class _Intended:
    """An attempt that is written and not begun."""

    delivery_id: UUID
    attempt: int
    tries: int
    endpoint_id: UUID
    url: str
    headers: Mapping[str, str]
    body: bytes


def _dispatch(run: Run) -> int:
    def transaction() -> int:
        with run.scope() as connection:
            return int(connection.execute(text("select events.dispatch(:most)"), {"most": READ_AT_ONCE}).scalar_one())

    return run.again(transaction)


def _steps(run: Run, context: OrganizationContext) -> Iterator[None]:
    """One thread: a few entries at each step."""
    while True:
        yield from do_entries(
            run, [SEND_WEBHOOK], lambda entry: _do(context, entry), give_up=_give_up, count=partial(_count, run)
        )
        if not _dispatch(run):
            return
        yield


def _do(context: OrganizationContext, entry: Entry) -> None:
    run = entry.run
    try:
        found = run.again(lambda: entry.within(lambda connection: _prepare(connection, context, entry)))
    except EncryptionError as error:
        why = str(error)
        entry.within(lambda _: run.later(WITHOUT_KEY, NO_KEY, why))
        return
    if not isinstance(found, _Intended):
        return
    started = time.monotonic()
    answer: Answer | NotDelivered
    try:
        answer = post(
            found.url,
            found.headers,
            found.body,
            seconds=context.settings.webhook_timeout_seconds,
            allow_local=context.settings.webhook_local_addresses,
        )
    except NotDelivered as error:
        answer = error
    seconds = time.monotonic() - started
    run.again(lambda: entry.within(lambda connection: _record(connection, run, found, answer, seconds)))


def _give_up(connection: Connection, entry: Entry, failed: Failed) -> Failed:
    failed = failed.at_last(entry.item.attempts, ATTEMPTS)
    if not failed.retry:
        _end(connection, UUID(entry.item.subject_id), "failed")
    return failed


def _count(run: Run, outcome: Outcome) -> None:
    """Counts attempts that failed by their code."""
    if isinstance(outcome, Failed | Later) and outcome.code not in (RESTS, NO_KEY):
        run.tally.add_figure(("failed", outcome.code))


def _prepare(connection: Connection, context: OrganizationContext, entry: Entry) -> _Intended | Outcome:
    """The attempt that is to be made, or the outcome of an entry for which none is."""
    delivery_id = UUID(entry.item.subject_id)
    row = connection.execute(
        text(
            """select d.status, d.attempts, d.tries, d.event_id, d.endpoint_id, w.url, w.rests_until,
                      w.status as endpoint_status, w.status_reason, e.type, e.data, e.created_at, now() as now
               from events.webhook_delivery d
               join events.webhook_endpoint w on w.organization_id = d.organization_id and w.id = d.endpoint_id
               left join events.event e
                   on e.organization_id = d.organization_id and e.position = d.position and e.id = d.event_id
               where d.organization_id = organizations.current() and d.id = :id for no key update of d"""
        ),
        {"id": delivery_id},
    ).one_or_none()
    if row is None:
        return Skipped("it is too old, and was deleted")
    if row.status != "pending":
        return Skipped(f"it is {row.status} already")
    if row.endpoint_status != "enabled" or row.type is None:
        _end(connection, delivery_id, "failed")
        return Skipped(
            "the event is too old, and was deleted" if row.type is None else
            f"the endpoint is {row.endpoint_status}: {row.status_reason}"
        )  # fmt: skip
    if row.rests_until is not None and row.rests_until > row.now:
        until = row.rests_until + timedelta(seconds=random.uniform(0, 5))
        return Later(until, RESTS, "The endpoint failed just now; it is tried again later.")
    connection.execute(
        text(
            """with begun as (
                   insert into events.webhook_attempt (organization_id, delivery_id, attempt)
                   values (organizations.current(), :id, :attempt))
               update events.webhook_delivery set attempts = :attempt, tries = tries + 1
               where organization_id = organizations.current() and id = :id"""
        ),
        {"id": delivery_id, "attempt": row.attempts + 1},
    )
    secrets = valid_secrets(connection, context.settings, context.id, row.endpoint_id)
    body = payload(row.type, row.created_at, row.data)
    headers = {
        "content-type": "application/json",
        "user-agent": "invoice-pipelines-webhooks",
        **headers_of(str(row.event_id), entry.run.clock.now(), body, secrets),
    }
    return _Intended(delivery_id, row.attempts + 1, row.tries + 1, row.endpoint_id, row.url, headers, body)


def payload(event_type: str, created_at: datetime, data: Mapping[str, Any]) -> bytes:
    """What is posted: the same bytes at each attempt."""
    timestamp = created_at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    content = {"type": event_type, "timestamp": timestamp, "data": dict(data)}
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def _record(
    connection: Connection, run: Run, sent: _Intended, answer: Answer | NotDelivered, seconds: float
) -> Outcome:
    if isinstance(answer, Answer):
        code, message = _judge(answer.status)
        status, beginning = answer.status, answer.text
    else:
        code, message, status, beginning = answer.code, one_line(str(answer)), None, None
    connection.execute(
        text(
            """update events.webhook_attempt
               set ended_at = clock_timestamp(), duration_seconds = :seconds, status_code = :status,
                   error_code = :code, error_message = :message, answer = :answer
               where organization_id = organizations.current() and delivery_id = :id and attempt = :attempt"""
        ),
        {
            "id": sent.delivery_id,
            "attempt": sent.attempt,
            "seconds": round(seconds, 3),
            "status": status,
            "code": code,
            "message": message,
            "answer": beginning,
        },
    )
    if code is None:
        _end(connection, sent.delivery_id, "delivered")
        _tell_success(connection, sent.endpoint_id)
        return Succeeded({"status_code": status, "attempt": sent.attempt})
    _tell_failure(connection, sent.endpoint_id, code, message or "")
    if sent.tries > len(PAUSES):
        _end(connection, sent.delivery_id, "failed")
        return Failed(code, message or "")
    return run.later(PAUSES[sent.tries - 1] * random.uniform(1, 1.1), code, message or "")


def _judge(status: int) -> tuple[str | None, str | None]:
    """Code and reason of a failure; none for an answer that says the webhook was taken."""
    if 200 <= status < 300:
        return None, None
    if status == 410:
        return "GONE", "The endpoint says that it is gone (410)."
    if 300 <= status < 400:
        return "REDIRECTED", f"The endpoint answered {status}; redirects are not followed."
    return f"HTTP_{status}", f"The endpoint answered {status}."


def _end(connection: Connection, delivery_id: UUID, status: str) -> None:
    connection.execute(
        text(
            """update events.webhook_delivery set status = :status, ended_at = clock_timestamp()
               where organization_id = organizations.current() and id = :id"""
        ),
        {"id": delivery_id, "status": status},
    )


def _tell_success(connection: Connection, endpoint_id: UUID) -> None:
    was_failing = connection.execute(
        text(
            """update events.webhook_endpoint set failures = 0, failing_since = null, rests_until = null
               where organization_id = organizations.current() and id = :id and failures > 0"""
        ),
        {"id": endpoint_id},
    ).rowcount
    if was_failing:
        connection.execute(
            text("select work.make_due(:kind, array[:code], null, true)"), {"kind": SEND_WEBHOOK, "code": RESTS}
        )


def _tell_failure(connection: Connection, endpoint_id: UUID, code: str, message: str) -> None:
    """Lets an endpoint rest, for a quarter of the time that it has failed; or disables it."""
    connection.execute(
        text(
            """update events.webhook_endpoint
               set failures = failures + 1, failing_since = coalesce(failing_since, now()),
                   rests_until = case when rests_until > now() then rests_until else
                       now() + least(greatest((now() - coalesce(failing_since, now())) / 4, :shortest), :longest) end,
                   status = case when :is_gone or failing_since < now() - cast(:give_up as interval)
                                 then 'disabled' else status end,
                   status_reason = case when :is_gone or failing_since < now() - cast(:give_up as interval)
                                        then :reason else status_reason end,
                   status_changed_at = case when :is_gone or failing_since < now() - cast(:give_up as interval)
                                            then now() else status_changed_at end
               where organization_id = organizations.current() and id = :id and status = 'enabled'"""
        ),
        {
            "id": endpoint_id,
            "shortest": SHORTEST_REST,
            "longest": LONGEST_REST,
            "is_gone": code == "GONE",
            "give_up": DISABLED_AFTER,
            "reason": message if code == "GONE" else f"Nothing was taken for {DISABLED_AFTER.days} days. {message}",
        },
    )
