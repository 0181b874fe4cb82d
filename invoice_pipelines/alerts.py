"""Tells people by webhook and by mail what failed: one message for all that failed since the one before.

What failed, the doors know; who is told, the settings say (`ALERT_...`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from uuid import uuid4

import httpx

from invoice_pipelines.delivery.channels.channel import NotAccepted, OutcomeUnknown, Outgoing
from invoice_pipelines.delivery.channels.mail import MailChannel
from invoice_pipelines.errors import InvoicePipelinesError
from invoice_pipelines.http_clients import open_http_client
from invoice_pipelines.settings import Settings, variable_of

SHOWN = 20
"""How many failures a message tells of; of the others, their number."""

WEBHOOK_SECONDS = 10.0


class AlertError(InvoicePipelinesError):
    """A message could not be handed over, so that it is to be sent again later. Names no address and no secret."""


@dataclass(frozen=True, slots=True)
class Alert:
    """Something that failed: a run, named by its job, or a check, named as `asset: check`."""

    name: str
    organization: str
    """Slug; empty where it is not that of a single one."""
    run_id: str
    """Empty where it was noticed outside of a run."""
    reason: str
    """One line without secrets."""
    url: str | None = None
    """Where a person sees more."""

    @property
    def line(self) -> str:
        """All of it, for people."""
        whose = f" ({self.organization})" if self.organization else ""
        where = self.url or (f"run {self.run_id}" if self.run_id else "")
        return f"{self.name}{whose}: {self.reason}" + (f"\n    {where}" if where else "")


@dataclass(frozen=True, slots=True)
class Digest:
    """A message. `alerts` are the first of `count` that failed."""

    count: int
    alerts: Sequence[Alert]

    @property
    def subject(self) -> str:
        """In one line."""
        return "invoice_pipelines: 1 failure" if self.count == 1 else f"invoice_pipelines: {self.count:,} failures"

    @property
    def text(self) -> str:
        """For people."""
        more = self.count - len(self.alerts)
        lines = [self.subject, "", *(alert.line for alert in self.alerts)]
        return "\n".join([*lines, f"and {more:,} more"] if more else lines)


def post(digest: Digest, settings: Settings) -> None:
    """Sends a digest to the webhook. Raises AlertError where it was not taken."""
    if settings.alert_webhook_url is None:
        raise AlertError(f"{variable_of('alert_webhook_url')} is not set")
    content = {"text": digest.text, "count": digest.count, "alerts": [asdict(alert) for alert in digest.alerts]}
    try:
        with open_http_client(timeout=WEBHOOK_SECONDS) as client:
            answer = client.post(settings.alert_webhook_url.get_secret_value(), json=content)
    except (httpx.HTTPError, httpx.InvalidURL) as error:  # its text may hold the address, which is a secret
        raise AlertError(f"the webhook cannot be reached: {type(error).__name__}") from None
    if not answer.is_success:
        raise AlertError(f"the webhook answered {answer.status_code}")


def mail(digest: Digest, settings: Settings) -> None:
    """Sends a digest by mail. Raises AlertError where the mail server did not take it."""
    if settings.alert_email_to is None or settings.email_from is None:
        missing = variable_of("alert_email_to" if settings.alert_email_to is None else "email_from")
        raise AlertError(f"{missing} is not set")
    try:
        channel = MailChannel(settings)
        try:
            channel.send(
                Outgoing(
                    message_id=uuid4(),
                    channel="email",
                    sender=settings.email_from,
                    recipient=settings.alert_email_to,
                    subject=digest.subject,
                    text=digest.text,
                    date=datetime.now(UTC),
                )
            )
        finally:
            channel.close()
    except (NotAccepted, OutcomeUnknown) as error:
        raise AlertError(str(error)) from None


SENDERS: Mapping[str, tuple[str, Callable[[Digest, Settings], None]]] = MappingProxyType(
    {"webhook": ("alert_webhook_url", post), "mail": ("alert_email_to", mail)}
)
"""By which ways people are told: the setting that says whom, and what sends it."""
