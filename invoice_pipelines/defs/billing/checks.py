"""Holds the checks of billing: what issued invoices promise, and what a broken promise shows.

They are evaluated after each run, on the organization at hand and its newest invoices: what lies further back was
looked at before and never changes. An order that cannot be invoiced breaks no promise: it is a row with a reason.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import dagster as dg
from sqlalchemy import Connection

from invoice_pipelines.billing import InvoicingReport, promises
from invoice_pipelines.billing.promises import Finding
from invoice_pipelines.defs.metadata import table, without_empty_tables
from invoice_pipelines.defs.organizations import organizations

LOOKED_BACK = 10_000
"""How many of the newest invoices are looked at after each run, beside those that it issued."""


@dataclass(frozen=True, slots=True)
class _Promise:
    name: str
    description: str
    find: Callable[[Connection, int], Finding]
    blocking: bool = True


PROMISES = (
    _Promise(
        "numbers_have_no_gap",
        "The numbers of each series follow one another from 1 on; every number that was given stands on an invoice.",
        lambda connection, latest: promises.numbers_with_gaps(connection, latest=latest),
    ),
    _Promise(
        "no_number_twice",
        "No number stands on two invoices, and no invoice has two numbers.",
        lambda connection, latest: promises.numbers_given_twice(connection, latest=latest),
    ),
    _Promise(
        "dates_in_order",
        "A later number of a series never has an earlier issue date.",
        lambda connection, latest: promises.dates_out_of_order(connection, latest=latest),
    ),
    _Promise(
        "complete_invoices",
        "Every invoice has a number, lines and VAT by category and rate.",
        lambda connection, latest: promises.invoices_without_number_or_lines(connection, latest=latest),
    ),
    _Promise(
        "amounts_tie",
        "Header, lines and VAT of every invoice say the same (BR-CO-10 to BR-CO-17).",
        lambda connection, latest: promises.amounts_that_do_not_tie(connection, latest=latest),
    ),
    _Promise(
        "settlements_tie",
        "Paid + credited + due is the gross amount of every invoice, its status says the same, and what is paid is "
        "what counts of its payments.",
        lambda connection, latest: promises.settlements_that_do_not_tie(connection, latest=latest),
        blocking=False,
    ),
    _Promise(
        "lines_belong_to_invoices",
        "Every line and VAT breakdown is that of an invoice, and the item that a line names is there.",
        lambda connection, latest: promises.lines_without_invoice_or_item(connection, latest=latest),
    ),
    _Promise(
        "events_tell_what_happened",
        "Every void and credit note has its event, and no event tells of what did not happen or of another time.",
        lambda connection, latest: promises.events_that_do_not_tell_what_happened(connection, latest=latest),
        blocking=False,
    ),
    _Promise(
        "payments_are_as_their_events_tell",
        "A payment and its allocations are as the last of its events left them.",
        lambda connection, latest: promises.payments_that_their_events_do_not_tell(connection, latest=latest),
        blocking=False,
    ),
    _Promise(
        "every_invoiced_order_has_its_invoice",
        "Every order that is marked as invoiced has one invoice, and no other order has one.",
        lambda connection, latest: promises.orders_and_invoices_that_disagree(connection, latest=latest),
    ),
    _Promise(
        "batch_jobs_tell_what_happened",
        "The counts of batch jobs of any kind are those of their items, and their history says who asked for them and "
        "who cancelled them.",
        lambda connection, latest: promises.jobs_that_disagree(connection),
        blocking=False,
    ),
    _Promise(
        "stock_is_never_negative",
        "No item has less than nothing on hand.",
        lambda connection, latest: promises.items_with_negative_stock(connection),
        blocking=False,
    ),
)
"""What stops what would follow (sending, booking) is blocking: a wrong invoice must not leave the house."""

BLOCKING = frozenset(promise.name for promise in PROMISES if promise.blocking)


def checks_of(asset: str) -> list[dg.AssetCheckSpec]:
    """All promises as checks of an asset, by organization like the asset itself."""
    return [
        dg.AssetCheckSpec(
            promise.name,
            asset=["billing", asset],
            description=promise.description,
            blocking=promise.blocking,
            partitions_def=organizations,
        )
        for promise in PROMISES
    ]


def check_invoices(connection: Connection, report: InvoicingReport) -> list[dg.AssetCheckResult]:
    """Results of `checks_of`, for the organization in scope."""
    latest = LOOKED_BACK + report.succeeded
    return [_result(promise.name, promise.find(connection, latest)) for promise in PROMISES]


def _result(name: str, finding: Finding) -> dg.AssetCheckResult:
    sample = table([{"which": shown} for shown in finding.sample])
    return dg.AssetCheckResult(
        check_name=name,
        passed=finding.kept,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata=without_empty_tables({"offending": finding.count, "sample": sample}),
    )
