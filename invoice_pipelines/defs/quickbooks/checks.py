"""Holds the checks of the sync: what each of its assets promises, and what a broken promise shows.

They are evaluated after each run, on the organization at hand and its newest records. None blocks: what is wrong with
one record must not keep the others from where they belong.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import dagster as dg
from sqlalchemy import Connection

from invoice_pipelines.billing.promises import Finding
from invoice_pipelines.defs.metadata import table, without_empty_tables
from invoice_pipelines.defs.organizations import organizations
from invoice_pipelines.quickbooks import promises
from invoice_pipelines.quickbooks.invoices.drift import drifted_invoices
from invoice_pipelines.quickbooks.payments.promises import allocations_that_differ, paid_and_due_that_do_not_tie
from invoice_pipelines.quickbooks.promises import Health, connection_health
from invoice_pipelines.quickbooks.values import EntityType

ERROR, WARN = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN
HEALTHY = "connection_is_healthy"
HEALTHY_DESCRIPTION = (
    "QuickBooks can be spoken to. A warning while it is left alone for a while, and before the connection expires."
)


@dataclass(frozen=True, slots=True)
class _Promise:
    name: str
    description: str
    find: Callable[[Connection], Finding]
    severity: dg.AssetCheckSeverity = ERROR


def _mapping(entity: EntityType) -> _Promise:
    return _Promise(
        "mapping_is_unique",
        "No record there stands for two of ours, none of ours has two there, and each mapping has its record here.",
        lambda connection: promises.ambiguous_mappings(connection, entity),
    )


def _conflicts(entity: EntityType) -> _Promise:
    return _Promise(
        "no_open_conflicts",
        "No conflict waits for a person; `invoice-pipelines conflicts list` shows them.",
        lambda connection: promises.open_conflicts(connection, entity),
        WARN,
    )


PROMISES: dict[EntityType, tuple[_Promise, ...]] = {
    EntityType.CUSTOMER: (_mapping(EntityType.CUSTOMER), _conflicts(EntityType.CUSTOMER)),
    EntityType.ITEM: (_mapping(EntityType.ITEM), _conflicts(EntityType.ITEM)),
    EntityType.INVOICE: (
        _mapping(EntityType.INVOICE),
        _Promise(
            "every_sent_invoice_is_mapped",
            "Every invoice that QuickBooks said it made has its mapping.",
            promises.sent_invoices_without_mapping,
        ),
        _Promise(
            "no_invoice_is_lost",
            "Every invoice that was issued since the company was connected is there after 15 minutes, or waits in the "
            "queue, or failed with a reason.",
            promises.lost_invoices,
        ),
        _Promise(
            "no_invoice_is_late",
            "No invoice waits for more than an hour, and none has failed.",
            promises.late_invoices,
            WARN,
        ),
        _Promise(
            "totals_agree",
            "Every invoice has the total in QuickBooks that it has here.",
            promises.differing_totals,
            WARN,
        ),
        _Promise(
            "no_drift",
            "No invoice that was sent was changed, voided or deleted on the other side.",
            drifted_invoices,
            WARN,
        ),
        _conflicts(EntityType.INVOICE),
    ),
    EntityType.PAYMENT: (
        _Promise(
            "paid_and_due_is_total",
            "Paid + credited + due is the gross amount of every invoice that has a payment from QuickBooks.",
            paid_and_due_that_do_not_tie,
        ),
        _Promise(
            "allocations_equal_quickbooks",
            "What our invoices got of each payment is what QuickBooks says.",
            allocations_that_differ,
        ),
    ),
}


def checks_of(entity: EntityType, asset: str) -> list[dg.AssetCheckSpec]:
    """The checks of an asset, by organization like the asset itself."""
    described = [(promise.name, promise.description) for promise in PROMISES[entity]]
    return [
        dg.AssetCheckSpec(name, asset=["quickbooks", asset], description=description, partitions_def=organizations)
        for name, description in [*described, (HEALTHY, HEALTHY_DESCRIPTION)]
    ]


def check_sync(connection: Connection, entity: EntityType, slug: str) -> list[dg.AssetCheckResult]:
    """Results of `checks_of`, for the organization in scope."""
    found = [_result(promise, promise.find(connection)) for promise in PROMISES[entity]]
    return [*found, check_connection(connection, slug)]


def check_connection(connection: Connection, slug: str) -> dg.AssetCheckResult:
    """How it stands with the connection of the organization in scope."""
    found = connection_health(connection, slug)
    return dg.AssetCheckResult(
        check_name=HEALTHY,
        passed=found.health in (Health.FINE, Health.NONE),
        severity=ERROR if found.health is Health.BROKEN else WARN,
        metadata={"state": str(found.health)} | ({"why": found.why} if found.why else {}),
    )


def _result(promise: _Promise, finding: Finding) -> dg.AssetCheckResult:
    sample = table([{"which": shown} for shown in finding.sample])
    return dg.AssetCheckResult(
        check_name=promise.name,
        passed=finding.kept,
        severity=promise.severity,
        metadata=without_empty_tables({"offending": finding.count, "sample": sample}),
    )
