"""Holds the sweep: a domain's steps for many organizations in one run, where a run for each would cost more than the
work. What a step does is the domain's.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import dagster as dg
from pydantic import Field

from invoice_pipelines.defs.metadata import without_empty_tables
from invoice_pipelines.defs.resources import InvoiceDatabase
from invoice_pipelines.work.failures import reason_of

LEFT_OUT = "left_out/"
"""Start of the tags that name the organizations a sweep could not process. The sensor lets these rest."""

LONGEST_REASON = 200


@dataclass(frozen=True, slots=True)
class StepResult:
    """What a step did for an asset in one organization. `happened` is False where there was nothing to do."""

    happened: bool
    metadata: Mapping[str, Any]
    checks: list[dg.AssetCheckResult]
    blocking: frozenset[str] = field(default=frozenset())
    """Names of the checks that stop what comes after their asset."""

    def materialization(self) -> dg.MaterializeResult:  # type: ignore[type-arg]
        """The result an asset returns."""
        return dg.MaterializeResult(metadata=self.shown, check_results=self.checks)

    @property
    def shown(self) -> dict[str, Any]:
        """The metadata that is worth showing."""
        return without_empty_tables(self.metadata)

    @property
    def broken(self) -> list[str]:
        """Names of the blocking checks that failed: the next step must not run."""
        return [
            str(check.check_name) for check in self.checks if not check.passed and check.check_name in self.blocking
        ]


Steps = Callable[[InvoiceDatabase, str, logging.Logger], Iterator[tuple[dg.AssetKey, StepResult]]]
"""Does the steps of the organization with a slug one after the other, each when its result is asked for."""


class Sweep(dg.Config):
    """Which organizations a sweep takes."""

    organizations: list[str] = Field(description="Slugs, in the order in which they are taken.")


class BrokenPromise(Exception):
    """A blocking check failed, so that the later steps of the organization must not run."""


def sweep(context: dg.OpExecutionContext, organizations: list[str], database: InvoiceDatabase, steps: Steps) -> None:
    """Does all steps for each organization until the run's time is up.

    Logs a materialization, and its checks, for each organization and asset in which something happened. An
    organization in which something is broken is left out, named in a tag of the run, and stops no other; at the end
    the run fails for it.
    """
    deadline = time.monotonic() + database.settings.run_time_box_seconds
    left_out: dict[str, str] = {}
    for number, slug in enumerate(organizations):
        if time.monotonic() > deadline:
            context.log.info("the time of this run is up; %s organizations are next", len(organizations) - number)
            break
        try:
            for key, result in steps(database, slug, context.log):
                report_step(context, key, slug, result)
                if result.broken:
                    raise BrokenPromise(f"{key.path[-1]}: {', '.join(result.broken)}")
        except Exception as error:  # noqa: BLE001 (one organization must not stop the others)
            left_out[slug] = reason_of(error).message[:LONGEST_REASON]
            context.log.error("%s is left out: %s", slug, left_out[slug])
        if number % 50 == 49:
            context.log.info("%s of %s organizations done", number + 1, len(organizations))
    if left_out:
        tags = {f"{LEFT_OUT}{slug}": reason for slug, reason in left_out.items()}
        context.instance.add_run_tags(context.run_id, tags)
        first = next(iter(left_out))
        raise dg.Failure(
            f"{len(left_out)} of {len(organizations)} organizations could not be processed, "
            f"among them {first}: {left_out[first]}",
            metadata={"left out": dg.MetadataValue.json(dict(list(left_out.items())[:20]))},
            allow_retries=False,
        )


def report_step(context: dg.OpExecutionContext, key: dg.AssetKey, slug: str, result: StepResult) -> None:
    """Logs a materialization where something happened, and the checks, for the partition of an organization."""
    if result.happened:
        context.log_event(dg.AssetMaterialization(key, partition=slug, metadata=result.shown))
    for check in result.checks:
        if result.happened or not check.passed:
            evaluation = dg.AssetCheckEvaluation(
                asset_key=key,
                check_name=str(check.check_name),
                passed=check.passed,
                severity=check.severity,
                metadata=check.metadata,
                blocking=check.check_name in result.blocking,
                partition=slug,
            )
            context.log_event(evaluation)  # type: ignore[arg-type]  # it takes these; its annotation leaves them out
