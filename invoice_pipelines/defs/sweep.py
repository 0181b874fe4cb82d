"""The sweep: a domain's stages for many organizations in one run, where a run for each would cost more than the work.
What a stage does is the domain's.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

import dagster as dg
from pydantic import Field

from invoice_pipelines.database.tables import count_rows
from invoice_pipelines.defs.checks import FailedChecks, log_checks
from invoice_pipelines.defs.domain import DATA_VERSION_TAG, Stage, StageResult, TakeTurn, Turn
from invoice_pipelines.defs.organizations import ORGANIZATION_TAG
from invoice_pipelines.defs.resources import InvoiceDatabase
from invoice_pipelines.errors import InvoicePipelinesError
from invoice_pipelines.organizations import list_organizations
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.work.failures import reason_of

LEFT_OUT = "left_out/"
"""Start of the tags that name the organizations a sweep could not process. The sensor lets these rest."""

NOT_REACHED = "first_not_reached"
"""Tag with the first organization that a sweep had no time for; the following ones it did not reach either."""
LONGEST_TURN_SECONDS = 60
"""How long the work of one organization may keep a sweep of many from the others, between two chunks."""

ROW_COUNT = "dagster/row_count"
LONGEST_REASON = 200

BATCH_JOB_TAG = "batch_job"
"""Tag of a run with the id of the batch job it worked at; of the second one, `batch_job/2`, and so on."""
MOST_TAGGED = 20


class Sweep(dg.Config):
    """Which organizations a sweep takes."""

    organizations: list[str] = Field(description="Slugs, in the order in which they are taken.")


class BrokenPromise(InvoicePipelinesError):
    """A blocking check failed, so that the later stages of the organization must not run."""


def organizations_named(database: InvoiceDatabase, slugs: list[str]) -> list[str]:
    """The slugs that a person gave; of all organizations, where there are none. Raises OrganizationError for one that
    does not exist.
    """
    for slug in slugs:
        database.organization(slug)
    return slugs or sorted(found.slug for found in list_organizations(database.engine))


def sweep(
    context: dg.OpExecutionContext,
    slugs: list[str],
    database: InvoiceDatabase,
    take_turn: TakeTurn,
    *,
    to_the_end: bool = False,
) -> None:
    """Does all stages for each organization until the run's time is up. One that has more to do than its share of the
    time allows, and a minute at least, leaves the rest to a later run, so that the others have their turn.

    Logs a materialization, and its checks, for each organization and asset in which something happened. An
    organization in which something is broken is left out, named in a tag of the run, and stops no other; at the end
    the run fails for it; also, if it is to come `to_the_end`, for those that its time was too short for.
    """
    seconds = database.settings.run_time_box_seconds
    deadline = time.monotonic() + seconds
    share = seconds if to_the_end else min(seconds, max(LONGEST_TURN_SECONDS, seconds // max(len(slugs), 1)))
    failed_before = FailedChecks(context.instance, slugs)
    are_many = len(slugs) > database.settings.sweep_threshold
    left_out: dict[str, str] = {}
    problems = []
    for number, slug in enumerate(slugs):
        if time.monotonic() > deadline:
            context.log.info("the time of this run is up; %s organizations are next", len(slugs) - number)
            context.instance.add_run_tags(context.run_id, {NOT_REACHED: slug})
            if to_the_end:
                problems.append(
                    f"The time of this run is up, and {len(slugs) - number} of {len(slugs)} organizations are left: "
                    f"run the job again with `start_with: {slug}`"
                )
            break
        try:
            organization = database.organization(slug).with_time_box(share)
            for stage, result in take_turn(Turn(organization, context.log, context.run_id)):
                report_stage(context, stage, organization, result, failed_before, is_one_of_many=are_many)
        except Exception as error:  # noqa: BLE001 (one organization must not stop the others)
            left_out[slug] = reason_of(error).message[:LONGEST_REASON]
            context.log.error("%s is left out: %s", slug, left_out[slug])
        if number % 50 == 49:
            context.log.info("%s of %s organizations done", number + 1, len(slugs))
    if left_out:
        tags = {f"{LEFT_OUT}{slug}": reason for slug, reason in left_out.items()}
        context.instance.add_run_tags(context.run_id, tags)
        first = next(iter(left_out))
        problems.append(
            f"{len(left_out)} of {len(slugs)} organizations could not be processed, "
            f"among them {first}: {left_out[first]}"
        )
    if problems:
        shown = {"left out": dg.MetadataValue.json(dict(list(left_out.items())[:20]))} if left_out else {}
        raise dg.Failure("; ".join(problems), metadata=shown, allow_retries=False)


def counted(stage: Stage, organization: OrganizationContext, result: StageResult) -> StageResult:
    """The result of a stage with how many rows the organization has in its table, where something happened."""
    if not result.happened or not stage.table or ROW_COUNT in result.metadata:
        return result
    with organization.scope() as connection:
        rows = count_rows(connection, stage.table)
    return replace(result, metadata={**result.metadata, ROW_COUNT: rows})


def report_stage(
    context: dg.OpExecutionContext,
    stage: Stage,
    organization: OrganizationContext,
    result: StageResult,
    failed_before: FailedChecks | None = None,
    *,
    is_one_of_many: bool = False,
) -> None:
    """Logs a materialization where something happened, and the checks, for the partition of an organization; where
    nothing happened, checks that fail, and those that do not any more. Raises BrokenPromise where what comes after must
    not run. Of one of many organizations it does not say what the asset was made from, as finding that out takes
    milliseconds for each; Dagster goes by the time then.
    """
    if result.happened:
        shown = counted(stage, organization, result).shown
        tags = {DATA_VERSION_TAG: context.run_id}
        if not is_one_of_many:
            tags |= stage.inputs(context.instance, organization.slug)
        context.log_event(dg.AssetMaterialization(stage.key, partition=organization.slug, metadata=shown, tags=tags))
    before = FailedChecks(context.instance, [organization.slug]) if failed_before is None else failed_before
    told = [
        check
        for check in result.checks
        if result.happened
        or not check.passed
        or (check.check_name, organization.slug) in before.of(stage.key, stage.promises)
    ]
    log_checks(context, stage.key, stage.promises, organization.slug, told)
    blocking = {promise.name for promise in stage.promises if promise.blocking}
    broken = [str(check.check_name) for check in told if not check.passed and check.check_name in blocking]
    if broken:
        raise BrokenPromise(f"{stage.key.path[-1]}: {', '.join(broken)}")


def turn_of(context: dg.OpExecutionContext, database: InvoiceDatabase, slug: str) -> Turn:
    """The turn of an organization that a person named; the run gets its tag, as those of the sensor have it."""
    organization = database.organization(slug)
    context.instance.add_run_tags(context.run_id, {ORGANIZATION_TAG: slug})
    return Turn(organization, context.log, context.run_id)


def tag_batch_jobs(instance: dg.DagsterInstance, run_id: str, job_ids: Sequence[UUID]) -> None:
    """Names batch jobs that the run of an organization worked at in its tags, so that it is found by them, after those
    that earlier stages named.
    """
    run = instance.get_run_by_id(run_id) if job_ids else None
    if run is None:
        return
    keys = [BATCH_JOB_TAG, *(f"{BATCH_JOB_TAG}/{number}" for number in range(2, MOST_TAGGED + 1))]
    named = [run.tags[key] for key in keys if key in run.tags]
    ids = dict.fromkeys([*named, *map(str, job_ids)])
    if len(ids) > len(named):
        instance.add_run_tags(run_id, dict(zip(keys, ids, strict=False)))


def report_work(
    context: dg.OpExecutionContext,
    stage: Stage,
    organization: OrganizationContext,
    result: StageResult,
    *,
    job_id: UUID | None = None,
) -> None:
    """Says what a step did of a run that a person started, for a batch job where it was for one: in its output, in the
    tags of the run, and of the asset.
    """
    context.add_output_metadata(({"batch job": str(job_id)} if job_id else {}) | result.shown)
    tag_batch_jobs(context.instance, context.run_id, result.batch_jobs)
    report_stage(context, stage, organization, result)
