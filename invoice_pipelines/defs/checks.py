"""How promises become checks of assets, whatever the domain. What is promised stands with the domain."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData as Target,  # `dagster` itself does not offer it
)
from dagster._core.event_api import PartitionKeyFilter
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

from invoice_pipelines.defs.metadata import table, without_empty_tables
from invoice_pipelines.defs.organizations import organizations
from invoice_pipelines.promises import Finding, Promise


def check_specs(key: dg.AssetKey, promises: Sequence[Promise]) -> list[dg.AssetCheckSpec]:
    """Promises as checks of an asset, by organization like the asset itself: without that, Dagster's UI compares the
    newest evaluation of one organization with the newest materialization of another, and shows neither.
    """
    return [
        dg.AssetCheckSpec(
            promise.name,
            asset=key,
            description=promise.description,
            blocking=promise.blocking,
            partitions_def=organizations,
        )
        for promise in promises
    ]


def names(sample: Sequence[str]) -> dg.TableMetadataValue:
    """A sample by its names."""
    return table([{"which": shown} for shown in sample])


def evaluated(
    promises: Sequence[Promise], *given: object, shown: Callable[[Sequence[str]], dg.TableMetadataValue] = names
) -> list[dg.AssetCheckResult]:
    """Whether promises are kept; `given` is what each of them needs to know."""
    return [check_result(promise, promise.find(*given), shown) for promise in promises if promise.find is not None]


def kept(
    promises: Sequence[Promise],
    found: Mapping[str, Finding],
    shown: Callable[[Sequence[str]], dg.TableMetadataValue] = names,
) -> list[dg.AssetCheckResult]:
    """Whether promises are kept, by what `find_broken` found."""
    return [check_result(promise, found[promise.name], shown) for promise in promises if promise.name in found]


def check_result(
    promise: Promise, finding: Finding, shown: Callable[[Sequence[str]], dg.TableMetadataValue] = names
) -> dg.AssetCheckResult:
    """Whether a promise is kept, and what breaks it."""
    return dg.AssetCheckResult(
        check_name=promise.name,
        passed=finding.kept,
        severity=severity(warns=promise.warns or finding.only_warns),
        metadata=without_empty_tables({"offending": finding.count, **finding.figures, "sample": shown(finding.sample)}),
    )


def check_counted(promise: Promise, what: str, count: int, details: dg.TableMetadataValue) -> dg.AssetCheckResult:
    """Whether a promise is kept that a run itself sees, with its own count and details of what breaks it."""
    return dg.AssetCheckResult(
        check_name=promise.name,
        passed=count == 0,
        severity=severity(warns=promise.warns),
        metadata=without_empty_tables({what: count, "details": details}),
    )


class _OneTarget(dg.AssetCheckResult):
    """One of several results about the same materialization, which the first of them finds for all.

    Dagster looks for it for each, which was a tenth of the time of a run. Should Dagster come to ask in another way, it
    finds it by itself again.
    """

    found: list[Target | None]

    def _get_target_materialization_data(self, step_context: Any, check_key: dg.AssetCheckKey) -> Target | None:
        if not self.found:
            self.found.append(super()._get_target_materialization_data(step_context, check_key))
        return self.found[0]


def about_one_materialization(results: Sequence[dg.AssetCheckResult]) -> list[dg.AssetCheckResult]:
    """Results that an asset returns with one materialization of one organization, so that it is looked for once."""
    found: list[Target | None] = []
    told = [_OneTarget(**result._asdict()) for result in results]
    for each in told:
        each.found = found
    return list(told)


def severity(*, warns: bool) -> dg.AssetCheckSeverity:
    """Of a check that failed."""
    return dg.AssetCheckSeverity.WARN if warns else dg.AssetCheckSeverity.ERROR


def log_checks(
    context: dg.OpExecutionContext,
    key: dg.AssetKey,
    promises: Sequence[Promise],
    slug: str,
    results: Sequence[dg.AssetCheckResult],
) -> None:
    """Logs what checks of an asset found in an organization, from an op; in an asset's own run, Dagster does it."""
    if not results:
        return
    blocking = {promise.name for promise in promises if promise.blocking}
    target = _newest_materialization(context.instance, key, slug)
    for result in results:
        evaluation = dg.AssetCheckEvaluation(
            asset_key=key,
            check_name=str(result.check_name),
            passed=result.passed,
            severity=result.severity,
            metadata=result.metadata,
            blocking=result.check_name in blocking,
            partition=slug,
            target_materialization_data=target,
        )
        context.log_event(evaluation)  # type: ignore[arg-type]  # it takes these; its annotation leaves them out


class FailedChecks:
    """Which checks failed when they were evaluated before, in some organizations; asked once for each asset."""

    def __init__(self, instance: dg.DagsterInstance, slugs: Sequence[str]) -> None:
        self._instance = instance
        self._slugs = list(slugs)
        self._found: dict[dg.AssetKey, frozenset[tuple[str, str | None]]] = {}

    def of(self, key: dg.AssetKey, promises: Sequence[Promise]) -> frozenset[tuple[str, str | None]]:
        """Names of checks with the slugs of organizations in which they failed. Those about a run are left out."""
        if key not in self._found:
            keys = [dg.AssetCheckKey(key, promise.name) for promise in promises if not promise.of_run]
            infos = self._instance.event_log_storage.get_asset_check_partition_info(keys, partition_keys=self._slugs)
            failed = AssetCheckExecutionRecordStatus.FAILED
            self._found[key] = frozenset(
                (info.check_key.name, info.partition_key) for info in infos if info.latest_execution_status == failed
            )
        return self._found[key]


def as_last_found(
    instance: dg.DagsterInstance,
    key: dg.AssetKey,
    promises: Sequence[Promise],
    slug: str,
    results: Sequence[dg.AssetCheckResult],
) -> list[dg.AssetCheckResult]:
    """The results of a run that had nothing to do: what is promised of a run is told as the last one found it."""
    of_run = {promise.name for promise in promises if promise.of_run}
    return [
        (_last_result(instance, dg.AssetCheckKey(key, result.check_name), slug) or result)
        if result.check_name in of_run
        else result
        for result in results
    ]


def _last_result(instance: dg.DagsterInstance, check: dg.AssetCheckKey, slug: str) -> dg.AssetCheckResult | None:
    ended = {AssetCheckExecutionRecordStatus.SUCCEEDED, AssetCheckExecutionRecordStatus.FAILED}
    found = instance.event_log_storage.get_asset_check_execution_history(
        check, limit=1, status=ended, partition_filter=PartitionKeyFilter(key=slug)
    )
    evaluation = found[0].evaluation if found else None
    if evaluation is None:
        return None
    return dg.AssetCheckResult(
        check_name=check.name,
        passed=evaluation.passed,
        severity=evaluation.severity,
        metadata=evaluation.metadata,
    )


def _newest_materialization(instance: dg.DagsterInstance, key: dg.AssetKey, slug: str) -> Target | None:
    """What is checked. A check that does not name the newest materialization counts as out of date: its organization
    then has no state in the UI.
    """
    newest = dg.AssetRecordsFilter(asset_key=key, asset_partitions=[slug])
    for found in instance.fetch_materializations(newest, limit=1).records:
        return Target(storage_id=found.storage_id, run_id=found.run_id, timestamp=found.timestamp)
    return None
