"""Holds the assets of a migration, which are backfilled over organizations: one takes a whole company in, one sends a
backlog. Both go on where they stopped, and neither runs by itself.
"""

import dagster as dg
from pydantic import Field

from invoice_pipelines.database import organization_scope
from invoice_pipelines.defs.billing.assets import issued_invoices
from invoice_pipelines.defs.metadata import without_empty_tables
from invoice_pipelines.defs.organizations import organizations
from invoice_pipelines.defs.quickbooks import steps
from invoice_pipelines.defs.quickbooks.config import PUSHED, entities_of, refusals_fail_the_run
from invoice_pipelines.defs.quickbooks.metadata import jobs_table, prefixed
from invoice_pipelines.defs.resources import InvoiceDatabase
from invoice_pipelines.organizations import find_organization
from invoice_pipelines.work import get_job

IMPORTED = ("customers", "items", "payments")


class Import(dg.Config):
    """What of a company is taken in. There is no default: a company is never read in full by a careless click on all
    assets, as reading is metered.
    """

    entities: list[str] = Field(description="Some of customers, items, payments.")


@dg.asset(
    key_prefix="quickbooks",
    group_name="quickbooks",
    kinds={"quickbooks", "postgres"},
    partitions_def=organizations,
    check_specs=[
        dg.AssetCheckSpec(
            "came_to_the_end",
            asset=["quickbooks", "imported_company"],
            description="All of the company is here. If not, it goes on by itself within a quarter of an hour, or at "
            "once when this is run again.",
            partitions_def=organizations,
        )
    ],
)
def imported_company(
    context: dg.AssetExecutionContext, config: Import, database: InvoiceDatabase
) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """All that a QuickBooks company has of customers, items and payments, read in full: backfill it over organizations
    that are new. It goes on where it was killed or its time was up, and doing it again changes nothing.
    """
    with refusals_fail_the_run():
        entities = entities_of(config.entities, IMPORTED)
        organization = find_organization(database.engine, context.partition_key)
        report = steps.sync_organization(
            database, organization, entities, context.log, push=False, pull=True, full=True, share=None
        )
    if not report.is_connected:
        return _skipped("came_to_the_end")
    unfinished = [
        str(entity) for entity in entities if entity not in report.pulled or not report.pulled[entity].finished
    ]
    shown = {
        name: value
        for entity in entities
        for name, value in prefixed(entity, steps.result_of(database, organization, entity, report).shown).items()
    }
    check = dg.AssetCheckResult(
        check_name="came_to_the_end",
        passed=not unfinished,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"unfinished": ", ".join(unfinished) or "nothing"},
    )
    return dg.MaterializeResult(metadata=shown, check_results=[check])


class Backlog(dg.Config):
    """What is sent. There is no default: a backlog is never sent by a careless click on all assets."""

    entities: list[str] = Field(
        description="Some of customers, items, invoices. What an invoice needs is sent before it all the same."
    )


@dg.asset(
    key_prefix="quickbooks",
    group_name="quickbooks",
    kinds={"quickbooks"},
    partitions_def=organizations,
    deps=[issued_invoices],
    check_specs=[
        dg.AssetCheckSpec(
            "all_was_sent",
            asset=["quickbooks", "pushed_backlog"],
            description="Nothing of the backlog failed or waits. What waits is sent by the next runs, by themselves.",
            partitions_def=organizations,
        )
    ],
)
def pushed_backlog(
    context: dg.AssetExecutionContext, config: Backlog, database: InvoiceDatabase
) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """All records that QuickBooks never had, asked for as one batch job for each entity and sent: backfill it over the
    organizations that a migration brought. Doing it again sends what is missing by then, and nothing twice.
    """
    from invoice_pipelines.quickbooks.connection.connections import find_connection
    from invoice_pipelines.quickbooks.push.push import enqueue_backlog

    with refusals_fail_the_run():
        entities = entities_of(config.entities, PUSHED)
        organization = find_organization(database.engine, context.partition_key)
        with organization_scope(database.engine, organization.id) as connection:
            connected = find_connection(connection)
            if connected is None or connected.status == "disconnected":
                return _skipped("all_was_sent")
            asked = [enqueue_backlog(connection, entity) for entity in entities]
        jobs = [job for job in asked if job is not None]
        context.log.info("%s batch jobs", len(jobs))
        report = steps.sync_organization(
            database, organization, entities_of(PUSHED), context.log, push=True, pull=False, full=False, share=None
        )
    shown = {
        name: value
        for entity in entities
        for name, value in prefixed(entity, steps.result_of(database, organization, entity, report).shown).items()
    }
    with organization_scope(database.engine, organization.id) as connection:
        stand = [get_job(connection, job) for job in jobs]
    open_items = sum(job.total_items - job.processed_items for job in stand)
    failed = sum(job.failed_items for job in stand)
    check = dg.AssetCheckResult(
        check_name="all_was_sent",
        passed=not open_items and not failed,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"waiting": open_items, "failed": failed},
    )
    return dg.MaterializeResult(
        metadata=without_empty_tables({"jobs": jobs_table(stand), **shown}), check_results=[check]
    )


def _skipped(check_name: str) -> dg.MaterializeResult:  # type: ignore[type-arg]
    check = dg.AssetCheckResult(check_name=check_name, passed=True, metadata={"state": steps.NOT_CONNECTED})
    return dg.MaterializeResult(metadata={"skipped": steps.NOT_CONNECTED}, check_results=[check])
