"""Holds the sweep: all stages for many organizations in one run, where a run for each would cost more than the work."""

from __future__ import annotations

import time

import dagster as dg
from pydantic import Field

from invoice_pipelines.defs.intake.checks import BLOCKING
from invoice_pipelines.defs.intake.steps import STEPS, StepResult
from invoice_pipelines.defs.resources import InvoiceDatabase
from invoice_pipelines.work.failures import reason_of

LEFT_OUT = "left_out/"
"""Start of the tags that name the organizations a sweep could not process. The sensor lets these rest."""

LONGEST_REASON = 200


class Sweep(dg.Config):
    """Which organizations a sweep takes."""

    organizations: list[str] = Field(description="Slugs, in the order in which they are taken.")


class BrokenPromise(Exception):
    """A blocking check failed, so that the later stages of the organization must not run."""


def sweep(context: dg.OpExecutionContext, organizations: list[str], database: InvoiceDatabase) -> dict[str, str]:
    """Does all stages for each organization until the run's time is up; returns what went wrong by organization.

    Logs a materialization, and its checks, for each organization and stage in which something happened. An
    organization in which something is broken is left out, named in a tag of the run, and stops no other.
    """
    deadline = time.monotonic() + database.settings.run_time_box_seconds
    left_out: dict[str, str] = {}
    for number, slug in enumerate(organizations):
        if time.monotonic() > deadline:
            context.log.info("the time of this run is up; %s organizations are next", len(organizations) - number)
            break
        try:
            _take(context, slug, database)
        except Exception as error:  # noqa: BLE001 (one organization must not stop the others)
            left_out[slug] = reason_of(error).message[:LONGEST_REASON]
            context.log.error("%s is left out: %s", slug, left_out[slug])
        if number % 50 == 49:
            context.log.info("%s of %s organizations done", number + 1, len(organizations))
    if left_out:
        tags = {f"{LEFT_OUT}{slug}": reason for slug, reason in left_out.items()}
        context.instance.add_run_tags(context.run_id, tags)
    return left_out


def _take(context: dg.OpExecutionContext, slug: str, database: InvoiceDatabase) -> None:
    intake = database.intake(slug)
    for name, step in STEPS.items():
        result = step(intake, context.log)
        _report(context, name, slug, result)
        if result.broken:
            raise BrokenPromise(f"{name}: {', '.join(result.broken)}")


def _report(context: dg.OpExecutionContext, name: str, slug: str, result: StepResult) -> None:
    key = dg.AssetKey(["intake", name])
    if result.happened:
        metadata = result.materialization().metadata
        context.log_event(dg.AssetMaterialization(key, partition=slug, metadata=metadata))
    for check in result.checks:
        if result.happened or not check.passed:
            evaluation = dg.AssetCheckEvaluation(
                asset_key=key,
                check_name=str(check.check_name),
                passed=check.passed,
                severity=check.severity,
                metadata=check.metadata,
                blocking=check.check_name in BLOCKING,
                partition=slug,
            )
            context.log_event(evaluation)  # type: ignore[arg-type]  # it takes these; its annotation leaves them out
