"""What sensors leave alone because a person wants it so: organizations whose run somebody terminated."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from invoice_pipelines.defs.domain import Domain
from invoice_pipelines.defs.run_failures import organization_of

DAEMON_SAYS = "maximum runtime"
"""In the words with which Dagster's daemon terminates a run."""


def organizations_held(domain: Domain, instance: dg.DagsterInstance, minutes: int) -> set[str]:
    """Slugs whose run of a domain, or a sweep over them, somebody terminated within so many minutes; but for those of
    which a person has started another one since.
    """
    since = datetime.now(UTC) - timedelta(minutes=minutes)
    asked = instance.fetch_run_status_changes(
        dg.RunStatusChangeRecordsFilter(dg.DagsterEventType.RUN_CANCELING, after_timestamp=since.timestamp()),
        limit=1000,
    ).records
    by_daemon = {record.run_id for record in asked if DAEMON_SAYS in record.event_log_entry.user_message}
    ids = sorted({record.run_id for record in asked} - by_daemon)
    if not ids:
        return set()
    stopped = _runs(domain, instance, dg.RunsFilter(run_ids=ids, statuses=[dg.DagsterRunStatus.CANCELED]))
    held: dict[str, datetime] = {}
    for record in stopped:
        for slug in slugs_of(domain, record.dagster_run):
            held[slug] = max(record.create_timestamp, held.get(slug, record.create_timestamp))
    if not held:
        return set()
    # No sensor asks for a run of what is held, so that a later one is a person's.
    for record in _runs(domain, instance, dg.RunsFilter(created_after=min(held.values()))):
        for slug in slugs_of(domain, record.dagster_run):
            if slug in held and record.create_timestamp > held[slug]:
                del held[slug]
    return set(held)


def slugs_of(domain: Domain, run: dg.DagsterRun) -> list[str]:
    """The organizations that a run was asked to take, as far as it says so."""
    if run.job_name == domain.sweep:
        config: dict[str, Any] = dict(run.run_config)
        return list(config["ops"][domain.sweep_op]["config"]["organizations"])
    return [organization_of(run)]


def _runs(domain: Domain, instance: dg.DagsterInstance, which: dg.RunsFilter) -> list[dg.RunRecord]:
    return [record for record in instance.get_run_records(which) if domain.includes(record.dagster_run)]
