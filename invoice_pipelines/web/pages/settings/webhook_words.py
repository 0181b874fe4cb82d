"""What events are called, and what became of an attempt to tell somebody of one."""

from __future__ import annotations

from collections.abc import Sequence

from invoice_pipelines.events.values import EVENT_TYPES
from invoice_pipelines.events.webhooks.deliveries import Attempt, Delivery
from invoice_pipelines.web.pages.errors import N_
from invoice_pipelines.web.pages.languages import Language

_GROUPS = {
    "received_invoice": N_("Received invoices"),
    "invoice": N_("Invoices"),
    "credit_note": N_("Credit notes"),
    "document": N_("Documents"),
    "message": N_("Messages"),
    "batch_operation": N_("Batch operations"),
    "quickbooks": N_("QuickBooks"),
}
_EVENTS = {
    "received_invoice.received": N_("An upload arrived"),
    "received_invoice.waits_for_review": N_("A received invoice waits for a person"),
    "received_invoice.validated": N_("A received invoice is read and valid"),
    "received_invoice.exported": N_("A received invoice is exported"),
    "received_invoice.failed": N_("A received invoice failed or was rejected"),
    "invoice.issued": N_("An invoice was issued"),
    "invoice.paid": N_("An invoice is paid"),
    "invoice.reopened": N_("A payment was taken back"),
    "invoice.overdue": N_("An invoice is overdue"),
    "invoice.voided": N_("An invoice was voided"),
    "invoice.credited": N_("An invoice was credited"),
    "credit_note.issued": N_("A credit note was issued"),
    "document.made": N_("A PDF or XML was made"),
    "message.sent": N_("A message was sent"),
    "message.delivered": N_("A message arrived"),
    "message.failed": N_("A message did not go out"),
    "message.bounced": N_("A message did not arrive"),
    "message.unknown": N_("Nobody can tell whether a message went out"),
    "batch_operation.completed": N_("A batch operation is done"),
    "batch_operation.completed_with_errors": N_("A batch operation is done, with errors"),
    "batch_operation.failed": N_("A batch operation failed"),
    "batch_operation.cancelled": N_("A batch operation was cancelled"),
    "quickbooks.conflict_opened": N_("QuickBooks and we changed the same"),
    "quickbooks.needs_reconnect": N_("QuickBooks has to be connected again"),
}
_NO_ANSWERS = {
    "TIMEOUT": N_("It did not answer in time."),
    "TLS": N_("Its certificate is not trusted."),
    "NO_ANSWER": N_("It gave no answer."),
    "NO_SUCH_HOST": N_("Its name is not known."),
    "ADDRESS_REFUSED": N_("Its name leads into a private network."),
}
_UNREACHABLE = N_("It could not be reached.")


def event_groups(language: Language) -> Sequence[tuple[str, str, Sequence[tuple[str, str]]]]:
    """All there is to be told of: groups, such as `invoice.*`, with their name and their events."""
    found: dict[str, list[tuple[str, str]]] = {}
    for name in EVENT_TYPES:
        found.setdefault(name.partition(".")[0], []).append((name, event_words(name, language)))
    return [(f"{name}.*", language.gettext(_GROUPS.get(name, name)), events) for name, events in found.items()]


def event_words(name: str | None, language: Language) -> str:
    """What an event, or a group of them, is called; one that is forgotten has no name any more."""
    if name is None:
        return language.gettext("An event that is not kept any more")
    if name.endswith(".*"):
        group = name.removesuffix(".*")
        return language.gettext("%(group)s: all") % {"group": language.gettext(_GROUPS.get(group, group))}
    return language.gettext(_EVENTS.get(name, name))


def outcome_words(attempt: Attempt | Delivery, language: Language) -> str:
    """What came of an attempt."""
    if attempt.status_code is not None:
        return language.gettext("It answered %(status)s.") % {"status": attempt.status_code}
    if attempt.error_code is not None:
        return language.gettext(_NO_ANSWERS.get(attempt.error_code, _UNREACHABLE))
    if attempt.started_at is None:
        return language.gettext("Not tried yet")
    return language.gettext("It is being told now.")
