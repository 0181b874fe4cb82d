"""Events as Dagster sees them: the asset of webhooks, and what is told of it. That something happened is written by
PostgreSQL itself, and programs that ask for it need no run.
"""

from __future__ import annotations

from datetime import timedelta

import dagster as dg

from invoice_pipelines.defs.checks import evaluated
from invoice_pipelines.defs.domain import Domain, Stage, StageResult, Turn
from invoice_pipelines.defs.factory import definitions_of
from invoice_pipelines.defs.metadata import bar_chart, table_of
from invoice_pipelines.defs.progress import progress_lines
from invoice_pipelines.events.promises import OF_WEBHOOKS
from invoice_pipelines.events.values import SEND_WEBHOOK
from invoice_pipelines.events.webhooks.due import organizations_with_webhooks

LONGEST_TURN = timedelta(minutes=2)
"""How long endpoints of one organization may keep a sweep from those of the others."""


def tell_endpoints(turn: Turn, _: object = None) -> StageResult:
    """Tells the endpoints of an organization of what happened."""
    from invoice_pipelines.events.webhooks.endpoints import list_endpoints
    from invoice_pipelines.events.webhooks.sending import deliver_webhooks

    organization = turn.organization
    report = deliver_webhooks(
        organization,
        time_box=min(organization.time_box, LONGEST_TURN),
        on_progress=progress_lines(turn.log, "webhooks"),
    )
    with organization.scope() as connection:
        endpoints = list_endpoints(connection)
        results = evaluated(OF_WEBHOOKS, connection)
    shown = {
        "told": report.delivered,
        "attempts that failed": sum(report.failed_attempts.values()),
        "given up": report.failed,
        "tried again later": report.postponed,
        "webhooks per second": round(report.delivered / max(report.seconds, 1e-6), 1),
        "seconds": round(report.seconds, 2),
        "why attempts failed": bar_chart("reason", "attempts", sorted(report.failed_attempts.items())),
        "endpoints": table_of(endpoints, "url status why=status_reason waiting failures failing_since rests_until"),
    }
    return StageResult(report.delivered + sum(report.failed_attempts.values()) > 0, shown, results)


WEBHOOK_DELIVERIES = Stage(
    key=dg.AssetKey(["events", "webhook_deliveries"]),
    description="What endpoints of programs were told of events: each at least once, signed as Standard Webhooks says.",
    kinds=frozenset({"postgres", "http"}),
    deps=[
        dg.AssetKey(["intake", "validated_invoices"]),
        dg.AssetKey(["intake", "export_files"]),
        dg.AssetKey(["billing", "issued_invoices"]),
        dg.AssetKey(["overdue", "notifications"]),
        dg.AssetKey(["delivery", "invoice_documents"]),
        dg.AssetKey(["delivery", "messages"]),
    ],
    metadata={"dagster/table_name": "events.webhook_delivery"},
    work=tell_endpoints,
    standing=frozenset({"endpoints"}),
    promises=OF_WEBHOOKS,
)
WEBHOOKS = Domain(
    name="webhooks",
    description="Tells the webhook endpoints of one organization of what happened in it.",
    does="Tells the webhook endpoints of {} of what happened",
    owner="team:data_platform",
    stages=(WEBHOOK_DELIVERIES,),
    kinds=(SEND_WEBHOOK,),
    due=lambda connection, _: organizations_with_webhooks(connection),
    sensor="webhooks_due",
    sensor_description="Asks for a run over the organizations whose webhook endpoints have something to be told, beside"
    "\nall other runs, one at a time: an endpoint that does not answer holds up nothing else.",
    beside="(webhooks)",
)


@dg.definitions
def webhooks() -> dg.Definitions:
    return definitions_of(WEBHOOKS)
