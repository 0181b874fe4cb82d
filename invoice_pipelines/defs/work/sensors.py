"""The sensor that says of each failed run whose it was and why it failed."""

import dagster as dg

from invoice_pipelines.defs.organizations import ORGANIZATION_TAG
from invoice_pipelines.work.failures import without_secrets


@dg.run_failure_sensor(
    description="Writes one line for each failed run to the log of the code server: whose it was, and why it failed.",
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def failed_runs(context: dg.RunFailureSensorContext) -> None:
    """Writes one line for each failed run to the log of the code server, where a collector of logs finds it.

    What the run had leased goes back to the queue by itself: at once if the run could still do it, or else when the
    lease runs out.
    """
    run = context.dagster_run
    organization = run.tags.get("dagster/partition", run.tags.get(ORGANIZATION_TAG, "no single organization"))
    context.log.error("run %s of %s failed for %s: %s", run.run_id, run.job_name, organization, _reason(context))


def _reason(context: dg.RunFailureSensorContext) -> str:
    """The innermost error of the first step that failed, in one line; or what Dagster says of the run."""
    message = context.failure_event.message or "no reason given"
    for event in context.get_step_failure_events():
        data = event.step_failure_data
        if data.user_failure_data and data.user_failure_data.description:
            message = data.user_failure_data.description
        elif error := data.error:
            while error.cause:
                error = error.cause
            message = error.message
        break
    return without_secrets(" ".join(message.split())[:500])
