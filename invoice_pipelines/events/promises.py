"""Promises about what programs are told of an organization, with queries for whatever breaks them."""

from __future__ import annotations

from functools import partial

from invoice_pipelines.events.values import SEND_WEBHOOK
from invoice_pipelines.promises import Promise, offending

_FAILING = """
    select w.url || ': ' || coalesce(w.status_reason, 'nothing was taken since ' || w.failing_since) as name
    from events.webhook_endpoint w
    where w.organization_id = organizations.current()
      and (w.status = 'disabled' and w.failures > 0
           or w.status = 'enabled' and w.failing_since < now() - interval '1 hour')"""

_LATE = f"""
    select w.url as name
    from events.webhook_endpoint w
    where w.organization_id = organizations.current() and w.status = 'enabled' and exists (
        select from work.items i
        join events.webhook_delivery d on d.organization_id = i.organization_id and d.id = i.subject_id::uuid
        where i.organization_id = w.organization_id and i.kind = '{SEND_WEBHOOK}' and i.status = 'pending'
          and i.available_at < now() - interval '1 hour' and d.endpoint_id = w.id)"""

OF_WEBHOOKS = (
    Promise(
        "endpoints_answer",
        "Every webhook endpoint took something within the last hour of trying, and none was disabled as it did not. "
        "`invoice-pipelines webhooks attempts` shows what it answered; a disabled one is enabled by hand.",
        partial(offending, query=_FAILING),
        warns=True,
    ),
    Promise(
        "no_webhook_is_late",
        "Nothing that can be told to a webhook endpoint waits for more than an hour. What failed before, and waits for "
        "its next attempt, does not count.",
        partial(offending, query=_LATE),
        warns=True,
    ),
)
