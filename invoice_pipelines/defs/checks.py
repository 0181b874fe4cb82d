"""How promises become checks of assets, whatever the domain. What is promised stands with the domain."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import dagster as dg

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


def severity(*, warns: bool) -> dg.AssetCheckSeverity:
    """Of a check that failed."""
    return dg.AssetCheckSeverity.WARN if warns else dg.AssetCheckSeverity.ERROR
