"""Which domain a kind of work belongs to, as Dagster's pages call them."""

from __future__ import annotations

from invoice_pipelines.accounting.systems import accounting_systems
from invoice_pipelines.billing.imports.batch import IMPORT_CSV
from invoice_pipelines.delivery.values import MAKE_DOCUMENTS, SENDING_KINDS
from invoice_pipelines.events.values import SEND_WEBHOOK
from invoice_pipelines.intake.states import EXPORT, EXPORT_NOW, PARSE, PROCESS, RECOGNIZE, VALIDATE
from invoice_pipelines.overdue.asked import LOOK_FOR_OVERDUE

_OTHERS = "other"
_DOMAINS = {
    **dict.fromkeys((PARSE, VALIDATE, EXPORT, PROCESS, EXPORT_NOW), "intake"),
    RECOGNIZE: "recognition",
    IMPORT_CSV: "imports",
    **dict.fromkeys(("invoice_orders", "invoice_customers"), "invoicing"),
    **dict.fromkeys((MAKE_DOCUMENTS, *SENDING_KINDS), "delivery"),
    LOOK_FOR_OVERDUE: "overdue",
    SEND_WEBHOOK: "webhooks",
}


def domain_of(kind: str) -> str:
    """The domain of a kind of work; `other` for one that none knows."""
    systems = (system.name for system in accounting_systems() if kind.startswith(system.name))
    return _DOMAINS.get(kind) or next(systems, _OTHERS)
