"""What failed since a sensor looked before: runs, and checks of severity ERROR, by Dagster's events."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import dagster as dg
from dagster._core.instance import RUNLESS_RUN_ID

from invoice_pipelines.alerts import Alert
from invoice_pipelines.defs.run_failures import organization_of, reason_of_run
from invoice_pipelines.defs.sweep import LEFT_OUT
from invoice_pipelines.work.failures import without_secrets

AT_ONCE = 5000
"""How many events of each kind are read at a time; the next tick reads on."""

RUNS_AT_ONCE = 1000
WILL_RETRY = "dagster/will_retry"


@dataclass(frozen=True, slots=True)
class Failure:
    """An alert in the making. Why a run failed, is asked only of those that are shown."""

    name: str
    organization: str
    run_id: str
    reason: str = ""
    said: str = ""

    @property
    def problem(self) -> str:
        """What stays the same where the same fails again."""
        return f"{self.name} {self.organization}"


@dataclass(frozen=True, slots=True)
class Place:
    """Up to which events everything is told: their ids in Dagster's storage."""

    runs: int
    checks: int


def newest_place(instance: dg.DagsterInstance) -> Place:
    """Behind all events there are."""
    newest = instance.event_log_storage.get_maximum_record_id() or 0
    return Place(newest, newest)


def failures_since(instance: dg.DagsterInstance, place: Place) -> tuple[list[Failure], Place]:
    """What failed behind a place, and up to where that is."""
    ended = instance.fetch_run_status_changes(
        dg.RunStatusChangeRecordsFilter(dg.DagsterEventType.RUN_FAILURE, after_storage_id=place.runs),
        limit=AT_ONCE,
        ascending=True,
    ).records
    checked = instance.event_log_storage.get_event_records(
        dg.EventRecordsFilter(dg.DagsterEventType.ASSET_CHECK_EVALUATION, after_cursor=place.checks),
        limit=AT_ONCE,
        ascending=True,
    )
    broken = [record for record in checked if _is_broken(_evaluation(record))]
    runs = _runs(instance, [record.run_id for record in ended])
    found = [
        *(failure for record in ended if record.run_id in runs for failure in _of_run(record, runs[record.run_id])),
        *map(_of_check, broken),
    ]
    behind = replace(
        place,
        runs=max((record.storage_id for record in ended), default=place.runs),
        checks=max((record.storage_id for record in checked), default=place.checks),
    )
    return found, behind


def alert_of(instance: dg.DagsterInstance, failure: Failure, ui_url: str | None) -> Alert:
    """What people are told of a failure."""
    reason = failure.reason or reason_of_run(instance, failure.run_id, failure.said)
    url = f"{ui_url.rstrip('/')}/runs/{failure.run_id}" if ui_url and failure.run_id else None
    return Alert(failure.name, failure.organization, failure.run_id, reason, url)


def _of_run(record: dg.EventLogRecord, run: dg.DagsterRun) -> Iterator[Failure]:
    if run.tags.get(WILL_RETRY) == "true":
        return  # the last attempt tells
    left_out = {tag.removeprefix(LEFT_OUT): why for tag, why in run.tags.items() if tag.startswith(LEFT_OUT)}
    for slug, why in sorted(left_out.items()):
        yield Failure(run.job_name, slug, run.run_id, why)
    if not left_out:
        event = record.event_log_entry.dagster_event
        said = (event.message if event else None) or ""
        yield Failure(run.job_name, organization_of(run), run.run_id, said=said)


def _of_check(record: dg.EventLogRecord) -> Failure:
    evaluation = _evaluation(record)
    name = f"{evaluation.asset_key.to_user_string()}: {evaluation.check_name}"
    offending = evaluation.metadata.get("offending")
    reason = evaluation.description or (f"{offending.value} offending" if offending else "failed")
    run_id = "" if record.run_id == RUNLESS_RUN_ID else record.run_id
    return Failure(name, evaluation.partition or "", run_id, without_secrets(reason))


def _evaluation(record: dg.EventLogRecord) -> dg.AssetCheckEvaluation:
    event = record.event_log_entry.dagster_event
    assert event is not None
    return event.asset_check_evaluation_data


def _is_broken(evaluation: dg.AssetCheckEvaluation) -> bool:
    return not evaluation.passed and evaluation.severity is dg.AssetCheckSeverity.ERROR


def _runs(instance: dg.DagsterInstance, run_ids: list[str]) -> dict[str, dg.DagsterRun]:
    runs: dict[str, dg.DagsterRun] = {}
    for start in range(0, len(run_ids), RUNS_AT_ONCE):
        some = dg.RunsFilter(run_ids=run_ids[start : start + RUNS_AT_ONCE])
        runs |= {run.run_id: run for run in instance.get_runs(some)}
    return runs
