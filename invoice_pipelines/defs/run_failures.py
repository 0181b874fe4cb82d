"""Whose a failed run was, and why it failed, in one line each."""

from __future__ import annotations

from collections.abc import Iterable

import dagster as dg

from invoice_pipelines.defs.organizations import ORGANIZATION_TAG
from invoice_pipelines.work.failures import without_secrets

LONGEST_REASON = 500


def organization_of(run: dg.DagsterRun) -> str:
    """What the run says of its organization: a slug, a word in parentheses for several, or nothing."""
    return run.tags.get("dagster/partition", run.tags.get(ORGANIZATION_TAG, ""))


def reason_of_run(instance: dg.DagsterInstance, run_id: str, said: str | None) -> str:
    """The reason of a run that failed, by its events, which takes a query."""
    steps = instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    return reason_of_failure((entry.dagster_event for entry in steps if entry.dagster_event is not None), said)


def reason_of_failure(step_failures: Iterable[dg.DagsterEvent], said: str | None) -> str:
    """The innermost error of the first step that failed; without any, what Dagster `said` of the run."""
    message = said or "no reason given"
    for event in step_failures:
        data = event.step_failure_data
        if data.user_failure_data and data.user_failure_data.description:
            message = data.user_failure_data.description
        elif error := data.error:
            while error.cause:
                error = error.cause
            message = error.message
        break
    return without_secrets(" ".join(message.split())[:LONGEST_REASON])
