"""The asset of the fleet's health, and the sensor that keeps it up to date without a run."""

import hashlib
import json
import time

import dagster as dg

from invoice_pipelines.defs.domain import CODE_VERSION
from invoice_pipelines.defs.operations.health import (
    DOMAINS,
    HEALTH,
    LATE_AFTER,
    check_name,
    check_results,
    health_metadata,
    look_at_fleet,
)
from invoice_pipelines.defs.refusals import refusals_fail_the_run
from invoice_pipelines.defs.resources import InvoiceDatabase, skips_until_ready

EVERY_SECONDS = 300
TELL_AFTER_SECONDS = 3600
"""Where nothing changes, the same is told this often."""


@dg.asset(
    key=HEALTH,
    group_name="operations",
    description="How all organizations are: what waits, which are in trouble, since when and why. A sensor keeps it up "
    "to date; it can\nbe materialized at any time.",
    kinds={"postgres"},
    owners=["team:operations"],
    code_version=CODE_VERSION,
    check_specs=[
        dg.AssetCheckSpec(
            check_name(domain),
            asset=HEALTH,
            description=f"In every organization, runs of {domain.name} succeed and ready work waits no longer than "
            f"{LATE_AFTER.total_seconds() / 60:.0f} minutes. A warning; an error after a day, or in all organizations.",
        )
        for domain in DOMAINS
    ],
)
@refusals_fail_the_run()
def health(context: dg.AssetExecutionContext, database: InvoiceDatabase) -> dg.MaterializeResult:  # type: ignore[type-arg]
    found = look_at_fleet(context.instance, database)
    return dg.MaterializeResult(metadata=health_metadata(found), check_results=check_results(found))


@dg.sensor(
    name="fleet_health",
    description="Reports how all organizations are to the asset operations/health, without a run: where something "
    "changed, or once an hour.",
    minimum_interval_seconds=EVERY_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
@skips_until_ready
def fleet_health(context: dg.SensorEvaluationContext, database: InvoiceDatabase) -> dg.SensorResult:
    """Events without a run stay in Dagster's records for ever, so that what did not change is told seldom."""
    found = look_at_fleet(context.instance, database)
    troubles = [[each.slug, each.domain, each.why] for each in found.troubles]
    now = hashlib.sha256(json.dumps([troubles, dict(found.waiting)]).encode()).hexdigest()
    told = json.loads(context.cursor or "{}")
    if told.get("fleet") == now and time.time() - told["at"] < TELL_AFTER_SECONDS:
        return dg.SensorResult(skip_reason="all is as it was told", cursor=context.cursor)
    checks = [
        dg.AssetCheckEvaluation(
            asset_key=HEALTH,
            check_name=str(result.check_name),
            passed=result.passed,
            severity=result.severity,
            description=result.description,
            metadata=result.metadata,
        )
        for result in check_results(found)
    ]
    return dg.SensorResult(
        asset_events=[dg.AssetMaterialization(HEALTH, metadata=health_metadata(found)), *checks],
        cursor=json.dumps({"at": time.time(), "fleet": now}),
    )
