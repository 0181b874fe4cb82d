"""The jobs that keep the queue and Dagster's own records in order, whatever the domain."""

import time
from datetime import UTC, datetime, timedelta

import dagster as dg

from invoice_pipelines.accounting.system import AccountingSystem
from invoice_pipelines.accounting.systems import accounting_systems
from invoice_pipelines.database import organization_scope
from invoice_pipelines.defs.resources import InvoiceDatabase
from invoice_pipelines.intake.received_invoices import fail_given_up
from invoice_pipelines.organizations import list_organizations
from invoice_pipelines.overdue import prune_executions, prune_notifications
from invoice_pipelines.storage import remove_abandoned_files, root_path
from invoice_pipelines.work import cleanup_stuck, prune

ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
RUNS_AT_ONCE = 100
ABANDONED_AFTER = timedelta(days=1)


@dg.op
def clean_up_stuck_work(context: dg.OpExecutionContext, database: InvoiceDatabase) -> None:
    """Returns items whose worker died to the queue, and closes jobs that nothing is left to do for.

    Where an item was given up, its invoice fails with the same reason; no run of its organization might come to do it.
    """
    with database.engine.begin() as connection:
        found = cleanup_stuck(connection)
    given_up = 0
    for organization in list_organizations(database.engine) if found.failed_items else ():
        with organization_scope(database.engine, organization.id) as connection:
            given_up += len(fail_given_up(connection))
    context.add_output_metadata(
        {
            "given up invoices": given_up,
            "returned items": found.returned_items,
            "failed items": found.failed_items,
            "cancelled items": found.cancelled_items,
            "closed jobs": found.closed_jobs,
            "reopened jobs": found.reopened_jobs,
            "ended jobs": found.ended_jobs,
        }
    )


@dg.job
def stuck_work_clean_up() -> None:
    """Cleans up after dead workers, in all organizations."""
    clean_up_stuck_work()


@dg.op
def prune_runs(context: dg.OpExecutionContext, database: InvoiceDatabase) -> None:
    """Deletes Dagster's records of runs that ended long ago: the runs, their events and what they printed.

    The oldest go first, and what does not fit into the time of a run is left for the next night. The business's own
    records are in the business database and stay.
    """
    deadline = time.monotonic() + database.settings.run_time_box_seconds
    before = datetime.now(UTC) - timedelta(days=database.settings.keep_runs_days)
    old = dg.RunsFilter(statuses=ENDED, updated_before=before)
    deleted = 0
    while time.monotonic() < deadline:
        records = context.instance.get_run_records(old, limit=RUNS_AT_ONCE, ascending=True)
        for record in records:
            run_id = record.dagster_run.run_id
            context.instance.delete_run(run_id)
            context.instance.compute_log_manager.delete_logs(prefix=[run_id])
        deleted += len(records)
        if len(records) < RUNS_AT_ONCE:
            break
    context.add_output_metadata({"deleted runs": deleted, "ended before": dg.MetadataValue.timestamp(before)})


@dg.op
def prune_batch_jobs(context: dg.OpExecutionContext, database: InvoiceDatabase) -> None:
    """Deletes items of jobs and of queues that ended long ago, of all organizations. Jobs and their history stay."""
    before = datetime.now(UTC) - timedelta(days=database.settings.keep_runs_days)
    organizations = list_organizations(database.engine, with_removed=True)
    deleted = sum(prune(database.engine, organization.id, before) for organization in organizations)
    context.add_output_metadata(
        {
            "deleted items": deleted,
            "organizations": len(organizations),
            "ended before": dg.MetadataValue.timestamp(before),
        }
    )


@dg.op
def prune_overdue(context: dg.OpExecutionContext, database: InvoiceDatabase) -> None:
    """Deletes from the log of overdue what ran long ago, and notifications closed longer ago, of all organizations."""
    now = datetime.now(UTC)
    ended_before = now - timedelta(days=database.settings.keep_runs_days)
    closed_before = now - timedelta(days=database.settings.keep_notifications_days)
    executions = notifications = 0
    for organization in list_organizations(database.engine, with_removed=True):
        executions += prune_executions(database.engine, organization.id, ended_before)
        notifications += prune_notifications(database.engine, organization.id, closed_before)
    context.add_output_metadata(
        {
            "deleted overdue runs": executions,
            "deleted notifications": notifications,
            "runs ended before": dg.MetadataValue.timestamp(ended_before),
            "notifications closed before": dg.MetadataValue.timestamp(closed_before),
        }
    )


def prune_op(system: AccountingSystem) -> dg.OpDefinition:
    """The op that prunes what is kept of an accounting system."""

    @dg.op(
        name=f"prune_{system.name}",
        description=f"Deletes what was sent to {system.title} and answered long ago, of all organizations; mappings "
        "and events stay.",
    )
    def prune_sent(context: dg.OpExecutionContext, database: InvoiceDatabase) -> None:
        before = datetime.now(UTC) - timedelta(days=database.settings.keep_runs_days)
        organizations = list_organizations(database.engine, with_removed=True)
        deleted = sum(system.prune(database.engine, organization.id, before) for organization in organizations)
        context.add_output_metadata({"deleted batches": deleted, "answered before": dg.MetadataValue.timestamp(before)})

    return prune_sent


PRUNE_ACCOUNTING = [prune_op(system) for system in accounting_systems()]


@dg.op
def remove_leftovers(context: dg.OpExecutionContext, database: InvoiceDatabase) -> None:
    """Removes the temporary files that killed processes left in the stores of originals, exports and documents. What is
    in them stays: documents and messages are business records.
    """
    before = datetime.now(UTC) - ABANDONED_AFTER
    settings = database.settings
    roots = {
        "originals": settings.originals_root,
        "exports": settings.exports_root,
        "documents": settings.documents_root,
    }
    context.add_output_metadata(
        {f"files in {name}": remove_abandoned_files(root_path(root), before) for name, root in roots.items()}
    )


@dg.job
def nightly_prune() -> None:
    """Removes records of Dagster and items of queues that nobody looks at any more, and files of killed processes."""
    prune_runs()
    prune_batch_jobs()
    prune_overdue()
    for prune_sent in PRUNE_ACCOUNTING:
        prune_sent()
    remove_leftovers()
