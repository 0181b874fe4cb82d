"""Sensors that look after runs: they say why one failed, and launch again what the queue of warm workers lost."""

import json

import dagster as dg

from invoice_pipelines.defs.run_failures import organization_of, reason_of_failure


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
    organization = organization_of(run) or "no single organization"
    reason = reason_of_failure(context.get_step_failure_events(), context.failure_event.message)
    context.log.error("run %s of %s failed for %s: %s", run.run_id, run.job_name, organization, reason)


@dg.sensor(
    description="Launches runs again that the queue of warm workers lost, as Redis ended with what was in it.",
    minimum_interval_seconds=10,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def lost_runs(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Launches runs again that the queue of warm workers lost. Other launchers know no queue."""
    launch_lost = getattr(context.instance.run_launcher, "launch_lost", None)
    if launch_lost is None:
        return dg.SkipReason("runs are launched without a queue")
    launched, misses = launch_lost(json.loads(context.cursor or "{}"))
    context.update_cursor(json.dumps(misses))
    return dg.SkipReason(f"launched again: {', '.join(launched)}" if launched else "none is lost")
