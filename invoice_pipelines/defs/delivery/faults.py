"""How a fault that stands in the way of documents or messages fails the run that somebody launched for them, instead of
letting it end green without any. Runs that the sensor asks for show it in their assets and checks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from uuid import UUID

import dagster as dg

from invoice_pipelines.defs.domain import Stage, StageResult, Turn
from invoice_pipelines.defs.sweep import report_work
from invoice_pipelines.delivery.faults import standing_faults, try_again_now


def work_or_fail(
    context: dg.OpExecutionContext,
    stage: Stage,
    turn: Turn,
    work: Callable[[], StageResult],
    kinds: Sequence[str],
    *,
    what_failed: str,
    how_to_go_on: str,
    job_id: UUID | None = None,
) -> None:
    """Lets a stage do entries of these kinds, and reports it. What waits since an earlier fault is tried at once. Where
    one stands in their way after that (for a batch job: in the way of its own), the run fails: `what_failed` has the
    place for how many, `how_to_go_on` is what to do once it is mended.
    """
    organization = turn.organization
    with organization.scope() as connection:
        try_again_now(connection, kinds)
    result = work()
    report_work(context, stage, organization, result, job_id=job_id)
    with organization.scope() as connection:
        faults = standing_faults(connection, kinds, job_id)
    if faults:
        first, waiting = faults[0], sum(fault.items for fault in faults)
        raise dg.Failure(
            f"{what_failed.format(waiting)}. {first.code}: {first.message.rstrip('.')}. Mend it, and {how_to_go_on}; "
            "or wait, as they are tried again by themselves.",
            metadata=result.shown,
            allow_retries=False,
        )
