"""The fleet at a glance: where work waits for too long, or runs fail, over all organizations.

PostgreSQL knows what waits, and Dagster's records what failed. Neither is asked once per organization, so that ten
thousand of them cost little.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from invoice_pipelines.accounting.systems import accounting_systems
from invoice_pipelines.defs.accounting.domain import accounting_domain
from invoice_pipelines.defs.billing.domain import INVOICING
from invoice_pipelines.defs.billing.imported_records import IMPORTS
from invoice_pipelines.defs.billing.receivables import RECEIVABLES
from invoice_pipelines.defs.checks import severity
from invoice_pipelines.defs.delivery.domain import DELIVERY
from invoice_pipelines.defs.domain import Domain
from invoice_pipelines.defs.events.domain import WEBHOOKS
from invoice_pipelines.defs.intake.domain import INTAKE
from invoice_pipelines.defs.intake.recognition import RECOGNITION
from invoice_pipelines.defs.metadata import bar_chart, one_line
from invoice_pipelines.defs.overdue.domain import OVERDUE
from invoice_pipelines.defs.overdue.late_runs import late_organizations
from invoice_pipelines.defs.resources import InvoiceDatabase
from invoice_pipelines.defs.run_failures import reason_of_run
from invoice_pipelines.defs.run_requests import failing
from invoice_pipelines.organizations import list_organizations
from invoice_pipelines.work import organizations_with_work

LATE_AFTER = timedelta(hours=1)
"""Work that could be done and waits for longer is trouble."""
TOO_LATE_AFTER = timedelta(days=1)
"""Work that waits for longer makes the check an error, not a warning."""
SHOWN = 50

DOMAINS = (
    INTAKE,
    RECOGNITION,
    IMPORTS,
    INVOICING,
    RECEIVABLES,
    DELIVERY,
    OVERDUE,
    WEBHOOKS,
    *map(accounting_domain, accounting_systems()),
)


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why an organization needs somebody to look at a domain, since when, and the run that says more."""

    slug: str
    domain: str
    why: str
    since: datetime | None = None
    run_id: str | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """How the fleet is at a moment: `waiting` are items that could be done now, `oldest` for how long the first waits,
    both by domain.
    """

    at: datetime
    organizations: int
    waiting: Mapping[str, int]
    oldest: Mapping[str, timedelta]
    troubles: Sequence[Trouble]

    def of(self, domain: str) -> list[Trouble]:
        """The troubles of a domain."""
        return [trouble for trouble in self.troubles if trouble.domain == domain]


def look_at_fleet(instance: dg.DagsterInstance, database: InvoiceDatabase) -> Health:
    """How the fleet is now."""
    now = datetime.now(UTC)
    registered = list_organizations(database.engine)
    slugs = {found.id: found.slug for found in registered}
    known = set(slugs.values())
    domains = {kind: domain.name for domain in DOMAINS for kind in domain.kinds}
    waiting = {domain.name: 0 for domain in DOMAINS if domain.kinds}
    oldest = dict.fromkeys(waiting, timedelta())
    troubles = []
    with database.engine.connect() as connection:
        for work in organizations_with_work(connection, list(domains)):
            domain, age = domains[work.kind], now - work.oldest_due_at
            waiting[domain] += work.due_items
            oldest[domain] = max(oldest[domain], age)
            if age > LATE_AFTER and work.organization_id in slugs:
                why = f"{work.due_items} of {work.kind} wait to be done"
                troubles.append(Trouble(slugs[work.organization_id], domain, why, work.oldest_due_at))
    for which in DOMAINS:
        failed = [(slug, run) for slug, run in failing(which, instance).items() if slug in known]
        for number, (slug, run) in enumerate(failed):
            why = run.reason or (reason_of_run(instance, run.run_id, None) if number < SHOWN else "its run failed")
            troubles.append(Trouble(slug, which.name, why, run.at, run.run_id))
    late = late_organizations(database, registered)
    if not isinstance(late, str):
        why = f"no run started since {late.since:%Y-%m-%d %H:%M %Z} has finished"
        troubles += [Trouble(slug, OVERDUE.name, why, late.since) for slug in sorted(late.slugs)]
    troubles.sort(key=lambda trouble: (trouble.since or now, trouble.slug))
    return Health(now, len(registered), waiting, oldest, troubles)


def health_metadata(health: Health) -> dict[str, Any]:
    """Counts, which Dagster plots over time; and the organizations in trouble, those with the oldest first."""
    shown: dict[str, Any] = {
        "organizations": health.organizations,
        "organizations in trouble": len({trouble.slug for trouble in health.troubles}),
    }
    for domain in DOMAINS:
        shown[f"in trouble: {domain.name}"] = len({trouble.slug for trouble in health.of(domain.name)})
    for name, items in health.waiting.items():
        shown[f"items waiting: {name}"] = items
        shown[f"oldest waits for minutes: {name}"] = round(health.oldest[name].total_seconds() / 60, 1)
    shown["items waiting"] = bar_chart("domain", "items", health.waiting.items())
    if health.troubles:
        shown["in trouble"] = troubles_table(health.troubles)
    return shown


def troubles_table(troubles: Sequence[Trouble]) -> dg.MarkdownMetadataValue:
    """The first troubles, each with links to the asset of its organization, and to the run."""
    assets = {domain.name: domain.stages[0].key.to_user_string() for domain in DOMAINS}
    lines = ["| organization | domain | since, UTC | why | run |", "| --- | --- | --- | --- | --- |"]
    for found in troubles[:SHOWN]:
        organization = f"[{found.slug}](/assets/{assets[found.domain]}?view=partitions&partition={found.slug})"
        since = f"{found.since.astimezone(UTC):%Y-%m-%d %H:%M}" if found.since else ""
        run = f"[{found.run_id[:8]}](/runs/{found.run_id})" if found.run_id else ""
        lines.append(f"| {organization} | {found.domain} | {since} | {one_line(found.why)} | {run} |")
    if len(troubles) > SHOWN:
        lines.append(f"| and {len(troubles) - SHOWN} more | | | | |")
    return dg.MetadataValue.md("\n".join(lines))


def check_name(domain: Domain) -> str:
    """Of the check of a domain."""
    return f"{domain.name}_is_healthy"


def check_results(health: Health) -> list[dg.AssetCheckResult]:
    """A check for each domain: a warning where an organization is in trouble, an error where one is for too long or all
    are.
    """
    results = []
    for domain in DOMAINS:
        troubles = health.of(domain.name)
        affected = {trouble.slug for trouble in troubles}
        first = min((trouble.since for trouble in troubles if trouble.since), default=health.at)
        is_grave = health.at - first > TOO_LATE_AFTER or len(affected) == health.organizations
        results.append(
            dg.AssetCheckResult(
                check_name=check_name(domain),
                asset_key=HEALTH,
                passed=not troubles,
                severity=severity(warns=not is_grave),
                description=_in_short(troubles),
                metadata={"organizations in trouble": len(affected)}
                | ({"in trouble": troubles_table(troubles)} if troubles else {}),
            )
        )
    return results


def _in_short(troubles: Sequence[Trouble]) -> str | None:
    """As an alert says it."""
    if not troubles:
        return None
    first, *others = troubles
    return f"{first.slug}: {first.why}" + (f"; and {len(others)} more" if others else "")


HEALTH = dg.AssetKey(["operations", "health"])
